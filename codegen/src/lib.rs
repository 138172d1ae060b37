//! Digests in, Rust and JSON out. No I/O: `xtask` reads `spec/` and writes `generated/`.
//!
//! [`digest`] is the shape of what the standards say; each file of [`emit`] turns a part of it into generated files.

pub mod digest;
pub mod emit;
pub mod fhirpath;
pub mod links;
pub mod value_set;
