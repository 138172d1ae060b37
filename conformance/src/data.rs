//! What a server must hold: the files that were loaded, or, of a foreign server, what it returned for whole patients.
//! Expected answers are worked out from this, never from the answer under test.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::client::{Sending, Server};
use crate::samples::{self, SampleError};
use crate::suite::Suite;

/// Resources by type, in the order in which they came.
#[derive(Debug, Default)]
pub struct Data {
    resources: BTreeMap<String, Vec<Value>>,
    places: BTreeMap<String, usize>,
    /// Whether the server holds these and no others.
    is_complete: bool,
    /// The patients that tests are about.
    patients: Vec<String>,
}

/// How much is read of a foreign server, that a run stays short.
const PAGES: usize = 50;
const PATIENTS: usize = 5;
/// How often the references of what was read are followed.
const DEPTH: usize = 3;

impl Data {
    /// What was loaded into a server that held nothing before.
    pub fn loaded(resources: impl IntoIterator<Item = Value>) -> Self {
        let mut data = Self { is_complete: true, ..Self::default() };
        for resource in resources {
            data.add(resource);
        }
        data.patients =
            data.of_type("Patient").filter_map(|patient| patient["id"].as_str()).map(str::to_owned).collect();
        data
    }

    /// The files of a folder: NDJSON, single resources, Bundles of entries with ids.
    pub fn from_folder(folder: &Path) -> Result<Self, SampleError> {
        Ok(Self::loaded(samples::folder(folder)?.into_iter().map(|sample| sample.resource)))
    }

    /// What a server returns for these patients, or for some of its own where none are named.
    pub fn read_from(server: &Server, suites: &[Suite], patients: &[String]) -> Result<Self, String> {
        let mut data = Self::default();
        let patients = if patients.is_empty() { some_patients(server)? } else { patients.to_vec() };
        let types: BTreeSet<&str> = suites
            .iter()
            .flat_map(|suite| &suite.parameters)
            .filter(|(_, parameters)| parameters.contains_key("patient"))
            .map(|(resource_type, _)| resource_type.as_str())
            .collect();
        for patient in &patients {
            let found = read(server, &format!("Patient/{patient}"))?;
            data.add(found.ok_or_else(|| format!("the server has no Patient/{patient}"))?);
            for resource_type in &types {
                // What the server does not search by patient is missed here, and by its tests.
                for resource in pages(server, &format!("{resource_type}?patient={patient}")).unwrap_or_default() {
                    data.add(resource);
                }
                let path = format!("{resource_type}?patient={patient}&_revinclude=Provenance:target");
                for resource in pages(server, &path).unwrap_or_default() {
                    data.add(resource);
                }
            }
        }
        for _ in 0..DEPTH {
            let mut wanted = BTreeSet::new();
            for resource in data.resources.values().flatten() {
                references(resource, &mut |reference| {
                    if let Some(key) = data.key_of(server, reference).filter(|key| !data.places.contains_key(key)) {
                        wanted.insert(key);
                    }
                });
            }
            for key in wanted {
                if let Some(resource) = read(server, &key)? {
                    data.add(resource);
                }
            }
        }
        data.patients = patients;
        Ok(data)
    }

    fn key_of(&self, server: &Server, reference: &str) -> Option<String> {
        let relative = reference.strip_prefix(&format!("{}/", server.base)).unwrap_or(reference);
        key(relative)
    }

    fn add(&mut self, resource: Value) {
        let (Some(resource_type), Some(id)) = (resource["resourceType"].as_str(), resource["id"].as_str()) else {
            return;
        };
        let (resource_type, key) = (resource_type.to_owned(), format!("{resource_type}/{id}"));
        let of_type = self.resources.entry(resource_type).or_default();
        if let Entry::Vacant(place) = self.places.entry(key) {
            place.insert(of_type.len());
            of_type.push(resource);
        }
    }

    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    pub fn patients(&self) -> &[String] {
        &self.patients
    }

    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.resources.keys().map(String::as_str)
    }

    pub fn all(&self) -> impl Iterator<Item = &Value> {
        self.resources.values().flatten()
    }

    pub fn of_type(&self, resource_type: &str) -> impl Iterator<Item = &Value> + use<'_> {
        self.resources.get(resource_type).into_iter().flatten()
    }

    /// By `Type/id`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let (resource_type, _) = key.split_once('/')?;
        self.resources.get(resource_type)?.get(*self.places.get(key)?)
    }
}

/// `Patient/1` of a relative reference, a version left aside.
pub(crate) fn key(reference: &str) -> Option<String> {
    let mut parts = reference.split('/');
    let (resource_type, id) = (parts.next()?, parts.next()?);
    let is_type = resource_type.starts_with(|first: char| first.is_ascii_uppercase());
    let ends = parts.next().is_none_or(|history| history == "_history");
    (is_type && !id.is_empty() && ends).then(|| format!("{resource_type}/{id}"))
}

/// Every `reference` of a resource.
pub(crate) fn references<'a>(value: &'a Value, visit: &mut dyn FnMut(&'a str)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "reference" => visit(text),
                    value => references(value, visit),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, visit)),
        _ => {}
    }
}

fn some_patients(server: &Server) -> Result<Vec<String>, String> {
    let found = pages_up_to(server, &format!("Patient?_count={PATIENTS}"), 1)?;
    let ids: Vec<String> = found.iter().filter_map(|patient| patient["id"].as_str()).map(str::to_owned).collect();
    if ids.is_empty() { Err("the server returns no Patient: name some with --patient".to_owned()) } else { Ok(ids) }
}

fn read(server: &Server, path: &str) -> Result<Option<Value>, String> {
    let answer = server.send(path, Sending::default())?;
    if answer.status() == 200 { answer.json().map(Some) } else { Ok(None) }
}

fn pages(server: &Server, path: &str) -> Result<Vec<Value>, String> {
    pages_up_to(server, path, PAGES)
}

fn pages_up_to(server: &Server, path: &str, limit: usize) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    let mut next = Some(path.to_owned());
    for _ in 0..limit {
        let Some(page) = next.take() else { break };
        let Some(mut bundle) = read(server, &page)? else { return Err(format!("{page} is refused")) };
        next = link(&bundle, "next").map(str::to_owned);
        for entry in bundle["entry"].as_array_mut().into_iter().flatten() {
            if entry["search"]["mode"] != "outcome" {
                found.push(entry["resource"].take());
            }
        }
    }
    Ok(found)
}

/// The Bundle's link of that relation.
pub(crate) fn link<'a>(bundle: &'a Value, relation: &str) -> Option<&'a str> {
    let links = bundle["link"].as_array().into_iter().flatten();
    links.filter(|link| link["relation"] == relation).find_map(|link| link["url"].as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_are_found_by_type_and_by_key() {
        let patient = json!({ "resourceType": "Patient", "id": "1" });
        let data = Data::loaded([patient.clone(), json!({ "resourceType": "Device", "id": "1" })]);
        assert_eq!(data.get("Patient/1"), Some(&patient));
        assert_eq!((data.of_type("Device").count(), data.patients()), (1, &["1".to_owned()][..]));
    }

    #[test]
    fn a_key_is_read_from_relative_references_only() {
        assert_eq!(key("Patient/1").as_deref(), Some("Patient/1"));
        assert_eq!(key("Patient/1/_history/2").as_deref(), Some("Patient/1"));
        assert_eq!(key("#contained"), None);
        assert_eq!(key("urn:uuid:1/2"), None);
        assert_eq!(key("https://example.org/Patient/1"), None);
    }
}
