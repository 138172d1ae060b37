//! SQLite's lock and write-ahead log: neither another's lock nor a checkpoint makes a write fail.

use std::time::Duration;

use futures_util::FutureExt;
use rusqlite::Connection;
use serde_json::json;

use super::super::*;
use super::{Fixture, OBSERVATION, PATIENT};

fn connect(fixture: &Fixture) -> Connection {
    let Database::Sqlite { file } = &fixture.database else { panic!("SQLite") };
    Connection::open(file).expect("a second connection")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_waits_for_a_lock_of_another_connection() {
    let fixture = Fixture::sqlite().await;
    let other = connect(&fixture);
    other.execute_batch("BEGIN IMMEDIATE").expect("the other has the lock");
    let release = std::thread::spawn(move || {
        // Longer than the connection itself waits for a lock.
        std::thread::sleep(Duration::from_millis(2_500));
        other.execute_batch("ROLLBACK").expect("released");
    });
    let written = fixture.create(PATIENT, "a", json!({})).await;
    assert_eq!(written.version, 1);
    release.join().expect("the other connection ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_does_not_wait_for_a_checkpoint_that_a_reader_holds_up() {
    let fixture = Fixture::sqlite().await;
    fixture.create(PATIENT, "before", json!({})).await;
    let reader = connect(&fixture);
    reader.execute_batch("BEGIN; SELECT count(*) FROM resource").expect("a reader of an early state");
    // A checkpoint that waits for the reader has the writer's lock meanwhile.
    let other = connect(&fixture);
    other.busy_timeout(Duration::from_millis(1_500)).expect("set");
    let truncate = std::thread::spawn(move || {
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        other.query_row(checkpoint, [], |row| row.get::<_, i64>(0)).expect("the checkpoint ends")
    });
    for n in 0..20 {
        fixture.create(OBSERVATION, &format!("o{n}"), json!({"tokens": [n]})).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    truncate.join().expect("the checkpoint's thread ended");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_log_starts_over_beside_the_writer() {
    let fixture = Fixture::sqlite().await;
    let other = connect(&fixture);
    let log = || {
        let noop = "PRAGMA wal_checkpoint(NOOP)";
        other.query_row(noop, [], |row| row.get::<_, i64>(1)).expect("the length of the log in pages")
    };
    let text = "x".repeat(1 << 20);
    fixture.create(PATIENT, "first", json!({})).await;
    // Whoever reads keeps the state that it looks at, and this thread is asked no more.
    let store = fixture.store.clone();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let idle = std::thread::spawn(move || {
        let read = store.read(PATIENT, "first").now_or_never().expect("no wait").expect("read");
        assert!(read.is_some());
        let _ = ended.recv();
    });
    let mut before = 0;
    for n in 0..400 {
        fixture.create(PATIENT, &format!("a{n}"), json!({"text": text})).await;
        let read = fixture.store.read(PATIENT, &format!("a{n}")).await.expect("read");
        assert!(read.is_some(), "what was written is seen at once");
        let now = log();
        if now < before {
            drop(end);
            idle.join().expect("the idle thread ended");
            return;
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the log has {before} pages");
}
