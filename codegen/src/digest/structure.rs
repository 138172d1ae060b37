//! The digest of a StructureDefinition: its snapshot's facts.
//! <https://hl7.org/fhir/R4/structuredefinition.html>

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::is_false;

/// <https://hl7.org/fhir/R4/structuredefinition.html>
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Structure {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The computer-friendly name: `USCorePatientProfile`.
    pub name: String,
    pub kind: StructureKind,
    #[serde(rename = "abstract", default, skip_serializing_if = "is_false")]
    pub is_abstract: bool,
    /// The type defined or constrained: `Patient`.
    #[serde(rename = "type")]
    pub type_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_definition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derivation: Option<Derivation>,
    /// Where an extension may stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<ExtensionContext>,
    /// Each invariant once; elements name it by its key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// The snapshot, in its order.
    pub elements: Vec<Element>,
}

impl Structure {
    /// Whether it defines a type (`Patient`) rather than constraining one (a profile, an extension).
    pub fn defines_type(&self) -> bool {
        self.derivation != Some(Derivation::Constraint)
    }

    /// The invariants of an element, whether shared or its own.
    pub fn constraints_of<'a>(&'a self, element: &'a Element) -> impl Iterator<Item = &'a Constraint> {
        let shared = element.constraints.iter().filter_map(|key| self.constraints.iter().find(|c| c.key == *key));
        shared.chain(&element.own_constraints)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StructureKind {
    PrimitiveType,
    ComplexType,
    Resource,
    Logical,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Derivation {
    Specialization,
    Constraint,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionContext {
    #[serde(rename = "type")]
    pub kind: String,
    pub expression: String,
}

/// An invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Constraint {
    pub key: String,
    /// `error` or `warning`.
    pub severity: Severity,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// The extension elementdefinition-bestpractice.
    #[serde(default, skip_serializing_if = "is_false")]
    pub best_practice: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// <https://hl7.org/fhir/R4/elementdefinition.html>
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Element {
    /// The path with slice names: `Patient.extension:race`.
    pub id: String,
    pub min: u32,
    /// A number or `*`.
    pub max: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<ElementType>,
    /// The id of the element whose content is shared: `#Observation.referenceRange`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slicing: Option<Slicing>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_summary: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_modifier: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub must_support: bool,
    /// US Core's extension uscdi-requirement: counts as must-support for certified systems.
    #[serde(default, skip_serializing_if = "is_false")]
    pub uscdi_requirement: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// Keys into [`Structure::constraints`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// Invariants whose key stands for another rule elsewhere in the same definition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_constraints: Vec<Constraint>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<TypedValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<TypedValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_value: Option<TypedValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_value: Option<TypedValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
}

impl Element {
    /// The id without slice names: `Patient.extension`.
    pub fn path(&self) -> String {
        let names = self.id.split('.').map(|part| part.split(':').next().unwrap_or(part));
        names.collect::<Vec<_>>().join(".")
    }

    /// The last name of the path, `[x]` included.
    pub fn name(&self) -> &str {
        let last = self.id.rsplit('.').next().unwrap_or(&self.id);
        last.split(':').next().unwrap_or(last)
    }

    /// The id of the element that this one stands in; none for the root.
    pub fn parent(&self) -> Option<&str> {
        self.id.rsplit_once('.').map(|(parent, _)| parent)
    }
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ElementType {
    /// `Quantity`, or a FHIRPath system type: `http://hl7.org/fhirpath/System.String`.
    pub code: String,
    /// The FHIR type behind a system type (extension structuredefinition-fhir-type).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fhir_type: Option<String>,
    /// The lexical rule of a primitive (extension regex).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub profile: Vec<String>,
    /// Where a Reference or canonical may point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_profile: Vec<Target>,
    /// The extension elementdefinition-type-must-support.
    #[serde(default, skip_serializing_if = "is_false")]
    pub must_support: bool,
}

impl ElementType {
    /// The name of the FHIR type, also where the definition gives a FHIRPath system type.
    pub fn name(&self) -> &str {
        self.fhir_type.as_deref().unwrap_or(&self.code)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Target {
    pub profile: String,
    /// The extension elementdefinition-type-must-support on this target.
    #[serde(default, skip_serializing_if = "is_false")]
    pub must_support: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slicing {
    /// `open`, `closed` or `openAtEnd`.
    pub rules: String,
    #[serde(default, skip_serializing_if = "is_false")]
    pub ordered: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discriminator: Vec<Discriminator>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discriminator {
    /// `value`, `exists`, `pattern`, `type` or `profile`.
    #[serde(rename = "type")]
    pub kind: String,
    pub path: String,
}

/// A fixed value, a pattern or a bound, with the name of its type: `fixedCode` is `Code`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypedValue {
    #[serde(rename = "type")]
    pub type_name: String,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Binding {
    /// The extension elementdefinition-bindingName: what the bound codes are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub strength: BindingStrength,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_set: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_value_set: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_value_set: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional: Vec<AdditionalBinding>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BindingStrength {
    Required,
    Extensible,
    Preferred,
    Example,
}

/// The extension additional-binding of the FHIR tools package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdditionalBinding {
    /// `current`, `minimum`, `maximum` …
    pub purpose: String,
    pub value_set: String,
}
