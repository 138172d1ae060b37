//! The digests of SearchParameters and CompartmentDefinitions.

use serde::{Deserialize, Serialize};

use super::{Expectation, Expected};

/// <https://hl7.org/fhir/R4/searchparameter.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SearchParameter {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub name: String,
    pub code: String,
    pub base: Vec<String>,
    /// `number`, `date`, `string`, `token`, `reference`, `composite`, `quantity`, `uri` or `special`.
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// `normal`, `phonetic`, `nearby`, `distance` or `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xpath_usage: Option<String>,
    /// The standard parameter that a guide's one documents: then the standard one serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived_from: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub component: Vec<SearchComponent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiple_or: Option<Expected<bool>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiple_and: Option<Expected<bool>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub comparator: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modifier: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Expectation>,
}

/// A part of a composite parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchComponent {
    pub definition: String,
    pub expression: String,
}

/// <https://hl7.org/fhir/R4/compartmentdefinition.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compartment {
    pub url: String,
    pub name: String,
    /// `Patient`.
    pub code: String,
    /// The types that have a part in the compartment, in the order of the definition.
    pub resource: Vec<CompartmentResource>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompartmentResource {
    pub code: String,
    /// The search parameters that put a resource into the compartment, in the order of the definition.
    pub param: Vec<String>,
}
