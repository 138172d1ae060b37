//! What a reader was told to be complete stays complete; what fails, recovers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query, Values};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use serde_json::json;

use super::super::schema::{Resource, ResourceHistory, select_stored};
use super::super::*;
use super::{Fixture, OBSERVATION, PATIENT, content, definitions, on_both, open, whole_history};

on_both!(a_read_as_of_a_place_shows_what_was_current_there, every_visible_place_stays_complete_while_others_write);

/// Version of each resource that was current at a place: current rows up to it, and history that spans it.
async fn as_of(store: &Store, at: i64) -> BTreeMap<String, i64> {
    let current = Query::select()
        .columns([Resource::Id, Resource::Version])
        .from(store.names().table(Resource::Table))
        .and_where(Expr::col(Resource::Sequence).lte(at))
        .and_where(Expr::col(Resource::Deleted).eq(false))
        .take();
    let superseded = Query::select()
        .columns([ResourceHistory::Id, ResourceHistory::Version])
        .from(store.names().table(ResourceHistory::Table))
        .and_where(Expr::col(ResourceHistory::SequenceFrom).lte(at))
        .and_where(Expr::col(ResourceHistory::SequenceTo).gt(at))
        .and_where(Expr::col(ResourceHistory::Deleted).eq(false))
        .take();
    let decode = |row: &dyn columns::Columns| Ok((row.text(0)?, row.integer(1)?));
    let mut rows = store.reader.query(&current, decode).await.expect("rows");
    rows.extend(store.reader.query(&superseded, decode).await.expect("rows"));
    let mut versions = BTreeMap::new();
    for (id, version) in rows {
        // A version that is superseded between the two looks is seen in both.
        let other = versions.insert(id, version).filter(|other| *other != version);
        assert_eq!(other, None, "a resource has one version at a place");
    }
    versions
}

async fn a_read_as_of_a_place_shows_what_was_current_there(fixture: Fixture) {
    let mut places = Vec::new();
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for step in 0..40 {
        let id = format!("r{}", step * 7 % 5);
        if step % 6 == 5 {
            fixture.delete(OBSERVATION, &id).await;
            expected.remove(&id);
        } else {
            let written = fixture.update(OBSERVATION, &id, json!({ "n": step })).await;
            expected.insert(id, written.version);
        }
        places.push((fixture.store.visible().await.expect("visible"), expected.clone()));
    }
    for (visible, expected) in places {
        assert_eq!(as_of(&fixture.store, visible.sequence).await, expected);
    }
}

async fn every_visible_place_stays_complete_while_others_write(fixture: Fixture) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for writer in 0..6 {
        let (store, stop) = (fixture.store.clone(), stop.clone());
        writers.push(tokio::spawn(async move {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                let id = format!("w{writer}-{}", n % 3);
                let content = content(&store, OBSERVATION, &id, json!({"n": n, "tokens": [n % 4]}));
                store.write(Unit::new(vec![Operation::update(OBSERVATION, id, content, None)])).await.expect("written");
                n += 1;
            }
        }));
    }
    let mut looks = Vec::new();
    for _ in 0..25 {
        let visible = fixture.store.visible().await.expect("visible");
        looks.push((visible, as_of(&fixture.store, visible.sequence).await));
        tokio::time::sleep(Duration::from_millis(8)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("the writer ends");
    }
    for (visible, seen) in &looks {
        assert_eq!(&as_of(&fixture.store, visible.sequence).await, seen, "nothing was added below {visible:?}");
    }
    // What came after a look carries a later time: a `_since` of it misses nothing.
    let query = whole_history(HistoryScope::System, 100_000);
    let history = fixture.store.history(&query).await.expect("history");
    for (visible, _) in &looks {
        let missed = history
            .entries
            .iter()
            .filter(|entry| entry.stored.sequence > visible.sequence && entry.stored.last_updated <= visible.time);
        assert_eq!(missed.count(), 0, "{visible:?}");
    }
    let report = fixture.store.check(|_| ()).await.expect("the check runs");
    assert_eq!(report.faults, Vec::<String>::new());
}

/// Two processes on one PostgreSQL: a transaction that has begun and not ended holds back what readers of both see.
#[tokio::test]
async fn an_unfinished_transaction_holds_back_the_visible_place() {
    let Some(fixture) = Fixture::postgres("order_unfinished").await else { return };
    let other = open(fixture.database.clone(), definitions(), Limits::default()).await.expect("a second process");
    fixture.create(PATIENT, "a", json!({})).await;
    let before = other.visible().await.expect("visible");
    assert_eq!(as_of(&other, before.sequence).await.len(), 1);

    let transaction = write::Transaction::begin(&fixture.store.context).await.expect("begun");
    let order = write::Order::Postgres(fixture.store.postgres.clone().expect("on PostgreSQL"));
    let mut stamps = write::Stamps::begin(&order, jiff::Timestamp::UNIX_EPOCH, &transaction, write::Asks::default())
        .await
        .expect("registered");
    stamps.reserve(&transaction, 1).await.expect("a number is drawn");
    let number = stamps.number().expect("a number");
    let content = content(&other, PATIENT, "b", json!({}));
    other.write(Unit::new(vec![Operation::create(PATIENT, "b", content)])).await.expect("written by the other");

    for store in [&other, &fixture.store] {
        let during = store.visible().await.expect("visible");
        assert!(during.sequence < number, "{during:?}");
        assert!(during.time < stamps.stamp, "{during:?}");
        let query = whole_history(HistoryScope::System, 9);
        assert_eq!(store.history(&query).await.expect("history").entries.len(), 1);
        // Nor is the history of one resource held back by what is written to others.
        let own = HistoryScope::Instance { resource_type: PATIENT, id: "b".to_owned() };
        assert_eq!(store.history(&whole_history(own, 9)).await.expect("history").entries.len(), 1);
        // A read of what is committed is not held back.
        assert!(store.read(PATIENT, "b").await.expect("read").is_some());
    }
    transaction.commit().await.expect("ended");
    assert!(other.visible().await.expect("visible").sequence > number);
}

/// "_since: only include resource versions that were created at or after the given instant in time": who goes on from
/// the latest `lastUpdated` seen misses nothing. <https://hl7.org/fhir/R4/http.html#history>
#[tokio::test]
async fn a_history_shows_no_change_before_one_that_was_stamped_earlier() {
    let Some(fixture) = Fixture::postgres("order_stamps").await else { return };
    let store = &fixture.store;
    fixture.create(PATIENT, "a", json!({})).await;
    fixture.create(PATIENT, "numbered-first", json!({})).await;
    let unfinished = write::Transaction::begin(&store.context).await.expect("begun");
    let order = write::Order::Postgres(store.postgres.clone().expect("on PostgreSQL"));
    write::Stamps::begin(&order, jiff::Timestamp::UNIX_EPOCH, &unfinished, write::Asks::default())
        .await
        .expect("registered");
    // A long transaction that was stamped before that one, and numbered after the unfinished one had begun.
    fixture.create(PATIENT, "stamped-first", json!({})).await;
    let update = format!(
        "UPDATE {table} SET last_updated = (SELECT last_updated FROM {table} WHERE id = 'numbered-first') - 1 \
         WHERE id = 'stamped-first'",
        table = store.names().quoted("resource")
    );
    store.context.connection.execute_unprepared(&update).await.expect("stamped");

    let shown = async || {
        let page = store.history(&whole_history(HistoryScope::System, 9)).await.expect("history");
        page.entries.into_iter().map(|entry| entry.stored.id).collect::<Vec<_>>()
    };
    assert_eq!(shown().await, ["a"]);
    unfinished.commit().await.expect("ended");
    assert_eq!(shown().await, ["stamped-first", "numbered-first", "a"]);
}

/// The disk fills up: writes are refused as unavailable, reads go on, and writes recover by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_unavailable_and_recovers() {
    let fixture = Fixture::sqlite().await;
    fixture.create(PATIENT, "a", json!({})).await;
    let writer = fixture.store.context.sqlite.as_ref().expect("SQLite");
    let pragma = |sql: &str| writer.query(sql, [Values(Vec::new())], |row| row.integer(0)).expect("the pragma is set");
    pragma("PRAGMA max_page_count = 1");
    let big = "x".repeat(2_000_000);
    let content = fixture.content(PATIENT, "b", json!({ "big": big }));
    let refused = fixture.store.write(Unit::new(vec![Operation::create(PATIENT, "b", content.clone())])).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(fixture.store.read(PATIENT, "a").await.expect("read").is_some());
    pragma("PRAGMA max_page_count = 1000000");
    fixture.store.write(Unit::new(vec![Operation::create(PATIENT, "b", content)])).await.expect("recovered");
    assert_eq!(fixture.store.check(|_| ()).await.expect("the check runs").faults, Vec::<String>::new());
}

/// PostgreSQL ends our connections: what was under way fails as unavailable, what comes after succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_are_unavailable_and_recover() {
    let Some(fixture) = Fixture::postgres("order_lost").await else { return };
    fixture.create(PATIENT, "a", json!({})).await;
    let Database::Postgres { pool, schema } = &fixture.database else { return };
    // Only this pool's: other tests run beside this one.
    let name = format!("SET application_name = '{schema}'");
    for _ in 0..12 {
        let transaction = pool.connection.begin().await.expect("begun");
        transaction.execute_unprepared(&name).await.expect("named");
        transaction.commit().await.expect("ended");
    }
    let kill = format!(
        "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE application_name = '{schema}' AND pid <> pg_backend_pid()"
    );
    let killer = PostgresPool::connect(&pool.url, 1, Duration::from_secs(5)).await.expect("another connection");
    killer.connection.query_all_raw(Statement::from_string(DbBackend::Postgres, kill)).await.expect("ended");
    for n in 0..20 {
        let id = format!("n{n}");
        let content = fixture.content(PATIENT, &id, json!({}));
        match fixture.store.write(Unit::new(vec![Operation::create(PATIENT, id, content)])).await {
            Ok(_) => {}
            Err(error) => assert!(error.is_temporary(), "{error}"),
        }
    }
    fixture.create(PATIENT, "after", json!({})).await;
    assert!(fixture.store.read(PATIENT, "a").await.expect("read").is_some());
}

#[tokio::test]
async fn a_second_writer_on_a_database_file_is_refused() {
    let fixture = Fixture::sqlite().await;
    let second = open(fixture.database.clone(), definitions(), Limits::default()).await.err();
    assert!(matches!(&second, Some(StoreError::Locked { .. })), "{second:?}");
}

#[tokio::test]
async fn a_clock_behind_the_last_write_refuses_to_start() {
    let fixture = Fixture::sqlite().await;
    fixture.create(PATIENT, "a", json!({})).await;
    fixture.store.close().await;
    let Fixture { store, database, _folder } = fixture;
    drop(store);
    let clock = crate::clock::Clock::fixed("2001-01-01T00:00:00Z".parse().expect("an instant"));
    let options = Options {
        database,
        clock,
        parameters: Arc::new(super::TestParameters(definitions())),
        limits: Limits::default(),
        audit_key: AuditKey::new(&[7; 32]),
    };
    let refused = Store::open(options).await.err().expect("refused").to_string();
    assert!(refused.contains("2001-01-01T00:00:00Z") && refused.contains("Set the clock"), "{refused}");
}

/// A query that runs long leaves the worker after its budget and is given up at its limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_query_is_given_up_at_its_limit() {
    let fixture = Fixture::sqlite().await;
    let limits = Limits { query_time: Duration::from_millis(150), ..Limits::default() };
    let Database::Sqlite { file } = &fixture.database else { return };
    let reader = read::Reader::Sqlite(read::sqlite::SqliteReader::new(file.clone(), limits, Arc::default()));
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n WHERE i < 0";
    let values = Values(Vec::new());
    let result = reader.query_prepared(&endless.into(), values, |row: &dyn columns::Columns| row.integer(0)).await;
    assert!(matches!(result, Err(StoreError::TimeLimit(_))), "{result:?}");
}

/// What PostgreSQL stops at its own limit is told as such, and not as a database that is away.
#[tokio::test]
async fn a_slow_query_is_told_where_the_database_stops_it() {
    let Ok(url) = std::env::var("VESTA_TEST_POSTGRES") else { return };
    let pool = PostgresPool::connect(&url, 1, Duration::from_millis(200)).await.expect("PostgreSQL answers");
    let reader = read::Reader::Postgres(pool.connection.clone());
    let slow = "SELECT 1::bigint FROM pg_sleep(20)";
    let result =
        reader.query_prepared(&slow.into(), Values(Vec::new()), |row: &dyn columns::Columns| row.integer(0)).await;
    assert!(matches!(result, Err(StoreError::StatementTime(_))), "{result:?}");
}

/// Whatever was interrupted, the next query is not: what ends a state counts as little against a limit that is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_queries_that_were_given_up_others_go_on() {
    let fixture = Fixture::sqlite().await;
    let time = Duration::from_micros(10);
    let limits = Limits { query_time: time, inline_budget: time, ..Limits::default() };
    let Database::Sqlite { file } = &fixture.database else { return };
    let reader = read::Reader::Sqlite(read::sqlite::SqliteReader::new(file.clone(), limits, Arc::default()));
    let endless: Arc<str> =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n WHERE i < 0".into();
    let ask = |sql: &Arc<str>| {
        let sql = sql.clone();
        let reader = &reader;
        async move { reader.query_prepared(&sql, Values(Vec::new()), |row: &dyn columns::Columns| row.integer(0)).await }
    };
    for _ in 0..1_500 {
        let result = ask(&endless).await;
        assert!(matches!(result, Err(StoreError::TimeLimit(_) | StoreError::Busy)), "{result:?}");
        assert_eq!(ask(&"SELECT 1".into()).await.expect("a short query"), [1]);
    }
}

/// A reader's connections do not add up with the number of sites.
#[tokio::test]
async fn two_hundred_sites_are_served_in_turn_by_few_connections() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut open_stores = std::collections::VecDeque::new();
    for site in 0..200 {
        let database = Database::Sqlite { file: folder.path().join(format!("s{site}")).join("vesta.db") };
        let store = open(database, definitions(), Limits::default()).await.expect("the store opens");
        let content = content(&store, PATIENT, "a", json!({ "site": site }));
        store.write(Unit::new(vec![Operation::create(PATIENT, "a", content)])).await.expect("written");
        let stored = store.read(PATIENT, "a").await.expect("read").expect("there");
        assert!(std::str::from_utf8(&stored.body).expect("text").contains(&format!("\"site\":{site}")));
        open_stores.push_back(store);
        if open_stores.len() > 20 {
            open_stores.pop_front().expect("one").close().await;
        }
    }
    let files = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    assert!(files < 1_000, "{files} files are open");
}

#[derive(Debug, Clone)]
enum Step {
    Change(u8),
    Delete(u8),
    Create,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![(0u8..30).prop_map(Step::Change), (0u8..30).prop_map(Step::Delete), Just(Step::Create)];
    proptest::collection::vec(step, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Paging by keyset while others write: a resource that is not written meanwhile appears exactly once.
    #[test]
    fn a_resource_not_written_meanwhile_appears_exactly_once(
        page_size in 1usize..9,
        order in any::<bool>(),
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let fixture = Fixture::sqlite().await;
            for n in 0..30 {
                fixture.create(OBSERVATION, &format!("r{n}"), json!({"at": n % 7, "patient": "p"})).await;
            }
            let mut untouched: std::collections::BTreeSet<String> = (0..30).map(|n| format!("r{n}")).collect();
            let mut steps = steps.into_iter();
            let mut cursor: Option<(i64, i64)> = None;
            let mut seen = Vec::new();
            loop {
                let page = page(&fixture.store, cursor, order, page_size).await;
                let Some(last) = page.last() else { break };
                let SortValue::Integer(high) = last.sort[0] else { panic!("a sort value") };
                cursor = Some((high, last.stored.key));
                seen.extend(page.iter().map(|found| found.stored.id.clone()));
                for step in steps.by_ref().take(3) {
                    match step {
                        Step::Change(n) => {
                            untouched.remove(&format!("r{n}"));
                            fixture.update(OBSERVATION, &format!("r{n}"), json!({"at": 6 - n % 7, "patient": "p"})).await;
                        }
                        Step::Delete(n) => {
                            untouched.remove(&format!("r{n}"));
                            fixture.delete(OBSERVATION, &format!("r{n}")).await;
                        }
                        Step::Create => {
                            let id = format!("new{}", seen.len());
                            fixture.update(OBSERVATION, &id, json!({"at": 3, "patient": "p"})).await;
                        }
                    }
                }
            }
            for id in untouched {
                prop_assert_eq!(seen.iter().filter(|other| **other == id).count(), 1, "{}", id);
            }
            Ok(())
        })?;
    }
}

/// A page of the compartment walk, as a plan makes it: sort value, then key.
async fn page(store: &Store, cursor: Option<(i64, i64)>, newest_first: bool, size: usize) -> Vec<Found> {
    let compartment = Alias::new("compartment");
    let high = || Expr::col((compartment.clone(), schema::Compartment::High));
    let key = || Expr::col((compartment.clone(), schema::Compartment::Resource));
    let mut statement = Query::select();
    select_stored(&mut statement, Resource::Table);
    statement
        .expr(high())
        .from_as(store.names().table(schema::Compartment::Table), compartment.clone())
        .join_as(
            sea_orm::sea_query::JoinType::InnerJoin,
            store.names().table(Resource::Table),
            Alias::new("resource"),
            Expr::col((Resource::Table, Resource::Key)).equals((compartment.clone(), schema::Compartment::Resource)),
        )
        .limit(size as u64);
    let direction = if newest_first { Order::Desc } else { Order::Asc };
    statement
        .order_by((compartment.clone(), schema::Compartment::High), direction.clone())
        .order_by((compartment.clone(), schema::Compartment::Resource), direction);
    if let Some((at, last)) = cursor {
        let place = Expr::tuple([high(), key()]);
        let cursor = Expr::tuple([Expr::val(at), Expr::val(last)]);
        statement.and_where(if newest_first { place.lt(cursor) } else { place.gt(cursor) });
    }
    store.page(&statement, 1).await.expect("a page")
}
