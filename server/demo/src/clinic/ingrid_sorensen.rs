//! Ingrid Sørensen: expecting, and short of food at times. Her record has the intake form and what followed from it, and
//! laboratory results of every kind.

use jiff::civil::date;

use crate::chart::{Chart, Visit};
use crate::directory::{FOOD_DID_NOT_LAST, FOOD_WORRY, OFTEN_TRUE, OKAFOR, OKAFOR_AT_CLINIC, RUIZ, SOMETIMES_TRUE};
use crate::document::Format;
use crate::rooms::allergies::{Allergy, LATEX, RASH, allergy};
use crate::rooms::care::{CAREGIVER, PHYSICIAN, team};
use crate::rooms::conditions::{
    ASTHMA, Course, FOOD_INSECURITY, PREGNANCY, URINARY_INFECTION, diagnosis, health_concern, problem,
};
use crate::rooms::coverage::{COMMERCIAL, MEDICAID, coverage};
use crate::rooms::documents::{HISTORY_AND_PHYSICAL, Note, PROGRESS_NOTE, note};
use crate::rooms::encounters::{FOLLOW_UP, PRENATAL, Stay, VIRTUAL, because_of, visit};
use crate::rooms::immunizations::{TDAP, given};
use crate::rooms::laboratory::{
    BLOOD, BLOOD_COUNT, E_COLI, HEMATOCRIT, HEMOGLOBIN, LEUKOCYTES, NEGATIVE, PLATELETS, POSITIVE, URINALYSIS, URINE,
    URINE_COLOR, URINE_CULTURE, URINE_KETONES, URINE_LEUKOCYTES, coded_result, no_result, panel, report, specimen,
    worded_result,
};
use crate::rooms::medications::{AMOXICILLIN, Drug, FIRST_FILL, FOLIC_ACID, Order, dispense, order};
use crate::rooms::patients::{ENGLISH, NOT_HISPANIC, Name, Person, WHITE, register, related};
use crate::rooms::preferences::{Wish, experience, treatment};
use crate::rooms::procedures::{BLOOD_COUNT as COUNT_BLOOD, FOOD_PANTRY, LABORATORY, SDOH, SOCIAL_SERVICE, request};
use crate::rooms::provenance::{sign, sign_as_clinic};
use crate::rooms::screening::{
    AT_RISK, Answer, Assessment, FOOD_RISK, HUNGER_VITAL_SIGN, SOCIAL, assessment, intake_form, paper_form,
};
use crate::rooms::social_history::{
    HETEROSEXUAL, NEVER_SMOKED, NOT_PREGNANT, NOT_SURE, PREGNANT, occupation, orientation, pregnancy, pregnancy_intent,
    smoking,
};
use crate::rooms::vital_signs::{Adult, NOT_PERFORMED, adult};
use crate::version::Versions;

const HOME: [&str; 4] = ["3 LIGHTHOUSE LN", "Cape Elizabeth", "ME", "04107"];

pub(crate) fn record(seed: u64) -> Chart {
    let mut chart = Chart::new(seed, "demo-ingrid-sorensen".to_owned(), Versions::ALL);
    let person = Person {
        race: &[WHITE],
        ethnicity: Some(NOT_HISPANIC),
        birth_sex: Some("F"),
        phone: Some("(555) 010-1004"),
        email: Some("ingrid@mail.example"),
        home: Some(HOME),
        language: Some(ENGLISH),
        ..Person::new("Sørensen", &["Ingrid"], "female", date(1993, 7, 30))
    };
    let registered = date(2024, 1, 8).at(10, 0, 0, 0);
    register(&mut chart, registered, &person);
    let name = Name { family: "Hall", given: &["Peter"], suffix: None };
    let partner = related(&mut chart, registered, ("DOMPART", "domestic partner"), name, "(555) 010-1014", HOME);
    sign_as_clinic(&mut chart, registered);
    call(&mut chart);
    prenatal(&mut chart, &partner);
    chart
}

/// By video, half a year before.
fn call(chart: &mut Chart) {
    let stay = Stay { class: VIRTUAL, ..Stay::new(FOLLOW_UP, date(2026, 3, 17).at(16, 0, 0, 0)) };
    let visit = visit(chart, &stay);
    problem(chart, &visit, &ASTHMA, Course::until(date(2004, 4, 1), date(2015, 6, 1)));
    pregnancy(chart, &visit, &NOT_PREGNANT);
    pregnancy_intent(chart, &visit, &NOT_SURE);
    coverage(chart, &visit, &COMMERCIAL, (date(2024, 1, 1), Some(date(2026, 6, 30))), None);
    paper_form(chart, &visit);
    let text = ["Asked for a sleep diary on paper. No wheezing since she was 22."];
    note(chart, &visit, &Note { kind: PROGRESS_NOTE, format: Format::Text, is_inline: true, text: &text });
    sign(chart, &visit);
}

fn prenatal(chart: &mut Chart, partner: &str) {
    let visit = visit(chart, &Stay::new(PRENATAL, date(2026, 10, 6).at(13, 0, 0, 0)));
    let expecting = problem(chart, &visit, &PREGNANCY, Course::since(date(2026, 8, 20)));
    let infection = diagnosis(chart, &visit, &URINARY_INFECTION, Course::until(date(2026, 10, 3), date(2026, 10, 13)));
    because_of(chart, &visit, &[&expecting, &infection]);
    let latex = Allergy {
        to: LATEX,
        category: "environment",
        criticality: "low",
        reaction: RASH,
        severity: "mild",
        since: date(2012, 9, 1),
        is_over: false,
    };
    allergy(chart, &visit, &latex);
    let usual = Adult {
        height: 171,
        weight: 634,
        systolic: 112,
        diastolic: 70,
        heart_rate: 82,
        respiratory_rate: 15,
        temperature: 369,
        saturation: 98,
    };
    adult(chart, &visit, &usual);
    laboratory(chart, &visit);
    pregnancy(chart, &visit, &PREGNANT);
    smoking(chart, &visit, &NEVER_SMOKED);
    occupation(chart, &visit, date(2014, 4, 24), Some(date(2026, 9, 30)));
    orientation(chart, &visit, &HETEROSEXUAL);
    let folic_acid = Order { repeats: 5, ..Order::daily(Drug::Coded(FOLIC_ACID), Some((&expecting, PREGNANCY.0))) };
    let asked = order(chart, &visit, &folic_acid);
    dispense(chart, &visit, &asked, &folic_acid, &FIRST_FILL, true);
    let amoxicillin = Order {
        status: "completed",
        dosage: "One capsule by mouth three times a day for a week",
        times_a_day: 3,
        repeats: 0,
        tablets: "21",
        ..Order::daily(Drug::Coded(AMOXICILLIN), Some((&infection, URINARY_INFECTION.0)))
    };
    let asked = order(chart, &visit, &amoxicillin);
    dispense(chart, &visit, &asked, &amoxicillin, &FIRST_FILL, true);
    request(chart, &visit, "active", &[LABORATORY], &COUNT_BLOOD, (&expecting, PREGNANCY.0));
    given(chart, &visit, &TDAP);
    coverage(chart, &visit, &MEDICAID, (date(2026, 7, 1), None), None);
    food(chart, &visit);
    // What the partner does in it was not asked, and the team must say it.
    let members = [(OKAFOR, Some(PHYSICIAN)), (OKAFOR_AT_CLINIC, Some(PHYSICIAN)), (partner, None)];
    team(chart, &visit, "Prenatal care", "active", &members);
    team(chart, &visit, "Asthma care", "inactive", &[(OKAFOR, Some(PHYSICIAN)), (partner, Some(CAREGIVER))]);
    treatment(chart, &visit, Wish::Worded("No forceps, if it can be helped."));
    experience(chart, &visit, Wish::Worded("Would like her partner to be there at each visit."));
    let text = [
        "33-year-old woman, first pregnancy, seven weeks by dates. Urine: nitrites and leukocytes, E. coli; amoxicillin.",
        "Worries that food will not last the month: referred to the food pantry program. Folic acid daily.",
    ];
    note(chart, &visit, &Note { kind: HISTORY_AND_PHYSICAL, format: Format::Text, is_inline: true, text: &text });
    sign(chart, &visit);
}

fn laboratory(chart: &mut Chart, visit: &Visit) {
    let values = [(&HEMOGLOBIN, "11.6"), (&HEMATOCRIT, "34.8"), (&LEUKOCYTES, "9.8"), (&PLATELETS, "212")];
    panel(chart, visit, &BLOOD_COUNT, &BLOOD, &values);
    let urine = specimen(chart, visit, &URINE);
    let results = [
        worded_result(chart, visit, &urine, &URINE_COLOR, "Dark yellow"),
        coded_result(chart, visit, &urine, &URINE_KETONES, &NEGATIVE),
        coded_result(chart, visit, &urine, &URINE_LEUKOCYTES, &POSITIVE),
        coded_result(chart, visit, &urine, &URINE_CULTURE, &E_COLI),
    ];
    report(chart, visit, &URINALYSIS, &urine, &results);
    no_result(chart, visit, &urine, &URINE_CULTURE, NOT_PERFORMED);
}

/// The Hunger Vital Sign from the intake form, the concern, and what was done.
fn food(chart: &mut Chart, visit: &Visit) {
    let form = intake_form(chart, visit, &SOMETIMES_TRUE, &OFTEN_TRUE, "Somewhere to get vegetables");
    let asked = |what, answer| Assessment {
        domain: SOCIAL,
        what,
        answer: Some(answer),
        members: &[],
        derived_from: &[],
        by: RUIZ,
    };
    let form = [form];
    let herself = chart.patient();
    let worry = Assessment { derived_from: &form, by: &herself, ..asked(FOOD_WORRY, Answer::Coded(SOMETIMES_TRUE)) };
    let worry = assessment(chart, visit, &worry);
    let lasted = Assessment { derived_from: &form, ..asked(FOOD_DID_NOT_LAST, Answer::Coded(OFTEN_TRUE)) };
    let lasted = assessment(chart, visit, &lasted);
    let answers = [worry, lasted];
    let risk = Assessment { derived_from: &answers, ..asked(FOOD_RISK, Answer::Coded(AT_RISK)) };
    let risk = assessment(chart, visit, &risk);
    let [worry, lasted] = answers;
    let panel = Assessment {
        domain: SOCIAL,
        what: HUNGER_VITAL_SIGN,
        answer: None,
        members: &[worry, lasted, risk],
        derived_from: &form,
        by: RUIZ,
    };
    assessment(chart, visit, &panel);
    let today = visit.start.date();
    let concern = health_concern(chart, visit, &FOOD_INSECURITY, Course::since(today), ("sdoh", "SDOH"));
    request(chart, visit, "active", &[SOCIAL_SERVICE, SDOH], &FOOD_PANTRY, (&concern, FOOD_INSECURITY.0));
}
