//! What the authorization server remembers: clients, people, sessions, grants, and the hashes of codes and tokens. One
//! table of keyed records with compare-and-swap serves all of them ([`vesta_oauth::Storage`]), and beside it stands the
//! feed of revocations that every process follows.
//!
//! On SQLite this is a file of its own beside the records' (`authorization.db`): a log-in waits for no import, and commands
//! work on it beside a running server without asking it. On PostgreSQL the two tables stand in the site's schema.

mod migration;

use std::path::Path;

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DeriveIden, QueryResult, Statement, TransactionTrait};
use sea_orm_migration::MigratorTrait;
use vesta_oauth::{Filter, Kind, Record, Revoked, Storage, StorageError};

use super::columns::Columns;
use super::error::StoreError;
use super::open::{create_private, migrate_postgres, sqlite};
use super::options::Database;
use super::schema::Names;
use crate::clock::Clock;
use migration::Migrator;

#[derive(DeriveIden, Clone, Copy)]
enum AuthorizationRecord {
    Table,
    /// [`Kind::number`].
    Kind,
    Key,
    Client,
    Subject,
    /// Seconds since 1970. What has expired counts as absent, and is swept away now and then.
    Expires,
    /// Counts the replacements.
    Version,
    Body,
}

/// Ascending in the order of the commits.
#[derive(DeriveIden, Clone, Copy)]
enum AuthorizationRevocation {
    Table,
    Epoch,
    What,
    Expires,
}

const COLUMNS: [AuthorizationRecord; 7] = [
    AuthorizationRecord::Kind,
    AuthorizationRecord::Key,
    AuthorizationRecord::Client,
    AuthorizationRecord::Subject,
    AuthorizationRecord::Expires,
    AuthorizationRecord::Version,
    AuthorizationRecord::Body,
];

/// SQLite copies the log back when it has so many pages: commits are few here.
const CHECKPOINT_PAGES: u32 = 1_000;

/// One site's.
pub struct AuthorizationStore {
    connection: DatabaseConnection,
    names: Names,
    clock: Clock,
}

impl AuthorizationStore {
    /// `database` is the site's; on SQLite a file beside the one that it names is opened, and made where it is not there.
    pub async fn open(database: &Database, clock: Clock) -> Result<AuthorizationStore, StoreError> {
        let (connection, names) = match database {
            Database::Sqlite { file } => {
                let folder = file.parent().unwrap_or(Path::new("."));
                create_private(folder)?;
                let connection = sqlite(&folder.join("authorization.db"), CHECKPOINT_PAGES).await?;
                Migrator::up(&connection, None).await?;
                (connection, Names::new("main"))
            }
            Database::Postgres { pool, schema } => {
                migrate_postgres::<Migrator>(pool, schema).await?;
                (pool.connection.clone(), Names::new(schema))
            }
        };
        Ok(AuthorizationStore { connection, names, clock })
    }

    /// Closes the file. The pool of PostgreSQL is shared by all sites.
    pub async fn close(&self) {
        if self.connection.get_database_backend() == DbBackend::Sqlite {
            let _ = self.connection.clone().close().await;
        }
    }

    fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    fn select(&self) -> SelectStatement {
        Query::select()
            .columns(COLUMNS)
            .from(self.names.table(AuthorizationRecord::Table))
            .and_where(self.is_alive())
            .take()
    }

    fn is_alive(&self) -> Expr {
        let expires = || Expr::col(AuthorizationRecord::Expires);
        expires().is_null().or(expires().gt(self.now()))
    }
}

fn is(kind: Kind, key: &str) -> Expr {
    Expr::col(AuthorizationRecord::Kind).eq(kind.number()).and(Expr::col(AuthorizationRecord::Key).eq(key))
}

fn read_record(row: &QueryResult) -> Result<Record, StoreError> {
    let number = row.small(0)?;
    Ok(Record {
        kind: Kind::from_number(number).ok_or_else(|| {
            StoreError::Inconsistent(format!("an authorization record has the unknown kind {number}"))
        })?,
        key: row.text(1)?,
        client: row.optional_text(2)?,
        subject: row.optional_text(3)?,
        expires: row.try_get_by_index(4)?,
        version: row.integer(5)?,
        body: row.text(6)?,
    })
}

impl From<StoreError> for StorageError {
    fn from(error: StoreError) -> StorageError {
        StorageError::new(error)
    }
}

fn failed(error: sea_orm::DbErr) -> StorageError {
    StoreError::from(error).into()
}

impl Storage for AuthorizationStore {
    async fn insert(&self, record: Record) -> Result<bool, StorageError> {
        // What has expired makes room: a name or an id is not taken for ever.
        let replaced = [
            AuthorizationRecord::Client,
            AuthorizationRecord::Subject,
            AuthorizationRecord::Expires,
            AuthorizationRecord::Version,
            AuthorizationRecord::Body,
        ];
        let expired = Expr::col((AuthorizationRecord::Table, AuthorizationRecord::Expires)).lte(self.now());
        let insert = Query::insert()
            .into_table(self.names.table(AuthorizationRecord::Table))
            .columns(COLUMNS)
            .values_panic([
                record.kind.number().into(),
                record.key.into(),
                record.client.into(),
                record.subject.into(),
                record.expires.into(),
                1i64.into(),
                record.body.into(),
            ])
            .on_conflict(
                OnConflict::columns([AuthorizationRecord::Kind, AuthorizationRecord::Key])
                    .update_columns(replaced)
                    .action_and_where(expired)
                    .to_owned(),
            )
            .take();
        let done = self.connection.execute(&insert).await.map_err(failed)?;
        Ok(done.rows_affected() == 1)
    }

    async fn find(&self, kind: Kind, key: &str) -> Result<Option<Record>, StorageError> {
        let select = self.select().and_where(is(kind, key)).take();
        let row = self.connection.query_one(&select).await.map_err(failed)?;
        Ok(row.as_ref().map(read_record).transpose()?)
    }

    async fn replace(&self, record: Record) -> Result<bool, StorageError> {
        let update = Query::update()
            .table(self.names.table(AuthorizationRecord::Table))
            .value(AuthorizationRecord::Client, record.client)
            .value(AuthorizationRecord::Subject, record.subject)
            .value(AuthorizationRecord::Expires, record.expires)
            .value(AuthorizationRecord::Version, record.version + 1)
            .value(AuthorizationRecord::Body, record.body)
            .and_where(is(record.kind, &record.key))
            .and_where(Expr::col(AuthorizationRecord::Version).eq(record.version))
            .and_where(self.is_alive())
            .take();
        let done = self.connection.execute(&update).await.map_err(failed)?;
        Ok(done.rows_affected() == 1)
    }

    async fn remove(&self, kind: Kind, key: &str) -> Result<bool, StorageError> {
        let delete = Query::delete()
            .from_table(self.names.table(AuthorizationRecord::Table))
            .and_where(is(kind, key))
            .and_where(self.is_alive())
            .take();
        let done = self.connection.execute(&delete).await.map_err(failed)?;
        Ok(done.rows_affected() == 1)
    }

    async fn list(&self, kind: Kind, by: Filter<'_>) -> Result<Vec<Record>, StorageError> {
        let mut select = self.select();
        select
            .and_where(Expr::col(AuthorizationRecord::Kind).eq(kind.number()))
            .order_by(AuthorizationRecord::Key, Order::Asc)
            .limit(by.limit as u64);
        if let Some(client) = by.client {
            select.and_where(Expr::col(AuthorizationRecord::Client).eq(client));
        }
        if let Some(subject) = by.subject {
            select.and_where(Expr::col(AuthorizationRecord::Subject).eq(subject));
        }
        if let Some(after) = by.after {
            select.and_where(Expr::col(AuthorizationRecord::Key).gt(after));
        }
        let rows = self.connection.query_all(&select).await.map_err(failed)?;
        Ok(rows.iter().map(read_record).collect::<Result<_, _>>()?)
    }

    async fn remove_expired(&self, limit: usize) -> Result<u64, StorageError> {
        let now = self.now();
        let expired = Query::select()
            .columns([AuthorizationRecord::Kind, AuthorizationRecord::Key])
            .from(self.names.table(AuthorizationRecord::Table))
            .and_where(Expr::col(AuthorizationRecord::Expires).lte(now))
            .limit(limit as u64)
            .take();
        let place = Expr::tuple([Expr::col(AuthorizationRecord::Kind), Expr::col(AuthorizationRecord::Key)]);
        let records = Query::delete()
            .from_table(self.names.table(AuthorizationRecord::Table))
            .and_where(place.in_subquery(expired))
            // One that was taken anew meanwhile stays.
            .and_where(Expr::col(AuthorizationRecord::Expires).lte(now))
            .take();
        let revocations = Query::delete()
            .from_table(self.names.table(AuthorizationRevocation::Table))
            .and_where(Expr::col(AuthorizationRevocation::Expires).lte(now))
            .take();
        let removed = self.connection.execute(&records).await.map_err(failed)?.rows_affected();
        self.connection.execute(&revocations).await.map_err(failed)?;
        Ok(removed)
    }

    async fn revoke(&self, what: &str, expires: i64) -> Result<(), StorageError> {
        let transaction = self.connection.begin().await.map_err(failed)?;
        if self.connection.get_database_backend() == DbBackend::Postgres {
            // One at a time: an epoch that is seen means that all before it are seen.
            let lock = format!("vesta revocations of {}", self.names.schema());
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            transaction
                .execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, [lock.into()]))
                .await
                .map_err(failed)?;
        }
        let insert = Query::insert()
            .into_table(self.names.table(AuthorizationRevocation::Table))
            .columns([AuthorizationRevocation::What, AuthorizationRevocation::Expires])
            .values_panic([what.into(), expires.into()])
            .take();
        transaction.execute(&insert).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    async fn is_revoked(&self, what: &str) -> Result<bool, StorageError> {
        let select = Query::select()
            .column(AuthorizationRevocation::Epoch)
            .from(self.names.table(AuthorizationRevocation::Table))
            .and_where(Expr::col(AuthorizationRevocation::What).eq(what))
            .and_where(Expr::col(AuthorizationRevocation::Expires).gt(self.now()))
            .limit(1)
            .take();
        Ok(self.connection.query_one(&select).await.map_err(failed)?.is_some())
    }

    async fn revoked_since(&self, epoch: i64) -> Result<Vec<Revoked>, StorageError> {
        let select = Query::select()
            .columns([AuthorizationRevocation::Epoch, AuthorizationRevocation::Expires])
            .column(AuthorizationRevocation::What)
            .from(self.names.table(AuthorizationRevocation::Table))
            .and_where(Expr::col(AuthorizationRevocation::Epoch).gt(epoch))
            .order_by(AuthorizationRevocation::Epoch, Order::Asc)
            .take();
        let rows = self.connection.query_all(&select).await.map_err(failed)?;
        let revoked =
            |row: &QueryResult| Ok(Revoked { epoch: row.integer(0)?, expires: row.integer(1)?, what: row.text(2)? });
        Ok(rows.iter().map(revoked).collect::<Result<_, StoreError>>()?)
    }
}
