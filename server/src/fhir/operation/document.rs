//! `Composition/$document`: the document that a Composition is the head of.
//! <https://hl7.org/fhir/R4/composition-operation-document.html>
//!
//! "The bundle includes … the Composition as its first entry, and any resources that it refers to": the subject, the
//! authors, the encounter, and what stands in the sections. By `persist` the Bundle is stored as well.

use serde_json::{Value, json};

use super::gather::{parse, read_all, references};
use super::{Invocation, resource_answer};
use crate::access::Permission;
use crate::fhir::answer::{Answer, AnswerKind};
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::preferences::{Preferences, Return};
use crate::fhir::service::{Request, gone, not_found};
use crate::fhir::{boundary, create};
use crate::store::instant;
use crate::validate::is_id;

pub(super) async fn document(request: Request<'_>, invocation: Invocation<'_>) -> Result<Answer, Error> {
    let service = request.service;
    let resource_type = service.resource_type("Composition")?;
    let granted = request.grant(resource_type, Permission::Read)?;
    let inputs = &invocation.inputs;
    if inputs.text("graph").is_some() {
        let text = "`graph` is not supported: the document has what the Composition refers to.";
        return Err(Error::new(Kind::NotSupported, text));
    }
    let persist = inputs.boolean("persist").unwrap_or(false);
    if persist && invocation.is_get {
        return Err(Error::new(Kind::Invalid, "`persist` stores the document: invoke $document by POST."));
    }
    let id = match (invocation.id, inputs.text("id")) {
        (Some(id), None) => id.to_owned(),
        (None, Some(named)) => local(&service.base_url, named)?,
        (Some(_), Some(_)) => {
            // "The id parameter SHALL NOT be used if the operation is requested on a particular composition".
            let text = "The path names the Composition: leave `id` out, or invoke it as Composition/$document?id=….";
            return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Invalid, text)));
        }
        (None, None) => {
            let text = "`id` is missing: the Composition, as its id or URL.";
            return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Required, text)));
        }
    };
    let stored = service.store.read(resource_type.number, &id).await?.ok_or_else(not_found)?;
    boundary::check_read(&request, resource_type, &granted, &stored).await?;
    if stored.deleted {
        return Err(gone(stored.version));
    }
    let along = read_all(&request, references(&request, &stored.body)).await?;
    let mut resources = vec![parse(&stored)?];
    for stored in along.iter().filter(|other| other.key != stored.key) {
        resources.push(parse(stored)?);
    }
    let bundle = bundle(&request, resources);
    if !persist {
        return Ok(resource_answer(&bundle));
    }
    // What the operation returns is the document, whatever a write would: https://hl7.org/fhir/R4/http.html#return
    let preferences = Preferences { returning: Some(Return::Representation), ..request.preferences };
    let request = Request { preferences, ..request };
    let answer = create::create_resource(&request, service.resource_type("Bundle")?, bundle, None).await?;
    // The operation answers with the Bundle, which now has an id: 200, as operations do.
    Ok(Answer { kind: AnswerKind::Ok, ..answer })
}

/// The id of the Composition that a parameter names: `1`, `Composition/1`, or its URL on this server.
fn local(base: &str, named: &str) -> Result<String, Error> {
    let path = named.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')).unwrap_or(named);
    let id = path.strip_prefix("Composition/").unwrap_or(path);
    if is_id(id) {
        return Ok(id.to_owned());
    }
    let text = "`id` names no Composition of this server: give its id, Composition/[id], or its URL below the base here. \
                Documents of other servers are not made.";
    Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Value, text)))
}

/// A document Bundle of these resources, the Composition first. It has an identifier and a time of its own (bdl-9,
/// bdl-10).
pub(super) fn bundle(request: &Request<'_>, resources: Vec<Value>) -> Value {
    let service = request.service;
    let entries: Vec<Value> = resources
        .into_iter()
        .map(|resource| {
            let text = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
            let full_url = match resource.pointer("/meta/versionId") {
                Some(_) => service.full_url(text("resourceType"), text("id")),
                // Made for this document alone.
                None => format!("urn:uuid:{}", text("id")),
            };
            json!({ "fullUrl": full_url, "resource": resource })
        })
        .collect();
    json!({
        "resourceType": "Bundle",
        "identifier": { "system": "urn:ietf:rfc:3986", "value": format!("urn:uuid:{}", service.ids.next()) },
        "type": "document",
        "timestamp": instant(service.clock.now()),
        "entry": entries,
    })
}
