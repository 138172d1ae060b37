//! Conditions: problems, health concerns, and what was diagnosed at a visit.

use jiff::civil::Date;
use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::element::{Code, US_CORE_CATEGORY, code, concept, concept_of, extension, icd10, reference, snomed};
use crate::time::{day, instant};

/// A disease in SNOMED CT, and in ICD-10-CM, which bills are written in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Disease(pub(crate) Code, pub(crate) Code);

const fn disease(number: &'static str, display: &'static str, icd: &'static str, icd_display: &'static str) -> Disease {
    Disease(snomed(number, display), icd10(icd, icd_display))
}

pub(crate) const DIABETES: Disease =
    disease("44054006", "Diabetes mellitus type 2", "E11.9", "Type 2 diabetes mellitus without complications");
pub(crate) const HYPERTENSION: Disease =
    disease("38341003", "Hypertensive disorder", "I10", "Essential (primary) hypertension");
pub(crate) const SINUSITIS: Disease = disease("444814009", "Viral sinusitis", "J01.90", "Acute sinusitis, unspecified");
pub(crate) const HEART_FAILURE: Disease =
    disease("42343007", "Congestive heart failure", "I50.9", "Heart failure, unspecified");
pub(crate) const COPD: Disease = disease(
    "13645005",
    "Chronic obstructive lung disease",
    "J44.9",
    "Chronic obstructive pulmonary disease, unspecified",
);
pub(crate) const PNEUMONIA: Disease = disease("233604007", "Pneumonia", "J18.9", "Pneumonia, unspecified organism");
pub(crate) const ALZHEIMER: Disease =
    disease("26929004", "Alzheimer's disease", "G30.9", "Alzheimer's disease, unspecified");
pub(crate) const ASTHMA: Disease = disease("195967001", "Asthma", "J45.909", "Unspecified asthma, uncomplicated");
pub(crate) const PREGNANCY: Disease = disease("77386006", "Pregnancy", "Z33.1", "Pregnant state, incidental");
pub(crate) const ATRIAL_FIBRILLATION: Disease =
    disease("49436004", "Atrial fibrillation", "I48.91", "Unspecified atrial fibrillation");
pub(crate) const HYPERLIPIDEMIA: Disease =
    disease("55822004", "Hyperlipidemia", "E78.5", "Hyperlipidemia, unspecified");
pub(crate) const OTITIS_MEDIA: Disease =
    disease("65363002", "Otitis media", "H66.90", "Otitis media, unspecified, unspecified ear");
pub(crate) const URINARY_INFECTION: Disease =
    disease("68566005", "Urinary tract infectious disease", "N39.0", "Urinary tract infection, site not specified");
pub(crate) const FOOD_INSECURITY: Disease = disease("733423003", "Food insecurity", "Z59.41", "Food insecurity");
pub(crate) const OBESITY: Disease = disease("414916001", "Obesity", "E66.9", "Obesity, unspecified");
pub(crate) const GASTRIC_REFLUX: Disease = disease(
    "235595009",
    "Gastroesophageal reflux disease",
    "K21.9",
    "Gastro-esophageal reflux disease without esophagitis",
);

/// From when to when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    pub(crate) onset: Date,
    /// When the patient or another record first told of it.
    pub(crate) asserted: Date,
    pub(crate) abated: Option<Date>,
}

impl Course {
    pub(crate) const fn since(onset: Date) -> Course {
        Course { onset, asserted: onset, abated: None }
    }

    pub(crate) const fn until(onset: Date, abated: Date) -> Course {
        Course { onset, asserted: onset, abated: Some(abated) }
    }
}

/// A problem of the problem list.
pub(crate) fn problem(chart: &mut Chart, visit: &Visit, disease: &Disease, course: Course) -> String {
    let categories = vec![concept(&PROBLEM_LIST_ITEM)];
    condition(chart, visit, disease, course, "us-core-condition-problems-health-concerns", categories)
}

/// What a screening brought up: a concern with the domain of `us-core-category`.
pub(crate) fn health_concern(
    chart: &mut Chart,
    visit: &Visit,
    disease: &Disease,
    course: Course,
    domain: (&'static str, &'static str),
) -> String {
    let categories = vec![concept(&HEALTH_CONCERN), concept(&code(US_CORE_CATEGORY, domain.0, domain.1))];
    condition(chart, visit, disease, course, "us-core-condition-problems-health-concerns", categories)
}

pub(crate) fn diagnosis(chart: &mut Chart, visit: &Visit, disease: &Disease, course: Course) -> String {
    let categories = vec![concept(&ENCOUNTER_DIAGNOSIS)];
    condition(chart, visit, disease, course, "us-core-condition-encounter-diagnosis", categories)
}

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const PROBLEM_LIST_ITEM: Code = code(CATEGORY, "problem-list-item", "Problem List Item");
const ENCOUNTER_DIAGNOSIS: Code = code(CATEGORY, "encounter-diagnosis", "Encounter Diagnosis");
const HEALTH_CONCERN: Code =
    code("http://hl7.org/fhir/us/core/CodeSystem/condition-category", "health-concern", "Health Concern");

fn condition(
    chart: &mut Chart,
    visit: &Visit,
    disease: &Disease,
    course: Course,
    profile: &str,
    categories: Vec<Value>,
) -> String {
    // con-4: what has abated is not active.
    let status = match course.abated {
        Some(_) => ("resolved", "Resolved"),
        None => ("active", "Active"),
    };
    let asserted = "http://hl7.org/fhir/StructureDefinition/condition-assertedDate";
    let body = json!({
        "extension": [extension(asserted, "valueDateTime", day(course.asserted).into())],
        "clinicalStatus": concept(&code(
            "http://terminology.hl7.org/CodeSystem/condition-clinical", status.0, status.1)),
        "verificationStatus": concept(&code(
            "http://terminology.hl7.org/CodeSystem/condition-ver-status", "confirmed", "Confirmed")),
        "category": categories,
        "code": concept_of(&[disease.0, disease.1]),
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "onsetDateTime": day(course.onset),
        "abatementDateTime": course.abated.map(day),
        "recordedDate": instant(visit.at(15)),
        "recorder": reference(visit.clinician),
    });
    chart.add("Condition", &[profile], visit.end, body)
}
