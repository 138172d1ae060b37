//! A patient's record in the order of texts. Rows of codes, references, texts and URIs are found by value, not by resource:
//! an order by them groups the rows of all patients. What a patient's walk finds is few, so its values are taken
//! from the resources themselves, and the page is put in order here; the database does it where there is more.

use std::cmp::Ordering;

use serde_json::Value;
use vesta_runtime::search::{IndexValue, SearchParameterType as Kind};

use super::driver::Driver;
use super::{Access, Page, Planner, Position};
use crate::search::paths::{parse_from, starts_of_all};
use crate::search::place::index_values;
use crate::search::query::{Contained, Search, Sort};
use crate::search::table::ParameterTable;
use crate::store::index::{cut, number_bytes, reference_text};
use crate::store::{Found, SortValue, Store, StoreError, Stored};

/// As many resources are read at once.
const BITE: usize = 250;
/// More than these the database puts in order.
const MOST: usize = 5_000;

impl Planner<'_> {
    /// The search to be walked without its order, where what it finds is put in order here.
    pub(crate) fn without_order(&self, search: &Search, access: Access<'_>) -> Option<Search> {
        let is_by_value = |sort: &Sort| {
            sort.along.is_empty()
                && !matches!(sort.code, "_id" | "_lastUpdated")
                && matches!(sort.kind, Kind::String | Kind::Token | Kind::Reference | Kind::Uri)
        };
        if search.contained != Contained::False
            || !search.sort.iter().any(is_by_value)
            || !search.sort.iter().all(|sort| sort.along.is_empty())
        {
            return None;
        }
        let unordered = Search { sort: Vec::new(), ..search.clone() };
        let granted = super::boundary::constrained(&unordered, access.boundary);
        let (asked, access) = granted.as_ref().map_or((&unordered, access), super::boundary::Constrained::both);
        matches!(Driver::choose(self, asked, access), Driver::Walk { .. } | Driver::Chart { .. }).then_some(unordered)
    }

    /// A page of what `unordered` finds, in the order of `sort`; none where that is too much.
    pub(super) async fn ordered(
        &self,
        unordered: &Search,
        sort: &[Sort],
        access: Access<'_>,
        (count, position): (usize, Option<&Position>),
        store: &Store,
    ) -> Result<Option<Page>, StoreError> {
        let forward = position.is_none_or(|position| position.forward);
        let in_order = |one: &(&[SortValue], i64), other: &(&[SortValue], i64)| {
            let order = compare(sort, *one, *other);
            if forward { order } else { order.reverse() }
        };
        let place = |found: &Found| found.stored.key;
        let of_types = unordered.types.iter().flat_map(|of| sort.iter().map(move |sort| (*of, sort.code)));
        let starts = starts_of_all(of_types.filter_map(|(of, code)| self.table.parameter(of, code)));
        let (mut kept, mut at, mut looked_at): (Vec<Found>, Option<Position>, usize) = (Vec::new(), None, 0);
        loop {
            let plan = self.page(unordered, access, BITE, at);
            let page = plan.page(store.page(&plan.statement, plan.sort_columns).await?);
            looked_at += page.found.len().max(1);
            for mut found in page.found {
                found.sort = self.sort_values(sort, &found.stored, starts.as_deref());
                let is_beyond = position.is_none_or(|position| {
                    in_order(&(&position.values, position.key), &(&found.sort, place(&found))) == Ordering::Less
                });
                if is_beyond {
                    kept.push(found);
                }
            }
            kept.sort_by(|one, other| in_order(&(&one.sort, place(one)), &(&other.sort, place(other))));
            // One more than asked for tells whether there is a next page.
            kept.truncate(count + 1);
            match page.next {
                None => return Ok(Some(Page::walked(kept, None, count, position.cloned()))),
                Some(_) if looked_at >= MOST => return Ok(None),
                next => at = next,
            }
            // On SQLite nothing above waits, and others have their turn between two bites.
            tokio::task::yield_now().await;
        }
    }

    fn sort_values(&self, sort: &[Sort], stored: &Stored, starts: Option<&[&str]>) -> Vec<SortValue> {
        let resource = parse_from(starts, &stored.body).unwrap_or_default();
        sort.iter().map(|sort| sort_value(self.table, sort, stored, &resource)).collect()
    }
}

/// The same as [`Driver::sort_value`]. "Lowest of several ascending, highest descending."
fn sort_value(table: &ParameterTable, sort: &Sort, stored: &Stored, resource: &Value) -> SortValue {
    match sort.code {
        "_id" => return SortValue::Text(stored.id.clone()),
        "_lastUpdated" => return SortValue::Integer(stored.last_updated.as_microsecond()),
        _ => {}
    }
    let found = || {
        let (entry, node) = table.root(resource)?;
        Some(index_values(table.parameter(entry.name, sort.code)?.definition, node, node))
    };
    let descending = sort.descending;
    let values = found().unwrap_or_default().into_iter().filter_map(|value| match value {
        IndexValue::Token { code: Some(code), .. } => Some(SortValue::Text(cut(&code).0.to_owned())),
        IndexValue::Reference(reference) => reference_text(table, &reference).map(SortValue::Text),
        IndexValue::String { folded, .. } => Some(SortValue::Text(cut(&folded).0.to_owned())),
        IndexValue::Uri(uri) => Some(SortValue::Text(cut(&uri).0.to_owned())),
        IndexValue::Date { low, high } => Some(SortValue::Integer(end(descending, low, high))),
        IndexValue::Number { low, high } => Some(SortValue::Bytes(number_bytes(end(descending, low, high)))),
        IndexValue::Quantity(quantity) => {
            Some(SortValue::Bytes(number_bytes(end(descending, quantity.low, quantity.high))))
        }
        _ => None,
    });
    let extreme = if sort.descending { values.max_by(by_value) } else { values.min_by(by_value) };
    extreme.unwrap_or(SortValue::Missing)
}

fn end<T>(descending: bool, low: T, high: T) -> T {
    if descending { high } else { low }
}

fn by_value(one: &SortValue, other: &SortValue) -> Ordering {
    match (one, other) {
        (SortValue::Text(one), SortValue::Text(other)) => one.cmp(other),
        (SortValue::Integer(one), SortValue::Integer(other)) => one.cmp(other),
        (SortValue::Bytes(one), SortValue::Bytes(other)) => one.cmp(other),
        // A key has values of one kind.
        _ => Ordering::Equal,
    }
}

/// The order of `order::apply`: missing values last, ties by the resource's key in the direction of the last key.
fn compare(sort: &[Sort], one: (&[SortValue], i64), other: (&[SortValue], i64)) -> Ordering {
    let directed = |order: Ordering, descending: bool| if descending { order.reverse() } else { order };
    let is_missing = |value: &SortValue| matches!(value, SortValue::Missing);
    let keys = sort.iter().zip(one.0.iter().zip(other.0)).map(|(sort, (one, other))| {
        let missing = is_missing(one).cmp(&is_missing(other));
        missing.then_with(|| directed(by_value(one, other), sort.descending))
    });
    let tie = || directed(one.1.cmp(&other.1), sort.last().is_none_or(|last| last.descending));
    keys.reduce(Ordering::then).unwrap_or(Ordering::Equal).then_with(tie)
}
