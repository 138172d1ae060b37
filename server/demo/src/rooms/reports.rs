//! Reports of cardiology, radiology and pathology: what was found, the picture, and the report as a document that the
//! clinical notes lead to as well (<https://hl7.org/fhir/us/core/STU8/clinical-notes.html>).

use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::directory::HOSPITAL;
use crate::document::{DRAWING, Format};
use crate::element::{Code, Unit, code, concept, loinc, quantity, reference, snomed, unit};
use crate::rooms::documents::{binary, index};
use crate::rooms::vital_signs::Reason;
use crate::time::instant;

pub(crate) const CARDIOLOGY: Code = loinc("LP29708-2", "Cardiology");
pub(crate) const RADIOLOGY: Code = loinc("LP29684-5", "Radiology");
pub(crate) const PATHOLOGY: Code = loinc("LP7839-6", "Pathology");

pub(crate) const ECHOCARDIOGRAM: Code = loinc("34552-0", "Cardiac 2D echo panel");
pub(crate) const ELECTROCARDIOGRAM: Code = loinc("11524-6", "EKG study");
pub(crate) const CHEST_X_RAY: Code = loinc("36643-5", "XR Chest 2 Views");
pub(crate) const SURGICAL_PATHOLOGY: Code = loinc("11529-5", "Surgical pathology study");

pub(crate) const EJECTION_FRACTION: Code = loinc("10230-1", "Left ventricular Ejection fraction");
pub(crate) const EKG_IMPRESSION: Code = loinc("8601-7", "EKG impression");
pub(crate) const HEART_RHYTHM: Code = loinc("8884-9", "Heart rate rhythm");
pub(crate) const X_RAY_FINDING: Code = loinc("18782-3", "Radiology Study observation (narrative)");
pub(crate) const X_RAY_IMPRESSION: Code = loinc("19005-8", "Radiology Imaging study [Impression] (narrative)");
pub(crate) const PATHOLOGY_DIAGNOSIS: Code = loinc("22637-3", "Pathology report diagnosis");

pub(crate) const CONSOLIDATION: Code = snomed("95436008", "Lung consolidation");
pub(crate) const PERCENT: Unit = unit("%", "%");

/// What an examination other than of the laboratory found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Finding<'a> {
    Measured(&'a str, Unit),
    Coded(Code),
    Worded(&'a str),
    Absent(Reason),
}

/// Adds a clinical result; `category` is `imaging` or `procedure`, with its display.
pub(crate) fn finding(
    chart: &mut Chart,
    visit: &Visit,
    category: (&'static str, &'static str),
    test: &Code,
    by: &str,
    found: Finding<'_>,
) -> String {
    let category = code("http://terminology.hl7.org/CodeSystem/observation-category", category.0, category.1);
    let (name, value) = match found {
        Finding::Measured(digits, unit) => ("valueQuantity", quantity(digits, unit)),
        Finding::Coded(code) => ("valueCodeableConcept", concept(&code)),
        Finding::Worded(words) => ("valueString", words.into()),
        Finding::Absent(reason) => ("dataAbsentReason", reason.concept()),
    };
    let mut body = json!({
        "status": "final",
        "category": [concept(&category)],
        "code": concept(test),
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "effectiveDateTime": instant(visit.at(20)),
        "issued": instant(visit.end),
        "performer": [reference(by)],
    });
    body[name] = value;
    chart.add("Observation", &["us-core-observation-clinical-result"], visit.end, body)
}

#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) category: Code,
    pub(crate) study: Code,
    /// The type of the note that the same document is.
    pub(crate) note: Code,
    pub(crate) by: &'static str,
    pub(crate) results: &'a [String],
    pub(crate) media: Option<String>,
    pub(crate) format: Format,
    pub(crate) text: &'a [&'a str],
}

pub(crate) fn report(chart: &mut Chart, visit: &Visit, report: &Report<'_>) -> String {
    let content = report.format.write(report.study.display, report.text);
    let url = binary(chart, visit.end, report.format.media_type(), &content);
    let attachment = json!({
        "contentType": report.format.media_type(),
        "url": url,
        "size": content.len(),
        "title": report.study.display,
        "creation": instant(visit.end),
    });
    let results: Vec<Value> = report.results.iter().map(|result| reference(result)).collect();
    let media = report.media.as_ref().map(|media| json!([{ "comment": "Strip", "link": reference(media) }]));
    let body = json!({
        "status": "final",
        "category": [concept(&report.category)],
        "code": concept(&report.study),
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "effectiveDateTime": instant(visit.at(20)),
        "issued": instant(visit.end),
        "performer": [reference(report.by), reference(HOSPITAL)],
        "resultsInterpreter": [reference(report.by)],
        "result": results,
        "media": media,
        "presentedForm": [attachment.clone()],
    });
    let address = chart.add("DiagnosticReport", &["us-core-diagnosticreport-note"], visit.end, body);
    index(chart, visit, &report.note, attachment);
    address
}

/// A strip of an electrocardiogram, drawn.
pub(crate) fn strip(chart: &mut Chart, visit: &Visit, by: &str) -> String {
    // One beat: Q, R, S, T. Fibrillating atria have no P wave; the line trembles instead.
    const BEAT: [(i64, i64); 8] = [(0, 60), (26, 60), (28, 66), (31, 12), (34, 76), (37, 60), (50, 50), (58, 60)];
    let mut start = 0;
    let mut points = String::new();
    while start < 520 {
        for (x, y) in BEAT {
            points.push_str(&format!("{},{y} ", start + x));
        }
        // No two beats are as far apart.
        let next = start + chart.random.between(62, 104);
        for x in (start + 62..next).step_by(4) {
            points.push_str(&format!("{x},{} ", 60 + chart.random.between(-2, 2)));
        }
        start = next;
    }
    let drawing = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 520 100\" width=\"1040\" height=\"200\">\
         <rect width=\"520\" height=\"100\" fill=\"#fff5f5\"/>\
         <polyline points=\"{}\" fill=\"none\" stroke=\"#222\"/></svg>",
        points.trim_end()
    );
    let url = binary(chart, visit.end, DRAWING, drawing.as_bytes());
    let kind = code("http://terminology.hl7.org/CodeSystem/media-type", "image", "Image");
    let body = json!({
        "status": "completed",
        "type": concept(&kind),
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "createdDateTime": instant(visit.at(20)),
        "issued": instant(visit.end),
        "operator": reference(by),
        "content": { "contentType": DRAWING, "url": url, "size": drawing.len(), "title": "Rhythm strip, lead II" },
    });
    chart.add("Media", &[], visit.end, body)
}
