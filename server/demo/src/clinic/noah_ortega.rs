//! Noah Ortega: not yet two. Growth of an infant, and vaccines given and declined.

use jiff::civil::{Date, date};
use rust_decimal::Decimal;

use crate::chart::{Chart, Visit};
use crate::document::Format;
use crate::rooms::conditions::{Course, OTITIS_MEDIA, diagnosis};
use crate::rooms::coverage::{MEDICAID, coverage};
use crate::rooms::documents::{Note, PROGRESS_NOTE, note};
use crate::rooms::encounters::{Stay, WELL_CHILD, because_of, visit};
use crate::rooms::immunizations::{DTAP, INFLUENZA, MMR, VARICELLA, declined, given};
use crate::rooms::patients::{ENGLISH, HISPANIC, Name, Person, WHITE, register, related};
use crate::rooms::provenance::{sign, sign_as_clinic};
use crate::rooms::vital_signs::{
    HEAD_CIRCUMFERENCE, HEAD_PERCENTILE, HEART_RATE, HEIGHT, NOT_PERFORMED, TEMPERATURE, WEIGHT, WEIGHT_FOR_HEIGHT,
    measured, measured_twice, not_measured,
};
use crate::version::Versions;

pub(super) const HOME: [&str; 4] = ["14 PINE ST", "Portland", "ME", "04102"];
pub(super) const MOTHER: Name<'_> = Name { family: "Ortega", given: &["Elena"], suffix: None };
pub(super) const MOTHERS_PHONE: &str = "(555) 010-1003";

pub(crate) fn record(seed: u64) -> Chart {
    let mut chart = Chart::new(seed, "demo-noah-ortega".to_owned(), Versions::ALL);
    let person = Person {
        race: &[WHITE],
        ethnicity: Some(HISPANIC),
        birth_sex: Some("M"),
        phone: Some(MOTHERS_PHONE),
        home: Some(HOME),
        language: Some(ENGLISH),
        ..Person::new("Ortega", &["Noah"], "male", date(2024, 12, 9))
    };
    let registered = date(2024, 12, 11).at(11, 0, 0, 0);
    register(&mut chart, registered, &person);
    let mother = related(&mut chart, registered, ("MTH", "mother"), MOTHER, MOTHERS_PHONE, HOME);
    sign_as_clinic(&mut chart, registered);
    at_a_year(&mut chart, &mother);
    at_a_year_and_a_half(&mut chart);
    chart
}

fn well_child(chart: &mut Chart, day: Date) -> Visit {
    visit(chart, &Stay { length: 25, ..Stay::new(WELL_CHILD, day.at(10, 0, 0, 0)) })
}

fn at_a_year(chart: &mut Chart, mother: &str) {
    let visit = well_child(chart, date(2026, 1, 12));
    let otitis = diagnosis(chart, &visit, &OTITIS_MEDIA, Course::until(date(2026, 1, 9), date(2026, 1, 19)));
    because_of(chart, &visit, &[&otitis]);
    measured(chart, &visit, &WEIGHT, "10.12");
    measured(chart, &visit, &HEIGHT, "76.5");
    measured(chart, &visit, &TEMPERATURE, "37.9");
    measured(chart, &visit, &HEART_RATE, "118");
    // He would not hold still.
    not_measured(chart, &visit, &HEAD_CIRCUMFERENCE, NOT_PERFORMED);
    not_measured(chart, &visit, &HEAD_PERCENTILE, NOT_PERFORMED);
    not_measured(chart, &visit, &WEIGHT_FOR_HEIGHT, NOT_PERFORMED);
    given(chart, &visit, &MMR);
    given(chart, &visit, &VARICELLA);
    declined(chart, &visit, &INFLUENZA);
    coverage(chart, &visit, &MEDICAID, (date(2024, 12, 9), None), Some(mother));
    let text =
        ["Otitis media on the right, better by itself since Sunday. Growing well; two vaccines today, no influenza."];
    note(chart, &visit, &Note { kind: PROGRESS_NOTE, format: Format::Html, is_inline: false, text: &text });
    sign(chart, &visit);
}

fn at_a_year_and_a_half(chart: &mut Chart) {
    let visit = well_child(chart, date(2026, 6, 15));
    measured(chart, &visit, &WEIGHT, "11.34");
    measured(chart, &visit, &HEIGHT, "82.0");
    measured(chart, &visit, &TEMPERATURE, "36.8");
    measured(chart, &visit, &HEART_RATE, "112");
    measured_twice(chart, &visit, &HEAD_CIRCUMFERENCE, Decimal::new(476, 1), Decimal::new(478, 1));
    measured_twice(chart, &visit, &HEAD_PERCENTILE, Decimal::from(58), Decimal::from(62));
    measured_twice(chart, &visit, &WEIGHT_FOR_HEIGHT, Decimal::from(65), Decimal::from(67));
    given(chart, &visit, &DTAP);
    sign(chart, &visit);
}
