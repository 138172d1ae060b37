//! What a token grants, as conditions on the key of a resource: the patient boundary, and the constraints of scopes.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Asterisk, BinOper, Expr, ExprTrait, Func, JoinType, Query, SelectStatement};

use super::condition::parameter_is;
use super::join::{all_of, always, any_of, never};
use super::{Access, Planner, Within};
use crate::access::{Boundary, Part};
use crate::search::query::{Criterion, Search};
use crate::search::table::Rule;
use crate::store::index::{Column, IndexTable};
use crate::store::schema::{Compartment, Resource};

/// A type, and what of it a token reaches: see [`Part`].
type Narrowed = (&'static str, Boundary);

impl Planner<'_> {
    /// None where nothing is kept back.
    pub(super) fn boundary(&self, types: &[&'static str], boundary: &Boundary, key: &Expr) -> Option<Expr> {
        match boundary {
            Boundary::Unrestricted => None,
            Boundary::Patient(patient) => self.of_patient(types, patient, &[], key),
            Boundary::Parts(parts) => {
                let any = any_of(parts.iter().filter_map(|part| self.part(types, part, key)));
                Some(any.unwrap_or_else(never))
            }
        }
    }

    /// None where the part has none of the types.
    fn part(&self, types: &[&'static str], part: &Part, key: &Expr) -> Option<Expr> {
        let of: Vec<&'static str> = types.iter().copied().filter(|of| part.types.contains(of)).collect();
        if of.is_empty() {
            return None;
        }
        let number = || self.resource_column(Resource::Type, key);
        let is_of = (of.len() < types.len()).then(|| number().is_in(of.iter().map(|of| self.number(of))));
        let inside = part.patient.as_ref().and_then(|patient| self.of_patient(&of, patient, &part.narrowed, key));
        let all = all_of(is_of.into_iter().chain(inside).chain(self.met(&of, &part.criteria, key)));
        Some(all.unwrap_or_else(always))
    }

    /// All of these criteria, which follow no references.
    fn met(&self, types: &[&'static str], criteria: &[Criterion], key: &Expr) -> Option<Expr> {
        let (boundary, beyond) = (&Boundary::Unrestricted, &BTreeMap::new());
        let within = Within { boundary, beyond, depth: 0, contained: false };
        all_of(criteria.iter().map(|criterion| self.criterion(types, criterion, key, within)))
    }

    fn of_patient(&self, types: &[&'static str], patient: &str, narrowed: &[Narrowed], key: &Expr) -> Option<Expr> {
        let rules: Vec<(&'static str, Rule)> = types
            .iter()
            .map(|of| (*of, self.table.entry(of).map_or(Rule::Nothing, |entry| entry.boundary.rule)))
            .collect();
        if let [(of, rule)] = rules.as_slice() {
            return match rule {
                Rule::Directory => None,
                rule => Some(self.rule(*rule, &[*of], patient, narrowed, key)),
            };
        }
        // Several types: each by its own rule.
        let of_rule =
            |wanted: Rule| rules.iter().filter(|(_, rule)| *rule == wanted).map(|(of, _)| *of).collect::<Vec<_>>();
        let number = self.resource_column(Resource::Type, key);
        let each =
            [Rule::Compartment, Rule::Directory, Rule::Provenance, Rule::Binary].into_iter().filter_map(|rule| {
                let of = of_rule(rule);
                let is_of = number.clone().is_in(of.iter().map(|of| self.number(of)));
                if of.is_empty() {
                    None
                } else if rule == Rule::Directory {
                    Some(is_of)
                } else {
                    Some(is_of.and(self.rule(rule, &of, patient, narrowed, key)))
                }
            });
        Some(any_of(each).unwrap_or_else(never))
    }

    fn rule(&self, rule: Rule, types: &[&'static str], patient: &str, narrowed: &[Narrowed], key: &Expr) -> Expr {
        match rule {
            Rule::Compartment => self.any(|statement| {
                self.compartment_rows(statement, types, patient)
                    .and_where(Expr::col(("own", Compartment::Resource)).eq(key.clone()));
            }),
            Rule::Provenance => match self.table.parameter("Provenance", "target") {
                Some(target) => self.targets_own(target.id, patient, narrowed, key),
                None => never(),
            },
            Rule::Binary => {
                let held = self.any(|statement| {
                    self.compartment_rows(statement, types, patient)
                        .and_where(Expr::col(("own", Compartment::Resource)).eq(key.clone()));
                });
                let Some((context, is_complete)) = self.table.followed("Binary") else { return held };
                let inside = held.or(self.targets_own(context, patient, narrowed, key));
                match self.is_attached(patient, narrowed, key) {
                    // Whoever names a Binary in a record of theirs does not get around its context.
                    Some(attached) if is_complete => inside.or(attached.and(self.has_context(context, key).not())),
                    _ => inside,
                }
            }
            Rule::Directory => always(),
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
    pub(super) fn compartment_rows<'s>(
        &self,
        statement: &'s mut SelectStatement,
        types: &[&'static str],
        patient: &str,
    ) -> &'s mut SelectStatement {
        let mut masks: BTreeMap<i64, Vec<i32>> = BTreeMap::new();
        for entry in types.iter().filter_map(|of| self.table.entry(of)) {
            masks.entry(entry.boundary.mask).or_default().push(i32::from(entry.number));
        }
        let by_mask = masks.into_iter().map(|(mask, numbers)| {
            let number = Expr::col(("own", Compartment::Type));
            let of_type = match numbers.as_slice() {
                [one] => number.eq(*one),
                several => number.is_in(several.iter().copied()),
            };
            of_type.and(Expr::col(("own", Compartment::Bits)).bit_and(mask).ne(0))
        });
        statement
            .from(self.names.table_as(Compartment::Table, "own"))
            .and_where(Expr::col(("own", Compartment::Patient)).eq(self.patient_key(patient)))
            .and_where(any_of(by_mask).unwrap_or_else(never))
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
    fn targets_own(&self, parameter: i32, patient: &str, narrowed: &[Narrowed], key: &Expr) -> Expr {
        key.clone().in_subquery(self.with_own_target(parameter, patient, narrowed))
    }

    /// The keys of these.
    pub(super) fn with_own_target(&self, parameter: i32, patient: &str, narrowed: &[Narrowed]) -> SelectStatement {
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
            .and_where(parameter_is("named", &[parameter]))
            .and_where_option(self.narrower(&inside, narrowed));
        statement
    }

    /// A Binary without a security context lies where a DocumentReference does that has it as attachment, or a
    /// DiagnosticReport that is presented as it.
    fn is_attached(&self, patient: &str, narrowed: &[Narrowed], key: &Expr) -> Option<Expr> {
        let name = |start: String| {
            Expr::val(start).cast_as("text").binary(BinOper::Custom("||"), self.resource_column(Resource::Id, key))
        };
        let names = [name("Binary/".to_owned()), name(format!("{}/Binary/", self.table.base()))];
        let location = self.table.parameter("DocumentReference", "location");
        let documents =
            location.map(|known| self.refers(("DocumentReference", known.id), (patient, narrowed), names.to_vec()));
        let names = vec![name(format!("{}/", self.number("Binary")))];
        let reports = self.table.followed("DiagnosticReport");
        let reports = reports.map(|(form, _)| self.refers(("DiagnosticReport", form), (patient, narrowed), names));
        any_of(documents.into_iter().chain(reports))
    }

    /// Whether a resource of the type in the patient's compartment has one of these URIs.
    fn refers(
        &self,
        (of, parameter): (&'static str, i32),
        (patient, narrowed): (&str, &[Narrowed]),
        uris: Vec<Expr>,
    ) -> Expr {
        self.any(|statement| {
            self.compartment_rows(statement, &[of], patient)
                .join(
                    JoinType::InnerJoin,
                    self.names.table_as(IndexTable::IndexUri, "named"),
                    Expr::col(("named", Column::Resource)).equals(("own", Compartment::Resource)),
                )
                .and_where(parameter_is("named", &[parameter]))
                .and_where(Expr::col(("named", Column::Value)).is_in(uris))
                .and_where_option(self.narrower(&[of], narrowed));
        })
    }

    /// Of the compartment rows `own`, those of a narrowed type only where they lie in its part. They are the patient's
    /// already, so that its criteria alone are asked.
    fn narrower(&self, types: &[&'static str], narrowed: &[Narrowed]) -> Option<Expr> {
        let key = Expr::col(("own", Compartment::Resource));
        // Types of which the same is asked, together.
        let mut asked: Vec<(Vec<&'static str>, Vec<&[Criterion]>)> = Vec::new();
        for (of, boundary) in narrowed.iter().filter(|(of, _)| types.contains(of)) {
            let Boundary::Parts(parts) = boundary else { continue };
            let criteria: Vec<&[Criterion]> = parts.iter().map(|part| part.criteria.as_slice()).collect();
            match asked.iter_mut().find(|(_, known)| *known == criteria) {
                Some((types, _)) => types.push(of),
                None => asked.push((vec![*of], criteria)),
            }
        }
        let each = asked.into_iter().map(|(types, parts)| {
            let met = |criteria: &[Criterion]| self.met(&types, criteria, &key).unwrap_or_else(always);
            let any = any_of(parts.into_iter().map(met)).unwrap_or_else(never);
            let numbers = types.iter().map(|of| self.number(of));
            Expr::col(("own", Compartment::Type)).is_not_in(numbers).or(any)
        });
        all_of(each)
    }
}

/// A search with what its token's constraints add.
pub(super) struct Constrained {
    search: Search,
    boundary: Boundary,
}

impl Constrained {
    pub(super) fn both(&self) -> (&Search, Access<'_>) {
        (&self.search, Access { boundary: &self.boundary })
    }
}

/// The criteria of a grant as criteria of the search, so that a page may walk them: where one part is all that is
/// granted.
pub(super) fn constrained(search: &Search, boundary: &Boundary) -> Option<Constrained> {
    let Boundary::Parts(parts) = boundary else { return None };
    let ([part], [of]) = (&**parts, search.types.as_slice()) else { return None };
    if !part.types.contains(of) || !part.narrowed.is_empty() {
        return None;
    }
    let mut search = search.clone();
    // Of other types the part has nothing, and what remains of it must not give them away.
    for name in search.reached() {
        search.beyond.entry(name).or_insert_with(|| boundary.clone());
    }
    search.criteria.extend(part.criteria.iter().cloned());
    let boundary = part.patient.clone().map_or(Boundary::Unrestricted, Boundary::Patient);
    Some(Constrained { search, boundary })
}
