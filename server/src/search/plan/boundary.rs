//! The patient boundary and the scopes as conditions on the key of a resource.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Asterisk, BinOper, Expr, ExprTrait, Func, JoinType, Query, SelectStatement};

use super::Planner;
use super::condition::parameter_is;
use super::row::never;
use crate::access::Boundary;
use crate::search::query::Search;
use crate::search::table::Rule;
use crate::store::index::{Column, IndexTable};
use crate::store::schema::{Compartment, Resource};

impl Planner<'_> {
    /// None where nothing is kept back.
    pub(super) fn boundary(&self, types: &[&'static str], boundary: &Boundary, key: &Expr) -> Option<Expr> {
        let Boundary::Patient(patient) = boundary else { return None };
        let rules: Vec<(&'static str, Rule)> = types
            .iter()
            .map(|of| (*of, self.table.entry(of).map_or(Rule::Nothing, |entry| entry.boundary.rule)))
            .collect();
        if let [(of, rule)] = rules.as_slice() {
            return match rule {
                Rule::Directory => None,
                rule => Some(self.rule(*rule, &[*of], patient, key)),
            };
        }
        // Several types: each by its own rule.
        let of_rule =
            |wanted: Rule| rules.iter().filter(|(_, rule)| *rule == wanted).map(|(of, _)| *of).collect::<Vec<_>>();
        let number = self.resource_column(Resource::Type, key);
        [Rule::Compartment, Rule::Directory, Rule::Provenance, Rule::Binary]
            .into_iter()
            .filter_map(|rule| {
                let of = of_rule(rule);
                let is_of = number.clone().is_in(of.iter().map(|of| self.number(of)));
                if of.is_empty() {
                    None
                } else if rule == Rule::Directory {
                    Some(is_of)
                } else {
                    Some(is_of.and(self.rule(rule, &of, patient, key)))
                }
            })
            .reduce(ExprTrait::or)
            .or_else(|| Some(never()))
    }

    fn rule(&self, rule: Rule, types: &[&'static str], patient: &str, key: &Expr) -> Expr {
        match rule {
            Rule::Compartment => self.any(|statement| {
                self.compartment_rows(statement, types, patient)
                    .and_where(Expr::col(("own", Compartment::Resource)).eq(key.clone()));
            }),
            Rule::Provenance => self.targets_own(patient, key),
            Rule::Binary => {
                let held = self.any(|statement| {
                    self.compartment_rows(statement, types, patient)
                        .and_where(Expr::col(("own", Compartment::Resource)).eq(key.clone()));
                });
                match self.is_attached(patient, key) {
                    Some(attached) => held.or(attached),
                    None => held,
                }
            }
            Rule::Directory => Expr::cust("1 = 1"),
            Rule::Nothing => never(),
        }
    }

    fn any(&self, restrict: impl FnOnce(&mut SelectStatement)) -> Expr {
        let mut statement = Query::select();
        statement.expr(Func::count(Expr::col(Asterisk)));
        restrict(&mut statement);
        Expr::SubQuery(None, Box::new(statement.into())).gt(0)
    }

    /// From the patient's compartment rows of these types, as `own`, with a bit of the type's mask.
    fn compartment_rows<'s>(
        &self,
        statement: &'s mut SelectStatement,
        types: &[&'static str],
        patient: &str,
    ) -> &'s mut SelectStatement {
        let mut masks: BTreeMap<i64, Vec<i32>> = BTreeMap::new();
        for entry in types.iter().filter_map(|of| self.table.entry(of)) {
            masks.entry(entry.boundary.mask).or_default().push(i32::from(entry.number));
        }
        let one_of = masks
            .into_iter()
            .map(|(mask, numbers)| {
                let number = Expr::col(("own", Compartment::Type));
                let of_type = match numbers.as_slice() {
                    [one] => number.eq(*one),
                    several => number.is_in(several.iter().copied()),
                };
                of_type.and(Expr::col(("own", Compartment::Bits)).bit_and(mask).ne(0))
            })
            .reduce(ExprTrait::or)
            .unwrap_or_else(never);
        statement
            .from(self.names.table_as(Compartment::Table, "own"))
            .and_where(Expr::col(("own", Compartment::Patient)).eq(self.patient_key(patient)))
            .and_where(one_of)
    }

    /// A Provenance lies where one of its targets does.
    fn targets_own(&self, patient: &str, key: &Expr) -> Expr {
        let Some(target) = self.table.parameter("Provenance", "target") else { return never() };
        let inside: Vec<&'static str> = self
            .table
            .entries()
            .filter(|entry| entry.boundary.rule == Rule::Compartment)
            .map(|entry| entry.name)
            .collect();
        let mut statement = Query::select();
        statement.expr(Expr::col(("named", Column::Resource)));
        // `derive` writes a target as the number of its type, and its id.
        let name = Expr::col(("one", Resource::Type))
            .cast_as("text")
            .binary(BinOper::Custom("||"), Expr::cust("'/'"))
            .binary(BinOper::Custom("||"), Expr::col(("one", Resource::Id)));
        self.compartment_rows(&mut statement, &inside, patient)
            .join(
                JoinType::InnerJoin,
                self.names.table_as(Resource::Table, "one"),
                Expr::col(("one", Resource::Key)).equals(("own", Compartment::Resource)),
            )
            .join(
                JoinType::InnerJoin,
                self.names.table_as(IndexTable::IndexUri, "named"),
                Expr::col(("named", Column::Value)).eq(name),
            )
            .and_where(parameter_is("named", &[target.id]));
        key.clone().in_subquery(statement)
    }

    /// A Binary lies where a DocumentReference does that has it as attachment.
    fn is_attached(&self, patient: &str, key: &Expr) -> Option<Expr> {
        let location = self.table.parameter("DocumentReference", "location")?;
        let name = |start: String| {
            Expr::val(start).cast_as("text").binary(BinOper::Custom("||"), self.resource_column(Resource::Id, key))
        };
        Some(self.any(|statement| {
            self.compartment_rows(statement, &["DocumentReference"], patient)
                .join(
                    JoinType::InnerJoin,
                    self.names.table_as(IndexTable::IndexUri, "named"),
                    Expr::col(("named", Column::Resource)).equals(("own", Compartment::Resource)),
                )
                .and_where(parameter_is("named", &[location.id]))
                .and_where(
                    Expr::col(("named", Column::Value))
                        .is_in([name("Binary/".to_owned()), name(format!("{}/Binary/", self.table.base()))]),
                );
        }))
    }

    /// The union of the scopes' own criteria: none where a scope has none.
    pub(super) fn scopes(&self, scopes: &[Search], key: &Expr) -> Option<Expr> {
        scopes
            .iter()
            .map(|scope| {
                scope
                    .criteria
                    .iter()
                    .map(|criterion| self.criterion(&scope.types, criterion, key, &Boundary::Unrestricted))
                    .reduce(ExprTrait::and)
            })
            .reduce(|any, one| Some(any?.or(one?)))
            .flatten()
    }
}
