//! The terminology engine: code systems, value sets and concept maps, those that the packages carry and those that users
//! have posted. No HTTP types, no parameters of operations.
//! <https://hl7.org/fhir/R4/terminology-module.html>
//!
//! A [`Terminology`] gathers what a question needs into a [`Library`] (the only step that waits for the store); the
//! questions are then answered on it: [`Engine::expand`], [`Engine::contains`], [`Engine::find`], [`Engine::lookup`],
//! [`Engine::subsumes`] and [`translate`].
//!
//! What the packages carry is no row of the database: operations and the search modifiers `:in`, `:not-in`, `:above`
//! and `:below` draw on it by its canonical URL, and neither a read nor a search finds it. What users post wins over the
//! packages' definition of the same URL and version.

mod canonical;
mod code_system;
mod concept_map;
mod engine;
mod error;
mod expand;
mod filter;
mod json;
mod library;
mod lookup;
mod packaged;
mod posted;
mod remembered;
mod site;
mod translate;
mod value_set;

pub use canonical::{Canonical, compare_versions};
pub use code_system::{CodeSystem, Concept, Content, Designation, Property};
pub use concept_map::ConceptMap;
pub use engine::{Engine, Member, Versions};
pub use error::TerminologyError;
pub use expand::{Expansion, MOST_EXPANDED, Node, Options};
pub use library::{Kind, Library, Resource};
pub use lookup::{Looked, Subsumption};
pub use packaged::{Packaged, Summary};
pub use posted::Posted;
pub use site::{Root, Terminology};
pub use translate::{Asked, Match, Translated, translate};
pub use value_set::ValueSet;

#[cfg(test)]
mod tests;
