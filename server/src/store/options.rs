//! What a store is opened with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{ConnectOptions, DatabaseConnection};

use super::audit::AuditKey;
use super::error::StoreError;
use super::parameters::Parameters;
use crate::clock::Clock;

pub struct Options {
    pub database: Database,
    pub clock: Clock,
    pub parameters: Arc<dyn Parameters>,
    pub limits: Limits,
    /// Of all processes that write this log the same.
    pub audit_key: AuditKey,
}

#[derive(Clone)]
pub enum Database {
    /// One file a site. Whoever opens it for writing holds the [`super::FolderLock`] of its folder.
    Sqlite { file: PathBuf },
    /// One schema a site; the connection pool is shared by all sites of the server.
    Postgres { pool: PostgresPool, schema: String },
}

/// The connections to one PostgreSQL database.
#[derive(Clone)]
pub struct PostgresPool {
    pub(super) connection: DatabaseConnection,
    pub(super) url: String,
}

impl PostgresPool {
    /// `url` is `postgres://user:password@host:port/database`; `statement_time` bounds each statement.
    pub async fn connect(url: &str, connections: u32, statement_time: Duration) -> Result<Self, StoreError> {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(5))
            // sqlx asks whether a connection lives when it is given back: to ask again before each statement would
            // only cost a round trip.
            .test_before_acquire_if_idle_for(Duration::from_secs(1))
            .statement_timeout(statement_time)
            .sqlx_logging(false);
        let connection = sea_orm::Database::connect(options).await?;
        Ok(PostgresPool { connection, url: url.to_owned() })
    }
}

/// The bounds within which a store works.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Units that may wait; more are refused as [`StoreError::Busy`].
    pub queue: usize,
    /// Operations and bytes of bodies that one transaction takes from several units.
    pub batch_operations: usize,
    pub batch_bytes: usize,
    /// Operations of bulk units that one transaction takes while requests are coming in.
    pub bulk_bite: usize,
    /// Operations and bytes of bodies of one unit.
    pub unit_operations: usize,
    pub unit_bytes: usize,
    /// How long a read may hold the thread of its request (SQLite).
    pub inline_budget: Duration,
    /// How long a query may take in all.
    pub query_time: Duration,
    /// Queries that may run at once beyond the inline budget (SQLite).
    pub slow_queries: usize,
    /// How much of a database file is mapped into memory (SQLite).
    pub mapped_bytes: i64,
    /// Transactions at once (PostgreSQL).
    pub writers: usize,
    /// By how much the clocks of server and database may differ.
    pub clock_difference: Duration,
    /// Audit entries of reads that may wait to be written, and for how long.
    pub audit_buffer: usize,
    pub audit_delay: Duration,
    /// How often a head of the audit log is written, and given to the process's log.
    pub audit_head: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            queue: 1_024,
            batch_operations: 512,
            batch_bytes: 8 << 20,
            bulk_bite: 48,
            unit_operations: 20_000,
            unit_bytes: 256 << 20,
            inline_budget: Duration::from_millis(2),
            query_time: Duration::from_secs(20),
            slow_queries: 4,
            mapped_bytes: 4 << 30,
            writers: 4,
            clock_difference: Duration::from_secs(30),
            audit_buffer: 16_384,
            audit_delay: Duration::from_secs(1),
            audit_head: Duration::from_secs(60),
        }
    }
}
