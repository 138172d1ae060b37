//! What a run found: a table for the terminal, and the same as JSON.

use serde::Serialize;

use crate::Outcome;
use crate::load::Run;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub database: String,
    pub patients: usize,
    pub resources: usize,
    pub load_before: Option<f64>,
    pub load_after: Option<f64>,
    pub fsyncs_per_second: f64,
    pub lines: Vec<Line>,
    pub facts: Vec<Fact>,
    /// What is not as it should be: a wrong answer, a step that failed, an aim that was missed by far.
    pub findings: Vec<String>,
}

/// One scenario: the run with the median rate, and the limit of the same run.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    pub name: String,
    pub rate: f64,
    pub run: Run,
    pub limit: Option<f64>,
    /// Seconds of processor time that the server used a second.
    pub server_processors: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Fact {
    pub name: &'static str,
    pub value: f64,
    pub unit: &'static str,
}

impl Report {
    pub(crate) fn fact(&mut self, name: &'static str, value: f64, unit: &'static str) {
        println!("  {name}: {value:.2} {unit}");
        self.facts.push(Fact { name, value, unit });
    }

    pub(crate) fn finding(&mut self, text: String) {
        println!("  FOUND: {text}");
        self.findings.push(text);
    }

    /// Notes the error of a step, if it has one: the run goes on without what the step would have given.
    pub(crate) fn step<T>(&mut self, name: &str, outcome: Outcome<T>) -> Option<T> {
        outcome.map_err(|error| self.finding(format!("{name}: {error}"))).ok()
    }

    /// Notes a scenario; answers that are refusals are a finding.
    pub(crate) fn line(&mut self, name: &str, line: Outcome<Line>) {
        let Some(line) = self.step(name, line) else { return };
        let failed = line.run.refused + line.run.broken;
        if failed > 0 {
            self.finding(format!("{name}: {failed} of {} answers were refusals or none", line.run.requests));
        }
        self.lines.push(line);
    }

    pub(crate) fn print(&self) {
        println!(
            "\n{} · {} patients, {} resources · load {:?} before, {:?} after · {:.0} fsyncs/s",
            self.database, self.patients, self.resources, self.load_before, self.load_after, self.fsyncs_per_second
        );
        println!(
            "{:<46} {:>9} {:>9} {:>6} {:>8} {:>8} {:>8} {:>6} {:>7}",
            "scenario", "per s", "limit", "share", "p50 µs", "p95 µs", "p99 µs", "cpus", "refused"
        );
        for Line { name, rate, run, limit, server_processors } in &self.lines {
            let share = limit.map_or_else(String::new, |limit| format!("{:.0} %", 100.0 * rate / limit));
            println!(
                "{name:<46} {rate:>9.0} {:>9} {share:>6} {:>8} {:>8} {:>8} {:>6} {:>7}",
                limit.map_or_else(String::new, |limit| format!("{limit:.0}")),
                run.p50,
                run.p95,
                run.p99,
                server_processors.map_or_else(String::new, |share| format!("{share:.2}")),
                run.refused + run.broken
            );
        }
        for finding in &self.findings {
            println!("FOUND: {finding}");
        }
    }
}
