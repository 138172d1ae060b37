//! Existence and counting. <http://hl7.org/fhirpath/N1/#existence>

use super::super::ast::Expression;
use super::super::compare::{contains, distinct};
use super::super::item::{Collection, Item, Value, boolean, condition, one, wrong_type};
use super::super::scope::Scope;
use super::{Result, unknown};

pub(super) fn call<'a>(
    scope: &Scope<'_, 'a>,
    function: &str,
    focus: Collection<'a>,
    arguments: &[Expression],
) -> Result<Collection<'a>> {
    Ok(match function {
        "empty" => boolean(focus.is_empty()),
        "exists" => match arguments.first() {
            None => boolean(!focus.is_empty()),
            Some(criteria) => boolean(any(scope, &focus, criteria, true, "exists()")?),
        },
        "all" => boolean(!any(scope, &focus, &arguments[0], false, "all()")?),
        "allTrue" => boolean(booleans(&focus, "allTrue()")?.into_iter().all(|value| value)),
        "anyTrue" => boolean(booleans(&focus, "anyTrue()")?.into_iter().any(|value| value)),
        "allFalse" => boolean(booleans(&focus, "allFalse()")?.into_iter().all(|value| !value)),
        "anyFalse" => boolean(booleans(&focus, "anyFalse()")?.into_iter().any(|value| !value)),
        "subsetOf" => {
            let other = scope.evaluate(&arguments[0])?;
            boolean(focus.iter().all(|item| contains(&other, item)))
        }
        "supersetOf" => boolean(scope.evaluate(&arguments[0])?.iter().all(|item| contains(&focus, item))),
        "count" => one(Value::Integer(focus.len() as i64)),
        "distinct" => distinct(focus),
        "isDistinct" => {
            let count = focus.len();
            boolean(distinct(focus).len() == count)
        }
        "not" => condition_of_integer_or_boolean(&focus)?.map(|value| boolean(!value)).unwrap_or_default(),
        _ => return unknown(function),
    })
}

/// Whether the criteria give `wanted` for some item; what they leave empty counts as false.
fn any<'a>(
    scope: &Scope<'_, 'a>,
    items: &[Item<'a>],
    criteria: &Expression,
    wanted: bool,
    place: &str,
) -> Result<bool> {
    for (index, item) in items.iter().enumerate() {
        let answer = condition(&scope.evaluate_on(criteria, item, index)?, place)?;
        if answer.unwrap_or(false) == wanted {
            return Ok(true);
        }
    }
    Ok(false)
}

fn booleans(items: &[Item], place: &str) -> Result<Vec<bool>> {
    let boolean = |item: &Item| match item.value() {
        Some(Value::Boolean(value)) => Ok(value),
        _ => Err(wrong_type(place, item)),
    };
    items.iter().map(boolean).collect()
}

/// `not()` converts 0 and 1, as `toBoolean()` does; any other single item counts as true.
fn condition_of_integer_or_boolean(items: &[Item]) -> Result<Option<bool>> {
    match items {
        [item] if matches!(item.value(), Some(Value::Integer(0))) => Ok(Some(false)),
        _ => condition(items, "not()"),
    }
}
