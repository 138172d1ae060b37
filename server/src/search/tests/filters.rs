//! Any filter over chains, `_has` and plain criteria: SQL and memory agree, within a patient's boundary too.

use proptest::prelude::*;

use super::cases::Corpus;
use super::*;
use crate::store::STACK_BYTES;

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

/// As many conditions as a search may have stand in one another, and the process does not end of it.
#[test]
fn the_stack_lasts_for_as_many_conditions_as_are_allowed() {
    let answered = || {
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.enable_all().thread_stack_size(STACK_BYTES).build().expect("a runtime");
        let fixture = runtime.block_on(Fixture::sqlite());
        runtime.block_on(fixture.put(&corpus()));
        let most = 950;
        let joined = |with: &str| vec![("_filter".to_owned(), vec!["status eq final"; most].join(with))];
        let dates = (0..most).map(|day| format!("ge{}", 1000 + day)).collect::<Vec<_>>().join(",");
        let searches = [
            joined(" and "),
            joined(" or "),
            vec![("status".to_owned(), "final".to_owned()); most],
            vec![("date".to_owned(), dates)],
        ];
        for pairs in searches {
            let (search, _) = Search::parse(&fixture.table, Some("Observation"), &pairs, Handling::Strict, now())
                .unwrap_or_else(|error| panic!("{}: {error}", pairs[0].0));
            assert!(
                !runtime.block_on(fixture.find(&search, &Boundary::Unrestricted, 100)).is_empty(),
                "{}",
                pairs[0].0
            );
        }
        runtime.block_on(fixture.store.close());
    };
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(answered).expect("a thread");
    thread.join().expect("answered");
}
