//! Children: they grow, and are vaccinated.

use jiff::civil::{Date, date};
use rust_decimal::Decimal;

use super::{YEARS, appointment};
use crate::chart::Chart;
use crate::document::Format;
use crate::rooms::conditions::{Course, OTITIS_MEDIA, diagnosis};
use crate::rooms::coverage::{COMMERCIAL, coverage};
use crate::rooms::documents::{Note, PROGRESS_NOTE, note};
use crate::rooms::encounters::{Stay, WELL_CHILD, visit};
use crate::rooms::immunizations::{DTAP, INFLUENZA, MMR, VARICELLA, given};
use crate::rooms::provenance::sign;
use crate::rooms::vital_signs::{
    BMI, BMI_FOR_AGE, HEAD_CIRCUMFERENCE, HEAD_PERCENTILE, HEART_RATE, HEIGHT, RESPIRATORY_RATE, TEMPERATURE, WEIGHT,
    WEIGHT_FOR_HEIGHT, measured,
};
use crate::time::days_after;

/// Median height in millimetres and weight in grams of American children at each birthday.
const MEDIANS: [(i64, i64); 18] = [
    (500, 3_400),
    (755, 9_900),
    (865, 12_400),
    (950, 14_300),
    (1_020, 16_200),
    (1_085, 18_300),
    (1_150, 20_600),
    (1_215, 22_900),
    (1_280, 25_600),
    (1_335, 28_600),
    (1_385, 31_900),
    (1_435, 35_900),
    (1_500, 40_500),
    (1_560, 45_500),
    (1_610, 50_300),
    (1_645, 54_500),
    (1_665, 57_800),
    (1_680, 60_500),
];

pub(super) fn visits(chart: &mut Chart, born: Date) {
    // How big a child is among its like hardly changes: percent of the median, and the percentile that goes with it.
    let size = chart.random.between(94, 107);
    let percentile = 50 + (size - 100) * 7;
    for year in YEARS.0..=YEARS.1 {
        let month = chart.random.between(1, 11);
        let start = appointment(chart, year, month);
        let days = i64::from((start.date() - born).get_days());
        if days < 14 || start.date() > date(YEARS.1, 11, 30) {
            continue;
        }
        let visit = visit(chart, &Stay::new(WELL_CHILD, start));
        let (years, rest) = ((days / 365) as usize, days % 365);
        let (now, next) = (MEDIANS[years.min(17)], MEDIANS[(years + 1).min(17)]);
        let between = |now: i64, next: i64| now + (next - now) * rest / 365;
        let height = Decimal::new(between(now.0, next.0) * size / 100, 1);
        let weight = Decimal::new(between(now.1, next.1) * size / 100 / 10, 2);
        let near =
            |chart: &mut Chart, value: i64, spread: i64| (value + chart.random.between(-spread, spread)).to_string();
        measured(chart, &visit, &HEIGHT, &height.to_string());
        measured(chart, &visit, &WEIGHT, &weight.to_string());
        let rate = near(chart, 130 - 4 * years.min(14) as i64, 6);
        measured(chart, &visit, &HEART_RATE, &rate);
        let rate = near(chart, 32 - years.min(16) as i64, 2);
        measured(chart, &visit, &RESPIRATORY_RATE, &rate);
        let temperature = Decimal::new(367 + chart.random.between(-3, 4), 1);
        measured(chart, &visit, &TEMPERATURE, &temperature.to_string());
        if years < 3 {
            let head = Decimal::new(350 + 120 * days.min(730) / 730 + chart.random.between(-5, 5), 1);
            measured(chart, &visit, &HEAD_CIRCUMFERENCE, &head.to_string());
            let percent = near(chart, percentile, 4);
            measured(chart, &visit, &HEAD_PERCENTILE, &percent);
            let percent = near(chart, percentile, 4);
            measured(chart, &visit, &WEIGHT_FOR_HEIGHT, &percent);
        } else {
            let metres = height / Decimal::ONE_HUNDRED;
            measured(chart, &visit, &BMI, &(weight / (metres * metres)).round_dp(1).to_string());
            let percent = near(chart, percentile, 4);
            measured(chart, &visit, &BMI_FOR_AGE, &percent);
        }
        match years {
            0 => drop(given(chart, &visit, &DTAP)),
            1 => drop((given(chart, &visit, &MMR), given(chart, &visit, &VARICELLA))),
            _ => drop(given(chart, &visit, &INFLUENZA)),
        }
        if chart.random.chance(20) {
            let today = start.date();
            diagnosis(chart, &visit, &OTITIS_MEDIA, Course::until(days_after(today, -3), days_after(today, 7)));
        }
        if year == YEARS.0 || years == 0 {
            coverage(chart, &visit, &COMMERCIAL, (born, None), None);
        }
        let words = format!("Growing along the {percentile}th percentile. Vaccines as due; back in a year.");
        note(chart, &visit, &Note { kind: PROGRESS_NOTE, format: Format::Text, is_inline: true, text: &[&words] });
        sign(chart, &visit);
    }
}
