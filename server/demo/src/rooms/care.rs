//! Who cares for the patient, towards what, and how: CareTeam, Goal, CarePlan.

use jiff::civil::{Date, DateTime};
use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::element::{Code, absent, code, concept, loinc, quantity, reference, snomed};
use crate::rooms::laboratory::Test;
use crate::time::day;

pub(crate) const PHYSICIAN: Code = snomed("59058001", "General physician");
pub(crate) const NURSE: Code = snomed("224535009", "Registered nurse");
pub(crate) const CARDIOLOGIST: Code = snomed("17561000", "Cardiologist");
const PATIENT: Code = snomed("116154003", "Patient");
pub(crate) const CAREGIVER: Code = snomed("133932002", "Caregiver");

/// A team, of which the patient is one; the role of a member may be unknown, and is required.
pub(crate) fn team(
    chart: &mut Chart,
    visit: &Visit,
    name: &str,
    status: &str,
    members: &[(&str, Option<Code>)],
) -> String {
    let participant = |(member, role): &(&str, Option<Code>)| {
        let role = role.map_or_else(|| absent("unknown", "Unknown"), |role| concept(&role));
        json!({ "role": [role], "member": reference(member) })
    };
    let mut participants: Vec<Value> = members.iter().map(participant).collect();
    participants.push(json!({ "role": [concept(&PATIENT)], "member": chart.subject() }));
    let body = json!({
        "status": status,
        "name": name,
        "subject": chart.subject(),
        "period": { "start": day(visit.start) },
        "participant": participants,
    });
    chart.add("CareTeam", &["us-core-careteam"], visit.end, body)
}

pub(crate) const HBA1C_BELOW_TARGET: Code = loinc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood");
pub(crate) const MODERATE_EXERCISE: Code = loinc(
    "89555-7",
    "How many days per week did you engage in moderate to strenuous physical activity in the last 30 days",
);
pub(crate) const BODY_WEIGHT: Code = loinc("29463-7", "Body weight");

/// What is to be reached by a day: `what` is the code it is about, in words that say how; `below` is a bound of a test.
pub(crate) fn goal(
    chart: &mut Chart,
    visit: &Visit,
    status: &str,
    (what, words): (Code, &str),
    below: Option<(&Test, &str)>,
    due: Date,
) -> String {
    let mut target = json!({ "dueDate": day(due) });
    if let Some((test, digits)) = below {
        target["measure"] = concept(&test.code);
        let mut bound = quantity(digits, test.unit);
        bound["comparator"] = "<".into();
        target["detailQuantity"] = bound;
    }
    let mut description = concept(&what);
    description["text"] = words.into();
    let body = json!({
        "lifecycleStatus": status,
        "description": description,
        "subject": chart.subject(),
        "startDate": day(visit.start),
        "target": [target],
        "expressedBy": reference(visit.clinician),
    });
    chart.add("Goal", &["us-core-goal"], visit.end, body)
}

/// The plan, in words: its narrative is what counts.
pub(crate) fn plan(
    chart: &mut Chart,
    visit: &Visit,
    status: &str,
    words: &str,
    period: (Date, Option<DateTime>),
    goals: &[String],
) -> String {
    let category = code(
        "http://hl7.org/fhir/us/core/CodeSystem/careplan-category",
        "assess-plan",
        "Assessment and Plan of Treatment",
    );
    let goals: Vec<Value> = goals.iter().map(|goal| reference(goal)).collect();
    let body = json!({
        "text": {
            "status": "additional",
            "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{words}</p></div>"),
        },
        "status": status,
        "intent": "plan",
        "category": [concept(&category)],
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "period": { "start": day(period.0), "end": period.1.map(day) },
        "created": day(visit.start),
        "author": reference(visit.clinician),
        "contributor": [reference(visit.clinician)],
        "goal": (!goals.is_empty()).then_some(goals),
    });
    chart.add("CarePlan", &["us-core-careplan"], visit.end, body)
}
