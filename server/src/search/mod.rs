//! The search language: parse, resolve, plan; SQL and in-memory back ends.
//! <https://hl7.org/fhir/R4/search.html>
//!
//! [`Search::parse`] reads names and values against a [`ParameterTable`]; [`plan`] makes the SQL of a page, a count or
//! the includes; [`Search::matches`] decides the same for one resource in memory. Both back ends compare the index values
//! that the parameters' extractors yield, and nothing else in the server matches resources.

mod paths;
mod table;

pub use self::paths::Systems;
pub use self::table::{Parameter, ParameterTable, Rule, TypeBoundary, TypeEntry, definitions};
