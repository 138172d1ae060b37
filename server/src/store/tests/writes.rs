//! Units: all or nothing, checked inside the transaction, durable when answered.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Expr, ExprTrait};
use serde_json::json;

use super::super::schema::Resource;
use super::super::*;
use super::{Fixture, OBSERVATION, PATIENT, content, on_both};

on_both!(
    a_resource_lives_through_its_versions,
    a_version_conflict_fails_its_unit_only,
    a_transaction_is_all_or_nothing,
    one_unit_may_write_a_resource_twice,
    a_refusing_check_leaves_nothing,
    the_resolver_sees_the_units_before_it,
    of_many_conditional_creates_at_once_one_creates,
    bulk_work_gives_way_and_still_goes_on,
    a_commit_that_was_reported_lost_does_not_stop_the_writer,
    what_was_answered_is_there_after_a_restart,
    an_unchanged_resource_keeps_its_version_when_asked,
    deleting_twice_or_what_never_was_changes_nothing,
    a_panicking_check_fails_its_unit_and_the_writer_goes_on,
    a_unit_beyond_the_limit_is_refused_with_the_limit,
);

async fn a_resource_lives_through_its_versions(fixture: Fixture) {
    let created = fixture.create(PATIENT, "a", json!({"n": 1.50})).await;
    assert_eq!((created.version, created.effect), (1, Effect::Created));
    let stored = fixture.store.read(PATIENT, "a").await.expect("read").expect("there");
    assert_eq!(stored.body, created.body);
    assert!(std::str::from_utf8(&stored.body).expect("text").contains("\"n\":1.5"));
    let updated = fixture.update(PATIENT, "a", json!({"n": 2})).await;
    assert_eq!((updated.version, updated.effect), (2, Effect::Updated));
    assert!(updated.last_updated > created.last_updated);
    let deleted = fixture.delete(PATIENT, "a").await;
    assert_eq!((deleted.version, deleted.effect), (3, Effect::Deleted));
    let gone = fixture.store.read(PATIENT, "a").await.expect("read").expect("the deletion");
    assert!(gone.deleted && gone.body.is_empty());
    // Every version is still there: https://hl7.org/fhir/R4/http.html#vread
    for (version, body) in [(1, &created.body), (2, &updated.body)] {
        let stored = fixture.store.read_version(PATIENT, "a", version).await.expect("vread").expect("there");
        assert_eq!((&stored.body, stored.deleted), (body, false));
    }
    assert!(fixture.store.read_version(PATIENT, "a", 3).await.expect("vread").expect("there").deleted);
    assert_eq!(fixture.store.read_version(PATIENT, "a", 4).await.expect("vread"), None);
    let again = fixture.update(PATIENT, "a", json!({"n": 3})).await;
    assert_eq!((again.version, again.effect), (4, Effect::Created));
    assert_eq!(fixture.store.read(OBSERVATION, "a").await.expect("read"), None);
}

async fn a_version_conflict_fails_its_unit_only(fixture: Fixture) {
    fixture.create(PATIENT, "a", json!({})).await;
    let store = &fixture.store;
    let update = |n: usize| {
        let content = fixture.content(PATIENT, "a", json!({ "n": n }));
        store.write(Unit::new(vec![Operation::update(PATIENT, "a", content, Some(1))]))
    };
    let create = |n: usize| {
        let id = format!("c{n}");
        let content = fixture.content(PATIENT, &id, json!({}));
        store.write(Unit::new(vec![Operation::create(PATIENT, id, content)]))
    };
    let (updates, creates) = tokio::join!(join_all((0..20).map(update)), join_all((0..20).map(create)));
    assert_eq!(updates.iter().filter(|result| result.is_ok()).count(), 1);
    for error in updates.into_iter().filter_map(Result::err) {
        assert!(matches!(error, StoreError::VersionConflict { current: Some(2) }), "{error}");
    }
    assert!(creates.iter().all(Result::is_ok));
}

async fn a_transaction_is_all_or_nothing(fixture: Fixture) {
    fixture.create(PATIENT, "taken", json!({})).await;
    let operations = (0..50)
        .map(|n| Operation::create(OBSERVATION, format!("o{n}"), fixture.content(OBSERVATION, "x", json!({}))))
        .chain([Operation::create(PATIENT, "taken", fixture.content(PATIENT, "taken", json!({})))])
        .collect();
    let refused = fixture.store.write(Unit::new(operations)).await;
    assert!(matches!(refused, Err(StoreError::AlreadyExists)), "{refused:?}");
    assert_eq!(fixture.count(Resource::Table).await, 1);
}

async fn one_unit_may_write_a_resource_twice(fixture: Fixture) {
    let first = Operation::create(PATIENT, "a", fixture.content(PATIENT, "a", json!({"tokens": [1]})));
    let second = Operation::update(PATIENT, "a", fixture.content(PATIENT, "a", json!({"tokens": [2]})), Some(1));
    let written = fixture.store.write(Unit::new(vec![first, second])).await.expect("written");
    assert_eq!(written.iter().map(|written| written.version).collect::<Vec<_>>(), [1, 2]);
    assert!(fixture.store.read_version(PATIENT, "a", 1).await.expect("vread").is_some());
    assert_eq!(fixture.count(index::IndexTable::IndexToken).await, 1);
}

async fn a_refusing_check_leaves_nothing(fixture: Fixture) {
    fixture.create(PATIENT, "a", json!({"owner": "x"})).await;
    let check: Check = Arc::new(|before| match before {
        Some(stored) if stored.body.windows(3).any(|window| window == b"\"x\"") => Err("not yours".into()),
        _ => Ok(()),
    });
    let operations = vec![
        Operation::create(PATIENT, "b", fixture.content(PATIENT, "b", json!({}))).checked(check.clone()),
        Operation::delete(PATIENT, "a").checked(check),
    ];
    let refused = fixture.store.write(Unit::new(operations)).await;
    assert!(matches!(&refused, Err(StoreError::Refused(cause)) if cause.to_string() == "not yours"), "{refused:?}");
    assert_eq!(fixture.store.read(PATIENT, "b").await.expect("read"), None);
}

/// Creates what is not there, and keeps what is: a conditional create.
struct CreateOnce {
    id: &'static str,
    content: Content,
}

impl Resolve for CreateOnce {
    fn resolve<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>> {
        async move {
            Ok(vec![match view.read(PATIENT, self.id).await? {
                Some(_) => Operation::keep(PATIENT, self.id),
                None => Operation::create(PATIENT, self.id, self.content.clone()),
            }])
        }
        .boxed()
    }
}

/// <https://hl7.org/fhir/R4/http.html#ccreate>: of many at once, one creates and the others find it.
async fn the_resolver_sees_the_units_before_it(fixture: Fixture) {
    let units = (0..30).map(|_| {
        let content = fixture.content(PATIENT, "once", json!({"tokens": [5]}));
        fixture.store.write(Unit::resolving(Arc::new(CreateOnce { id: "once", content })))
    });
    let mut created = 0;
    for result in join_all(units).await {
        let written = result.expect("written").remove(0);
        assert_eq!(written.version, 1);
        created += usize::from(written.effect == Effect::Created);
    }
    assert_eq!(created, 1);
}

async fn what_was_answered_is_there_after_a_restart(mut fixture: Fixture) {
    let store = fixture.store.clone();
    let writers = (0..16).map(|writer| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut answered = Vec::new();
            for n in 0..20 {
                let id = format!("w{writer}-{n}");
                let content = content(&store, OBSERVATION, &id, json!({"tokens": [n], "patient": "p", "at": n}));
                let written = store.write(Unit::new(vec![Operation::create(OBSERVATION, id, content)])).await;
                answered.push(written.expect("written").remove(0));
            }
            answered
        })
    });
    let answered: Vec<Written> =
        join_all(writers).await.into_iter().flat_map(|answered| answered.expect("the task ends")).collect();
    fixture.reopen(super::definitions()).await;
    for written in &answered {
        let stored = fixture.store.read(OBSERVATION, &written.id).await.expect("read").expect("there");
        assert_eq!(stored.body, written.body);
    }
    assert_eq!(fixture.count(schema::Compartment::Table).await, 320);
    let later = fixture.create(PATIENT, "later", json!({})).await;
    assert!(answered.iter().all(|written| written.last_updated < later.last_updated));
}

async fn an_unchanged_resource_keeps_its_version_when_asked(fixture: Fixture) {
    let import = |n: i32| {
        let content = Arc::new(fixture.content(PATIENT, "a", json!({ "n": n })));
        let action = Action::Update { content, if_match: None, upsert: true, skip_unchanged: true };
        fixture.store.write(
            Unit::new(vec![Operation { resource_type: PATIENT, id: "a".to_owned(), action, check: None }]).bulk(),
        )
    };
    assert_eq!(import(1).await.expect("written")[0].effect, Effect::Created);
    assert_eq!(import(1).await.expect("written")[0].effect, Effect::Unchanged);
    let changed = import(2).await.expect("written").remove(0);
    assert_eq!((changed.effect, changed.version), (Effect::Updated, 2));
}

async fn deleting_twice_or_what_never_was_changes_nothing(fixture: Fixture) {
    assert_eq!(fixture.delete(PATIENT, "never").await.effect, Effect::Absent);
    fixture.create(PATIENT, "a", json!({})).await;
    assert_eq!(fixture.delete(PATIENT, "a").await.version, 2);
    let again = fixture.delete(PATIENT, "a").await;
    assert_eq!((again.effect, again.version), (Effect::AlreadyDeleted, 2));
    assert_eq!(fixture.count(Resource::Table).await, 1);
}

async fn a_panicking_check_fails_its_unit_and_the_writer_goes_on(fixture: Fixture) {
    let check: Check = Arc::new(|_| panic!("a fault in a check"));
    let bad = Operation::create(PATIENT, "bad", fixture.content(PATIENT, "bad", json!({}))).checked(check);
    let good = Operation::create(PATIENT, "good", fixture.content(PATIENT, "good", json!({})));
    let (bad, good) =
        tokio::join!(fixture.store.write(Unit::new(vec![bad])), fixture.store.write(Unit::new(vec![good])));
    assert!(bad.is_err());
    assert!(good.is_ok(), "{good:?}");
}

async fn a_unit_beyond_the_limit_is_refused_with_the_limit(fixture: Fixture) {
    let limit = fixture.store.limits().unit_operations;
    let operations = (0..=limit).map(|n| Operation::delete(PATIENT, n.to_string())).collect();
    let refused = fixture.store.write(Unit::new(operations)).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { size, limit: at, .. }) if size == limit + 1 && at == limit));
}

/// Creates under an id of its own unless a resource with its token is there.
struct CreateUnlessFound {
    id: String,
    content: Content,
}

impl Resolve for CreateUnlessFound {
    fn resolve<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>> {
        async move {
            let mut search = sea_orm::sea_query::Query::select();
            schema::select_stored(&mut search, Resource::Table);
            search
                .from_as(view.names().table(Resource::Table), sea_orm::sea_query::Alias::new("resource"))
                .and_where(Expr::col((Resource::Table, Resource::Body)).like("%\"tokens\":[77]%"));
            let found = view.search(&search, 0).await?;
            Ok(vec![match found.first() {
                Some(found) => Operation::keep(PATIENT, &found.stored.id),
                None => Operation::create(PATIENT, &self.id, self.content.clone()),
            }])
        }
        .boxed()
    }
}

/// Also on several connections of PostgreSQL: <https://hl7.org/fhir/R4/http.html#ccreate>
async fn of_many_conditional_creates_at_once_one_creates(fixture: Fixture) {
    let units = (0..24).map(|n| {
        let id = format!("c{n}");
        let content = fixture.content(PATIENT, &id, json!({"tokens": [77]}));
        let store = fixture.store.clone();
        let unit = Unit::resolving(Arc::new(CreateUnlessFound { id, content }));
        tokio::spawn(async move {
            let written = store.write(unit).await;
            tokio::task::yield_now().await;
            written
        })
    });
    let units: Vec<_> = units.collect();
    for unit in units {
        unit.await.expect("the task ends").expect("written");
    }
    assert_eq!(fixture.count(Resource::Table).await, 1);
}

async fn bulk_work_gives_way_and_still_goes_on(fixture: Fixture) {
    let store = fixture.store.clone();
    // Far more than a bite: it must not starve while requests never stop coming.
    let operations = (0..600)
        .map(|n| Operation::create(OBSERVATION, format!("b{n}"), fixture.content(OBSERVATION, "b", json!({}))))
        .collect();
    let bulk = tokio::spawn(async move { store.write(Unit::new(operations).bulk()).await });
    let mut requests = 0;
    while !bulk.is_finished() {
        fixture.create(PATIENT, &format!("p{requests}"), json!({})).await;
        requests += 1;
        assert!(requests < 20_000, "the bulk unit starves");
    }
    assert_eq!(bulk.await.expect("the task ends").expect("written").len(), 600);
}

/// The answer to a commit may be lost while the commit is not: the numbers are then taken from the database.
async fn a_commit_that_was_reported_lost_does_not_stop_the_writer(fixture: Fixture) {
    fixture.create(PATIENT, "a", json!({})).await;
    let resource = fixture.store.names().quoted("resource");
    let connection = &fixture.store.context.connection;
    let next = "SELECT key + 1, type, 'sneaked', version, last_updated, deleted, method, sequence + 1, body";
    let sneaked = format!("INSERT INTO {resource} {next} FROM {resource}");
    connection.execute_unprepared(&sneaked).await.expect("sneaked in");
    let mut recovered = false;
    for n in 0..6 {
        let id = format!("n{n}");
        let content = fixture.content(PATIENT, &id, json!({}));
        recovered = fixture.store.write(Unit::new(vec![Operation::create(PATIENT, id, content)])).await.is_ok();
    }
    assert!(recovered);
}
