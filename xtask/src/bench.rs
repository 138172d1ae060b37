//! `cargo xtask bench`: builds the server and its benchmark in release, and runs the benchmark.

use crate::{Outcome, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// What the benchmark is told: `--help` lists it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(args: Args) -> Outcome {
    workspace::run(workspace::cargo(&["build", "--release", "--locked", "--package", "vesta-server"]))?;
    let mut command =
        workspace::cargo(&["bench", "--locked", "--package", "vesta-server", "--bench", "bench", "--quiet", "--"]);
    let binary = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace::root().join("target"), std::path::PathBuf::from)
        .join("release/vesta");
    command.arg("--binary").arg(binary).args(args.arguments);
    workspace::run(command)
}
