//! Clinical notes and advance directives: a DocumentReference, and the document as a Binary or inside it.
//! <https://hl7.org/fhir/us/core/STU8/clinical-notes.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::directory::CLINIC;
use crate::document::Format;
use crate::element::{Code, code, coding, concept, extension, loinc, reference, us_core};
use crate::time::instant;

pub(crate) const CONSULTATION: Code = loinc("11488-4", "Consult note");
pub(crate) const DISCHARGE_SUMMARY: Code = loinc("18842-5", "Discharge summary");
pub(crate) const HISTORY_AND_PHYSICAL: Code = loinc("34117-2", "History and physical note");
pub(crate) const PROCEDURE_NOTE: Code = loinc("28570-0", "Procedure note");
pub(crate) const PROGRESS_NOTE: Code = loinc("11506-3", "Progress note");
pub(crate) const IMAGING_NARRATIVE: Code = loinc("18748-4", "Diagnostic imaging study");
pub(crate) const LABORATORY_NARRATIVE: Code = loinc("11502-2", "Laboratory report");
pub(crate) const PATHOLOGY_NARRATIVE: Code = loinc("11526-1", "Pathology study");
pub(crate) const SURGICAL_NOTE: Code = loinc("11504-8", "Surgical operation note");
pub(crate) const EMERGENCY_NOTE: Code = loinc("34111-5", "Emergency department Note");
pub(crate) const LIVING_WILL: Code = loinc("86533-7", "Patient Living will");
pub(crate) const ADVANCE_DIRECTIVES: Code = loinc("42348-3", "Advance healthcare directives");

#[derive(Debug, Clone, Copy)]
pub(crate) struct Note<'a> {
    pub(crate) kind: Code,
    pub(crate) format: Format,
    /// Inside the DocumentReference, instead of beside it.
    pub(crate) is_inline: bool,
    pub(crate) text: &'a [&'a str],
}

/// Writes a note of the visit; returns the address of the DocumentReference.
pub(crate) fn note(chart: &mut Chart, visit: &Visit, note: &Note<'_>) -> String {
    let content = note.format.write(note.kind.display, note.text);
    let mut attachment = json!({ "contentType": note.format.media_type(), "title": note.kind.display });
    if note.is_inline {
        attachment["data"] = STANDARD.encode(&content).into();
    } else {
        attachment["url"] = binary(chart, visit.end, note.format.media_type(), &content).into();
    }
    attachment["size"] = content.len().into();
    attachment["creation"] = instant(visit.end).into();
    index(chart, visit, &note.kind, attachment)
}

/// The document as a resource of its own, inside the patient's boundary.
pub(crate) fn binary(chart: &mut Chart, written: DateTime, media_type: &str, content: &[u8]) -> String {
    let body = json!({
        "contentType": media_type,
        "securityContext": chart.subject(),
        "data": STANDARD.encode(content),
    });
    chart.add("Binary", &[], written, body)
}

/// The DocumentReference to an attachment.
pub(crate) fn index(chart: &mut Chart, visit: &Visit, kind: &Code, attachment: Value) -> String {
    let category = code(
        "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
        "clinical-note",
        "Clinical Note",
    );
    let mut body = document(chart, visit, kind, &category, attachment);
    body["context"] = json!({
        "encounter": [visit.reference()],
        "period": { "start": instant(visit.start), "end": instant(visit.end) },
    });
    chart.add("DocumentReference", &["us-core-documentreference"], visit.end, body)
}

/// An advance directive, in the profile that 8.0.0 has for them.
pub(crate) fn advance_directive(chart: &mut Chart, visit: &Visit, note: &Note<'_>) -> String {
    let content = note.format.write(note.kind.display, note.text);
    let mut attachment = json!({ "contentType": note.format.media_type(), "title": note.kind.display });
    if note.is_inline {
        attachment["data"] = STANDARD.encode(&content).into();
    } else {
        attachment["url"] = binary(chart, visit.end, note.format.media_type(), &content).into();
    }
    let mut body = document(chart, visit, &note.kind, &ADVANCE_DIRECTIVES, attachment);
    let authenticated = extension(&us_core("us-core-authentication-time"), "valueDateTime", instant(visit.end).into());
    body["extension"] = json!([authenticated]);
    body["authenticator"] = reference(visit.clinician);
    body["context"] = json!({ "period": { "start": instant(visit.start) } });
    chart.add("DocumentReference", &["us-core-adi-documentreference"], visit.end, body)
}

fn document(chart: &mut Chart, visit: &Visit, kind: &Code, category: &Code, attachment: Value) -> Value {
    let number = chart.random.digits(8);
    let format = code(
        "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
        "urn:ihe:iti:xds:2017:mimeTypeSufficient",
        "mimeType Sufficient",
    );
    json!({
        "identifier": [{ "system": "https://harborstreet.example/documents", "value": format!("DOC-{number}") }],
        "status": "current",
        "docStatus": "final",
        "type": concept(kind),
        "category": [concept(category)],
        "subject": chart.subject(),
        "date": instant(visit.end),
        "author": [reference(visit.clinician)],
        "custodian": reference(CLINIC),
        "content": [{ "attachment": attachment, "format": coding(&format) }],
    })
}
