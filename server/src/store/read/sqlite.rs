//! Reading SQLite without a thread hop: each thread has a read-only connection of its own, and a short indexed read
//! runs where the request runs. A progress handler gives up after a small budget, and the query starts again on a
//! bounded blocking pool under the site's time limit: one slow query must not hold a worker.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use sea_orm::sea_query::{Value, Values};
use tokio::sync::Semaphore;

use super::super::columns::{Bodies, Columns, SqliteRow};
use super::super::error::StoreError;
use super::super::options::Limits;
use super::states::{Held, States};

/// Virtual machine instructions between two looks at the clock: some tens of microseconds.
const INSTRUCTIONS_BETWEEN_CHECKS: i32 = 1_000;
/// Connections that one thread keeps, whatever the number of sites.
const CONNECTIONS_A_THREAD: usize = 16;
const CACHED_STATEMENTS: usize = 64;

pub(in super::super) struct SqliteReader {
    file: PathBuf,
    limits: Limits,
    slow: Arc<Semaphore>,
    waiting: Semaphore,
    states: Arc<States>,
}

/// A connection of this thread; the most recently used stands last.
struct Open {
    reader: Weak<SqliteReader>,
    held: Arc<Held>,
}

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

thread_local! {
    static CONNECTIONS: RefCell<Vec<Open>> = const { RefCell::new(Vec::new()) };
}

enum Failure {
    OutOfTime,
    Store(StoreError),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Failure::OutOfTime,
            _ => Failure::Store(error.into()),
        }
    }
}

impl SqliteReader {
    pub(in super::super) fn new(file: PathBuf, limits: Limits, states: Arc<States>) -> Arc<Self> {
        let slow = Arc::new(Semaphore::new(limits.slow_queries));
        let waiting = Semaphore::new(limits.slow_queries * 16);
        Arc::new(SqliteReader { file, limits, slow, waiting, states })
    }

    pub(in super::super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn look_anew(&self) {
        self.states.change();
    }

    pub(in super::super) async fn query<T, D>(
        self: &Arc<Self>,
        sql: Arc<str>,
        values: Values,
        decode: D,
    ) -> Result<Vec<T>, StoreError>
    where
        T: Send + 'static,
        D: Fn(&dyn Columns) -> Result<T, StoreError> + Clone + Send + 'static,
    {
        match self.run(&sql, &values, &decode, self.limits.inline_budget) {
            Ok(rows) => return Ok(rows),
            Err(Failure::Store(error)) => return Err(error),
            Err(Failure::OutOfTime) => {}
        }
        let _place = self.waiting.try_acquire().map_err(|_| StoreError::Busy)?;
        let limit = self.limits.query_time;
        let slot = tokio::time::timeout(limit, self.slow.clone().acquire_owned());
        let slot = slot.await.map_err(|_| StoreError::Busy)?.map_err(|_| StoreError::Busy)?;
        let reader = self.clone();
        let task = tokio::task::spawn_blocking(move || {
            let rows = reader.run(&sql, &values, &decode, limit);
            drop(slot);
            rows
        });
        match task.await {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(Failure::Store(error))) => Err(error),
            Ok(Err(Failure::OutOfTime)) => Err(StoreError::TimeLimit(limit)),
            Err(error) => Err(StoreError::Statement(error.to_string())),
        }
    }

    fn run<T, D>(self: &Arc<Self>, sql: &str, values: &Values, decode: &D, budget: Duration) -> Result<Vec<T>, Failure>
    where
        D: Fn(&dyn Columns) -> Result<T, StoreError>,
    {
        CONNECTIONS.with_borrow_mut(|connections| {
            let found = connections.iter().rposition(|open| std::ptr::eq(open.reader.as_ptr(), Arc::as_ptr(self)));
            match found {
                Some(last) if last + 1 == connections.len() => {}
                Some(position) => connections[position..].rotate_left(1),
                None => {
                    connections.retain(|open| open.reader.strong_count() > 0);
                    if connections.len() >= CONNECTIONS_A_THREAD {
                        connections.remove(0);
                    }
                    connections.push(self.open()?);
                }
            }
            let open = &connections[connections.len() - 1];
            let within = (EPOCH.elapsed(), budget);
            let result = open.held.with(&self.states, within, |connection| rows(connection, sql, values, decode));
            if matches!(&result, Err(Failure::Store(_))) {
                // The file may have been replaced or the disk been away: start afresh.
                connections.pop();
            }
            result
        })
    }

    fn open(self: &Arc<Self>) -> Result<Open, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.file, flags)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        // A plan holds for all values: else SQLite prepares a statement anew each time that other values are bound.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.busy_timeout(Duration::from_millis(100))?;
        // The page cache is private to a connection, the mapping is the system's: a small one suffices.
        connection.pragma_update(None, "cache_size", -1_024)?;
        connection.pragma_update(None, "mmap_size", self.limits.mapped_bytes)?;
        // Nanoseconds since EPOCH.
        let deadline = Arc::new(AtomicU64::new(u64::MAX));
        let watched = deadline.clone();
        connection.progress_handler(
            INSTRUCTIONS_BETWEEN_CHECKS,
            Some(move || EPOCH.elapsed().as_nanos() > u128::from(watched.load(Ordering::Relaxed))),
        )?;
        Ok(Open { reader: Arc::downgrade(self), held: self.states.hold(connection, deadline) })
    }
}

fn rows<T, D>(connection: &Connection, sql: &str, values: &Values, decode: &D) -> Result<Vec<T>, Failure>
where
    D: Fn(&dyn Columns) -> Result<T, StoreError>,
{
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, values).map_err(Failure::Store)?;
    let mut rows = statement.raw_query();
    let mut decoded = Vec::new();
    let bodies = Bodies::default();
    while let Some(row) = rows.next()? {
        decoded.push(decode(&SqliteRow { row, bodies: &bodies }).map_err(Failure::Store)?);
    }
    Ok(decoded)
}

/// Gives a statement its values.
pub(in super::super) fn bind(statement: &mut rusqlite::Statement<'_>, values: &Values) -> Result<(), StoreError> {
    values.0.iter().enumerate().try_for_each(|(position, value)| bind_one(statement, position + 1, value))
}

fn bind_one(statement: &mut rusqlite::Statement<'_>, position: usize, value: &Value) -> Result<(), StoreError> {
    match value {
        Value::Bool(value) => statement.raw_bind_parameter(position, value),
        Value::TinyInt(value) => statement.raw_bind_parameter(position, value),
        Value::SmallInt(value) => statement.raw_bind_parameter(position, value),
        Value::Int(value) => statement.raw_bind_parameter(position, value),
        Value::BigInt(value) => statement.raw_bind_parameter(position, value),
        Value::TinyUnsigned(value) => statement.raw_bind_parameter(position, value),
        Value::SmallUnsigned(value) => statement.raw_bind_parameter(position, value),
        Value::Unsigned(value) => statement.raw_bind_parameter(position, value),
        // LIMIT is one of these.
        Value::BigUnsigned(value) => {
            statement.raw_bind_parameter(position, value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)))
        }
        Value::Float(value) => statement.raw_bind_parameter(position, value),
        Value::Double(value) => statement.raw_bind_parameter(position, value),
        Value::String(value) => statement.raw_bind_parameter(position, value),
        Value::Bytes(value) => statement.raw_bind_parameter(position, value),
        Value::Char(value) => statement.raw_bind_parameter(position, value.map(String::from)),
        _ => {
            let cause = format!("parameter {position} is of a kind that this store does not use");
            return Err(StoreError::Statement(cause));
        }
    }?;
    Ok(())
}
