//! The digest of a CapabilityStatement: what a guide expects of a server or a client.

use serde::{Deserialize, Serialize};

use super::{Expectation, Expected};

/// <https://hl7.org/fhir/R4/capabilitystatement.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CapabilityStatement {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub name: String,
    /// `requirements`, `capability` or `instance`.
    pub kind: String,
    pub fhir_version: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instantiates: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub implementation_guide: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub format: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patch_format: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rest: Vec<Rest>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rest {
    /// `server` or `client`.
    pub mode: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<RestResource>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interaction: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search_param: Vec<RestSearchParameter>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operation: Vec<RestOperation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestResource {
    #[serde(rename = "type")]
    pub type_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Expectation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub supported_profile: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interaction: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference_policy: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search_include: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search_rev_include: Vec<Expected<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search_param: Vec<RestSearchParameter>,
    /// The extension capabilitystatement-search-parameter-combination.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub combination: Vec<SearchCombination>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operation: Vec<RestOperation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestSearchParameter {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Expectation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestOperation {
    pub name: String,
    pub definition: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Expectation>,
}

/// Search parameters that are to work together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchCombination {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Expectation>,
    pub required: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optional: Vec<String>,
}
