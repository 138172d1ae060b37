//! Allergies and intolerances.

use jiff::civil::Date;
use serde_json::json;

use crate::chart::{Chart, Visit};
use crate::element::{Code, code, concept, reference, rxnorm, snomed};
use crate::time::day;

pub(crate) const PENICILLIN: Code = rxnorm("7980", "penicillin G");
pub(crate) const PEANUT: Code = snomed("762952008", "Peanut");
pub(crate) const LATEX: Code = snomed("111088007", "Latex");
pub(crate) const SULFONAMIDE: Code = snomed("763875007", "Product containing sulfonamide");
pub(crate) const HIVES: Code = snomed("247472004", "Hives");
pub(crate) const RASH: Code = snomed("271807003", "Eruption of skin");

#[derive(Debug, Clone, Copy)]
pub(crate) struct Allergy {
    pub(crate) to: Code,
    pub(crate) category: &'static str,
    pub(crate) criticality: &'static str,
    pub(crate) reaction: Code,
    pub(crate) severity: &'static str,
    pub(crate) since: Date,
    pub(crate) is_over: bool,
}

pub(crate) fn allergy(chart: &mut Chart, visit: &Visit, allergy: &Allergy) -> String {
    let status = if allergy.is_over { ("resolved", "Resolved") } else { ("active", "Active") };
    let body = json!({
        "clinicalStatus": concept(&code(
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", status.0, status.1)),
        "verificationStatus": concept(&code(
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "confirmed", "Confirmed")),
        "type": "allergy",
        "category": [allergy.category],
        "criticality": allergy.criticality,
        "code": concept(&allergy.to),
        "patient": chart.subject(),
        "encounter": visit.reference(),
        "onsetDateTime": day(allergy.since),
        "recordedDate": day(visit.start),
        "recorder": reference(visit.clinician),
        "reaction": [{ "manifestation": [concept(&allergy.reaction)], "severity": allergy.severity }],
    });
    chart.add("AllergyIntolerance", &["us-core-allergyintolerance"], visit.end, body)
}
