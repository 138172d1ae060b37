//! The record of one patient while it is made: what is in it, and which versions of US Core it keeps.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use serde_json::{Map, Value, json};

use crate::element::{reference, without_nulls};
use crate::random::Random;
use crate::time::{instant, minutes_after};
use crate::version::{Versions, claims};

/// Where a visit was, when, and with whom.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    /// `Encounter/…`
    pub(crate) encounter: String,
    pub(crate) start: DateTime,
    pub(crate) end: DateTime,
    /// `Practitioner/…`: who is responsible.
    pub(crate) clinician: &'static str,
    /// `Location/…`
    pub(crate) location: &'static str,
    /// `Organization/…`
    pub(crate) organization: &'static str,
}

impl Visit {
    pub(crate) fn at(&self, minutes: i64) -> DateTime {
        minutes_after(self.start, minutes)
    }

    pub(crate) fn reference(&self) -> Value {
        reference(&self.encounter)
    }
}

#[derive(Debug)]
pub(crate) struct Chart {
    /// Of the Patient; all others' ids begin with it.
    pub(crate) id: String,
    pub(crate) random: Random,
    versions: Versions,
    counts: BTreeMap<&'static str, usize>,
    resources: Vec<Value>,
    /// Up to which resource a Provenance tells who wrote it.
    signed: usize,
}

impl Chart {
    pub(crate) fn new(seed: u64, id: String, versions: Versions) -> Chart {
        let random = Random::new(seed, &id);
        Chart { id, random, versions, counts: BTreeMap::new(), resources: Vec::new(), signed: 0 }
    }

    pub(crate) fn patient(&self) -> String {
        format!("Patient/{}", self.id)
    }

    pub(crate) fn subject(&self) -> Value {
        reference(&self.patient())
    }

    pub(crate) fn keeps(&self, version: Versions) -> bool {
        self.versions.and(version) == version
    }

    /// Adds a resource that keeps the profiles, in all versions of the chart that have them. What is null in it is left
    /// out. Returns its address.
    pub(crate) fn add(
        &mut self,
        resource_type: &'static str,
        profiles: &[&str],
        written: DateTime,
        body: Value,
    ) -> String {
        self.add_in(Versions::ALL, resource_type, profiles, written, body)
    }

    /// The same, in some versions only.
    pub(crate) fn add_in(
        &mut self,
        versions: Versions,
        resource_type: &'static str,
        profiles: &[&str],
        written: DateTime,
        body: Value,
    ) -> String {
        let id = if resource_type == "Patient" {
            self.id.clone()
        } else {
            let count = self.counts.entry(resource_type).or_default();
            *count += 1;
            format!("{}-{}-{count}", self.id, resource_type.to_lowercase())
        };
        let address = format!("{resource_type}/{id}");
        let profiles = claims(profiles, self.versions.and(versions));
        self.resources.push(resource(resource_type, &id, profiles, written, body));
        address
    }

    /// Sets an element of a resource that was added before the others it refers to.
    pub(crate) fn amend(&mut self, address: &str, element: &str, value: Value) {
        let found = self.resources.iter_mut().rev().find(|resource| {
            address.split_once('/').is_some_and(|(name, id)| resource["resourceType"] == name && resource["id"] == id)
        });
        if let Some(resource) = found {
            resource[element] = value;
        }
    }

    /// Addresses of what was added since this was last asked, without Binaries and Provenances.
    pub(crate) fn unsigned(&mut self) -> Vec<Value> {
        let new = &self.resources[self.signed..];
        let address = |resource: &Value| {
            let name = resource["resourceType"].as_str()?;
            let id = resource["id"].as_str()?;
            (!matches!(name, "Binary" | "Provenance")).then(|| reference(&format!("{name}/{id}")))
        };
        let unsigned = new.iter().filter_map(address).collect();
        self.signed = self.resources.len();
        unsigned
    }

    pub(crate) fn into_resources(self) -> Vec<Value> {
        self.resources
    }
}

/// A resource from its parts, in the order that people expect.
pub(crate) fn resource(resource_type: &str, id: &str, profiles: Value, written: DateTime, body: Value) -> Value {
    let mut members = Map::new();
    members.insert("resourceType".to_owned(), resource_type.into());
    members.insert("id".to_owned(), id.into());
    members.insert("meta".to_owned(), json!({ "lastUpdated": instant(written), "profile": profiles }));
    if let Value::Object(body) = body {
        members.extend(body);
    }
    let mut resource = Value::Object(members);
    without_nulls(&mut resource);
    resource
}
