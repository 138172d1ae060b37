//! The statements of a transaction: few, of many rows each.

use sea_orm::sea_query::{DeleteStatement, Expr, ExprTrait, OnConflict, Query, SelectStatement, UpdateStatement};

use super::super::compartment::CompartmentRow;
use super::super::error::StoreError;
use super::super::record::Stored;
use super::super::schema::{Compartment, Names, Patient, Resource, ResourceHistory};
use super::batch::{Current, Relabelled};
use super::insert::{Cell, Insert};

fn text(stored: &Stored) -> Result<&str, StoreError> {
    let error = |_| StoreError::Inconsistent(format!("the text of resource {} is not UTF-8", stored.key));
    std::str::from_utf8(&stored.body).map_err(error)
}

/// Current versions: new resources, and those that replace one.
pub(super) fn resources<'a>(names: &Names, rows: &[&'a Current]) -> Result<Insert<'a, 9>, StoreError> {
    let rows = rows.iter().map(|Current { stored, method, .. }| {
        Ok([
            Cell::Integer(stored.key),
            Cell::Small(stored.resource_type as i16),
            Cell::Text(&stored.id),
            Cell::Integer(stored.version),
            Cell::Integer(stored.last_updated.as_microsecond()),
            Cell::Boolean(stored.deleted),
            Cell::Small(*method as i16),
            Cell::Integer(stored.sequence),
            Cell::Text(text(stored)?),
        ])
    });
    let columns = [
        Resource::Key,
        Resource::Type,
        Resource::Id,
        Resource::Version,
        Resource::LastUpdated,
        Resource::Deleted,
        Resource::Method,
        Resource::Sequence,
        Resource::Body,
    ];
    // On the key alone: the same id under another key is a conflict and must fail.
    let replaced = OnConflict::column(Resource::Key)
        .update_columns([
            Resource::Version,
            Resource::LastUpdated,
            Resource::Deleted,
            Resource::Method,
            Resource::Sequence,
            Resource::Body,
        ])
        .to_owned();
    let rows = rows.collect::<Result<_, StoreError>>()?;
    Ok(Insert::new(names.table(Resource::Table), columns, Some(replaced), rows))
}

/// Superseded versions, each with the sequence number of what replaced it.
pub(super) fn history<'a>(names: &Names, rows: &[(&'a Current, i64)]) -> Result<Insert<'a, 10>, StoreError> {
    let rows = rows.iter().map(|(Current { stored, method, .. }, sequence_to)| {
        Ok([
            Cell::Integer(stored.key),
            Cell::Integer(stored.version),
            Cell::Small(stored.resource_type as i16),
            Cell::Text(&stored.id),
            Cell::Integer(stored.last_updated.as_microsecond()),
            Cell::Boolean(stored.deleted),
            Cell::Small(*method as i16),
            Cell::Integer(stored.sequence),
            Cell::Integer(*sequence_to),
            Cell::Text(text(stored)?),
        ])
    });
    let columns = [
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
    ];
    let rows = rows.collect::<Result<_, StoreError>>()?;
    Ok(Insert::new(names.table(ResourceHistory::Table), columns, None, rows))
}

/// What a superseded version is from now on, under its number and time.
pub(super) fn relabel(names: &Names, Relabelled { key, version, body }: Relabelled) -> UpdateStatement {
    Query::update()
        .table(names.table(ResourceHistory::Table))
        .value(ResourceHistory::Body, body)
        .and_where(Expr::col(ResourceHistory::Key).eq(key))
        .and_where(Expr::col(ResourceHistory::Version).eq(version))
        .take()
}

/// A compartment row with the number of its patient, of a resource of a type.
pub(in super::super) struct CompartmentEntry<'a> {
    pub(in super::super) patient: i64,
    pub(in super::super) resource_type: u16,
    pub(in super::super) resource: i64,
    pub(in super::super) row: &'a CompartmentRow,
}

pub(super) fn compartments(names: &Names, rows: &[CompartmentEntry<'_>]) -> Insert<'static, 6> {
    let rows = rows.iter().map(|entry| {
        [
            Cell::Integer(entry.patient),
            Cell::Small(entry.resource_type as i16),
            Cell::Integer(entry.row.high),
            Cell::Integer(entry.resource),
            Cell::Integer(entry.row.low),
            Cell::Integer(entry.row.bits),
        ]
    });
    let columns = [
        Compartment::Patient,
        Compartment::Type,
        Compartment::High,
        Compartment::Resource,
        Compartment::Low,
        Compartment::Bits,
    ];
    let key = [Compartment::Patient, Compartment::Type, Compartment::High, Compartment::Resource];
    let replaced = OnConflict::columns(key).update_columns([Compartment::Low, Compartment::Bits]).to_owned();
    Insert::new(names.table(Compartment::Table), columns, Some(replaced), rows.collect()).sorted()
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

pub(super) fn patients<'a>(names: &Names, ids: &[&'a str]) -> Insert<'a, 1> {
    let rows = ids.iter().map(|id| [Cell::Text(id)]).collect();
    let known = OnConflict::column(Patient::Id).do_nothing().to_owned();
    Insert::new(names.table(Patient::Table), [Patient::Id], Some(known), rows)
}

pub(in super::super) fn select_patients(names: &Names, ids: &[&str]) -> SelectStatement {
    Query::select()
        .columns([Patient::Key, Patient::Id])
        .from(names.table(Patient::Table))
        .and_where(Expr::col(Patient::Id).is_in(ids.iter().copied()))
        .take()
}
