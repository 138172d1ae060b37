//! `cargo xtask bench`: builds the server and its benchmark in release, and runs the benchmark.

use crate::{Outcome, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the benchmark is told: `--help` lists it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(args: Args) -> Outcome {
    let mut command =
        workspace::cargo(&["bench", "--locked", "--package", "vesta-server", "--bench", "bench", "--quiet", "--"]);
    command.args(args.arguments);
    workspace::run(command)
}
