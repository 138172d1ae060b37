//! Opening a database: connections, pragmas, migrations, the thread of checkpoints, the comparison of clocks.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use sea_orm_migration::MigratorTrait;

use super::columns::{Columns, timestamp};
use super::error::StoreError;
use super::migration::Migrator;
use super::options::{Database, Limits, PostgresPool};
use super::read::Reader;
use super::read::sqlite::SqliteReader;
use super::record::Visible;
use super::schema::Names;
use super::write::{WriteContext, one};

pub(super) struct Opened {
    pub(super) connection: DatabaseConnection,
    pub(super) names: Names,
    pub(super) reader: Reader,
    pub(super) checkpoints: Option<Checkpoints>,
}

pub(super) async fn open(database: &Database, limits: &Limits) -> Result<Opened, StoreError> {
    match database {
        Database::Sqlite { file } => {
            if let Some(folder) = file.parent() {
                create_private(folder)?;
            }
            let connection = sqlite(file).await?;
            Migrator::up(&connection, None).await?;
            Ok(Opened {
                connection,
                names: Names::new("main"),
                reader: Reader::Sqlite(SqliteReader::new(file.clone(), limits.clone())),
                checkpoints: Some(Checkpoints::start(file.clone())?),
            })
        }
        Database::Postgres { pool, schema } => {
            migrate_postgres(pool, schema).await?;
            Ok(Opened {
                connection: pool.connection.clone(),
                names: Names::new(schema),
                reader: Reader::Postgres(pool.connection.clone()),
                checkpoints: None,
            })
        }
    }
}

/// A folder that only its owner may look into: it holds health records.
fn create_private(folder: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| StoreError::Unavailable(format!("the folder {} cannot be made: {error}", folder.display())))
}

/// The one connection that writes.
async fn sqlite(file: &Path) -> Result<DatabaseConnection, StoreError> {
    let mut options = ConnectOptions::new("sqlite://");
    let file = file.to_owned();
    options.max_connections(1).min_connections(1).sqlx_logging(false).map_sqlx_sqlite_opts(move |options| {
        options
            .filename(&file)
            .create_if_missing(true)
            .busy_timeout(Duration::from_secs(5))
            .statement_cache_capacity(512)
            .pragma("journal_mode", "WAL")
            // What was acknowledged survives a loss of power.
            .pragma("synchronous", "FULL")
            // Checkpoints have their own thread: see `Checkpoints`.
            .pragma("wal_autocheckpoint", "0")
            .pragma("cache_size", "-32768")
            .pragma("temp_store", "MEMORY")
            .pragma("foreign_keys", "OFF")
    });
    // An idle connection must not be closed: it would checkpoint and take its cache with it.
    options.idle_timeout(None::<Duration>).max_lifetime(None::<Duration>);
    Ok(sea_orm::Database::connect(options).await?)
}

/// The migration needs the site's schema in its path, which the shared pool does not have.
async fn migrate_postgres(pool: &PostgresPool, schema: &str) -> Result<(), StoreError> {
    let mut options = ConnectOptions::new(&pool.url);
    options.max_connections(1).sqlx_logging(false).set_schema_search_path(format!("\"{}\"", schema.replace('"', "")));
    let connection = sea_orm::Database::connect(options).await?;
    let lock = format!("vesta migration of {schema}");
    let statement =
        |sql: &str| Statement::from_sql_and_values(DbBackend::Postgres, sql.to_owned(), [lock.as_str().into()]);
    // Several processes may start at once.
    connection.execute_raw(statement("SELECT pg_advisory_lock(hashtextextended($1, 0))")).await?;
    let migrated = async {
        connection.execute_unprepared(&format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", schema.replace('"', ""))).await?;
        Migrator::up(&connection, None).await
    }
    .await;
    connection.execute_raw(statement("SELECT pg_advisory_unlock(hashtextextended($1, 0))")).await?;
    connection.close().await?;
    Ok(migrated?)
}

/// Refuses to start where the clocks of this process and of the database disagree: `lastUpdated`, `_since` and
/// `transactionTime` would.
pub(super) async fn compare_clocks(context: &WriteContext, postgres: bool, visible: Visible) -> Result<(), StoreError> {
    let now = context.clock.now();
    let bound = context.limits.clock_difference;
    let (other, difference) = if postgres {
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint".to_owned();
        let other = timestamp(one(&context.connection, sql).await?.integer(0)?)?;
        (other, now.duration_since(other).unsigned_abs())
    } else {
        // A file has no clock, but it must not come from the future.
        let ahead = visible.time.duration_since(now);
        (visible.time, if ahead.is_negative() { Duration::ZERO } else { ahead.unsigned_abs() })
    };
    if difference > bound {
        return Err(StoreError::Configuration(format!(
            "this machine's clock says {now}, the database's {} {other}: they may differ by at most {bound:?}. Set the clock",
            if postgres { "clock says" } else { "last write is of" },
        )));
    }
    Ok(())
}

/// Moves committed pages from the write-ahead log into the database, on a thread of its own, so that no commit waits
/// for it.
pub(super) struct Checkpoints {
    stop: Arc<AtomicBool>,
}

const CHECKPOINT_EVERY: Duration = Duration::from_millis(250);
/// The log is copied back when it is longer than the first, and cut when it is longer than the second.
const CHECKPOINT_AT: u64 = 16 << 20;
const CUT_AT: u64 = 512 << 20;

impl Checkpoints {
    fn start(file: PathBuf) -> Result<Self, StoreError> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let connection = rusqlite::Connection::open(&file)?;
        connection.busy_timeout(Duration::from_millis(500))?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -256)?;
        let mut log = file.into_os_string();
        log.push("-wal");
        let log = PathBuf::from(log);
        let checkpoint = move || {
            let mut done = 0;
            while !stopped.load(Ordering::Acquire) {
                std::thread::park_timeout(CHECKPOINT_EVERY);
                let length = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
                if length < CHECKPOINT_AT && length == done {
                    continue;
                }
                if length < CHECKPOINT_AT {
                    continue;
                }
                let mode = if length > CUT_AT { "TRUNCATE" } else { "PASSIVE" };
                let result =
                    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get::<_, i64>(0));
                if let Err(error) = result {
                    tracing::warn!(%error, "a checkpoint failed");
                }
                done = length;
            }
        };
        std::thread::Builder::new()
            .name("vesta-checkpoints".to_owned())
            .spawn(checkpoint)
            .map_err(|error| StoreError::Unavailable(format!("no thread for checkpoints: {error}")))?;
        Ok(Checkpoints { stop })
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.stop();
    }
}
