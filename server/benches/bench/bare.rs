//! The limits of SQLite itself: the same statements on the same rows, on one thread, with nothing around them.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

use sea_orm::sea_query::Value as Bound;

use crate::Outcome;
use crate::plans::{Statement, Statements};

/// The rows of a table, each as its columns, by the key of the resource they belong to.
type RowsByResource = HashMap<i64, Vec<Vec<Value>>>;

/// Runs the statements of the requests in turn for a while, each row read to its end; returns requests a second.
pub(crate) fn reads(database: &Path, requests: &[Statements], time: Duration) -> Outcome<f64> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.set_prepared_statement_cache_capacity(256);
    // As the server does: else statements are prepared anew for other values.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "mmap_size", 1i64 << 40)?;
    let bound = |statement: &Statement| -> Outcome<(String, Vec<Value>)> {
        Ok((statement.sql.clone(), statement.values.iter().map(bound).collect::<Outcome<_>>()?))
    };
    let requests: Vec<Vec<(String, Vec<Value>)>> =
        requests.iter().map(|statements| statements.iter().map(bound).collect()).collect::<Outcome<_>>()?;
    let (began, mut count, mut bytes) = (Instant::now(), 0u64, 0usize);
    for statements in requests.iter().cycle() {
        for (sql, values) in statements {
            let mut prepared = connection.prepare_cached(sql)?;
            let columns = prepared.column_count();
            let mut rows = prepared.query(rusqlite::params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                for column in 0..columns {
                    if let Ok(text) = row.get_ref(column)?.as_bytes() {
                        bytes += text.len();
                    }
                }
            }
        }
        count += 1;
        if count.is_multiple_of(64) && began.elapsed() >= time {
            break;
        }
    }
    std::hint::black_box(bytes);
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

/// Inserts what a database holds into an empty one of the same tables, a thousand resources a transaction, durable;
/// returns resources a second.
pub(crate) fn inserts(source: &Path, target: &Path, most: usize) -> Outcome<f64> {
    let from = Connection::open_with_flags(source, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut into = Connection::open(target)?;
    into.pragma_update(None, "journal_mode", "wal")?;
    into.pragma_update(None, "synchronous", "full")?;
    // An index of words makes the tables that it keeps itself in.
    let mut definitions = from.prepare(
        "select sql from sqlite_master where sql is not null and name not like 'sqlite_%' \
         and name not in (select name from pragma_table_list where type = 'shadow') order by rowid",
    )?;
    for definition in definitions.query_map([], |row| row.get::<_, String>(0))? {
        into.execute_batch(&definition?)?;
    }
    let keys: Vec<i64> = from
        .prepare("select key from resource where deleted = 0 order by key limit ?1")?
        .query_map([most as i64], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let tables = [
        "resource",
        "compartment",
        "index_token",
        "index_reference",
        "index_string",
        "index_uri",
        "index_date",
        "index_number",
        "index_quantity",
        "index_composite",
        "index_identity",
    ];
    let last = keys.last().copied().unwrap_or_default();
    let rows: Vec<(String, RowsByResource)> =
        tables.iter().map(|table| rows_by_resource(&from, table, last)).collect::<Outcome<_>>()?;
    let began = Instant::now();
    for batch in keys.chunks(1_000) {
        let transaction = into.transaction()?;
        for (sql, rows) in &rows {
            let mut insert = transaction.prepare_cached(sql)?;
            for row in batch.iter().filter_map(|key| rows.get(key)).flatten() {
                insert.execute(rusqlite::params_from_iter(row))?;
            }
        }
        transaction.commit()?;
    }
    Ok(keys.len() as f64 / began.elapsed().as_secs_f64())
}

/// The insert statement of a table, and its rows by the resource they belong to.
fn rows_by_resource(from: &Connection, table: &str, last: i64) -> Outcome<(String, RowsByResource)> {
    let owner = if table == "resource" { "key" } else { "resource" };
    // Of a large database all rows would not find room.
    let mut select = from.prepare(&format!("select * from {table} where {owner} <= {last}"))?;
    let columns: Vec<String> = select.column_names().into_iter().map(str::to_owned).collect();
    let owner = columns.iter().position(|column| column == owner).ok_or("no column that names the resource")?;
    let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
    let insert = format!("insert into {table} ({}) values ({})", columns.join(", "), places.join(", "));
    let mut by_resource = RowsByResource::new();
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let values: Vec<Value> = (0..columns.len()).map(|column| row.get(column)).collect::<Result<_, _>>()?;
        by_resource.entry(row.get(owner)?).or_default().push(values);
    }
    Ok((insert, by_resource))
}

fn bound(value: &Bound) -> Outcome<Value> {
    Ok(match value {
        Bound::Bool(value) => value.map_or(Value::Null, |value| Value::Integer(value.into())),
        Bound::Int(value) => value.map_or(Value::Null, |value| Value::Integer(value.into())),
        Bound::BigInt(value) => value.map_or(Value::Null, Value::Integer),
        Bound::BigUnsigned(value) => value.map_or(Value::Null, |value| Value::Integer(value as i64)),
        Bound::SmallInt(value) => value.map_or(Value::Null, |value| Value::Integer(value.into())),
        Bound::Double(value) => value.map_or(Value::Null, Value::Real),
        Bound::String(value) => value.clone().map_or(Value::Null, Value::Text),
        Bound::Bytes(value) => value.clone().map_or(Value::Null, Value::Blob),
        other => return Err(format!("a value of a kind that no plan had before: {other:?}").into()),
    })
}
