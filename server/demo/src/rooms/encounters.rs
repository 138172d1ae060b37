//! Encounters: the visits that all else hangs on.

use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::directory::{CLINIC, CLINIC_FLOOR, HOSPITAL, OKAFOR, WARD};
use crate::element::{Code, code, coding, concept, extension, reference, snomed, us_core};
use crate::time::{day, instant, minutes_after};

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
pub(crate) const AMBULATORY: Code = code(ACT, "AMB", "ambulatory");
pub(crate) const INPATIENT: Code = code(ACT, "IMP", "inpatient encounter");
pub(crate) const VIRTUAL: Code = code(ACT, "VR", "virtual");
pub(crate) const EMERGENCY: Code = code(ACT, "EMER", "emergency");

pub(crate) const CHECK_UP: Code = snomed("185349003", "Encounter for check up");
pub(crate) const FOLLOW_UP: Code = snomed("390906007", "Follow-up encounter");
pub(crate) const WELL_CHILD: Code = snomed("410620009", "Well child visit");
pub(crate) const PRENATAL: Code = snomed("424441002", "Prenatal initial visit");
pub(crate) const EMERGENCY_ADMISSION: Code = snomed("183452005", "Emergency hospital admission");

/// As the National Uniform Billing Committee numbers them.
const NUBC: &str = "https://www.nubc.org/CodeSystem/PatDischargeStatus";
pub(crate) const HOME: Code = code(NUBC, "01", "Discharged to home or self care (routine discharge)");
pub(crate) const EXPIRED: Code = code(NUBC, "20", "Expired");

#[derive(Debug, Clone, Copy)]
pub(crate) struct Stay {
    pub(crate) class: Code,
    pub(crate) kind: Code,
    pub(crate) start: DateTime,
    /// In minutes.
    pub(crate) length: i64,
    pub(crate) clinician: &'static str,
    pub(crate) reason: Option<Code>,
    pub(crate) interpreter_needed: Option<Code>,
    pub(crate) status: &'static str,
    /// How a stay in the hospital ended.
    pub(crate) disposition: Code,
}

impl Stay {
    /// Half an hour at the clinic with its family physician.
    pub(crate) const fn new(kind: Code, start: DateTime) -> Stay {
        Stay {
            class: AMBULATORY,
            kind,
            start,
            length: 30,
            clinician: OKAFOR,
            reason: None,
            interpreter_needed: None,
            status: "finished",
            disposition: HOME,
        }
    }
}

/// Adds the Encounter.
pub(crate) fn visit(chart: &mut Chart, stay: &Stay) -> Visit {
    let end = minutes_after(stay.start, stay.length);
    let is_inpatient = matches!(stay.class.code, "IMP" | "EMER");
    let (location, organization) = if is_inpatient { (WARD, HOSPITAL) } else { (CLINIC_FLOOR, CLINIC) };
    let is_over = stay.status != "in-progress";
    let period = json!({ "start": instant(stay.start), "end": is_over.then(|| instant(end)) });
    let role = code("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "PPRF", "primary performer");
    let interpreter = stay
        .interpreter_needed
        .map(|needed| extension(&us_core("us-core-interpreter-needed"), "valueCoding", coding(&needed)));
    let body = json!({
        "extension": interpreter.map(|interpreter| json!([interpreter])),
        "identifier": [{
            "system": "https://harborstreet.example/encounters",
            "value": format!("{}-{}", chart.id, day(stay.start)),
        }],
        "status": stay.status,
        "class": coding(&stay.class),
        "type": [concept(&stay.kind)],
        "subject": chart.subject(),
        "participant": [{ "type": [concept(&role)], "period": period.clone(), "individual": reference(stay.clinician) }],
        "period": period,
        "reasonCode": stay.reason.map(|reason| json!([concept(&reason)])),
        "hospitalization": (is_inpatient && is_over).then(|| json!({ "dischargeDisposition": concept(&stay.disposition) })),
        "location": [{ "location": reference(location), "status": if is_over { "completed" } else { "active" } }],
        "serviceProvider": reference(organization),
    });
    let encounter = chart.add("Encounter", &["us-core-encounter"], end, body);
    Visit { encounter, start: stay.start, end, clinician: stay.clinician, location, organization }
}

/// Says which Conditions the visit was for.
pub(crate) fn because_of(chart: &mut Chart, visit: &Visit, conditions: &[&str]) {
    let reasons: Vec<Value> = conditions.iter().map(|condition| reference(condition)).collect();
    chart.amend(&visit.encounter.clone(), "reasonReference", reasons.into());
}
