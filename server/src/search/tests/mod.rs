//! One search, three answers that must agree: SQLite's, PostgreSQL's and memory's. Cases are data: `cases.json` has
//! queries with the ids they find in `corpus.json`.

mod below;
mod cases;
mod contained;
mod differential;
mod documented;
mod filters;
mod granted;
mod lead;
mod oracle;
mod own;
mod paging;
mod parameters;
mod places;
mod plans;
mod queries;
mod refusals;
mod rows;
mod samples;
mod shapes;
mod words;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sea_orm::DbBackend;
use serde_json::Value;
use vesta_fhir::SCHEMA;

use super::*;
use crate::access::Boundary;
use crate::clock::Clock;
use crate::fhir::Handling;
use crate::store::{AuditKey, Body, Content, Database, Limits, Operation, Options, PostgresPool, Store, Unit, index};

pub(crate) const BASE: &str = "https://example.org/apis/default/fhir";

pub(crate) fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().expect("an instant")
}

/// A store with some resources, and the table of parameters that its rows were made by.
pub(super) struct Fixture {
    pub store: Arc<Store>,
    pub table: Arc<ParameterTable>,
    backend: DbBackend,
    pub folder: Option<tempfile::TempDir>,
}

impl Fixture {
    pub(super) async fn sqlite() -> Fixture {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::Sqlite { file: folder.path().join("site").join("vesta.db") };
        Self::open(database, DbBackend::Sqlite, Some(folder), parameters::types(), BASE).await
    }

    /// With every parameter of R4 and the guides.
    pub(super) async fn generated() -> Fixture {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::Sqlite { file: folder.path().join("site").join("vesta.db") };
        Self::open(database, DbBackend::Sqlite, Some(folder), types(vesta_guides::GUIDES), BASE).await
    }

    /// None where there is no PostgreSQL to be had.
    pub(super) async fn postgres(name: &str) -> Option<Fixture> {
        Self::on_postgres(name, parameters::types()).await
    }

    /// The same with every parameter of R4 and the guides.
    pub(super) async fn generated_on_postgres(name: &str) -> Option<Fixture> {
        Self::on_postgres(name, types(vesta_guides::GUIDES)).await
    }

    async fn on_postgres(name: &str, types: Vec<TypeEntry>) -> Option<Fixture> {
        let Ok(url) = std::env::var("VESTA_TEST_POSTGRES") else {
            assert!(
                std::env::var_os("CI").is_none(),
                "VESTA_TEST_POSTGRES is not set: `cargo xtask test` starts a PostgreSQL and sets it"
            );
            println!("skipped on PostgreSQL: VESTA_TEST_POSTGRES is not set (`cargo xtask test` sets it)");
            return None;
        };
        let pool = PostgresPool::connect(&url, 4, Duration::from_secs(20)).await.expect("PostgreSQL answers");
        let schema = format!("search_{name}");
        let connection = sea_orm::Database::connect(&url).await.expect("PostgreSQL answers");
        let drop = format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE");
        sea_orm::ConnectionTrait::execute_unprepared(&connection, &drop).await.expect("the schema is dropped");
        Some(Self::open(Database::Postgres { pool, schema }, DbBackend::Postgres, None, types, BASE).await)
    }

    async fn open(
        database: Database,
        backend: DbBackend,
        folder: Option<tempfile::TempDir>,
        types: Vec<TypeEntry>,
        base: &str,
    ) -> Fixture {
        let options = Options {
            database,
            clock: Clock::system(),
            parameters: SiteParameters::new(&SCHEMA, types, base, SearchLimits::default()),
            limits: Limits::default(),
            audit_key: AuditKey::new(&[7; 32]),
        };
        let store = Store::open(options).await.expect("the store opens");
        let table = store.table().expect("the table was made");
        Fixture { store, table, backend, folder }
    }

    pub(super) async fn put(&self, resources: &[Value]) {
        let operations = resources.iter().map(|resource| {
            let of = self.table.entry(resource["resourceType"].as_str().expect("a type")).expect("a known type");
            let id = resource["id"].as_str().expect("an id");
            let content = Content {
                body: Body::new(resource.as_object().expect("an object"), id),
                rows: index::rows(&self.table, resource),
            };
            Operation::update(of.number, id, content, None)
        });
        self.store.write(Unit::new(operations.collect())).await.expect("written");
    }

    pub(super) fn planner(&self) -> Planner<'_> {
        Planner { table: &self.table, names: self.store.names(), backend: self.backend }
    }

    /// The ids that a search finds, over all pages of `count`.
    pub(super) async fn find(&self, search: &Search, boundary: &Boundary, count: usize) -> Vec<String> {
        let mut ids = Vec::new();
        let mut position = None;
        loop {
            let page = self.page(search, boundary, count, position).await;
            ids.extend(page.found.iter().map(|found| found.stored.id.clone()));
            match page.next {
                Some(next) => position = Some(next),
                None => return ids,
            }
            assert!(ids.len() < 10_000, "pages never end");
        }
    }

    pub(super) async fn page(
        &self,
        search: &Search,
        boundary: &Boundary,
        count: usize,
        position: Option<Position>,
    ) -> Page {
        let access = Access { boundary };
        let lead = self.planner().lead(search, access, &self.store).await.expect("counted");
        let search = &Search { lead, ..search.clone() };
        self.planner()
            .find(search, access, count, position, &self.store)
            .await
            .unwrap_or_else(|error| panic!("{error}: {search:?}"))
    }

    pub(super) async fn count(&self, search: &Search, boundary: &Boundary) -> i64 {
        let access = Access { boundary };
        let statement = self.planner().count(search, access);
        self.store.count(&statement).await.unwrap_or_else(|error| panic!("{error}: {statement:?}"))
    }
}

/// The parameters of a query string whose values are not encoded.
pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub(super) fn parse(table: &ParameterTable, of: Option<&str>, query: &str) -> Result<Search, SearchError> {
    Search::parse(table, of, &pairs(query), Handling::Strict, now()).map(|(search, _)| search)
}

pub(super) fn corpus() -> Vec<Value> {
    let Value::Array(resources) = vesta_runtime::json::parse(include_bytes!("corpus.json")).expect("JSON") else {
        panic!("an array")
    };
    resources
}

/// The table without a store, for what needs memory only.
pub(super) fn table() -> ParameterTable {
    table_of(parameters::types())
}

/// With every parameter, of which the rows of one are still being made.
pub(crate) fn table_not_indexed(of: &str, code: &str) -> ParameterTable {
    let types = types(vesta_guides::GUIDES);
    let number = types.iter().find(|entry| entry.name == of).map(|entry| entry.number);
    let is_it = |definition: &crate::store::ParameterDefinition| {
        Some(definition.resource_type) == number && definition.code == code
    };
    table_with(types, |definition| !is_it(definition))
}

/// The same with every parameter of R4 and the guides.
pub(crate) fn generated_table() -> ParameterTable {
    table_of(types(vesta_guides::GUIDES))
}

fn table_of(types: Vec<TypeEntry>) -> ParameterTable {
    table_with(types, |_| true)
}

fn table_with(
    types: Vec<TypeEntry>,
    is_indexed: impl Fn(&crate::store::ParameterDefinition) -> bool,
) -> ParameterTable {
    let entries = definitions(&types, BASE)
        .into_iter()
        .zip(1..)
        .map(|(definition, id)| {
            let is_indexed = is_indexed(&definition);
            crate::store::ParameterEntry::new(id, definition, is_indexed)
        })
        .collect();
    let dictionary = Arc::new(crate::store::Dictionary::new(entries, [7; 16]));
    ParameterTable::new(&SCHEMA, types, dictionary, BASE)
}
