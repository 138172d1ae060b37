//! A ConceptMap as the engine reads it. <https://hl7.org/fhir/R4/conceptmap.html>

use serde_json::Value;

use super::canonical::Canonical;
use super::json::{items, text};

#[derive(Debug)]
pub struct ConceptMap {
    /// Absent only on one that came with the request.
    pub url: Option<String>,
    pub version: Option<String>,
    /// The value sets that it maps between.
    pub source: Option<Canonical>,
    pub target: Option<Canonical>,
    pub groups: Vec<Group>,
    is_retired: bool,
}

#[derive(Debug)]
pub struct Group {
    pub source: Option<Canonical>,
    pub target: Option<Canonical>,
    pub elements: Vec<Element>,
    pub unmapped: Option<Unmapped>,
}

#[derive(Debug)]
pub struct Element {
    pub code: Option<String>,
    pub display: Option<String>,
    pub targets: Vec<Target>,
}

#[derive(Debug)]
pub struct Target {
    pub code: Option<String>,
    pub display: Option<String>,
    /// <https://hl7.org/fhir/R4/valueset-concept-map-equivalence.html>
    pub equivalence: String,
    pub depends_on: Vec<Dependency>,
    pub products: Vec<Dependency>,
}

/// <https://hl7.org/fhir/R4/conceptmap-definitions.html#ConceptMap.group.element.target.dependsOn>
#[derive(Debug)]
pub struct Dependency {
    pub property: String,
    pub system: Option<String>,
    pub value: String,
    pub display: Option<String>,
}

/// What happens to a code without a mapping.
#[derive(Debug)]
pub enum Unmapped {
    /// The same code in the target.
    Provided,
    Fixed {
        code: String,
        display: Option<String>,
    },
    OtherMap(Canonical),
}

impl ConceptMap {
    pub fn read(resource: &Value) -> ConceptMap {
        let end = |name: &str| {
            let named = text(resource, &format!("{name}Canonical")).or_else(|| text(resource, &format!("{name}Uri")));
            named.map(Canonical::parse)
        };
        ConceptMap {
            url: text(resource, "url").map(str::to_owned),
            version: text(resource, "version").map(str::to_owned),
            source: end("source"),
            target: end("target"),
            groups: items(resource, "group").map(group).collect(),
            is_retired: text(resource, "status") == Some("retired"),
        }
    }

    pub fn is_retired(&self) -> bool {
        self.is_retired
    }

    pub fn shown(&self) -> String {
        let canonical = self.url.as_deref().map(|url| Canonical::new(url, self.version.as_deref()));
        canonical.map_or_else(|| "the concept map of the request".to_owned(), |canonical| canonical.to_string())
    }

    /// Roughly, in bytes of memory.
    pub fn weight(&self) -> u64 {
        1_000 + self.groups.iter().map(|group| 500 * group.elements.len() as u64).sum::<u64>()
    }
}

fn group(group: &Value) -> Group {
    let element = |element: &Value| Element {
        code: text(element, "code").map(str::to_owned),
        display: text(element, "display").map(str::to_owned),
        targets: items(element, "target").map(target).collect(),
    };
    Group {
        source: text(group, "source").map(|source| Canonical::new(source, text(group, "sourceVersion"))),
        target: text(group, "target").map(|target| Canonical::new(target, text(group, "targetVersion"))),
        elements: items(group, "element").map(element).collect(),
        unmapped: group.get("unmapped").and_then(unmapped),
    }
}

fn target(target: &Value) -> Target {
    let dependency = |dependency: &Value| Dependency {
        property: text(dependency, "property").unwrap_or_default().to_owned(),
        system: text(dependency, "system").map(str::to_owned),
        value: text(dependency, "value").unwrap_or_default().to_owned(),
        display: text(dependency, "display").map(str::to_owned),
    };
    Target {
        code: text(target, "code").map(str::to_owned),
        display: text(target, "display").map(str::to_owned),
        equivalence: text(target, "equivalence").unwrap_or("relatedto").to_owned(),
        depends_on: items(target, "dependsOn").map(dependency).collect(),
        products: items(target, "product").map(dependency).collect(),
    }
}

fn unmapped(unmapped: &Value) -> Option<Unmapped> {
    match text(unmapped, "mode")? {
        "provided" => Some(Unmapped::Provided),
        "fixed" => Some(Unmapped::Fixed {
            code: text(unmapped, "code")?.to_owned(),
            display: text(unmapped, "display").map(str::to_owned),
        }),
        "other-map" => Some(Unmapped::OtherMap(Canonical::parse(text(unmapped, "url")?))),
        _ => None,
    }
}
