//! `vesta check`: whether the search index, the compartments and the audit log still say what the resources say.

use clap::Args;

use super::{Failure, SiteArgs, door};
use crate::maintenance::{Answer, Task};

#[derive(Debug, Clone, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub(super) site: SiteArgs,
}

pub(super) async fn run(args: &CheckArgs) -> Result<(), Failure> {
    let (door, _) = door::open(&args.site).await?;
    let answer = door.ask(0, Task::Check).await.map_err(|error| Failure::Other(error.to_string()))?;
    door.close().await;
    print(answer, "Everything agrees.")
}

/// What was looked at, and the faults found.
pub(super) fn print(answer: Answer, well: &str) -> Result<(), Failure> {
    let Answer::Checked { counts, faults, fault_count } = answer else { return Err(door::unexpected(answer)) };
    for (what, count) in counts {
        println!("{what:<30}{count:>12}");
    }
    for fault in &faults {
        eprintln!("{fault}");
    }
    match fault_count {
        0 => {
            println!("{well}");
            Ok(())
        }
        count => Err(Failure::Other(format!("{count} faults were found"))),
    }
}
