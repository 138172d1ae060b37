//! Reads: one statement for both databases, run where it is quickest. On SQLite inline on a connection of the
//! thread's own ([`sqlite`]); on PostgreSQL on sea-orm's pool.

pub(super) mod sqlite;
pub(super) mod states;

use std::sync::Arc;

use sea_orm::sea_query::{SelectStatement, SqliteQueryBuilder, Values};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, StatementBuilder};

use super::columns::Columns;
use super::error::StoreError;
use sqlite::SqliteReader;

/// As many parameters as the database takes with a statement: each value that is compared is one or a few of them.
pub(super) fn bounded(backend: DbBackend, parameters: usize) -> Result<(), StoreError> {
    let most = if backend == DbBackend::Sqlite { 32_766 } else { 65_535 };
    match parameters <= most {
        true => Ok(()),
        false => Err(StoreError::TooManyValues { most }),
    }
}

pub(super) enum Reader {
    Sqlite(Arc<SqliteReader>),
    Postgres(DatabaseConnection),
}

impl Reader {
    /// The next queries see all that was committed until now, the audit entries of reads too.
    pub(super) fn look_anew(&self) {
        if let Reader::Sqlite(reader) = self {
            reader.look_anew();
        }
    }

    pub(super) async fn query<T, D>(&self, statement: &SelectStatement, decode: D) -> Result<Vec<T>, StoreError>
    where
        T: Send + 'static,
        D: Fn(&dyn Columns) -> Result<T, StoreError> + Clone + Send + 'static,
    {
        match self {
            Reader::Sqlite(reader) => {
                let (sql, values) = statement.build(SqliteQueryBuilder);
                bounded(DbBackend::Sqlite, values.0.len())?;
                reader.query(sql.into(), values, decode).await
            }
            Reader::Postgres(connection) => {
                let statement = StatementBuilder::build(statement, &DbBackend::Postgres);
                bounded(DbBackend::Postgres, statement.values.as_ref().map_or(0, |values| values.0.len()))?;
                let rows = connection.query_all_raw(statement).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_takes_as_many_parameters_as_we_believe() {
        let connection = rusqlite::Connection::open_in_memory().expect("a database");
        let run = |count: usize| {
            let list = vec!["?"; count].join(",");
            connection.prepare(&format!("SELECT 1 WHERE 1 IN ({list})")).map(|_| ())
        };
        assert!(run(32_766).is_ok() && bounded(DbBackend::Sqlite, 32_766).is_ok());
        assert!(run(32_767).is_err());
        assert!(matches!(bounded(DbBackend::Sqlite, 32_767), Err(StoreError::TooManyValues { most: 32_766 })));
        assert!(bounded(DbBackend::Postgres, 65_535).is_ok() && bounded(DbBackend::Postgres, 65_536).is_err());
    }
}
