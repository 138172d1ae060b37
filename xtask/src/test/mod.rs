//! `cargo xtask test`: everything that must hold before a change lands, phase by phase.

mod browser;
mod cargo_test;
mod failures;
mod guide;
mod programs;
mod schemathesis;

use std::time::{Duration, Instant};

use clap::ValueEnum;

use crate::{Outcome, codegen, postgres, tidy, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run these phases only (may be repeated)
    #[arg(long, value_enum)]
    only: Vec<Phase>,
    /// Run only the tests whose name contains this
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// rustfmt has nothing to say
    Fmt,
    /// Generated code is what the generator writes
    Codegen,
    /// The rules of the house hold
    Tidy,
    /// clippy has nothing to say
    Clippy,
    /// Unit, end-to-end and documentation tests pass on both databases
    Test,
    /// Pages work in a browser, for everyone: axe, phones, keyboard; and the sample app does
    Browser,
    /// Nothing that the OpenAPI document allows or forbids makes the server fail
    Schemathesis,
    /// A made-up guide is added to a copy: everything follows from its package, and its removal leaves nothing
    Guide,
    /// Licences, advisories and bans, where cargo-deny is installed
    Deny,
}

impl Phase {
    // The quick ones first: who forgot `cargo fmt` hears of it at once.
    const ALL: [Self; 9] = [
        Self::Fmt,
        Self::Codegen,
        Self::Tidy,
        Self::Clippy,
        Self::Test,
        Self::Browser,
        Self::Schemathesis,
        Self::Guide,
        Self::Deny,
    ];

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Does the work; the text goes into the table.
    fn run(self, args: &Args) -> Outcome<String> {
        match self {
            Self::Fmt => workspace::run(fmt()?).map(|()| String::new()),
            Self::Codegen => codegen::run(codegen::Args { check: true }).map(|()| String::new()),
            Self::Tidy => tidy::check().map(|files| format!("{files} files")),
            Self::Clippy => {
                let lint = ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
                workspace::run(workspace::cargo(&lint)).map(|()| String::new())
            }
            Self::Test => {
                println!("starting a PostgreSQL for the tests");
                let postgres = postgres::start()?;
                cargo_test::run(&postgres.url, args.filter.as_deref())
            }
            Self::Browser => browser::run(args.filter.as_deref()),
            Self::Schemathesis => schemathesis::run().map(|()| String::new()),
            Self::Guide => guide::run(),
            Self::Deny if !workspace::has_cargo_command("deny") => Ok("skipped: cargo-deny is not installed".into()),
            Self::Deny => workspace::run(workspace::cargo(&["deny", "check"])).map(|()| String::new()),
        }
    }
}

struct Line {
    phase: String,
    took: Duration,
    outcome: Outcome<String>,
}

pub(crate) fn run(args: Args) -> Outcome {
    let started = Instant::now();
    let mut lines = Vec::new();
    for phase in Phase::ALL.into_iter().filter(|phase| args.only.is_empty() || args.only.contains(phase)) {
        println!("\n── {} ──", phase.name());
        let began = Instant::now();
        let outcome = phase.run(&args);
        if let Err(error) = &outcome {
            eprintln!("{}", first_line(error.as_ref()));
        }
        lines.push(Line { phase: phase.name(), took: began.elapsed(), outcome });
    }

    println!("\n{:<12} {:>9}  result", "phase", "seconds");
    for line in &lines {
        let result = match &line.outcome {
            Ok(note) if note.is_empty() => "ok".to_owned(),
            Ok(note) => format!("ok ({note})"),
            Err(error) => format!("FAILED: {}", first_line(error.as_ref())),
        };
        println!("{:<12} {:>9.1}  {result}", line.phase, line.took.as_secs_f64());
    }
    println!("{:<12} {:>9.1}", "all", started.elapsed().as_secs_f64());
    for line in &lines {
        let said = line.outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
        if let Some((_, details)) = said.split_once('\n') {
            println!("\n── what failed in {} ──\n{details}", line.phase);
        }
    }

    let failed: Vec<&str> = lines.iter().filter(|line| line.outcome.is_err()).map(|line| line.phase.as_str()).collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", ")).into()) }
}

fn first_line(error: &dyn std::error::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// rustfmt over what people write: generated code is formatted by codegen.
fn fmt() -> Outcome<std::process::Command> {
    let mut command = workspace::cargo(&["fmt", "--check"]);
    for member in workspace::members()?.into_iter().filter(|member| !member.starts_with("generated")) {
        command.args(["--package", &workspace::package_name(&member)?]);
    }
    Ok(command)
}
