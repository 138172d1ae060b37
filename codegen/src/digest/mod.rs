//! The digest: what a FHIR package says, reduced to the facts that a program can use, without prose
//! (but for what codes mean).
//!
//! `spec/<package>/<version>/<ResourceType>/<id>.json` is one definition; the structs of this module are its shape.
//! Names are FHIR's own (`isSummary`, `targetProfile`); what is absent is left out. [`read`] turns a published
//! definition into its digest, [`Specification`] holds all packages of `spec/` for the emitters.

use serde::{Deserialize, Serialize};

mod capability;
mod fixup;
mod lock;
mod operation;
pub mod read;
mod search_parameter;
mod specification;
mod structure;
mod terminology;
mod text;

pub use capability::*;
pub use fixup::*;
pub use lock::*;
pub use operation::*;
pub use search_parameter::*;
pub use specification::*;
pub use structure::*;
pub use terminology::*;
pub use text::to_text;

/// How firmly a guide asks for something.
/// <https://hl7.org/fhir/R4/extension-capabilitystatement-expectation.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Expectation {
    #[serde(rename = "SHALL")]
    Shall,
    #[serde(rename = "SHOULD")]
    Should,
    #[serde(rename = "MAY")]
    May,
    #[serde(rename = "SHOULD-NOT")]
    ShouldNot,
}

/// A value together with the expectation that the guide attaches to it, if any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected<T> {
    pub value: T,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Expectation>,
}

/// One definition of a package, in digest form.
#[derive(Debug, Clone, PartialEq)]
pub enum Definition {
    Structure(Structure),
    SearchParameter(SearchParameter),
    Compartment(Compartment),
    Operation(Operation),
    CodeSystem(CodeSystem),
    ValueSet(ValueSet),
    ConceptMap(ConceptMap),
    Capability(CapabilityStatement),
}

impl Definition {
    /// The resource type, which is also the folder's name.
    pub fn resource_type(&self) -> &'static str {
        match self {
            Definition::Structure(_) => "StructureDefinition",
            Definition::SearchParameter(_) => "SearchParameter",
            Definition::Compartment(_) => "CompartmentDefinition",
            Definition::Operation(_) => "OperationDefinition",
            Definition::CodeSystem(_) => "CodeSystem",
            Definition::ValueSet(_) => "ValueSet",
            Definition::ConceptMap(_) => "ConceptMap",
            Definition::Capability(_) => "CapabilityStatement",
        }
    }

    /// The digest as it stands in its file.
    pub fn to_text(&self) -> String {
        match self {
            Definition::Structure(definition) => to_text(definition),
            Definition::SearchParameter(definition) => to_text(definition),
            Definition::Compartment(definition) => to_text(definition),
            Definition::Operation(definition) => to_text(definition),
            Definition::CodeSystem(definition) => to_text(definition),
            Definition::ValueSet(definition) => to_text(definition),
            Definition::ConceptMap(definition) => to_text(definition),
            Definition::Capability(definition) => to_text(definition),
        }
    }
}

/// For `skip_serializing_if`: false is what an absent flag means.
fn is_false(flag: &bool) -> bool {
    !flag
}
