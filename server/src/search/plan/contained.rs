//! Pages of what resources contain: alone or beside what stands by itself, as itself or as the resource that it stands in.
//! <https://hl7.org/fhir/R4/search.html#contained>
//!
//! What is contained is found by rows of its own, under keys that tell its container: whether it may be seen, its
//! container decides. Containers cost as much as all that they contain and matches, since each comes once. Each of the two
//! kinds is a walk; what they find is put in one order. Keys of the page are those of
//! contained resources where such come by themselves, else those of resources.

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Func, Query, SelectStatement, UnionType};
use vesta_runtime::search::SearchParameterType as Kind;

use super::driver::Driver;
use super::join::never;
use super::order::{self, Key, Position};
use super::{Access, Planner, boundary};
use crate::search::query::{Contained, Search, Sort};
use crate::store::index::contained::{container, itself};
use crate::store::schema::Resource;

/// The order of both kinds where the client left it open: last changed first, or what stands in what was.
pub(super) const SEQUENCE: &str = "_sequence";

fn as_it_is(key: Expr) -> Expr {
    key
}

impl<'a> Planner<'a> {
    /// Whether the container of what has this key may be seen.
    pub(super) fn is_contained_in_reach(&self, search: &Search, key: &Expr) -> Expr {
        let Some((types, boundary)) = &search.containers else { return never() };
        let key = container(key.clone());
        let is_of = self.resource_column(Resource::Type, &key).is_in(types.iter().map(|of| self.number(of)));
        match self.boundary(types, boundary, &key) {
            Some(inside) => is_of.and(inside),
            None => is_of,
        }
    }

    /// A column of the resource, or of the container of what stands in one.
    pub(super) fn held(&self, column: Resource, search: &Search, key: &Expr) -> Expr {
        match search.contained {
            Contained::True => self.resource_column(column, &container(key.clone())),
            _ => self.resource_column(column, key),
        }
    }

    /// The first `most` from the position on, in order.
    pub(super) fn with_contained(
        &self,
        search: &Search,
        access: Access<'_>,
        position: Option<&Position>,
        most: u64,
    ) -> (SelectStatement, Vec<Key>) {
        let mut ordered = search.clone();
        // Alone they come in the order of their keys, which is that of their rows.
        if ordered.sort.is_empty() && search.contained == Contained::Both {
            let sequence = Sort { along: Vec::new(), code: SEQUENCE, kind: Kind::Number, descending: true };
            ordered.sort.push(sequence);
        }
        let (parts, keys) = self.parts(&ordered, access, Some(position), most);
        let named = order::named(&keys, "hit");
        let key = Expr::col(("hit", "key"));
        let mut page = Query::select();
        page.expr_as(key.clone(), "key").from_subquery(parts, "hit");
        for (name, one) in order::names(keys.len()).zip(&named) {
            page.expr_as(one.expr.clone(), name);
        }
        order::apply(&mut page, &named, &key, position);
        page.limit(most);
        (page, keys)
    }

    /// How many there are.
    pub(super) fn count_with_contained(&self, search: &Search, access: Access<'_>) -> SelectStatement {
        let unordered = Search { sort: Vec::new(), ..search.clone() };
        let (parts, _) = self.parts(&unordered, access, None, u64::MAX);
        Query::select().expr(Func::count(Expr::col(Asterisk))).from_subquery(parts, "hit").take()
    }

    /// What either kind finds: columns `key`, each once, and the sort values. Where a position is given, of each kind no
    /// more than the page needs, as far as that can be told of the kind alone.
    fn parts(
        &self,
        search: &Search,
        access: Access<'_>,
        from: Option<Option<&Position>>,
        most: u64,
    ) -> (SelectStatement, Vec<Key>) {
        let mut each = Vec::new();
        if search.contained == Contained::Both {
            let alone = Search { contained: Contained::False, ..search.clone() };
            let granted = boundary::constrained(&alone, access.boundary);
            let (alone, access) = granted.as_ref().map_or((&alone, access), boundary::Constrained::both);
            let driver = Driver::choose(self, alone, access);
            let place = if search.contained_alone { itself } else { as_it_is };
            // The sort values of a resource that also contains matches may be others, but not its place in the sequence.
            let bounded = from.filter(|_| search.contained_alone || is_by_sequence(search));
            each.push(self.one_kind(&driver, alone, access, place, bounded, most));
        }
        let contained = Search { contained: Contained::True, ..search.clone() };
        let driver = Driver::choose(self, &contained, access);
        let place = if search.contained_alone { as_it_is } else { container };
        each.push(self.one_kind(&driver, &contained, access, place, from.filter(|_| search.contained_alone), most));
        let keys = each.first().map(|(_, keys)| keys.clone()).unwrap_or_default();
        let all = each.into_iter().map(|(rows, _)| rows);
        let all = all.reduce(|mut all, one| all.union(UnionType::All, one).take()).unwrap_or_default();
        if search.contained_alone {
            return (all, keys);
        }
        // "A resource is in a search set once", whatever of what it contains matches.
        let mut once = Query::select();
        once.expr_as(Expr::col(("each", "key")), "key").from_subquery(all, "each").group_by_col(("each", "key"));
        for (name, key) in order::names(keys.len()).zip(&keys) {
            let value = Expr::col(("each", name));
            once.expr_as(if key.descending { value.max() } else { value.min() }, name);
        }
        (once, keys)
    }

    fn one_kind(
        &self,
        driver: &Driver<'a>,
        search: &Search,
        access: Access<'_>,
        place: fn(Expr) -> Expr,
        bounded: Option<Option<&Position>>,
        most: u64,
    ) -> (SelectStatement, Vec<Key>) {
        let (rows, keys) = match bounded {
            Some(position) => self.walk(driver, search, access, (position, place), most),
            None => driver.select(self, search, access),
        };
        // Where nothing is sorted, each kind has an order of its own.
        let keys = if search.sort.is_empty() { Vec::new() } else { keys };
        let mut placed = Query::select();
        placed.expr_as(place(Expr::col(("found", "key"))), "key");
        for name in order::names(keys.len()) {
            placed.expr_as(Expr::col(("found", name)), name);
        }
        placed.from_subquery(rows, "found");
        (placed, keys)
    }

    /// Joins a page of such keys to the resources.
    pub(super) fn with_placed_bodies(
        &self,
        page: SelectStatement,
        keys: &[Key],
        forward: bool,
        search: &Search,
    ) -> SelectStatement {
        if !search.contained_alone {
            return self.with_bodies(page, keys, forward);
        }
        let mut statement = self.joined_to_bodies(page, keys, forward, container);
        statement.expr(Expr::col(("page", "key")));
        statement
    }
}

fn is_by_sequence(search: &Search) -> bool {
    matches!(search.sort.as_slice(), [Sort { code: SEQUENCE, .. }])
}
