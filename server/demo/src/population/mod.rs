//! Patients by chance, for load: five years of visits each, by rules of thumb on who has what at which age.

mod child;
mod people;

use jiff::civil::{Date, DateTime, Weekday, date};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::chart::{Chart, Visit};
use crate::directory::{LIND, METFORMIN, METFORMIN_CODE, OKAFOR, WARFARIN, WARFARIN_CODE};
use crate::document::Format;
use crate::rooms::allergies::{Allergy, HIVES, LATEX, PENICILLIN, RASH, SULFONAMIDE, allergy};
use crate::rooms::conditions::{
    ASTHMA, ATRIAL_FIBRILLATION, COPD, Course, DIABETES, Disease, GASTRIC_REFLUX, HEART_FAILURE, HYPERLIPIDEMIA,
    HYPERTENSION, OBESITY, SINUSITIS, URINARY_INFECTION, diagnosis, problem,
};
use crate::rooms::coverage::{COMMERCIAL, MEDICARE, coverage};
use crate::rooms::documents::{Note, PROGRESS_NOTE, note};
use crate::rooms::encounters::{CHECK_UP, FOLLOW_UP, Stay, because_of, visit};
use crate::rooms::immunizations::{INFLUENZA, PNEUMOCOCCAL, TDAP, given};
use crate::rooms::laboratory::{
    ALT, BLOOD, BLOOD_COUNT, CALCIUM, CHLORIDE, CHOLESTEROL, CREATININE, GLUCOSE, HBA1C, HDL, HEMATOCRIT, HEMOGLOBIN,
    LEUKOCYTES, LIPID_PANEL, METABOLIC_PANEL, PLATELETS, POTASSIUM, SERUM, SODIUM, TRIGLYCERIDE, Test, UREA_NITROGEN,
    panel,
};
use crate::rooms::medications::{
    CLOPIDOGREL, Drug, FIRST_FILL, FUROSEMIDE, HYDROCHLOROTHIAZIDE, LISINOPRIL, METOPROLOL, Order, REFILL, SIMVASTATIN,
    dispense, order,
};
use crate::rooms::patients::register;
use crate::rooms::provenance::{sign, sign_as_clinic};
use crate::rooms::social_history::{EX_SMOKER, NEVER_SMOKED, SMOKES_DAILY, smoking};
use crate::rooms::vital_signs::{Adult, adult};
use crate::time::{day, days_after, years_after};
use crate::version::Versions;

/// The first and the last year of the records.
const YEARS: (i16, i16) = (2022, 2026);

/// The id of a patient of the population; `number` counts from nought.
pub fn patient_id(number: u32) -> String {
    format!("demo-patient-{}", number + 1)
}

/// The record of one patient of the population, the Patient first.
pub fn record(number: u32, seed: u64) -> Vec<Value> {
    let mut chart = Chart::new(seed, patient_id(number), Versions::V8_0);
    let born = people::birthday(&mut chart);
    let registered = later(born, date(2020, 3, 2)).at(9, 0, 0, 0);
    let is_female = chart.random.chance(51);
    people::with_person(&mut chart, is_female, born, |chart, person| register(chart, registered, person));
    sign_as_clinic(&mut chart, registered);
    if years_after(born, 18) > date(YEARS.1, 1, 1) {
        child::visits(&mut chart, born);
    } else {
        adult_visits(&mut chart, born, is_female);
    }
    chart.into_resources()
}

fn later(one: Date, other: Date) -> Date {
    if one > other { one } else { other }
}

/// A working day of the month, in office hours.
fn appointment(chart: &mut Chart, year: i16, month: i64) -> DateTime {
    let mut on = date(year, month as i8, chart.random.between(1, 26) as i8);
    while matches!(on.weekday(), Weekday::Saturday | Weekday::Sunday) {
        on = days_after(on, 1);
    }
    on.at(chart.random.between(8, 16) as i8, (chart.random.between(0, 3) * 15) as i8, 0, 0)
}

/// A chronic disease: from what age, how many percent have it, and what is taken against it.
struct Chronic {
    disease: &'static Disease,
    from_age: i64,
    percent: i64,
    drug: Option<Drug>,
}

const CHRONIC: [Chronic; 8] = [
    Chronic { disease: &HYPERTENSION, from_age: 35, percent: 45, drug: Some(Drug::Coded(LISINOPRIL)) },
    Chronic { disease: &HYPERLIPIDEMIA, from_age: 40, percent: 35, drug: Some(Drug::Coded(SIMVASTATIN)) },
    Chronic { disease: &DIABETES, from_age: 40, percent: 18, drug: Some(Drug::Shared(METFORMIN, METFORMIN_CODE)) },
    Chronic {
        disease: &ATRIAL_FIBRILLATION,
        from_age: 62,
        percent: 12,
        drug: Some(Drug::Shared(WARFARIN, WARFARIN_CODE)),
    },
    Chronic { disease: &HEART_FAILURE, from_age: 65, percent: 9, drug: Some(Drug::Coded(FUROSEMIDE)) },
    Chronic { disease: &COPD, from_age: 55, percent: 10, drug: None },
    Chronic { disease: &ASTHMA, from_age: 8, percent: 8, drug: None },
    Chronic { disease: &GASTRIC_REFLUX, from_age: 30, percent: 12, drug: None },
];

/// A problem of the list, and what is taken against it.
struct Problem {
    address: String,
    disease: &'static Disease,
    drug: Option<Drug>,
}

fn adult_visits(chart: &mut Chart, born: Date, is_female: bool) {
    let age = i64::from(YEARS.1 - born.year());
    let has: Vec<&Chronic> =
        CHRONIC.iter().filter(|one| age > one.from_age && chart.random.chance(one.percent)).collect();
    let height = chart.random.between(-12, 12) + if is_female { 163 } else { 176 };
    // Tenths of kg/m2.
    let bmi = chart.random.between(200, 340);
    let is_hypertensive = has.iter().any(|one| std::ptr::eq(one.disease, &HYPERTENSION));
    let is_diabetic = has.iter().any(|one| std::ptr::eq(one.disease, &DIABETES));
    let usual = Adult {
        height,
        weight: bmi * height * height / 10_000,
        systolic: if is_hypertensive { 138 } else { 118 },
        diastolic: if is_hypertensive { 84 } else { 74 },
        heart_rate: chart.random.between(60, 82),
        respiratory_rate: 15,
        temperature: 367,
        saturation: if has.iter().any(|one| std::ptr::eq(one.disease, &COPD)) { 93 } else { 98 },
    };
    let visits_a_year = 1 + has.len().div_ceil(2) as i64;
    let mut problems: Vec<Problem> = Vec::new();
    for year in YEARS.0..=YEARS.1 {
        for nth in 0..visits_a_year {
            let span = 11 / visits_a_year;
            let month = nth * span + chart.random.between(1, span.max(1));
            let start = appointment(chart, year, month);
            let is_first = problems.is_empty() && year == YEARS.0 && nth == 0;
            let clinician = if has.len() > 2 && nth == 1 { LIND } else { OKAFOR };
            let kind = if nth == 0 { CHECK_UP } else { FOLLOW_UP };
            let visit = visit(chart, &Stay { clinician, ..Stay::new(kind, start) });
            if is_first {
                problems = first_visit(chart, &visit, &has, age, bmi);
            }
            let reasons: Vec<&str> = problems.iter().map(|problem| problem.address.as_str()).collect();
            if !reasons.is_empty() {
                because_of(chart, &visit, &reasons);
            }
            adult(chart, &visit, &usual);
            if nth == 0 || is_diabetic {
                laboratory(chart, &visit, is_female, is_diabetic);
            }
            treat(chart, &visit, &problems, is_first, year);
            if nth == 0 && chart.random.chance(60) {
                given(chart, &visit, &INFLUENZA);
            }
            if chart.random.chance(12) {
                acute(chart, &visit, is_female);
            }
            let words = format!(
                "Seen on {}. Feels {}. Blood pressure and weight as in the vital signs; {} on the problem list.",
                day(visit.start),
                chart.random.of(&["well", "tired", "better than last time", "much the same"]),
                problems.len(),
            );
            let format = if chart.random.chance(20) { Format::Html } else { Format::Text };
            note(chart, &visit, &Note { kind: PROGRESS_NOTE, format, is_inline: true, text: &[&words] });
            sign(chart, &visit);
        }
    }
}

/// What is asked once: problems, allergies, smoking, insurance, old vaccines.
fn first_visit(chart: &mut Chart, visit: &Visit, has: &[&Chronic], age: i64, bmi: i64) -> Vec<Problem> {
    let mut problems = Vec::new();
    for one in has {
        let years = chart.random.between(1, (age - one.from_age).clamp(1, 15));
        let onset = days_after(visit.start.date(), -365 * years - chart.random.between(0, 364));
        let address = problem(chart, visit, one.disease, Course::since(onset));
        problems.push(Problem { address, disease: one.disease, drug: one.drug });
    }
    if bmi >= 300 {
        let onset = days_after(visit.start.date(), -chart.random.between(400, 4000));
        let address = problem(chart, visit, &OBESITY, Course::since(onset));
        problems.push(Problem { address, disease: &OBESITY, drug: None });
    }
    if chart.random.chance(22) {
        let (to, category, reaction) = *chart.random.of(&[
            (PENICILLIN, "medication", HIVES),
            (SULFONAMIDE, "medication", RASH),
            (LATEX, "environment", RASH),
        ]);
        let since = days_after(visit.start.date(), -chart.random.between(700, 5000));
        let found = Allergy { to, category, criticality: "low", reaction, severity: "mild", since, is_over: false };
        allergy(chart, visit, &found);
    }
    let status = *chart.random.of(&[NEVER_SMOKED, NEVER_SMOKED, NEVER_SMOKED, EX_SMOKER, SMOKES_DAILY]);
    smoking(chart, visit, &status);
    let payer = if age >= 65 { MEDICARE } else { COMMERCIAL };
    coverage(chart, visit, &payer, (date(2021, 1, 1), None), None);
    if chart.random.chance(40) {
        given(chart, visit, &TDAP);
    }
    if age >= 65 {
        given(chart, visit, &PNEUMOCOCCAL);
    }
    problems
}

/// A value of the test's range, in `scale` decimals; sometimes beside it.
fn value(chart: &mut Chart, low: i64, high: i64, scale: u32) -> String {
    Decimal::new(chart.random.between(low, high), scale).to_string()
}

fn laboratory(chart: &mut Chart, visit: &Visit, is_female: bool, is_diabetic: bool) {
    let glucose = if is_diabetic { (110, 210) } else { (74, 106) };
    let ranges: [(&Test, (i64, i64), u32); 8] = [
        (&GLUCOSE, glucose, 0),
        (&UREA_NITROGEN, (7, 23), 0),
        (&CREATININE, (62, 136), 2),
        (&SODIUM, (134, 145), 0),
        (&POTASSIUM, (34, 51), 1),
        (&CHLORIDE, (97, 108), 0),
        (&CALCIUM, (86, 104), 1),
        (&ALT, (8, 60), 0),
    ];
    report(chart, visit, (&METABOLIC_PANEL, &SERUM), &ranges);
    if is_diabetic {
        report(chart, visit, (&HBA1C.code, &BLOOD), &[(&HBA1C, (62, 94), 1)]);
    }
    if chart.random.chance(50) {
        let hemoglobin = if is_female { (116, 155) } else { (131, 175) };
        let ranges: [(&Test, (i64, i64), u32); 4] = [
            (&HEMOGLOBIN, hemoglobin, 1),
            (&HEMATOCRIT, (hemoglobin.0 * 3, hemoglobin.1 * 3), 1),
            (&LEUKOCYTES, (42, 112), 1),
            (&PLATELETS, (145, 390), 0),
        ];
        report(chart, visit, (&BLOOD_COUNT, &BLOOD), &ranges);
    } else {
        let ranges: [(&Test, (i64, i64), u32); 3] =
            [(&CHOLESTEROL, (140, 255), 0), (&TRIGLYCERIDE, (60, 220), 0), (&HDL, (36, 72), 0)];
        report(chart, visit, (&LIPID_PANEL, &SERUM), &ranges);
    }
}

fn report(
    chart: &mut Chart,
    visit: &Visit,
    what: (&crate::element::Code, &crate::element::Code),
    ranges: &[(&Test, (i64, i64), u32)],
) {
    let values: Vec<String> = ranges.iter().map(|(_, (low, high), scale)| value(chart, *low, *high, *scale)).collect();
    let tests: Vec<(&Test, &str)> =
        ranges.iter().zip(&values).map(|((test, ..), value)| (*test, value.as_str())).collect();
    panel(chart, visit, what.0, what.1, &tests);
}

/// What is taken is ordered anew each year, and handed over.
fn treat(chart: &mut Chart, visit: &Visit, problems: &[Problem], is_first: bool, year: i16) {
    for problem in problems {
        let Some(drug) = problem.drug else { continue };
        let drug = if std::ptr::eq(problem.disease, &HYPERTENSION) && chart.random.chance(15) {
            Drug::Coded(HYDROCHLOROTHIAZIDE)
        } else {
            drug
        };
        let status = if year == YEARS.1 { "active" } else { "completed" };
        let request = Order { status, ..Order::daily(drug, Some((&problem.address, problem.disease.0))) };
        let address = order(chart, visit, &request);
        let fill = if is_first { FIRST_FILL } else { REFILL };
        dispense(chart, visit, &address, &request, &fill, true);
    }
    if is_first && problems.iter().any(|problem| std::ptr::eq(problem.disease, &ATRIAL_FIBRILLATION)) {
        order(chart, visit, &Order::daily(Drug::Coded(METOPROLOL), None));
    }
    if is_first && problems.len() > 3 {
        order(chart, visit, &Order { status: "stopped", ..Order::daily(Drug::Coded(CLOPIDOGREL), None) });
    }
}

/// Something that was gone again in a week or two.
fn acute(chart: &mut Chart, visit: &Visit, is_female: bool) {
    let disease = if is_female && chart.random.chance(50) { &URINARY_INFECTION } else { &SINUSITIS };
    let today = visit.start.date();
    let course =
        Course::until(days_after(today, -chart.random.between(1, 6)), days_after(today, chart.random.between(5, 14)));
    diagnosis(chart, visit, disease, course);
}
