//! Fixups: what the publishers got wrong or left out, put right by named, explained entries in `spec/fixups/*.toml`.
//! An entry that no longer applies is an error, so that none outlives its reason.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// The definitions of a package as JSON, by `ResourceType/id`.
pub(super) type Definitions = BTreeMap<String, Value>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FixupFile {
    #[serde(rename = "fixup", default)]
    fixups: Vec<Fixup>,
}

/// One entry: what is wrong in a definition, and at least one change.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Fixup {
    pub name: String,
    /// The reason, for the reader.
    pub why: String,
    /// `name@version` of each package that it concerns.
    pub packages: Vec<String>,
    /// `ResourceType/id`, the digest's file. With `ResourceType/*`, `replace` concerns every file of the folder that
    /// has `from` at the pointer (one at least).
    pub definition: String,
    /// Takes the definition out.
    #[serde(default)]
    pub remove: bool,
    /// The digest of a definition that the package needs and does not hold, as JSON text.
    pub add: Option<String>,
    /// The ids of elements to take out of a structure; those below them go too.
    #[serde(default)]
    pub remove_elements: Vec<String>,
    pub insert_elements: Option<InsertElements>,
    #[serde(default)]
    pub replace: Vec<Replace>,
}

/// Puts elements into a structure.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InsertElements {
    /// The id of the element that they come behind.
    pub after: String,
    /// Their digests: a JSON list as text.
    pub elements: String,
}

/// Puts `to` where the digest has `from`. Both are JSON text, so that decimals stay as written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// The id of the element that the pointer starts from; else it starts from the definition.
    pub element: Option<String>,
    /// JSON pointer: `/elements/3/max`, or `/max` from an element.
    pub pointer: String,
    pub from: String,
    pub to: String,
    /// What the definition has to hold besides: JSON pointers and the JSON text found there.
    #[serde(default)]
    pub only: BTreeMap<String, String>,
}

#[derive(Debug, thiserror::Error)]
pub enum FixupError {
    #[error("spec/{file}: {source}")]
    Unreadable { file: String, source: Box<toml::de::Error> },
    #[error(
        "spec/{file}: fixup `{name}` no longer applies: {why}; delete it, or adapt it to what the package says now"
    )]
    DoesNotApply { file: String, name: String, why: String },
}

/// All fixups, with the file each stands in.
pub(super) fn read(files: &BTreeMap<String, String>) -> Result<Vec<(String, Fixup)>, FixupError> {
    let mut fixups = Vec::new();
    for (file, text) in files.iter().filter(|(file, _)| file.starts_with("fixups/") && file.ends_with(".toml")) {
        let content: FixupFile = toml::from_str(text)
            .map_err(|source| FixupError::Unreadable { file: file.clone(), source: Box::new(source) })?;
        fixups.extend(content.fixups.into_iter().map(|fixup| (file.clone(), fixup)));
    }
    Ok(fixups)
}

/// Applies them in order. `packages` is keyed by `name@version`.
pub(super) fn apply(
    fixups: &[(String, Fixup)],
    packages: &mut BTreeMap<String, Definitions>,
) -> Result<(), FixupError> {
    for (file, fixup) in fixups {
        for name in &fixup.packages {
            let definitions = packages.get_mut(name).ok_or_else(|| "lock.toml has no such package".to_owned());
            definitions.and_then(|definitions| apply_one(fixup, definitions)).map_err(|why| {
                let why = format!("{name}: {why}");
                FixupError::DoesNotApply { file: file.clone(), name: fixup.name.clone(), why }
            })?;
        }
    }
    Ok(())
}

fn apply_one(fixup: &Fixup, definitions: &mut Definitions) -> Result<(), String> {
    let definition = &fixup.definition;
    let missing = || format!("there is no {definition}");
    let mut changes = 0;
    if fixup.remove {
        definitions.remove(definition).ok_or_else(missing)?;
        changes += 1;
    }
    if let Some(content) = &fixup.add {
        let content = json(content)?;
        let url = &content["url"];
        if definitions.contains_key(definition) || definitions.values().any(|held| held["url"] == *url) {
            return Err(format!("the package itself holds {definition} or {url}"));
        }
        definitions.insert(definition.clone(), content);
        changes += 1;
    }
    for id in &fixup.remove_elements {
        let elements = elements_of(definitions, definition).ok_or_else(missing)?;
        let before = elements.len();
        let below = format!("{id}.");
        elements.retain(|element| !id_of(element).is_some_and(|found| found == id || found.starts_with(&below)));
        if elements.len() == before {
            return Err(format!("{definition} has no element {id}"));
        }
        changes += 1;
    }
    if let Some(insert) = &fixup.insert_elements {
        let elements = elements_of(definitions, definition).ok_or_else(missing)?;
        let place = elements.iter().position(|element| id_of(element) == Some(&insert.after));
        let place = place.ok_or_else(|| format!("{definition} has no element {}", insert.after))?;
        let Value::Array(new) = json(&insert.elements)? else { return Err("`elements` is no JSON list".to_owned()) };
        if let Some(known) = new.iter().find(|new| elements.iter().any(|element| element["id"] == new["id"])) {
            return Err(format!("{definition} itself has the element {}", known["id"]));
        }
        elements.splice(place + 1..place + 1, new);
        changes += 1;
    }
    for replace in &fixup.replace {
        apply_replace(definition, replace, definitions)?;
        changes += 1;
    }
    match changes {
        0 => {
            Err("it changes nothing: it needs `remove`, `add`, `replace`, `remove-elements` or `insert-elements`"
                .into())
        }
        _ => Ok(()),
    }
}

fn apply_replace(definition: &str, replace: &Replace, definitions: &mut Definitions) -> Result<(), String> {
    let (from, to) = (json(&replace.from)?, json(&replace.to)?);
    let mut only = Vec::new();
    for (pointer, text) in &replace.only {
        only.push((pointer, json(text)?));
    }
    let folder = definition.strip_suffix('*');
    let named = |name: &str| folder.map_or(name == definition, |folder| name.starts_with(folder));
    let mut replaced = 0;
    for (_, found) in definitions.iter_mut().filter(|(name, _)| named(name)) {
        let fits = only.iter().all(|(pointer, value)| found.pointer(pointer) == Some(value));
        let start = match &replace.element {
            None => Some(found),
            Some(id) => found
                .get_mut("elements")
                .and_then(Value::as_array_mut)
                .and_then(|elements| elements.iter_mut().find(|element| id_of(element) == Some(id))),
        };
        let place = start.and_then(|start| start.pointer_mut(&replace.pointer));
        if let Some(place) = place.filter(|place| fits && **place == from) {
            *place = to.clone();
            replaced += 1;
        }
    }
    if replaced == 0 {
        let element = replace.element.as_deref().unwrap_or_default();
        return Err(format!("no {definition} has {} at {element}{}", replace.from, replace.pointer));
    }
    Ok(())
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{text:?} is no JSON: {error}"))
}

fn elements_of<'a>(definitions: &'a mut Definitions, definition: &str) -> Option<&'a mut Vec<Value>> {
    definitions.get_mut(definition)?.get_mut("elements")?.as_array_mut()
}

fn id_of(element: &Value) -> Option<&str> {
    element.get("id")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages() -> BTreeMap<String, Definitions> {
        let parameter = serde_json::json!({"url": "http://e/p", "target": ["Patient"]});
        let structure =
            serde_json::json!({"url": "http://e/s", "elements": [{"id": "S.a"}, {"id": "S.b"}, {"id": "S.b.x"}]});
        let definitions = Definitions::from([
            ("SearchParameter/p".to_owned(), parameter),
            ("StructureDefinition/s".to_owned(), structure),
        ]);
        BTreeMap::from([("a@1".to_owned(), definitions)])
    }

    /// What the package holds after the entry, or the refusal.
    fn after(entry: &str) -> Result<String, String> {
        let text = format!("[[fixup]]\nname = \"f\"\nwhy = \"because\"\n{entry}");
        let files = BTreeMap::from([("fixups/f.toml".to_owned(), text)]);
        let mut packages = packages();
        let fixups = read(&files).map_err(|error| error.to_string())?;
        apply(&fixups, &mut packages).map_err(|error| error.to_string())?;
        Ok(serde_json::to_string(&packages["a@1"]).unwrap())
    }

    #[test]
    fn an_entry_removes_replaces_or_adds() {
        let removed = after("packages = [\"a@1\"]\ndefinition = \"SearchParameter/p\"\nremove = true");
        assert!(!removed.unwrap().contains("SearchParameter"));
        let replaced = after(
            "packages = [\"a@1\"]\ndefinition = \"SearchParameter/p\"\n[[fixup.replace]]\npointer = \"/target/0\"\n\
             from = '\"Patient\"'\nto = '\"Group\"'",
        );
        assert!(replaced.unwrap().contains("Group"));
        let added = after("packages = [\"a@1\"]\ndefinition = \"ValueSet/v\"\nadd = '{\"url\":\"http://e/v\"}'");
        assert!(added.unwrap().contains("ValueSet/v"));
        let elements = after(
            "packages = [\"a@1\"]\ndefinition = \"StructureDefinition/s\"\nremove-elements = [\"S.b\"]\n\
             insert-elements = { after = \"S.a\", elements = '[{\"id\":\"S.c\"}]' }",
        );
        assert!(elements.unwrap().contains(r#""elements":[{"id":"S.a"},{"id":"S.c"}]"#));
    }

    #[test]
    fn an_entry_that_no_longer_applies_is_an_error_that_names_it() {
        let entries = [
            "packages = [\"a@2\"]\ndefinition = \"SearchParameter/p\"\nremove = true",
            "packages = [\"a@1\"]\ndefinition = \"SearchParameter/q\"\nremove = true",
            "packages = [\"a@1\"]\ndefinition = \"SearchParameter/p\"\n[[fixup.replace]]\npointer = \"/target/0\"\n\
             from = '\"Group\"'\nto = '\"Device\"'",
            "packages = [\"a@1\"]\ndefinition = \"SearchParameter/q\"\nadd = '{\"url\":\"http://e/p\"}'",
        ];
        for entry in entries {
            let error = after(entry).unwrap_err();
            assert!(error.contains("spec/fixups/f.toml: fixup `f` no longer applies: a@"), "{error}");
        }
    }
}
