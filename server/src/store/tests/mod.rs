//! The store on both databases: each test is a function over a [`Fixture`], run on SQLite and on PostgreSQL.

mod audit;
mod history;
mod index;
mod kill;
mod log;
mod order;
mod own;
mod plans;
mod writes;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::*;
use crate::clock::Clock;

pub(super) const PATIENT: u16 = 3;
pub(super) const OBSERVATION: u16 = 7;
pub(super) const DEFINING: u16 = 9;

/// Runs each named function on both databases.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(crate::store::tests::Fixture::sqlite().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(fixture) = crate::store::tests::Fixture::postgres(concat!(module_path!(), stringify!($name))).await {
                    super::$name(fixture).await;
                }
            })*
        }
    };
}
pub(super) use on_both;

/// A database of its own, and the store on it.
pub(super) struct Fixture {
    pub(super) store: Arc<Store>,
    pub(super) database: Database,
    _folder: Option<tempfile::TempDir>,
}

/// A resource of these tests says its own rows: `{"tokens": [1, 2], "patient": "a", "at": 5}`.
struct TestIndexer {
    parameters: Vec<(u16, i32)>,
    /// What a definition of the code `compartment` has for its hash: rows carry it as their bits.
    compartment: u64,
    generation: i64,
}

impl Indexer for TestIndexer {
    fn rows(&self, resource_type: u16, body: &[u8]) -> Option<IndexRows> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let values: Vec<i64> = body.get("tokens")?.as_array()?.iter().filter_map(Value::as_i64).collect();
        let parameters = self.parameters.iter().filter(|(of, _)| *of == resource_type);
        let rows = parameters.flat_map(|(_, id)| values.iter().map(|value| (*id, *value)));
        let mut rows = IndexRows::of_tokens(rows);
        rows.generation = self.generation;
        if let Some(patient) = body.get("patient").and_then(Value::as_str) {
            let at = body.get("at").and_then(Value::as_i64).unwrap_or(0);
            rows.compartments.push(CompartmentRow {
                patient: patient.to_owned(),
                low: at,
                high: at,
                bits: self.compartment as i64,
            });
        }
        Some(rows)
    }

    fn table(self: Arc<Self>) -> Option<Arc<crate::search::ParameterTable>> {
        None
    }

    fn compartment_hash(&self) -> u64 {
        self.compartment
    }
}

/// These, and what resources of the type [`DEFINING`] define: `{"defines": "code", "hash": 1}`, a parameter of
/// Observations. A hash of 0 is no good one.
struct TestParameters(Vec<ParameterDefinition>);

impl TestParameters {
    fn of(posted: &Posted) -> Option<ParameterDefinition> {
        let body: Value = serde_json::from_slice(&posted.body).ok()?;
        Some(definition(OBSERVATION, body["defines"].as_str()?, body["hash"].as_u64()?))
    }
}

impl Parameters for TestParameters {
    fn posted_type(&self) -> Option<u16> {
        Some(DEFINING)
    }

    fn definitions(&self, posted: &[Posted]) -> Result<Vec<ParameterDefinition>, Refusal> {
        let mut all = self.0.clone();
        for one in posted {
            match Self::of(one) {
                Some(ParameterDefinition { extractor_hash: 0, .. }) if one.new => return Err("no good one".into()),
                Some(ParameterDefinition { extractor_hash: 0, .. }) | None => {}
                Some(definition) => all.push(definition),
            }
        }
        Ok(all)
    }

    fn indexer(&self, _: &[Posted], dictionary: &Arc<Dictionary>) -> Arc<dyn Indexer> {
        let parameters = dictionary.iter().map(|entry| (entry.definition.resource_type, entry.id)).collect();
        let compartment = dictionary.get(0, "compartment").map_or(1, |entry| entry.definition.extractor_hash);
        Arc::new(TestIndexer { parameters, compartment, generation: dictionary.generation() })
    }
}

use super::index::IndexRows;

pub(super) fn definition(resource_type: u16, code: &str, extractor_hash: u64) -> ParameterDefinition {
    let url = format!("http://example.org/{code}");
    ParameterDefinition { resource_type, code: code.to_owned(), url, extractor_hash }
}

pub(super) async fn open(
    database: Database,
    parameters: Vec<ParameterDefinition>,
    limits: Limits,
) -> Result<Arc<Store>, StoreError> {
    let parameters = Arc::new(TestParameters(parameters));
    let options = Options { database, clock: Clock::system(), parameters, limits, audit_key: AuditKey::new(&[7; 32]) };
    Store::open(options).await
}

pub(super) fn definitions() -> Vec<ParameterDefinition> {
    vec![definition(OBSERVATION, "code", 1), definition(PATIENT, "name", 1)]
}

impl Fixture {
    pub(super) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::Sqlite { file: folder.path().join("site").join("vesta.db") };
        let store = open(database.clone(), definitions(), Limits::default()).await.expect("the store opens");
        Fixture { store, database, _folder: Some(folder) }
    }

    /// A schema of its own; none where there is no PostgreSQL to be had.
    pub(super) async fn postgres(name: &str) -> Option<Self> {
        let Ok(url) = std::env::var("VESTA_TEST_POSTGRES") else {
            assert!(
                std::env::var_os("CI").is_none(),
                "VESTA_TEST_POSTGRES is not set: `cargo xtask test` starts a PostgreSQL and sets it"
            );
            println!("skipped on PostgreSQL: VESTA_TEST_POSTGRES is not set (`cargo xtask test` sets it)");
            return None;
        };
        let pool = PostgresPool::connect(&url, 6, Duration::from_secs(20)).await.expect("PostgreSQL answers");
        let schema: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        let schema = &schema[schema.len().saturating_sub(50)..];
        let drop = format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE");
        sea_orm::ConnectionTrait::execute_unprepared(&pool.connection, &drop).await.expect("the schema is dropped");
        let database = Database::Postgres { pool, schema: schema.to_owned() };
        let store = open(database.clone(), definitions(), Limits::default()).await.expect("the store opens");
        Some(Fixture { store, database, _folder: None })
    }

    /// Closes and opens again, as a restart does.
    pub(super) async fn reopen(&mut self, parameters: Vec<ParameterDefinition>) {
        self.store.close().await;
        self.store = open(self.database.clone(), parameters, Limits::default()).await.expect("the store opens again");
    }

    pub(super) fn content(&self, resource_type: u16, id: &str, body: Value) -> Content {
        content(&self.store, resource_type, id, body)
    }

    pub(super) async fn create(&self, resource_type: u16, id: &str, body: Value) -> Written {
        let content = self.content(resource_type, id, body);
        let mut written =
            self.store.write(Unit::new(vec![Operation::create(resource_type, id, content)])).await.expect("created");
        written.remove(0)
    }

    pub(super) async fn update(&self, resource_type: u16, id: &str, body: Value) -> Written {
        let content = self.content(resource_type, id, body);
        let operation = Operation::update(resource_type, id, content, None);
        self.store.write(Unit::new(vec![operation])).await.expect("updated").remove(0)
    }

    pub(super) async fn delete(&self, resource_type: u16, id: &str) -> Written {
        let operation = Operation::delete(resource_type, id);
        self.store.write(Unit::new(vec![operation])).await.expect("deleted").remove(0)
    }

    /// What a statement of one integer gives.
    pub(super) async fn count(&self, table: impl sea_orm::sea_query::IntoIden) -> i64 {
        let statement = sea_orm::sea_query::Query::select()
            .expr(sea_orm::sea_query::Func::count(sea_orm::sea_query::Expr::val(1i32)))
            .from(self.store.names().table(table))
            .take();
        self.store.count(&statement).await.expect("a count")
    }
}

pub(super) fn content(store: &Store, resource_type: u16, id: &str, body: Value) -> Content {
    let mut resource = Map::new();
    let name = if resource_type == PATIENT { "Patient" } else { "Observation" };
    resource.insert("resourceType".to_owned(), json!(name));
    resource.extend(body.as_object().expect("an object").clone());
    resource.entry("tokens").or_insert(json!([]));
    let text = Value::Object(resource.clone()).to_string();
    let rows = store.context.held.now().indexer.rows(resource_type, text.as_bytes()).expect("rows");
    Content { body: Body::new(&resource, id), rows }
}

pub(super) fn audit_entry(request_id: &str) -> AuditEntry {
    AuditEntry {
        time: Timestamp::UNIX_EPOCH,
        actor: "someone".into(),
        client: "app".into(),
        action: AuditAction::Read,
        interaction: "read".into(),
        outcome: AuditOutcome::Success,
        patient: None,
        resource_type: Some(OBSERVATION),
        resource_id: Some("a".to_owned()),
        request_id: request_id.to_owned(),
        address: None,
        query: None,
        token: None,
    }
}

/// The newest versions of a history, as they stand.
pub(super) fn whole_history(scope: HistoryScope, count: usize) -> HistoryQuery {
    HistoryQuery { scope, since: None, at: None, listed: None, before: None, as_of: None, counted: false, count }
}
