//! How a run goes, while it goes: a line for each suite.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use vesta_conformance::report::{Counts, Report};
use vesta_conformance::run::Tested;
use vesta_conformance::suite::Test;

/// Of what did not pass, so many lines are shown; the report has all.
const SHOWN: usize = 40;

pub(super) struct Table {
    lines: Mutex<BTreeMap<String, (ProgressBar, Counts)>>,
}

impl Table {
    pub(super) fn new(tests: &[Test<'_>]) -> Self {
        let all = MultiProgress::new();
        let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
        for test in tests {
            *sizes.entry(&test.suite.name).or_default() += 1;
        }
        let style = ProgressStyle::with_template("{prefix:26} {bar:30} {pos:>5}/{len:<5} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let lines = sizes.into_iter().map(|(name, size)| {
            let bar = all.add(ProgressBar::new(size).with_style(style.clone()).with_prefix(name.to_owned()));
            bar.tick();
            (name.to_owned(), (bar, Counts::default()))
        });
        Self { lines: Mutex::new(lines.collect()) }
    }

    pub(super) fn add(&self, tested: &Tested) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((bar, counts)) = lines.get_mut(&tested.suite) {
            counts.add(&tested.outcome);
            bar.set_message(format!("{} failed, {} skipped", counts.failed, counts.skipped));
            bar.inc(1);
        }
    }

    /// The table as it stays, and what did not pass.
    pub(super) fn finish(&self, report: &Report) {
        println!("{:<26} {:>7} {:>7} {:>7} {:>7}", "suite", "tests", "passed", "failed", "skipped");
        for (name, (bar, counts)) in self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            bar.finish_and_clear();
            let Counts { passed, failed, skipped } = counts;
            println!("{name:<26} {:>7} {passed:>7} {failed:>7} {skipped:>7}", counts.all());
        }
        println!("in {:.1} s", report.took.as_secs_f64());
        let shortcomings = report.shortcomings();
        shortcomings.iter().take(SHOWN).for_each(|line| println!("{line}"));
        if shortcomings.len() > SHOWN {
            println!("… and {} more, which the report shows", shortcomings.len() - SHOWN);
        }
    }
}
