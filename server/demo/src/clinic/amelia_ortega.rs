//! Amelia Ortega: diabetes and high blood pressure, well followed. Her Patient claims 8.0.0 alone, whose `us-core-sex` is
//! a Coding. She speaks Spanish, and needs an interpreter.

use jiff::civil::date;

use crate::chart::Chart;
use crate::directory::{METFORMIN, METFORMIN_CODE, OKAFOR, OKAFOR_AT_CLINIC, RUIZ};
use crate::document::Format;
use crate::rooms::allergies::{Allergy, HIVES, PENICILLIN, allergy};
use crate::rooms::care::{HBA1C_BELOW_TARGET, NURSE, PHYSICIAN, goal, plan, team};
use crate::rooms::conditions::{Course, DIABETES, HYPERTENSION, SINUSITIS, diagnosis, problem};
use crate::rooms::documents::{HISTORY_AND_PHYSICAL, Note, PROGRESS_NOTE, note};
use crate::rooms::encounters::{CHECK_UP, FOLLOW_UP, Stay, because_of, visit};
use crate::rooms::immunizations::{INFLUENZA, given};
use crate::rooms::laboratory::{
    ALT, BLOOD, CHLORIDE, CREATININE, GLUCOSE, HBA1C, METABOLIC_PANEL, POTASSIUM, SERUM, SODIUM, UREA_NITROGEN, panel,
};
use crate::rooms::medications::{AMLODIPINE, Drug, FIRST_FILL, LISINOPRIL, Order, REFILL, dispense, order};
use crate::rooms::patients::{FEMALE, HISPANIC, MEXICAN, Name, Person, SPANISH, WHITE, YES, register};
use crate::rooms::preferences::{Wish, experience};
use crate::rooms::provenance::{sign, sign_as_clinic};
use crate::rooms::social_history::{NEVER_SMOKED, occupation, smoking};
use crate::rooms::vital_signs::{Adult, adult};
use crate::version::Versions;

const USUAL: Adult = Adult {
    height: 163,
    weight: 784,
    systolic: 146,
    diastolic: 90,
    heart_rate: 78,
    respiratory_rate: 14,
    temperature: 368,
    saturation: 98,
};

pub(crate) fn record(seed: u64) -> Chart {
    let mut chart = Chart::new(seed, "demo-amelia-ortega".to_owned(), Versions::V8_0);
    let person = Person {
        former_name: Some((Name { family: "Díaz", given: &["Amelia"], suffix: None }, date(2001, 6, 30))),
        race: &[WHITE],
        ethnicity: Some(HISPANIC),
        ethnicity_detail: Some(MEXICAN),
        sex: Some(FEMALE),
        interpreter_needed: Some(YES),
        phone: Some("(555) 010-1001"),
        email: Some("amelia@mail.example"),
        home: Some(["14 PINE ST", "Portland", "ME", "04102"]),
        language: Some(SPANISH),
        ..Person::new("Ortega", &["Amelia", "Rosa"], "female", date(1975, 4, 18))
    };
    register(&mut chart, date(2016, 10, 20).at(9, 0, 0, 0), &person);
    sign_as_clinic(&mut chart, date(2016, 10, 20).at(9, 10, 0, 0));
    spring_2025(&mut chart);
    autumn_2026(&mut chart);
    chart
}

fn spring_2025(chart: &mut Chart) {
    let stay =
        Stay { interpreter_needed: Some(YES), length: 40, ..Stay::new(CHECK_UP, date(2025, 3, 11).at(9, 0, 0, 0)) };
    let visit = visit(chart, &stay);
    let diabetes = problem(chart, &visit, &DIABETES, Course::since(date(2019, 2, 6)));
    let hypertension = problem(chart, &visit, &HYPERTENSION, Course::since(date(2016, 10, 20)));
    let sinusitis = diagnosis(chart, &visit, &SINUSITIS, Course::until(date(2025, 3, 1), date(2025, 3, 20)));
    because_of(chart, &visit, &[&diabetes, &sinusitis]);
    let penicillin = Allergy {
        to: PENICILLIN,
        category: "medication",
        criticality: "high",
        reaction: HIVES,
        severity: "moderate",
        since: date(2010, 5, 4),
        is_over: false,
    };
    allergy(chart, &visit, &penicillin);
    adult(chart, &visit, &USUAL);
    let values = [
        (&GLUCOSE, "168"),
        (&UREA_NITROGEN, "14"),
        (&CREATININE, "0.82"),
        (&SODIUM, "139"),
        (&POTASSIUM, "4.2"),
        (&CHLORIDE, "102"),
        (&ALT, "31"),
    ];
    panel(chart, &visit, &METABOLIC_PANEL, &SERUM, &values);
    panel(chart, &visit, &HBA1C.code, &BLOOD, &[(&HBA1C, "8.1")]);
    let metformin = Order {
        dosage: "Two tablets by mouth once a day with the evening meal",
        dose: "2",
        tablets: "60",
        ..Order::daily(Drug::Shared(METFORMIN, METFORMIN_CODE), Some((&diabetes, DIABETES.0)))
    };
    let request = order(chart, &visit, &metformin);
    dispense(chart, &visit, &request, &metformin, &FIRST_FILL, true);
    let lisinopril = Order::daily(Drug::Coded(LISINOPRIL), Some((&hypertension, HYPERTENSION.0)));
    let request = order(chart, &visit, &lisinopril);
    dispense(chart, &visit, &request, &lisinopril, &FIRST_FILL, true);
    let amlodipine =
        Order { status: "stopped", ..Order::daily(Drug::Coded(AMLODIPINE), Some((&hypertension, HYPERTENSION.0))) };
    order(chart, &visit, &amlodipine);
    let target = goal(
        chart,
        &visit,
        "active",
        (HBA1C_BELOW_TARGET, "HbA1c below 7 %"),
        Some((&HBA1C, "7.0")),
        date(2026, 12, 31),
    );
    let words = "Walk half an hour on five days a week; HbA1c every six months.";
    plan(chart, &visit, "active", words, (date(2025, 3, 11), None), &[target]);
    team(
        chart,
        &visit,
        "Diabetes care",
        "active",
        &[(OKAFOR, Some(PHYSICIAN)), (OKAFOR_AT_CLINIC, Some(PHYSICIAN)), (RUIZ, Some(NURSE))],
    );
    smoking(chart, &visit, &NEVER_SMOKED);
    occupation(chart, &visit, date(2003, 9, 1), None);
    experience(chart, &visit, Wish::Uncoded("Prefers to be spoken to in Spanish"));
    let text = [
        "51-year-old woman, nursing assistant, with type 2 diabetes since 2019 and hypertension since 2016.",
        "A cold that would not end: viral sinusitis, no antibiotics. Penicillin gives her hives.",
        "HbA1c 8.1 %: metformin to 1000 mg a day. Lisinopril as before; amlodipine was stopped for swollen ankles.",
    ];
    note(chart, &visit, &Note { kind: HISTORY_AND_PHYSICAL, format: Format::Pdf, is_inline: false, text: &text });
    sign(chart, &visit);
}

fn autumn_2026(chart: &mut Chart) {
    let stay = Stay {
        interpreter_needed: Some(YES),
        reason: Some(DIABETES.0),
        length: 35,
        ..Stay::new(FOLLOW_UP, date(2026, 9, 15).at(10, 30, 0, 0))
    };
    let visit = visit(chart, &stay);
    adult(chart, &visit, &Adult { weight: 751, systolic: 132, diastolic: 82, ..USUAL });
    panel(chart, &visit, &HBA1C.code, &BLOOD, &[(&HBA1C, "7.0")]);
    given(chart, &visit, &INFLUENZA);
    let metformin = Order {
        dosage: "Two tablets by mouth once a day with the evening meal",
        dose: "2",
        tablets: "60",
        ..Order::daily(Drug::Shared(METFORMIN, METFORMIN_CODE), None)
    };
    let request = order(chart, &visit, &metformin);
    dispense(chart, &visit, &request, &metformin, &REFILL, false);
    let text = [
        "Type 2 diabetes, well controlled (HbA1c 7.0 %). Blood pressure near target.",
        "Plan: continue metformin and lisinopril; see again in six months.",
    ];
    note(chart, &visit, &Note { kind: PROGRESS_NOTE, format: Format::Text, is_inline: false, text: &text });
    sign(chart, &visit);
}
