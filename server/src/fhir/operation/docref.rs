//! `$docref`: the references to a patient's documents, those that are there and the one that can be made.
//! <https://hl7.org/fhir/us/core/STU8/OperationDefinition-docref.html>
//!
//! "… if the type is not provided, the CCD document, if available, SHALL be in scope": without `type` it is the
//! patient's current summary (LOINC 34133-9). With `on-demand` only what can be generated is in scope, without it what
//! is stored too. The summary is generated as a FHIR document (see `summary`) and stands in the attachment itself:
//! nothing is stored. "If neither a start date nor an end date is provided, the most recent or current document is in
//! scope"; with dates, the documents of care in that time.
//!
//! Who may search DocumentReferences of a patient that the token reaches may ask; so may who has the scope that OpenEMR names
//! after it (`patient/DocumentReference.$docref`), which gives the references and nothing that they lead to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::gather::write;
use super::{Invocation, summary};
use crate::access::{Boundary, Permission};
use crate::fhir::answer::Answer;
use crate::fhir::boundary;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::page::{Beside, BundleWriter};
use crate::fhir::preferences::Handling;
use crate::fhir::query;
use crate::fhir::service::{Request, not_found};
use crate::search::{Access, Search, escape};
use crate::store::{Stored, instant};

pub(super) const LOINC: &str = "http://loinc.org";
/// Summarization of episode note: the type of a patient's summary.
pub(super) const SUMMARY: &str = "34133-9";

const MOST_DOCUMENTS: usize = 1_000;

pub(super) async fn docref(request: Request<'_>, invocation: Invocation<'_>) -> Result<Answer, Error> {
    let service = request.service;
    let documents = service.resource_type("DocumentReference")?;
    let inputs = &invocation.inputs;
    let id = inputs.text("patient").unwrap_or_default();
    let patients = service.resource_type("Patient")?;
    let is_meant = |boundary: &Boundary| !matches!(boundary, Boundary::Patient(own) if own != id);
    let by_operation = request.access.operation(documents.name, "docref").filter(is_meant);
    let granted = match (request.granted(documents.name, Permission::Search), &by_operation) {
        (Ok(Boundary::Unrestricted), _) => Boundary::Unrestricted,
        (_, Some(granted)) => granted.clone(),
        (granted, None) => granted?,
    };
    let reached = request.reach(patients.name);
    let of_patient = match (&by_operation, &reached) {
        (Some(granted), _) | (None, Ok(granted)) => granted,
        (None, Err(refused)) => return Err(refused.clone().into()),
    };
    let patient = service.store.read(patients.number, id).await?.ok_or_else(not_found)?;
    boundary::check_read(&request, patients, of_patient, &patient).await?;
    if patient.deleted {
        return Err(not_found());
    }
    // The summary tells of the patient: who may only ask for references gets none with it in them.
    let may_read = match &reached {
        Ok(reached) => boundary::check_read(&request, patients, reached, &patient).await.is_ok(),
        Err(_) => false,
    };
    let on_demand = inputs.boolean("on-demand").unwrap_or(false);
    let (start, end) = (inputs.text("start"), inputs.text("end"));
    super::everything::dates(start, end)?;
    let types: Vec<(&str, &str)> = match inputs.all("type").collect::<Vec<_>>().as_slice() {
        [] => vec![(LOINC, SUMMARY)],
        given => given
            .iter()
            .map(|coding| {
                let part = |name: &str| coding.get(name).and_then(Value::as_str).unwrap_or_default();
                (part("system"), part("code"))
            })
            .collect(),
    };
    let profiles: Vec<&str> = inputs.all("profile").filter_map(Value::as_str).collect();

    let used: Vec<(&str, String)> = inputs.query();
    let used = query::write(used.iter().map(|(name, value)| (*name, value.as_str())));
    let url = format!("{}/DocumentReference/$docref?{used}", service.base_url);
    let mut found = Vec::new();
    if !on_demand {
        found = stored(&request, &granted, id, &types, &profiles, start, end).await?;
    }
    // The summary is of today, and claims no profile.
    let is_asked = types.iter().any(|(system, code)| *code == SUMMARY && matches!(*system, LOINC | ""));
    let generated = if may_read && is_asked && profiles.is_empty() && touches_today(&request, start, end)? {
        Some(summary_reference(&request, id, &patient).await?)
    } else {
        None
    };
    let total = found.len() + usize::from(generated.is_some());
    let mut writer = BundleWriter::new("searchset", u64::try_from(total).ok(), &[("self", url)]);
    for stored in &found {
        write(&request, &mut writer, stored, "match");
    }
    if let Some(reference) = generated {
        let full_url = format!("urn:uuid:{}", service.ids.next());
        writer.entry(Some(&full_url), Some(&reference.to_string().into_bytes().into()), &Beside::Search("match"));
    }
    Ok(Answer::ok(writer.finish()))
}

/// The stored references that are in scope, newest first: of each type the latest where no dates are given.
async fn stored(
    request: &Request<'_>,
    granted: &Boundary,
    patient: &str,
    types: &[(&str, &str)],
    profiles: &[&str],
    start: Option<&str>,
    end: Option<&str>,
) -> Result<Vec<Stored>, Error> {
    let service = request.service;
    let mut all: Vec<Stored> = Vec::new();
    for (system, code) in types {
        let token = if system.is_empty() { escape(code) } else { format!("{}|{}", escape(system), escape(code)) };
        let mut parameters = vec![
            ("patient".to_owned(), format!("Patient/{patient}")),
            ("type".to_owned(), token),
            ("status".to_owned(), "current".to_owned()),
            ("_sort".to_owned(), "-date".to_owned()),
        ];
        parameters.extend(start.map(|start| ("period".to_owned(), format!("ge{start}"))));
        parameters.extend(end.map(|end| ("period".to_owned(), format!("le{end}"))));
        let now = service.clock.now();
        let (search, _) =
            Search::parse(&service.parameters, Some("DocumentReference"), &parameters, Handling::Strict, now)?;
        let most = if start.is_none() && end.is_none() && profiles.is_empty() { 1 } else { MOST_DOCUMENTS };
        let plan = service.planner().page(&search, Access { boundary: granted }, most, None);
        let page = plan.page(service.store.page(&plan.statement, plan.sort_columns).await?);
        if page.next.is_some() && most > 1 {
            let text = format!("More than {MOST_DOCUMENTS} documents are in scope: narrow it by `start` and `end`.");
            return Err(Error::from_issue(Kind::Unprocessable, Issue::error(IssueType::TooCostly, text)));
        }
        let mut matching: Vec<Stored> = page.found.into_iter().map(|found| found.stored).collect();
        if !profiles.is_empty() {
            matching.retain(|stored| claims(stored, profiles));
        }
        if start.is_none() && end.is_none() {
            matching.truncate(1);
        }
        matching.retain(|stored| all.iter().all(|known| known.key != stored.key));
        all.extend(matching);
    }
    Ok(all)
}

/// Whether the document claims one of the profiles, as its format or for the reference itself.
fn claims(stored: &Stored, profiles: &[&str]) -> bool {
    let Ok(resource) = vesta_runtime::json::parse(&stored.body) else { return false };
    let of_meta = resource.pointer("/meta/profile").and_then(Value::as_array).into_iter().flatten();
    let formats = resource.get("content").and_then(Value::as_array).into_iter().flatten();
    let formats = formats.filter_map(|content| content.pointer("/format/code"));
    of_meta.chain(formats).filter_map(Value::as_str).any(|claimed| {
        let plain = claimed.split('|').next().unwrap_or(claimed);
        profiles.iter().any(|profile| *profile == claimed || *profile == plain)
    })
}

/// The summary is of the present: it is in scope where the time asked for reaches it.
fn touches_today(request: &Request<'_>, start: Option<&str>, end: Option<&str>) -> Result<bool, Error> {
    let now = request.service.clock.now().as_microsecond();
    let covered = |text: &str| {
        let parsed = vesta_runtime::date::DateTime::parse(text)
            .map_err(|_| Error::new(Kind::Invalid, "`start` and `end` are dates or times."))?;
        Ok::<_, Error>(parsed.covers())
    };
    let begins = start.map(covered).transpose()?.is_none_or(|(low, _)| low <= now);
    let ends = end.map(covered).transpose()?.is_none_or(|(_, high)| high >= now);
    Ok(begins && ends)
}

/// A DocumentReference whose attachment is the summary itself.
async fn summary_reference(request: &Request<'_>, id: &str, patient: &Stored) -> Result<Value, Error> {
    let bundle = summary::of_patient(request, id, patient).await?;
    let now = instant(request.service.clock.now());
    let text = bundle.to_string();
    Ok(json!({
        "resourceType": "DocumentReference",
        "status": "current",
        "type": { "coding": [{ "system": LOINC, "code": SUMMARY, "display": "Summarization of Episode Note" }] },
        "category": [{ "coding": [{
            "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
            "code": "clinical-note", "display": "Clinical Note"
        }] }],
        "subject": { "reference": format!("Patient/{id}") },
        "date": now,
        "author": [{ "display": "Vesta" }],
        "description": "The patient's summary as a FHIR document, generated on demand",
        "content": [{
            "attachment": {
                "contentType": "application/fhir+json",
                "data": STANDARD.encode(&text),
                "size": text.len(),
                "title": "Patient summary",
                "creation": now
            },
            "format": { "system": "urn:ietf:rfc:3986", "code": "http://hl7.org/fhir/StructureDefinition/Bundle" }
        }]
    }))
}
