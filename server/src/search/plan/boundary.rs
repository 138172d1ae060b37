//! The patient boundary and the scopes as conditions on the key of a resource.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Asterisk, BinOper, Expr, ExprTrait, Func, JoinType, Query, SelectStatement};

use super::condition::parameter_is;
use super::row::never;
use super::{Planner, Within};
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
            Rule::Provenance => match self.table.parameter("Provenance", "target") {
                Some(target) => self.targets_own(target.id, patient, key),
                None => never(),
            },
            Rule::Binary => {
                let held = self.any(|statement| {
                    self.compartment_rows(statement, types, patient)
                        .and_where(Expr::col(("own", Compartment::Resource)).eq(key.clone()));
                });
                let Some((context, is_complete)) = self.table.followed("Binary") else { return held };
                let inside = held.or(self.targets_own(context, patient, key));
                match self.is_attached(patient, key) {
                    // Whoever names a Binary in a record of theirs does not get around its context.
                    Some(attached) if is_complete => inside.or(attached.and(self.has_context(context, key).not())),
                    _ => inside,
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

    /// Whether the Binary has a security context: it has an empty row then, which is one seek away.
    fn has_context(&self, parameter: i32, key: &Expr) -> Expr {
        self.any(|statement| {
            statement
                .from(self.names.table_as(IndexTable::IndexUri, "named"))
                .and_where(parameter_is("named", &[parameter]))
                .and_where(Expr::col(("named", Column::Value)).eq(""))
                .and_where(Expr::col(("named", Column::Resource)).eq(key.clone()));
        })
    }

    /// What refers by this parameter to a resource in the patient's compartment: a Provenance lies where one of its
    /// targets does, a Binary where its security context does.
    fn targets_own(&self, parameter: i32, patient: &str, key: &Expr) -> Expr {
        let inside: Vec<&'static str> = self
            .table
            .entries()
            .filter(|entry| entry.boundary.rule == Rule::Compartment)
            .map(|entry| entry.name)
            .collect();
        let mut statement = Query::select();
        statement.expr(Expr::col(("named", Column::Resource)));
        // As `ParameterTable::local_target` writes it.
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
            .and_where(parameter_is("named", &[parameter]));
        key.clone().in_subquery(statement)
    }

    /// A Binary without a security context lies where a DocumentReference does that has it as attachment, or a
    /// DiagnosticReport that is presented as it.
    fn is_attached(&self, patient: &str, key: &Expr) -> Option<Expr> {
        let name = |start: String| {
            Expr::val(start).cast_as("text").binary(BinOper::Custom("||"), self.resource_column(Resource::Id, key))
        };
        let names = [name("Binary/".to_owned()), name(format!("{}/Binary/", self.table.base()))];
        let location = self.table.parameter("DocumentReference", "location");
        let documents = location.map(|known| self.refers("DocumentReference", known.id, patient, names.to_vec()));
        let names = vec![name(format!("{}/", self.number("Binary")))];
        let reports = self.table.followed("DiagnosticReport");
        let reports = reports.map(|(form, _)| self.refers("DiagnosticReport", form, patient, names));
        documents.into_iter().chain(reports).reduce(ExprTrait::or)
    }

    /// Whether a resource of the type in the patient's compartment has one of these URIs.
    fn refers(&self, of: &'static str, parameter: i32, patient: &str, uris: Vec<Expr>) -> Expr {
        self.any(|statement| {
            self.compartment_rows(statement, &[of], patient)
                .join(
                    JoinType::InnerJoin,
                    self.names.table_as(IndexTable::IndexUri, "named"),
                    Expr::col(("named", Column::Resource)).equals(("own", Compartment::Resource)),
                )
                .and_where(parameter_is("named", &[parameter]))
                .and_where(Expr::col(("named", Column::Value)).is_in(uris));
        })
    }

    /// The union of the scopes' own criteria: none where a scope has none.
    pub(super) fn scopes(&self, scopes: &[Search], key: &Expr) -> Option<Expr> {
        scopes
            .iter()
            .map(|scope| {
                scope
                    .criteria
                    .iter()
                    .map(|criterion| {
                        let within = Within { boundary: &Boundary::Unrestricted, depth: 0 };
                        self.criterion(&scope.types, criterion, key, within)
                    })
                    .reduce(ExprTrait::and)
            })
            .reduce(|any, one| Some(any?.or(one?)))
            .flatten()
    }
}
