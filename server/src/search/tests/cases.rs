//! Queries over a small corpus and the ids that they find, as data (`cases.json`): in SQL and in memory alike.

use serde_json::Value;

use super::*;

/// `query` over `type` (none: over the system), under `patient`'s boundary, finds `ids`; in this order if `ordered`.
fn all_cases() -> Vec<Value> {
    let Value::Array(cases) = vesta_runtime::json::parse(include_bytes!("cases.json")).expect("JSON") else {
        panic!("an array")
    };
    cases
}

fn ids(case: &Value) -> Vec<String> {
    case["ids"].as_array().expect("ids").iter().map(|id| id.as_str().expect("an id").to_owned()).collect()
}

async fn check(fixture: Fixture) {
    fixture.put(&corpus()).await;
    let mut failures = Vec::new();
    for case in all_cases() {
        let (of, query) = (case["type"].as_str(), case["query"].as_str().expect("a query"));
        let boundary = match case["patient"].as_str() {
            Some(patient) => Boundary::Patient(patient.to_owned()),
            None => Boundary::Unrestricted,
        };
        let search = match parse(&fixture.table, of, query) {
            Ok(search) => search,
            Err(error) => {
                failures.push(format!("{of:?}?{query}: {error}"));
                continue;
            }
        };
        let expected = ids(&case);
        for count in [100, 2] {
            let mut found = fixture.find(&search, &boundary, count).await;
            let mut wanted = expected.clone();
            if case["ordered"].as_bool() != Some(true) {
                found.sort();
                wanted.sort();
            }
            if found != wanted {
                failures.push(format!("{of:?}?{query} in pages of {count}: {wanted:?} expected, {found:?} found"));
            }
        }
        let counted = fixture.count(&search, &boundary).await;
        if counted != expected.len() as i64 {
            failures.push(format!("{of:?}?{query}: {} expected, {counted} counted", expected.len()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_finds_what_the_cases_say() {
    check(Fixture::sqlite().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_finds_what_the_cases_say() {
    if let Some(fixture) = Fixture::postgres("cases").await {
        check(fixture).await;
    }
}

#[test]
fn memory_finds_what_the_cases_say() {
    let table = table();
    let corpus = corpus();
    let mut failures = Vec::new();
    for case in all_cases() {
        let (of, query) = (case["type"].as_str(), case["query"].as_str().expect("a query"));
        // Memory has one resource: no boundary, no chain, no time of change.
        if case["patient"].is_string() || query.contains("_lastUpdated") {
            continue;
        }
        let search = parse(&table, of, query).unwrap_or_else(|error| panic!("{query}: {error}"));
        if search.has_chains() {
            continue;
        }
        let mut found: Vec<String> = corpus
            .iter()
            .filter(|resource| search.matches(&table, resource))
            .map(|resource| resource["id"].as_str().expect("an id").to_owned())
            .collect();
        let mut wanted = ids(&case);
        found.sort();
        wanted.sort();
        if found != wanted {
            failures.push(format!("{of:?}?{query}: {wanted:?} expected, {found:?} found"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
