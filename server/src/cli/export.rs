//! `vesta export`: every resource of a site as NDJSON, a file a type.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::ndjson::{NdjsonFile, make_folder, unusable};
use super::{Failure, SiteArgs, door};
use crate::maintenance::{Answer, Chunk, Door, Task, resource_types};

#[derive(Debug, Clone, Args)]
pub(super) struct ExportArgs {
    /// The folder to write to; it is made if it is not there
    #[arg(value_name = "FOLDER")]
    pub(super) folder: std::path::PathBuf,
    #[command(flatten)]
    pub(super) site: SiteArgs,
}

pub(super) async fn run(args: &ExportArgs) -> Result<(), Failure> {
    make_folder(&args.folder)?;
    let (door, _) = door::open(&args.site).await?;
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    let mut total = 0;
    for resource_type in resource_types() {
        let count = export(&door, args, resource_type, &bar).await?;
        total += count;
        if count > 0 {
            bar.suspend(|| println!("{resource_type:<30}{count:>12}"));
        }
    }
    bar.finish_and_clear();
    println!("{:<30}{total:>12}", "all");
    door.close().await;
    Ok(())
}

/// Writes the file of a type; a type without resources has none.
async fn export(door: &Door, args: &ExportArgs, resource_type: &str, bar: &ProgressBar) -> Result<u64, Failure> {
    let path = NdjsonFile::path(&args.folder, resource_type);
    let (mut file, mut written) = (None, 0);
    let mut next = Some(i64::MIN);
    while let Some(after) = next {
        let task = Task::Export { resource_type: resource_type.to_owned(), after };
        let answer = door.ask(0, task).await.map_err(|error| Failure::Other(error.to_string()))?;
        let Answer::Chunk(Chunk { lines, count, next: beyond }) = answer else { return Err(door::unexpected(answer)) };
        if count > 0 {
            let file = match &mut file {
                Some(file) => file,
                none => none.insert(NdjsonFile::create(&args.folder, resource_type)?),
            };
            file.write(lines.as_bytes())?;
        }
        written += count;
        bar.set_message(format!("{resource_type}: {written}"));
        bar.tick();
        next = beyond;
    }
    match file {
        Some(file) => file.finish()?,
        // What an earlier export left would be taken for this one's.
        None if path.exists() => std::fs::remove_file(&path).map_err(|error| unusable(&path, &error))?,
        None => {}
    }
    Ok(written)
}
