//! Laboratory: specimens, results with their ranges, and the reports that gather them.

use std::str::FromStr;

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::directory::{HADDAD, LABORATORY};
use crate::element::{Code, Unit, code, concept, loinc, quantity, reference, snomed, unit};
use crate::rooms::vital_signs::Reason;
use crate::time::{days_after, instant};

/// A test that counts or measures, with the range of healthy adults.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) code: Code,
    pub(crate) unit: Unit,
    pub(crate) low: Option<&'static str>,
    pub(crate) high: Option<&'static str>,
}

const fn test(code: Code, unit: Unit, low: &'static str, high: &'static str) -> Test {
    Test { code, unit, low: Some(low), high: Some(high) }
}

const MILLIGRAM_PER_DECILITRE: Unit = unit("mg/dL", "mg/dL");
const MILLIMOLE_PER_LITRE: Unit = unit("mmol/L", "mmol/L");
const UNIT_PER_LITRE: Unit = unit("U/L", "U/L");
const PERCENT: Unit = unit("%", "%");
const THOUSAND_PER_MICROLITRE: Unit = unit("10*3/uL", "10*3/uL");

pub(crate) const GLUCOSE: Test =
    test(loinc("2345-7", "Glucose [Mass/volume] in Serum or Plasma"), MILLIGRAM_PER_DECILITRE, "70", "99");
pub(crate) const UREA_NITROGEN: Test =
    test(loinc("3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma"), MILLIGRAM_PER_DECILITRE, "7", "20");
pub(crate) const CREATININE: Test =
    test(loinc("2160-0", "Creatinine [Mass/volume] in Serum or Plasma"), MILLIGRAM_PER_DECILITRE, "0.60", "1.30");
pub(crate) const SODIUM: Test =
    test(loinc("2951-2", "Sodium [Moles/volume] in Serum or Plasma"), MILLIMOLE_PER_LITRE, "136", "145");
pub(crate) const POTASSIUM: Test =
    test(loinc("2823-3", "Potassium [Moles/volume] in Serum or Plasma"), MILLIMOLE_PER_LITRE, "3.5", "5.1");
pub(crate) const CHLORIDE: Test =
    test(loinc("2075-0", "Chloride [Moles/volume] in Serum or Plasma"), MILLIMOLE_PER_LITRE, "98", "107");
pub(crate) const CALCIUM: Test =
    test(loinc("17861-6", "Calcium [Mass/volume] in Serum or Plasma"), MILLIGRAM_PER_DECILITRE, "8.6", "10.3");
pub(crate) const ALT: Test = test(
    loinc("1742-6", "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma"),
    UNIT_PER_LITRE,
    "7",
    "55",
);
pub(crate) const HBA1C: Test = test(loinc("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood"), PERCENT, "4.0", "5.6");
pub(crate) const HEMOGLOBIN: Test =
    test(loinc("718-7", "Hemoglobin [Mass/volume] in Blood"), unit("g/dL", "g/dL"), "12.0", "17.5");
pub(crate) const HEMATOCRIT: Test =
    test(loinc("4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count"), PERCENT, "36.0", "50.0");
pub(crate) const LEUKOCYTES: Test =
    test(loinc("6690-2", "Leukocytes [#/volume] in Blood by Automated count"), THOUSAND_PER_MICROLITRE, "4.5", "11.0");
pub(crate) const PLATELETS: Test =
    test(loinc("777-3", "Platelets [#/volume] in Blood by Automated count"), THOUSAND_PER_MICROLITRE, "150", "400");
pub(crate) const CHOLESTEROL: Test = Test {
    code: loinc("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma"),
    unit: MILLIGRAM_PER_DECILITRE,
    low: None,
    high: Some("200"),
};
pub(crate) const TRIGLYCERIDE: Test = Test {
    code: loinc("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma"),
    unit: MILLIGRAM_PER_DECILITRE,
    low: None,
    high: Some("150"),
};
pub(crate) const HDL: Test = Test {
    code: loinc("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma"),
    unit: MILLIGRAM_PER_DECILITRE,
    low: Some("40"),
    high: None,
};
pub(crate) const BNP: Test = Test {
    code: loinc("30934-4", "Natriuretic peptide B [Mass/volume] in Serum or Plasma"),
    unit: unit("pg/mL", "pg/mL"),
    low: None,
    high: Some("100"),
};
pub(crate) const BLOOD_CULTURE: Code = loinc("600-7", "Bacteria identified in Blood by Culture");
pub(crate) const URINE_CULTURE: Code = loinc("630-4", "Bacteria identified in Urine by Culture");
pub(crate) const URINE_COLOR: Code = loinc("5778-6", "Color of Urine");
pub(crate) const URINE_KETONES: Code = loinc("2514-8", "Ketones [Presence] in Urine by Test strip");
pub(crate) const URINE_LEUKOCYTES: Code = loinc("5799-2", "Leukocyte esterase [Presence] in Urine by Test strip");

pub(crate) const METABOLIC_PANEL: Code = loinc("24323-8", "Comprehensive metabolic 2000 panel - Serum or Plasma");
pub(crate) const BLOOD_COUNT: Code = loinc("58410-2", "CBC panel - Blood by Automated count");
pub(crate) const LIPID_PANEL: Code = loinc("57698-3", "Lipid panel with direct LDL - Serum or Plasma");
pub(crate) const URINALYSIS: Code = loinc("24356-8", "Urinalysis complete panel - Urine");

pub(crate) const NEGATIVE: Code = snomed("260385009", "Negative");
pub(crate) const POSITIVE: Code = snomed("10828004", "Positive");
pub(crate) const E_COLI: Code = snomed("112283007", "Escherichia coli");

pub(crate) const SERUM: Code = snomed("119364003", "Serum specimen");
pub(crate) const BLOOD: Code = snomed("258580003", "Whole blood specimen");
pub(crate) const URINE: Code = snomed("122575003", "Urine specimen");
const UPPER_ARM: Code = snomed("368208006", "Left upper arm structure");
const COOL: Code = code("http://terminology.hl7.org/CodeSystem/v2-0493", "COOL", "Cool");

/// Adds a Specimen with the laboratory's own number.
pub(crate) fn specimen(chart: &mut Chart, visit: &Visit, kind: &Code) -> String {
    let number = chart.random.digits(6);
    let is_drawn = kind.code != URINE.code;
    let value = format!("{}-{number}", visit.start.date().strftime("%Y%m%d"));
    let body = json!({
        "identifier": [{ "system": "https://harborstreet.example/specimens", "value": format!("S{number}") }],
        "accessionIdentifier": { "system": "https://cascobaylab.example/accessions", "value": value },
        "status": "available",
        "type": concept(kind),
        "subject": chart.subject(),
        "receivedTime": instant(visit.at(120)),
        "collection": {
            "collectedDateTime": instant(visit.at(15)),
            "bodySite": is_drawn.then(|| concept(&UPPER_ARM)),
        },
        "condition": [concept(&COOL)],
    });
    chart.add("Specimen", &["us-core-specimen"], visit.end, body)
}

/// A measured value; what it means follows from the range.
pub(crate) fn result(chart: &mut Chart, visit: &Visit, specimen: &str, test: &Test, digits: &str) -> String {
    let bound = |digits: Option<&str>| digits.map(|digits| quantity(digits, test.unit));
    let outcome = json!({
        "valueQuantity": quantity(digits, test.unit),
        "interpretation": [interpretation(test, digits)],
        "referenceRange": [{ "low": bound(test.low), "high": bound(test.high) }],
    });
    observe(chart, visit, specimen, &test.code, outcome)
}

fn interpretation(test: &Test, digits: &str) -> Value {
    let decimal = |digits: &str| Decimal::from_str(digits).unwrap_or_default();
    let value = decimal(digits);
    let (short, long) = match () {
        () if test.low.is_some_and(|low| value < decimal(low)) => ("L", "Low"),
        () if test.high.is_some_and(|high| value > decimal(high)) => ("H", "High"),
        () => ("N", "Normal"),
    };
    concept(&code("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", short, long))
}

pub(crate) fn coded_result(chart: &mut Chart, visit: &Visit, specimen: &str, test: &Code, found: &Code) -> String {
    observe(chart, visit, specimen, test, json!({ "valueCodeableConcept": concept(found) }))
}

pub(crate) fn worded_result(chart: &mut Chart, visit: &Visit, specimen: &str, test: &Code, words: &str) -> String {
    observe(chart, visit, specimen, test, json!({ "valueString": words }))
}

pub(crate) fn no_result(chart: &mut Chart, visit: &Visit, specimen: &str, test: &Code, reason: Reason) -> String {
    observe(chart, visit, specimen, test, json!({ "dataAbsentReason": reason.concept() }))
}

fn observe(chart: &mut Chart, visit: &Visit, specimen: &str, test: &Code, outcome: Value) -> String {
    let category = code("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory", "Laboratory");
    let mut body = json!({
        "status": "final",
        "category": [concept(&category)],
        "code": concept(test),
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "effectiveDateTime": instant(visit.at(15)),
        "issued": instant(reported(visit)),
        "performer": [reference(HADDAD), reference(LABORATORY)],
        "specimen": reference(specimen),
    });
    if let (Value::Object(body), Value::Object(outcome)) = (&mut body, outcome) {
        body.extend(outcome);
    }
    chart.add("Observation", &["us-core-observation-lab"], reported(visit), body)
}

/// The next morning.
fn reported(visit: &Visit) -> jiff::civil::DateTime {
    days_after(visit.start.date(), 1).at(8, 10, 0, 0)
}

/// The report of the results.
pub(crate) fn report(chart: &mut Chart, visit: &Visit, panel: &Code, specimen: &str, results: &[String]) -> String {
    let results: Vec<Value> = results.iter().map(|result| reference(result)).collect();
    let category = code("http://terminology.hl7.org/CodeSystem/v2-0074", "LAB", "Laboratory");
    let body = json!({
        "status": "final",
        "category": [concept(&category)],
        "code": concept(panel),
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "effectiveDateTime": instant(visit.at(15)),
        "issued": instant(reported(visit)),
        "performer": [reference(LABORATORY), reference(HADDAD)],
        "resultsInterpreter": [reference(HADDAD)],
        "specimen": [reference(specimen)],
        "result": results,
    });
    chart.add("DiagnosticReport", &["us-core-diagnosticreport-lab"], reported(visit), body)
}

/// Draws blood once and reports tests of one panel.
pub(crate) fn panel(
    chart: &mut Chart,
    visit: &Visit,
    panel: &Code,
    kind: &Code,
    values: &[(&Test, &str)],
) -> Vec<String> {
    let specimen = specimen(chart, visit, kind);
    let results: Vec<String> =
        values.iter().map(|(test, digits)| result(chart, visit, &specimen, test, digits)).collect();
    report(chart, visit, panel, &specimen, &results);
    results
}
