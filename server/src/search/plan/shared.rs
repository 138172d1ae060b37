//! What leads over several types at once: the rows of a parameter that they share (`?_tag=…`, `?_type=Condition,Procedure&code=…`),
//! where these are few, and words. Else each type would be looked through.

use sea_orm::sea_query::SelectStatement;
use vesta_runtime::search::SearchParameterType as Kind;

use super::Planner;
use super::condition::groups;
use super::driver::Driver;
use super::sorted::is_id;
use crate::search::query::{Contained, Criterion, Search, Sort, Test};
use crate::search::table::Parameter;

impl<'a> Driver<'a> {
    /// None where neither is asked for. Whether rows are few was found by counting: see `lead`.
    pub(super) fn shared(planner: &Planner<'a>, search: &Search) -> Option<Driver<'a>> {
        if search.contained != Contained::False {
            return None;
        }
        if let Some(rows) = search.lead.and_then(|at| Self::of_shared_rows(planner, search, at)) {
            return Some(rows);
        }
        search.criteria.iter().enumerate().find_map(|(at, criterion)| match &criterion.test {
            Test::Words(words) if !criterion.negated => {
                let parameters = ids(&parameters(planner, search, criterion));
                Some(Driver::Words { criterion: at, parameters, words: words.clone() })
            }
            _ => None,
        })
    }

    /// The walk of a criterion's rows, where it has rows of one table whatever the type.
    fn of_shared_rows(planner: &Planner<'a>, search: &Search, at: usize) -> Option<Driver<'a>> {
        let criterion = search.criteria.get(at).filter(|criterion| !criterion.negated)?;
        let Test::Any(tests) = &criterion.test else { return None };
        let known = parameters(planner, search, criterion);
        let mut tests = groups(planner, &known, tests);
        let test = tests.pop().filter(|_| tests.is_empty())?;
        Some(Driver::Shared { criterion: at, parameters: ids(&known), test })
    }
}

impl<'a> Planner<'a> {
    /// The criteria that may lead over several types, with their places and the rows to be counted.
    pub(super) fn leading_of_all(&self, search: &Search) -> Vec<(usize, SelectStatement)> {
        let is_led = Driver::chart(self, search).is_some() || Driver::shared(self, search).is_some();
        if search.contained != Contained::False || is_led || search.criteria.iter().any(is_id) {
            return Vec::new();
        }
        let rows = (0..search.criteria.len()).filter_map(|at| match Driver::of_shared_rows(self, search, at)? {
            Driver::Shared { parameters, test, .. } => Some((at, self.leading_rows(&parameters, &test))),
            _ => None,
        });
        rows.collect()
    }
}

fn parameters<'a>(planner: &Planner<'a>, search: &Search, criterion: &Criterion) -> Vec<&'a Parameter> {
    search.types.iter().filter_map(|of| planner.table.parameter(of, criterion.code)).collect()
}

fn ids(parameters: &[&Parameter]) -> Vec<i32> {
    parameters.iter().map(|parameter| parameter.id).collect()
}

/// The same search in the order in which the resources themselves are walked.
pub(super) fn by_time(search: &Search) -> Search {
    let sort = vec![Sort { along: Vec::new(), code: "_lastUpdated", kind: Kind::Date, descending: true }];
    Search { sort, ..search.clone() }
}
