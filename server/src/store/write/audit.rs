//! Audit rows: numbered and chained by SHA-256, one chain a writer, so that a row that was changed or taken out shows.

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Expr, ExprTrait, InsertStatement, Order, Query};
use sha2::{Digest, Sha256};

use super::super::audit::{AuditEntry, COLUMNS};
use super::super::columns::Columns;
use super::super::error::StoreError;
use super::super::schema::{Audit, Names, chunks};

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

pub(super) fn insert(names: &Names, chain: &mut Chain, entries: &[&AuditEntry]) -> Vec<InsertStatement> {
    chunks(entries, 256)
        .map(|entries| {
            let mut statement = Query::insert();
            statement.into_table(names.table(Audit::Table)).columns(COLUMNS);
            for entry in entries {
                let link = chain.link(entry);
                statement.values_panic([
                    chain.writer.into(),
                    chain.sequence.into(),
                    entry.time.as_microsecond().into(),
                    entry.actor.as_str().into(),
                    entry.client.as_str().into(),
                    entry.action.as_str().into(),
                    entry.interaction.as_str().into(),
                    (entry.outcome as i16).into(),
                    entry.patient.clone().into(),
                    entry.resource_type.map(|resource_type| resource_type as i16).into(),
                    entry.resource_id.clone().into(),
                    entry.request_id.as_str().into(),
                    link.into(),
                ]);
            }
            statement
        })
        .collect()
}
