//! Each interaction against a real SQLite store.

mod read_and_write;

use std::sync::Arc;

use serde_json::{Value, json};
use vesta_fhir::SCHEMA;

use super::*;
use crate::access::{AccessContext, parse_scopes};
use crate::clock::{Clock, Ids};
use crate::search::{ParameterTable, Rule, TypeBoundary, TypeEntry, definitions};
use crate::store::index::{self, IndexRows};
use crate::store::{Database, Indexer, Limits, Options, Store};

/// A site's service on a database of its own.
pub(super) struct Fixture {
    pub(super) service: Arc<Service>,
    pub(super) access: AccessContext,
    pub(super) preferences: Preferences,
    _folder: tempfile::TempDir,
}

struct Rows(Arc<ParameterTable>);

impl Indexer for Rows {
    fn rows(&self, _resource_type: u16, body: &[u8]) -> Option<IndexRows> {
        Some(index::rows(&self.0, &vesta_runtime::json::parse(body).ok()?))
    }

    fn compartment_hash(&self) -> u64 {
        self.0.compartment_hash()
    }
}

fn types() -> Vec<TypeEntry> {
    let resources = SCHEMA.types.iter().filter_map(|definition| SCHEMA.resource(definition.name));
    resources
        .enumerate()
        .map(|(number, definition)| TypeEntry {
            name: definition.name,
            number: u16::try_from(number).unwrap(),
            parameters: Vec::new(),
            boundary: TypeBoundary { rule: Rule::Nothing, parameters: &[], mask: 0, date: None },
        })
        .collect()
}

pub(super) const BASE: &str = "https://example.org/apis/default/fhir";

impl Fixture {
    pub(super) async fn new(scopes: &str) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let types = types();
        let options = Options {
            database: Database::Sqlite { file: folder.path().join("site.db") },
            clock: Clock::system(),
            parameters: definitions(&types),
            limits: Limits::default(),
        };
        let mut table = None;
        let store = Store::open(options, |dictionary, _| {
            let made = Arc::new(ParameterTable::new(&SCHEMA, types, Arc::clone(dictionary), BASE));
            table = Some(Arc::clone(&made));
            Arc::new(Rows(made))
        })
        .await
        .unwrap();
        let ids = Ids::counting("id");
        let service = Service::new(BASE, &SCHEMA, store, table.unwrap(), Clock::system(), ids).await.unwrap();
        let access = AccessContext {
            subject: "tester".to_owned(),
            client_id: "client".to_owned(),
            patient: None,
            scopes: parse_scopes(scopes).unwrap(),
        };
        Fixture { service: Arc::new(service), access, preferences: Preferences::default(), _folder: folder }
    }

    pub(super) fn request(&self) -> Request<'_> {
        Request { service: &self.service, access: &self.access, request_id: "request-1", preferences: self.preferences }
    }

    /// The same site, asked with other scopes.
    pub(super) fn with_scopes(&self, scopes: &str) -> AccessContext {
        AccessContext { scopes: parse_scopes(scopes).unwrap(), ..self.access.clone() }
    }
}

pub(super) fn body_of(answer: Answer) -> Value {
    let bytes = answer.body.into_bytes();
    if bytes.is_empty() { Value::Null } else { vesta_runtime::json::parse(&bytes).unwrap() }
}

pub(super) fn patient(family: &str) -> Value {
    json!({ "resourceType": "Patient", "name": [{ "family": family }] })
}

pub(super) fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

pub(super) fn pairs(parameters: &[(&str, &str)]) -> Vec<(String, String)> {
    parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Readable text, with the times taken out.
pub(super) fn redacted(mut value: Value) -> String {
    fn redact(value: &mut Value) {
        match value {
            Value::Object(object) => {
                for (name, value) in object.iter_mut() {
                    match name.as_str() {
                        "lastUpdated" | "lastModified" => *value = json!("[time]"),
                        _ => redact(value),
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(redact),
            _ => {}
        }
    }
    redact(&mut value);
    serde_json::to_string_pretty(&value).unwrap()
}
