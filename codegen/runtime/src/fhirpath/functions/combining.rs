//! Parts of a collection, and two collections in one.
//! <http://hl7.org/fhirpath/N1/#subsetting> and <http://hl7.org/fhirpath/N1/#combining>

use super::super::ast::Expression;
use super::super::compare::{contains, distinct};
use super::super::item::{Collection, single};
use super::super::scope::Scope;
use super::{Result, unknown};

pub(super) fn call<'a>(
    scope: &Scope<'_, 'a>,
    function: &str,
    focus: Collection<'a>,
    arguments: &[Expression],
) -> Result<Collection<'a>> {
    let other = match function {
        "union" | "combine" | "intersect" | "exclude" => scope.evaluate(&arguments[0])?,
        _ => Vec::new(),
    };
    Ok(match function {
        "single" => single(&focus, "single()")?.cloned().into_iter().collect(),
        "first" => focus.into_iter().take(1).collect(),
        "last" => focus.into_iter().next_back().into_iter().collect(),
        "tail" => focus.into_iter().skip(1).collect(),
        "skip" => focus.into_iter().skip(count(scope, &arguments[0], "skip()")?).collect(),
        "take" => focus.into_iter().take(count(scope, &arguments[0], "take()")?).collect(),
        "union" => distinct(focus.into_iter().chain(other)),
        "combine" => focus.into_iter().chain(other).collect(),
        "intersect" => distinct(focus.into_iter().filter(|item| contains(&other, item))),
        "exclude" => focus.into_iter().filter(|item| !contains(&other, item)).collect(),
        _ => return unknown(function),
    })
}

/// A number of items; below zero is none.
fn count(scope: &Scope, argument: &Expression, place: &str) -> Result<usize> {
    Ok(usize::try_from(scope.integer(argument, place)?.unwrap_or(0)).unwrap_or(0))
}
