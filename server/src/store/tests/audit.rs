//! The audit log: whatever is done to it without the key shows, on both databases.

use std::time::Duration;

use sea_orm::sea_query::Query;
use sea_orm::{ConnectionTrait, DatabaseTransaction, TransactionTrait};
use sha2::{Digest, Sha256};

use super::super::audit::{COLUMNS, message, verify};
use super::super::schema::Audit;
use super::super::*;
use super::{Fixture, audit_entry, definitions, on_both, open};

on_both!(
    each_manipulation_is_found,
    entries_from_before_the_key_stay_verifiable,
    a_head_is_written_when_a_chain_has_come_further_and_at_the_end,
);

/// One writer, so that its chain is long.
async fn one_writer(fixture: &mut Fixture) {
    fixture.store.close().await;
    let limits = Limits { writers: 1, audit_delay: Duration::from_millis(10), ..Limits::default() };
    fixture.store = open(fixture.database.clone(), definitions(), limits).await.expect("the store opens again");
}

/// Writes entries until so many are there.
async fn fill(store: &Store, count: usize) {
    let there = store.audit_page(None, 1_000).await.expect("a page").len();
    for n in there..count {
        store.audit(audit_entry(&format!("request-{n}"))).await.expect("queued");
    }
    for _ in 0..500 {
        if store.audit_page(None, 1_000).await.expect("a page").len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{count} entries were not written");
}

/// The faults of the log after these statements, which are then undone.
async fn faults(store: &Store, key: &AuditKey, logged: &[LoggedHead], sql: &str) -> Vec<String> {
    let names = store.names();
    let transaction: DatabaseTransaction = store.context.connection.begin().await.expect("a transaction");
    let sql = ["audit_head", "audit", "setting"]
        .iter()
        .fold(sql.to_owned(), |sql, table| sql.replace(&format!("{{{table}}}"), &names.quoted(table)));
    for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
        let result = transaction.execute_unprepared(statement).await.expect("the manipulation runs");
        assert_ne!(result.rows_affected(), 0, "{statement}");
    }
    let report = verify(&transaction, names, key, logged).await.expect("the log is verified");
    transaction.rollback().await.expect("undone");
    assert_eq!(report.fault_count, report.faults.len() as u64);
    report.faults
}

/// 45 CFR 170.315(d)(2): what is recorded can be neither changed nor deleted unseen.
/// <https://www.ecfr.gov/current/title-45/section-170.315>
async fn each_manipulation_is_found(mut fixture: Fixture) {
    one_writer(&mut fixture).await;
    let store = &fixture.store;
    let key = AuditKey::new(&[7; 32]);
    fill(store, 10).await;
    let first = store.audit_head().await.expect("written").expect("a head");
    fill(store, 15).await;
    let second = store.audit_head().await.expect("written").expect("a head");
    let logged = [first, second];

    let report = store.verify_audit(&logged).await.expect("verified");
    assert_eq!(report.faults, Vec::<String>::new());
    assert_eq!((report.chains, report.entries, report.heads, report.logged_heads), (1, 15, 2, 2));

    // The later columns are chained too: what they had is not taken away to look like an entry from before.
    let with = AuditEntry {
        address: Some("192.0.2.7".to_owned()),
        query: Some("Patient?name=Byrne".to_owned()),
        token: Some("a token's id".into()),
        ..audit_entry("request-16")
    };
    store.audit(with).await.expect("queued");
    while store.audit_page(None, 1_000).await.expect("a page").len() < 16 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.verify_audit(&logged).await.expect("verified").faults, Vec::<String>::new());
    for change in ["address = NULL, query = NULL, token = NULL", "query = 'Patient?name=Ortega'", "token = NULL"] {
        let found = faults(store, &key, &[], &format!("UPDATE {{audit}} SET {change} WHERE sequence = 16")).await;
        assert_eq!(
            found,
            ["entries 16 to 16 of writer ".to_owned() + &writer_of(store).await + " are not as they were written"],
            "{change}"
        );
    }

    for change in [
        "time = time + 1",
        "actor = 'another'",
        "client = 'another'",
        "action = 'U'",
        "interaction = 'vread'",
        "outcome = 4",
        "patient = ''",
        "type = 8",
        "type = NULL",
        "id = 'b'",
        "id = NULL",
        "request_id = 'another'",
        "address = 'another'",
        "query = ''",
        "token = 'another'",
    ] {
        let found = faults(store, &key, &[], &format!("UPDATE {{audit}} SET {change} WHERE sequence = 4")).await;
        assert_eq!(found.len(), 1, "{change}: {found:?}");
        assert!(found[0].starts_with("entries 4 to 4 of writer"), "{change}: {found:?}");
    }
    let swap = "UPDATE {audit} SET sequence = -4 WHERE sequence = 4; \
                UPDATE {audit} SET sequence = 4 WHERE sequence = 5; UPDATE {audit} SET sequence = 5 WHERE sequence = -4";
    for (sql, expected) in [
        ("DELETE FROM {audit} WHERE sequence = 4", "entries 4 to 4 of writer"),
        ("DELETE FROM {audit} WHERE sequence < 4", "entries 1 to 3 of writer"),
        (swap, "entries 4 to 6 of writer"),
        ("DELETE FROM {audit} WHERE sequence > 12", "entry 15 of writer"),
        ("DELETE FROM {audit}", "its chain was cut"),
        ("UPDATE {audit} SET writer = writer + 1", "entry 10 of writer"),
        ("UPDATE {audit_head} SET time = time + 1 WHERE number = 1", "head 1 of writer"),
        ("UPDATE {audit_head} SET ends = chain WHERE number = 2", "head 2 of writer"),
        ("DELETE FROM {audit_head} WHERE number = 1", "heads 1 to 1 of writer"),
        ("DELETE FROM {setting} WHERE name = 'audit-beginning'", "the note of the log's beginning is gone"),
        (
            "UPDATE {setting} SET value = (SELECT chain FROM {audit} WHERE sequence = 4 LIMIT 1) \
             WHERE name = 'audit-beginning'",
            "the log was not begun with this key",
        ),
    ] {
        let found = faults(store, &key, &[], sql).await;
        assert!(found.iter().any(|fault| fault.contains(expected)), "{sql}: {found:?}");
    }

    // What takes the heads along is found by their copy outside the database, and only by it.
    for sql in [
        "DELETE FROM {audit} WHERE sequence > 10; DELETE FROM {audit_head} WHERE number = 2",
        "DELETE FROM {audit}; DELETE FROM {audit_head}",
    ] {
        assert_eq!(faults(store, &key, &[], sql).await, Vec::<String>::new(), "{sql}");
        let found = faults(store, &key, &logged, sql).await;
        assert!(found.iter().any(|fault| fault.contains("a head from the server's log names")), "{sql}: {found:?}");
    }

    let other = AuditKey::new(&[8; 32]);
    let found = faults(store, &other, &[], "").await;
    assert!(found[0].starts_with("the log was not begun with this key"), "{found:?}");
    assert!(found[1].starts_with("entries 1 to 16 of writer"), "{found:?}");
}

async fn writer_of(store: &Store) -> String {
    store.audit_page(None, 1).await.expect("a page")[0].writer.to_string()
}

async fn entries_from_before_the_key_stay_verifiable(mut fixture: Fixture) {
    one_writer(&mut fixture).await;
    let (connection, names) = (&fixture.store.context.connection, fixture.store.names().clone());
    let setting = names.quoted("setting");
    let forget = format!("DELETE FROM {setting} WHERE name = 'audit-beginning'");
    connection.execute_unprepared(&forget).await.expect("as of a release before the key");
    // SQLite's writer goes on with its chain; PostgreSQL's begins one of its own.
    let mut codes: Vec<Vec<u8>> = vec![Vec::new()];
    for sequence in 1..=3i64 {
        let entry = audit_entry("before");
        let code = Sha256::digest(message(&codes[codes.len() - 1], 0, sequence, &entry)).to_vec();
        codes.push(code.clone());
        let row = [
            0i32.into(),
            sequence.into(),
            entry.time.as_microsecond().into(),
            (&*entry.actor).into(),
            (&*entry.client).into(),
            entry.action.as_str().into(),
            (&*entry.interaction).into(),
            (entry.outcome as i16).into(),
            entry.patient.into(),
            entry.resource_type.map(|resource_type| resource_type as i16).into(),
            entry.resource_id.into(),
            entry.request_id.into(),
            code.into(),
            entry.address.into(),
            entry.query.into(),
            entry.token.as_deref().into(),
        ];
        let insert = Query::insert().into_table(names.table(Audit::Table)).columns(COLUMNS).values_panic(row).take();
        connection.execute(&insert).await.expect("a plain entry");
    }
    one_writer(&mut fixture).await;
    let store = &fixture.store;
    fill(store, 8).await;
    let report = store.verify_audit(&[]).await.expect("verified");
    assert_eq!(report.faults, Vec::<String>::new());
    assert_eq!((report.entries, report.entries_without_key), (8, 3));

    // A plain hash needs no key: whoever made the old entries anew would have to change the note too.
    let digest = Sha256::digest(message(&codes[2], 0, 3, &audit_entry("forged")));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let literal = if store.postgres.is_some() { format!("'\\x{hex}'::bytea") } else { format!("x'{hex}'") };
    let forge =
        format!("UPDATE {{audit}} SET request_id = 'forged', chain = {literal} WHERE writer = 0 AND sequence = 3");
    let found = faults(store, &AuditKey::new(&[7; 32]), &[], &forge).await;
    assert!(found.iter().any(|fault| fault.contains("the note of the log's beginning names")), "{found:?}");
}

async fn a_head_is_written_when_a_chain_has_come_further_and_at_the_end(mut fixture: Fixture) {
    one_writer(&mut fixture).await;
    fill(&fixture.store, 3).await;
    let first = fixture.store.audit_head().await.expect("written").expect("a head");
    assert_eq!(fixture.store.audit_head().await.expect("nothing to say"), None);
    assert_eq!(LoggedHead::find(&format!("INFO audit: head={first} site=main")), Some(first.clone()));
    assert_eq!(LoggedHead::find("INFO audit: vesta-audit-head:1:x:"), None);
    fill(&fixture.store, 5).await;
    one_writer(&mut fixture).await;
    let report = fixture.store.verify_audit(&[first]).await.expect("verified");
    assert_eq!((report.faults, report.heads), (Vec::new(), 2));
}
