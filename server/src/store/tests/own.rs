//! Resources that define parameters: the transaction that writes one changes the dictionary; nothing is missed by
//! whoever derives rows at the same time.

use std::time::Duration;

use serde_json::json;

use super::super::*;
use super::{DEFINING, Fixture, OBSERVATION, content, definitions, on_both, open};

on_both!(
    a_parameter_is_pending_with_its_resource_and_complete_after_reindexing,
    what_defines_no_good_parameter_is_refused_alone,
    another_definition_takes_the_place_of_the_one_before,
    what_is_retired_loses_its_rows,
    a_restart_goes_on_where_it_was,
);

async fn define(fixture: &Fixture, id: &str, code: &str, hash: u64) -> Result<Vec<Written>, StoreError> {
    let content = fixture.content(DEFINING, id, json!({"defines": code, "hash": hash}));
    fixture.store.write(Unit::new(vec![Operation::update(DEFINING, id, content, None)])).await
}

/// The id of a parameter of Observations, and whether it is indexed.
fn known(store: &Store, code: &str) -> Option<(i32, bool)> {
    store.dictionary().get(OBSERVATION, code).map(|entry| (entry.id, entry.is_indexed()))
}

async fn reindex(store: &Store) {
    let end = tokio::time::Instant::now() + Duration::from_secs(30);
    while !store.reindex_bite(7).await.expect("a bite").is_complete() {
        assert!(tokio::time::Instant::now() < end, "re-indexing never ends");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How many rows there are, all of them right.
async fn rows(store: &Store) -> u64 {
    let report = store.check(|_| ()).await.expect("the check runs");
    assert_eq!(report.faults, Vec::<String>::new());
    report.index_rows
}

async fn a_parameter_is_pending_with_its_resource_and_complete_after_reindexing(fixture: Fixture) {
    for n in 0..20 {
        fixture.create(OBSERVATION, &format!("o{n}"), json!({"tokens": [n]})).await;
    }
    // Derived before anybody knew of it, and written after.
    let late = fixture.content(OBSERVATION, "late", json!({"tokens": [1, 2, 3]}));
    let latest = fixture.content(OBSERVATION, "latest", json!({"tokens": [5]}));
    let version = fixture.store.parameters_version();
    define(&fixture, "d", "own", 1).await.expect("taken");
    assert!(matches!(known(&fixture.store, "own"), Some((_, false))));
    assert_ne!(fixture.store.parameters_version(), version);
    fixture.store.write(Unit::new(vec![Operation::create(OBSERVATION, "late", late)])).await.expect("written");
    assert_eq!(rows(&fixture.store).await, 23);
    reindex(&fixture.store).await;
    assert!(matches!(known(&fixture.store, "own"), Some((_, true))));
    assert_eq!(rows(&fixture.store).await, 46);
    // What was written by the rows of before has those of the new parameter too, whoever looks.
    let late = fixture.update(OBSERVATION, "late", json!({"tokens": [4]})).await;
    assert_eq!((late.version, rows(&fixture.store).await), (2, 42));
    // Nothing comes after the indexing and mends it: what was derived before is derived again.
    fixture.store.write(Unit::new(vec![Operation::create(OBSERVATION, "latest", latest)])).await.expect("written");
    assert_eq!(rows(&fixture.store).await, 44);
}

async fn what_defines_no_good_parameter_is_refused_alone(fixture: Fixture) {
    let other = fixture.content(OBSERVATION, "o", json!({"tokens": [1]}));
    let other = fixture.store.write(Unit::new(vec![Operation::create(OBSERVATION, "o", other)]));
    let (refused, other) = tokio::join!(define(&fixture, "d", "own", 0), other);
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    other.expect("written");
    assert_eq!(known(&fixture.store, "own"), None);
    assert!(fixture.store.read(DEFINING, "d").await.expect("read").is_none());
    // Twice the same code is two definitions of one.
    assert_eq!(rows(&fixture.store).await, 1);
}

async fn another_definition_takes_the_place_of_the_one_before(fixture: Fixture) {
    fixture.create(OBSERVATION, "o", json!({"tokens": [1]})).await;
    define(&fixture, "d", "own", 1).await.expect("taken");
    reindex(&fixture.store).await;
    let (first, _) = known(&fixture.store, "own").expect("known");
    // Another version that defines the same changes nothing.
    let version = fixture.store.parameters_version();
    define(&fixture, "d", "own", 1).await.expect("taken");
    assert_eq!((known(&fixture.store, "own"), fixture.store.parameters_version()), (Some((first, true)), version));
    define(&fixture, "d", "own", 2).await.expect("taken");
    let (second, is_indexed) = known(&fixture.store, "own").expect("known");
    assert!(second != first && !is_indexed);
    reindex(&fixture.store).await;
    assert_eq!(rows(&fixture.store).await, 2);
    assert_eq!(fixture.count(index::IndexTable::IndexToken).await, 2);
}

async fn what_is_retired_loses_its_rows(fixture: Fixture) {
    fixture.create(OBSERVATION, "o", json!({"tokens": [1, 2]})).await;
    define(&fixture, "d", "own", 1).await.expect("taken");
    reindex(&fixture.store).await;
    assert_eq!(fixture.count(index::IndexTable::IndexToken).await, 4);
    fixture.delete(DEFINING, "d").await;
    assert_eq!(known(&fixture.store, "own"), None);
    if fixture.store.postgres.is_some() {
        // Another process may search by it for a moment.
        let progress = fixture.store.reindex_bite(10).await.expect("a bite");
        assert!(progress.rests(), "{progress:?}");
        assert_eq!(fixture.count(index::IndexTable::IndexToken).await, 4);
    }
    reindex(&fixture.store).await;
    assert_eq!(fixture.count(index::IndexTable::IndexToken).await, 2);
    assert_eq!(rows(&fixture.store).await, 2);
}

async fn a_restart_goes_on_where_it_was(mut fixture: Fixture) {
    for n in 0..20 {
        fixture.create(OBSERVATION, &format!("o{n}"), json!({"tokens": [n]})).await;
    }
    define(&fixture, "d", "own", 1).await.expect("taken");
    fixture.store.reindex_bite(7).await.expect("a bite");
    let (id, _) = known(&fixture.store, "own").expect("known");
    let done = fixture.store.reindex_progress().await.expect("progress").done;
    fixture.reopen(definitions()).await;
    assert_eq!(known(&fixture.store, "own"), Some((id, false)));
    assert_eq!(fixture.store.reindex_progress().await.expect("progress").done, done);
    reindex(&fixture.store).await;
    assert_eq!(rows(&fixture.store).await, 40);
    fixture.reopen(definitions()).await;
    assert_eq!(known(&fixture.store, "own"), Some((id, true)));
    // The generation is the database's: the next change goes on from it.
    define(&fixture, "e", "other", 1).await.expect("taken");
    reindex(&fixture.store).await;
    assert_eq!(rows(&fixture.store).await, 60);
}

/// Two stores on one PostgreSQL, as two processes are: while both write, parameters come and go at one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_row_is_missed_while_another_process_writes() {
    let Some(fixture) = Fixture::postgres("own_two_processes").await else { return };
    let other = open(fixture.database.clone(), definitions(), Limits::default()).await.expect("a second");
    let write = |store: std::sync::Arc<Store>, name: &'static str| async move {
        for n in 0..120 {
            let id = format!("{name}{n}");
            let content = content(&store, OBSERVATION, &id, json!({"tokens": [n, n + 1]}));
            store.write(Unit::new(vec![Operation::create(OBSERVATION, id, content)])).await.expect("written");
        }
    };
    let change = async {
        for round in 0..6u64 {
            define(&fixture, "d", "own", round + 1).await.expect("taken");
            define(&fixture, "e", &format!("other{round}"), 1).await.expect("taken");
            fixture.store.reindex_bite(40).await.expect("a bite");
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    };
    tokio::join!(write(fixture.store.clone(), "a"), write(other.clone(), "b"), change);
    reindex(&fixture.store).await;
    // `code`, `own` and `other5`, by either process's view.
    assert_eq!(rows(&fixture.store).await, 240 * 2 * 3);
    let end = tokio::time::Instant::now() + Duration::from_secs(10);
    while !matches!(known(&other, "own"), Some((_, true))) {
        assert!(tokio::time::Instant::now() < end, "the other never hears of it");
        other.follow_parameters().await.expect("followed");
    }
    assert_eq!(rows(&other).await, 240 * 2 * 3);
    assert_eq!(known(&other, "other3"), None);
    other.close().await;
}
