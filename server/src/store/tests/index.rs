//! Index and compartment rows follow the bodies; re-indexing; the check.

use sea_orm::ConnectionTrait;
use serde_json::json;

use super::super::*;
use super::{Fixture, OBSERVATION, PATIENT, audit_entry, definition, definitions, on_both};

on_both!(
    rows_follow_each_change,
    a_changed_extractor_is_not_indexed_until_it_is_rebuilt,
    writes_during_reindexing_leave_the_index_consistent,
    a_parameter_of_a_type_without_resources_is_indexed_at_once,
    changed_compartments_are_rebuilt_before_the_store_opens,
    the_check_finds_what_is_missing_and_what_is_too_many,
    the_check_finds_a_changed_audit_entry,
);

async fn healthy(fixture: &Fixture) -> CheckReport {
    let report = fixture.store.check(|_| ()).await.expect("the check runs");
    assert_eq!(report.faults, Vec::<String>::new());
    report
}

async fn rows_follow_each_change(fixture: Fixture) {
    fixture.create(OBSERVATION, "a", json!({"tokens": [1, 2], "patient": "p", "at": 5})).await;
    fixture.create(OBSERVATION, "b", json!({"tokens": [2], "patient": "p", "at": 5})).await;
    let report = healthy(&fixture).await;
    assert_eq!((report.index_rows, report.compartment_rows), (3, 2));
    fixture.update(OBSERVATION, "a", json!({"tokens": [2, 3, 4], "patient": "q", "at": 6})).await;
    let report = healthy(&fixture).await;
    assert_eq!((report.index_rows, report.compartment_rows, report.superseded_versions), (4, 2, 1));
    fixture.delete(OBSERVATION, "b").await;
    let report = healthy(&fixture).await;
    assert_eq!((report.index_rows, report.compartment_rows), (3, 1));
    // A deleted resource that comes back has its rows again.
    fixture.update(OBSERVATION, "b", json!({"tokens": [9], "patient": "p"})).await;
    assert_eq!(healthy(&fixture).await.index_rows, 4);
}

async fn a_changed_extractor_is_not_indexed_until_it_is_rebuilt(mut fixture: Fixture) {
    for n in 0..25 {
        fixture.create(OBSERVATION, &format!("o{n}"), json!({"tokens": [n, n + 1]})).await;
    }
    let before = fixture.store.dictionary().get(OBSERVATION, "code").expect("known").id;
    fixture.reopen(vec![definition(OBSERVATION, "code", 2), definition(OBSERVATION, "new", 1)]).await;
    let code = fixture.store.dictionary().get(OBSERVATION, "code").expect("known").id;
    assert_ne!(code, before);
    assert!(!fixture.store.dictionary().get(OBSERVATION, "code").expect("known").is_indexed());
    let mut bites = 0;
    loop {
        let progress = fixture.store.reindex_bite(10).await.expect("a bite");
        if progress.is_complete() {
            break;
        }
        assert!(progress.done <= progress.last);
        bites += 1;
        assert!(bites < 50, "{progress:?}");
    }
    assert!(fixture.store.dictionary().iter().all(ParameterEntry::is_indexed));
    assert_eq!(healthy(&fixture).await.index_rows, 100);
    // Nothing is left of the extractor that was replaced.
    assert_eq!(fixture.count(index::IndexTable::IndexToken).await, 100);
    // It stays so over a restart, under the same ids.
    fixture.reopen(vec![definition(OBSERVATION, "code", 2), definition(OBSERVATION, "new", 1)]).await;
    let dictionary = fixture.store.dictionary();
    let entry = dictionary.get(OBSERVATION, "code").expect("known");
    assert_eq!((entry.id, entry.is_indexed()), (code, true));
}

async fn writes_during_reindexing_leave_the_index_consistent(mut fixture: Fixture) {
    for n in 0..20 {
        fixture.create(OBSERVATION, &format!("o{n}"), json!({"tokens": [n]})).await;
    }
    fixture.reopen(vec![definition(OBSERVATION, "code", 2)]).await;
    fixture.store.reindex_bite(7).await.expect("a bite");
    // Before and behind the place that re-indexing has come to.
    fixture.update(OBSERVATION, "o2", json!({"tokens": [100, 101]})).await;
    fixture.update(OBSERVATION, "o15", json!({"tokens": [102]})).await;
    fixture.delete(OBSERVATION, "o3").await;
    fixture.delete(OBSERVATION, "o16").await;
    fixture.create(OBSERVATION, "later", json!({"tokens": [7]})).await;
    while !fixture.store.reindex_bite(7).await.expect("a bite").is_complete() {}
    assert_eq!(healthy(&fixture).await.index_rows, 20);
}

async fn a_parameter_of_a_type_without_resources_is_indexed_at_once(mut fixture: Fixture) {
    fixture.create(OBSERVATION, "a", json!({"tokens": [1]})).await;
    fixture.reopen(vec![definition(OBSERVATION, "code", 1), definition(PATIENT, "new", 1)]).await;
    assert!(fixture.store.dictionary().iter().all(ParameterEntry::is_indexed));
}

/// Access depends on these rows: a store that opened with the old ones would show too much or too little.
async fn changed_compartments_are_rebuilt_before_the_store_opens(mut fixture: Fixture) {
    for n in 0..600 {
        fixture
            .create(OBSERVATION, &format!("o{n}"), json!({"tokens": [1], "patient": format!("p{}", n % 9), "at": n}))
            .await;
    }
    fixture.delete(OBSERVATION, "o17").await;
    let mut changed = definitions();
    changed.push(definition(0, "compartment", 6));
    fixture.reopen(changed.clone()).await;
    let report = healthy(&fixture).await;
    assert_eq!((report.compartment_rows, report.index_rows), (599, 599));
    let bits = format!("SELECT count(*) FROM {} WHERE bits = 6", fixture.store.names().quoted("compartment"));
    let row = write::one(&fixture.store.context.connection, bits).await.expect("a count");
    assert_eq!(columns::Columns::integer(&row, 0).expect("a count"), 599);
    fixture.update(OBSERVATION, "o18", json!({"patient": "q"})).await;
    fixture.reopen(changed).await;
    assert_eq!(healthy(&fixture).await.compartment_rows, 599);
}

async fn the_check_finds_what_is_missing_and_what_is_too_many(fixture: Fixture) {
    fixture.create(OBSERVATION, "a", json!({"tokens": [1, 2], "patient": "p"})).await;
    fixture.update(OBSERVATION, "a", json!({"tokens": [1, 2], "patient": "p", "n": 1})).await;
    healthy(&fixture).await;
    let names = fixture.store.names();
    let (tokens, history) = (names.quoted("index_token"), names.quoted("resource_history"));
    let connection = &fixture.store.context.connection;
    let run = async |sql: String| {
        connection.execute_unprepared(&sql).await.expect("the statement runs");
        let report = fixture.store.check(|_| ()).await.expect("the check runs");
        report.faults.join("; ")
    };
    let faults = run(format!("DELETE FROM {tokens} WHERE value = 1")).await;
    assert!(faults.contains("1 of its index rows are missing"), "{faults}");
    let faults =
        run(format!("INSERT INTO {tokens} (parameter, value, resource) SELECT parameter, 1, resource FROM {tokens}"))
            .await;
    assert_eq!(faults, "");
    let faults = run(format!(
        "INSERT INTO {tokens} (parameter, value, resource) SELECT parameter, 77, resource FROM {tokens} WHERE value = 1"
    ))
    .await;
    assert!(faults.contains("there are 3 index rows, and 2 belong to a resource"), "{faults}");
    let faults = run(format!("DELETE FROM {history}")).await;
    assert!(faults.contains("its history has a gap"), "{faults}");
}

async fn the_check_finds_a_changed_audit_entry(mut fixture: Fixture) {
    for n in 0..10 {
        fixture.store.audit(audit_entry(&format!("r{n}"))).await.expect("kept");
    }
    let content = fixture.content(OBSERVATION, "a", json!({}));
    let unit = Unit::new(vec![Operation::create(OBSERVATION, "a", content)]).audited(audit_entry("w"));
    fixture.store.write(unit).await.expect("written");
    fixture.reopen(definitions()).await;
    fixture.store.audit(audit_entry("after")).await.expect("kept");
    fixture.reopen(definitions()).await;
    let entries = fixture.store.audit_page(None, 100).await.expect("entries");
    assert_eq!(entries.len(), 12);
    assert_eq!(healthy(&fixture).await.audit_entries, 12);
    let sql =
        format!("UPDATE {} SET actor = 'someone else' WHERE request_id = 'r4'", fixture.store.names().quoted("audit"));
    fixture.store.context.connection.execute_unprepared(&sql).await.expect("changed");
    let report = fixture.store.check(|_| ()).await.expect("the check runs");
    assert_eq!(report.fault_count, 1, "{:?}", report.faults);
}
