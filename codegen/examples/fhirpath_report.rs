//! Prints how many of the official FHIRPath cases hold, by group, and why the others do not.
//! `cargo xtask fhirpath-report` runs it.

#[path = "../tests/fhirpath/suite.rs"]
mod suite;

use std::collections::BTreeMap;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = suite::folder() else {
        eprintln!(
            "error: the official cases are read from shared/testdata/fhirpath beside this checkout, which is not there"
        );
        return ExitCode::FAILURE;
    };
    let outcomes = suite::run(&folder);
    let mut groups: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for outcome in &outcomes {
        let (cases, holding) = groups.entry(&outcome.case.group).or_default();
        *cases += 1;
        *holding += usize::from(outcome.found.is_ok());
    }
    println!("{:<34} {:>5} {:>5}", "group", "cases", "hold");
    for (group, (cases, holding)) in &groups {
        let mark = if cases == holding { "" } else { "  *" };
        println!("{:<34} {cases:>5} {holding:>5}{mark}", group.strip_prefix("test").unwrap_or(group));
    }
    let holding: usize = groups.values().map(|(_, holding)| holding).sum();
    println!("{:<34} {:>5} {holding:>5}", "all", outcomes.len());
    let known: BTreeMap<_, _> =
        suite::differences().into_iter().map(|known| ((known.name, known.expression), known.reason)).collect();
    let mut unexplained = 0;
    for outcome in &outcomes {
        if let Err(found) = &outcome.found {
            let case = &outcome.case;
            let reason = known.get(&case.key()).map(String::as_str);
            unexplained += usize::from(reason.is_none());
            println!(
                "\n* {} `{}`\n  gives {found}\n  {}",
                case.name,
                case.expression,
                reason.unwrap_or("NOT EXPLAINED")
            );
        }
    }
    if unexplained == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
