//! Walter Brandt: his last stay in the hospital, with Alzheimer's disease and pneumonia. His record has what was wished,
//! what could not be measured, and assessments of how he lived.

use jiff::civil::date;

use crate::chart::{Chart, Visit};
use crate::directory::{LIND, OKAFOR, OKAFOR_AT_CLINIC, RUIZ, YOON};
use crate::document::Format;
use crate::rooms::care::{CAREGIVER, PHYSICIAN, plan, team};
use crate::rooms::conditions::{ALZHEIMER, Course, PNEUMONIA, diagnosis, problem};
use crate::rooms::documents::{
    DISCHARGE_SUMMARY, EMERGENCY_NOTE, IMAGING_NARRATIVE, LIVING_WILL, Note, advance_directive, note,
};
use crate::rooms::encounters::{CHECK_UP, EMERGENCY_ADMISSION, EXPIRED, INPATIENT, Stay, because_of, visit};
use crate::rooms::laboratory::{
    BLOOD, BLOOD_CULTURE, CREATININE, GLUCOSE, METABOLIC_PANEL, SERUM, SODIUM, no_result, panel, specimen,
};
use crate::rooms::medications::{ACETAMINOPHEN, Drug, IN_HOSPITAL, Order, Source, order};
use crate::rooms::patients::{ENGLISH, NOT_HISPANIC, Name, Person, WHITE, register, related};
use crate::rooms::preferences::{NOT_FOR_RESUSCITATION, Wish, directives, experience, treatment};
use crate::rooms::procedures::{CHEST_X_RAY, Done, IMAGING, procedure, request};
use crate::rooms::provenance::{sign, sign_as_clinic, sign_as_received};
use crate::rooms::reports::{
    CHEST_X_RAY as CHEST_STUDY, CONSOLIDATION, Finding, RADIOLOGY, Report, X_RAY_FINDING, X_RAY_IMPRESSION, finding,
    report,
};
use crate::rooms::screening::{
    Answer, Assessment, COGNITIVE, COGNITIVE_FUNCTION, DIFFICULTY_WALKING, DISABILITY, FUNCTIONAL, FUNCTIONAL_STATUS,
    MINI_MENTAL_STATE, SCORE, YES, assessment,
};
use crate::rooms::vital_signs::{
    BMI, DECLINED, HEART_RATE, HEIGHT, NOT_PERFORMED, RESPIRATORY_RATE, TEMPERATURE, UNKNOWN, WEIGHT, blood_pressure,
    measured, not_measured, oscillometric_blood_pressure, oximetry,
};
use crate::version::Versions;

pub(crate) fn record(seed: u64) -> Chart {
    let mut chart = Chart::new(seed, "demo-walter-brandt".to_owned(), Versions::ALL);
    let died = date(2025, 12, 3).at(4, 20, 0, 0);
    let person = Person {
        name: Some(Name { family: "Brandt", given: &["Walter", "Karl"], suffix: Some("Jr.") }),
        died: Some(died),
        race: &[WHITE],
        ethnicity: Some(NOT_HISPANIC),
        birth_sex: Some("M"),
        phone: Some("(555) 010-1005"),
        email: Some("walter@mail.example"),
        home: Some(["250 MEADOW RD", "Falmouth", "ME", "04105"]),
        language: Some(ENGLISH),
        ..Person::new("Brandt", &["Walter"], "male", date(1939, 1, 26))
    };
    let registered = date(2017, 6, 5).at(14, 0, 0, 0);
    register(&mut chart, registered, &person);
    let name = Name { family: "Brandt-Moore", given: &["Helen"], suffix: None };
    let home = ["18 OCEAN ST", "South Portland", "ME", "04106"];
    let daughter = related(&mut chart, registered, ("DAU", "natural daughter"), name, "(555) 010-1015", home);
    sign_as_clinic(&mut chart, registered);
    check_up(&mut chart, &daughter);
    last_stay(&mut chart, &daughter);
    chart
}

fn check_up(chart: &mut Chart, daughter: &str) {
    let visit = visit(chart, &Stay { length: 50, ..Stay::new(CHECK_UP, date(2025, 6, 18).at(13, 0, 0, 0)) });
    let alzheimer = problem(chart, &visit, &ALZHEIMER, Course::since(date(2019, 4, 1)));
    because_of(chart, &visit, &[&alzheimer]);
    let found = |domain, what, answer| Assessment {
        domain,
        what,
        answer: Some(answer),
        members: &[],
        derived_from: &[],
        by: RUIZ,
    };
    assessment(chart, &visit, &found(COGNITIVE, MINI_MENTAL_STATE, Answer::Measured("14", SCORE)));
    let words = Answer::Worded("Knows his daughter; not the year or the town. Loses the thread after a sentence.");
    assessment(chart, &visit, &found(COGNITIVE, COGNITIVE_FUNCTION, words));
    let words = Answer::Worded("Dresses and eats with help; walks with a frame indoors.");
    assessment(chart, &visit, &found(FUNCTIONAL, FUNCTIONAL_STATUS, words));
    assessment(chart, &visit, &found(DISABILITY, DIFFICULTY_WALKING, Answer::Coded(YES)));
    assessment(chart, &visit, &found(COGNITIVE, MINI_MENTAL_STATE, Answer::Absent(DECLINED)));
    treatment(chart, &visit, Wish::Coded(NOT_FOR_RESUSCITATION));
    experience(chart, &visit, Wish::Uncoded("Wants his daughter to be asked first"));
    let text = ["I wish to have comfort, and no machines that only lengthen my dying.", "Signed before two witnesses."];
    let will = Note { kind: LIVING_WILL, format: Format::Pdf, is_inline: false, text: &text };
    let will = [advance_directive(chart, &visit, &will)];
    let text = ["Do not resuscitate.", "Spoken of with Mr. Brandt and his daughter on the day of the visit."];
    let order_ = Note { kind: LIVING_WILL, format: Format::Text, is_inline: true, text: &text };
    let order_ = [advance_directive(chart, &visit, &order_)];
    directives(chart, &visit, &[will, order_].concat());
    plan(chart, &visit, "active", "At home with his daughter; a nurse twice a week.", (date(2025, 6, 18), None), &[]);
    let members = [(OKAFOR, Some(PHYSICIAN)), (OKAFOR_AT_CLINIC, Some(PHYSICIAN)), (daughter, Some(CAREGIVER))];
    team(chart, &visit, "Care at home", "active", &members);
    sign(chart, &visit);
}

fn last_stay(chart: &mut Chart, daughter: &str) {
    let stay = Stay {
        class: INPATIENT,
        length: 4 * 24 * 60 + 740,
        clinician: LIND,
        reason: Some(PNEUMONIA.0),
        disposition: EXPIRED,
        ..Stay::new(EMERGENCY_ADMISSION, date(2025, 11, 28).at(16, 0, 0, 0))
    };
    let visit = visit(chart, &stay);
    let pneumonia = diagnosis(chart, &visit, &PNEUMONIA, Course::since(date(2025, 11, 27)));
    because_of(chart, &visit, &[&pneumonia]);
    vital_signs(chart, &visit);
    panel(chart, &visit, &METABOLIC_PANEL, &SERUM, &[(&GLUCOSE, "138"), (&SODIUM, "131"), (&CREATININE, "1.92")]);
    let blood = specimen(chart, &visit, &BLOOD);
    no_result(chart, &visit, &blood, &BLOOD_CULTURE, NOT_PERFORMED);
    chest(chart, &visit, &pneumonia);
    let acetaminophen = Order {
        category: IN_HOSPITAL,
        status: "completed",
        dosage: "One tablet by mouth every eight hours",
        times_a_day: 3,
        repeats: 0,
        tablets: "12",
        ..Order::daily(Drug::Coded(ACETAMINOPHEN), Some((&pneumonia, PNEUMONIA.0)))
    };
    order(chart, &visit, &acetaminophen);
    order(chart, &visit, &Order { intent: "plan", source: Source::ToldBy(daughter.to_owned()), ..acetaminophen });
    let text = [
        "86-year-old man with Alzheimer's disease, two days of cough and fever, brought by his daughter.",
        "38.9 °C, 112 a minute, saturation 86 % on room air, 91 % on 4 L. Crackles at the right base.",
        "Living will known: admitted for treatment without intensive care.",
    ];
    note(chart, &visit, &Note { kind: EMERGENCY_NOTE, format: Format::Text, is_inline: false, text: &text });
    let text = [
        "Admitted with pneumonia of the right lower lobe. Worse under treatment on the third day.",
        "Comfort care at the wish of the family. Died on December 3 in the presence of his daughter.",
    ];
    note(chart, &visit, &Note { kind: DISCHARGE_SUMMARY, format: Format::Html, is_inline: false, text: &text });
    sign_as_received(chart, visit.end);
}

/// At admission, and again in the night, when he pushed the nurse away.
fn vital_signs(chart: &mut Chart, visit: &Visit) {
    measured(chart, visit, &HEART_RATE, "112");
    measured(chart, visit, &RESPIRATORY_RATE, "28");
    measured(chart, visit, &TEMPERATURE, "38.9");
    measured(chart, visit, &WEIGHT, "68.0");
    measured(chart, visit, &HEIGHT, "174");
    oximetry(chart, visit, Ok("86"), None);
    oximetry(chart, visit, Ok("91"), Some((Ok("4"), Ok("36"))));
    oscillometric_blood_pressure(chart, visit, "68", "96", "54");
    for sign in [&HEART_RATE, &RESPIRATORY_RATE, &TEMPERATURE, &WEIGHT, &HEIGHT, &BMI] {
        not_measured(chart, visit, sign, DECLINED);
    }
    oximetry(chart, visit, Err(DECLINED), None);
    blood_pressure(chart, visit, Ok("88"), Err(NOT_PERFORMED));
    blood_pressure(chart, visit, Err(UNKNOWN), Ok("50"));
    blood_pressure(chart, visit, Err(DECLINED), Err(DECLINED));
}

fn chest(chart: &mut Chart, visit: &Visit, pneumonia: &str) {
    let reason = (pneumonia, PNEUMONIA.0);
    let asked = request(chart, visit, "completed", &[IMAGING], &CHEST_X_RAY, reason);
    request(chart, visit, "revoked", &[IMAGING], &CHEST_X_RAY, reason);
    procedure(chart, visit, &CHEST_X_RAY, Done::At(visit.at(55)), YOON, Some(&asked), reason);
    procedure(chart, visit, &CHEST_X_RAY, Done::Not, YOON, None, reason);
    let imaging = ("imaging", "Imaging");
    let found = finding(chart, visit, imaging, &X_RAY_FINDING, YOON, Finding::Coded(CONSOLIDATION));
    let words = Finding::Worded("Pneumonia of the right lower lobe.");
    let impression = finding(chart, visit, imaging, &X_RAY_IMPRESSION, YOON, words);
    let chest = Report {
        category: RADIOLOGY,
        study: CHEST_STUDY,
        note: IMAGING_NARRATIVE,
        by: YOON,
        results: &[found, impression],
        media: None,
        format: Format::Pdf,
        text: &[
            "Two views of the chest. Consolidation of the right lower lobe with an air bronchogram. Heart not enlarged.",
            "Impression: pneumonia of the right lower lobe.",
        ],
    };
    report(chart, visit, &chest);
}
