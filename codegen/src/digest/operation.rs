//! The digest of an OperationDefinition.

use serde::{Deserialize, Serialize};

use super::{Binding, is_false};

/// <https://hl7.org/fhir/R4/operationdefinition.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operation {
    pub url: String,
    pub name: String,
    pub code: String,
    /// `operation` or `query`.
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affects_state: Option<bool>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub system: bool,
    #[serde(rename = "type", default, skip_serializing_if = "is_false")]
    pub on_type: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub instance: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameter: Vec<OperationParameter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperationParameter {
    pub name: String,
    /// `in` or `out`.
    #[serde(rename = "use")]
    pub direction: String,
    pub min: u32,
    pub max: String,
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_type: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_profile: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub part: Vec<OperationParameter>,
}
