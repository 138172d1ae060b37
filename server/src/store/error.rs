//! What can go wrong here, without HTTP: `fhir` turns each into an OperationOutcome.

use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// Why a unit's own rule (an access check, a conditional reference) refused it inside the write transaction. `fhir`
/// puts its own error in and gets it back by `downcast`.
pub type Refusal = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// `If-Match` names another version than the current one; `current` is none where the resource does not exist.
    /// <https://hl7.org/fhir/R4/http.html#concurrency>
    #[error("the version in If-Match is not the current one")]
    VersionConflict { current: Option<i64> },
    /// A create with an id that is taken.
    #[error("a resource with this id exists already")]
    AlreadyExists,
    #[error("no such resource")]
    NotFound,
    /// The resource, or the version asked for, is a deletion.
    #[error("the resource was deleted")]
    Gone { version: i64 },
    /// Refused by what the unit itself asked to be checked inside the transaction.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// More operations or bytes in one unit than one transaction takes.
    #[error("{what} is {size}, at most {limit} are taken")]
    TooLarge { what: &'static str, size: usize, limit: usize },
    /// A query compares more values than the database takes parameters.
    #[error("the query compares more values than the database takes with one statement, {most} in all")]
    TooManyValues { most: usize },
    /// The queue is full, too many slow queries run already, or another has the lock of an SQLite file: try again.
    #[error("the store has too much waiting: try again")]
    Busy,
    /// A query ran longer than its time limit.
    #[error("the query took longer than {0:?}")]
    TimeLimit(std::time::Duration),
    /// The same where the database keeps the time.
    #[error("the database stopped a query that took too long: {0}")]
    StatementTime(String),
    /// The disk is full or the database is lost: nothing was written, and it may recover.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Another process has the data folder.
    #[error("the data folder {folder} is in use by another vesta process{hint}")]
    Locked { folder: String, hint: String },
    /// A setting that the store cannot work with.
    #[error("{0}")]
    Configuration(String),
    /// What the database holds is not what this release wrote.
    #[error("the database is inconsistent: {0}")]
    Inconsistent(String),
    /// Another process wrote the same first, again and again: try again.
    #[error("another writer came first: {0}")]
    Conflict(String),
    /// A fault in a statement of ours.
    #[error("a statement failed: {0}")]
    Statement(String),
}

impl StoreError {
    /// Whether the same call may succeed a little later.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            StoreError::Busy
                | StoreError::Conflict(_)
                | StoreError::Unavailable(_)
                | StoreError::TimeLimit(_)
                | StoreError::StatementTime(_)
        )
    }

    /// A copy for each waiter of a failed batch. A refusal is one unit's own and is never shared.
    pub(super) fn shared(&self) -> StoreError {
        match self {
            StoreError::VersionConflict { current } => StoreError::VersionConflict { current: *current },
            StoreError::AlreadyExists => StoreError::AlreadyExists,
            StoreError::NotFound => StoreError::NotFound,
            StoreError::Gone { version } => StoreError::Gone { version: *version },
            StoreError::TooLarge { what, size, limit } => StoreError::TooLarge { what, size: *size, limit: *limit },
            StoreError::TooManyValues { most } => StoreError::TooManyValues { most: *most },
            StoreError::Busy => StoreError::Busy,
            StoreError::TimeLimit(limit) => StoreError::TimeLimit(*limit),
            StoreError::StatementTime(cause) => StoreError::StatementTime(cause.clone()),
            StoreError::Unavailable(cause) => StoreError::Unavailable(cause.clone()),
            StoreError::Locked { folder, hint } => StoreError::Locked { folder: folder.clone(), hint: hint.clone() },
            StoreError::Configuration(cause) => StoreError::Configuration(cause.clone()),
            StoreError::Inconsistent(cause) => StoreError::Inconsistent(cause.clone()),
            StoreError::Conflict(cause) => StoreError::Conflict(cause.clone()),
            StoreError::Statement(cause) => StoreError::Statement(cause.clone()),
            StoreError::Refused(refusal) => StoreError::Statement(refusal.to_string()),
        }
    }
}

/// The code that the database gave: SQLSTATE on PostgreSQL, the extended result code on SQLite.
fn code(error: &DbErr) -> Option<String> {
    let (DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause)) = error else { return None };
    let RuntimeErr::SqlxError(cause) = cause else { return None };
    match &**cause {
        SqlxError::Database(cause) => cause.code().map(|code| code.into_owned()),
        _ => None,
    }
}

fn is_connection_lost(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => matches!(
            &**cause,
            SqlxError::Io(_)
                | SqlxError::PoolTimedOut
                | SqlxError::PoolClosed
                | SqlxError::WorkerCrashed
                | SqlxError::Protocol(_)
                | SqlxError::Tls(_)
        ),
        _ => false,
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let code = code(&error);
        // PostgreSQL: serialization_failure, deadlock_detected, unique_violation (two writers created the same id).
        // SQLite: SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE.
        if matches!(code.as_deref(), Some("40001" | "40P01" | "23505" | "1555" | "2067")) {
            return StoreError::Conflict(error.to_string());
        }
        // query_canceled: `statement_timeout`.
        if code.as_deref() == Some("57014") {
            return StoreError::StatementTime(error.to_string());
        }
        if code.as_deref().is_some_and(|code| code.len() < 5 && code.parse().is_ok_and(is_sqlite_locked)) {
            return StoreError::Busy;
        }
        let unavailable = match code {
            // PostgreSQL: connection exceptions, insufficient resources (disk full), operator intervention, system
            // errors, read-only transaction (a fail-over in progress).
            Some(code) if code.len() == 5 && !code.chars().all(|digit| digit.is_ascii_digit()) => {
                ["57", "58"].iter().any(|class| code.starts_with(class)) || code == "25006" || code == "55P03"
            }
            Some(code) if code.len() == 5 => {
                ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || code == "25006"
            }
            // SQLite: the low byte of an extended code is the primary one.
            Some(code) => code.parse::<i32>().is_ok_and(is_sqlite_unavailable),
            None => is_connection_lost(&error),
        };
        // The messages of both databases name tables and constraints; PostgreSQL's detail, which holds values, is
        // not part of them.
        if unavailable { StoreError::Unavailable(error.to_string()) } else { StoreError::Statement(error.to_string()) }
    }
}

/// `SQLITE_BUSY`, `_LOCKED`: another connection has it, and will let go.
fn is_sqlite_locked(extended: i32) -> bool {
    matches!(extended & 0xff, 5 | 6)
}

/// `SQLITE_READONLY`, `_IOERR`, `_CORRUPT`, `_FULL`, `_CANTOPEN`, `_NOTADB`.
fn is_sqlite_unavailable(extended: i32) -> bool {
    matches!(extended & 0xff, 8 | 10 | 11 | 13 | 14 | 26)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            rusqlite::Error::SqliteFailure(cause, _) if matches!(cause.extended_code, 1555 | 2067) => {
                StoreError::Conflict(error.to_string())
            }
            rusqlite::Error::SqliteFailure(cause, _) if is_sqlite_locked(cause.extended_code) => StoreError::Busy,
            rusqlite::Error::SqliteFailure(cause, _) if is_sqlite_unavailable(cause.extended_code) => {
                StoreError::Unavailable(error.to_string())
            }
            _ => StoreError::Statement(error.to_string()),
        }
    }
}
