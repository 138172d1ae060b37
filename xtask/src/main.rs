//! `cargo xtask …`: the tasks of the repository, as ordinary Rust.
//!
//! A task is one file (or folder) with `Args` and `run(Args) -> Outcome`; here stands one line for each.

mod bench;
mod codegen;
mod conformance;
mod debian;
mod fhirpath_report;
mod interrupt;
mod postgres;
mod spec;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// How a task ends; the error's text is what the person at the terminal reads.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of the Vesta repository", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Put the release server under load, beside the machine's limits in the same run
    #[command(disable_help_flag = true)]
    Bench(bench::Args),
    /// Write generated/ from spec/
    Codegen(codegen::Args),
    /// Judge Vesta, or any other FHIR server, by the conformance kit
    Conformance(conformance::Args),
    /// Print how many of the official FHIRPath cases hold, by group
    FhirpathReport(fhirpath_report::Args),
    /// Add a FHIR package to spec/, or take one out
    Spec(spec::Args),
    /// Run every check and test, on SQLite and on a PostgreSQL started for the purpose
    Test(test::Args),
    /// Check the rules of the house that the compiler does not know
    Tidy(tidy::Args),
}

fn main() -> ExitCode {
    interrupt::watch();
    let outcome = match Cli::parse().task {
        Task::Bench(args) => bench::run(args),
        Task::Codegen(args) => codegen::run(args),
        Task::Conformance(args) => conformance::run(args),
        Task::FhirpathReport(args) => fhirpath_report::run(args),
        Task::Spec(args) => spec::run(args),
        Task::Test(args) => test::run(args),
        Task::Tidy(args) => tidy::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
