//! A ValueSet as the engine reads it. <https://hl7.org/fhir/R4/valueset.html>

use serde_json::Value;

use super::canonical::Canonical;
use super::code_system::{Designation, designations};
use super::json::{flag, items, text};

#[derive(Debug)]
pub struct ValueSet {
    /// Absent only on one that came with the request.
    pub url: Option<String>,
    pub version: Option<String>,
    /// `compose.inactive`: false leaves inactive codes out.
    pub inactive: Option<bool>,
    pub include: Vec<ConceptSet>,
    pub exclude: Vec<ConceptSet>,
    /// The codes of an expansion that came without a definition.
    pub expansion: Option<Vec<Listed>>,
    /// The definition as it was given, without its narrative and expansion: an expansion begins with it.
    pub resource: Value,
    is_retired: bool,
}

#[derive(Debug, Default)]
pub struct ConceptSet {
    pub system: Option<Canonical>,
    pub concepts: Vec<Listed>,
    pub filters: Vec<Filter>,
    /// A code has to be in all of them.
    pub value_sets: Vec<Canonical>,
}

/// A code that a definition lists.
#[derive(Debug, Default)]
pub struct Listed {
    /// Of an expansion only.
    pub system: Option<Canonical>,
    pub code: String,
    pub display: Option<String>,
    pub designations: Vec<Designation>,
    pub is_abstract: bool,
    pub inactive: bool,
}

#[derive(Debug)]
pub struct Filter {
    pub property: String,
    /// <https://hl7.org/fhir/R4/valueset-filter-operator.html>
    pub operator: String,
    pub value: String,
}

impl ValueSet {
    pub fn read(resource: &Value) -> ValueSet {
        let compose = resource.get("compose").unwrap_or(&Value::Null);
        let expansion = resource.get("expansion").filter(|_| compose.is_null());
        let mut definition = resource.clone();
        if let Some(members) = definition.as_object_mut() {
            members.retain(|name, _| !matches!(name.as_str(), "text" | "meta" | "expansion"));
        }
        ValueSet {
            url: text(resource, "url").map(str::to_owned),
            version: text(resource, "version").map(str::to_owned),
            inactive: flag(compose, "inactive"),
            include: items(compose, "include").map(concept_set).collect(),
            exclude: items(compose, "exclude").map(concept_set).collect(),
            expansion: expansion.map(|expansion| {
                let mut listed = Vec::new();
                contained(expansion, &mut listed);
                listed
            }),
            resource: definition,
            is_retired: text(resource, "status") == Some("retired"),
        }
    }

    /// All codes of a code system, as `CodeSystem.valueSet` names it.
    pub fn of_code_system(url: &str, system: &Canonical) -> ValueSet {
        let mut include = serde_json::json!({ "system": system.url });
        if let Some(version) = &system.version {
            include["version"] = serde_json::json!(version);
        }
        let mut resource = serde_json::json!({ "resourceType": "ValueSet", "url": url, "status": "active" });
        if let Some(version) = &system.version {
            resource["version"] = serde_json::json!(version);
        }
        resource["compose"] = serde_json::json!({ "include": [include] });
        ValueSet::read(&resource)
    }

    pub fn canonical(&self) -> Option<Canonical> {
        self.url.as_ref().map(|url| Canonical { url: url.clone(), version: self.version.clone() })
    }

    pub fn is_retired(&self) -> bool {
        self.is_retired
    }

    /// How a message names it.
    pub fn shown(&self) -> String {
        self.canonical().map_or_else(|| "the value set of the request".to_owned(), |canonical| canonical.to_string())
    }

    /// Roughly, in bytes of memory.
    pub fn weight(&self) -> u64 {
        let sets = self.include.iter().chain(&self.exclude);
        let listed = sets.map(|set| set.concepts.len()).sum::<usize>() + self.expansion.as_ref().map_or(0, Vec::len);
        800 + 500 * listed as u64
    }
}

fn concept_set(set: &Value) -> ConceptSet {
    ConceptSet {
        system: text(set, "system").map(|system| Canonical::new(system, text(set, "version"))),
        concepts: items(set, "concept").filter_map(|concept| listed(concept, None)).collect(),
        filters: items(set, "filter")
            .map(|filter| Filter {
                property: text(filter, "property").unwrap_or_default().to_owned(),
                operator: text(filter, "op").unwrap_or_default().to_owned(),
                value: text(filter, "value").unwrap_or_default().to_owned(),
            })
            .collect(),
        value_sets: items(set, "valueSet").filter_map(Value::as_str).map(Canonical::parse).collect(),
    }
}

fn listed(concept: &Value, system: Option<Canonical>) -> Option<Listed> {
    Some(Listed {
        system,
        code: text(concept, "code")?.to_owned(),
        display: text(concept, "display").map(str::to_owned),
        designations: designations(concept),
        is_abstract: flag(concept, "abstract").unwrap_or(false),
        inactive: flag(concept, "inactive").unwrap_or(false),
    })
}

fn contained(of: &Value, into: &mut Vec<Listed>) {
    for contains in items(of, "contains") {
        let system = text(contains, "system").map(|system| Canonical::new(system, text(contains, "version")));
        into.extend(listed(contains, system));
        contained(contains, into);
    }
}
