//! What a token grants, on single resources: what is read, what is about to be written, and what stood there before.
//! A search has it in its plan; the table of rules is the same, and so are the index values that constraints of scopes
//! are compared with.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::outcome::{Error, Issue, IssueType, Kind};
use super::preferences::Handling;
use super::service::{Request, Type, not_found};
use crate::access::{Boundary, Part};
use crate::search::{Access, ParameterTable, Rule, Search, meets};
use crate::store::{Check, Refusal, Stored, index};

/// The resources of one transaction, by `Type/id`: a Provenance may target what is written beside it.
pub(super) type Beside = HashMap<String, Value>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    Write,
}

/// The new body of a write must lie inside the boundary, and must not bring inside what lies outside.
pub(super) async fn check_new(
    request: &Request<'_>,
    resource_type: Type,
    boundary: &Boundary,
    resource: &Value,
    beside: &Beside,
) -> Result<(), Error> {
    let patient = match boundary {
        Boundary::Unrestricted => return Ok(()),
        Boundary::Patient(patient) => {
            if !is_of_patient(request, resource_type, (patient, &[]), resource, Purpose::Write, beside).await? {
                return Err(Error::new(Kind::Forbidden, OTHER_WRITTEN));
            }
            patient
        }
        Boundary::Parts(parts) => {
            let mut within = None;
            for part in parts.iter() {
                if !is_in_part(request, resource_type, part, resource, Purpose::Write, beside).await? {
                    continue;
                }
                match &part.patient {
                    None => return Ok(()),
                    patient => within = patient.as_ref(),
                }
            }
            within.ok_or_else(|| Error::new(Kind::Forbidden, OUTSIDE))?
        }
    };
    check_attachments(request, resource_type, patient, resource, beside).await
}

const OTHER_WRITTEN: &str =
    "The resource is not about the patient of this token: with patient scopes only that patient's records are written.";
const OTHER_CHANGED: &str =
    "The resource is not about the patient of this token: with patient scopes only that patient's records are changed.";
const OUTSIDE: &str = "The resource is not of the part of its type that the token's scopes grant: what is written meets \
                       what stands behind `?` in one of them, before the write and after it.";

/// What a record names as its attachment is read with it (`is_attached`), so a token names only what it reaches
/// already, or makes beside it. What does not exist is refused in the same words: whoever came to store it under that
/// id would show it, and the answer must not tell whether it is there.
async fn check_attachments(
    request: &Request<'_>,
    resource_type: Type,
    patient: &str,
    resource: &Value,
    beside: &Beside,
) -> Result<(), Error> {
    let Ok(binary) = request.service.resource_type("Binary") else { return Ok(()) };
    let (mut reached, mut issues) = (HashSet::new(), Vec::new());
    let boundary = &request.access.attachments(request.asked(), patient);
    for (place, url) in attachments(resource_type.name, resource) {
        let Some(id) = local_binary(request.service.parameters.base(), url) else { continue };
        if reached.contains(id) {
            continue;
        }
        let is_reached = match request.service.store.read(binary.number, id).await? {
            Some(stored) => !stored.deleted && is_readable(request, binary, boundary, &stored).await?,
            None => beside.contains_key(&format!("Binary/{id}")),
        };
        if is_reached {
            reached.insert(id);
            continue;
        }
        issues.push(
            Issue::error(
                IssueType::Forbidden,
                "The attachment is no Binary that this token can read: with patient scopes a record names only Binaries of \
                 that patient. Store the Binary first, with the patient as its `securityContext`, or in the same \
                 transaction.",
            )
            .at(place),
        );
    }
    if issues.is_empty() { Ok(()) } else { Err(Error::from_issues(Kind::Forbidden, issues)) }
}

/// Where resources of the type have attachments by which a Binary comes inside: the element, and the pointer from there.
pub(super) fn attachment_of(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        "DocumentReference" => Some(("content", "/attachment/url")),
        "DiagnosticReport" => Some(("presentedForm", "/url")),
        _ => None,
    }
}

/// The URLs by which a Binary comes inside, as the search's plan has them, with their FHIRPath expressions.
pub(super) fn attachments<'a>(name: &str, resource: &'a Value) -> Vec<(String, &'a str)> {
    let Some((element, inner)) = attachment_of(name) else { return Vec::new() };
    let items = resource.get(element).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let urls = items.iter().enumerate().filter_map(|(index, item)| {
        let url = item.pointer(inner)?.as_str()?;
        Some((format!("{name}.{element}[{index}]{}", inner.replace('/', ".")), url))
    });
    urls.collect()
}

/// The id of a Binary of this server, however the URL goes on after it: a version, a fragment, or what the index cuts
/// off as the version of a canonical (`|1`).
pub(super) fn local_binary<'a>(base: &str, url: &'a str) -> Option<&'a str> {
    let rest = url.strip_prefix(base).unwrap_or(url).trim_start_matches('/').strip_prefix("Binary/")?;
    let end = rest.find(|character: char| !character.is_ascii_alphanumeric() && !matches!(character, '-' | '.'));
    Some(&rest[..end.unwrap_or(rest.len())])
}

/// What stands before a change must lie inside the boundary too: checked by the writer, with the lock held.
pub(super) fn check_before(request: &Request<'_>, resource_type: Type, boundary: &Boundary) -> Option<Check> {
    if *boundary == Boundary::Unrestricted {
        return None;
    }
    let (table, boundary) = (Arc::clone(&request.service.parameters), boundary.clone());
    Some(Arc::new(move |before: Option<&Stored>| {
        let Some(stored) = before.filter(|stored| !stored.deleted) else { return Ok(()) };
        let is_inside = vesta_runtime::json::parse(&stored.body)
            .is_ok_and(|resource| holds(&table, resource_type, &boundary, &resource));
        let text = if matches!(boundary, Boundary::Parts(_)) { OUTSIDE } else { OTHER_CHANGED };
        if is_inside { Ok(()) } else { Err(Box::new(Error::new(Kind::Forbidden, text)) as Refusal) }
    }))
}

/// Whether a record lies inside by what it says itself: as a change needs it, with a lock held.
fn holds(table: &ParameterTable, resource_type: Type, boundary: &Boundary, resource: &Value) -> bool {
    let of_patient = |patient: &str| match rule(table, resource_type) {
        Rule::Compartment | Rule::Binary => in_compartment(table, resource_type, patient, resource),
        // Directories are for reading. A Provenance is written once: whether the targets that it had are inside
        // would need a look at others with the lock held.
        Rule::Directory | Rule::Provenance | Rule::Nothing => false,
    };
    match boundary {
        Boundary::Unrestricted => true,
        Boundary::Patient(patient) => of_patient(patient),
        Boundary::Parts(parts) => parts.iter().any(|part| {
            part.types.contains(&resource_type.name)
                && meets(table, resource, &part.criteria)
                && part.patient.as_deref().is_none_or(of_patient)
        }),
    }
}

/// A stored version may be shown. What lies outside answers as if it did not exist.
pub(super) async fn check_read(
    request: &Request<'_>,
    resource_type: Type,
    boundary: &Boundary,
    stored: &Stored,
) -> Result<(), Error> {
    if is_readable(request, resource_type, boundary, stored).await? { Ok(()) } else { Err(not_found()) }
}

/// Whether a stored version lies inside. A deletion has no body: there the version before it tells.
pub(super) async fn is_readable(
    request: &Request<'_>,
    resource_type: Type,
    boundary: &Boundary,
    stored: &Stored,
) -> Result<bool, Error> {
    match boundary {
        Boundary::Unrestricted => Ok(true),
        // Boxed, so that a read that need not ask does not carry it.
        boundary => Box::pin(is_within(request, resource_type, boundary, stored)).await,
    }
}

async fn is_within(
    request: &Request<'_>,
    resource_type: Type,
    boundary: &Boundary,
    stored: &Stored,
) -> Result<bool, Error> {
    let mut before = None;
    if stored.deleted {
        before = request.service.store.read_version(resource_type.number, &stored.id, stored.version - 1).await?;
        // One deletion follows another nowhere; were it so, it must not be taken for readable.
        if before.as_ref().is_none_or(|before| before.deleted) {
            return Ok(false);
        }
    }
    let body = before.as_ref().map_or(&stored.body, |before| &before.body);
    let Ok(resource) = vesta_runtime::json::parse(body) else { return Ok(false) };
    is_shown(request, resource_type, boundary, &resource).await
}

/// Whether a resource as it is may be shown.
pub(super) async fn is_shown(
    request: &Request<'_>,
    resource_type: Type,
    boundary: &Boundary,
    resource: &Value,
) -> Result<bool, Error> {
    let (purpose, beside) = (Purpose::Read, &Beside::new());
    match boundary {
        Boundary::Unrestricted => Ok(true),
        Boundary::Patient(patient) => {
            is_of_patient(request, resource_type, (patient, &[]), resource, purpose, beside).await
        }
        Boundary::Parts(parts) => {
            for part in parts.iter() {
                if is_in_part(request, resource_type, part, resource, purpose, beside).await? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

async fn is_in_part(
    request: &Request<'_>,
    resource_type: Type,
    part: &Part,
    resource: &Value,
    purpose: Purpose,
    beside: &Beside,
) -> Result<bool, Error> {
    let is_met =
        part.types.contains(&resource_type.name) && meets(&request.service.parameters, resource, &part.criteria);
    match &part.patient {
        Some(patient) if is_met => {
            is_of_patient(request, resource_type, (patient, &part.narrowed), resource, purpose, beside).await
        }
        _ => Ok(is_met),
    }
}

fn rule(table: &ParameterTable, resource_type: Type) -> Rule {
    table.entry(resource_type.name).map_or(Rule::Nothing, |entry| entry.boundary.rule)
}

/// Whether the resource has a compartment row of the patient by one of the boundary's parameters.
fn in_compartment(table: &ParameterTable, resource_type: Type, patient: &str, resource: &Value) -> bool {
    let Some(entry) = table.entry(resource_type.name) else { return false };
    index::compartment_rows(table, resource)
        .iter()
        .any(|row| row.patient == patient && row.bits & entry.boundary.mask != 0)
}

/// The patient whose boundary it is, and the types of which less than that is reached: see [`Part::narrowed`].
type Own<'a> = (&'a str, &'a [(&'static str, Boundary)]);

async fn is_of_patient(
    request: &Request<'_>,
    resource_type: Type,
    own @ (patient, _): Own<'_>,
    resource: &Value,
    purpose: Purpose,
    beside: &Beside,
) -> Result<bool, Error> {
    let table = &request.service.parameters;
    match rule(table, resource_type) {
        Rule::Compartment => Ok(in_compartment(table, resource_type, patient, resource)),
        Rule::Directory => Ok(purpose == Purpose::Read),
        Rule::Nothing => Ok(false),
        // Read by one target inside, written only where all are.
        Rule::Provenance => {
            let targets = resource.get("target").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let mut all = !targets.is_empty();
            for target in targets {
                let inside = target_is_inside(request, own, target, beside).await?;
                if inside && purpose == Purpose::Read {
                    return Ok(true);
                }
                all &= inside;
            }
            Ok(all && purpose == Purpose::Write)
        }
        Rule::Binary if in_compartment(table, resource_type, patient, resource) => Ok(true),
        Rule::Binary => match resource.get("securityContext") {
            Some(context) => target_is_inside(request, own, context, beside).await,
            None if purpose == Purpose::Read => is_attached(request, resource_type, own, resource).await,
            None => Ok(false),
        },
    }
}

/// Whether a record inside the boundary has this Binary as an attachment: a search knows.
async fn is_attached(
    request: &Request<'_>,
    resource_type: Type,
    (patient, narrowed): Own<'_>,
    resource: &Value,
) -> Result<bool, Error> {
    let service = request.service;
    let Some(id) = resource.get("id").and_then(Value::as_str) else { return Ok(false) };
    let query = [("_id".to_owned(), id.to_owned())];
    let now = service.clock.now();
    let (search, _) = Search::parse(&service.parameters, Some(resource_type.name), &query, Handling::Strict, now)?;
    let boundary = match narrowed {
        [] => Boundary::Patient(patient.to_owned()),
        narrowed => {
            let (types, patient) = (vec![resource_type.name], Some(patient.to_owned()));
            Boundary::Parts([Part { types, patient, criteria: Vec::new(), narrowed: narrowed.to_vec() }].into())
        }
    };
    let plan = service.planner().page(&search, Access { boundary: &boundary }, 1, None);
    Ok(!service.store.page(&plan.statement, plan.sort_columns).await?.is_empty())
}

/// Whether a Reference leads to a record in the patient's compartment, of what is reached of its type.
async fn target_is_inside(
    request: &Request<'_>,
    (patient, narrowed): Own<'_>,
    reference: &Value,
    beside: &Beside,
) -> Result<bool, Error> {
    let service = request.service;
    let Some(text) = reference.get("reference").and_then(Value::as_str) else { return Ok(false) };
    let local = text.strip_prefix(&service.base_url).map_or(text, |rest| rest.trim_start_matches('/'));
    let mut segments = local.split('/');
    let (Some(name), Some(id)) = (segments.next(), segments.next()) else { return Ok(false) };
    let Ok(target) = service.resource_type(name) else { return Ok(false) };
    if rule(&service.parameters, target) != Rule::Compartment {
        return Ok(false);
    }
    let is_inside = |resource: &Value| {
        in_compartment(&service.parameters, target, patient, resource)
            && narrowed
                .iter()
                .filter(|(of, _)| *of == target.name)
                .all(|(_, reached)| holds(&service.parameters, target, reached, resource))
    };
    if let Some(resource) = beside.get(&format!("{name}/{id}")) {
        return Ok(is_inside(resource));
    }
    let Some(stored) = service.store.read(target.number, id).await? else { return Ok(false) };
    Ok(!stored.deleted && vesta_runtime::json::parse(&stored.body).is_ok_and(|resource| is_inside(&resource)))
}
