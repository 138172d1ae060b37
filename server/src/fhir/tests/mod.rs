//! Each interaction against a real SQLite store.

mod ambiguous;
mod attachments;
mod audit_events;
mod audit_log;
mod binaries;
mod bundles;
mod capabilities;
mod conditional;
mod contained;
mod granular;
mod includes;
mod lastn;
mod listed;
mod operations;
mod patient_boundary;
mod read_and_write;
mod searches;
mod synthea;
mod terminology;
mod terminology_operations;
mod versions;

use std::sync::Arc;

use serde_json::{Value, json};
use vesta_fhir::SCHEMA;

use super::*;
use crate::access::{AccessContext, parse_scopes};
use crate::clock::{Clock, Ids};
use crate::search::{SearchLimits, SiteParameters, types};
use crate::store::{AuditKey, Database, Limits, Options, Store};

/// A site's service on a database of its own.
pub(super) struct Fixture {
    pub(super) service: Arc<Service>,
    pub(super) access: AccessContext,
    pub(super) preferences: Preferences,
    _folder: tempfile::TempDir,
}

pub(super) const BASE: &str = "https://example.org/apis/default/fhir";

impl Fixture {
    pub(super) async fn new(scopes: &str) -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let types = types(vesta_guides::GUIDES);
        let options = Options {
            database: Database::Sqlite { file: folder.path().join("site.db") },
            clock: Clock::system(),
            parameters: SiteParameters::new(&SCHEMA, types, BASE, SearchLimits::default()),
            limits: Limits::default(),
            audit_key: AuditKey::new(&[7; 32]),
        };
        let store = Store::open(options).await.unwrap();
        let table = store.table();
        let ids = Ids::counting("id");
        let service = Service::new(BASE, &SCHEMA, store, table.unwrap(), Clock::system(), ids).await.unwrap();
        let service = service.with_issuer("https://example.org/oauth2/default");
        let service = service.with_guides(vesta_guides::guides::get("hl7.fhir.us.core", "8.0.0"));
        let access = AccessContext {
            subject: "tester".into(),
            client_id: "client".into(),
            scopes: parse_scopes(scopes).unwrap(),
            ..AccessContext::default()
        };
        Fixture { service: Arc::new(service), access, preferences: Preferences::default(), _folder: folder }
    }

    pub(super) fn request(&self) -> Request<'_> {
        Request {
            service: &self.service,
            access: &self.access,
            request_id: "request-1",
            origin: Origin::default(),
            preferences: self.preferences,
        }
    }

    /// The same data under other rules.
    pub(super) async fn with_rules(self, rules: WriteRules) -> Fixture {
        let Fixture { mut service, access, preferences, _folder } = self;
        // The writer lets go of what it has done a moment after it has answered.
        let service = loop {
            match Arc::try_unwrap(service) {
                Ok(service) => break service.with_rules(rules),
                Err(shared) => service = shared,
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        };
        Fixture { service: Arc::new(service), access, preferences, _folder }
    }

    /// The same site, asked with other scopes.
    pub(super) fn with_scopes(&self, scopes: &str) -> AccessContext {
        AccessContext { scopes: parse_scopes(scopes).unwrap(), ..self.access.clone() }
    }
}

/// A write without conditions.
pub(super) const ALWAYS: WriteConditions<'static> =
    WriteConditions { if_match: None, if_none_match: None, if_unmodified_since: None };

pub(super) fn if_match(tags: &str) -> WriteConditions<'_> {
    WriteConditions { if_match: Some(tags), ..ALWAYS }
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

impl Fixture {
    /// Stores a resource under its own id.
    pub(super) async fn put(&self, resource: Value) {
        let (name, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        update::update(&self.request(), name, id, &bytes(&resource), ALWAYS).await.unwrap();
    }

    pub(super) async fn bundle(&self, bundle_type: &str, entries: Value) -> Result<Value, Error> {
        let bundle = json!({ "resourceType": "Bundle", "type": bundle_type, "entry": entries });
        Ok(body_of(bundle::bundle(&self.request(), &bytes(&bundle)).await?))
    }
}

/// An Observation of a patient.
pub(super) fn observation(id: &str, patient: &str, date: &str) -> Value {
    json!({
        "resourceType": "Observation", "id": id, "status": "final", "code": { "coding": [{ "system": "http://loinc.org", "code": "8867-4" }] },
        "subject": { "reference": format!("Patient/{patient}") }, "effectiveDateTime": date
    })
}

/// `mode Type/id` of each entry of a search set.
pub(super) fn entries(bundle: &Value) -> Vec<String> {
    bundle["entry"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            let resource = &entry["resource"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!("{} {}/{}", text(&entry["search"]["mode"]), text(&resource["resourceType"]), text(&resource["id"]))
        })
        .collect()
}

pub(super) fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array()?;
    let link = links.iter().find(|link| link["relation"] == relation)?;
    Some(link["url"].as_str()?.to_owned())
}

/// The parameters of a link.
pub(super) fn parameters_of(link: &str) -> Vec<(String, String)> {
    query::parse(link.split_once('?').unwrap().1)
}
