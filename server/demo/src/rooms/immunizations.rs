//! Immunizations: codes of CVX, with the package's NDC where there is one (us-core-5).

use jiff::civil::DateTime;
use serde_json::json;

use crate::chart::{Chart, Visit};
use crate::directory::RUIZ;
use crate::element::{Code, code, concept, concept_of, reference};
use crate::time::instant;

/// A vaccine in CVX, and as a package in the National Drug Code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Vaccine(Code, Code);

const fn vaccine(cvx: &'static str, display: &'static str, ndc: &'static str, package: &'static str) -> Vaccine {
    Vaccine(code("http://hl7.org/fhir/sid/cvx", cvx, display), code("http://hl7.org/fhir/sid/ndc", ndc, package))
}

pub(crate) const DTAP: Vaccine = vaccine("20", "DTaP", "58160-0810-11", "INFANRIX");
pub(crate) const MMR: Vaccine = vaccine("03", "MMR", "00006-4681-00", "M-M-R II");
pub(crate) const VARICELLA: Vaccine = vaccine("21", "varicella", "00006-4827-00", "VARIVAX");
pub(crate) const PNEUMOCOCCAL: Vaccine = vaccine("133", "Pneumococcal conjugate PCV 13", "00005-1971-02", "PREVNAR 13");
pub(crate) const TDAP: Vaccine = vaccine("115", "Tdap", "58160-0842-11", "BOOSTRIX");
pub(crate) const INFLUENZA: Vaccine =
    vaccine("158", "influenza, injectable, quadrivalent", "49281-0623-15", "FLUZONE QUADRIVALENT");

pub(crate) fn given(chart: &mut Chart, visit: &Visit, vaccine: &Vaccine) -> String {
    let lot = format!("{}{}", chart.random.of(&["AC", "FX", "JT", "ML"]), chart.random.digits(4));
    immunization(chart, visit, vaccine, visit.at(20), json!({ "status": "completed", "lotNumber": lot }))
}

/// Why a vaccine was not given: the patient or a parent declined.
pub(crate) fn declined(chart: &mut Chart, visit: &Visit, vaccine: &Vaccine) -> String {
    let reason = code("http://terminology.hl7.org/CodeSystem/v3-ActReason", "PATOBJ", "patient objection");
    let outcome = json!({ "status": "not-done", "statusReason": concept(&reason) });
    immunization(chart, visit, vaccine, visit.at(20), outcome)
}

fn immunization(
    chart: &mut Chart,
    visit: &Visit,
    vaccine: &Vaccine,
    at: DateTime,
    outcome: serde_json::Value,
) -> String {
    let is_done = outcome["status"] == "completed";
    let body = json!({
        "status": outcome["status"].clone(),
        "statusReason": outcome.get("statusReason"),
        "vaccineCode": concept_of(&[vaccine.0, vaccine.1]),
        "patient": chart.subject(),
        "encounter": visit.reference(),
        "occurrenceDateTime": instant(at),
        "primarySource": true,
        "location": reference(visit.location),
        "lotNumber": outcome.get("lotNumber"),
        "performer": is_done.then(|| json!([{ "actor": reference(RUIZ) }])),
    });
    chart.add("Immunization", &["us-core-immunization"], visit.end, body)
}
