//! Screening and assessments (<https://hl7.org/fhir/us/core/STU8/screening-and-assessments.html>): forms that were filled in,
//! what follows from them, and simple observations of how someone lives.

use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::directory::{FOOD_DID_NOT_LAST, FOOD_WORRY, INTAKE_FORM, RUIZ};
use crate::document::DRAWING;
use crate::element::{
    Code, US_CORE_CATEGORY, Unit, code, coding, concept, extension, loinc, number, quantity, reference, snomed, unit,
    us_core,
};
use crate::rooms::documents::binary;
use crate::rooms::vital_signs::Reason;
use crate::time::instant;

pub(crate) const SOCIAL: Code = code(US_CORE_CATEGORY, "sdoh", "SDOH");
pub(crate) const FUNCTIONAL: Code = code(US_CORE_CATEGORY, "functional-status", "Functional Status");
pub(crate) const DISABILITY: Code = code(US_CORE_CATEGORY, "disability-status", "Disability Status");
pub(crate) const COGNITIVE: Code = code(US_CORE_CATEGORY, "cognitive-status", "Cognitive Status");

pub(crate) const HUNGER_VITAL_SIGN: Code = loinc("88121-9", "Hunger Vital Sign [HVS]");
pub(crate) const FOOD_RISK: Code = loinc("88124-3", "Food insecurity risk [HVS]");
pub(crate) const AT_RISK: Code = loinc("LA19952-3", "At risk");
pub(crate) const FUNCTIONAL_STATUS: Code = loinc("75276-6", "Functional status [Interpretation]");
pub(crate) const DIFFICULTY_WALKING: Code =
    loinc("69858-9", "Do you have serious difficulty walking or climbing stairs");
pub(crate) const MINI_MENTAL_STATE: Code = loinc("72107-6", "Total score [MMSE]");
pub(crate) const COGNITIVE_FUNCTION: Code = loinc("11332-4", "History of Cognitive Function Narrative");
pub(crate) const YES: Code = loinc("LA33-6", "Yes");
pub(crate) const SCORE: Unit = unit("score", "{score}");

pub(crate) const ALCOHOL_USE: Code = loinc("11331-6", "History of Alcohol use");
pub(crate) const DRINKS_A_DAY: Code = loinc("74013-4", "Alcoholic drinks per day");
pub(crate) const OCCASIONAL_DRINKER: Code = snomed("228276006", "Occasional drinker");
pub(crate) const LIVES_ALONE: Code = snomed("105529008", "Lives alone");
pub(crate) const DRINKS: Unit = unit("drinks per day", "{drinks}/d");

#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer<'a> {
    Coded(Code),
    Measured(&'a str, Unit),
    Worded(&'a str),
    Checked(bool),
    Absent(Reason),
}

impl Answer<'_> {
    fn element(self) -> (&'static str, Value) {
        match self {
            Answer::Coded(code) => ("valueCodeableConcept", concept(&code)),
            Answer::Measured(digits, unit) => ("valueQuantity", quantity(digits, unit)),
            Answer::Worded(words) => ("valueString", words.into()),
            Answer::Checked(is_so) => ("valueBoolean", is_so.into()),
            Answer::Absent(reason) => ("dataAbsentReason", reason.concept()),
        }
    }
}

/// The intake form with two answers on food, filled in with the nurse: the questions with their pictures, and who signed.
pub(crate) fn intake_form(chart: &mut Chart, visit: &Visit, worry: &Code, lasted: &Code, help: &str) -> String {
    let title = extension(&core("display"), "valueString", "Social needs at intake".into());
    let written = code("http://terminology.hl7.org/CodeSystem/v3-ParticipationMode", "WRITTEN", "written");
    let mode = extension(&core("questionnaireresponse-completionMode"), "valueCodeableConcept", concept(&written));
    let [whole, half] =
        ["M50 10 A40 40 0 1 1 49 10 Z", "M50 10 A40 40 0 0 1 50 90 Z"].map(|filled| plate(chart, visit, filled));
    let body = json!({
        "extension": [mode, signature(visit, RUIZ)],
        "identifier": identifier(chart),
        "questionnaire": INTAKE_FORM,
        "_questionnaire": { "extension": [title] },
        "status": "completed",
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "authored": instant(visit.at(7)),
        "author": reference(RUIZ),
        "source": chart.subject(),
        "item": [
            {
                "extension": [signature(visit, &chart.patient())],
                "linkId": "food-worry",
                "text": FOOD_WORRY.display,
                "answer": [{
                    "valueCoding": coding(worry),
                    "item": [{ "linkId": "food-help", "text": "What would help you most?",
                        "answer": [{ "valueString": help }] }],
                }],
            },
            { "linkId": "food", "text": "Food at home", "item": [
                { "linkId": "food-lasted", "text": FOOD_DID_NOT_LAST.display,
                  "answer": [{ "valueCoding": coding(lasted) }] },
            ] },
            {
                "extension": [extension(&sdc("sdc-questionnaire-itemMedia"), "valueAttachment", whole)],
                "linkId": "meals",
                "text": "How many meals do you eat on an ordinary day?",
                "answer": [{
                    "extension": [extension(&sdc("sdc-questionnaire-itemAnswerMedia"), "valueAttachment", half)],
                    "valueDecimal": number("2.5"),
                }],
            },
            { "linkId": "else", "text": "Is there anything else we should know?",
              "answer": [{ "valueString": "The nearest shop is two bus rides away." }] },
        ],
    });
    chart.add("QuestionnaireResponse", &["us-core-questionnaireresponse"], visit.end, body)
}

fn core(name: &str) -> String {
    format!("http://hl7.org/fhir/StructureDefinition/{name}")
}

fn sdc(name: &str) -> String {
    format!("http://hl7.org/fhir/uv/sdc/StructureDefinition/{name}")
}

/// The form, or an answer, was signed.
fn signature(visit: &Visit, who: &str) -> Value {
    let kind = code("urn:iso-astm:E1762-95:2013", "1.2.840.10065.1.12.1.1", "Author's Signature");
    let signature = json!({ "type": [coding(&kind)], "when": instant(visit.at(7)), "who": reference(who) });
    extension(&core("questionnaireresponse-signature"), "valueSignature", signature)
}

/// A picture of a plate that is filled so far.
fn plate(chart: &mut Chart, visit: &Visit, filled: &str) -> Value {
    let drawing = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 100 100\" width=\"200\" height=\"200\">\
         <circle cx=\"50\" cy=\"50\" r=\"46\" fill=\"#fff\" stroke=\"#888\"/><path d=\"{filled}\" fill=\"#7a9e5b\"/></svg>"
    );
    let url = binary(chart, visit.end, DRAWING, drawing.as_bytes());
    json!({ "contentType": DRAWING, "url": url, "size": drawing.len(), "title": "A plate" })
}

/// A form on paper, which has an address and is not a Questionnaire. The patient fills it in at home, and has not done yet.
pub(crate) fn paper_form(chart: &mut Chart, visit: &Visit) -> String {
    let paper = extension(
        &us_core("us-core-extension-questionnaire-uri"),
        "valueUri",
        "https://harborstreet.example/forms/sleep-diary.pdf".into(),
    );
    let body = json!({
        "identifier": identifier(chart),
        "_questionnaire": { "extension": [paper] },
        "status": "in-progress",
        "subject": chart.subject(),
        "authored": instant(visit.at(25)),
        "author": chart.subject(),
        "item": [{ "linkId": "1", "text": "Hours slept last night", "answer": [{ "valueDecimal": number("6.5") }] }],
    });
    chart.add("QuestionnaireResponse", &["us-core-questionnaireresponse"], visit.end, body)
}

fn identifier(chart: &mut Chart) -> Value {
    let number = chart.random.digits(8);
    json!({ "system": "https://harborstreet.example/forms", "value": format!("F-{number}") })
}

/// What a screening found in a domain, or the panel of several findings.
#[derive(Debug)]
pub(crate) struct Assessment<'a> {
    pub(crate) domain: Code,
    pub(crate) what: Code,
    pub(crate) answer: Option<Answer<'a>>,
    pub(crate) members: &'a [String],
    pub(crate) derived_from: &'a [String],
    pub(crate) by: &'a str,
}

pub(crate) fn assessment(chart: &mut Chart, visit: &Visit, assessment: &Assessment<'_>) -> String {
    let survey = code("http://terminology.hl7.org/CodeSystem/observation-category", "survey", "Survey");
    let members: Vec<Value> = assessment.members.iter().map(|member| reference(member)).collect();
    let sources: Vec<Value> = assessment.derived_from.iter().map(|source| reference(source)).collect();
    let mut body = json!({
        "status": "final",
        "category": [concept(&survey), concept(&assessment.domain)],
        "code": concept(&assessment.what),
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "effectiveDateTime": instant(visit.at(9)),
        "performer": [reference(assessment.by)],
        "hasMember": (!members.is_empty()).then_some(members),
        "derivedFrom": (!sources.is_empty()).then_some(sources),
    });
    if let Some((name, value)) = assessment.answer.map(Answer::element) {
        body[name] = value;
    }
    chart.add("Observation", &["us-core-observation-screening-assessment"], visit.end, body)
}

/// What the patient says, or a clinician sees, without an instrument.
pub(crate) fn simple_observation(
    chart: &mut Chart,
    visit: &Visit,
    domain: &Code,
    what: &Code,
    answer: Answer<'_>,
    by: &str,
    derived_from: Option<&str>,
) -> String {
    let (name, value) = answer.element();
    let mut body = json!({
        "status": "final",
        "category": [concept(domain)],
        "code": concept(what),
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "effectiveDateTime": instant(visit.at(9)),
        "performer": [reference(by)],
        "derivedFrom": derived_from.map(|source| json!([reference(source)])),
    });
    body[name] = value;
    chart.add("Observation", &["us-core-simple-observation"], visit.end, body)
}
