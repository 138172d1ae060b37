//! From a [`Search`] to SQL: one statement a page.
//!
//! A page is found by walking one *driver* in the order asked for and probing every other criterion for each resource that
//! the walk meets, so that the walk can stop when the page is full. The driver is the patient's compartment rows,
//! newest first; or the index rows of the most selective criterion; or the resources of the type. What the token
//! grants is always among the conditions; a constraint of its scopes is one more criterion of the search, where there is
//! one for all that it reaches.
//!
//! Probes are scalar subqueries that count, never `exists`: once PostgreSQL's prepared statement turns generic, an
//! `exists` becomes a hash join over the whole table. What would be one anyway is an `exists`: see `condition`.

mod boundary;
mod branches;
mod chain;
mod condition;
mod confirm;
mod contained;
mod driver;
mod holders;
mod include;
mod join;
mod lead;
mod order;
mod ordered;
mod rank;
mod record;
mod referrers;
mod row;
mod same_id;
mod shared;
mod sort;
mod sorted;
mod walk;
mod words;

use std::collections::BTreeMap;

use sea_orm::DbBackend;
use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Func, JoinType, Query, SelectStatement};

pub use self::include::{Includes, MOST_INCLUDED};
pub(in crate::search) use self::order::MOST_KEYS;
pub use self::order::Position;
pub use self::record::Record;

use self::confirm::Hashed;
use self::driver::Driver;
use self::order::Key;
use super::query::{Contained, Search};
use super::table::ParameterTable;
use crate::access::Boundary;
use crate::store::schema::{Resource, select_stored};
use crate::store::{Found, Names, SortValue};

/// Where a plan runs, and what its parameters are.
#[derive(Clone, Copy)]
pub struct Planner<'a> {
    pub table: &'a ParameterTable,
    pub names: &'a Names,
    pub backend: DbBackend,
}

/// What the caller may see of the types searched.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    pub boundary: &'a Boundary,
}

/// What holds at every step of a chain, and how many steps lead here.
#[derive(Clone, Copy)]
struct Within<'a> {
    boundary: &'a Boundary,
    beyond: &'a BTreeMap<&'static str, Boundary>,
    depth: usize,
    /// Whether what is asked stands in another resource: its rows are under the negative ids of the parameters.
    contained: bool,
}

impl<'a> Within<'a> {
    fn of(search: &'a Search, access: Access<'a>) -> Within<'a> {
        let contained = search.contained == Contained::True;
        Within { boundary: access.boundary, beyond: &search.beyond, depth: 0, contained }
    }

    fn boundary(self, of: &str) -> &'a Boundary {
        self.beyond.get(of).unwrap_or(self.boundary)
    }

    fn deeper(self) -> Within<'a> {
        Within { depth: self.depth + 1, ..self }
    }

    /// The id under which the rows of a parameter are.
    fn id(self, parameter: i32) -> i32 {
        if self.contained { -parameter } else { parameter }
    }
}

/// A page to be read: [`Plan::page`] makes sense of the rows.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Selects [`crate::store::schema::STORED`], then the sort values.
    pub statement: SelectStatement,
    /// How many sort values follow.
    pub sort_columns: usize,
    /// Whether the last of them tells the place of what is found, which may be contained.
    is_placed: bool,
    count: usize,
    position: Option<Position>,
    table: &'a ParameterTable,
    types: Vec<&'static str>,
    contained: Contained,
    hashed: Vec<Hashed>,
}

/// The resources of a page, and where its neighbours begin.
#[derive(Debug)]
pub struct Page {
    pub found: Vec<Found>,
    pub next: Option<Position>,
    pub previous: Option<Position>,
}

impl<'a> Planner<'a> {
    /// The statement of a page of `count` resources, from `position` on.
    pub fn page(&self, search: &Search, access: Access<'_>, count: usize, position: Option<Position>) -> Plan<'a> {
        // One more than asked for tells whether there is a next page.
        let most = count as u64 + 1;
        let forward = position.as_ref().is_none_or(|position| position.forward);
        let plan = |statement, keys: &[Key], is_placed: bool, search: &Search| {
            self.plan(statement, keys, is_placed, (search, count, position.clone()))
        };
        if search.contained != Contained::False {
            let (page, keys) = self.with_contained(search, access, position.as_ref(), most);
            return plan(self.with_placed_bodies(page, &keys, forward, search), &keys, search.contained_alone, search);
        }
        let granted = boundary::constrained(search, access.boundary);
        let (search, access) = granted.as_ref().map_or((search, access), boundary::Constrained::both);
        let driver = Driver::choose(self, search, access);
        let (page, keys) = match driver.branches(self, search, access) {
            Some(branches) => self.united(&branches, search, access, position.as_ref(), most),
            None => self.walk(&driver, search, access, (position.as_ref(), |key| key), most),
        };
        plan(self.with_bodies(page, &keys, forward), &keys, false, search)
    }

    fn plan(
        &self,
        statement: SelectStatement,
        keys: &[Key],
        is_placed: bool,
        (search, count, position): (&Search, usize, Option<Position>),
    ) -> Plan<'a> {
        Plan {
            statement,
            sort_columns: keys.len() + usize::from(is_placed),
            is_placed,
            count,
            position,
            table: self.table,
            types: search.types.clone(),
            contained: search.contained,
            hashed: confirm::hashed(search),
        }
    }

    /// The first `most` from the position on, in order: ties go by what is made of the key.
    fn walk(
        &self,
        driver: &Driver<'_>,
        search: &Search,
        access: Access<'_>,
        (position, place): (Option<&Position>, fn(Expr) -> Expr),
        most: u64,
    ) -> (SelectStatement, Vec<Key>) {
        let (mut inner, keys) = driver.select(self, search, access);
        if keys.iter().any(|key| key.is_computed) {
            // The order is by what is computed for each: name it, so that the position is compared with the result.
            let mut outer = Query::select();
            outer.expr_as(Expr::col(("hit", "key")), "key");
            for name in order::names(keys.len()) {
                outer.expr_as(Expr::col(("hit", name)), name);
            }
            outer.from_subquery(inner.take(), "hit");
            let named = order::named(&keys, "hit");
            order::apply(&mut outer, &named, &place(Expr::col(("hit", "key"))), position);
            inner = outer;
        } else {
            order::apply(&mut inner, &keys, &place(driver.key()), position);
        }
        inner.limit(most);
        (inner, keys)
    }

    /// How many resources match.
    pub fn count(&self, search: &Search, access: Access<'_>) -> SelectStatement {
        if search.contained != Contained::False {
            return self.count_with_contained(search, access);
        }
        let granted = boundary::constrained(search, access.boundary);
        let (search, access) = granted.as_ref().map_or((search, access), boundary::Constrained::both);
        let unordered = Search { sort: Vec::new(), ..search.clone() };
        let driver = Driver::choose(self, &unordered, access);
        let (mut inner, _) = driver.select(self, &unordered, access);
        let mut statement = Query::select();
        statement.expr(Func::count(Expr::col(Asterisk))).from_subquery(inner.take(), "hit");
        statement
    }

    /// Joins the page to the resources it names.
    fn with_bodies(&self, page: SelectStatement, keys: &[Key], forward: bool) -> SelectStatement {
        self.joined_to_bodies(page, keys, forward, |key| key)
    }

    /// The same where the key of the resource is something made of the page's.
    fn joined_to_bodies(
        &self,
        page: SelectStatement,
        keys: &[Key],
        forward: bool,
        resource: impl Fn(Expr) -> Expr,
    ) -> SelectStatement {
        let mut statement = Query::select();
        select_stored(&mut statement, "body");
        for name in order::names(keys.len()) {
            statement.expr(Expr::col(("page", name)));
        }
        statement.from_subquery(page, "page");
        let key = resource(Expr::col(("page", "key")));
        let same = Expr::col(("body", Resource::Key)).eq(key.clone());
        if self.backend == DbBackend::Postgres {
            // A generic plan does not know how short the page is, and would hash the whole table: a lateral subquery
            // with an offset cannot become a join.
            let mut body = Query::select();
            body.column(Asterisk)
                .from(self.names.table_as(Resource::Table, "one"))
                .and_where(Expr::col(("one", Resource::Key)).eq(key))
                .offset(0);
            statement.join_lateral(JoinType::InnerJoin, body, "body", Expr::cust("true"));
        } else {
            // The page first: SQLite knows no better how short it is, and keeps to the order of a cross join.
            statement.cross_join(self.names.table_as(Resource::Table, "body")).and_where(same);
        }
        order::order_by(&mut statement, &order::named(keys, "page"), &Expr::col(("page", "key")), forward);
        statement
    }
}

impl Plan<'_> {
    /// Orders what the statement found, cuts off what only told that there is more, finds the neighbours, and drops what
    /// was found by a hash that two values share.
    pub fn page(&self, mut found: Vec<Found>) -> Page {
        if self.is_placed {
            for found in &mut found {
                found.place = match found.sort.pop() {
                    Some(SortValue::Integer(place)) => Some(place),
                    _ => None,
                };
            }
        }
        let more = found.len() > self.count;
        found.truncate(self.count);
        let forward = self.position.as_ref().is_none_or(|position| position.forward);
        if !forward {
            found.reverse();
        }
        // Forward: what was asked from is before this page. Backward: what was asked from is behind it.
        let (has_previous, has_next) = if forward { (self.position.is_some(), more) } else { (more, true) };
        let at = |found: Option<&Found>, forward| found.map(|found| Position::at(found, forward));
        let (next, previous) =
            (has_next.then(|| at(found.last(), true)), has_previous.then(|| at(found.first(), false)));
        found.retain(|one| confirm::confirms(&self.hashed, self.table, (&self.types, self.contained), one));
        Page { found, next: next.flatten(), previous: previous.flatten() }
    }
}
