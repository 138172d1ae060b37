//! Audit rows: numbered and chained by SHA-256, one chain a writer, so that a row that was changed or taken out shows.

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query};
use sha2::{Digest, Sha256};

use super::super::audit::{AuditEntry, COLUMNS};
use super::super::columns::Columns;
use super::super::error::StoreError;
use super::super::schema::{Audit, Names};
use super::insert::{Cell, Insert};
use super::transaction::Transaction;

/// The end of a writer's chain.
#[derive(Debug, Clone)]
pub(in super::super) struct Chain {
    pub(in super::super) writer: i32,
    pub(in super::super) sequence: i64,
    pub(in super::super) head: Vec<u8>,
}

impl Chain {
    /// The chain of a writer as it stands in the database.
    pub(in super::super) async fn of(
        writer: i32,
        connection: &impl ConnectionTrait,
        names: &Names,
    ) -> Result<Self, StoreError> {
        let statement = Query::select()
            .columns([Audit::Sequence, Audit::Chain])
            .from(names.table(Audit::Table))
            .and_where(Expr::col(Audit::Writer).eq(writer))
            .order_by(Audit::Sequence, Order::Desc)
            .limit(1)
            .take();
        Ok(match connection.query_one(&statement).await? {
            Some(row) => Chain { writer, sequence: row.integer(0)?, head: row.blob(1)? },
            None => Chain { writer, sequence: 0, head: Vec::new() },
        })
    }

    /// The hash of the next row: of the one before it and of all its columns, each with its length before it.
    pub(in super::super) fn link(&mut self, entry: &AuditEntry) -> Vec<u8> {
        self.sequence += 1;
        let mut hash = Sha256::new();
        let mut column = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        column(&self.head);
        column(&self.writer.to_be_bytes());
        column(&self.sequence.to_be_bytes());
        column(&entry.time.as_microsecond().to_be_bytes());
        for text in [&entry.actor, &entry.client, &entry.interaction, &entry.request_id] {
            column(text.as_bytes());
        }
        column(entry.action.as_str().as_bytes());
        column(&(entry.outcome as i16).to_be_bytes());
        // An absent value is not an empty one.
        for text in [&entry.patient, &entry.resource_id] {
            column(&[u8::from(text.is_some())]);
            column(text.as_deref().unwrap_or_default().as_bytes());
        }
        column(&[u8::from(entry.resource_type.is_some())]);
        column(&entry.resource_type.unwrap_or_default().to_be_bytes());
        self.head = hash.finalize().to_vec();
        self.head.clone()
    }
}

/// Adds the entries to the chain.
pub(super) async fn insert(
    transaction: &Transaction,
    names: &Names,
    chain: &mut Chain,
    entries: &[&AuditEntry],
) -> Result<(), StoreError> {
    let writer = chain.writer;
    let links: Vec<(i64, Vec<u8>)> = entries
        .iter()
        .map(|entry| {
            let link = chain.link(entry);
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
        ]
    });
    transaction.insert(&Insert::new(names.table(Audit::Table), COLUMNS, None, rows.collect())).await
}
