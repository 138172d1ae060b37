//! Chains and `_has`: from one resource to another, along references, within the boundary at every step.
//! <https://hl7.org/fhir/R4/search.html#chaining>, <https://hl7.org/fhir/R4/search.html#has>
//!
//! A resource's row of identity has the hash by which references name it. A chain goes from what meets its end to what
//! refers there, so it costs as much as its end finds; `_has` goes from the resource at hand to what refers to it. Both
//! are cross joins, whose order SQLite keeps to: of its own it would begin with all that refer.

use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement, UnionType};

use super::condition::{groups, parameter_is};
use super::join::never;
use super::row::Columns;
use super::{Planner, Within};
use crate::access::Boundary;
use crate::search::query::{Criterion, Test};
use crate::search::table::{MOST_STEPS, Parameter};
use crate::store::index::contained::{container, itself};
use crate::store::index::{Column, IndexTable};
use crate::store::schema::Resource;

/// Names of tables in a statement, one a step: an inner statement must not hide the name that it is to be compared with.
const GOALS: [&str; MOST_STEPS + 1] = ["goal0", "goal1", "goal2", "goal3", "goal4", "goal5", "goal6", "goal7", "goal8"];
const STEPS: [&str; MOST_STEPS + 1] = ["step0", "step1", "step2", "step3", "step4", "step5", "step6", "step7", "step8"];
const LINKS: [&str; MOST_STEPS + 1] = ["link0", "link1", "link2", "link3", "link4", "link5", "link6", "link7", "link8"];

/// The targets of a chain, those together that are asked the same.
fn together<'c>(targets: &'c [(&'static str, Criterion)]) -> Vec<(Vec<&'static str>, &'c Criterion)> {
    let mut groups: Vec<(Vec<&'static str>, &'c Criterion)> = Vec::new();
    for (target, criterion) in targets {
        match groups.iter_mut().find(|(_, known)| *known == criterion) {
            Some((types, _)) => types.push(target),
            None => groups.push((vec![target], criterion)),
        }
    }
    groups
}

/// What any of the statements finds, once.
fn union(statements: impl IntoIterator<Item = SelectStatement>) -> Option<SelectStatement> {
    statements.into_iter().reduce(|mut all, one| all.union(UnionType::Distinct, one).take())
}

impl Planner<'_> {
    /// The keys of the resources that refer by one of these parameters to one that passes: a column `resource`, each
    /// key once.
    pub(super) fn referring(
        &self,
        parameters: &[i32],
        targets: &[(&'static str, Criterion)],
        within: Within<'_>,
    ) -> SelectStatement {
        let (step, link) = (STEPS[within.depth], LINKS[within.depth]);
        // "A chained condition will be evaluated inside contained resources":
        // <https://hl7.org/fhir/R4/search.html#contained>
        let each = together(targets).into_iter().flat_map(|target| [(target.clone(), false), (target, true)]);
        let found = each.map(|((types, criterion), contained)| {
            let goal = Within { contained, ..within };
            let goals = self.goals(&types, criterion, goal);
            let identities: Vec<i32> = self.identities(&types).into_iter().map(|id| goal.id(id)).collect();
            let mut statement = Query::select();
            statement
                .distinct()
                .expr_as(Expr::col((link, Column::Resource)), "resource")
                .from_subquery(goals, "reached")
                .cross_join(self.names.table_as(IndexTable::IndexIdentity, step))
                .cross_join(self.names.table_as(IndexTable::IndexReference, link))
                .and_where(Expr::col((step, Column::Resource)).equals(("reached", "key")))
                .and_where(Expr::col((link, Column::Value)).equals((step, Column::Value)))
                .and_where(parameter_is(step, &identities))
                .and_where(parameter_is(link, parameters));
            if contained {
                // `#id` means something within the same container only.
                let (from, to) = (Expr::col((link, Column::Resource)), Expr::col((step, Column::Resource)));
                statement.and_where(match within.contained {
                    false => from.eq(container(to)),
                    true => from.clone().gte(itself(container(to.clone()))).and(container(from).eq(container(to))),
                });
            }
            statement
        });
        union(found).unwrap_or_else(|| {
            let mut nothing = Query::select();
            nothing
                .expr_as(Expr::col((link, Column::Resource)), "resource")
                .from(self.names.table_as(IndexTable::IndexReference, link))
                .and_where(never());
            nothing
        })
    }

    /// The keys of the resources of these types that meet the criterion and lie within the boundary, which is that of the
    /// resource at hand where it contains them: a column `key`.
    fn goals(&self, types: &[&'static str], criterion: &Criterion, within: Within<'_>) -> SelectStatement {
        let goal = GOALS[within.depth];
        let parameters: Vec<&Parameter> =
            types.iter().filter_map(|of| self.table.parameter(of, criterion.code)).collect();
        let ids: Vec<i32> = parameters.iter().map(|parameter| within.id(parameter.id)).collect();
        let key = Expr::col((goal, Column::Resource));
        let mut found = Vec::new();
        match (&criterion.test, criterion.negated) {
            (Test::Any(tests), false) if !ids.is_empty() => {
                for group in groups(self, &parameters, tests) {
                    let mut statement = Query::select();
                    statement
                        .from(self.names.table_as(group.table, goal))
                        .and_where(parameter_is(goal, &ids))
                        .and_where(group.expr(self.backend, goal, Columns::Plain));
                    found.push(statement);
                }
            }
            (Test::Words(words), false) if !ids.is_empty() && !within.contained => {
                let mut statement = Query::select();
                self.select_words(&mut statement, goal, criterion.code, &ids, words);
                let key = Expr::col((goal, Column::Rowid));
                statement.expr_as(key.clone(), "key").and_where_option(self.reached(types, within, &key));
                return statement;
            }
            (Test::Chain(targets), false) if !ids.is_empty() => {
                let mut statement = Query::select();
                statement.from_subquery(self.referring(&ids, targets, within.deeper()), goal);
                found.push(statement);
            }
            _ if within.contained => {
                let identities: Vec<i32> = self.identities(types).into_iter().map(|id| within.id(id)).collect();
                let mut statement = Query::select();
                statement
                    .from(self.names.table_as(IndexTable::IndexIdentity, goal))
                    .and_where(parameter_is(goal, &identities))
                    .and_where(self.criterion(types, criterion, &key, within.deeper()));
                found.push(statement);
            }
            _ => {
                let key = Expr::col((goal, Resource::Key));
                let number = Expr::col((goal, Resource::Type));
                let mut statement = Query::select();
                statement
                    .from(self.names.table_as(Resource::Table, goal))
                    .and_where(number.is_in(types.iter().map(|of| self.number(of))))
                    .and_where(Expr::col((goal, Resource::Deleted)).eq(false));
                match (&criterion.test, criterion.negated) {
                    (Test::Id(wanted), false) => {
                        statement.and_where(self.is_one_of(Expr::col((goal, Resource::Id)), wanted));
                    }
                    _ => {
                        statement.and_where(self.criterion(types, criterion, &key, within.deeper()));
                    }
                }
                statement.expr_as(key.clone(), "key").and_where_option(self.reached(types, within, &key));
                return statement;
            }
        }
        let found = found.into_iter().map(|mut statement| {
            // What lies outside the boundary must not be told by what it matches.
            statement.expr_as(key.clone(), "key").and_where_option(self.reached(types, within, &key));
            statement
        });
        union(found).unwrap_or_else(|| self.nothing(goal))
    }

    /// Each type within what may be seen of it.
    pub(super) fn reached(&self, types: &[&'static str], within: Within<'_>, key: &Expr) -> Option<Expr> {
        let [first, rest @ ..] = types else { return None };
        if within.contained {
            return None;
        }
        let boundary = within.boundary(first);
        if rest.iter().all(|of| within.boundary(of) == boundary) {
            return self.boundary(types, boundary, key);
        }
        let each = types.iter().map(|of| (*of, within.boundary(of).clone()));
        self.boundary(types, &Boundary::over(each.collect()), key)
    }

    fn nothing(&self, alias: &'static str) -> SelectStatement {
        let mut statement = Query::select();
        statement
            .expr_as(Expr::col((alias, Resource::Key)), "key")
            .from(self.names.table_as(Resource::Table, alias))
            .and_where(never());
        statement
    }

    /// Whether a resource of the type refers by this parameter to the one with the key, and meets the criterion.
    pub(super) fn is_referred_to(
        &self,
        types: &[&'static str],
        (source, code): (&'static str, &'static str),
        criterion: &Criterion,
        key: &Expr,
        within: Within<'_>,
    ) -> Expr {
        let Some(parameter) = self.table.parameter(source, code) else { return never() };
        let (step, link) = (STEPS[within.depth], LINKS[within.depth]);
        let referring = Expr::col((link, Column::Resource));
        let identities: Vec<i32> = self.identities(types).into_iter().map(|id| within.id(id)).collect();
        let mut statement = Query::select();
        if within.contained {
            // Only what contains it refers to it.
            statement.and_where(referring.clone().eq(container(Expr::col((step, Column::Resource)))));
        }
        let beside = Within { contained: false, ..within.deeper() };
        statement
            .expr(Expr::cust("1"))
            .from(self.names.table_as(IndexTable::IndexIdentity, step))
            .cross_join(self.names.table_as(IndexTable::IndexReference, link))
            .and_where(Expr::col((link, Column::Value)).equals((step, Column::Value)))
            .and_where(parameter_is(step, &identities))
            .and_where(Expr::col((step, Column::Resource)).eq(key.clone()))
            .and_where(parameter_is(link, &[parameter.id]))
            .and_where(self.criterion(&[source], criterion, &referring, beside))
            .and_where_option(self.boundary(&[source], within.boundary(source), &referring))
            .limit(1);
        // A scalar subquery with a limit stays one in a generic plan, and stops at the first.
        Expr::SubQuery(None, Box::new(statement.into())).is_not_null()
    }

    pub(super) fn identities(&self, types: &[&'static str]) -> Vec<i32> {
        types.iter().filter_map(|of| Some(self.table.identity(of)?.0)).collect()
    }
}
