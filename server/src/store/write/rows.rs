//! The statements of a transaction: few, of many rows each.

use sea_orm::sea_query::{DeleteStatement, Expr, ExprTrait, InsertStatement, OnConflict, Query, SelectStatement};

use super::super::compartment::CompartmentRow;
use super::super::record::Stored;
use super::super::schema::{Compartment, Names, Patient, Resource, ResourceHistory, chunks};
use super::batch::Current;

/// Text of a body; it was a `String` when it came in.
fn text(stored: &Stored) -> String {
    String::from_utf8_lossy(&stored.body).into_owned()
}

/// Current versions: new resources, and those that replace one.
pub(super) fn resources(names: &Names, rows: &[&Current]) -> Vec<InsertStatement> {
    chunks(rows, 64)
        .map(|rows| {
            let mut statement = Query::insert();
            statement.into_table(names.table(Resource::Table)).columns([
                Resource::Key,
                Resource::Type,
                Resource::Id,
                Resource::Version,
                Resource::LastUpdated,
                Resource::Deleted,
                Resource::Method,
                Resource::Sequence,
                Resource::Body,
            ]);
            for Current { stored, method, .. } in rows {
                statement.values_panic([
                    stored.key.into(),
                    (stored.resource_type as i16).into(),
                    stored.id.as_str().into(),
                    stored.version.into(),
                    stored.last_updated.as_microsecond().into(),
                    stored.deleted.into(),
                    (*method as i16).into(),
                    stored.sequence.into(),
                    text(stored).into(),
                ]);
            }
            // On the key alone: the same id under another key is a conflict and must fail.
            statement.on_conflict(
                OnConflict::column(Resource::Key)
                    .update_columns([
                        Resource::Version,
                        Resource::LastUpdated,
                        Resource::Deleted,
                        Resource::Method,
                        Resource::Sequence,
                        Resource::Body,
                    ])
                    .to_owned(),
            );
            statement
        })
        .collect()
}

/// Superseded versions, each with the sequence number of what replaced it.
pub(super) fn history(names: &Names, rows: &[(&Current, i64)]) -> Vec<InsertStatement> {
    chunks(rows, 64)
        .map(|rows| {
            let mut statement = Query::insert();
            statement.into_table(names.table(ResourceHistory::Table)).columns([
                ResourceHistory::Key,
                ResourceHistory::Version,
                ResourceHistory::Type,
                ResourceHistory::Id,
                ResourceHistory::LastUpdated,
                ResourceHistory::Deleted,
                ResourceHistory::Method,
                ResourceHistory::SequenceFrom,
                ResourceHistory::SequenceTo,
                ResourceHistory::Body,
            ]);
            for (Current { stored, method, .. }, sequence_to) in rows {
                statement.values_panic([
                    stored.key.into(),
                    stored.version.into(),
                    (stored.resource_type as i16).into(),
                    stored.id.as_str().into(),
                    stored.last_updated.as_microsecond().into(),
                    stored.deleted.into(),
                    (*method as i16).into(),
                    stored.sequence.into(),
                    (*sequence_to).into(),
                    text(stored).into(),
                ]);
            }
            statement
        })
        .collect()
}

/// A compartment row with the number of its patient, of a resource of a type.
pub(in super::super) struct CompartmentEntry<'a> {
    pub(in super::super) patient: i64,
    pub(in super::super) resource_type: u16,
    pub(in super::super) resource: i64,
    pub(in super::super) row: &'a CompartmentRow,
}

pub(super) fn compartments(names: &Names, rows: &[CompartmentEntry<'_>]) -> Vec<InsertStatement> {
    chunks(rows, 128)
        .map(|rows| {
            let mut statement = Query::insert();
            statement.into_table(names.table(Compartment::Table)).columns([
                Compartment::Patient,
                Compartment::Type,
                Compartment::High,
                Compartment::Resource,
                Compartment::Low,
                Compartment::Bits,
            ]);
            for entry in rows {
                statement.values_panic([
                    entry.patient.into(),
                    (entry.resource_type as i16).into(),
                    entry.row.high.into(),
                    entry.resource.into(),
                    entry.row.low.into(),
                    entry.row.bits.into(),
                ]);
            }
            let key = [Compartment::Patient, Compartment::Type, Compartment::High, Compartment::Resource];
            statement
                .on_conflict(OnConflict::columns(key).update_columns([Compartment::Low, Compartment::Bits]).to_owned());
            statement
        })
        .collect()
}

impl CompartmentEntry<'_> {
    /// The condition that names this row by its key.
    pub(in super::super) fn is_it(&self) -> Expr {
        Expr::col(Compartment::Patient)
            .eq(self.patient)
            .and(Expr::col(Compartment::Type).eq(self.resource_type as i16))
            .and(Expr::col(Compartment::High).eq(self.row.high))
            .and(Expr::col(Compartment::Resource).eq(self.resource))
    }
}

pub(in super::super) fn remove_compartments(names: &Names, rows: &[CompartmentEntry<'_>]) -> Vec<DeleteStatement> {
    rows.iter()
        .map(|entry| Query::delete().from_table(names.table(Compartment::Table)).and_where(entry.is_it()).take())
        .collect()
}

pub(super) fn insert_patients(names: &Names, ids: &[&str]) -> InsertStatement {
    let mut statement = Query::insert();
    statement.into_table(names.table(Patient::Table)).columns([Patient::Id]);
    for id in ids {
        statement.values_panic([(*id).into()]);
    }
    statement.on_conflict(OnConflict::column(Patient::Id).do_nothing().to_owned());
    statement
}

pub(in super::super) fn select_patients(names: &Names, ids: &[&str]) -> SelectStatement {
    Query::select()
        .columns([Patient::Key, Patient::Id])
        .from(names.table(Patient::Table))
        .and_where(Expr::col(Patient::Id).is_in(ids.iter().copied()))
        .take()
}
