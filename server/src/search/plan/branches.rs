//! Several walks for one page: of each of several values, and of each of several types. What one of them meets comes in the
//! order of the page, what they meet together does not; so the first of each are found, and put in order.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Asterisk, Expr, Query, SelectStatement, UnionType};

use super::driver::{Driver, is_by_columns};
use super::order::{self, Key};
use super::shared::by_time;
use super::{Access, Planner, Position};
use crate::access::Boundary;
use crate::search::query::Search;
use crate::search::table::Rule;

/// One of several walks, and what it is of where it is not of all.
type Branch<'a> = (Driver<'a>, Option<Search>);

impl<'a> Driver<'a> {
    /// None where one walk does.
    pub(super) fn branches(
        &self,
        planner: &Planner<'a>,
        search: &Search,
        access: Access<'_>,
    ) -> Option<Vec<Branch<'a>>> {
        match self {
            // The order is the client's to say, and it was not said: then it is by time, whatever leads.
            Driver::Shared { criterion, parameters, test } if search.sort.is_empty() => {
                let same = Driver::Shared { criterion: *criterion, parameters: parameters.clone(), test: test.clone() };
                Some(vec![(same, Some(by_time(search)))])
            }
            Driver::Rows { criterion, parameter, test } if is_led_out_of_time(planner, search, access) => {
                let same = Driver::Rows { criterion: *criterion, parameter, test: test.clone() };
                Some(vec![(same, Some(by_time(search)))])
            }
            Driver::Rows { criterion, parameter, test } => {
                let each = test.in_order_each().filter(|_| search.sort.is_empty())?;
                let one = |test| Driver::Rows { criterion: *criterion, parameter, test };
                Some(each.into_iter().map(|test| (one(test), None)).collect())
            }
            Driver::Resources if search.types.len() > 1 && is_by_columns(search) && is_short(search) => {
                match access.boundary {
                    Boundary::Patient(patient) => Some(of_patient(planner, search, patient)),
                    _ => Some(each_type(search, &search.types).collect()),
                }
            }
            _ => None,
        }
    }
}

/// Whether rows lead where else what was changed of late would, in the order of time.
fn is_led_out_of_time(planner: &Planner<'_>, search: &Search, access: Access<'_>) -> bool {
    search.lead.is_some()
        && search.sort.is_empty()
        && search.is_of_lately_changed()
        && matches!(Driver::choose(planner, &Search { lead: None, ..search.clone() }, access), Driver::Resources)
}

/// Whether the statement may say for each of the types what is asked for.
fn is_short(search: &Search) -> bool {
    const MOST_VALUES: usize = 8_000;
    search.types.len() * search.values().max(1) <= MOST_VALUES
}

/// The same search of some of its types.
fn of_types(search: &Search, types: Vec<&'static str>) -> Search {
    Search { types, ..search.clone() }
}

fn each_type<'a>(search: &Search, types: &[&'static str]) -> impl Iterator<Item = Branch<'a>> {
    types.iter().map(|of| (Driver::Resources, Some(of_types(search, vec![*of]))))
}

/// A patient's record, and what lies in no record: what is of all is walked, what is the patient's is found.
fn of_patient<'a>(planner: &Planner<'a>, search: &Search, patient: &str) -> Vec<Branch<'a>> {
    let (mut masks, mut own, mut others): (BTreeMap<i64, Vec<i32>>, _, _) = (BTreeMap::new(), Vec::new(), Vec::new());
    for of in &search.types {
        match planner.table.entry(of).filter(|entry| entry.boundary.rule == Rule::Compartment) {
            Some(entry) => {
                masks.entry(entry.boundary.mask).or_default().push(planner.number(of));
                own.push(*of);
            }
            None => others.push(*of),
        }
    }
    let mut branches: Vec<Branch<'a>> = each_type(search, &others).collect();
    if !own.is_empty() {
        let mut record = of_types(search, own);
        if record.sort.is_empty() {
            record = by_time(&record);
        }
        branches.push((Driver::Chart { patient: patient.to_owned(), masks, criterion: None }, Some(record)));
    }
    branches
}

impl Planner<'_> {
    /// The first of each, united.
    pub(super) fn united(
        &self,
        walks: &[Branch<'_>],
        search: &Search,
        access: Access<'_>,
        position: Option<&Position>,
        most: u64,
    ) -> (SelectStatement, Vec<Key>) {
        let mut keys = Vec::new();
        // SQLite takes no limit in a part of a union, but in a subquery of it.
        let first = |(walk, of): &Branch<'_>| {
            let (rows, own) = self.walk(walk, of.as_ref().unwrap_or(search), access, (position, |key| key), most);
            keys = own;
            Query::select().column(Asterisk).from_subquery(rows, "first").take()
        };
        let union = walks.iter().map(first).reduce(|mut all, one| all.union(UnionType::Distinct, one).take());
        let mut united = Query::select();
        let key = Expr::col(("hit", "key"));
        united.expr_as(key.clone(), "key").from_subquery(union.unwrap_or_default(), "hit");
        let named = order::named(&keys, "hit");
        for (one, name) in named.iter().zip(order::names(keys.len())) {
            united.expr_as(one.expr.clone(), name);
        }
        order::order_by(&mut united, &named, &key, position.is_none_or(|position| position.forward));
        united.limit(most);
        (united, keys)
    }
}
