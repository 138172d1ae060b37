//! The chains: each entry carries a code over itself and over the code of the one before it, so that an entry that was
//! changed or taken out shows. One chain a writer.

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Order, Query};
use sea_orm::{ConnectionTrait, DatabaseConnection};
use sha2::{Digest, Sha256};

use super::super::columns::Columns;
use super::super::dictionary::setting;
use super::super::error::StoreError;
use super::super::schema::{Audit, Names, Setting};
use super::head::{End, Of, ends, read_ends, write_ends};
use super::key::{AuditKey, Subject};
use super::{AuditEntry, Audited};

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

    /// The code of the next entry.
    pub(in super::super) fn link(&mut self, key: &AuditKey, entry: &AuditEntry) -> Vec<u8> {
        self.sequence += 1;
        let message = message(&self.head, self.writer, self.sequence, entry);
        self.head = key.authenticate(Subject::Entry, &message);
        self.head.clone()
    }
}

/// Bytes that mean one thing only: each part has its length before it.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn part(&mut self, bytes: &[u8]) {
        self.0.extend((bytes.len() as u64).to_be_bytes());
        self.0.extend(bytes);
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// What the code of an entry is made of: the code before it, and all its columns.
pub(in super::super) fn message(before: &[u8], writer: i32, sequence: i64, entry: &AuditEntry) -> Vec<u8> {
    let mut message = Message(Vec::with_capacity(512));
    message.part(before);
    message.part(&writer.to_be_bytes());
    message.part(&sequence.to_be_bytes());
    message.part(&entry.time.as_microsecond().to_be_bytes());
    for text in [&*entry.actor, &*entry.client, &*entry.interaction, &*entry.request_id] {
        message.part(text.as_bytes());
    }
    message.part(entry.action.as_str().as_bytes());
    message.part(&(entry.outcome as i16).to_be_bytes());
    // An absent value is not an empty one.
    for text in [&entry.patient, &entry.resource_id] {
        message.part(&[u8::from(text.is_some())]);
        message.part(text.as_deref().unwrap_or_default().as_bytes());
    }
    message.part(&[u8::from(entry.resource_type.is_some())]);
    message.part(&entry.resource_type.unwrap_or_default().to_be_bytes());
    // Entries from before these columns have none of them, and their message is without these parts: no other has so many.
    let later = [entry.address.as_deref(), entry.query.as_deref(), entry.token.as_deref()];
    if later.iter().any(|text| text.is_some()) {
        for text in later {
            message.part(&[u8::from(text.is_some())]);
            message.part(text.unwrap_or_default().as_bytes());
        }
    }
    message.finish()
}

/// Whether the entry carries the code that it was written with; `plain` for one from before there was a key.
pub(super) fn is_genuine(key: &AuditKey, before: &[u8], audited: &Audited, plain: bool) -> bool {
    let message = message(before, audited.writer, audited.sequence, &audited.entry);
    match plain {
        true => Sha256::digest(&message).as_slice() == audited.chain,
        false => key.verifies(Subject::Entry, &message, &audited.chain),
    }
}

/// The setting that tells where chains of plain hashes ended; authenticated, since an entry within them needs no key.
const BEGINNING: &str = "audit-beginning";

/// Notes at the first opening with a key where the chains stand that were made without. Tells whether the log was
/// begun with this key.
pub(in super::super) async fn begin(
    connection: &DatabaseConnection,
    names: &Names,
    key: &AuditKey,
) -> Result<bool, StoreError> {
    if setting(connection, names, BEGINNING).await?.is_none() {
        let plain = write_ends(&ends(connection, names, Of::Entries).await?);
        let mut message = Message::default();
        message.part(&key.authenticate(Subject::Beginning, &plain));
        message.part(&plain);
        let insert = Query::insert()
            .into_table(names.table(Setting::Table))
            .columns([Setting::Name, Setting::Value])
            .values_panic([BEGINNING.into(), message.finish().into()])
            .on_conflict(OnConflict::column(Setting::Name).do_nothing().to_owned())
            .take();
        connection.execute(&insert).await?;
    }
    Ok(matches!(beginning(connection, names, key).await?, Beginning::Plain(_)))
}

pub(super) enum Beginning {
    /// The ends of the chains that were made without a key.
    Plain(Vec<End>),
    /// Made with another key, or changed.
    Foreign,
    Missing,
}

pub(super) async fn beginning(
    connection: &impl ConnectionTrait,
    names: &Names,
    key: &AuditKey,
) -> Result<Beginning, StoreError> {
    let Some(value) = setting(connection, names, BEGINNING).await? else { return Ok(Beginning::Missing) };
    let parts = parts(&value);
    let Some([code, plain]) = parts.as_deref() else { return Ok(Beginning::Foreign) };
    Ok(match read_ends(plain) {
        Some(ends) if key.verifies(Subject::Beginning, plain, code) => Beginning::Plain(ends),
        _ => Beginning::Foreign,
    })
}

/// The parts of a [`Message`].
pub(super) fn parts(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (part, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
        parts.push(part);
        bytes = rest;
    }
    Some(parts)
}
