//! From one of FHIRPath's types to another. <http://hl7.org/fhirpath/N1/#conversion>

use rust_decimal::Decimal;

use super::super::ast::{Expression, Unit};
use super::super::item::{Collection, Value, boolean, single};
use super::super::quantity;
use super::super::scope::Scope;
use super::{Result, optional, unknown};
use crate::date::{CalendarUnit, DateTime, Time};

pub(super) fn call<'a>(
    scope: &Scope<'_, 'a>,
    function: &str,
    focus: Collection<'a>,
    arguments: &[Expression],
) -> Result<Collection<'a>> {
    let Some(item) = single(&focus, function)? else { return Ok(Vec::new()) };
    let unit = match arguments.first() {
        Some(argument) => scope.string(argument, function)?,
        None => None,
    };
    let (asked, target) = match (function.strip_prefix("convertsTo"), function.strip_prefix("to")) {
        (Some(target), _) => (true, target),
        (_, Some(target)) => (false, target),
        _ => return unknown(function),
    };
    let Some(value) = item.value() else { return Ok(if asked { boolean(false) } else { Vec::new() }) };
    let converted = match target {
        "Boolean" => to_boolean(&value),
        "Integer" => to_integer(&value),
        "Decimal" => to_decimal(&value),
        "Date" => to_date(&value),
        "DateTime" => to_date_time(&value),
        "Time" => to_time(&value),
        "Quantity" => to_quantity(&value, unit),
        "String" => to_string(&value),
        _ => return unknown(function),
    };
    Ok(if asked { boolean(converted.is_some()) } else { optional(converted) })
}

fn to_boolean(value: &Value) -> Option<Value> {
    let from_integer = |value: i64| match value {
        1 => Some(true),
        0 => Some(false),
        _ => None,
    };
    match value {
        Value::Boolean(value) => Some(*value),
        Value::Integer(value) => from_integer(*value),
        Value::Decimal(value) if value.is_integer() => from_integer(i64::try_from(*value).ok()?),
        Value::String(text) => match text.to_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "1" | "1.0" => Some(true),
            "false" | "f" | "no" | "n" | "0" | "0.0" => Some(false),
            _ => None,
        },
        _ => None,
    }
    .map(Value::Boolean)
}

fn to_integer(value: &Value) -> Option<Value> {
    match value {
        Value::Boolean(value) => Some((*value).into()),
        // FHIRPath's integers have 32 bits.
        Value::Integer(value) => i32::try_from(*value).ok().map(i64::from),
        Value::String(text) => {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<i32>().ok().filter(|_| all_digits).map(i64::from)
        }
        _ => None,
    }
    .map(Value::Integer)
}

fn to_decimal(value: &Value) -> Option<Value> {
    match value {
        Value::Boolean(value) => Some(Decimal::from(u8::from(*value))),
        Value::Integer(value) => Some((*value).into()),
        Value::Decimal(value) => Some(*value),
        Value::String(text) if !text.contains(['e', 'E']) => crate::decimal::value(text),
        _ => None,
    }
    .map(Value::Decimal)
}

fn to_date(value: &Value) -> Option<Value> {
    match value {
        Value::Date(date) => Some(*date),
        Value::DateTime(moment) => Some(moment.date()),
        Value::String(text) => DateTime::parse_partial(text).ok().map(DateTime::date),
        _ => None,
    }
    .map(Value::Date)
}

fn to_date_time(value: &Value) -> Option<Value> {
    match value {
        Value::Date(date) => Some((*date).into()),
        Value::DateTime(moment) => Some(*moment),
        Value::String(text) => DateTime::parse_partial(text).ok(),
        _ => None,
    }
    .map(Value::DateTime)
}

fn to_time(value: &Value) -> Option<Value> {
    match value {
        Value::Time(time) => Some(*time),
        Value::String(text) => Time::parse_partial(text.strip_prefix('T').unwrap_or(text)).ok(),
        _ => None,
    }
    .map(Value::Time)
}

/// A number, or text as in `5`, `5 days` or `5 'mg'`; in another unit if one is given.
fn to_quantity(value: &Value, unit: Option<String>) -> Option<Value> {
    let one = || Unit::Ucum("1".to_owned());
    let (value, found) = match value {
        Value::Boolean(value) => (Decimal::from(u8::from(*value)), one()),
        Value::Integer(value) => ((*value).into(), one()),
        Value::Decimal(value) => (*value, one()),
        Value::Quantity { value, unit } => (*value, unit.clone()),
        Value::String(text) => {
            let text = text.trim();
            let (number, rest) = text.split_at(text.find([' ', '\'']).unwrap_or(text.len()));
            let rest = rest.trim();
            let found = match rest.strip_prefix('\'').and_then(|code| code.strip_suffix('\'')) {
                Some(code) => Unit::Ucum(code.to_owned()),
                None if rest.is_empty() => one(),
                None => Unit::Calendar(CalendarUnit::from_keyword(rest)?),
            };
            (crate::decimal::value(number)?, found)
        }
        _ => return None,
    };
    let Some(unit) = unit else { return Some(Value::Quantity { value, unit: found }) };
    let wanted = match CalendarUnit::from_keyword(&unit) {
        Some(unit) => Unit::Calendar(unit),
        None => Unit::Ucum(unit),
    };
    let value = quantity::convert((value, &found), &wanted)?;
    Some(Value::Quantity { value, unit: wanted })
}

fn to_string(value: &Value) -> Option<Value> {
    Some(Value::String(match value {
        Value::Boolean(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::Decimal(value) => value.to_string(),
        Value::String(text) => text.clone(),
        Value::Date(date) => date.to_string(),
        Value::DateTime(moment) => moment.to_string(),
        Value::Time(time) => time.to_string(),
        Value::Quantity { value, unit } => format!("{value} {unit}"),
        Value::Type { .. } => return None,
    }))
}
