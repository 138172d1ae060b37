//! FHIRPath, compiled: an expression and the types of the digest in, a Rust function body out.
//!
//! The generated code is nested loops over a resource's tree. It calls `vesta_runtime`'s functions, which the
//! evaluator there calls too, so that a compiled expression means what the interpreted one means. What cannot be
//! compiled is refused while generating.

mod compile;
mod condition;
#[cfg(test)]
mod tests;
mod types;

pub use compile::{CompileError, Compiled, Compiler};
pub use types::{Types, Uses};

/// Part of each extractor's hash: to be raised when the generated code selects other nodes for the same expression.
pub const VERSION: u32 = 1;
