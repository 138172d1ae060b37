//! The test phase: `cargo test` with what it prints passed on, and its closing lines counted.

use super::failures::Failures;
use crate::{Outcome, workspace};

/// Where the tests find the PostgreSQL that was started for them.
const POSTGRES_VARIABLE: &str = "VESTA_TEST_POSTGRES";

/// Runs all tests of the workspace; returns how many there were.
pub(super) fn run(postgres: &str, filter: Option<&str>) -> Outcome<String> {
    // Every binary runs, so that one run shows all failures.
    let mut command = workspace::cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    command.env(POSTGRES_VARIABLE, postgres).env("INSTA_UPDATE", "no");
    if let Some(filter) = filter {
        command.args(["--", filter]);
    }
    let (mut counts, mut failures) = (Counts::default(), Failures::after("failures:", "test result: "));
    let status = workspace::run_watched(command, |line| {
        counts.add(line);
        failures.add(line);
    })?;
    let Counts { passed, failed, ignored } = counts;
    if !status.success() {
        return Err(format!("{passed} passed, {failed} failed ({status}){failures}").into());
    }
    if ignored > 0 {
        return Err(format!("{ignored} tests are ignored: a test runs or is removed").into());
    }
    if filter.is_none() && passed == 0 {
        return Err("no test ran".into());
    }
    Ok(format!("{passed} tests"))
}

#[derive(Default)]
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    /// Adds a closing line: `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) else {
            return;
        };
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn closing_lines_are_summed() {
        let mut counts = Counts::default();
        counts.add("test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.10s");
        counts.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1s");
        counts.add("test store::writer::keeps_order ... ok");
        assert_eq!((counts.passed, counts.failed, counts.ignored), (15, 2, 1));
    }
}
