//! Numbers. What has no real number as its result is empty. <http://hl7.org/fhirpath/N1/#math>

use rust_decimal::prelude::{FromPrimitive, ToPrimitive};
use rust_decimal::{Decimal, RoundingStrategy};

use super::super::ast::Expression;
use super::super::item::{Collection, Value, single_value, wrong_type};
use super::super::operators::as_decimal;
use super::super::scope::Scope;
use super::{Result, optional, unknown};

/// Binary floating point holds 15 decimal digits: what it computes is rounded to fewer, so that `81.sqrt()` is 9.
const SIGNIFICANT_DIGITS: u32 = 14;

pub(super) fn call<'a>(
    scope: &Scope<'_, 'a>,
    function: &str,
    focus: Collection<'a>,
    arguments: &[Expression],
) -> Result<Collection<'a>> {
    let Some(value) = single_value(&focus, function)? else { return Ok(Vec::new()) };
    if let (Value::Quantity { value, unit }, "abs") = (&value, function) {
        return Ok(optional(Some(Value::Quantity { value: value.abs(), unit: unit.clone() })));
    }
    let Some(number) = as_decimal(&value) else { return Err(wrong_type(function, &focus[0])) };
    let argument = match arguments.first() {
        None => None,
        Some(argument) => {
            let given = scope.evaluate(argument)?;
            let Some(value) = single_value(&given, function)? else { return Ok(Vec::new()) };
            Some((as_decimal(&value).ok_or_else(|| wrong_type(function, &given[0]))?, value))
        }
    };
    let integer = |value: Decimal| value.to_i64().map(Value::Integer);
    Ok(optional(match (function, argument) {
        ("abs", None) => match value {
            Value::Integer(value) => value.checked_abs().map(Value::Integer),
            _ => Some(Value::Decimal(number.abs())),
        },
        ("ceiling", None) => integer(number.ceil()),
        ("floor", None) => integer(number.floor()),
        ("truncate", None) => integer(number.trunc()),
        ("round", None) => integer(number.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)),
        ("round", Some((digits, _))) => {
            let digits = digits.to_u32().unwrap_or(0);
            Some(Value::Decimal(number.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)))
        }
        ("sqrt", None) => real(number.to_f64().map(f64::sqrt)),
        ("exp", None) => real(number.to_f64().map(f64::exp)),
        ("ln", None) => real(number.to_f64().map(f64::ln)),
        ("log", Some((base, _))) => {
            real(number.to_f64().zip(base.to_f64()).map(|(number, base)| number.ln() / base.ln()))
        }
        ("power", Some((exponent, given))) => match (&value, &given) {
            (Value::Integer(base), Value::Integer(exponent)) if *exponent >= 0 => {
                u32::try_from(*exponent).ok().and_then(|exponent| base.checked_pow(exponent)).map(Value::Integer)
            }
            _ => real(number.to_f64().zip(exponent.to_f64()).map(|(base, exponent)| base.powf(exponent))),
        },
        _ => return unknown(function),
    }))
}

fn real(value: Option<f64>) -> Option<Value> {
    let value = value.filter(|value| value.is_finite()).and_then(Decimal::from_f64)?;
    value.round_sf(SIGNIFICANT_DIGITS).map(|value| Value::Decimal(value.normalize()))
}
