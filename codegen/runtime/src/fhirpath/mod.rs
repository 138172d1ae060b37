//! FHIRPath: the parser, the tree, and the evaluator over resources that the element tables type.
//! <http://hl7.org/fhirpath/N1/> and <https://hl7.org/fhir/R4/fhirpath.html>
//!
//! What an expression means is said once, in the functions here: the evaluator calls them, and so does the code that
//! the generator makes of an expression.

pub mod ast;
mod compare;
pub mod compiled;
mod environment;
mod error;
mod functions;
mod item;
mod operators;
mod parse;
mod quantity;
pub mod resolve;
mod scope;
mod types;

pub use environment::{Environment, Profiles, Terminology};
pub use error::EvaluationError;
pub use item::{Collection, Item, Value, node_value};
pub use parse::{ParseError, parse};
