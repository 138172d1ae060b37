//! Vital signs: <https://hl7.org/fhir/us/core/STU8/general-guidance.html>, each with its profile, its code and its unit.

use jiff::civil::DateTime;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::chart::{Chart, Visit};
use crate::directory::RUIZ;
use crate::element::{Code, Unit, absent, code, concept, concept_of, loinc, quantity, reference, unit};
use crate::time::instant;

#[derive(Debug)]
pub(crate) struct Sign {
    profile: &'static str,
    codes: &'static [Code],
    unit: Unit,
}

const PER_MINUTE: Unit = unit("/min", "/min");
const CENTIMETRE: Unit = unit("cm", "cm");
const PERCENT: Unit = unit("%", "%");
const PRESSURE: Unit = unit("mmHg", "mm[Hg]");

pub(crate) const WEIGHT: Sign =
    Sign { profile: "us-core-body-weight", codes: &[loinc("29463-7", "Body weight")], unit: unit("kg", "kg") };
pub(crate) const HEIGHT: Sign =
    Sign { profile: "us-core-body-height", codes: &[loinc("8302-2", "Body height")], unit: CENTIMETRE };
pub(crate) const BMI: Sign = Sign {
    profile: "us-core-bmi",
    codes: &[loinc("39156-5", "Body mass index (BMI) [Ratio]")],
    unit: unit("kg/m2", "kg/m2"),
};
pub(crate) const HEART_RATE: Sign =
    Sign { profile: "us-core-heart-rate", codes: &[loinc("8867-4", "Heart rate")], unit: PER_MINUTE };
pub(crate) const RESPIRATORY_RATE: Sign =
    Sign { profile: "us-core-respiratory-rate", codes: &[loinc("9279-1", "Respiratory rate")], unit: PER_MINUTE };
pub(crate) const TEMPERATURE: Sign = Sign {
    profile: "us-core-body-temperature",
    codes: &[loinc("8310-5", "Body temperature")],
    unit: unit("°C", "Cel"),
};
pub(crate) const HEAD_CIRCUMFERENCE: Sign = Sign {
    profile: "us-core-head-circumference",
    codes: &[loinc("9843-4", "Head Occipital-frontal circumference")],
    unit: CENTIMETRE,
};
pub(crate) const HEAD_PERCENTILE: Sign = Sign {
    profile: "head-occipital-frontal-circumference-percentile",
    codes: &[loinc("8289-1", "Head Occipital-frontal circumference Percentile")],
    unit: PERCENT,
};
pub(crate) const WEIGHT_FOR_HEIGHT: Sign = Sign {
    profile: "pediatric-weight-for-height",
    codes: &[loinc("77606-2", "Weight-for-length Per age and sex")],
    unit: PERCENT,
};
pub(crate) const BMI_FOR_AGE: Sign = Sign {
    profile: "pediatric-bmi-for-age",
    codes: &[loinc("59576-9", "Body mass index (BMI) [Percentile] Per age and sex")],
    unit: PERCENT,
};
const OXYGEN_SATURATION: Sign = Sign {
    profile: "us-core-pulse-oximetry",
    codes: &[
        loinc("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
        loinc("2708-6", "Oxygen saturation in Arterial blood"),
    ],
    unit: PERCENT,
};
const FLOW_RATE: Code = loinc("3151-8", "Inhaled oxygen flow rate");
const CONCENTRATION: Code = loinc("3150-0", "Inhaled oxygen concentration");
const BLOOD_PRESSURE: Code = loinc("85354-9", "Blood pressure panel with all children optional");
const SYSTOLIC: Code = loinc("8480-6", "Systolic blood pressure");
const DIASTOLIC: Code = loinc("8462-4", "Diastolic blood pressure");
const AVERAGE_PRESSURE: Code = loinc("96607-7", "Blood pressure panel mean systolic and mean diastolic");
const AVERAGE_SYSTOLIC: Code = loinc("96608-5", "Systolic blood pressure mean");
const AVERAGE_DIASTOLIC: Code = loinc("96609-3", "Diastolic blood pressure mean");

/// Why something was not measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reason(&'static str, &'static str);

pub(crate) const NOT_PERFORMED: Reason = Reason("not-performed", "Not Performed");
pub(crate) const DECLINED: Reason = Reason("asked-declined", "Asked But Declined");
pub(crate) const UNKNOWN: Reason = Reason("unknown", "Unknown");

impl Reason {
    pub(crate) fn concept(self) -> Value {
        absent(self.0, self.1)
    }
}

/// The digits that an instrument shows, or why there are none.
type Reading<'a> = Result<&'a str, Reason>;

/// A measured value, in the digits that the instrument shows.
pub(crate) fn measured(chart: &mut Chart, visit: &Visit, sign: &Sign, digits: &str) -> String {
    observe(chart, visit, sign, json!({ "valueQuantity": quantity(digits, sign.unit) }))
}

pub(crate) fn not_measured(chart: &mut Chart, visit: &Visit, sign: &Sign, reason: Reason) -> String {
    observe(chart, visit, sign, json!({ "dataAbsentReason": reason.concept() }))
}

/// The mean of two readings that stand in the components; a third was meant, and not taken.
pub(crate) fn measured_twice(chart: &mut Chart, visit: &Visit, sign: &Sign, first: Decimal, second: Decimal) -> String {
    let scale = first.scale().max(second.scale());
    let mean = ((first + second) / Decimal::TWO).round_dp(scale);
    let reading = |words: &str, outcome: (&str, Value)| {
        let mut code = concept_of(sign.codes);
        code["text"] = words.into();
        json!({ "code": code, outcome.0: outcome.1 })
    };
    let value = |digits: Decimal| ("valueQuantity", quantity(&digits.to_string(), sign.unit));
    let outcome = json!({
        "valueQuantity": quantity(&mean.to_string(), sign.unit),
        "component": [
            reading("First reading", value(first)),
            reading("Second reading", value(second)),
            reading("Third reading", ("dataAbsentReason", NOT_PERFORMED.concept())),
        ],
    });
    observe(chart, visit, sign, outcome)
}

/// Saturation, and the oxygen that is breathed in: the flow in litres a minute, the concentration in percent. Without an
/// oxygen meter in the line one of them is not known.
pub(crate) fn oximetry(
    chart: &mut Chart,
    visit: &Visit,
    saturation: Reading<'_>,
    oxygen: Option<(Reading<'_>, Reading<'_>)>,
) -> String {
    let mut outcome = match saturation {
        Ok(digits) => json!({ "valueQuantity": quantity(digits, PERCENT) }),
        Err(reason) => json!({ "dataAbsentReason": reason.concept() }),
    };
    if let Some((flow, concentration)) = oxygen {
        outcome["component"] =
            json!([part(&FLOW_RATE, flow, unit("L/min", "L/min")), part(&CONCENTRATION, concentration, PERCENT)]);
    }
    observe(chart, visit, &OXYGEN_SATURATION, outcome)
}

pub(crate) fn blood_pressure(
    chart: &mut Chart,
    visit: &Visit,
    systolic: Reading<'_>,
    diastolic: Reading<'_>,
) -> String {
    // Neither was measured: then nor was the panel.
    let panel = match (systolic, diastolic) {
        (Err(reason), Err(_)) => reason.concept(),
        _ => Value::Null,
    };
    let outcome = json!({
        "dataAbsentReason": panel,
        "component": [part(&SYSTOLIC, systolic, PRESSURE), part(&DIASTOLIC, diastolic, PRESSURE)],
    });
    let body = body(chart, visit, concept(&BLOOD_PRESSURE), outcome);
    chart.add("Observation", &["us-core-blood-pressure", "us-core-vital-signs"], visit.end, body)
}

/// What a monitor sends that measures the mean arterial pressure, and computes the others from it: it stands as the
/// panel's own value, since that is what was measured.
pub(crate) fn oscillometric_blood_pressure(
    chart: &mut Chart,
    visit: &Visit,
    mean: &str,
    systolic: &str,
    diastolic: &str,
) -> String {
    let outcome = json!({
        "valueQuantity": quantity(mean, PRESSURE),
        "note": [{ "text": "The value is the mean arterial pressure that the monitor measured." }],
        "component": [part(&SYSTOLIC, Ok(systolic), PRESSURE), part(&DIASTOLIC, Ok(diastolic), PRESSURE)],
    });
    let body = body(chart, visit, concept(&BLOOD_PRESSURE), outcome);
    chart.add("Observation", &["us-core-blood-pressure", "us-core-vital-signs"], visit.end, body)
}

/// The mean of what was measured at home between two times.
pub(crate) fn average_blood_pressure(
    chart: &mut Chart,
    visit: &Visit,
    period: (DateTime, DateTime),
    systolic: Reading<'_>,
    diastolic: Reading<'_>,
) -> String {
    let outcome = json!({
        "component": [part(&AVERAGE_SYSTOLIC, systolic, PRESSURE), part(&AVERAGE_DIASTOLIC, diastolic, PRESSURE)],
    });
    let mut body = body(chart, visit, concept(&AVERAGE_PRESSURE), outcome);
    body["effectiveDateTime"] = Value::Null;
    body["effectivePeriod"] = json!({ "start": instant(period.0), "end": instant(period.1) });
    chart.add("Observation", &["us-core-average-blood-pressure"], visit.end, body)
}

fn part(code: &Code, value: Reading<'_>, unit: Unit) -> Value {
    match value {
        Ok(digits) => json!({ "code": concept(code), "valueQuantity": quantity(digits, unit) }),
        Err(reason) => json!({ "code": concept(code), "dataAbsentReason": reason.concept() }),
    }
}

fn observe(chart: &mut Chart, visit: &Visit, sign: &Sign, outcome: Value) -> String {
    let body = body(chart, visit, concept_of(sign.codes), outcome);
    chart.add("Observation", &[sign.profile, "us-core-vital-signs"], visit.end, body)
}

fn body(chart: &Chart, visit: &Visit, code_: Value, outcome: Value) -> Value {
    let category = code("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", "Vital Signs");
    let mut body = json!({
        "status": "final",
        "category": [concept(&category)],
        "code": code_,
        "subject": chart.subject(),
        "encounter": visit.reference(),
        "effectiveDateTime": instant(visit.at(5)),
        "issued": instant(visit.at(6)),
        "performer": [reference(RUIZ)],
    });
    if let (Value::Object(body), Value::Object(outcome)) = (&mut body, outcome) {
        body.extend(outcome);
    }
    body
}

/// What a nurse measures of an adult at each visit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Adult {
    /// In centimetres.
    pub(crate) height: i64,
    /// In tenths of a kilogram.
    pub(crate) weight: i64,
    pub(crate) systolic: i64,
    pub(crate) diastolic: i64,
    pub(crate) heart_rate: i64,
    pub(crate) respiratory_rate: i64,
    /// In tenths of a degree Celsius.
    pub(crate) temperature: i64,
    pub(crate) saturation: i64,
}

/// The usual set, each a little beside what is given, as measuring is.
pub(crate) fn adult(chart: &mut Chart, visit: &Visit, usual: &Adult) {
    let mut near = |value: i64, spread: i64| value + chart.random.between(-spread, spread);
    let (systolic, diastolic) = (near(usual.systolic, 4), near(usual.diastolic, 3));
    let (heart_rate, respiratory_rate) = (near(usual.heart_rate, 4), near(usual.respiratory_rate, 1));
    let (temperature, saturation) = (near(usual.temperature, 2), near(usual.saturation, 1).min(100));
    let (weight, height) = (Decimal::new(near(usual.weight, 5), 1), Decimal::from(usual.height));
    let metres = height / Decimal::ONE_HUNDRED;
    let bmi = (weight / (metres * metres)).round_dp(1);
    blood_pressure(chart, visit, Ok(&systolic.to_string()), Ok(&diastolic.to_string()));
    measured(chart, visit, &HEART_RATE, &heart_rate.to_string());
    measured(chart, visit, &RESPIRATORY_RATE, &respiratory_rate.to_string());
    measured(chart, visit, &TEMPERATURE, &Decimal::new(temperature, 1).to_string());
    oximetry(chart, visit, Ok(&saturation.to_string()), None);
    measured(chart, visit, &WEIGHT, &weight.to_string());
    measured(chart, visit, &HEIGHT, &height.to_string());
    measured(chart, visit, &BMI, &bmi.to_string());
}
