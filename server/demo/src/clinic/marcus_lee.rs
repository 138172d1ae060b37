//! Marcus Lee: heart failure, COPD and a pacemaker. His record has the heart's reports, and vital signs that were measured
//! twice.

use jiff::civil::date;
use rust_decimal::Decimal;

use crate::chart::{Chart, Visit};
use crate::directory::{LIND, LIND_AT_CLINIC, OKAFOR, RUIZ, WARFARIN, WARFARIN_CODE};
use crate::document::Format;
use crate::rooms::allergies::{Allergy, RASH, SULFONAMIDE, allergy};
use crate::rooms::care::{BODY_WEIGHT, CARDIOLOGIST, CAREGIVER, MODERATE_EXERCISE, NURSE, PHYSICIAN, goal, plan, team};
use crate::rooms::conditions::{ATRIAL_FIBRILLATION, COPD, Course, HEART_FAILURE, diagnosis, problem};
use crate::rooms::coverage::{MEDICARE, coverage};
use crate::rooms::devices::{PACEMAKER, implant};
use crate::rooms::documents::{CONSULTATION, Note, PROCEDURE_NOTE, SURGICAL_NOTE, note};
use crate::rooms::encounters::{CHECK_UP, EMERGENCY_ADMISSION, FOLLOW_UP, INPATIENT, Stay, because_of, visit};
use crate::rooms::immunizations::{INFLUENZA, PNEUMOCOCCAL, declined, given};
use crate::rooms::laboratory::{BNP, CREATININE, GLUCOSE, METABOLIC_PANEL, POTASSIUM, SERUM, SODIUM, panel};
use crate::rooms::medications::{
    ACETAMINOPHEN, AT_DISCHARGE, Adherence, Drug, FIRST_FILL, FUROSEMIDE, METOPROLOL, OUTPATIENT, Order, REFILL,
    SPOUSE, Source, TAKES_PARTLY, dispense, order,
};
use crate::rooms::patients::{BLACK, ENGLISH, NOT_HISPANIC, Name, Person, register, related};
use crate::rooms::procedures::{Done, ECHOCARDIOGRAPHY, EVALUATION, PACEMAKER_IMPLANTATION, procedure, request};
use crate::rooms::provenance::{sign, sign_as_clinic, sign_as_received};
use crate::rooms::reports::{
    CARDIOLOGY, ECHOCARDIOGRAM, EJECTION_FRACTION, EKG_IMPRESSION, ELECTROCARDIOGRAM, Finding, HEART_RHYTHM, PERCENT,
    Report, finding, report, strip,
};
use crate::rooms::screening::{
    ALCOHOL_USE, Answer, DRINKS, DRINKS_A_DAY, LIVES_ALONE, OCCASIONAL_DRINKER, SOCIAL, simple_observation,
};
use crate::rooms::social_history::{EX_SMOKER, HETEROSEXUAL, SMOKES_DAILY, orientation, pack_years, smoked, smoking};
use crate::rooms::vital_signs::{
    Adult, BMI, HEART_RATE, HEIGHT, NOT_PERFORMED, RESPIRATORY_RATE, TEMPERATURE, UNKNOWN, WEIGHT, adult,
    average_blood_pressure, blood_pressure, measured_twice, oximetry,
};
use crate::version::Versions;

const USUAL: Adult = Adult {
    height: 180,
    weight: 923,
    systolic: 128,
    diastolic: 74,
    heart_rate: 66,
    respiratory_rate: 18,
    temperature: 365,
    saturation: 94,
};
const HOME: [&str; 4] = ["77 SPRUCE AVE", "South Portland", "ME", "04106"];

pub(crate) fn record(seed: u64) -> Chart {
    let mut chart = Chart::new(seed, "demo-marcus-lee".to_owned(), Versions::ALL);
    let person = Person {
        race: &[BLACK],
        ethnicity: Some(NOT_HISPANIC),
        birth_sex: Some("M"),
        phone: Some("(555) 010-1002"),
        email: Some("marcus@mail.example"),
        home: Some(HOME),
        former_home: Some((["9 MILL RD", "Saco", "ME", "04072"], date(2009, 8, 31))),
        language: Some(ENGLISH),
        ..Person::new("Lee", &["Marcus"], "male", date(1948, 11, 2))
    };
    let registered = date(2018, 1, 15).at(9, 0, 0, 0);
    register(&mut chart, registered, &person);
    let name = Name { family: "Lee", given: &["Josephine"], suffix: None };
    let wife = related(&mut chart, registered, ("WIFE", "wife"), name, "(555) 010-1012", HOME);
    sign_as_clinic(&mut chart, registered);
    pacemaker(&mut chart);
    check_up(&mut chart, &wife);
    today(&mut chart);
    chart
}

/// Three days in the hospital, which sent its record.
fn pacemaker(chart: &mut Chart) {
    let stay = Stay {
        class: INPATIENT,
        length: 3 * 24 * 60,
        clinician: LIND,
        reason: Some(ATRIAL_FIBRILLATION.0),
        ..Stay::new(EMERGENCY_ADMISSION, date(2024, 2, 5).at(7, 30, 0, 0))
    };
    let visit = visit(chart, &stay);
    let fibrillation = problem(chart, &visit, &ATRIAL_FIBRILLATION, Course::since(date(2024, 2, 5)));
    because_of(chart, &visit, &[&fibrillation]);
    implant(chart, &visit, &PACEMAKER, date(2023, 11, 30), "active");
    let asked = request(
        chart,
        &visit,
        "completed",
        &[EVALUATION],
        &PACEMAKER_IMPLANTATION,
        (&fibrillation, ATRIAL_FIBRILLATION.0),
    );
    let done = Done::Between(visit.at(180), visit.at(265));
    procedure(chart, &visit, &PACEMAKER_IMPLANTATION, done, LIND, Some(&asked), (&fibrillation, ATRIAL_FIBRILLATION.0));
    let warfarin = Order {
        category: AT_DISCHARGE,
        tablets: "90",
        ..Order::daily(Drug::Shared(WARFARIN, WARFARIN_CODE), Some((&fibrillation, ATRIAL_FIBRILLATION.0)))
    };
    let asked = order(chart, &visit, &warfarin);
    dispense(chart, &visit, &asked, &warfarin, &FIRST_FILL, true);
    let text = [
        "Operation: implantation of a dual-chamber pacemaker through the left cephalic vein. Surgeon: Dr. Lind.",
        "Local anesthesia. Both leads with good thresholds; device in a pocket below the clavicle. Blood loss 10 mL.",
        "No complications. Chest film tomorrow; wound check in ten days.",
    ];
    note(chart, &visit, &Note { kind: SURGICAL_NOTE, format: Format::Pdf, is_inline: false, text: &text });
    sign_as_received(chart, visit.end);
}

fn check_up(chart: &mut Chart, wife: &str) {
    let stay = Stay { length: 45, ..Stay::new(CHECK_UP, date(2026, 5, 20).at(14, 0, 0, 0)) };
    let visit = visit(chart, &stay);
    let failure = problem(chart, &visit, &HEART_FAILURE, Course::since(date(2021, 8, 14)));
    let copd = problem(chart, &visit, &COPD, Course::since(date(2014, 3, 2)));
    let worse = diagnosis(chart, &visit, &HEART_FAILURE, Course::until(date(2026, 5, 10), date(2026, 6, 8)));
    because_of(chart, &visit, &[&failure, &copd, &worse]);
    let sulfonamide = Allergy {
        to: SULFONAMIDE,
        category: "medication",
        criticality: "low",
        reaction: RASH,
        severity: "mild",
        since: date(1995, 1, 10),
        is_over: false,
    };
    allergy(chart, &visit, &sulfonamide);
    vital_signs(chart, &visit);
    let values = [(&GLUCOSE, "101"), (&SODIUM, "134"), (&POTASSIUM, "4.6"), (&CREATININE, "1.38"), (&BNP, "412")];
    let results = panel(chart, &visit, &METABOLIC_PANEL, &SERUM, &values);
    heart(chart, &visit, &failure, results.last().cloned());
    medications(chart, &visit, &failure, wife);
    given(chart, &visit, &PNEUMOCOCCAL);
    declined(chart, &visit, &INFLUENZA);
    coverage(chart, &visit, &MEDICARE, (date(2013, 11, 1), None), None);
    let weight = (BODY_WEIGHT, "Dry weight of 90 kg");
    let target = goal(chart, &visit, "active", weight, None, date(2026, 8, 31));
    goal(chart, &visit, "completed", (MODERATE_EXERCISE, "Walks to the harbor and back"), None, date(2026, 5, 1));
    let words = "Weighs himself each morning and calls if it goes up by 1 kg in a day; 1.5 L to drink; no added salt.";
    plan(chart, &visit, "active", words, (date(2026, 5, 20), None), &[target]);
    let words = "Cardiac rehabilitation, twice a week.";
    let over = (date(2024, 3, 1), Some(date(2024, 6, 30).at(12, 0, 0, 0)));
    plan(chart, &visit, "completed", words, over, &[]);
    let members =
        [(OKAFOR, Some(PHYSICIAN)), (LIND_AT_CLINIC, Some(CARDIOLOGIST)), (RUIZ, Some(NURSE)), (wife, Some(CAREGIVER))];
    team(chart, &visit, "Heart failure care", "active", &members);
    smoking(chart, &visit, &EX_SMOKER);
    smoked(chart, &visit, &SMOKES_DAILY, date(1966, 1, 1), date(2006, 12, 31));
    pack_years(chart, &visit, "40");
    orientation(chart, &visit, &HETEROSEXUAL);
    let himself = chart.patient();
    simple_observation(chart, &visit, &SOCIAL, &ALCOHOL_USE, Answer::Coded(OCCASIONAL_DRINKER), &himself, None);
    let drinks = Answer::Measured("0.5", DRINKS);
    let drinks = simple_observation(chart, &visit, &SOCIAL, &DRINKS_A_DAY, drinks, RUIZ, None);
    let words = Answer::Worded("A glass of wine with his wife on weekends");
    simple_observation(chart, &visit, &SOCIAL, &ALCOHOL_USE, words, RUIZ, Some(&drinks));
    simple_observation(chart, &visit, &SOCIAL, &LIVES_ALONE, Answer::Checked(false), RUIZ, None);
    let text = [
        "Heart failure with reduced ejection fraction, stable.",
        "Ejection fraction 38 %. Weight up 2 kg: furosemide for a week.",
    ];
    note(chart, &visit, &Note { kind: CONSULTATION, format: Format::Text, is_inline: true, text: &text });
    sign(chart, &visit);
}

fn vital_signs(chart: &mut Chart, visit: &Visit) {
    let one = Decimal::from;
    let tenth = |value| Decimal::new(value, 1);
    adult(chart, visit, &USUAL);
    measured_twice(chart, visit, &HEART_RATE, one(66), one(68));
    measured_twice(chart, visit, &RESPIRATORY_RATE, one(18), one(20));
    measured_twice(chart, visit, &TEMPERATURE, tenth(365), tenth(367));
    measured_twice(chart, visit, &WEIGHT, tenth(923), tenth(921));
    measured_twice(chart, visit, &HEIGHT, tenth(1800), tenth(1804));
    measured_twice(chart, visit, &BMI, tenth(285), tenth(283));
    oximetry(chart, visit, Ok("94"), Some((Ok("2"), Ok("28"))));
    oximetry(chart, visit, Ok("91"), Some((Err(UNKNOWN), Err(NOT_PERFORMED))));
    blood_pressure(chart, visit, Ok("122"), Ok("74"));
    let week = (date(2026, 5, 13).at(7, 0, 0, 0), date(2026, 5, 19).at(21, 0, 0, 0));
    average_blood_pressure(chart, visit, week, Ok("126"), Ok("75"));
    average_blood_pressure(chart, visit, week, Err(UNKNOWN), Ok("75"));
    average_blood_pressure(chart, visit, week, Ok("126"), Err(UNKNOWN));
}

/// The echocardiogram and the electrocardiogram, with their report.
fn heart(chart: &mut Chart, visit: &Visit, failure: &str, bnp: Option<String>) {
    let procedure_ = ("procedure", "Procedure");
    let done = Done::Between(visit.at(10), visit.at(25));
    let asked = request(chart, visit, "completed", &[EVALUATION], &ECHOCARDIOGRAPHY, (failure, HEART_FAILURE.0));
    request(chart, visit, "active", &[EVALUATION], &ECHOCARDIOGRAPHY, (failure, HEART_FAILURE.0));
    procedure(chart, visit, &ECHOCARDIOGRAPHY, done, LIND, Some(&asked), (failure, HEART_FAILURE.0));
    procedure(chart, visit, &ECHOCARDIOGRAPHY, Done::Not, LIND, None, (failure, HEART_FAILURE.0));
    let fraction =
        finding(chart, visit, ("imaging", "Imaging"), &EJECTION_FRACTION, LIND, Finding::Measured("38", PERCENT));
    let words = Finding::Worded("Atrial fibrillation, ventricular pacing on demand, no acute ischemia.");
    let impression = finding(chart, visit, procedure_, &EKG_IMPRESSION, LIND, words);
    let rhythm = Finding::Coded(ATRIAL_FIBRILLATION.0);
    let rhythm = finding(chart, visit, procedure_, &HEART_RHYTHM, LIND, rhythm);
    finding(chart, visit, procedure_, &EKG_IMPRESSION, LIND, Finding::Absent(NOT_PERFORMED));
    let results: Vec<String> = [fraction].into_iter().chain(bnp).collect();
    let text = [
        "Left ventricle dilated; ejection fraction 38 % (biplane). Left atrium enlarged. Mild mitral regurgitation.",
        "BNP 412 pg/mL. Conclusion: heart failure with reduced ejection fraction, unchanged since 2025.",
    ];
    let echo = Report {
        category: CARDIOLOGY,
        study: ECHOCARDIOGRAM,
        note: PROCEDURE_NOTE,
        by: LIND,
        results: &results,
        media: None,
        format: Format::Pdf,
        text: &text,
    };
    report(chart, visit, &echo);
    let strip = strip(chart, visit, LIND);
    let ekg = Report {
        study: ELECTROCARDIOGRAM,
        results: &[impression, rhythm],
        media: Some(strip),
        format: Format::Html,
        text: &["Atrial fibrillation at 66 a minute, ventricular pacing on demand. No acute ischemia."],
        ..echo
    };
    report(chart, visit, &ekg);
}

fn medications(chart: &mut Chart, visit: &Visit, failure: &str, wife: &str) {
    let because = Some((failure, HEART_FAILURE.0));
    let furosemide = Order { repeats: 0, tablets: "7", ..Order::daily(Drug::Coded(FUROSEMIDE), because) };
    let asked = order(chart, visit, &furosemide);
    dispense(chart, visit, &asked, &furosemide, &FIRST_FILL, true);
    let metoprolol = Order {
        category: OUTPATIENT,
        dosage: "One tablet by mouth twice a day",
        times_a_day: 2,
        tablets: "60",
        adherence: Some(Adherence { found: TAKES_PARTLY, told_by: SPOUSE }),
        ..Order::daily(Drug::Coded(METOPROLOL), because)
    };
    let asked = order(chart, visit, &metoprolol);
    dispense(chart, visit, &asked, &metoprolol, &REFILL, false);
    let acetaminophen = Order {
        intent: "plan",
        source: Source::Told,
        dosage: "One tablet by mouth when his knee hurts, up to three a day",
        times_a_day: 3,
        ..Order::daily(Drug::Coded(ACETAMINOPHEN), None)
    };
    order(chart, visit, &acetaminophen);
    order(
        chart,
        visit,
        &Order { status: "completed", source: Source::ToldBy(wife.to_owned()), ..acetaminophen.clone() },
    );
    order(chart, visit, &Order { status: "stopped", source: Source::ToldBy(LIND.to_owned()), ..acetaminophen });
}

/// Still in the room.
fn today(chart: &mut Chart) {
    let stay = Stay {
        clinician: LIND,
        reason: Some(HEART_FAILURE.0),
        status: "in-progress",
        ..Stay::new(FOLLOW_UP, date(2026, 11, 24).at(8, 30, 0, 0))
    };
    let visit = visit(chart, &stay);
    adult(chart, &visit, &Adult { weight: 902, ..USUAL });
    sign(chart, &visit);
}
