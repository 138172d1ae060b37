//! Opening a database: connections, pragmas, migrations, the thread of checkpoints, the comparison of clocks.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, IsolationLevel, Statement,
    TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;

use super::columns::{Columns, timestamp};
use super::error::StoreError;
use super::lock::FolderLock;
use super::migration::Migrator;
use super::options::{Database, Limits, PostgresPool};
use super::read::Reader;
use super::read::sqlite::SqliteReader;
use super::read::states::States;
use super::record::Visible;
use super::schema::Names;
use super::write::{SqliteWriter, WriteContext, one};

const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// No commit copies pages back: [`Checkpoints`] does.
const CHECKPOINTS_APART: u32 = 0;

pub(super) struct Opened {
    pub(super) connection: DatabaseConnection,
    pub(super) names: Names,
    pub(super) reader: Reader,
    pub(super) writer: Option<Arc<SqliteWriter>>,
    pub(super) checkpoints: Option<Checkpoints>,
    pub(super) lock: Option<FolderLock>,
}

pub(super) async fn open(database: &Database, limits: &Limits) -> Result<Opened, StoreError> {
    match database {
        Database::Sqlite { file } => {
            let folder = file.parent().unwrap_or(Path::new("."));
            create_private(folder)?;
            // Numbers and stamps are counted in this process: a second writer would give them twice. One that is
            // just being closed is waited for.
            let lock = FolderLock::acquire_within(folder, LOCK_PATIENCE).await?;
            let connection = sqlite(file, CHECKPOINTS_APART).await?;
            Migrator::up(&connection, None).await?;
            let states = Arc::new(States::default());
            Ok(Opened {
                connection,
                names: Names::new("main"),
                reader: Reader::Sqlite(SqliteReader::new(file.clone(), limits.clone(), states.clone())),
                writer: Some(Arc::new(SqliteWriter::open(file, limits.mapped_bytes, states.clone())?)),
                checkpoints: Some(Checkpoints::start(file.clone(), states)?),
                lock: Some(lock),
            })
        }
        Database::Postgres { pool, schema } => {
            migrate_postgres::<Migrator>(pool, schema).await?;
            Ok(Opened {
                connection: pool.connection.clone(),
                names: Names::new(schema),
                reader: Reader::Postgres(pool.connection.clone()),
                writer: None,
                checkpoints: None,
                lock: None,
            })
        }
    }
}

/// A folder that only its owner may look into: it holds health records.
pub(super) fn create_private(folder: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| StoreError::Unavailable(format!("the folder {} cannot be made: {error}", folder.display())))
}

/// A transaction that sees one state of the database throughout, for as long as it takes; with its connection.
pub(super) async fn snapshot(
    context: &WriteContext,
    reader: &Reader,
) -> Result<(DatabaseConnection, DatabaseTransaction), StoreError> {
    let (connection, isolation) = match reader {
        Reader::Sqlite(reader) => {
            let file = reader.file().to_owned();
            let mut options = ConnectOptions::new("sqlite://");
            options.max_connections(1).sqlx_logging(false).map_sqlx_sqlite_opts(move |options| {
                options.filename(&file).read_only(true).pragma("cache_size", "-4096")
            });
            (sea_orm::Database::connect(options).await?, None)
        }
        Reader::Postgres(connection) => (connection.clone(), Some(IsolationLevel::RepeatableRead)),
    };
    let options = TransactionOptions { isolation_level: isolation, ..TransactionOptions::default() };
    let transaction = connection.begin_with_options(options).await?;
    // On SQLite the state is that of the first read.
    one(&transaction, format!("SELECT count(*) FROM {}", context.names.quoted("setting"))).await?;
    Ok((connection, transaction))
}

/// The connection for what is seldom: migrations, the dictionary, settings. What is written for requests goes through
/// [`SqliteWriter`].
pub(super) async fn sqlite(file: &Path, checkpoint_pages: u32) -> Result<DatabaseConnection, StoreError> {
    let mut options = ConnectOptions::new("sqlite://");
    let file = file.to_owned();
    options.max_connections(1).min_connections(1).sqlx_logging(false).map_sqlx_sqlite_opts(move |options| {
        options
            .filename(&file)
            .create_if_missing(true)
            .busy_timeout(Duration::from_secs(5))
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL")
            .pragma("wal_autocheckpoint", checkpoint_pages.to_string())
            .pragma("cache_size", "-1024")
            .pragma("foreign_keys", "OFF")
    });
    // An idle connection must not be closed: it would checkpoint.
    options.idle_timeout(None::<Duration>).max_lifetime(None::<Duration>);
    Ok(sea_orm::Database::connect(options).await?)
}

/// The migration needs the site's schema in its path, which the shared pool does not have.
pub(super) async fn migrate_postgres<M: MigratorTrait>(pool: &PostgresPool, schema: &str) -> Result<(), StoreError> {
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
        M::up(&connection, None).await
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
/// for it. It only ever takes the passive mode, which waits for nobody and keeps nobody waiting. While commits follow
/// each other without a pause, something is always left to copy, and the log would never start over: once that is
/// little, the writer is asked to copy it between two transactions ([`Checkpoints::due`]).
pub(super) struct Checkpoints {
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
    pub(super) due: Arc<AtomicBool>,
}

/// What is written from one look to the next is left for the writer: the shorter the time, the less it is.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(250);
/// The log is copied back when so much of it is not, in bytes: the first while records are written, the second while only the
/// reads' audit entries are, since with each time all readers map the file anew.
const CHECKPOINT_AT: u64 = 16 << 20;
const CHECKPOINT_OF_READS_AT: u64 = 64 << 20;
/// What the writer may be asked to copy: with 8 MiB the slowest creates of a hundred waited for it two and a half times as long as
/// with this. However much it is, it is asked when the log is longer than the second.
const LITTLE: u64 = 2 << 20;
const LONGEST_LOG: u64 = 512 << 20;

impl Checkpoints {
    fn start(file: PathBuf, states: Arc<States>) -> Result<Self, StoreError> {
        let (stop, due) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (stopped, is_due) = (stop.clone(), due.clone());
        let connection = rusqlite::Connection::open(&file)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -256)?;
        let page_size = u64::from(connection.query_row("PRAGMA page_size", [], |row| row.get::<_, u32>(0))?);
        // The bytes of the log, and those of them that are not copied back.
        let checkpoint = move |mode: &str| -> rusqlite::Result<(u64, u64)> {
            connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
                let (log, copied) = (row.get::<_, i64>(1)?.max(0) as u64, row.get::<_, i64>(2)?.max(0) as u64);
                Ok((log * page_size, log.saturating_sub(copied) * page_size))
            })
        };
        let pass = move || -> rusqlite::Result<()> {
            let (mut log, mut left) = checkpoint("NOOP")?;
            let most = if states.take_committed() { CHECKPOINT_AT } else { CHECKPOINT_OF_READS_AT };
            if left < most {
                return Ok(());
            }
            // Each pass leaves what was written meanwhile, which is less.
            for _ in 0..4 {
                states.let_go();
                (log, left) = checkpoint("PASSIVE")?;
                if left < LITTLE {
                    break;
                }
            }
            if left < LITTLE || log > LONGEST_LOG {
                is_due.store(true, Ordering::Release);
            }
            Ok(())
        };
        let run = move || {
            loop {
                std::thread::park_timeout(CHECKPOINT_EVERY);
                if stopped.load(Ordering::Acquire) {
                    break;
                }
                if let Err(error) = pass() {
                    tracing::warn!(%error, "a checkpoint failed");
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("vesta-checkpoints".to_owned())
            .spawn(run)
            .map_err(|error| StoreError::Unavailable(format!("no thread for checkpoints: {error}")))?;
        Ok(Checkpoints { stop, thread: Mutex::new(Some(thread)), due })
    }

    /// Tells the thread to end; returns it, to be waited for.
    pub(super) fn stop(&self) -> Option<JoinHandle<()>> {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        thread.thread().unpark();
        Some(thread)
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.stop();
    }
}
