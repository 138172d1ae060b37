//! A patient's current summary, generated from the chart as a FHIR document: a Composition with the sections that a
//! continuity-of-care document has, and what they list.
//! <https://hl7.org/fhir/R4/documents.html>

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::docref::{LOINC, SUMMARY};
use super::document;
use super::gather::{parse, read_all, references};
use crate::fhir::outcome::Error;
use crate::fhir::preferences::Handling;
use crate::fhir::service::Request;
use crate::search::{Access, Rule, Search};
use crate::store::{Stored, instant};

/// What a section has: its title, its LOINC code, and the search for its entries.
struct Section {
    title: &'static str,
    code: &'static str,
    resource_type: &'static str,
    criteria: &'static [(&'static str, &'static str)],
}

const fn section(
    title: &'static str,
    code: &'static str,
    resource_type: &'static str,
    criteria: &'static [(&'static str, &'static str)],
) -> Section {
    Section { title, code, resource_type, criteria }
}

/// In the order in which a clinician reads them. Section codes of C-CDA's Continuity of Care Document.
const SECTIONS: [Section; 14] = [
    section("Allergies and intolerances", "48765-2", "AllergyIntolerance", &[]),
    section("Medications", "10160-0", "MedicationRequest", &[("status", "active,on-hold,completed")]),
    section("Problems", "11450-4", "Condition", &[("category", "problem-list-item,health-concern")]),
    section("Encounter diagnoses", "29308-4", "Condition", &[("category", "encounter-diagnosis")]),
    section("Procedures", "47519-4", "Procedure", &[]),
    section("Results", "30954-2", "Observation", &[("category", "laboratory")]),
    section("Vital signs", "8716-3", "Observation", &[("category", "vital-signs")]),
    section("Social history", "29762-2", "Observation", &[("category", "social-history,survey,sdoh")]),
    section("Immunizations", "11369-6", "Immunization", &[]),
    section("Medical equipment", "46264-8", "Device", &[]),
    section("Goals", "61146-7", "Goal", &[]),
    section("Plan of treatment", "18776-5", "CarePlan", &[]),
    section("Care team", "85847-2", "CareTeam", &[]),
    section("Encounters", "46240-8", "Encounter", &[]),
];

/// A section lists so many entries at most, the latest ones.
const MOST_ENTRIES: usize = 100;

pub(super) async fn of_patient(request: &Request<'_>, id: &str, patient: &Stored) -> Result<Value, Error> {
    let service = request.service;
    let (mut sections, mut resources) = (Vec::new(), vec![parse(patient)?]);
    let mut seen = BTreeSet::from([patient.key]);
    let mut targets: BTreeSet<(String, String)> = references(request, &patient.body).into_iter().collect();
    for section in &SECTIONS {
        // What the token does not cover is no part of its summary.
        let Some(found) = entries(request, id, section).await? else { continue };
        let listed: Vec<Value> = found
            .iter()
            .map(|stored| json!({ "reference": format!("{}/{}", section.resource_type, stored.id) }))
            .collect();
        let mut described = json!({
            "title": section.title,
            "code": { "coding": [{ "system": LOINC, "code": section.code }] },
        });
        if listed.is_empty() {
            described["emptyReason"] = json!({ "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/list-empty-reason", "code": "unavailable"
            }] });
        } else {
            described["entry"] = Value::Array(listed);
        }
        sections.push(described);
        for stored in found {
            if seen.insert(stored.key) {
                targets.extend(references(request, &stored.body));
                resources.push(parse(&stored)?);
            }
        }
    }
    // Practitioners, organizations, medications and their like, which the entries name.
    let is_directory =
        |name: &str| service.parameters.entry(name).is_some_and(|entry| entry.boundary.rule == Rule::Directory);
    targets.retain(|(name, _)| is_directory(name));
    for stored in read_all(request, targets).await? {
        if seen.insert(stored.key) {
            resources.push(parse(&stored)?);
        }
    }
    let composition = json!({
        "resourceType": "Composition",
        "id": service.ids.next(),
        "status": "final",
        "type": { "coding": [{ "system": LOINC, "code": SUMMARY, "display": "Summarization of Episode Note" }] },
        "subject": { "reference": format!("Patient/{id}") },
        "date": instant(service.clock.now()),
        "author": [{ "display": "Vesta" }],
        "title": "Patient summary",
        "section": sections,
    });
    resources.insert(0, composition);
    Ok(document::bundle(request, resources))
}

/// None where the token does not reach the type.
async fn entries(request: &Request<'_>, id: &str, section: &Section) -> Result<Option<Vec<Stored>>, Error> {
    let service = request.service;
    let Ok(boundary) = request.reach(section.resource_type) else { return Ok(None) };
    let of_patient = ("patient", format!("Patient/{id}"));
    let criteria = section.criteria.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let parameters: Vec<(String, String)> =
        std::iter::once(of_patient).chain(criteria).map(|(name, value)| (name.to_owned(), value)).collect();
    let now = service.clock.now();
    let (search, _) =
        Search::parse(&service.parameters, Some(section.resource_type), &parameters, Handling::Strict, now)?;
    let access = Access { boundary: &boundary };
    let plan = service.planner().page(&search, access, MOST_ENTRIES, None);
    let page = plan.page(service.store.page(&plan.statement, plan.sort_columns).await?);
    let mut found = Vec::with_capacity(page.found.len());
    for stored in page.found.into_iter().map(|found| found.stored) {
        if !is_in_error(&parse(&stored)?) {
            found.push(stored);
        }
    }
    Ok(Some(found))
}

/// What was entered in error is no part of a summary. Of most types `status` tells, of conditions and allergies
/// `verificationStatus`.
fn is_in_error(resource: &Value) -> bool {
    let is_it = |code: Option<&Value>| code.and_then(Value::as_str) == Some("entered-in-error");
    let codings = resource.pointer("/verificationStatus/coding").and_then(Value::as_array);
    is_it(resource.get("status")) || codings.into_iter().flatten().any(|coding| is_it(coding.get("code")))
}
