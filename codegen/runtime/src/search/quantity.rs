//! Numbers and quantities: exact decimals, and the canonical form of UCUM units.

use std::cell::RefCell;
use std::collections::HashMap;

use octofhir_ucum::{CanonicalUnit, Number};
use rust_decimal::Decimal;
use serde_json::Value;

use super::Quantity;
use crate::decimal;

pub const UCUM: &str = "http://unitsofmeasure.org";
const ISO_4217: &str = "urn:iso:std:iso:4217";

/// Units remembered by each thread, so that text from outside cannot grow the memory without bound.
const REMEMBERED_UNITS: usize = 512;

pub(super) fn json_decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => decimal::value(number.as_str()),
        _ => None,
    }
}

/// A Quantity (or Age, Duration, Count, Distance).
/// <https://hl7.org/fhir/R4/search.html#quantity>
pub(super) fn from_quantity(value: &Value) -> Option<Quantity> {
    let number = json_decimal(value.get("value")?)?;
    let (low, high) = match value.get("comparator").and_then(Value::as_str) {
        Some("<" | "<=") => (Decimal::MIN, number),
        Some(">" | ">=") => (number, Decimal::MAX),
        _ => (number, number),
    };
    Some(quantity(low, high, text(value, "system"), text(value, "code"), text(value, "unit")))
}

/// Money: its currency is an ISO 4217 code.
pub(super) fn from_money(value: &Value) -> Option<Quantity> {
    let number = json_decimal(value.get("value")?)?;
    let currency = text(value, "currency");
    let system = currency.is_some().then(|| ISO_4217.to_owned());
    Some(quantity(number, number, system, currency, None))
}

/// A Range: open where it has no low or no high.
pub(super) fn from_range(value: &Value) -> Option<Quantity> {
    let (low, high) = (value.get("low"), value.get("high"));
    let bound = |end: Option<&Value>| end.and_then(|end| json_decimal(end.get("value")?));
    let (low_value, high_value) = (bound(low), bound(high));
    if low_value.is_none() && high_value.is_none() {
        return None;
    }
    let (from, to) = (low_value.unwrap_or(Decimal::MIN), high_value.unwrap_or(Decimal::MAX));
    let unit = |name| [low, high].into_iter().flatten().find_map(|end| text(end, name));
    Some(quantity(
        // One that ends before it starts breaks rng-2; see Period.
        from.min(to),
        from.max(to),
        unit("system"),
        unit("code"),
        unit("unit"),
    ))
}

fn quantity(
    low: Decimal,
    high: Decimal,
    system: Option<String>,
    code: Option<String>,
    unit: Option<String>,
) -> Quantity {
    let canonical = match (system.as_deref(), code.as_deref()) {
        (Some(UCUM), Some(code)) => canonical(low, high, code),
        _ => None,
    };
    Quantity { low, high, system, code, unit, canonical }
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// The range in UCUM's base units, with their code; none for what is no UCUM code, has no linear scale, or leaves
/// the range of decimals. Open ends stay open.
pub fn canonical(low: Decimal, high: Decimal, code: &str) -> Option<(Decimal, Decimal, String)> {
    let unit = canonical_unit(code)?;
    let convert = |value: Decimal| {
        if value == Decimal::MIN || value == Decimal::MAX {
            return Some(value);
        }
        let converted = Number::parse(&value.to_string())?.checked_mul(unit.factor)?.checked_add(unit.offset)?;
        let (integer, exponent) = converted.to_integer_and_exponent();
        decimal::value(&format!("{integer}e{exponent}"))
    };
    let (first, second) = (convert(low)?, convert(high)?);
    Some((first.min(second), first.max(second), unit.unit))
}

fn canonical_unit(code: &str) -> Option<CanonicalUnit> {
    thread_local! {
        static UNITS: RefCell<HashMap<String, Option<CanonicalUnit>>> = RefCell::new(HashMap::new());
    }
    UNITS.with_borrow_mut(|units| {
        if let Some(known) = units.get(code) {
            return known.clone();
        }
        let unit = octofhir_ucum::get_canonical_units(code).ok();
        if units.len() < REMEMBERED_UNITS {
            units.insert(code.to_owned(), unit.clone());
        }
        unit
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn number(text: &str) -> Decimal {
        decimal::value(text).unwrap()
    }

    #[test]
    fn one_value_in_two_units_has_one_canonical_form() {
        for (first, second) in [
            (("1", "g"), ("1000", "mg")),
            (("5.4", "mg/dL"), ("0.054", "g/L")),
            (("37", "Cel"), ("310.15", "K")),
            (("120", "mm[Hg]"), ("12", "cm[Hg]")),
        ] {
            let canonical = |(value, unit)| canonical(number(value), number(value), unit).unwrap();
            assert_eq!(canonical(first), canonical(second), "{first:?} {second:?}");
        }
    }

    #[test]
    fn what_is_no_linear_unit_has_no_canonical_form() {
        for unit in ["furlongs", "[pH]", ""] {
            assert_eq!(canonical(number("1"), number("1"), unit), None, "{unit:?}");
        }
    }

    #[test]
    fn a_comparator_opens_an_end() {
        let below = from_quantity(&json!({"value": 5, "comparator": "<", "unit": "mg"})).unwrap();
        assert_eq!((below.low, below.high), (Decimal::MIN, number("5")));
        let range = from_range(&json!({"low": {"value": 2, "unit": "a"}})).unwrap();
        assert_eq!((range.low, range.high, range.unit.as_deref()), (number("2"), Decimal::MAX, Some("a")));
    }

    #[test]
    fn money_is_in_a_currency_code() {
        let money = from_money(&json!({"value": 10.50, "currency": "EUR"})).unwrap();
        assert_eq!((money.system.as_deref(), money.code.as_deref()), (Some(ISO_4217), Some("EUR")));
    }
}
