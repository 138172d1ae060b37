//! What a page's statement walks.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};

use super::condition::{any_row, parameter_is};
use super::contained::SEQUENCE;
use super::holders::Holders;
use super::join::{all_of, any_of, never};
use super::order::{Key, MOST_KEYS, names};
use super::rank::{CHANGED_LATELY, MOST_SELECTIVE, most_selective, rank_of_rows};
use super::row::{Columns, RowTest};
use super::sort::own_column;
use super::sorted::Ordered;
use super::{Access, Planner, Within};
use crate::access::Boundary;
use crate::search::query::{Contained, Criterion, Search, Sort, Test, ValueTest};
use crate::search::table::{ITSELF, Parameter, ParameterTable, Rule};
use crate::search::words::Words;
use crate::store::index::{Column, IndexTable};
use crate::store::schema::{Compartment, Resource};

pub(super) enum Driver<'a> {
    /// A patient's compartment rows of one type, newest first. The masks decide the criterion, and the boundary.
    Walk { patient: String, of: &'static str, masks: Vec<i64>, patient_criterion: Option<usize> },
    /// All that a patient's compartment has of several types, by the masks of the types' numbers.
    Chart { patient: String, masks: BTreeMap<i64, Vec<i32>>, criterion: Option<usize> },
    /// The index rows of one criterion, over one type.
    Rows { criterion: usize, parameter: &'a Parameter, test: RowTest },
    /// The index rows of one criterion, over several types.
    Shared { criterion: usize, parameters: Vec<i32>, test: RowTest },
    /// What has words.
    Words { criterion: usize, parameters: Vec<i32>, words: Words },
    /// What one chain leads to.
    Chain { criterion: usize, parameter: i32, targets: Vec<(&'static str, Criterion)> },
    /// The resources of the types, last changed first.
    Resources,
    /// The index rows of the parameter that is sorted by, in their order.
    InOrder(Ordered<'a>),
    /// Those of the types that others contain.
    Contained,
    /// Those of them that stand in what a patient's boundary may show.
    Held(Holders),
}

impl<'a> Driver<'a> {
    pub(super) fn choose(planner: &Planner<'a>, search: &Search, access: Access<'_>) -> Driver<'a> {
        let table = planner.table;
        if search.contained == Contained::True {
            return Self::of_contained(planner, search);
        }
        let [of] = search.types.as_slice() else {
            let shared = || Self::shared(planner, search);
            return Self::chart(planner, search).or_else(shared).unwrap_or(Driver::Resources);
        };
        let Some(entry) = table.entry(of) else { return Driver::Resources };
        if search.criteria.iter().any(|criterion| matches!(criterion.test, Test::Id(_)) && !criterion.negated) {
            return Driver::Resources;
        }
        let boundary = match access.boundary {
            Boundary::Patient(patient) if entry.boundary.rule == Rule::Compartment => Some(patient),
            _ => None,
        };
        let asked = search.criteria.iter().enumerate().find_map(|(at, criterion)| {
            let (patient, mask) = compartment_criterion(table, of, criterion)?;
            boundary.is_none_or(|own| *own == patient).then_some((at, patient, mask))
        });
        if boundary.is_some() || asked.is_some() {
            let mut masks = Vec::new();
            masks.extend(boundary.map(|_| entry.boundary.mask));
            masks.extend(asked.as_ref().map(|(_, _, mask)| *mask));
            let patient_criterion = asked.as_ref().map(|(at, ..)| *at);
            if let Some(patient) = boundary.cloned().or(asked.map(|(_, patient, _)| patient)) {
                return Driver::Walk { patient, of: entry.name, masks, patient_criterion };
            }
        }
        let lead = search.lead.and_then(|at| Self::of_rows(planner, of, at, search.criteria.get(at)?));
        if let Some(lead) = lead {
            return lead;
        }
        match most_selective(planner, of, search) {
            Some((rank, ..)) if rank > CHANGED_LATELY && search.is_of_lately_changed() => Driver::Resources,
            Some((_, at, Criterion { test: Test::Chain(targets), .. }, parameter)) => {
                Driver::Chain { criterion: at, parameter: parameter.id, targets: targets.clone() }
            }
            Some((_, at, Criterion { test: Test::Words(words), .. }, parameter)) => {
                Driver::Words { criterion: at, parameters: vec![parameter.id], words: words.clone() }
            }
            Some((_, at, criterion, _)) => Self::of_rows(planner, of, at, criterion).unwrap_or(Driver::Resources),
            None => Driver::Resources,
        }
    }

    /// The walk of a criterion's rows, where it has rows of one table.
    pub(super) fn of_rows(planner: &Planner<'a>, of: &str, at: usize, criterion: &Criterion) -> Option<Driver<'a>> {
        let Test::Any(tests) = &criterion.test else { return None };
        let parameter = planner.table.parameter(of, criterion.code).filter(|_| !criterion.negated)?;
        let test = any_row(planner, parameter, tests)?;
        Some(Driver::Rows { criterion: at, parameter, test })
    }

    /// Whether its rows come in the order of their values.
    pub(super) fn is_by_value(&self) -> bool {
        matches!(self, Driver::Rows { parameter, test, .. } if parameter.single && test.is_one_range())
    }

    /// Whether they may be seen their containers tell: a patient's, and directories, are walked, if not few are found
    /// otherwise.
    fn of_contained(planner: &Planner<'a>, search: &Search) -> Driver<'a> {
        let all = || Holders::of(planner, search).map_or(Driver::Contained, Driver::Held);
        let [of] = search.types.as_slice() else { return all() };
        let rows = search.criteria.iter().enumerate().filter_map(|(at, criterion)| {
            let parameter = planner.table.parameter(of, criterion.code)?;
            let Test::Any(tests) = &criterion.test else { return None };
            let test = any_row(planner, parameter, tests).filter(|_| !criterion.negated)?;
            Some((rank_of_rows(parameter, tests, &test), Driver::Rows { criterion: at, parameter, test }))
        });
        match (rows.min_by_key(|(rank, _)| *rank), all()) {
            (Some((rank, rows)), Driver::Held(_)) if rank <= MOST_SELECTIVE => rows,
            (Some((_, rows)), Driver::Contained) => rows,
            (_, all) => all,
        }
    }

    /// A search of several types that asks for one patient's compartment.
    pub(super) fn chart(planner: &Planner<'_>, search: &Search) -> Option<Driver<'a>> {
        search.criteria.iter().enumerate().find_map(|(at, criterion)| {
            let mut of_patient = None;
            let mut masks: BTreeMap<i64, Vec<i32>> = BTreeMap::new();
            for of in &search.types {
                let Test::Typed(parts) = &criterion.test else { return None };
                if !parts.iter().any(|(name, _)| name == of) {
                    continue;
                }
                let (patient, mask) = compartment_criterion(planner.table, of, criterion)?;
                if of_patient.replace(patient.clone()).is_some_and(|known| known != patient) {
                    return None;
                }
                masks.entry(mask).or_default().push(planner.number(of));
            }
            Some(Driver::Chart { patient: of_patient?, masks, criterion: Some(at) })
        })
    }

    /// The resource's key, as the statement names it.
    pub(super) fn key(&self) -> Expr {
        match self {
            Driver::Walk { .. } | Driver::Chart { .. } => Expr::col(("walk", Compartment::Resource)),
            Driver::Rows { .. } | Driver::Shared { .. } | Driver::Chain { .. } | Driver::InOrder(_) => {
                Expr::col(("lead", Column::Resource))
            }
            Driver::Words { .. } => Expr::col(("lead", Column::Rowid)),
            Driver::Resources => Expr::col(("walk", Resource::Key)),
            Driver::Contained | Driver::Held(_) => Expr::col(("walk", Column::Resource)),
        }
    }

    /// Selects `key` and the sort values of every resource that matches, and tells what to order by.
    pub(super) fn select(
        &self,
        planner: &Planner<'_>,
        search: &Search,
        access: Access<'_>,
    ) -> (SelectStatement, Vec<Key>) {
        let mut statement = Query::select();
        let key = self.key();
        statement.expr_as(key.clone(), "key");
        let within = Within::of(search, access);
        let mut done = None;
        match self {
            Driver::Walk { patient, of, masks, patient_criterion } => {
                done = *patient_criterion;
                let number = planner.number(of);
                statement
                    .from(planner.names.table_as(Compartment::Table, "walk"))
                    .and_where(Expr::col(("walk", Compartment::Patient)).eq(planner.patient_key(patient)))
                    .and_where(Expr::col(("walk", Compartment::Type)).eq(number));
                for mask in masks {
                    statement.and_where(Expr::col(("walk", Compartment::Bits)).bit_and(*mask).ne(0));
                }
            }
            Driver::Rows { criterion, parameter, test } => {
                done = Some(*criterion);
                statement
                    .from(planner.names.table_as(test.table, "lead"))
                    .and_where(parameter_is("lead", &[within.id(parameter.id)]))
                    .and_where(test.expr(planner.backend, "lead", Columns::Plain));
            }
            Driver::Shared { criterion, parameters, test } => {
                done = Some(*criterion);
                statement
                    .from(planner.names.table_as(test.table, "lead"))
                    .and_where(parameter_is("lead", parameters))
                    .and_where(test.expr(planner.backend, "lead", Columns::Plain));
            }
            Driver::Chart { patient, masks, criterion } => {
                done = *criterion;
                let any = masks.iter().map(|(mask, numbers)| {
                    Expr::col(("walk", Compartment::Type))
                        .is_in(numbers.iter().copied())
                        .and(Expr::col(("walk", Compartment::Bits)).bit_and(*mask).ne(0))
                });
                statement
                    .from(planner.names.table_as(Compartment::Table, "walk"))
                    .and_where(Expr::col(("walk", Compartment::Patient)).eq(planner.patient_key(patient)))
                    .and_where(any_of(any).unwrap_or_else(never));
            }
            Driver::Words { criterion, parameters, words } => {
                done = Some(*criterion);
                let code = search.criteria[*criterion].code;
                planner.select_words(&mut statement, "lead", code, parameters, words);
            }
            Driver::Chain { criterion, parameter, targets } => {
                done = Some(*criterion);
                statement.from_subquery(planner.referring(&[*parameter], targets, within), "lead");
            }
            Driver::Resources => {
                let numbers: Vec<i32> = search.types.iter().map(|of| planner.number(of)).collect();
                let number = Expr::col(("walk", Resource::Type));
                statement
                    .from(planner.names.table_as(Resource::Table, "walk"))
                    .and_where(match numbers.as_slice() {
                        [one] => number.eq(*one),
                        several => number.is_in(several.iter().copied()),
                    })
                    .and_where(Expr::col(("walk", Resource::Deleted)).eq(false));
            }
            Driver::InOrder(ordered) => {
                ordered.rows(planner, &mut statement);
                statement.and_where_option(ordered.is_first(planner));
            }
            Driver::Held(holders) => planner.select_held(&mut statement, &search.types, holders),
            Driver::Contained => {
                let ids: Vec<i32> = planner.identities(&search.types).into_iter().map(|id| within.id(id)).collect();
                statement
                    .from(planner.names.table_as(IndexTable::IndexIdentity, "walk"))
                    .and_where(parameter_is("walk", &ids));
            }
        }
        let others = search.criteria.iter().enumerate().filter(|(at, _)| done != Some(*at));
        let conditions = others.map(|(_, criterion)| match self.own_condition(planner, criterion) {
            Some(condition) => condition,
            None => planner.criterion(&search.types, criterion, &key, within),
        });
        statement.and_where_option(all_of(conditions));
        if within.contained {
            statement.and_where(planner.is_contained_in_reach(search, &key));
        } else if !self.is_boundary(planner, search, access) {
            statement.and_where_option(planner.boundary(&search.types, access.boundary, &key));
        }
        let keys = self.keys(planner, search, access, &mut statement);
        for (one, name) in keys.iter().zip(names(keys.len())) {
            statement.expr_as(one.expr.clone(), name);
        }
        (statement, keys)
    }

    /// Whether the walk itself keeps to the boundary.
    fn is_boundary(&self, planner: &Planner<'_>, search: &Search, access: Access<'_>) -> bool {
        match (self, access.boundary) {
            (Driver::Walk { patient, of, masks, .. }, Boundary::Patient(own)) => {
                patient == own
                    && search.types.len() == 1
                    && planner.table.entry(of).is_some_and(|entry| {
                        entry.boundary.rule == Rule::Compartment && masks.contains(&entry.boundary.mask)
                    })
            }
            _ => false,
        }
    }

    /// What a column of the driver decides by itself.
    fn own_condition(&self, planner: &Planner<'_>, criterion: &Criterion) -> Option<Expr> {
        match (self, &criterion.test) {
            (Driver::Walk { of, .. }, Test::Any(tests)) if !criterion.negated => {
                let parameter = self.clinical_date(planner, of)?;
                if parameter.definition.code != criterion.code {
                    return None;
                }
                let columns = || (Expr::col(("walk", Compartment::Low)), Expr::col(("walk", Compartment::High)));
                let each = tests.iter().map(|test| match test {
                    ValueTest::Date(test) => Some(super::row::date(test, columns().0, columns().1)),
                    _ => None,
                });
                let any = any_of(each.collect::<Option<Vec<_>>>()?)?;
                // Both ends of a resource without date are the least there is.
                Some(columns().1.gt(i64::MIN).and(any))
            }
            // The one row that the resource has of the parameter is the one that is walked.
            (Driver::Rows { parameter, test, .. }, Test::Any(tests)) => {
                same_row(planner, (parameter, test.table), criterion, tests)
            }
            (Driver::InOrder(ordered), Test::Any(tests)) => same_row(planner, ordered.rows_of(), criterion, tests),
            (Driver::Resources, Test::Id(ids)) => {
                let id = planner.is_one_of(Expr::col(("walk", Resource::Id)), ids);
                Some(if criterion.negated { id.not() } else { id })
            }
            (Driver::Resources, Test::LastUpdated(tests)) => {
                let at = Expr::col(("walk", Resource::LastUpdated));
                super::condition::instants(tests, &at)
            }
            _ => None,
        }
    }

    /// The parameter whose bounds the compartment rows have exactly: where a resource has one date at most.
    fn clinical_date<'t>(&self, planner: &Planner<'t>, of: &str) -> Option<&'t Parameter> {
        let code = planner.table.entry(of)?.boundary.date?;
        planner.table.parameter(of, code).filter(|parameter| parameter.single)
    }

    fn keys(
        &self,
        planner: &Planner<'_>,
        search: &Search,
        access: Access<'_>,
        statement: &mut SelectStatement,
    ) -> Vec<Key> {
        let own = |expr: Expr| Key { expr, descending: true, is_nullable: false, is_computed: false };
        if let [Sort { code: SEQUENCE, .. }] = search.sort.as_slice() {
            if matches!(self, Driver::Rows { .. } | Driver::Shared { .. }) {
                statement.distinct();
            }
            return vec![match self {
                Driver::Resources => own(Expr::col(("walk", Resource::Sequence))),
                _ => Key { is_computed: true, ..own(planner.held(Resource::Sequence, search, &self.key())) },
            }];
        }
        if search.sort.is_empty() && search.contained == Contained::True {
            if matches!(self, Driver::Rows { test, .. } if !test.is_one_hash()) {
                statement.distinct();
            }
            return Vec::new();
        }
        if search.sort.is_empty() {
            return match self {
                Driver::Walk { .. } => vec![own(Expr::col(("walk", Compartment::High)))],
                Driver::Resources => vec![own(Expr::col(("walk", Resource::LastUpdated)))],
                Driver::Chain { .. }
                | Driver::Chart { .. }
                | Driver::Words { .. }
                | Driver::Contained
                | Driver::InOrder(_)
                | Driver::Held(_) => Vec::new(),
                Driver::Shared { .. } => {
                    statement.distinct();
                    Vec::new()
                }
                // In the order of the index by value, so that the walk stops when the page is full.
                Driver::Rows { test, .. } if self.is_by_value() && search.lead.is_none() => {
                    if !test.is_one_row() {
                        statement.distinct();
                    }
                    [Column::High, Column::Low].map(|column| own(Expr::col(("lead", column)))).to_vec()
                }
                Driver::Rows { test, .. } => {
                    // One hash makes one row a resource.
                    if !test.is_one_hash() {
                        statement.distinct();
                    }
                    Vec::new()
                }
            };
        }
        // In the order of the walk's own index.
        if let (Driver::Walk { of, .. }, [Sort { along, code, descending: true, .. }]) = (self, search.sort.as_slice())
            && along.is_empty()
            && self.clinical_date(planner, of).is_some_and(|date| date.definition.code == *code)
        {
            return vec![own(Expr::col(("walk", Compartment::High)))];
        }
        if matches!(self, Driver::Rows { .. } | Driver::Shared { .. }) {
            statement.distinct();
        }
        search
            .sort
            .iter()
            .take(MOST_KEYS)
            .enumerate()
            .map(|(at, sort)| {
                if let (Driver::InOrder(ordered), 0) = (self, at) {
                    return Key { descending: sort.descending, ..own(ordered.value()) };
                }
                let expr = self.sort_value(planner, search, access, statement, at, sort);
                // A column of what is walked.
                let is_own = matches!(self, Driver::Resources) && own_column(sort).is_some();
                Key { expr, descending: sort.descending, is_nullable: !is_own, is_computed: !is_own }
            })
            .collect()
    }
}

/// What else is asked of the dates or numbers that are walked: as bounds of the walk, where a probe would be asked of each.
fn same_row(
    planner: &Planner<'_>,
    (parameter, table): (&Parameter, IndexTable),
    criterion: &Criterion,
    tests: &[ValueTest],
) -> Option<Expr> {
    let is_one_row = parameter.single && matches!(table, IndexTable::IndexDate | IndexTable::IndexNumber);
    if !is_one_row || criterion.negated || parameter.definition.code != criterion.code {
        return None;
    }
    let test = any_row(planner, parameter, tests).filter(|test| test.table == table)?;
    Some(test.expr(planner.backend, "lead", Columns::Plain))
}

/// The patient that a criterion names, where compartment bits stand for its parameters, and those bits.
fn compartment_criterion(table: &ParameterTable, of: &str, criterion: &Criterion) -> Option<(String, i64)> {
    if criterion.negated {
        return None;
    }
    let reference = match &criterion.test {
        Test::Any(tests) => match tests.as_slice() {
            [ValueTest::Reference(references)] => match references.as_slice() {
                [reference] => reference,
                _ => return None,
            },
            _ => return None,
        },
        Test::Typed(parts) => {
            let of_type = parts.iter().filter(|(name, _)| *name == of);
            let found = of_type.map(|(_, part)| match &part.test {
                Test::Id(ids) if of == "Patient" && ids.len() == 1 => Some((ids[0].clone(), 1 << ITSELF)),
                _ => compartment_criterion(table, of, part),
            });
            // All name one patient.
            return found.reduce(|all, one| {
                let ((patient, bits), (other, more)) = (all?, one?);
                (patient == other).then_some((patient, bits | more))
            })?;
        }
        _ => return None,
    };
    let local = reference.base.as_deref().is_none_or(|base| base == table.base());
    if !local || reference.target_version.is_some() || reference.target_type.as_deref() != Some("Patient") {
        return None;
    }
    Some((reference.target_id.clone()?, 1 << table.compartment_bit(of, criterion.code)?))
}

/// Whether it is sorted by columns of the resources themselves, if at all.
pub(super) fn is_by_columns(search: &Search) -> bool {
    search.sort.iter().all(|sort| own_column(sort).is_some())
}
