//! Sam Nguyen: claims 6.1.0 and 7.0.0 alone, whose `us-core-sex` is a code, and which have the gender identity among the
//! extensions of Patient.

use jiff::civil::date;

use crate::chart::Chart;
use crate::rooms::encounters::{CHECK_UP, Stay, visit};
use crate::rooms::patients::{ASIAN, ENGLISH, FEMALE, FILIPINO, NONBINARY, NOT_HISPANIC, Person, register};
use crate::rooms::provenance::{sign, sign_as_clinic};
use crate::rooms::social_history::{HOMOSEXUAL, NEVER_SMOKED, orientation, smoking};
use crate::rooms::vital_signs::{Adult, adult};
use crate::version::Versions;

pub(crate) fn record(seed: u64) -> Chart {
    let mut chart = Chart::new(seed, "demo-sam-nguyen".to_owned(), Versions::UP_TO_7_0);
    let person = Person {
        race: &[ASIAN],
        race_detail: Some(FILIPINO),
        ethnicity: Some(NOT_HISPANIC),
        sex: Some(FEMALE),
        birth_sex: Some("F"),
        gender_identity: Some(NONBINARY),
        phone: Some("(555) 010-1007"),
        email: Some("sam@mail.example"),
        home: Some(["212 CUMBERLAND AVE", "Portland", "ME", "04101"]),
        language: Some(ENGLISH),
        ..Person::new("Nguyen", &["Sam"], "other", date(1999, 9, 9))
    };
    let registered = date(2023, 5, 2).at(9, 0, 0, 0);
    register(&mut chart, registered, &person);
    sign_as_clinic(&mut chart, registered);
    let check_up = visit(&mut chart, &Stay::new(CHECK_UP, date(2025, 10, 7).at(11, 0, 0, 0)));
    let usual = Adult {
        height: 168,
        weight: 612,
        systolic: 114,
        diastolic: 72,
        heart_rate: 68,
        respiratory_rate: 14,
        temperature: 366,
        saturation: 99,
    };
    adult(&mut chart, &check_up, &usual);
    smoking(&mut chart, &check_up, &NEVER_SMOKED);
    orientation(&mut chart, &check_up, &HOMOSEXUAL);
    sign(&mut chart, &check_up);
    chart
}
