//! The digests of CodeSystems, ValueSets and ConceptMaps. Here the prose is kept that says what a code means: it is what
//! `CodeSystem/$lookup` answers with.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::is_false;

/// <https://hl7.org/fhir/R4/codesystem.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CodeSystem {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// `complete`, `fragment`, `not-present`, `example` or `supplement`.
    pub content: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_sensitive: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_set: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hierarchy_meaning: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub compositional: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplements: Option<String>,
    /// The language of displays and definitions that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<FilterDefinition>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub property: Vec<PropertyDefinition>,
    /// Parents before their children.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concepts: Vec<Concept>,
}

/// A filter that value sets may use on a code system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterDefinition {
    pub code: String,
    pub operator: Vec<String>,
    pub value: String,
}

/// A property that concepts of a code system may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertyDefinition {
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    #[serde(rename = "type")]
    pub kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Concept {
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    /// Where it says more than the display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The concepts directly above: where it stands in the tree, and what `child` properties say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parent: Vec<String>,
    /// Groups others and is not to be used itself (properties notSelectable and abstract).
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_selectable: bool,
    /// The property `status`: `deprecated`, `retired` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub designation: Vec<Designation>,
    /// All properties but those that the fields above say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub property: Vec<ConceptProperty>,
}

/// Another name for a concept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Designation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// A Coding as FHIR writes it.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Value>,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConceptProperty {
    pub code: String,
    /// The element's name: `valueCode`, `valueDateTime` …
    #[serde(rename = "type")]
    pub kind: String,
    pub value: Value,
}

/// <https://hl7.org/fhir/R4/valueset.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValueSet {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_date: Option<String>,
    /// Whether inactive codes are part of it; what is absent leaves it to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inactive: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<ConceptSet>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<ConceptSet>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConceptSet {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concept: Vec<ConceptReference>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filter: Vec<ConceptFilter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub value_set: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConceptReference {
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub designation: Vec<Designation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConceptFilter {
    pub property: String,
    pub op: String,
    pub value: String,
}

/// <https://hl7.org/fhir/R4/conceptmap.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConceptMap {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// `sourceUri` or `sourceCanonical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// As FHIR writes them: `group.element.target` is read by the server alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<Value>,
}
