//! Which criterion probably leads to the fewest, by what it asks: no statistics are needed, and none are at hand.

use super::Planner;
use super::condition::any_row;
use super::row::RowTest;
use crate::search::query::{Criterion, Prefix, Search, Test, ValueTest};
use crate::search::table::Parameter;
use crate::store::index::IndexTable;

/// The criterion of which the fewest rows are to be expected, with its rank and place.
pub(super) fn most_selective<'a, 's>(
    planner: &Planner<'a>,
    of: &str,
    search: &'s Search,
) -> Option<(u32, usize, &'s Criterion, &'a Parameter)> {
    let candidates = search.criteria.iter().enumerate().filter_map(|(at, criterion)| {
        Some((rank(planner, of, criterion)?, at, criterion, planner.table.parameter(of, criterion.code)?))
    });
    candidates.min_by_key(|(rank, at, ..)| (*rank, *at))
}

const MICROSECONDS_OF_A_DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// Rows of equalities that one resource or few have: identifiers, and references.
pub(super) const MOST_SELECTIVE: u32 = 3;
/// Fewer have one name than were changed of late, and fewer were changed of late than have one code.
pub(super) const CHANGED_LATELY: u32 = 9;

/// The lower, the fewer rows are to be expected. None for what cannot drive.
fn rank(planner: &Planner<'_>, of: &str, criterion: &Criterion) -> Option<u32> {
    if criterion.negated {
        return None;
    }
    let parameter = planner.table.parameter(of, criterion.code)?;
    match &criterion.test {
        Test::Any(tests) => Some(rank_of_rows(parameter, tests, &any_row(planner, parameter, tests)?)),
        // Words that are worth asking for are in few resources.
        Test::Words(_) => Some(9),
        // More resources refer to one than there are such; but whatever drives, all that the chain leads to is found.
        Test::Chain(targets) => {
            let ends = targets.iter().map(|(target, inner)| match &inner.test {
                Test::Id(_) => 0,
                _ => rank(planner, target, inner).unwrap_or(30),
            });
            ends.max().map(|end| 1 + end)
        }
        _ => None,
    }
}

pub(super) fn rank_of_rows(parameter: &Parameter, tests: &[ValueTest], test: &RowTest) -> u32 {
    let several = u32::from(!test.is_one_hash());
    match (&tests[0], test.table) {
        (ValueTest::IdentifierOfType { .. } | ValueTest::ReferenceIdentifier { .. }, _) => several,
        (_, IndexTable::IndexToken) if parameter.definition.code == "identifier" => several,
        (_, IndexTable::IndexReference) => 2 + several,
        (ValueTest::Composite(_), _) => 4 + several,
        (_, IndexTable::IndexUri) => 6,
        // On one day few are born, and many are called Smith.
        (ValueTest::Date(date), _) if date.prefix == Prefix::Eq && date.high - date.low < MICROSECONDS_OF_A_DAY => 7,
        (ValueTest::String { .. }, _) => 8,
        (_, IndexTable::IndexToken) => 10 + several,
        (ValueTest::Quantity { number, .. } | ValueTest::Number(number), _) if number.prefix == Prefix::Eq => 12,
        (ValueTest::Date(date), _) if date.prefix == Prefix::Eq => 13,
        _ => 14,
    }
}
