//! `cargo xtask fhirpath-report`: how many of the official FHIRPath cases hold, by group.
//!
//! The cases run on the generated element tables, which this crate must not need to be built: so they are an example
//! of the generator's crate, and this starts it.

use crate::{Outcome, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: Args) -> Outcome {
    workspace::run(workspace::cargo(&["run", "--quiet", "--package", "vesta-codegen", "--example", "fhirpath_report"]))
}
