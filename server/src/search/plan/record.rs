//! All of a patient's compartment, over all types at once: for `$everything`.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use super::Planner;
use super::join::{any_of, never};
use crate::access::Boundary;
use crate::store::schema::{Compartment, Resource};

/// What of a patient's record is asked for.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// The logical id of the Patient.
    pub patient: &'a str,
    /// The types, each with the bits of which a row must have one.
    pub types: &'a [(&'static str, i64)],
    /// Those of the types that are granted in part, with what is.
    pub parts: &'a [(&'static str, Boundary)],
    /// Beyond this resource key.
    pub after: Option<i64>,
    /// Versions from this instant on, in microseconds.
    pub since: Option<i64>,
    /// The instants, in microseconds, of which the clinically relevant date must touch one. What has no such date is
    /// there all the same.
    pub dates: Option<(i64, i64)>,
    pub most: usize,
}

impl Planner<'_> {
    /// The resources of the record in the order of their keys. The cost is that of the patient's own rows.
    pub fn record(&self, record: &Record<'_>) -> SelectStatement {
        let column = |column: Compartment| Expr::col(("walk", column));
        let mut by_mask: BTreeMap<i64, Vec<i32>> = BTreeMap::new();
        for (of, mask) in record.types {
            by_mask.entry(*mask).or_default().push(self.number(of));
        }
        let of_types = by_mask.into_iter().map(|(mask, numbers)| {
            column(Compartment::Type).is_in(numbers).and(column(Compartment::Bits).bit_and(mask).ne(0))
        });
        let mut page = Query::select();
        page.expr_as(column(Compartment::Resource), "key")
            .from(self.names.table_as(Compartment::Table, "walk"))
            .and_where(column(Compartment::Patient).eq(self.patient_key(record.patient)))
            .and_where(any_of(of_types).unwrap_or_else(never))
            .order_by(("walk", Compartment::Resource), Order::Asc)
            .limit(record.most as u64);
        for (of, granted) in record.parts {
            if let Some(inside) = self.boundary(&[*of], granted, &column(Compartment::Resource)) {
                page.and_where(column(Compartment::Type).ne(self.number(of)).or(inside));
            }
        }
        if let Some(after) = record.after {
            page.and_where(column(Compartment::Resource).gt(after));
        }
        if let Some((low, high)) = record.dates {
            // Both ends of a resource without date are the least there is.
            let undated = column(Compartment::High).eq(i64::MIN);
            let touches = column(Compartment::High).gte(low).and(column(Compartment::Low).lte(high));
            page.and_where(undated.or(touches));
        }
        if let Some(since) = record.since {
            page.and_where(self.resource_column(Resource::LastUpdated, &column(Compartment::Resource)).gte(since));
        }
        self.with_bodies(page, &[], true)
    }
}
