//! Histories and reads as of a place in the commit sequence.

use serde_json::json;

use super::super::*;
use super::{Fixture, OBSERVATION, PATIENT, on_both, whole_history};

on_both!(
    an_instance_history_is_newest_first_with_its_methods,
    a_history_pages_stably_while_others_write,
    versions_of_one_transaction_are_in_the_history_at_once
);

async fn an_instance_history_is_newest_first_with_its_methods(fixture: Fixture) {
    fixture.create(PATIENT, "a", json!({})).await;
    let second = fixture.update(PATIENT, "a", json!({"n": 2})).await;
    fixture.delete(PATIENT, "a").await;
    fixture.update(PATIENT, "a", json!({"n": 4})).await;
    fixture.create(PATIENT, "b", json!({})).await;
    let scope = HistoryScope::Instance { resource_type: PATIENT, id: "a".to_owned() };
    let query = whole_history(scope, 10);
    let page = fixture.store.history(&query).await.expect("history");
    let entries: Vec<_> =
        page.entries.iter().map(|entry| (entry.stored.version, entry.method, entry.stored.deleted)).collect();
    assert_eq!(
        entries,
        [(4, Method::Put, false), (3, Method::Delete, true), (2, Method::Put, false), (1, Method::Post, false)]
    );
    assert_eq!((page.total, page.has_more), (Some(4), false));
    // https://hl7.org/fhir/R4/http.html#history: _since includes versions created at or after the instant.
    let since = HistoryQuery { since: Some(second.last_updated), ..query.clone() };
    let page = fixture.store.history(&since).await.expect("history");
    assert_eq!(page.entries.last().map(|entry| entry.stored.version), Some(2));
    let never = HistoryScope::Instance { resource_type: OBSERVATION, id: "a".to_owned() };
    let never = fixture.store.history(&HistoryQuery { scope: never, ..query }).await;
    assert!(matches!(never, Err(StoreError::NotFound)));
}

async fn a_history_pages_stably_while_others_write(fixture: Fixture) {
    for n in 0..12 {
        fixture.create(OBSERVATION, &format!("o{n}"), json!({})).await;
        fixture.create(PATIENT, &format!("p{n}"), json!({})).await;
    }
    for scope in [HistoryScope::Type(OBSERVATION), HistoryScope::System] {
        let mut query = whole_history(scope, 5);
        let whole = HistoryQuery { count: 1_000, ..query.clone() };
        let expected: Vec<i64> = sequences(&fixture.store.history(&whole).await.expect("history"));
        let mut seen = Vec::new();
        loop {
            let page = fixture.store.history(&query).await.expect("history");
            seen.extend(sequences(&page));
            if !page.has_more {
                break;
            }
            query.as_of = Some(page.as_of);
            query.before = seen.last().copied();
            // Moves versions from one table to the other, and adds newer ones.
            fixture.update(OBSERVATION, "o3", json!({"n": seen.len()})).await;
            fixture.create(OBSERVATION, &format!("new{}-{}", seen.len(), expected.len()), json!({})).await;
        }
        assert_eq!(seen, expected);
    }
}

/// Each version is stamped later than the one before it: in one transaction later than the transaction's own stamp.
async fn versions_of_one_transaction_are_in_the_history_at_once(fixture: Fixture) {
    let update = |number: usize| {
        let content = fixture.content(OBSERVATION, "o", json!({ "n": number }));
        Operation::update(OBSERVATION, "o", content, None)
    };
    fixture.store.write(Unit::new((0..5).map(update).collect())).await.expect("written");
    let query = whole_history(HistoryScope::System, 9);
    let entries = fixture.store.history(&query).await.expect("history").entries;
    assert_eq!(entries.iter().map(|entry| entry.stored.version).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
    assert!(entries.is_sorted_by(|newer, older| newer.stored.last_updated > older.stored.last_updated));
}

fn sequences(page: &HistoryPage) -> Vec<i64> {
    page.entries.iter().map(|entry| entry.stored.sequence).collect()
}
