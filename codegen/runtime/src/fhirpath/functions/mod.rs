//! The functions, one file a group, and the table of their names. <http://hl7.org/fhirpath/N1/#functions>

mod combining;
mod conversion;
mod existence;
mod fhir;
mod filtering;
mod math;
mod narrative;
mod strings;
mod utility;

use super::ast::Expression;
use super::error::EvaluationError;
use super::item::{Collection, Item};
use super::scope::Scope;

pub(super) use fhir::extensions;

type Result<T> = std::result::Result<T, EvaluationError>;
type Group = for<'a> fn(&Scope<'_, 'a>, &str, Collection<'a>, &[Expression]) -> Result<Collection<'a>>;

/// Name, fewest and most arguments, group; sorted by name.
const FUNCTIONS: [(&str, usize, usize, Group); 86] = [
    ("abs", 0, 0, math::call),
    ("aggregate", 1, 2, filtering::call),
    ("all", 1, 1, existence::call),
    ("allFalse", 0, 0, existence::call),
    ("allTrue", 0, 0, existence::call),
    ("anyFalse", 0, 0, existence::call),
    ("anyTrue", 0, 0, existence::call),
    ("as", 1, 1, filtering::call),
    ("ceiling", 0, 0, math::call),
    ("children", 0, 0, filtering::call),
    ("combine", 1, 1, combining::call),
    ("conformsTo", 1, 1, fhir::call),
    ("contains", 1, 1, strings::call),
    ("convertsToBoolean", 0, 0, conversion::call),
    ("convertsToDate", 0, 0, conversion::call),
    ("convertsToDateTime", 0, 0, conversion::call),
    ("convertsToDecimal", 0, 0, conversion::call),
    ("convertsToInteger", 0, 0, conversion::call),
    ("convertsToQuantity", 0, 1, conversion::call),
    ("convertsToString", 0, 0, conversion::call),
    ("convertsToTime", 0, 0, conversion::call),
    ("count", 0, 0, existence::call),
    ("descendants", 0, 0, filtering::call),
    ("distinct", 0, 0, existence::call),
    ("empty", 0, 0, existence::call),
    ("endsWith", 1, 1, strings::call),
    ("exclude", 1, 1, combining::call),
    ("exists", 0, 1, existence::call),
    ("exp", 0, 0, math::call),
    ("extension", 1, 1, fhir::call),
    ("first", 0, 0, combining::call),
    ("floor", 0, 0, math::call),
    ("getValue", 0, 0, fhir::call),
    ("hasValue", 0, 0, fhir::call),
    ("htmlChecks", 0, 0, fhir::call),
    ("iif", 2, 3, filtering::call),
    ("indexOf", 1, 1, strings::call),
    ("intersect", 1, 1, combining::call),
    ("is", 1, 1, filtering::call),
    ("isDistinct", 0, 0, existence::call),
    ("join", 0, 1, strings::call),
    ("last", 0, 0, combining::call),
    ("length", 0, 0, strings::call),
    ("ln", 0, 0, math::call),
    ("log", 1, 1, math::call),
    ("lower", 0, 0, strings::call),
    ("matches", 1, 1, strings::call),
    ("memberOf", 1, 1, fhir::call),
    ("not", 0, 0, existence::call),
    ("now", 0, 0, utility::call),
    ("ofType", 1, 1, filtering::call),
    ("power", 1, 1, math::call),
    ("repeat", 1, 1, filtering::call),
    ("replace", 2, 2, strings::call),
    ("replaceMatches", 2, 2, strings::call),
    ("resolve", 0, 0, fhir::call),
    ("round", 0, 1, math::call),
    ("select", 1, 1, filtering::call),
    ("single", 0, 0, combining::call),
    ("skip", 1, 1, combining::call),
    ("split", 1, 1, strings::call),
    ("sqrt", 0, 0, math::call),
    ("startsWith", 1, 1, strings::call),
    ("subsetOf", 1, 1, existence::call),
    ("substring", 1, 2, strings::call),
    ("supersetOf", 1, 1, existence::call),
    ("tail", 0, 0, combining::call),
    ("take", 1, 1, combining::call),
    ("timeOfDay", 0, 0, utility::call),
    ("toBoolean", 0, 0, conversion::call),
    ("toChars", 0, 0, strings::call),
    ("toDate", 0, 0, conversion::call),
    ("toDateTime", 0, 0, conversion::call),
    ("toDecimal", 0, 0, conversion::call),
    ("toInteger", 0, 0, conversion::call),
    ("toQuantity", 0, 1, conversion::call),
    ("toString", 0, 0, conversion::call),
    ("toTime", 0, 0, conversion::call),
    ("today", 0, 0, utility::call),
    ("trace", 1, 2, utility::call),
    ("trim", 0, 0, strings::call),
    ("truncate", 0, 0, math::call),
    ("type", 0, 0, utility::call),
    ("union", 1, 1, combining::call),
    ("upper", 0, 0, strings::call),
    ("where", 1, 1, filtering::call),
];

pub(super) fn call<'a>(
    scope: &Scope<'_, 'a>,
    function: &str,
    focus: Collection<'a>,
    arguments: &[Expression],
) -> Result<Collection<'a>> {
    let Ok(found) = FUNCTIONS.binary_search_by(|(name, ..)| (*name).cmp(function)) else {
        return Err(EvaluationError::UnknownFunction(function.to_owned()));
    };
    let (_, fewest, most, group) = FUNCTIONS[found];
    if arguments.len() < fewest || arguments.len() > most {
        let expected = match (fewest, most) {
            (0, 0) => "no",
            (0, 1) => "at most one",
            (1, 1) => "one",
            (1, 2) => "one or two",
            (2, 2) => "two",
            _ => "two or three",
        };
        return Err(EvaluationError::ArgumentCount { function: function.to_owned(), expected, given: arguments.len() });
    }
    group(scope, function, focus, arguments)
}

/// What a group answers to a name that the table gives it by mistake.
fn unknown<T>(function: &str) -> Result<T> {
    Err(EvaluationError::UnknownFunction(function.to_owned()))
}

/// A computed value, or empty.
fn optional<'a>(value: Option<super::item::Value>) -> Collection<'a> {
    value.into_iter().map(Item::Value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_each_group_knows_its_names() {
        assert!(FUNCTIONS.is_sorted_by(|one, other| one.0 < other.0));
    }
}
