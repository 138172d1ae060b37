//! Strings. Positions count characters. <http://hl7.org/fhirpath/N1/#string-manipulation>

use super::super::ast::Expression;
use super::super::item::{Collection, Item, Value, boolean, one, single_string, wrong_type};
use super::super::scope::Scope;
use super::{Result, optional, unknown};

pub(super) fn call<'a>(
    scope: &Scope<'_, 'a>,
    function: &str,
    focus: Collection<'a>,
    arguments: &[Expression],
) -> Result<Collection<'a>> {
    if function == "join" {
        return join(scope, &focus, arguments.first());
    }
    let Some(text) = single_string(&focus, function)? else { return Ok(Vec::new()) };
    let string = |text: String| Ok(one(Value::String(text)));
    match function {
        "upper" => return string(text.to_uppercase()),
        "lower" => return string(text.to_lowercase()),
        "trim" => return string(text.trim().to_owned()),
        "length" => return Ok(one(Value::Integer(text.chars().count() as i64))),
        "toChars" => return Ok(text.chars().map(|character| Item::Value(Value::String(character.into()))).collect()),
        "substring" => return substring(scope, &text, arguments),
        _ => {}
    }
    // All others take strings, and are empty if one of them is.
    let mut given = Vec::new();
    for argument in arguments {
        let Some(text) = scope.string(argument, function)? else { return Ok(Vec::new()) };
        given.push(text);
    }
    match (function, given.as_slice()) {
        ("indexOf", [part]) => {
            let position = text.find(part.as_str()).map(|byte| text[..byte].chars().count() as i64);
            Ok(one(Value::Integer(position.unwrap_or(-1))))
        }
        ("startsWith", [prefix]) => Ok(boolean(text.starts_with(prefix.as_str()))),
        ("endsWith", [suffix]) => Ok(boolean(text.ends_with(suffix.as_str()))),
        ("contains", [part]) => Ok(boolean(text.contains(part.as_str()))),
        ("replace", [pattern, substitution]) => string(text.replace(pattern.as_str(), substitution)),
        ("matches", [pattern]) => Ok(boolean(scope.environment.regular_expression(pattern)?.is_match(&text))),
        ("replaceMatches", [pattern, substitution]) => {
            let expression = scope.environment.regular_expression(pattern)?;
            string(expression.replace_all(&text, substitution.as_str()).into_owned())
        }
        ("split", [separator]) => {
            Ok(text.split(separator.as_str()).map(|part| Item::Value(Value::text(part))).collect())
        }
        _ => unknown(function),
    }
}

/// Empty where the start lies outside the text.
fn substring<'a>(scope: &Scope<'_, 'a>, text: &str, arguments: &[Expression]) -> Result<Collection<'a>> {
    let Some(start) = scope.integer(&arguments[0], "substring()")? else { return Ok(Vec::new()) };
    let length = match arguments.get(1) {
        Some(argument) => scope.integer(argument, "substring()")?,
        None => None,
    };
    let count = text.chars().count();
    let Some(start) = usize::try_from(start).ok().filter(|&start| start < count) else { return Ok(Vec::new()) };
    let length = length.map_or(count, |length| usize::try_from(length).unwrap_or(0));
    Ok(optional(Some(Value::String(text.chars().skip(start).take(length).collect()))))
}

fn join<'a>(scope: &Scope<'_, 'a>, focus: &[Item<'a>], separator: Option<&Expression>) -> Result<Collection<'a>> {
    let separator = match separator {
        Some(argument) => scope.string(argument, "join()")?.unwrap_or_default(),
        None => String::new(),
    };
    let mut parts = Vec::new();
    for item in focus {
        match item.value() {
            Some(Value::String(text)) => parts.push(text),
            None if matches!(item, Item::Node(node) if node.is_primitive()) => {}
            _ => return Err(wrong_type("join()", item)),
        }
    }
    Ok(one(Value::String(parts.join(&separator))))
}
