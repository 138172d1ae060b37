//! What patients wish: preferences for treatment and care, and the directives that say so.

use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::element::{Code, US_CORE_CATEGORY, code, concept, extension, loinc, reference, snomed};
use crate::rooms::patients::YES;
use crate::time::instant;

const TREATMENT: Code =
    loinc("75773-2", "Goals, preferences, and priorities for medical treatment Narrative - Reported");
const EXPERIENCE: Code = loinc("95541-9", "Care experience preference");
const DIRECTIVE: Code = loinc("45473-6", "Advance healthcare directive completed");
pub(crate) const NOT_FOR_RESUSCITATION: Code = snomed("304253006", "Not for resuscitation");

/// In the patient's words, or as a concept.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish<'a> {
    Worded(&'a str),
    Coded(Code),
    /// A concept that no system has a code for.
    Uncoded(&'a str),
}

pub(crate) fn treatment(chart: &mut Chart, visit: &Visit, wish: Wish<'_>) -> String {
    let category = code(US_CORE_CATEGORY, "treatment-intervention-preference", "Treatment Intervention Preference");
    let body = body(chart, visit, &category, &TREATMENT, value(wish));
    chart.add("Observation", &["us-core-treatment-intervention-preference"], visit.end, body)
}

pub(crate) fn experience(chart: &mut Chart, visit: &Visit, wish: Wish<'_>) -> String {
    let category = code(US_CORE_CATEGORY, "care-experience-preference", "Care Experience Preference");
    let body = body(chart, visit, &category, &EXPERIENCE, value(wish));
    chart.add("Observation", &["us-core-care-experience-preference"], visit.end, body)
}

/// Says that there are directives, and where.
pub(crate) fn directives(chart: &mut Chart, visit: &Visit, documents: &[String]) -> String {
    let category = code(US_CORE_CATEGORY, "observation-adi-documentation", "Observation ADI Documentation");
    let url = "http://hl7.org/fhir/StructureDefinition/workflow-supportingInfo";
    let links: Vec<Value> =
        documents.iter().map(|document| extension(url, "valueReference", reference(document))).collect();
    let mut body = body(chart, visit, &category, &DIRECTIVE, ("valueCodeableConcept", concept(&YES)));
    body["extension"] = links.into();
    body["issued"] = instant(visit.end).into();
    chart.add("Observation", &["us-core-observation-adi-documentation"], visit.end, body)
}

fn value(wish: Wish<'_>) -> (&'static str, Value) {
    match wish {
        Wish::Worded(words) => ("valueString", words.into()),
        Wish::Coded(code) => ("valueCodeableConcept", concept(&code)),
        Wish::Uncoded(words) => ("valueCodeableConcept", json!({ "text": words })),
    }
}

fn body(chart: &Chart, visit: &Visit, category: &Code, what: &Code, (name, value): (&str, Value)) -> Value {
    let mut body = json!({
        "status": "final",
        "category": [concept(category)],
        "code": concept(what),
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "effectiveDateTime": instant(visit.at(12)),
        "performer": [reference(visit.clinician)],
    });
    body[name] = value;
    body
}
