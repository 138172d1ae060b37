//! Audit rows: numbered, and chained to those before them.

use super::super::audit::{AuditEntry, AuditKey, COLUMNS, Chain};
use super::super::error::StoreError;
use super::super::schema::{Audit, Names};
use super::insert::{Cell, Insert};
use super::transaction::Transaction;

/// Adds the entries to the chain.
pub(super) async fn insert(
    transaction: &Transaction,
    names: &Names,
    key: &AuditKey,
    chain: &mut Chain,
    entries: &[&AuditEntry],
) -> Result<(), StoreError> {
    let writer = chain.writer;
    let links: Vec<(i64, Vec<u8>)> = entries
        .iter()
        .map(|entry| {
            let link = chain.link(key, entry);
            (chain.sequence, link)
        })
        .collect();
    let rows = entries.iter().zip(&links).map(|(entry, (sequence, link))| {
        [
            Cell::Integer32(writer),
            Cell::Integer(*sequence),
            Cell::Integer(entry.time.as_microsecond()),
            Cell::Text(&entry.actor),
            Cell::Text(&entry.client),
            Cell::Text(entry.action.as_str()),
            Cell::Text(&entry.interaction),
            Cell::Small(entry.outcome as i16),
            Cell::OptionalText(entry.patient.as_deref()),
            Cell::OptionalSmall(entry.resource_type.map(|resource_type| resource_type as i16)),
            Cell::OptionalText(entry.resource_id.as_deref()),
            Cell::Text(&entry.request_id),
            Cell::Bytes(link),
            Cell::OptionalText(entry.address.as_deref()),
            Cell::OptionalText(entry.query.as_deref()),
            Cell::OptionalText(entry.token.as_deref()),
        ]
    });
    transaction.insert(&Insert::new(names.table(Audit::Table), COLUMNS, None, rows.collect()).appended()).await
}
