//! Users' own search parameters: from a SearchParameter that somebody has posted to what searches and indexes use.
//! <https://hl7.org/fhir/R4/searchparameter.html>, <https://hl7.org/fhir/R4/search.html#searchparameters>
//!
//! One with the status `active` is used; any other is a record like any. What is stored is what is served: the server
//! never changes the status, which says whether the definition is ready, by whoever has made it. Whether this server
//! searches by it, its CapabilityStatement says: not before all stored resources are indexed. Until then a search by it
//! is answered as one by any parameter that is not indexed yet.

mod expression;
mod read;
mod site;
#[cfg(test)]
mod tests;

use std::fmt;

use serde_json::Value;
use vesta_runtime::schema::Schema;
use vesta_runtime::search::{Extract, SearchParameter};

pub use self::site::SiteParameters;

use super::table::ParameterTable;

/// Why a SearchParameter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The element at fault, as FHIRPath: `SearchParameter.expression`.
    pub element: String,
    pub kind: FaultKind,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    Required,
    Value,
    NotSupported,
    /// Another parameter has its place.
    Duplicate,
    /// There are too many.
    TooCostly,
}

/// All that is wrong with one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let comma = if index > 0 { "; " } else { "" };
            write!(formatter, "{comma}{}: {}", fault.element, fault.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Whether the resource is to define a parameter.
pub fn is_in_force(resource: &Value) -> bool {
    resource["resourceType"] == "SearchParameter" && resource["status"] == "active"
}

/// What is wrong with a SearchParameter, beside those of other users, which only the write itself can tell.
pub fn check(schema: &'static Schema, table: &ParameterTable, resource: &Value) -> Result<(), Faults> {
    let built_in = |of: &str| {
        let entry = table.entry(of)?;
        Some((entry.name, entry.parameters.iter().copied().filter(|known| !is_own(known)).collect()))
    };
    read::describe(schema, &built_in, resource).map(|_| ())
}

/// Whether a user has defined it.
pub(crate) fn is_own(definition: &SearchParameter) -> bool {
    matches!(definition.extract, Extract::Walked(_))
}
