//! `vesta audit verify`: whether the audit log is what was written; `vesta audit export`: all of it, as AuditEvents.

use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;

use super::check::print;
use super::ndjson::{NdjsonFile, unusable};
use super::{Failure, SiteArgs, door};
use crate::maintenance::{Answer, AuditChunk, Task};
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

#[derive(Debug, Clone, Args)]
pub(super) struct ExportArgs {
    /// The file to write to; `-` is the standard output
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Only what was recorded at or after this instant, like 2026-01-01T00:00:00Z
    #[arg(long, value_name = "INSTANT")]
    pub(super) since: Option<Timestamp>,
    /// Only what was recorded before this instant
    #[arg(long, value_name = "INSTANT")]
    pub(super) until: Option<Timestamp>,
    /// With the code of each entry in its chain, as an extension
    #[arg(long)]
    pub(super) codes: bool,
    #[command(flatten)]
    pub(super) site: SiteArgs,
}

pub(super) async fn export(args: &ExportArgs) -> Result<(), Failure> {
    let (door, _) = door::open(&args.site).await?;
    let mut file = match args.file.to_str() {
        Some("-") => None,
        _ => Some(NdjsonFile::at(args.file.clone())?),
    };
    let (mut after, mut written) = (None, 0);
    loop {
        let task = Task::ExportAudit {
            since: args.since.map(Timestamp::as_microsecond),
            // The bound of the log includes its end.
            until: args.until.map(|until| until.as_microsecond() - 1),
            after,
            with_codes: args.codes,
        };
        let answer = door.ask(0, task).await.map_err(|error| Failure::Other(error.to_string()))?;
        let Answer::AuditChunk(AuditChunk { lines, count, next }) = answer else {
            return Err(door::unexpected(answer));
        };
        match &mut file {
            Some(file) => file.write(lines.as_bytes())?,
            None => std::io::stdout().write_all(lines.as_bytes()).map_err(|error| unusable(&args.file, &error))?,
        }
        written += count;
        after = next;
        if after.is_none() {
            break;
        }
    }
    door.close().await;
    if let Some(file) = file {
        file.finish()?;
        println!("{written} AuditEvents");
    }
    Ok(())
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
