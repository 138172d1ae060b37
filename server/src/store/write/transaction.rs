//! One write transaction, on either database. On PostgreSQL it is sea-orm's. On SQLite it is that of the one connection
//! that writes, on the writer's own thread: a statement is some microseconds there, and a hop to another thread would
//! cost more than the statement.

use std::sync::Arc;

use sea_orm::sea_query::{SelectStatement, SqliteQueryBuilder, Values};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, StatementBuilder, TransactionTrait,
};

use super::super::columns::Columns;
use super::super::error::StoreError;
use super::super::read::bounded;
use super::insert::Insert;
use super::sqlite::SqliteWriter;
use super::task::WriteContext;

/// Rolled back when it is dropped without [`Transaction::commit`].
pub(in super::super) enum Transaction {
    Sqlite(SqliteTransaction),
    Postgres(DatabaseTransaction),
}

impl Transaction {
    /// On SQLite the write lock is taken at once: a read that was turned into a write could not be.
    pub(in super::super) async fn begin(context: &WriteContext) -> Result<Self, StoreError> {
        Transaction::begin_on(context.sqlite.as_ref(), &context.connection).await
    }

    /// The same before there is a context: on the writer of SQLite, where there is one.
    pub(in super::super) async fn begin_on(
        sqlite: Option<&Arc<SqliteWriter>>,
        connection: &DatabaseConnection,
    ) -> Result<Self, StoreError> {
        match sqlite {
            Some(writer) => {
                writer.run("BEGIN IMMEDIATE")?;
                Ok(Transaction::Sqlite(SqliteTransaction { writer: writer.clone(), ended: false }))
            }
            None => Ok(Transaction::Postgres(connection.begin().await?)),
        }
    }

    pub(in super::super) fn is_postgres(&self) -> bool {
        matches!(self, Transaction::Postgres(_))
    }

    pub(in super::super) async fn query<T>(
        &self,
        statement: &SelectStatement,
        decode: impl Fn(&dyn Columns) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        match self {
            Transaction::Sqlite(SqliteTransaction { writer, .. }) => {
                let (sql, values) = statement.build(SqliteQueryBuilder);
                bounded(DbBackend::Sqlite, values.0.len())?;
                writer.query(&sql, [values], decode)
            }
            Transaction::Postgres(transaction) => {
                let statement = StatementBuilder::build(statement, &DbBackend::Postgres);
                bounded(DbBackend::Postgres, statement.values.as_ref().map_or(0, |values| values.0.len()))?;
                let rows = transaction.query_all_raw(statement).await?;
                rows.iter().map(|row| decode(row)).collect()
            }
        }
    }

    /// Runs the statement, which changes rows; returns how many.
    pub(in super::super) async fn execute(&self, statement: &impl StatementBuilder) -> Result<u64, StoreError> {
        match self {
            Transaction::Sqlite(SqliteTransaction { writer, .. }) => {
                let statement = statement.build(&DbBackend::Sqlite);
                writer.execute(&statement.sql, &statement.values.unwrap_or(Values(Vec::new())))
            }
            Transaction::Postgres(transaction) => Ok(transaction.execute(statement).await?.rows_affected()),
        }
    }

    /// Inserts rows into a table.
    pub(in super::super) async fn insert<const N: usize>(&self, insert: &Insert<'_, N>) -> Result<(), StoreError> {
        match self {
            // A short statement that stays prepared, run for each row or a few, is the quickest.
            Transaction::Sqlite(SqliteTransaction { writer, .. }) => {
                insert.runs().try_for_each(|(statement, rows, run)| writer.insert(&statement, rows.chunks(run)))
            }
            // Each statement is a round trip: all rows go with one.
            Transaction::Postgres(transaction) => {
                for statement in insert.many()? {
                    transaction.execute(&statement).await?;
                }
                Ok(())
            }
        }
    }

    pub(in super::super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Transaction::Sqlite(mut transaction) => {
                transaction.writer.run("COMMIT")?;
                transaction.ended = true;
                Ok(())
            }
            Transaction::Postgres(transaction) => Ok(transaction.commit().await?),
        }
    }
}

pub(in super::super) struct SqliteTransaction {
    pub(super) writer: Arc<SqliteWriter>,
    ended: bool,
}

impl Drop for SqliteTransaction {
    fn drop(&mut self) {
        if !self.ended {
            self.writer.roll_back();
        }
    }
}
