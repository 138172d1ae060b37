//! A test's own database: a folder for SQLite, a database of its own on the PostgreSQL that `cargo xtask test` starts.

use sea_orm::ConnectionTrait;

use super::skip;
use super::world::runtime;

/// Where the PostgreSQL for tests is: a superuser's URL.
const VARIABLE: &str = "VESTA_TEST_POSTGRES";

pub(crate) enum Database {
    Sqlite,
    Postgres(Postgres),
}

impl Database {
    /// What `--database` is given.
    pub(crate) fn url(&self) -> Option<&str> {
        match self {
            Database::Sqlite => None,
            Database::Postgres(postgres) => Some(&postgres.url),
        }
    }
}

/// A database that is dropped with this.
pub(crate) struct Postgres {
    pub(crate) url: String,
    pub(crate) name: String,
    pub(crate) superuser: String,
}

impl Postgres {
    /// None, with the reason printed, where there is no PostgreSQL.
    pub(crate) fn create() -> Option<Self> {
        let Ok(superuser) = std::env::var(VARIABLE) else {
            skip(&format!("{VARIABLE} is not set: `cargo xtask test` starts a PostgreSQL and sets it"));
            return None;
        };
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        execute(&superuser, &format!("CREATE DATABASE {name} TEMPLATE template0"));
        let (server, _) = superuser.rsplit_once('/').expect("a URL with a database");
        Some(Postgres { url: format!("{server}/{name}"), name, superuser })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        execute(&self.superuser, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// Runs a statement on a connection of its own.
pub(crate) fn execute(url: &str, statement: &str) {
    runtime().block_on(async {
        let mut options = sea_orm::ConnectOptions::new(url);
        options.max_connections(1).sqlx_logging(false);
        let connection = sea_orm::Database::connect(options).await.expect("the PostgreSQL for tests answers");
        connection.execute_unprepared(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        connection.close().await.expect("the connection closes");
    });
}
