//! What comes with the resources of a page or a document: what they refer to, their attachments, and their Provenance.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;
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

/// The resources of this server that a stored resource refers to, each once, in the order of the text.
pub(super) fn references(request: &Request<'_>, body: &[u8]) -> Vec<(String, String)> {
    let mut seen = BTreeSet::new();
    let base = &request.service.base_url;
    let local = reference_texts(body).filter_map(|text| Reference::parse(&text)).filter_map(|reference| {
        let is_here = reference.base.as_deref().is_none_or(|of| of == base);
        let target = (reference.target_type?, reference.target_id?);
        (is_here && seen.insert(target.clone())).then_some(target)
    });
    local.collect()
}

/// The values of all members `reference` of a text that was stored, without reading the rest of it: what is stored has no
/// space between its tokens, and a quotation mark inside a string has a backslash before it.
fn reference_texts(body: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    static MEMBER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"reference\":\""));
    MEMBER.find_iter(body).filter_map(|place| {
        // From the quotation mark on: the string, and whatever follows it.
        let rest = &body[place + MEMBER.needle().len() - 1..];
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Text<'_>>();
        values.next()?.ok().map(|text| text.0)
    })
}

/// A string, copied only where it has escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

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
pub(super) fn attached(request: &Request<'_>, resources: &[Stored]) -> Result<Vec<(String, String)>, Error> {
    let parameters = &request.service.parameters;
    let mut seen = BTreeSet::new();
    for stored in resources {
        let name = parameters.type_name(stored.resource_type).unwrap_or_default();
        if boundary::attachment_of(name).is_none() {
            continue;
        }
        for (_, url) in boundary::attachments(name, &parse(stored)?) {
            if let Some(id) = boundary::local_binary(parameters.base(), url) {
                seen.insert(("Binary".to_owned(), id.to_owned()));
            }
        }
    }
    Ok(seen.into_iter().collect())
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::Body;

    /// Against a walk through the tree, on what is stored of a resource that says all that might be mistaken.
    #[test]
    fn references_are_found_in_the_text_as_in_the_tree() {
        let resource = json!({
            "resourceType": "Observation",
            "subject": { "reference": "Patient/1", "display": "\"reference\":\"Patient/2\"" },
            "note": [{ "text": "{\"reference\":\"Patient/3\"}" }, { "text": "reference" }, { "text": "\\" }],
            "performer": [{ "reference": "Practitioner/a\"\u{e9}\n" }, { "display": "reference", "reference": "" }],
            "contained": [{ "resourceType": "List", "entry": [{ "item": { "reference": "#x" } }], "reference": 1 }],
        });
        let body = Body::new(resource.as_object().unwrap(), "o").splice(1, jiff::Timestamp::UNIX_EPOCH);
        let found: Vec<_> = reference_texts(body.as_bytes()).collect();
        assert_eq!(found, ["Patient/1", "Practitioner/a\"\u{e9}\n", "", "#x"]);
    }
}
