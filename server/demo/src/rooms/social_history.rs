//! Social history: smoking, work, pregnancy, orientation.

use jiff::civil::Date;
use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::directory::RUIZ;
use crate::element::{Code, Unit, code, concept, loinc, quantity, reference, snomed, unit};
use crate::time::{day, instant};
use crate::version::Versions;

const SMOKING: Code = loinc("72166-2", "Tobacco smoking status");
const PACK_YEARS: Code = snomed("401201003", "Cigarette pack-years");
pub(crate) const NEVER_SMOKED: Code = snomed("266919005", "Never smoked tobacco");
pub(crate) const EX_SMOKER: Code = snomed("8517006", "Ex-smoker");
pub(crate) const SMOKES_DAILY: Code = snomed("449868002", "Smokes tobacco daily");
const PACK_YEAR: Unit = unit("pack-years", "{pack-years}");

const PREGNANCY_STATUS: Code = loinc("82810-3", "Pregnancy status");
const PREGNANCY_INTENT: Code = loinc("86645-9", "Pregnancy intention in the next year - Reported");
pub(crate) const PREGNANT: Code = snomed("77386006", "Pregnant");
pub(crate) const NOT_PREGNANT: Code = snomed("60001007", "Not pregnant");
pub(crate) const NOT_SURE: Code = snomed("454381000124105", "Not sure of desire to become pregnant (finding)");

const ORIENTATION: Code = loinc("76690-7", "Sexual orientation");
pub(crate) const HETEROSEXUAL: Code = snomed("20430005", "Heterosexual");
pub(crate) const HOMOSEXUAL: Code = snomed("38628009", "Homosexual");

const OCCUPATION: Code = loinc("11341-5", "History of Occupation");
const INDUSTRY: Code = loinc("86188-0", "History of Occupation Industry");
/// Occupational Data for Health.
const WORK: &str = "http://terminology.hl7.org/CodeSystem/PHOccupationalDataForHealthODH";
pub(crate) const NURSING_ASSISTANT: Code =
    code(WORK, "31-1014.00.007136", "Certified Nursing Assistant (CNA) [Nursing Assistants]");
pub(crate) const HOME_NURSING: Code = code(WORK, "621610.008495", "Home nursing services");

const SINCE_7_0: Versions = Versions::V7_0.or(Versions::V8_0);

/// us-core-24: a status is a concept.
pub(crate) fn smoking(chart: &mut Chart, visit: &Visit, status: &Code) -> String {
    let value = json!({ "valueCodeableConcept": concept(status) });
    observe(chart, visit, "us-core-smokingstatus", &SMOKING, value)
}

/// A status that held from one day to another, which 6.1.0 has no element for.
pub(crate) fn smoked(chart: &mut Chart, visit: &Visit, status: &Code, from: Date, to: Date) -> String {
    let period = json!({ "start": day(from), "end": day(to) });
    let value =
        json!({ "valueCodeableConcept": concept(status), "effectiveDateTime": null, "effectivePeriod": period });
    let body = body(chart, visit, &SMOKING, value);
    chart.add_in(SINCE_7_0, "Observation", &["us-core-smokingstatus"], visit.end, body)
}

/// us-core-25: an amount is a quantity, which 6.1.0 does not take.
pub(crate) fn pack_years(chart: &mut Chart, visit: &Visit, digits: &str) -> String {
    let body = body(chart, visit, &PACK_YEARS, json!({ "valueQuantity": quantity(digits, PACK_YEAR) }));
    chart.add_in(SINCE_7_0, "Observation", &["us-core-smokingstatus"], visit.end, body)
}

pub(crate) fn pregnancy(chart: &mut Chart, visit: &Visit, status: &Code) -> String {
    let value = json!({ "valueCodeableConcept": concept(status) });
    observe(chart, visit, "us-core-observation-pregnancystatus", &PREGNANCY_STATUS, value)
}

pub(crate) fn pregnancy_intent(chart: &mut Chart, visit: &Visit, intent: &Code) -> String {
    let value = json!({ "valueCodeableConcept": concept(intent) });
    observe(chart, visit, "us-core-observation-pregnancyintent", &PREGNANCY_INTENT, value)
}

pub(crate) fn orientation(chart: &mut Chart, visit: &Visit, orientation: &Code) -> String {
    let value = json!({ "valueCodeableConcept": concept(orientation) });
    observe(chart, visit, "us-core-observation-sexual-orientation", &ORIENTATION, value)
}

/// Work as a nursing assistant in people's homes.
pub(crate) fn occupation(chart: &mut Chart, visit: &Visit, from: Date, to: Option<Date>) -> String {
    let value = json!({
        "effectiveDateTime": null,
        "effectivePeriod": { "start": day(from), "end": to.map(day) },
        "valueCodeableConcept": concept(&NURSING_ASSISTANT),
        "component": [{ "code": concept(&INDUSTRY), "valueCodeableConcept": concept(&HOME_NURSING) }],
    });
    observe(chart, visit, "us-core-observation-occupation", &OCCUPATION, value)
}

fn observe(chart: &mut Chart, visit: &Visit, profile: &str, what: &Code, outcome: Value) -> String {
    let body = body(chart, visit, what, outcome);
    chart.add("Observation", &[profile], visit.end, body)
}

fn body(chart: &Chart, visit: &Visit, what: &Code, outcome: Value) -> Value {
    let category =
        code("http://terminology.hl7.org/CodeSystem/observation-category", "social-history", "Social History");
    let mut body = json!({
        "status": "final",
        "category": [concept(&category)],
        "code": concept(what),
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "effectiveDateTime": instant(visit.at(8)),
        "performer": [reference(RUIZ)],
    });
    if let (Value::Object(body), Value::Object(outcome)) = (&mut body, outcome) {
        body.extend(outcome);
    }
    body
}
