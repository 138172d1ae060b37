//! A CodeSystem as the engine reads it: its concepts in the order of the definition, found by code, with their places
//! in the hierarchy. <https://hl7.org/fhir/R4/codesystem.html>

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::canonical::Canonical;
use super::json::{flag, items, text};

/// A concept's place in [`CodeSystem::concepts`].
pub(super) type Place = usize;

#[derive(Debug, Clone)]
pub struct CodeSystem {
    pub url: String,
    pub version: Option<String>,
    pub name: Option<String>,
    pub title: Option<String>,
    pub content: Content,
    pub case_sensitive: bool,
    /// The value set of all its codes.
    pub value_set: Option<String>,
    /// Of displays that name no other.
    pub language: Option<String>,
    pub hierarchy_meaning: Option<String>,
    /// What a supplement adds to.
    pub supplements: Option<Canonical>,
    /// Codes of the properties and filters that the definition declares.
    pub declared: HashSet<String>,
    pub concepts: Vec<Concept>,
    by_code: HashMap<String, Place>,
    is_retired: bool,
}

/// <https://hl7.org/fhir/R4/valueset-codesystem-content-mode.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    Complete,
    /// A part of the codes; examples too.
    Fragment,
    NotPresent,
    Supplement,
}

#[derive(Debug, Clone, Default)]
pub struct Concept {
    pub code: String,
    pub display: Option<String>,
    pub definition: Option<String>,
    pub designations: Vec<Designation>,
    /// The element as FHIR has it, with `code` and `value[x]`; without `parent` and `child`.
    pub properties: Vec<Property>,
    pub parents: Vec<Place>,
    pub children: Vec<Place>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Designation {
    pub language: Option<String>,
    /// A Coding.
    pub usage: Option<Value>,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Property {
    pub code: String,
    /// `valueCode`, `valueBoolean` …
    pub kind: String,
    pub value: Value,
}

impl Property {
    /// The value as a filter compares it.
    pub fn as_text(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            Value::Object(coding) => coding.get("code").and_then(Value::as_str).unwrap_or_default().to_owned(),
            other => other.to_string(),
        }
    }
}

impl Concept {
    pub fn property<'a>(&'a self, code: &'a str) -> impl Iterator<Item = &'a Property> {
        self.properties.iter().filter(move |property| property.code == code)
    }

    /// Groups others, and is not to be chosen itself. Two names are in use:
    /// <https://hl7.org/fhir/R4/codesystem.html#defined-props>
    pub fn is_abstract(&self) -> bool {
        self.properties
            .iter()
            .any(|property| matches!(&*property.code, "notSelectable" | "abstract") && property.value == true)
    }

    /// A concept that is deprecated and not inactive "can still be used":
    /// <https://hl7.org/fhir/R4/codesystem.html#defined-props>
    pub fn is_inactive(&self) -> bool {
        self.properties.iter().any(|property| match &*property.code {
            "inactive" => property.value == true,
            "status" => matches!(property.as_text().as_str(), "retired" | "inactive"),
            _ => false,
        })
    }

    /// The display in a language: a designation in it, or the display itself.
    pub fn display_in(&self, language: Option<&str>, of_system: Option<&str>) -> Option<&str> {
        designation_in(&self.designations, language.filter(|wanted| !speaks(of_system, wanted)))
            .or(self.display.as_deref())
    }
}

/// The first designation in a language.
pub(super) fn designation_in<'a>(designations: &'a [Designation], language: Option<&str>) -> Option<&'a str> {
    let language = language?;
    designations.iter().find(|one| speaks(one.language.as_deref(), language)).map(|one| one.value.as_str())
}

/// Whether a text in `language` serves who asked for `wanted`: `de` serves `de-CH`, and the other way around.
pub(super) fn speaks(language: Option<&str>, wanted: &str) -> bool {
    let Some(language) = language else { return false };
    let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    language.eq_ignore_ascii_case(wanted)
        || (primary(language) == primary(wanted) && !(language.contains('-') && wanted.contains('-')))
}

impl CodeSystem {
    /// Reads the resource; none without `url`.
    pub fn read(resource: &Value) -> Option<CodeSystem> {
        let mut system = CodeSystem {
            url: text(resource, "url")?.to_owned(),
            version: text(resource, "version").map(str::to_owned),
            name: text(resource, "name").map(str::to_owned),
            title: text(resource, "title").map(str::to_owned),
            content: match text(resource, "content") {
                Some("complete") => Content::Complete,
                Some("supplement") => Content::Supplement,
                Some("not-present") => Content::NotPresent,
                _ => Content::Fragment,
            },
            // The definition does not say what its absence means. FHIR's own codes are case-sensitive.
            case_sensitive: flag(resource, "caseSensitive").unwrap_or(true),
            value_set: text(resource, "valueSet").map(str::to_owned),
            language: text(resource, "language").map(str::to_owned),
            hierarchy_meaning: text(resource, "hierarchyMeaning").map(str::to_owned),
            supplements: text(resource, "supplements").map(Canonical::parse),
            declared: items(resource, "property")
                .chain(items(resource, "filter"))
                .filter_map(|declared| text(declared, "code").map(str::to_owned))
                .collect(),
            concepts: Vec::new(),
            by_code: HashMap::new(),
            is_retired: text(resource, "status") == Some("retired"),
        };
        let mut edges = Vec::new();
        let mut open: Vec<(&Value, Option<Place>)> = items(resource, "concept").map(|root| (root, None)).collect();
        open.reverse();
        while let Some((concept, parent)) = open.pop() {
            if let Some(place) = system.add(concept, parent, &mut edges) {
                open.extend(
                    items(concept, "concept").map(|child| (child, Some(place))).collect::<Vec<_>>().into_iter().rev(),
                );
            }
        }
        for (parent, child) in edges {
            if let (Some(parent), Some(child)) = (system.place(&parent), system.place(&child)) {
                system.connect(parent, child);
            }
        }
        Some(system)
    }

    /// `edges` collects what the properties `parent` and `child` say.
    fn add(&mut self, concept: &Value, parent: Option<Place>, edges: &mut Vec<(String, String)>) -> Option<Place> {
        let code = text(concept, "code")?.to_owned();
        let mut properties = Vec::new();
        for property in items(concept, "property") {
            let Some(name) = text(property, "code") else { continue };
            match (name, text(property, "valueCode")) {
                ("child", Some(child)) => edges.push((code.clone(), child.to_owned())),
                ("parent" | "subsumedBy", Some(parent)) => edges.push((parent.to_owned(), code.clone())),
                _ => {
                    let mut values = property.as_object().into_iter().flatten();
                    let value = values.find(|(name, _)| name.starts_with("value"));
                    properties.extend(value.map(|(kind, value)| Property {
                        code: name.to_owned(),
                        kind: kind.clone(),
                        value: value.clone(),
                    }));
                }
            }
        }
        let place = self.concepts.len();
        // A code that stands twice has the facts of its first place, and both parents.
        let place = *self.by_code.entry(self.key(&code)).or_insert(place);
        if place == self.concepts.len() {
            self.concepts.push(Concept {
                code,
                display: text(concept, "display").map(str::to_owned),
                definition: text(concept, "definition").map(str::to_owned),
                designations: designations(concept),
                properties,
                ..Concept::default()
            });
        }
        if let Some(parent) = parent {
            self.connect(parent, place);
        }
        Some(place)
    }

    fn connect(&mut self, parent: Place, child: Place) {
        if !self.concepts[child].parents.contains(&parent) {
            self.concepts[child].parents.push(parent);
            self.concepts[parent].children.push(child);
        }
    }

    fn key(&self, code: &str) -> String {
        if self.case_sensitive { code.to_owned() } else { code.to_lowercase() }
    }

    pub fn place(&self, code: &str) -> Option<Place> {
        match self.case_sensitive {
            true => self.by_code.get(code).copied(),
            false => self.by_code.get(&self.key(code)).copied(),
        }
    }

    pub fn concept(&self, code: &str) -> Option<&Concept> {
        self.place(code).map(|place| &self.concepts[place])
    }

    /// What lies above or below a place, the place itself not; each once, also in a circle.
    fn reached(&self, from: Place, next: impl Fn(&Concept) -> &[Place]) -> HashSet<Place> {
        let mut seen = HashSet::new();
        let mut open = vec![from];
        while let Some(place) = open.pop() {
            open.extend(next(&self.concepts[place]).iter().copied().filter(|place| seen.insert(*place)));
        }
        seen.remove(&from);
        seen
    }

    pub fn descendants(&self, of: Place) -> HashSet<Place> {
        self.reached(of, |concept| &concept.children)
    }

    pub fn ancestors(&self, of: Place) -> HashSet<Place> {
        self.reached(of, |concept| &concept.parents)
    }

    /// Whether `above` subsumes `below`, itself not.
    pub fn is_above(&self, above: Place, below: Place) -> bool {
        self.ancestors(below).contains(&above)
    }

    pub fn canonical(&self) -> Canonical {
        Canonical { url: self.url.clone(), version: self.version.clone() }
    }

    /// "The meaning of the hierarchy of concepts": only `is-a` is subsumption. Where the definition does not say, as most
    /// of R4's own do not, it is taken for that. <https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.hierarchyMeaning>
    pub fn has_subsumption(&self) -> bool {
        self.hierarchy_meaning.as_deref().is_none_or(|meaning| meaning == "is-a")
    }

    pub fn is_retired(&self) -> bool {
        self.is_retired
    }

    /// Adds the designations and properties of a supplement.
    /// <https://hl7.org/fhir/R4/codesystem.html#supplements>
    pub fn supplement(&mut self, supplement: &CodeSystem) {
        self.declared.extend(supplement.declared.iter().cloned());
        for added in &supplement.concepts {
            let Some(place) = self.place(&added.code) else { continue };
            let concept = &mut self.concepts[place];
            // A display of a supplement in a language of its own is a designation in that language.
            if let (Some(display), Some(language)) = (&added.display, &supplement.language) {
                let designation = Designation { language: Some(language.clone()), usage: None, value: display.clone() };
                concept.designations.push(designation);
            }
            concept.designations.extend(added.designations.iter().cloned());
            concept.properties.extend(added.properties.iter().cloned());
        }
    }

    /// Roughly, in bytes of memory.
    pub fn weight(&self) -> u64 {
        let concepts = self.concepts.iter().map(|concept| {
            let texts = [&concept.display, &concept.definition].into_iter().flatten().map(String::len).sum::<usize>();
            let designations = concept.designations.iter().map(|one| one.value.len() + 80).sum::<usize>();
            300 + 2 * concept.code.len() + texts + designations + 120 * concept.properties.len()
        });
        concepts.sum::<usize>() as u64 + 1_000
    }
}

/// `designation` of a concept, in a CodeSystem or a ValueSet.
pub(super) fn designations(concept: &Value) -> Vec<Designation> {
    let read = |designation: &Value| {
        Some(Designation {
            language: text(designation, "language").map(str::to_owned),
            usage: designation.get("use").cloned(),
            value: text(designation, "value")?.to_owned(),
        })
    };
    items(concept, "designation").filter_map(read).collect()
}
