//! Any filter over chains, `_has` and plain criteria: SQL and memory agree, within a patient's boundary too.

use proptest::prelude::*;

use super::cases::Corpus;
use super::*;

const ATOMS: [&str; 14] = [
    "status eq final",
    "status ne final",
    "code eq http://loinc.org|2339-0",
    "category eq laboratory",
    "date ge 2024-03-01",
    "date pr false",
    "value-quantity gt 1",
    "value-string ew very",
    "subject.name co \"smith\"",
    "patient.gender ne male",
    "subject:Patient.general-practitioner.name sw care",
    "performer:Practitioner[name eq careful].identifier pr true",
    "_has:Provenance:target:_id eq t2",
    "subject:Patient._has:Encounter:patient:class eq IMP",
];

fn filter() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(&ATOMS[..]).prop_map(str::to_owned);
    atom.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" and "))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

fn agree(fixture: impl AsyncFn() -> Option<Fixture>, cases: u32) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let Some(fixture) = runtime.block_on(fixture()) else { return };
    let corpus = corpus();
    runtime.block_on(fixture.put(&corpus));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&(filter(), any::<bool>()), |(filter, bounded)| {
        let pairs = [("_filter".to_owned(), filter.clone())];
        let (search, _) = Search::parse(&fixture.table, Some("Observation"), &pairs, Handling::Strict, now())
            .unwrap_or_else(|error| panic!("{filter}: {error}"));
        let patient = bounded.then_some("p1");
        let around = Corpus::new(&fixture.table, &corpus, patient);
        let matching = around.seen.iter().filter(|one| search.matches_among(&fixture.table, one, &around));
        let mut expected: Vec<&str> = matching.map(|one| one["id"].as_str().expect("an id")).collect();
        expected.sort_unstable();
        let boundary = patient.map_or(Boundary::Unrestricted, |patient| Boundary::Patient(patient.to_owned()));
        let mut found = runtime.block_on(fixture.find(&search, &boundary, 3));
        found.sort();
        prop_assert_eq!(found, expected, "{} for {:?}", filter, patient);
        Ok(())
    });
    runtime.block_on(fixture.store.close());
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn sqlite_and_memory_agree_on_any_filter() {
    agree(async || Some(Fixture::sqlite().await), 150);
}

#[test]
fn postgres_and_memory_agree_on_any_filter() {
    agree(async || Fixture::postgres("filters").await, 60);
}

/// As many values as can be allowed are compared on a thread of the usual stack, and on SQLite, which takes a thousand
/// levels of an expression; or the refusal says that they are too many for the database.
fn many_values(fixture: impl AsyncFnOnce() -> Option<Fixture>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let Some(mut fixture) = runtime.block_on(fixture()) else { return };
    let table = ParameterTable::new(&SCHEMA, parameters::types(), fixture.store.dictionary().clone(), BASE);
    fixture.table = Arc::new(table.with_limits(SearchLimits { values: 10_000, ..SearchLimits::default() }));
    runtime.block_on(fixture.put(&corpus()));
    let many =
        |most: usize, with: &str, value: &dyn Fn(usize) -> String| (0..most).map(value).collect::<Vec<_>>().join(with);
    let one = |name: &str, value: String| vec![(name.to_owned(), value)];
    let date = |at: usize| format!("ge{}-{:02}-{:02}", 1000 + at, 1 + at % 12, 1 + at % 25);
    let quantity = |at: usize| format!("ne{at}|http://unitsofmeasure.org|mg/dL");
    let listed = |first: &str, other: &str| format!("{first},{}", many(9_999, ",", &|at| format!("{other}{at}")));
    let filter = |most: usize, with: &str| {
        format!("status eq final{with}{}", many(most, with, &|at| format!("status eq x{at}")))
    };
    let searches = [
        one("_filter", filter(9_999, " or ")),
        one("_filter", filter(2_000, " and ")),
        one("_filter", many(900, " or ", &|at| format!("date {}", date(at).replace("ge", "ge ")))),
        one("code", listed("2339-0", "http://x|")),
        one("code:not", listed("2339-0", "http://x|")),
        one("_id", listed("o1", "x")),
        one("subject", listed("p1", "x")),
        one("date", many(900, ",", &date)),
        one("value-quantity", many(900, ",", &quantity)),
        vec![("status".to_owned(), "final".to_owned()); 10_000],
        (0..10_000).map(|at| ("status:not".to_owned(), format!("x{at}"))).collect(),
        (0..2_000).map(|at| ("status".to_owned(), format!("x{at}"))).collect(),
        (0..900).map(|at| ("date".to_owned(), date(at))).collect(),
        (0..900).map(|at| ("value-quantity".to_owned(), quantity(at))).collect(),
    ];
    let corpus = corpus();
    for (at, pairs) in searches.iter().enumerate() {
        let (search, _) = Search::parse(&fixture.table, Some("Observation"), pairs, Handling::Strict, now())
            .unwrap_or_else(|error| panic!("{at}: {error}"));
        let mut found = runtime.block_on(fixture.find(&search, &Boundary::Unrestricted, 100));
        let expected = corpus.iter().filter(|one| search.matches(&fixture.table, one));
        let mut expected: Vec<&str> = expected.filter_map(|one| one["id"].as_str()).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{at}: {}", pairs[0].0);
    }
    // What makes a statement that SQLite takes long to read, longer than its limit of time is looked at.
    for pairs in [one("date", many(1_001, ",", &date)), (0..1_001).map(|at| ("date".to_owned(), date(at))).collect()] {
        let refused = Search::parse(&fixture.table, Some("Observation"), &pairs, Handling::Lenient, now());
        let issues = refused.expect_err("too many").issues;
        assert!(issues.iter().all(|issue| issue.kind == IssueKind::TooCostly), "{issues:?}");
    }
    runtime.block_on(fixture.store.close());
}

#[test]
fn sqlite_compares_as_many_values_as_can_be_allowed() {
    many_values(async || Some(Fixture::sqlite().await));
}

#[test]
fn postgres_compares_as_many_values_as_can_be_allowed() {
    many_values(async || Fixture::postgres("many_values").await);
}
