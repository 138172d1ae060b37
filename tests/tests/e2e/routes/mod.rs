//! The routes of the FHIR API, one file a kind of interaction. <https://hl7.org/fhir/R4/http.html>

mod audit_events;
mod binary;
mod bundle;
mod conditional;
mod create;
mod delete;
mod errors;
mod history;
mod metadata;
mod operations;
mod patch;
mod preconditions;
mod read;
mod search;
mod update;

use serde_json::{Value, json};

/// A Patient with a family name.
fn patient(family: &str) -> Value {
    json!({ "resourceType": "Patient", "name": [{ "family": family }] })
}

/// A weight of a patient; the value keeps its digits.
fn weight(patient: &str, date: &str, value: &str) -> Value {
    let value: Value = serde_json::from_str(value).expect("a number");
    json!({ "resourceType": "Observation", "status": "final",
        "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category",
            "code": "vital-signs" }] }],
        "code": { "coding": [{ "system": "http://loinc.org", "code": "29463-7" }] },
        "subject": { "reference": format!("Patient/{patient}") }, "effectiveDateTime": date,
        "valueQuantity": { "value": value, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg" } })
}
