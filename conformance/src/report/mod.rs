//! What a run has found, for people and for machines: JSON, JUnit, and one HTML page that holds all of it.

mod html;
mod junit;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::client::Exchange;
use crate::requirements::{self, Found};
use crate::run::{Outcome, Tested};
use crate::suite::Expectation;

/// A run that has ended.
#[derive(Debug)]
pub struct Report {
    /// The base of the server.
    pub server: String,
    /// What else tells this run from others: the database.
    pub title: String,
    pub started: Timestamp,
    pub took: Duration,
    pub tested: Vec<Tested>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl Counts {
    pub fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Skipped(_) => self.skipped += 1,
        }
    }

    pub fn all(self) -> usize {
        self.passed + self.failed + self.skipped
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = path.display())]
pub struct ReportError {
    path: PathBuf,
    source: std::io::Error,
}

/// The names of the files that [`Report::write`] leaves in a folder.
pub const FILES: [&str; 3] = ["report.json", "junit.xml", "report.html"];

impl Report {
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.tested.iter().for_each(|tested| counts.add(&tested.outcome));
        counts
    }

    /// Whether nothing failed that the server SHALL do; where `strict`, whether everything has passed.
    pub fn is_good(&self, strict: bool) -> bool {
        self.tested.iter().all(|tested| match tested.outcome {
            Outcome::Passed => true,
            Outcome::Failed(_) => !strict && !tested.expectation.is_binding(),
            Outcome::Skipped(_) => !strict,
        })
    }

    /// What did not pass, a line each, for a terminal.
    pub fn shortcomings(&self) -> Vec<String> {
        let lines = self.tested.iter().filter_map(|tested| {
            let (suite, id) = (&tested.suite, &tested.id);
            match &tested.outcome {
                Outcome::Passed => None,
                Outcome::Failed(problems) => {
                    let more =
                        if problems.len() > 1 { format!(" (and {} more)", problems.len() - 1) } else { String::new() };
                    Some(format!("FAILED   {suite} {id}: {}{more}", problems.first().map_or("", String::as_str)))
                }
                Outcome::Skipped(why) => Some(format!("skipped  {suite} {id}: {why}")),
            }
        });
        lines.collect()
    }

    /// Writes the three files into a folder, which is made if need be.
    pub fn write(&self, folder: &Path) -> Result<(), ReportError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            |source| ReportError { path, source }
        };
        std::fs::create_dir_all(folder).map_err(failed(folder))?;
        let json = self.json();
        for (name, text) in FILES.into_iter().zip([&json, &junit::text(self), &html::page(&json)]) {
            let path = folder.join(name);
            std::fs::write(&path, text).map_err(failed(&path))?;
        }
        Ok(())
    }

    /// The report as JSON: an exchange that several tests have looked at stands in it once.
    pub fn json(&self) -> String {
        let mut exchanges: Vec<ShownExchange<'_>> = Vec::new();
        let mut places: BTreeMap<*const Exchange, usize> = BTreeMap::new();
        let tests = self.tested.iter().map(|tested| {
            let is_wrong = matches!(tested.outcome, Outcome::Failed(_));
            let shown = tested.exchanges.iter().map(|exchange| {
                let place = *places.entry(Arc::as_ptr(exchange)).or_insert_with(|| {
                    exchanges.push(ShownExchange::new(exchange));
                    exchanges.len() - 1
                });
                exchanges[place].keep(if is_wrong { KEPT_OF_FAILED } else { KEPT_OF_OTHERS });
                place
            });
            ShownTest::new(tested, shown.collect())
        });
        let tests = tests.collect();
        let shown = ShownReport {
            server: &self.server,
            title: &self.title,
            started: format!("{:.0}", self.started),
            seconds: self.took.as_secs_f64(),
            counts: self.counts(),
            certification: requirements::certification(&self.tested),
            tests,
            exchanges,
        };
        serde_json::to_string(&shown).unwrap_or_default()
    }
}

/// How much of a body is shown, in bytes.
const KEPT_OF_FAILED: usize = 4_000;
const KEPT_OF_OTHERS: usize = 400;

#[derive(Serialize)]
struct ShownReport<'a> {
    server: &'a str,
    title: &'a str,
    started: String,
    seconds: f64,
    counts: Counts,
    /// The groups of (g)(10).
    certification: Vec<Found>,
    tests: Vec<ShownTest<'a>>,
    exchanges: Vec<ShownExchange<'a>>,
}

#[derive(Serialize)]
struct ShownTest<'a> {
    suite: &'a str,
    group: &'a str,
    id: &'a str,
    expectation: Expectation,
    requirement: &'a str,
    link: &'a str,
    /// `passed`, `failed` or `skipped`.
    outcome: &'static str,
    /// Why it failed or was skipped.
    why: Vec<&'a str>,
    milliseconds: u64,
    /// Places in the report's list.
    exchanges: Vec<usize>,
}

impl<'a> ShownTest<'a> {
    fn new(tested: &'a Tested, exchanges: Vec<usize>) -> Self {
        let (outcome, why) = match &tested.outcome {
            Outcome::Passed => ("passed", Vec::new()),
            Outcome::Failed(problems) => ("failed", problems.iter().map(String::as_str).collect()),
            Outcome::Skipped(why) => ("skipped", vec![why.as_str()]),
        };
        Self {
            suite: &tested.suite,
            group: &tested.group,
            id: &tested.id,
            expectation: tested.expectation,
            requirement: &tested.requirement,
            link: &tested.link,
            outcome,
            why,
            milliseconds: milliseconds(tested.took),
            exchanges,
        }
    }
}

#[derive(Serialize)]
struct ShownExchange<'a> {
    method: &'a str,
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<&'a str>,
    status: u16,
    headers: BTreeMap<&'a str, &'a str>,
    body: &'a str,
    size: usize,
    milliseconds: u64,
    #[serde(skip)]
    whole: &'a str,
}

impl<'a> ShownExchange<'a> {
    fn new(exchange: &'a Exchange) -> Self {
        const HEADERS: [&str; 6] =
            ["content-type", "etag", "last-modified", "location", "www-authenticate", "x-request-id"];
        let headers = exchange.headers.iter().filter(|(name, _)| HEADERS.contains(&name.as_str()));
        Self {
            method: &exchange.method,
            url: &exchange.url,
            sent: exchange.sent.as_deref(),
            status: exchange.status,
            headers: headers.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
            body: "",
            size: exchange.size,
            milliseconds: milliseconds(exchange.took),
            whole: &exchange.body,
        }
    }

    /// Shows at least so much of the body.
    fn keep(&mut self, bytes: usize) {
        if self.body.len() < bytes {
            self.body = &self.whole[..self.whole.floor_char_boundary(bytes)];
        }
    }
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[(Outcome, Expectation)]) -> Report {
        let tested = outcomes.iter().enumerate().map(|(index, (outcome, expectation))| Tested {
            suite: "a suite".to_owned(),
            group: "a group".to_owned(),
            id: format!("test-{index}"),
            requirement: "1 < 2 & so on".to_owned(),
            link: "https://example.org/".to_owned(),
            expectation: *expectation,
            outcome: outcome.clone(),
            exchanges: Vec::new(),
            took: Duration::from_millis(12),
        });
        Report {
            server: "http://localhost".to_owned(),
            title: "SQLite".to_owned(),
            started: Timestamp::UNIX_EPOCH,
            took: Duration::from_secs(1),
            tested: tested.collect(),
        }
    }

    #[test]
    fn a_skip_fails_a_strict_run_and_a_should_only_that() {
        let skipped = (Outcome::Skipped("no data".to_owned()), Expectation::Shall);
        let should = (Outcome::Failed(vec!["wrong".to_owned()]), Expectation::Should);
        let shall = (Outcome::Failed(vec!["wrong".to_owned()]), Expectation::Shall);
        for (outcome, strict, lenient) in [(skipped, false, true), (should, false, true), (shall, false, false)] {
            let report = report(&[(Outcome::Passed, Expectation::Shall), outcome]);
            assert_eq!((report.is_good(true), report.is_good(false)), (strict, lenient));
        }
        assert!(report(&[(Outcome::Passed, Expectation::Shall)]).is_good(true));
    }

    #[test]
    fn the_forms_hold_what_was_wrong_and_nothing_breaks_out_of_them() {
        let wrong = "expected </script><b>]]> & more".to_owned();
        let report = report(&[(Outcome::Failed(vec![wrong]), Expectation::Shall)]);
        let junit = junit::text(&report);
        assert!(junit.contains("tests=\"1\" failures=\"1\" skipped=\"0\""), "{junit}");
        assert!(junit.contains("expected &lt;/script&gt;&lt;b&gt;]]&gt; &amp; more"), "{junit}");
        let page = html::page(&report.json());
        assert!(!page.contains("expected </script>") && page.contains("<\\/script>"), "the data end the script");
    }
}
