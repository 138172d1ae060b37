//! The operators on two collections. <http://hl7.org/fhirpath/N1/#operations>

use std::cmp::Ordering;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::ast::{Operator, Unit};
use super::compare::{compare, contains, equal, equivalent};
use super::error::EvaluationError;
use super::item::{Collection, Item, Value, boolean, condition, one, single, single_string, single_value};
use super::quantity;
use crate::date::CalendarUnit;

/// The digits that a quotient is rounded to, as the standard's own example has it: `1.2 / 1.8 = 0.66666667`.
const QUOTIENT_DIGITS: u32 = 8;

/// `and`, `or`, `xor`, `implies`, in three values; the right side only where the left does not decide.
pub(super) fn logic<'a>(
    operator: Operator,
    left: &[Item<'a>],
    right: impl FnOnce() -> Result<Collection<'a>, EvaluationError>,
) -> Result<Collection<'a>, EvaluationError> {
    let place = operator.as_str();
    let left = condition(left, place)?;
    match (operator, left) {
        (Operator::And, Some(false)) => return Ok(boolean(false)),
        (Operator::Or, Some(true)) | (Operator::Implies, Some(false)) => return Ok(boolean(true)),
        _ => {}
    }
    let right = condition(&right()?, place)?;
    Ok(three_valued(operator, left, right).map(boolean).unwrap_or_default())
}

/// The logic of `true`, `false` and empty. <http://hl7.org/fhirpath/N1/#boolean-logic>
pub(super) fn three_valued(operator: Operator, left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (operator, left, right) {
        (Operator::And, Some(false), _) | (Operator::And, _, Some(false)) => Some(false),
        (Operator::Or, Some(true), _) | (Operator::Or, _, Some(true)) => Some(true),
        (Operator::Implies, Some(false), _) | (Operator::Implies, _, Some(true)) => Some(true),
        (_, Some(left), Some(right)) => Some(match operator {
            Operator::And => left && right,
            Operator::Or => left || right,
            Operator::Xor => left != right,
            _ => !left || right,
        }),
        _ => None,
    }
}

pub(super) fn binary<'a>(
    operator: Operator,
    left: &[Item<'a>],
    right: &[Item<'a>],
) -> Result<Collection<'a>, EvaluationError> {
    let place = operator.as_str();
    let answer = |answer: Option<bool>| Ok(answer.map(boolean).unwrap_or_default());
    let ordered = |holds: fn(Ordering) -> bool| answer(compare(left, right, place)?.map(holds));
    match operator {
        Operator::Equal => answer(equal(left, right)),
        Operator::NotEqual => answer(equal(left, right).map(|equal| !equal)),
        Operator::Equivalent => Ok(boolean(equivalent(left, right))),
        Operator::NotEquivalent => Ok(boolean(!equivalent(left, right))),
        Operator::Less => ordered(Ordering::is_lt),
        Operator::LessOrEqual => ordered(Ordering::is_le),
        Operator::Greater => ordered(Ordering::is_gt),
        Operator::GreaterOrEqual => ordered(Ordering::is_ge),
        Operator::In => answer(single(left, place)?.map(|item| contains(right, item))),
        Operator::Contains => answer(single(right, place)?.map(|item| contains(left, item))),
        Operator::Concatenate => {
            let text = |side| single_string(side, place).map(Option::unwrap_or_default);
            Ok(one(Value::String(text(left)? + &text(right)?)))
        }
        _ => {
            let (Some(left), Some(right)) = (single_value(left, place)?, single_value(right, place)?) else {
                return Ok(Vec::new());
            };
            Ok(arithmetic(operator, left, right)?.into_iter().map(Item::Value).collect())
        }
    }
}

/// `None`, that is empty, for division by zero and for what is too large.
fn arithmetic(operator: Operator, left: Value, right: Value) -> Result<Option<Value>, EvaluationError> {
    let wrong = |left: &Value, right: &Value| EvaluationError::WrongType {
        place: operator.as_str().to_owned(),
        found: format!("{} and {}", left.type_name(), right.type_name()),
    };
    match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => Ok(integers(operator, left, right)),
        (Value::Integer(left), Value::Decimal(right)) => Ok(decimals(operator, left.into(), right)),
        (Value::Decimal(left), Value::Integer(right)) => Ok(decimals(operator, left, right.into())),
        (Value::Decimal(left), Value::Decimal(right)) => Ok(decimals(operator, left, right)),
        (Value::String(left), Value::String(right)) if operator == Operator::Add => {
            Ok(Some(Value::String(left + &right)))
        }
        (Value::Quantity { value: left, unit: left_unit }, Value::Quantity { value: right, unit: right_unit }) => {
            Ok(quantities(operator, (left, &left_unit), (right, &right_unit)))
        }
        (Value::Quantity { value: left, unit }, right @ (Value::Integer(_) | Value::Decimal(_))) => {
            let right = as_decimal(&right).unwrap_or_default();
            Ok(quantities(operator, (left, &unit), (right, &Unit::Ucum("1".to_owned()))))
        }
        (left @ (Value::Integer(_) | Value::Decimal(_)), Value::Quantity { value: right, unit }) => {
            let left = as_decimal(&left).unwrap_or_default();
            Ok(quantities(operator, (left, &Unit::Ucum("1".to_owned())), (right, &unit)))
        }
        (left, Value::Quantity { value, unit }) if matches!(operator, Operator::Add | Operator::Subtract) => {
            let amount = if operator == Operator::Add { value } else { -value };
            let Some(calendar) = calendar_unit(&unit) else {
                let found = format!("{} and a quantity that is no time of the calendar", left.type_name());
                return Err(EvaluationError::WrongType { place: operator.as_str().to_owned(), found });
            };
            Ok(match left {
                Value::Date(date) => date.add(amount, calendar).ok().map(Value::Date),
                Value::DateTime(moment) => moment.add(amount, calendar).ok().map(Value::DateTime),
                Value::Time(time) => time.add(amount, calendar).ok().map(Value::Time),
                other => return Err(wrong(&other, &Value::Quantity { value, unit })),
            })
        }
        (left, right) => Err(wrong(&left, &right)),
    }
}

/// Up to weeks UCUM's units are the calendar's; its years and months are means and cannot be added to a date.
fn calendar_unit(unit: &Unit) -> Option<CalendarUnit> {
    match unit {
        Unit::Calendar(unit) => Some(*unit),
        Unit::Ucum(code) => match code.as_str() {
            "wk" => Some(CalendarUnit::Week),
            "d" => Some(CalendarUnit::Day),
            "h" => Some(CalendarUnit::Hour),
            "min" => Some(CalendarUnit::Minute),
            "s" => Some(CalendarUnit::Second),
            "ms" => Some(CalendarUnit::Millisecond),
            _ => None,
        },
    }
}

pub(super) fn as_decimal(value: &Value) -> Option<Decimal> {
    match value {
        Value::Integer(value) => Some((*value).into()),
        Value::Decimal(value) => Some(*value),
        _ => None,
    }
}

fn integers(operator: Operator, left: i64, right: i64) -> Option<Value> {
    match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Div => left.checked_div(right),
        Operator::Mod => left.checked_rem(right),
        _ => return decimals(operator, left.into(), right.into()),
    }
    .map(Value::Integer)
}

fn decimals(operator: Operator, left: Decimal, right: Decimal) -> Option<Value> {
    match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Div => return left.checked_div(right)?.trunc().to_i64().map(Value::Integer),
        Operator::Mod => left.checked_rem(right),
        _ => left.checked_div(right).map(|quotient| quotient.round_dp(QUOTIENT_DIGITS)),
    }
    .map(Value::Decimal)
}

fn quantities(operator: Operator, left: (Decimal, &Unit), right: (Decimal, &Unit)) -> Option<Value> {
    let (value, unit) = match operator {
        Operator::Add => quantity::add(left, right),
        Operator::Subtract => quantity::add(left, (-right.0, right.1)),
        Operator::Multiply => quantity::multiply(left, right),
        Operator::Divide => quantity::divide(left, right),
        _ => None,
    }?;
    Some(Value::Quantity { value, unit })
}
