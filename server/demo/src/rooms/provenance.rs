//! Who wrote what: <https://hl7.org/fhir/us/core/STU8/basic-provenance.html>

use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::directory::{CLINIC, HOSPITAL};
use crate::element::{Code, code, concept, reference};
use crate::time::instant;

const AUTHOR: Code = code("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "author", "Author");
const TRANSMITTER: Code =
    code("http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type", "transmitter", "Transmitter");

/// Says of all that was added since the last time that the visit's clinician wrote it.
pub(crate) fn sign(chart: &mut Chart, visit: &Visit) {
    let author = json!({
        "type": concept(&AUTHOR),
        "who": reference(visit.clinician),
        "onBehalfOf": reference(visit.organization),
    });
    provenance(chart, visit.end, vec![author]);
}

/// The same, of what another organization wrote and sent.
pub(crate) fn sign_as_received(chart: &mut Chart, at: DateTime) {
    let agent = |role: &Code, who: &str| json!({ "type": concept(role), "who": reference(who), "onBehalfOf": reference(HOSPITAL) });
    provenance(chart, at, vec![agent(&AUTHOR, HOSPITAL), agent(&TRANSMITTER, HOSPITAL)]);
}

/// The same, where the clinic as such wrote it, as at the desk.
pub(crate) fn sign_as_clinic(chart: &mut Chart, at: DateTime) {
    let author = json!({ "type": concept(&AUTHOR), "who": reference(CLINIC), "onBehalfOf": reference(CLINIC) });
    provenance(chart, at, vec![author]);
}

fn provenance(chart: &mut Chart, at: DateTime, agents: Vec<Value>) {
    let targets = chart.unsigned();
    if !targets.is_empty() {
        let body = json!({ "target": targets, "recorded": instant(at), "agent": agents });
        chart.add("Provenance", &["us-core-provenance"], at, body);
    }
}
