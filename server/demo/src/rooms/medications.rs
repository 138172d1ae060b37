//! Medications: what was ordered, planned or told of, and what the pharmacy handed over.

use jiff::ToSpan as _;
use jiff::civil::DateTime;
use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::directory::{PETROV, PHARMACY};
use crate::element::{
    Code, Unit, code, concept, extension, quantity, reference, rxnorm, snomed, unit, us_core_extension,
};
use crate::time::{days_after, instant};

pub(crate) const LISINOPRIL: Code = rxnorm("314076", "lisinopril 10 MG Oral Tablet");
pub(crate) const AMLODIPINE: Code = rxnorm("197361", "amlodipine 5 MG Oral Tablet");
pub(crate) const FUROSEMIDE: Code = rxnorm("313988", "furosemide 40 MG Oral Tablet");
pub(crate) const METOPROLOL: Code = rxnorm("866924", "metoprolol tartrate 25 MG Oral Tablet");
pub(crate) const ACETAMINOPHEN: Code = rxnorm("198440", "acetaminophen 500 MG Oral Tablet");
pub(crate) const IBUPROFEN: Code = rxnorm("310965", "ibuprofen 200 MG Oral Tablet");
pub(crate) const FOLIC_ACID: Code = rxnorm("310410", "folic acid 1 MG Oral Tablet");
pub(crate) const SIMVASTATIN: Code = rxnorm("312961", "simvastatin 20 MG Oral Tablet");
pub(crate) const ATORVASTATIN: Code = rxnorm("259255", "atorvastatin 80 MG Oral Tablet");
pub(crate) const HYDROCHLOROTHIAZIDE: Code = rxnorm("310798", "hydrochlorothiazide 25 MG Oral Tablet");
pub(crate) const CLOPIDOGREL: Code = rxnorm("309362", "clopidogrel 75 MG Oral Tablet");
pub(crate) const AMOXICILLIN: Code = rxnorm("308191", "amoxicillin 500 MG Oral Capsule");

const TABLET: Unit = unit("tablet", "{tbl}");
pub(crate) const ORAL: Code = snomed("26643006", "Oral route");

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/medicationrequest-category";
pub(crate) const COMMUNITY: Code = code(CATEGORY, "community", "Community");
pub(crate) const IN_HOSPITAL: Code = code(CATEGORY, "inpatient", "Inpatient");
pub(crate) const AT_DISCHARGE: Code = code(CATEGORY, "discharge", "Discharge");
pub(crate) const OUTPATIENT: Code = code(CATEGORY, "outpatient", "Outpatient");

/// What is taken: a code, or a Medication of the directory with its code.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Drug {
    Coded(Code),
    Shared(&'static str, Code),
}

impl Drug {
    fn element(self) -> (&'static str, Value) {
        match self {
            Drug::Coded(code) => ("medicationCodeableConcept", concept(&code)),
            Drug::Shared(address, code) => {
                ("medicationReference", json!({ "reference": address, "display": code.display }))
            }
        }
    }
}

/// Who says that it is taken.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The record itself.
    Record,
    /// Someone who told of it, without a name.
    Told,
    /// Someone with an address.
    ToldBy(String),
}

#[derive(Debug, Clone)]
pub(crate) struct Order<'a> {
    pub(crate) drug: Drug,
    pub(crate) status: &'static str,
    pub(crate) intent: &'static str,
    pub(crate) category: Code,
    pub(crate) source: Source,
    /// `One tablet by mouth once a day`
    pub(crate) dosage: &'a str,
    pub(crate) dose: &'a str,
    pub(crate) times_a_day: i64,
    pub(crate) repeats: i64,
    pub(crate) tablets: &'a str,
    /// The Condition, and its code.
    pub(crate) reason: Option<(&'a str, Code)>,
    pub(crate) adherence: Option<Adherence>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Adherence {
    pub(crate) found: Code,
    pub(crate) told_by: Code,
}

pub(crate) const TAKES_PARTLY: Code = snomed("275928001", "Drugs - partial non-compliance (finding)");
pub(crate) const SPOUSE: Code = code("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "SPS", "spouse");

impl<'a> Order<'a> {
    /// An order of the community for thirty days with two repeats: one tablet a day.
    pub(crate) const fn daily(drug: Drug, reason: Option<(&'a str, Code)>) -> Order<'a> {
        Order {
            drug,
            status: "active",
            intent: "order",
            category: COMMUNITY,
            source: Source::Record,
            dosage: "One tablet by mouth once a day",
            dose: "1",
            times_a_day: 1,
            repeats: 2,
            tablets: "30",
            reason,
            adherence: None,
        }
    }
}

fn dosage(order: &Order<'_>) -> Value {
    json!([{
        "text": order.dosage,
        "timing": { "repeat": { "frequency": order.times_a_day, "period": 1, "periodUnit": "d" } },
        "route": concept(&ORAL),
        "doseAndRate": [{ "doseQuantity": quantity(order.dose, TABLET) }],
    }])
}

pub(crate) fn order(chart: &mut Chart, visit: &Visit, order: &Order<'_>) -> String {
    let (name, drug) = order.drug.element();
    let (reported, by) = match &order.source {
        Source::Record => (Some(false), None),
        Source::Told => (Some(true), None),
        Source::ToldBy(address) => (None, Some(reference(address))),
    };
    let adherence = order.adherence.map(|adherence| {
        let parts = vec![
            extension("medicationAdherence", "valueCodeableConcept", concept(&adherence.found)),
            extension("dateAsserted", "valueDateTime", instant(visit.at(10)).into()),
            extension("informationSource", "valueCodeableConcept", concept(&adherence.told_by)),
        ];
        json!([us_core_extension("us-core-medication-adherence", parts)])
    });
    let mut body = json!({
        "extension": adherence,
        "status": order.status,
        "intent": order.intent,
        "category": [concept(&order.category)],
        "reportedBoolean": reported,
        "reportedReference": by,
        "medication": null,
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "authoredOn": instant(visit.at(18)),
        "requester": reference(visit.clinician),
        "reasonCode": order.reason.map(|(_, code)| json!([concept(&code)])),
        "reasonReference": order.reason.map(|(condition, _)| json!([reference(condition)])),
        "dosageInstruction": dosage(order),
        "dispenseRequest": {
            "numberOfRepeatsAllowed": order.repeats,
            "quantity": quantity(order.tablets, TABLET),
        },
    });
    body[name] = drug;
    chart.add("MedicationRequest", &["us-core-medicationrequest"], visit.end, body)
}

const SUPPLY: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
pub(crate) const FIRST_FILL: Code = code(SUPPLY, "FFC", "First Fill - Complete");
pub(crate) const REFILL: Code = code(SUPPLY, "RFC", "Refill - Complete");

/// What the pharmacy did with the order, two days after the visit; `is_over` says whether it was handed over.
pub(crate) fn dispense(
    chart: &mut Chart,
    visit: &Visit,
    request: &str,
    order: &Order<'_>,
    kind: &Code,
    is_over: bool,
) -> String {
    let (name, drug) = order.drug.element();
    let at: DateTime = days_after(visit.start.date(), 2).at(11, 30, 0, 0);
    let mut body = json!({
        "status": if is_over { "completed" } else { "in-progress" },
        "medication": null,
        "subject": chart.subject(),
        "context": visit.reference(),
        "performer": [{ "actor": reference(PHARMACY) }, { "actor": reference(PETROV) }],
        "authorizingPrescription": [reference(request)],
        "type": concept(kind),
        "quantity": quantity(order.tablets, TABLET),
        "whenPrepared": instant(at.saturating_sub(1.hour())),
        "whenHandedOver": is_over.then(|| instant(at)),
        "dosageInstruction": dosage(order),
    });
    body[name] = drug;
    chart.add("MedicationDispense", &["us-core-medicationdispense"], at, body)
}
