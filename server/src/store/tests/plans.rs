//! Every statement that is run for a request or in a bite finds its rows by an index, on both databases.

use sea_orm::{ConnectionTrait, DbBackend, Statement, StatementBuilder, TransactionTrait};
use serde_json::json;

use super::super::history::{self, Bounds};
use super::super::write::{CompartmentEntry, remove_compartments, select_current, select_patients};
use super::super::*;
use super::{Fixture, OBSERVATION, on_both};

on_both!(no_statement_scans_a_table);

async fn no_statement_scans_a_table(fixture: Fixture) {
    for n in 0..50 {
        fixture.create(OBSERVATION, &format!("o{n}"), json!({"tokens": [n], "patient": "p", "at": n})).await;
    }
    let names = fixture.store.names().clone();
    let mut statements: Vec<Box<dyn StatementBuilder>> = vec![
        Box::new(select_current(&names, OBSERVATION, &["a", "b", "c"], false)),
        Box::new(select_patients(&names, &["a", "b"])),
        Box::new(reindex::next(&names, Some((&[1, 2], &[3])), 5, 10, false)),
        Box::new(audit::select(&names, Some((0, 5)), 10)),
    ];
    let all = AuditQuery { from: Some(0), to: Some(9), after: Some((5, (0, 5))), count: 10, ..AuditQuery::default() };
    for newest_first in [false, true] {
        let of_patient = AuditQuery { patients: Some(vec!["p".to_owned()]), newest_first, ..all.clone() };
        statements.push(Box::new(audit::find(&names, &of_patient)));
        statements.push(Box::new(audit::find(&names, &AuditQuery { newest_first, ..all.clone() })));
    }
    let bounds = |key, resource_type| Bounds {
        key,
        resource_type,
        since: Some(0),
        at: None,
        listed: None,
        as_of: Visible { sequence: 40, time: jiff::Timestamp::MAX },
        before: Some(30),
    };
    for (key, resource_type) in [(Some(5), None), (None, Some(OBSERVATION)), (None, None)] {
        statements.push(Box::new(history::current(&names, &bounds(key, resource_type), 20)));
        statements.push(Box::new(history::superseded(&names, &bounds(key, resource_type), 20)));
    }
    statements.push(Box::new(history::total(&names, &bounds(Some(5), None))));
    let row = CompartmentRow { patient: String::new(), low: 1, high: 1, bits: 1 };
    let entry = CompartmentEntry { patient: 1, resource_type: OBSERVATION, resource: 1, row: &row };
    statements.extend(remove_compartments(&names, &[entry]).into_iter().map(boxed));
    let rows = index::IndexRows::of_tokens([(1, 1), (1, 2), (2, 3)]);
    statements.extend(index::delete(&names, &[(1, &rows)]).into_iter().map(boxed));
    statements.extend(index::present(&names, &[(1, &rows)]).into_iter().map(|(statement, _)| boxed(statement)));
    statements.extend(index::delete_parameter(fixture.store.backend(), &names, 1, 10).into_iter().map(boxed));

    let transaction = fixture.store.context.connection.begin().await.expect("begun");
    if fixture.store.postgres.is_some() {
        // The tables are small: whether an index can be used at all is what is asked, of the plan that serves every
        // value.
        transaction.execute_unprepared("ANALYZE").await.expect("analyzed");
        let settings = "SET LOCAL enable_seqscan = off; SET LOCAL plan_cache_mode = force_generic_plan";
        transaction.execute_unprepared(settings).await.expect("set");
    }
    for (number, statement) in statements.iter().enumerate() {
        let statement = statement.build(&transaction.get_database_backend());
        let sql = statement.sql.clone();
        let plan = plan(&transaction, statement, number).await;
        // `SELECT` without a table scans a constant row; a table of words is asked by a key or by words.
        let by_key_or_words = |line: &str| line.ends_with("VIRTUAL TABLE INDEX 0:=") || line.ends_with(":M1");
        let lines = plan.lines().filter(|line| *line != "SCAN CONSTANT ROW" && !by_key_or_words(line));
        let scans = ["SCAN", "Seq Scan", "TEMP B-TREE"];
        let scans = lines.into_iter().any(|line| scans.iter().any(|scan| line.contains(scan)));
        assert!(!scans, "{sql}\n{plan}");
    }
}

fn boxed(statement: impl StatementBuilder + 'static) -> Box<dyn StatementBuilder> {
    Box::new(statement)
}

async fn plan(connection: &impl ConnectionTrait, statement: Statement, number: usize) -> String {
    let backend = statement.db_backend;
    if backend == DbBackend::Sqlite {
        let explained = Statement { sql: format!("EXPLAIN QUERY PLAN {}", statement.sql), ..statement };
        let rows = connection.query_all_raw(explained).await.expect("a plan");
        return rows.iter().map(|row| row.try_get::<String>("", "detail").expect("a line") + "\n").collect();
    }
    // The plan of the prepared statement, not the one made for literals.
    connection.execute_unprepared(&format!("PREPARE p{number} AS {}", statement.sql)).await.expect("prepared");
    let arguments = vec!["NULL"; statement.values.map_or(0, |values| values.0.len())].join(", ");
    let arguments = if arguments.is_empty() { arguments } else { format!("({arguments})") };
    let sql = format!("EXPLAIN EXECUTE p{number}{arguments}");
    let rows = connection.query_all_raw(Statement::from_string(backend, sql)).await.expect("a plan");
    rows.iter().map(|row| row.try_get_by_index::<String>(0).expect("a line") + "\n").collect()
}
