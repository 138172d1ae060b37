//! `vesta import`: Bundles and NDJSON into a site, with a progress bar and a summary by type.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, SiteArgs, door};
use crate::import::{Fault, Progress, Summary, find, run as import};
use crate::maintenance::Done;

/// Faults that are shown one by one; a file of another kind would fill the screen.
const MOST_FAULTS: u64 = 1_000;

#[derive(Debug, Clone, Args)]
pub(super) struct ImportArgs {
    /// Files (.json, .ndjson, .gz) or folders of them.
    ///
    /// Transactions, batches and collections are taken apart; any other Bundle is stored as it is. A resource is put at
    /// its own id, else at that of its urn:uuid address, else at one made from its content: to import again changes
    /// nothing. What is wrong is named with its file and line, and stops nothing; the exit status is then 1.
    #[arg(required = true, value_name = "FILE OR FOLDER")]
    pub(super) paths: Vec<std::path::PathBuf>,
    #[command(flatten)]
    pub(super) site: SiteArgs,
}

pub(super) async fn run(args: &ImportArgs) -> Result<(), Failure> {
    let inputs = find(&args.paths).map_err(|error| Failure::Other(error.to_string()))?;
    let skipped = inputs.skipped.len();
    let bytes = inputs.files.iter().map(|input| input.size).sum();
    let (door, context) = door::open(&args.site).await?;
    let bar = Arc::new(Bar::new(bytes));
    let door = Arc::new(door);
    let outcome = import(door.clone(), inputs, context.ids.clone(), bar.clone()).await;
    bar.bar.finish_and_clear();
    if let Some(door) = Arc::into_inner(door) {
        door.close().await;
    }
    let summary = outcome.map_err(Failure::Other)?;
    print!("{}", table(&summary));
    if skipped > 0 {
        println!("{skipped} files are neither JSON nor NDJSON by their name, and were left out.");
    }
    match summary.faults {
        0 => Ok(()),
        1 => Err(Failure::Other("one document was not taken: see above".to_owned())),
        faults => Err(Failure::Other(format!("{faults} documents were not taken: see above"))),
    }
}

/// One line a type, and what became of its resources.
fn table(summary: &Summary) -> String {
    const COLUMNS: [(Done, &str); 4] = [
        (Done::Created, "created"),
        (Done::Updated, "updated"),
        (Done::Unchanged, "unchanged"),
        (Done::Deleted, "deleted"),
    ];
    let line = |name: &str, cell: &dyn Fn((Done, &str)) -> String| {
        let cells: String = COLUMNS.iter().map(|column| format!("{:>12}", cell(*column))).collect();
        format!("{name:<30}{cells}\n")
    };
    let counted = |name: &str, counts: &BTreeMap<Done, u64>| {
        line(name, &|(done, _)| counts.get(&done).copied().unwrap_or_default().to_string())
    };
    let mut table = line("type", &|(_, name)| name.to_owned());
    let mut all: BTreeMap<Done, u64> = BTreeMap::new();
    for (resource_type, counts) in &summary.counts {
        for (done, count) in counts {
            *all.entry(*done).or_default() += count;
        }
        table.push_str(&counted(resource_type, counts));
    }
    table + &counted("all", &all)
}

struct Bar {
    bar: ProgressBar,
    faults: AtomicU64,
}

impl Bar {
    fn new(bytes: u64) -> Self {
        let bar = ProgressBar::new(bytes);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent}% {bytes}/{total_bytes}, {eta} left, {msg}")
        {
            bar.set_style(style);
        }
        Bar { bar, faults: AtomicU64::new(0) }
    }
}

impl Progress for Bar {
    fn read(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn written(&self, resources: u64) {
        self.bar.set_message(format!("{resources} resources"));
    }

    fn fault(&self, fault: &Fault) {
        let count = self.faults.fetch_add(1, Ordering::Relaxed) + 1;
        self.bar.suspend(|| match count {
            1..=MOST_FAULTS => eprintln!("{fault}"),
            count if count == MOST_FAULTS + 1 => eprintln!("more faults are counted, and not shown"),
            _ => {}
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_a_line_a_type() {
        let mut summary = Summary::default();
        summary.counts.insert("Patient".to_owned(), BTreeMap::from([(Done::Created, 12), (Done::Unchanged, 3)]));
        summary.counts.insert("Observation".to_owned(), BTreeMap::from([(Done::Created, 1)]));
        insta::assert_snapshot!(table(&summary), @r"
        type                               created     updated   unchanged     deleted
        Observation                              1           0           0           0
        Patient                                 12           0           3           0
        all                                     13           0           3           0
        ");
    }
}
