//! `vesta audit verify`: whether the audit log is what was written.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;

use super::check::print;
use super::ndjson::unusable;
use super::{Failure, SiteArgs, door};
use crate::maintenance::Task;
use crate::store::LoggedHead;

#[derive(Debug, Clone, Args)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    pub(super) site: SiteArgs,
    /// The server's log, or lines of it: the log must have the heads that stand there. `-` is the standard input
    #[arg(long, value_name = "FILE")]
    pub(super) head: Option<PathBuf>,
}

pub(super) async fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let heads = args.head.as_deref().map(heads).transpose()?.unwrap_or_default();
    let (door, _) = door::open(&args.site).await?;
    let answer = door.ask(0, Task::VerifyAudit { heads }).await.map_err(|error| Failure::Other(error.to_string()))?;
    door.close().await;
    print(answer, "The audit log is what was written.")
}

/// The heads in a file's lines.
fn heads(path: &Path) -> Result<Vec<String>, Failure> {
    let input: Box<dyn BufRead> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(BufReader::new(File::open(path).map_err(|error| unusable(path, &error))?)),
    };
    let mut heads = Vec::new();
    for line in input.lines() {
        let line = line.map_err(|error| unusable(path, &error))?;
        heads.extend(LoggedHead::find(&line).map(|head| head.to_string()));
    }
    if heads.is_empty() {
        return Err(Failure::Other(format!(
            "no head of an audit log stands in {}: the server writes one a minute to its log, as \
             vesta-audit-head:writer:number:code",
            path.display()
        )));
    }
    Ok(heads)
}
