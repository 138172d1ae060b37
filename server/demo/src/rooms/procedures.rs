//! What was asked for, and what was done: ServiceRequest and Procedure.

use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::element::{Code, code, concept, reference, snomed};
use crate::time::{day, days_after, instant};

pub(crate) const ECHOCARDIOGRAPHY: Code = snomed("40701008", "Echocardiography");
pub(crate) const PACEMAKER_IMPLANTATION: Code = snomed("307280005", "Implantation of cardiac pacemaker");
pub(crate) const COLONOSCOPY: Code = snomed("73761001", "Colonoscopy");
pub(crate) const CHEST_X_RAY: Code = snomed("399208008", "Plain chest X-ray");
pub(crate) const BLOOD_COUNT: Code = snomed("26604007", "Complete blood count");
pub(crate) const FOOD_PANTRY: Code = snomed("467771000124109", "Assistance with application for food pantry program");

pub(crate) const EVALUATION: Code = snomed("386053000", "Evaluation procedure");
pub(crate) const IMAGING: Code = snomed("363679005", "Imaging");
pub(crate) const LABORATORY: Code = snomed("108252007", "Laboratory procedure");
pub(crate) const SOCIAL_SERVICE: Code = snomed("410606002", "Social service procedure");
pub(crate) const SDOH: Code = code("http://hl7.org/fhir/us/core/CodeSystem/us-core-category", "sdoh", "SDOH");

/// Asks for something within a month.
pub(crate) fn request(
    chart: &mut Chart,
    visit: &Visit,
    status: &str,
    categories: &[Code],
    what: &Code,
    reason: (&str, Code),
) -> String {
    let categories: Vec<Value> = categories.iter().map(concept).collect();
    let start = visit.start.date();
    let body = json!({
        "status": status,
        "intent": "order",
        "category": categories,
        "code": concept(what),
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "occurrencePeriod": { "start": day(start), "end": day(days_after(start, 30)) },
        "authoredOn": instant(visit.at(18)),
        "requester": reference(visit.clinician),
        "reasonCode": [concept(&reason.1)],
        "reasonReference": [reference(reason.0)],
    });
    chart.add("ServiceRequest", &["us-core-servicerequest"], visit.end, body)
}

/// When something was done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Done {
    At(DateTime),
    Between(DateTime, DateTime),
    /// It was not: the patient declined.
    Not,
}

pub(crate) fn procedure(
    chart: &mut Chart,
    visit: &Visit,
    what: &Code,
    done: Done,
    by: &str,
    request: Option<&str>,
    reason: (&str, Code),
) -> String {
    let (status, performed_at, performed_in) = match done {
        Done::At(at) => ("completed", Some(instant(at)), None),
        Done::Between(start, end) => ("completed", None, Some(json!({ "start": instant(start), "end": instant(end) }))),
        Done::Not => ("not-done", None, None),
    };
    let declined = code("http://terminology.hl7.org/CodeSystem/v3-ActReason", "PATOBJ", "patient objection");
    let body = json!({
        "basedOn": request.map(|request| json!([reference(request)])),
        "status": status,
        "statusReason": (status == "not-done").then(|| concept(&declined)),
        "code": concept(what),
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "performedDateTime": performed_at,
        "performedPeriod": performed_in,
        "performer": [{ "actor": reference(by) }],
        "location": reference(visit.location),
        "reasonCode": [concept(&reason.1)],
        "reasonReference": [reference(reason.0)],
    });
    chart.add("Procedure", &["us-core-procedure"], visit.end, body)
}
