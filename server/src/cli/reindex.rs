//! `vesta reindex`: brings re-indexing to its end now, instead of in the background.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, SiteArgs, door};
use crate::maintenance::{Answer, Task};

#[derive(Debug, Clone, Args)]
pub(super) struct ReindexArgs {
    #[command(flatten)]
    pub(super) site: SiteArgs,
}

pub(super) async fn run(args: &ReindexArgs) -> Result<(), Failure> {
    let (door, _) = door::open(&args.site).await?;
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent}%, {eta} left, {msg}") {
        bar.set_style(style);
    }
    let mut task = Task::ReindexProgress;
    loop {
        let answer = door.ask(0, task).await.map_err(|error| Failure::Other(error.to_string()))?;
        let Answer::Reindexed { pending, done, last } = answer else { return Err(door::unexpected(answer)) };
        if pending == 0 {
            break;
        }
        bar.set_length(last.max(0).unsigned_abs());
        bar.set_position(done.max(0).unsigned_abs());
        bar.set_message(format!("{pending} search parameters"));
        task = Task::ReindexBite;
    }
    bar.finish_and_clear();
    door.close().await;
    println!("Every search parameter is indexed.");
    Ok(())
}
