//! Reads: one statement for both databases, run where it is quickest. On SQLite inline on a connection of the
//! thread's own ([`sqlite`]); on PostgreSQL on sea-orm's pool.

pub(super) mod sqlite;

use std::sync::Arc;

use sea_orm::sea_query::{SelectStatement, SqliteQueryBuilder, Values};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use super::columns::Columns;
use super::error::StoreError;
use sqlite::SqliteReader;

pub(super) enum Reader {
    Sqlite(Arc<SqliteReader>),
    Postgres(DatabaseConnection),
}

impl Reader {
    pub(super) async fn query<T, D>(&self, statement: &SelectStatement, decode: D) -> Result<Vec<T>, StoreError>
    where
        T: Send + 'static,
        D: Fn(&dyn Columns) -> Result<T, StoreError> + Clone + Send + 'static,
    {
        match self {
            Reader::Sqlite(reader) => {
                let (sql, values) = statement.build(SqliteQueryBuilder);
                reader.query(sql.into(), values, decode).await
            }
            Reader::Postgres(connection) => {
                let rows = connection.query_all(statement).await?;
                rows.iter().map(|row| decode(row)).collect()
            }
        }
    }

    /// A statement whose text is built once: the point reads.
    pub(super) async fn query_prepared<T, D>(
        &self,
        sql: &Arc<str>,
        values: Values,
        decode: D,
    ) -> Result<Vec<T>, StoreError>
    where
        T: Send + 'static,
        D: Fn(&dyn Columns) -> Result<T, StoreError> + Clone + Send + 'static,
    {
        match self {
            Reader::Sqlite(reader) => reader.query(sql.clone(), values, decode).await,
            Reader::Postgres(connection) => {
                let statement = Statement::from_sql_and_values(DbBackend::Postgres, &**sql, values);
                let rows = connection.query_all_raw(statement).await?;
                rows.iter().map(|row| decode(row)).collect()
            }
        }
    }
}
