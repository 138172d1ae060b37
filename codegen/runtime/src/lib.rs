//! The small library that generated code calls: the tree a resource is read into, FHIRPath, dates, decimals, and
//! what extractors yield. No I/O, no clock, no HTTP, no SQL.
//!
//! A line belongs here if generated code needs it, or if it means the same to a compiled and to an interpreted
//! expression. What only the server needs stands in the server.

pub mod boundary;
pub mod date;
pub mod decimal;
pub mod fhirpath;
pub mod guide;
pub mod json;
pub mod model;
pub mod node;
pub mod operation;
pub mod schema;
pub mod search;
