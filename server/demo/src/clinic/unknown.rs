//! Someone brought in without a name: what a record looks like where what it must hold is not known.
//! <https://hl7.org/fhir/us/core/STU8/general-requirements.html#missing-data>

use jiff::civil::date;

use crate::chart::Chart;
use crate::directory::LIND;
use crate::rooms::encounters::{EMERGENCY, EMERGENCY_ADMISSION, Stay, visit};
use crate::rooms::patients::{Person, register};
use crate::rooms::provenance::sign_as_received;
use crate::rooms::vital_signs::{HEART_RATE, NOT_PERFORMED, blood_pressure, measured};
use crate::version::Versions;

pub(crate) fn record(seed: u64) -> Chart {
    let mut chart = Chart::new(seed, "demo-unknown-person".to_owned(), Versions::ALL);
    let came = date(2026, 11, 1).at(2, 40, 0, 0);
    register(&mut chart, came, &Person::unknown("unknown"));
    let stay = Stay { class: EMERGENCY, length: 200, clinician: LIND, ..Stay::new(EMERGENCY_ADMISSION, came) };
    let stay = visit(&mut chart, &stay);
    measured(&mut chart, &stay, &HEART_RATE, "104");
    // By palpation, which finds the systolic pressure alone.
    blood_pressure(&mut chart, &stay, Ok("96"), Err(NOT_PERFORMED));
    sign_as_received(&mut chart, stay.end);
    chart
}
