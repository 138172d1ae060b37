//! Pages in an order that an index has, over the records of all patients: the newest observations, patients by name. The index
//! is walked in that order and all else is asked of each that it meets, so that the walk stops when the page is full,
//! however many there are. Where few of those that it meets are found, it is given up: what is found is few then, or
//! comes late, and the database puts it in order. So is the end of the order, where those without a value stand,
//! which no index has.

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Func, Query, SelectStatement};
use vesta_runtime::search::SearchParameterType as Kind;

use super::boundary::{Constrained, constrained};
use super::condition::{groups, parameter_is};
use super::driver::{Driver, is_by_columns};
use super::rank::{MOST_SELECTIVE, most_selective};
use super::sort::{is_plain, own_column};
use super::{Access, Page, Plan, Planner, Position, order};
use crate::access::Boundary;
use crate::search::query::{Contained, Criterion, Search, Sort, Test};
use crate::search::table::{Parameter, Rule};
use crate::store::index::{Column, IndexTable};
use crate::store::{SortValue, Store, StoreError};

/// How many are met at most until the page is full: first the few that nearly all searches need.
const MET: [usize; 2] = [250, 2_000];

/// The index rows of a parameter, in the order of their values.
pub(super) struct Ordered<'a> {
    parameter: &'a Parameter,
    table: IndexTable,
    column: Column,
    descending: bool,
}

impl<'a> Ordered<'a> {
    /// None where no index has the order. Ranges are found by their upper ends, which is what a descending order is by.
    fn of(parameter: &'a Parameter, descending: bool) -> Option<Self> {
        let (table, column) = match parameter.definition.kind {
            Kind::String => (IndexTable::IndexString, Column::Value),
            // From a resource no index leads to its other URIs.
            Kind::Uri if parameter.single => (IndexTable::IndexUri, Column::Value),
            Kind::Date if descending => (IndexTable::IndexDate, Column::High),
            Kind::Number if descending => (IndexTable::IndexNumber, Column::High),
            Kind::Quantity if descending => (IndexTable::IndexQuantity, Column::High),
            _ => return None,
        };
        Some(Ordered { parameter, table, column, descending })
    }

    pub(super) fn rows_of(&self) -> (&'a Parameter, IndexTable) {
        (self.parameter, self.table)
    }

    pub(super) fn value(&self) -> Expr {
        Expr::col(("lead", self.column))
    }

    /// From these rows, as `lead`.
    pub(super) fn rows(&self, planner: &Planner<'_>, statement: &mut SelectStatement) {
        statement
            .from(planner.names.table_as(self.table, "lead"))
            .and_where(parameter_is("lead", &[self.parameter.id]))
            .and_where_option(is_plain("lead", self.table));
    }

    /// "Lowest of several ascending, highest descending": whether no row of the same resource comes before.
    pub(super) fn is_first(&self, planner: &Planner<'_>) -> Option<Expr> {
        if self.parameter.single && self.table != IndexTable::IndexQuantity {
            return None;
        }
        let ties: &[Column] = match self.table {
            IndexTable::IndexString => &[Column::Exact],
            IndexTable::IndexQuantity => &[Column::Low, Column::Code],
            IndexTable::IndexUri => &[],
            _ => &[Column::Low],
        };
        let columns: Vec<Column> = [self.column].into_iter().chain(ties.iter().copied()).collect();
        let of = |row: &'static str| Expr::tuple(columns.iter().map(|column| Expr::col((row, *column))));
        let lead = Expr::col(("lead", Column::Resource));
        let own = planner.rows_of(self.table, &[self.parameter.id], lead, &columns);
        let (other, this) = (of("own"), of("lead"));
        let mut before = Query::select();
        before.expr(Func::count(Expr::col(Asterisk))).from_subquery(own, "own").and_where(if self.descending {
            other.gt(this)
        } else {
            other.lt(this)
        });
        // Not `= 0`: of that PostgreSQL believes that hardly any row meets it, and puts all in order itself.
        Some(Expr::SubQuery(None, Box::new(before.into())).lt(1))
    }
}

/// A search to be walked in the order that it asks for.
pub(crate) struct InOrder<'a, 's> {
    planner: Planner<'a>,
    search: &'s Search,
    access: Access<'s>,
    granted: Option<Constrained>,
    driver: Driver<'a>,
}

impl<'a> Planner<'a> {
    /// None where no index has the order, or few are to be found otherwise.
    pub(crate) fn in_order<'s>(&self, search: &'s Search, access: Access<'s>) -> Option<InOrder<'a, 's>> {
        let ([of], [sort, others @ ..]) = (search.types.as_slice(), search.sort.as_slice()) else { return None };
        if search.contained != Contained::False || !sort.along.is_empty() || !others.iter().all(is_of_resource) {
            return None;
        }
        let granted = constrained(search, access.boundary);
        let (asked, within) = granted.as_ref().map_or((search, access), Constrained::both);
        let usual = Driver::choose(self, asked, within);
        let is_walked_so = is_by_columns(search) && matches!(usual, Driver::Resources);
        let is_short = match &usual {
            Driver::Resources => asked.lead.is_some() || asked.criteria.iter().any(is_id),
            Driver::Rows { .. } if asked.lead.is_some() => true,
            Driver::Rows { .. } => most_selective(self, of, asked).is_none_or(|(rank, ..)| rank <= MOST_SELECTIVE),
            _ => true,
        };
        let is_directory = || self.table.entry(of).is_some_and(|entry| entry.boundary.rule == Rule::Directory);
        let is_all = *within.boundary == Boundary::Unrestricted || is_directory();
        if is_walked_so || is_short || !is_all || !asked.criteria.iter().all(|one| self.is_probed(of, one)) {
            return None;
        }
        let driver = match own_column(sort) {
            Some(_) => Driver::Resources,
            None => Driver::InOrder(Ordered::of(self.table.parameter(of, sort.code)?, sort.descending)?),
        };
        Some(InOrder { planner: *self, search, access, granted, driver })
    }

    /// Whether it costs little to ask it of one resource.
    fn is_probed(&self, of: &str, criterion: &Criterion) -> bool {
        match &criterion.test {
            Test::Id(_) | Test::LastUpdated(_) => true,
            Test::Any(tests) => {
                let parameter = self.table.parameter(of, criterion.code);
                parameter.is_some_and(|known| groups(self, &[known], tests).iter().all(|group| group.is_probe()))
            }
            Test::All(parts) | Test::OneOf(parts) => parts.iter().all(|part| self.is_probed(of, part)),
            _ => false,
        }
    }
}

/// Whether it costs little to tell what a resource is sorted by.
fn is_of_resource(sort: &Sort) -> bool {
    let is_by_rows = matches!(sort.kind, Kind::String | Kind::Date | Kind::Number | Kind::Quantity);
    own_column(sort).is_some() || (sort.along.is_empty() && is_by_rows)
}

pub(super) fn is_id(criterion: &Criterion) -> bool {
    matches!(criterion.test, Test::Id(_)) && !criterion.negated
}

impl<'a> InOrder<'a, '_> {
    fn asked(&self) -> (&Search, Access<'_>) {
        self.granted.as_ref().map_or((self.search, self.access), Constrained::both)
    }

    /// A page of what stands no further than the end.
    pub(crate) fn until(&self, end: Option<&Position>, count: usize, position: Option<&Position>) -> Plan<'a> {
        let (search, access) = self.asked();
        let (mut rows, keys) = self.driver.select(&self.planner, search, access);
        order::apply(&mut rows, &keys, &self.driver.key(), position);
        if let Some(end) = end {
            order::until(&mut rows, &keys, &self.driver.key(), end);
        }
        rows.limit(count as u64 + 1);
        let forward = position.is_none_or(|position| position.forward);
        let statement = self.planner.with_bodies(rows, &keys, forward);
        self.planner.plan(statement, &keys, false, (search, count, position.cloned()))
    }

    /// What stands so many places behind the position; by the first key alone, behind all before it.
    fn behind(&self, places: usize, position: Option<&Position>) -> Plan<'a> {
        let (search, _) = self.asked();
        let first = search.sort[..1].to_vec();
        let all = Search { sort: first, ..Search::of(search.types.clone(), Vec::new()) };
        let anybody = Access { boundary: &Boundary::Unrestricted };
        let (mut rows, keys) = self.driver.select(&self.planner, &all, anybody);
        let first_of_equals = |position: &Position| {
            let last = keys.iter().any(|one| one.descending == position.forward);
            let key = if last { i64::MAX } else { i64::MIN };
            Position { values: position.values[..1].to_vec(), key, ..*position }
        };
        let from = match search.sort.len() {
            1 => position.cloned(),
            _ => position.map(first_of_equals),
        };
        order::apply(&mut rows, &keys, &self.driver.key(), from.as_ref());
        rows.offset(places as u64).limit(1);
        let forward = position.is_none_or(|position| position.forward);
        let statement = self.planner.with_bodies(rows, &keys, forward);
        self.planner.plan(statement, &keys, false, (&all, 1, position.cloned()))
    }

    /// A whole page with its next one's place; none where it is not full soon.
    pub(super) async fn page(
        &self,
        count: usize,
        position: Option<&Position>,
        store: &Store,
    ) -> Result<Option<Page>, StoreError> {
        if position.is_some_and(|position| matches!(position.values.first(), None | Some(SortValue::Missing))) {
            return Ok(None);
        }
        for places in MET {
            // Where nothing else is asked, each that is met is found.
            let end = match self.asked().0.criteria.is_empty() {
                true => None,
                false => {
                    let plan = self.behind(places, position);
                    let forward = position.is_none_or(|position| position.forward);
                    let found = store.page(&plan.statement, plan.sort_columns).await?;
                    found.first().map(|found| Position::at(found, forward))
                }
            };
            let plan = self.until(end.as_ref(), count, position);
            let found = store.page(&plan.statement, plan.sort_columns).await?;
            if found.len() > count {
                return Ok(Some(plan.page(found)));
            }
            if end.is_none() {
                break;
            }
        }
        Ok(None)
    }
}
