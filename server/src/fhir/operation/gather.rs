//! What comes with the resources of a page or a document: what they refer to, their attachments, and their Provenance.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;
use vesta_runtime::search::Reference;

use crate::access::Boundary;
use crate::fhir::boundary;
use crate::fhir::outcome::{Error, Kind};
use crate::fhir::page::{Beside, BundleWriter};
use crate::fhir::service::{Request, Type};
use crate::search::Access;
use crate::store::Stored;

pub(super) fn parse(stored: &Stored) -> Result<Value, Error> {
    vesta_runtime::json::parse(&stored.body)
        .map_err(|error| Error::new(Kind::Internal, "A stored resource cannot be read.").caused_by(error))
}

/// The resources of this server that a resource refers to, each once, in the order of the text.
pub(super) fn references(request: &Request<'_>, resource: &Value) -> Vec<(String, String)> {
    fn collect<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(text) if name == "reference" => found.push(text),
                        value => collect(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    collect(resource, &mut texts);
    let mut seen = BTreeSet::new();
    let base = &request.service.base_url;
    let local = texts.into_iter().filter_map(Reference::parse).filter_map(|reference| {
        let is_here = reference.base.as_deref().is_none_or(|of| of == base);
        let target = (reference.target_type?, reference.target_id?);
        (is_here && seen.insert(target.clone())).then_some(target)
    });
    local.collect()
}

/// The current versions of these resources, as far as the token reaches them.
pub(super) async fn read_all(
    request: &Request<'_>,
    targets: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<Stored>, Error> {
    let mut grants: HashMap<String, Option<(Type, Boundary)>> = HashMap::new();
    let mut found = Vec::new();
    for (name, id) in targets {
        let granted = grants
            .entry(name)
            .or_insert_with_key(|name| Some((request.service.resource_type(name).ok()?, request.reach(name).ok()?)));
        let Some((resource_type, granted)) = granted else { continue };
        let Some(stored) = request.service.store.read(resource_type.number, &id).await? else { continue };
        if !stored.deleted && boundary::is_readable(request, *resource_type, granted, &stored).await? {
            found.push(stored);
        }
    }
    Ok(found)
}

/// The Binaries that resources have as attachments.
pub(super) fn attached(request: &Request<'_>, resources: &[Value]) -> Vec<(String, String)> {
    let base = request.service.parameters.base();
    let mut seen = BTreeSet::new();
    for resource in resources {
        let name = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
        for (_, url) in boundary::attachments(name, resource) {
            if let Some(id) = boundary::local_binary(base, url) {
                seen.insert(("Binary".to_owned(), id.to_owned()));
            }
        }
    }
    seen.into_iter().collect()
}

/// The Provenance of resources, as far as the token reaches it.
pub(super) async fn provenance(request: &Request<'_>, resources: &[Stored]) -> Result<Vec<Stored>, Error> {
    const AT_ONCE: usize = 256;
    let service = request.service;
    let Ok(boundary) = request.reach("Provenance") else { return Ok(Vec::new()) };
    let (planner, access) = (service.planner(), Access { boundary: &boundary });
    let mut all = Vec::new();
    for resources in resources.chunks(AT_ONCE) {
        let targets = resources
            .iter()
            .filter_map(|stored| Some((service.parameters.type_name(stored.resource_type)?, stored.id.as_str())));
        let targets: Vec<(&str, &str)> = targets.collect();
        if let Some(statement) = planner.referrers_by("Provenance", "target", &targets, access) {
            all.extend(service.store.page(&statement, 0).await?.into_iter().map(|found| found.stored));
        }
    }
    Ok(all)
}

/// Writes a resource as an entry of a search set.
pub(super) fn write(request: &Request<'_>, writer: &mut BundleWriter, stored: &Stored, mode: &'static str) {
    let name = request.service.parameters.type_name(stored.resource_type).unwrap_or_default();
    let full_url = request.service.full_url(name, &stored.id);
    writer.entry(Some(&full_url), Some(&stored.body), &Beside::Search(mode));
}
