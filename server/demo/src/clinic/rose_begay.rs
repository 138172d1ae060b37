//! Rose Begay, of the Navajo Nation: a colonoscopy with its pathology, a new knee, and notes from other houses.

use jiff::civil::date;

use crate::chart::{Chart, Visit};
use crate::directory::{HADDAD, METFORMIN, METFORMIN_CODE};
use crate::document::Format;
use crate::rooms::conditions::{Course, DIABETES, GASTRIC_REFLUX, HYPERLIPIDEMIA, OBESITY, diagnosis, problem};
use crate::rooms::devices::{KNEE_PROSTHESIS, implant};
use crate::rooms::documents::{LABORATORY_NARRATIVE, Note, PATHOLOGY_NARRATIVE, PROCEDURE_NOTE, note};
use crate::rooms::encounters::{CHECK_UP, FOLLOW_UP, Stay, because_of, visit};
use crate::rooms::laboratory::{CHOLESTEROL, HDL, LIPID_PANEL, SERUM, TRIGLYCERIDE, panel};
use crate::rooms::medications::{ATORVASTATIN, Drug, FIRST_FILL, IBUPROFEN, Order, Source, dispense, order};
use crate::rooms::patients::{AMERICAN_INDIAN, ENGLISH, NAVAJO_NATION, NOT_HISPANIC, Name, Person, register};
use crate::rooms::procedures::{COLONOSCOPY, Done, EVALUATION, procedure, request};
use crate::rooms::provenance::{sign, sign_as_clinic};
use crate::rooms::reports::{Finding, PATHOLOGY, PATHOLOGY_DIAGNOSIS, Report, SURGICAL_PATHOLOGY, finding, report};
use crate::rooms::vital_signs::{Adult, adult};
use crate::version::Versions;

pub(crate) fn record(seed: u64) -> Chart {
    let mut chart = Chart::new(seed, "demo-rose-begay".to_owned(), Versions::ALL);
    let person = Person {
        former_name: Some((Name { family: "Yazzie", given: &["Rose"], suffix: None }, date(1974, 5, 25))),
        race: &[AMERICAN_INDIAN],
        ethnicity: Some(NOT_HISPANIC),
        tribe: Some(NAVAJO_NATION),
        birth_sex: Some("F"),
        phone: Some("(555) 010-1006"),
        email: Some("rose@mail.example"),
        home: Some(["31 ELM ST APT 2", "Westbrook", "ME", "04092"]),
        former_home: Some((["PO BOX 1140", "Chinle", "AZ", "86503"], date(2019, 7, 15))),
        language: Some(ENGLISH),
        ..Person::new("Begay", &["Rose", "Ann"], "female", date(1952, 3, 30))
    };
    let registered = date(2019, 9, 4).at(9, 0, 0, 0);
    register(&mut chart, registered, &person);
    sign_as_clinic(&mut chart, registered);
    check_up(&mut chart);
    colonoscopy(&mut chart);
    chart
}

fn check_up(chart: &mut Chart) {
    let visit = visit(chart, &Stay::new(CHECK_UP, date(2026, 2, 10).at(9, 30, 0, 0)));
    let diabetes = problem(chart, &visit, &DIABETES, Course::since(date(2011, 5, 3)));
    let lipids = problem(chart, &visit, &HYPERLIPIDEMIA, Course::since(date(2012, 1, 17)));
    problem(chart, &visit, &OBESITY, Course::until(date(2008, 1, 1), date(2023, 1, 1)));
    because_of(chart, &visit, &[&diabetes, &lipids]);
    let usual = Adult {
        height: 158,
        weight: 702,
        systolic: 134,
        diastolic: 78,
        heart_rate: 72,
        respiratory_rate: 15,
        temperature: 367,
        saturation: 97,
    };
    adult(chart, &visit, &usual);
    panel(chart, &visit, &LIPID_PANEL, &SERUM, &[(&CHOLESTEROL, "212"), (&TRIGLYCERIDE, "164"), (&HDL, "46")]);
    let atorvastatin = Order::daily(Drug::Coded(ATORVASTATIN), Some((&lipids, HYPERLIPIDEMIA.0)));
    let asked = order(chart, &visit, &atorvastatin);
    dispense(chart, &visit, &asked, &atorvastatin, &FIRST_FILL, true);
    order(chart, &visit, &Order::daily(Drug::Shared(METFORMIN, METFORMIN_CODE), Some((&diabetes, DIABETES.0))));
    let ibuprofen = Order {
        intent: "plan",
        source: Source::Told,
        dosage: "Two tablets by mouth when the other knee hurts",
        dose: "2",
        ..Order::daily(Drug::Coded(IBUPROFEN), None)
    };
    order(chart, &visit, &ibuprofen);
    implant(chart, &visit, &KNEE_PROSTHESIS, date(2017, 4, 12), "active");
    implant(chart, &visit, &KNEE_PROSTHESIS, date(2003, 9, 8), "inactive");
    let text = [
        "Lipids of February 10: total cholesterol 212 mg/dL, triglycerides 164 mg/dL, HDL 46 mg/dL.",
        "Above the target for a patient with diabetes. Repeat fasting in three months.",
    ];
    note(chart, &visit, &Note { kind: LABORATORY_NARRATIVE, format: Format::Pdf, is_inline: false, text: &text });
    sign(chart, &visit);
}

fn colonoscopy(chart: &mut Chart) {
    let stay =
        Stay { length: 60, reason: Some(GASTRIC_REFLUX.0), ..Stay::new(FOLLOW_UP, date(2026, 4, 21).at(8, 0, 0, 0)) };
    let visit = visit(chart, &stay);
    let reflux = diagnosis(chart, &visit, &GASTRIC_REFLUX, Course::since(date(2026, 3, 1)));
    because_of(chart, &visit, &[&reflux]);
    let reason = (reflux.as_str(), GASTRIC_REFLUX.0);
    let asked = request(chart, &visit, "completed", &[EVALUATION], &COLONOSCOPY, reason);
    procedure(chart, &visit, &COLONOSCOPY, Done::At(visit.at(15)), visit.clinician, Some(&asked), reason);
    let text = [
        "Colonoscopy to the cecum, good preparation. One polyp of 4 mm in the sigmoid, taken with cold forceps.",
        "No bleeding. Home after an hour; pathology to follow.",
    ];
    note(chart, &visit, &Note { kind: PROCEDURE_NOTE, format: Format::Html, is_inline: false, text: &text });
    pathology(chart, &visit);
    sign(chart, &visit);
}

fn pathology(chart: &mut Chart, visit: &Visit) {
    let words = Finding::Worded("Sigmoid polyp, biopsy: hyperplastic polyp. No dysplasia.");
    let found = finding(chart, visit, ("procedure", "Procedure"), &PATHOLOGY_DIAGNOSIS, HADDAD, words);
    let pathology = Report {
        category: PATHOLOGY,
        study: SURGICAL_PATHOLOGY,
        note: PATHOLOGY_NARRATIVE,
        by: HADDAD,
        results: &[found],
        media: None,
        format: Format::Pdf,
        text: &[
            "Received in formalin: one tan fragment of 4 mm. All embedded.",
            "Diagnosis: sigmoid polyp, biopsy: hyperplastic polyp. No dysplasia.",
        ],
    };
    report(chart, visit, &pathology);
}
