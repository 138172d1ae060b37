//! Cases: requests and what must come of them, as data. `conformance/README.md` describes the language; this is its
//! shape, its variables and its expectations. How a case is run: `run::case`.

use std::collections::BTreeMap;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::compare::differences;

/// The system of the tag that all given resources carry.
pub(crate) const TAG_SYSTEM: &str = "urn:vesta:conformance";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Resources that are made before the first step, in this order, by name. One with an id is put there.
    #[serde(default)]
    pub given: Map<String, Value>,
    pub steps: Vec<Step>,
}

/// A request, or searches, with what is expected of the answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Once for each value of a variable.
    #[serde(default)]
    pub each: BTreeMap<String, Vec<String>>,

    /// `GET Patient/{p.id}`
    #[serde(default)]
    pub send: Option<String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: Option<Value>,
    /// A body that is no JSON, or not meant to be.
    #[serde(default)]
    pub text: Option<String>,
    /// [default: 200]
    #[serde(default)]
    pub status: Option<Statuses>,
    /// Whether an OperationOutcome comes with a refusal. [default: yes]
    #[serde(default)]
    pub outcome: Option<bool>,
    /// By name: what headers of the answer are.
    #[serde(default)]
    pub answers: BTreeMap<String, Value>,
    /// By pointer: what stands in the answer.
    #[serde(default)]
    pub expect: BTreeMap<String, Value>,
    /// By name of a variable: a pointer, `header:Name`, `query:/pointer` or `etag:/pointer`.
    #[serde(default)]
    pub keep: BTreeMap<String, String>,
    /// Asked again for some seconds until the answer is as expected: a history may tell of a change a moment later.
    #[serde(default)]
    pub settles: bool,
    /// So many clients send it at once, each with its `{number}` from 0 on.
    #[serde(default)]
    pub at_once: Option<usize>,
    /// Of what is sent at once: how often each status comes.
    #[serde(default)]
    pub counts: BTreeMap<String, usize>,

    /// Searches among what was given, by GET and by POST, all pages: the names of what is found.
    #[serde(default)]
    pub finds: BTreeMap<String, Vec<String>>,
    /// The same, where the order of the matches is told.
    #[serde(default)]
    pub sorts: BTreeMap<String, Vec<String>>,
    /// The same: what is included beside the matches, whichever those are.
    #[serde(default)]
    pub includes: BTreeMap<String, Vec<String>>,
    /// Searches that are refused with 400.
    #[serde(default)]
    pub refuses: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Statuses {
    One(u16),
    Any(Vec<u16>),
}

impl Step {
    pub(crate) fn statuses(&self) -> Vec<u16> {
        match &self.status {
            None => vec![200],
            Some(Statuses::One(one)) => vec![*one],
            Some(Statuses::Any(any)) => any.clone(),
        }
    }
}

/// What `{name}` stands for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The text with its variables filled in. What is in braces and no name (as in `[0-9]{4}`) stays.
    pub(crate) fn fill(&self, text: &str) -> Result<String, String> {
        self.filled(text, |value| value.to_owned())
    }

    fn filled(&self, text: &str, shown: impl Fn(&str) -> String) -> Result<String, String> {
        let is_name = |name: &str| {
            name.starts_with(|one: char| one.is_ascii_lowercase())
                && name.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '.' | '-'))
        };
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            match after.split_once('}').filter(|(name, _)| is_name(name)) {
                Some((name, after)) => {
                    let value = self.get(name).ok_or_else(|| format!("the case has no variable {name}"))?;
                    filled.push_str(&shown(value));
                    rest = after;
                }
                None => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }

    pub(crate) fn fill_json(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => self.fill(text)?.into(),
            Value::Array(items) => items.iter().map(|item| self.fill_json(item)).collect::<Result<_, _>>()?,
            Value::Object(members) => {
                let filled = members.iter().map(|(name, value)| Ok((name.clone(), self.fill_json(value)?)));
                Value::Object(filled.collect::<Result<_, String>>()?)
            }
            other => other.clone(),
        })
    }
}

/// What a pointer leads to: RFC 6901, and beside it `*` for every item or member, and `[name=value]` for the first item
/// that has this member.
pub(crate) fn follow(root: &Value, pointer: &str) -> Vec<Value> {
    let mut found = vec![root];
    for segment in pointer.split('/').skip(1) {
        let chosen = segment.strip_prefix('[').and_then(|segment| segment.strip_suffix(']')?.split_once('='));
        found = found
            .into_iter()
            .flat_map(|value| match (value, segment, chosen) {
                (Value::Array(items), "*", _) => items.iter().collect::<Vec<_>>(),
                (Value::Object(members), "*", _) => members.values().collect(),
                (Value::Array(items), _, Some((name, wanted))) => {
                    let has = |item: &&Value| {
                        let value = name.split('.').fold(*item, |value, name| &value[name]);
                        value.as_str().map_or_else(|| value.to_string(), str::to_owned) == wanted
                    };
                    items.iter().find(has).into_iter().collect()
                }
                (value, _, _) => value.pointer(&format!("/{segment}")).into_iter().collect(),
            })
            .collect();
    }
    found.into_iter().cloned().collect()
}

/// Whether what a pointer leads to is what is expected; if not, what would be.
///
/// An expectation is a value, which is compared as it is written; `null`, if nothing may be there; or an object with one
/// of the operators below. After a `*`, all that was found is one list.
pub(crate) fn holds(
    variables: &Variables,
    given: &BTreeMap<String, Value>,
    root: &Value,
    pointer: &str,
    expected: &Value,
) -> Result<(), String> {
    let found = follow(root, pointer);
    let is_list = pointer.split('/').any(|segment| segment == "*");
    // An empty body is read as null.
    let value =
        if is_list { Some(Value::Array(found)) } else { found.into_iter().next().filter(|value| !value.is_null()) };
    // Patterns are filled in by themselves: a value is no pattern.
    let operator = expected.as_object().filter(|members| members.len() == 1).and_then(|members| members.iter().next());
    let shown = || value.as_ref().map_or_else(|| "absent".to_owned(), short);
    let must = |is_so: bool, what: String| if is_so { Ok(()) } else { Err(format!("is {}, expected {what}", shown())) };
    match operator {
        Some((name, Value::String(pattern))) if name == "matches" => {
            let pattern = variables.filled(pattern, regex::escape)?;
            let regex = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| error.to_string())?;
            let matches = |value: &Value| value.as_str().is_some_and(|text| regex.is_match(text));
            let is_so = match &value {
                Some(Value::Array(items)) => !items.is_empty() && items.iter().all(matches),
                Some(value) => matches(value),
                None => false,
            };
            must(is_so, format!("what matches {pattern}"))
        }
        Some((name, wanted)) => {
            let wanted = variables.fill_json(wanted)?;
            let items = || value.as_ref().and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            match (name.as_str(), &wanted) {
                ("present", Value::Bool(present)) => {
                    let there =
                        value.as_ref().is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty()));
                    must(there == *present, if *present { "something" } else { "nothing" }.to_owned())
                }
                ("count", Value::Number(_)) => {
                    must(wanted.as_u64() == Some(items().len() as u64), format!("{wanted} items"))
                }
                ("at-least", Value::Number(_)) => must(
                    wanted.as_u64().is_some_and(|least| items().len() as u64 >= least),
                    format!("at least {wanted}"),
                ),
                ("contains", wanted) => must(items().contains(wanted), format!("{wanted} among them")),
                ("lacks", wanted) => must(!items().contains(wanted), format!("{wanted} not among them")),
                ("is-not", wanted) => {
                    must(value.as_ref().is_some_and(|value| value != wanted), format!("not {wanted}"))
                }
                ("one-of", Value::Array(any)) => {
                    must(value.as_ref().is_some_and(|value| any.contains(value)), format!("one of {wanted}"))
                }
                ("has", Value::String(part)) => {
                    let text = value.as_ref().and_then(Value::as_str).unwrap_or_default();
                    must(text.contains(part.as_str()), format!("what has `{part}` in it"))
                }
                // The resource as it was given, value by value.
                ("given", Value::String(name)) => {
                    let Some(given) = given.get(name) else { return Err(format!("nothing is given as {name}")) };
                    let lost = differences(given, value.as_ref().unwrap_or(&Value::Null));
                    if lost.is_empty() { Ok(()) } else { Err(format!("is not what was given: {}", lost.join("; "))) }
                }
                ("equals", wanted) => must(value.as_ref() == Some(wanted), wanted.to_string()),
                _ => Err(format!("cannot be judged: no operator is {name} with {wanted}")),
            }
        }
        None if expected.is_null() => {
            let nothing = value.as_ref().is_none_or(|value| is_list && *value == Value::Array(Vec::new()));
            must(nothing, "nothing".to_owned())
        }
        None => {
            let wanted = variables.fill_json(expected)?;
            must(value.as_ref() == Some(&wanted), wanted.to_string())
        }
    }
}

fn short(value: &Value) -> String {
    const SHOWN: usize = 200;
    let text = value.to_string();
    let end = text.floor_char_boundary(SHOWN);
    if end < text.len() { format!("{}…", &text[..end]) } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judge(root: &Value, pointer: &str, expected: &Value) -> Result<(), String> {
        let mut variables = Variables::default();
        variables.set("id", "1.2");
        let given = BTreeMap::from([("p".to_owned(), json!({ "resourceType": "Patient", "active": true }))]);
        holds(&variables, &given, root, pointer, expected)
    }

    /// Each operator says yes and no.
    #[test]
    fn expectations_hold_and_fail() {
        let root = json!({ "id": "1.2", "n": 3, "list": [{ "k": "a", "v": 1 }, { "k": "b", "v": 2 }],
            "p": { "resourceType": "Patient", "active": true } });
        let cases = [
            ("/id", json!("{id}"), json!("1x2")),
            ("/id", json!({ "matches": "{id}" }), json!({ "matches": "2" })),
            ("/n", json!(3), json!("3")),
            ("/none", json!(null), json!({ "present": true })),
            ("/id", json!({ "present": true }), json!(null)),
            ("/list", json!({ "count": 2 }), json!({ "count": 1 })),
            ("/list", json!({ "at-least": 2 }), json!({ "at-least": 3 })),
            ("/list/*/k", json!({ "contains": "a" }), json!({ "contains": "c" })),
            ("/list/*/k", json!({ "lacks": "c" }), json!({ "lacks": "a" })),
            ("/list/*/k", json!(["a", "b"]), json!(["b", "a"])),
            ("/list/*/k", json!({ "matches": "[ab]" }), json!({ "matches": "a" })),
            ("/list/*/none", json!(null), json!({ "present": true })),
            ("/list/[k=b]/v", json!(2), json!(1)),
            ("/id", json!({ "is-not": "2" }), json!({ "is-not": "{id}" })),
            ("/id", json!({ "one-of": ["2", "{id}"] }), json!({ "one-of": ["2"] })),
            ("/id", json!({ "has": "." }), json!({ "has": "," })),
            ("/p", json!({ "given": "p" }), json!({ "given": "q" })),
            ("/p", json!({ "equals": { "resourceType": "Patient", "active": true } }), json!({ "equals": {} })),
        ];
        for (pointer, good, bad) in cases {
            assert_eq!(judge(&root, pointer, &good), Ok(()), "{pointer}");
            assert!(judge(&root, pointer, &bad).is_err(), "{pointer}: {bad}");
        }
    }

    #[test]
    fn a_resource_that_lost_something_is_not_the_one_given() {
        let said = judge(&json!({ "p": { "resourceType": "Patient" } }), "/p", &json!({ "given": "p" }));
        assert_eq!(said, Err("is not what was given: Patient.active: lost".to_owned()));
    }

    #[test]
    fn variables_are_filled_in_and_an_unknown_one_is_refused() {
        let mut variables = Variables::default();
        variables.set("p.id", "7");
        assert_eq!(variables.fill("Patient/{p.id}?x={4}"), Ok("Patient/7?x={4}".to_owned()));
        assert_eq!(variables.fill("{q}"), Err("the case has no variable q".to_owned()));
    }
}
