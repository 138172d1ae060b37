//! Quantities by UCUM: comparison in canonical units, and arithmetic.
//! <http://hl7.org/fhirpath/N1/#quantity>

use std::cmp::Ordering;

use octofhir_ucum::Number;
use rust_decimal::Decimal;

use super::ast::Unit;
use crate::date::CalendarUnit;
use crate::decimal;

/// A value in the canonical unit of a UCUM expression.
fn canonical(value: Decimal, code: &str) -> Option<(Decimal, String)> {
    crate::search::canonical(value, value, code).map(|(value, _, unit)| (value, unit))
}

impl Unit {
    /// The UCUM code, with a calendar's unit as the one of the same length.
    pub(super) fn code(&self) -> &str {
        match self {
            Unit::Calendar(unit) => unit.ucum(),
            Unit::Ucum(code) => code,
        }
    }

    /// A calendar's years and months have no fixed length, UCUM's have: they are never equal.
    fn is_calendar_only(&self) -> bool {
        matches!(self, Unit::Calendar(CalendarUnit::Year | CalendarUnit::Month))
    }
}

/// The order of two quantities; `None` where their units have different dimensions or are not known.
pub(super) fn compare(one: (Decimal, &Unit), other: (Decimal, &Unit)) -> Option<Ordering> {
    if one.1.code() == other.1.code() && one.1.is_calendar_only() == other.1.is_calendar_only() {
        return Some(one.0.cmp(&other.0));
    }
    if one.1.is_calendar_only() != other.1.is_calendar_only() {
        return None;
    }
    let ((one, one_unit), (other, other_unit)) = (canonical(one.0, one.1.code())?, canonical(other.0, other.1.code())?);
    (one_unit == other_unit).then(|| one.cmp(&other))
}

/// Whether both are the same to the digits of the less precise one, once in the same unit.
pub(super) fn equivalent(one: (Decimal, &Unit), other: (Decimal, &Unit)) -> bool {
    if one.1.code() == other.1.code() {
        return equivalent_decimals(one.0, other.0);
    }
    // In the unit of the one with fewer digits: 4 'g' and 4040 'mg' are both 4 'g'.
    let (coarse, fine) =
        if one.0.normalize().scale() <= other.0.normalize().scale() { (one, other) } else { (other, one) };
    convert(fine, coarse.1).is_some_and(|fine| fine.round_dp(coarse.0.scale()) == coarse.0)
        || convert(coarse, fine.1).is_some_and(|coarse| equivalent_decimals(coarse, fine.0))
}

/// <http://hl7.org/fhirpath/N1/#equivalent>: compared "to the precision of the least precise operand".
pub(super) fn equivalent_decimals(one: Decimal, other: Decimal) -> bool {
    let digits = one.normalize().scale().min(other.normalize().scale());
    one.round_dp(digits) == other.round_dp(digits)
}

/// The same amount in another unit of the same dimension.
pub(super) fn convert(quantity: (Decimal, &Unit), unit: &Unit) -> Option<Decimal> {
    if quantity.1.code() == unit.code() {
        return Some(quantity.0);
    }
    let (value, dimension) = canonical(quantity.0, quantity.1.code())?;
    let target = octofhir_ucum::get_canonical_units(unit.code()).ok().filter(|target| target.unit == dimension)?;
    let value = Number::parse(&value.to_string())?.checked_sub(target.offset)?.checked_div(target.factor)?;
    decimal::value(&value.to_string())
}

/// The sum, in the unit of the first.
pub(super) fn add(one: (Decimal, &Unit), other: (Decimal, &Unit)) -> Option<(Decimal, Unit)> {
    let other = convert(other, one.1)?;
    Some((one.0.checked_add(other)?, one.1.clone()))
}

pub(super) fn multiply(one: (Decimal, &Unit), other: (Decimal, &Unit)) -> Option<(Decimal, Unit)> {
    Some((one.0.checked_mul(other.0)?, combined(one.1, ".", other.1)))
}

pub(super) fn divide(one: (Decimal, &Unit), other: (Decimal, &Unit)) -> Option<(Decimal, Unit)> {
    Some((one.0.checked_div(other.0)?, combined(one.1, "/", other.1)))
}

fn combined(one: &Unit, operator: &str, other: &Unit) -> Unit {
    let (one, other) = (one.code(), other.code());
    Unit::Ucum(match (one, other) {
        (_, "1") => one.to_owned(),
        ("1", _) if operator == "." => other.to_owned(),
        _ if one == other && operator == "/" => "1".to_owned(),
        _ => format!("({one}){operator}({other})"),
    })
}
