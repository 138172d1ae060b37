//! What may contain something that a patient's token shows: the patient's record, Provenance of it, and directories. Walked
//! one by one, each with what it contains, they cost as much as that record and the directories, whoever else's records
//! there are.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Expr, ExprTrait, JoinType, Query, SelectStatement, UnionType};

use super::Planner;
use super::condition::parameter_is;
use super::join::all_of;
use crate::access::Boundary;
use crate::search::query::Search;
use crate::search::table::Rule;
use crate::store::index::contained::itself;
use crate::store::index::{Column, IndexTable};
use crate::store::schema::{Compartment, Resource};

/// No less than a boundary shows: what it shows of them is asked of each.
pub(super) struct Holders {
    patient: String,
    types: Vec<&'static str>,
}

impl Holders {
    /// None where more than one patient's may be seen.
    pub(super) fn of(planner: &Planner<'_>, search: &Search) -> Option<Holders> {
        let (types, boundary) = search.containers.as_ref()?;
        let patient = match boundary {
            Boundary::Unrestricted => return None,
            Boundary::Patient(patient) => patient,
            Boundary::Parts(parts) => {
                let mut patients = parts.iter().map(|part| part.patient.as_ref());
                let first = patients.next()??;
                patients.all(|other| other == Some(first)).then_some(first)?
            }
        };
        let known = |of: &&'static str| planner.table.entry(of).is_some();
        Some(Holders { patient: patient.clone(), types: types.iter().copied().filter(known).collect() })
    }
}

impl Planner<'_> {
    /// From what the holders contain of these types, as `walk`.
    pub(super) fn select_held(&self, statement: &mut SelectStatement, types: &[&'static str], holders: &Holders) {
        let ids: Vec<i32> = self.identities(types).into_iter().map(|id| -id).collect();
        let holder = || Expr::col(("holder", "key"));
        let row = |name: &'static str| Expr::col((name, Column::Resource));
        // Behind its container's own place, and before the next one's.
        let inside = |name: &'static str| {
            let next = itself(holder().add(1));
            all_of([parameter_is(name, &ids), row(name).gt(itself(holder())), row(name).lt(next)])
        };
        statement.from_subquery(self.holders(holders), "holder");
        if self.backend == DbBackend::Postgres {
            // As with the bodies of a page: a generic plan does not know how few the holders are.
            let mut rows = Query::select();
            rows.column(Column::Resource)
                .from(self.names.table_as(IndexTable::IndexIdentity, "held"))
                .and_where_option(inside("held"))
                .offset(0);
            statement.join_lateral(JoinType::InnerJoin, rows, "walk", Expr::cust("true"));
        } else {
            statement
                .cross_join(self.names.table_as(IndexTable::IndexIdentity, "walk"))
                .and_where_option(inside("walk"));
        }
    }

    /// Their keys, each once.
    fn holders(&self, holders: &Holders) -> SelectStatement {
        let of = |wanted: Rule| -> Vec<&'static str> {
            let is_of = |of: &&&'static str| self.table.entry(of).is_some_and(|entry| entry.boundary.rule == wanted);
            holders.types.iter().filter(is_of).copied().collect()
        };
        let mut each = Vec::new();
        let own = of(Rule::Compartment);
        if !own.is_empty() {
            let mut record = Query::select();
            record.expr_as(Expr::col(("own", Compartment::Resource)), "key");
            self.compartment_rows(&mut record, &own, &holders.patient);
            each.push(record);
        }
        let target = self.table.parameter("Provenance", "target").filter(|_| !of(Rule::Provenance).is_empty());
        if let Some(target) = target {
            let mut of_record = Query::select();
            of_record
                .expr_as(Expr::col(("traced", Column::Resource)), "key")
                .from_subquery(self.with_own_target(target.id, &holders.patient, &[]), "traced");
            each.push(of_record);
        }
        // A Binary contains nothing.
        let numbers: Vec<i32> = of(Rule::Directory).into_iter().map(|of| self.number(of)).collect();
        let mut directories = Query::select();
        directories
            .expr_as(Expr::col(("listed", Resource::Key)), "key")
            .from(self.names.table_as(Resource::Table, "listed"))
            .and_where(Expr::col(("listed", Resource::Type)).is_in(numbers))
            .and_where(Expr::col(("listed", Resource::Deleted)).eq(false));
        each.push(directories);
        each.into_iter().reduce(|mut all, one| all.union(UnionType::Distinct, one).take()).unwrap_or_default()
    }
}
