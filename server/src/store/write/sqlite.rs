//! The one connection that writes an SQLite file, used by the writer's thread.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use sea_orm::sea_query::Values;

use super::super::columns::{Bodies, Columns, SqliteRow};
use super::super::error::StoreError;
use super::super::read::sqlite::bind;
use super::super::read::states::States;
use super::insert::Cell;

/// Another's lock is waited for in the connection so long; then the writer asks again.
const BUSY: Duration = Duration::from_secs(1);
const CACHED_STATEMENTS: usize = 256;
/// Kibibytes of pages: rows of an index scatter over its tree, and a page that is at hand is not read again.
const CACHE: i64 = 32 << 10;
/// The log is cut to this when it starts over: it is written anew without growing, which makes it durable sooner.
const KEPT_LOG: i64 = 64 << 20;

pub(in super::super) struct SqliteWriter {
    /// None once it is closed.
    connection: Mutex<Option<Connection>>,
    /// What readers look at.
    states: Arc<States>,
}

impl SqliteWriter {
    pub(in super::super) fn open(file: &Path, mapped: i64, states: Arc<States>) -> Result<Self, StoreError> {
        // One thread at a time has it: it is behind a lock of ours.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        connection.busy_timeout(BUSY)?;
        // What was acknowledged survives a loss of power.
        connection.pragma_update(None, "synchronous", "FULL")?;
        // Checkpoints have their own thread: see `open::Checkpoints`.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "journal_size_limit", KEPT_LOG)?;
        connection.pragma_update(None, "cache_size", -CACHE)?;
        connection.pragma_update(None, "mmap_size", mapped)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "foreign_keys", false)?;
        Ok(SqliteWriter { connection: Mutex::new(Some(connection)), states })
    }

    fn with<T>(&self, run: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match &*self.lock() {
            Some(connection) => run(connection),
            None => Err(StoreError::Unavailable("the store is closed".to_owned())),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins or ends a transaction.
    pub(super) fn run(&self, sql: &str) -> Result<(), StoreError> {
        self.with(|connection| {
            connection.prepare_cached(sql)?.raw_execute()?;
            Ok(())
        })
    }

    /// Undoes a transaction that did not commit, if one is open still.
    pub(super) fn roll_back(&self) {
        let outcome = self.with(|connection| {
            if !connection.is_autocommit() {
                connection.prepare_cached("ROLLBACK")?.raw_execute()?;
            }
            Ok(())
        });
        if let Err(error) = outcome {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }

    /// The rows that the statement gives for each of the values.
    pub(in super::super) fn query<T>(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Values>,
        decode: impl Fn(&dyn Columns) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut decoded = Vec::new();
            let bodies = Bodies::default();
            for values in values {
                bind(&mut statement, &values)?;
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next()? {
                    decoded.push(decode(&SqliteRow { row, bodies: &bodies })?);
                }
            }
            Ok(decoded)
        })
    }

    pub(super) fn execute(&self, sql: &str, values: &Values) -> Result<u64, StoreError> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            bind(&mut statement, values)?;
            Ok(statement.raw_execute()? as u64)
        })
    }

    /// Runs the statement for each of these, which are as many rows as it takes.
    pub(super) fn insert<'r, const N: usize>(
        &self,
        sql: &str,
        runs: impl Iterator<Item = &'r [[Cell<'r>; N]]>,
    ) -> Result<(), StoreError> {
        self.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            for rows in runs {
                for (position, cell) in rows.as_flattened().iter().enumerate() {
                    statement.raw_bind_parameter(position + 1, cell)?;
                }
                statement.raw_execute()?;
            }
            Ok(())
        })
    }

    /// What was committed, or may have been, is something that readers of records see.
    pub(super) fn note_change(&self) {
        self.states.change();
    }

    /// Copies back the little that the thread of checkpoints left, so that the next transaction starts the log over.
    pub(super) fn checkpoint(&self) -> Result<(), StoreError> {
        // Before: what an old state is read from cannot be written over. After: nobody needs the log then.
        self.states.let_go();
        self.with(|connection| Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?))?;
        self.states.let_go();
        Ok(())
    }

    /// Empties the log as far as no reader needs it, and closes the connection.
    pub(in super::super) fn close(&self) -> Result<(), StoreError> {
        let Some(connection) = self.lock().take() else { return Ok(()) };
        self.states.let_go();
        // Readers of other threads stay open, so SQLite itself would leave the log as long as it grew.
        let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
        if is_busy {
            tracing::info!("a reader still needs the write-ahead log: it was not emptied");
        }
        connection.close().map_err(|(_, error)| error.into())
    }
}
