//! Lucia Ortega: Noah's sister, eight years old. The body mass index of a child, by its percentile.

use jiff::civil::date;
use rust_decimal::Decimal;

use super::noah_ortega::{HOME, MOTHER, MOTHERS_PHONE};
use crate::chart::Chart;
use crate::rooms::allergies::{Allergy, HIVES, PEANUT, allergy};
use crate::rooms::encounters::{Stay, WELL_CHILD, visit};
use crate::rooms::immunizations::{INFLUENZA, given};
use crate::rooms::patients::{ENGLISH, HISPANIC, Person, WHITE, register, related};
use crate::rooms::provenance::{sign, sign_as_clinic};
use crate::rooms::vital_signs::{
    BMI, BMI_FOR_AGE, DECLINED, HEART_RATE, HEIGHT, WEIGHT, measured, measured_twice, not_measured,
};
use crate::version::Versions;

pub(crate) fn record(seed: u64) -> Chart {
    let mut chart = Chart::new(seed, "demo-lucia-ortega".to_owned(), Versions::ALL);
    let person = Person {
        race: &[WHITE],
        ethnicity: Some(HISPANIC),
        birth_sex: Some("F"),
        phone: Some(MOTHERS_PHONE),
        home: Some(HOME),
        language: Some(ENGLISH),
        ..Person::new("Ortega", &["Lucia", "Amelia"], "female", date(2018, 2, 21))
    };
    let registered = date(2018, 3, 1).at(11, 0, 0, 0);
    register(&mut chart, registered, &person);
    related(&mut chart, registered, ("MTH", "mother"), MOTHER, MOTHERS_PHONE, HOME);
    sign_as_clinic(&mut chart, registered);

    let seven = visit(&mut chart, &Stay::new(WELL_CHILD, date(2025, 3, 4).at(15, 0, 0, 0)));
    let peanut = Allergy {
        to: PEANUT,
        category: "food",
        criticality: "high",
        reaction: HIVES,
        severity: "moderate",
        since: date(2020, 6, 1),
        is_over: true,
    };
    allergy(&mut chart, &seven, &peanut);
    measured(&mut chart, &seven, &HEIGHT, "121.0");
    not_measured(&mut chart, &seven, &WEIGHT, DECLINED);
    not_measured(&mut chart, &seven, &BMI_FOR_AGE, DECLINED);
    sign(&mut chart, &seven);

    let eight = visit(&mut chart, &Stay::new(WELL_CHILD, date(2026, 3, 3).at(15, 0, 0, 0)));
    measured(&mut chart, &eight, &HEIGHT, "127.5");
    measured(&mut chart, &eight, &WEIGHT, "26.4");
    measured(&mut chart, &eight, &BMI, "16.2");
    measured(&mut chart, &eight, &HEART_RATE, "88");
    measured_twice(&mut chart, &eight, &BMI_FOR_AGE, Decimal::from(60), Decimal::from(62));
    given(&mut chart, &eight, &INFLUENZA);
    sign(&mut chart, &eight);
    chart
}
