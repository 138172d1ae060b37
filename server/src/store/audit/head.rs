//! Heads: every minute a process writes how far all chains have come, with a code over it and over its head before.
//! A chain that was cut shows, since a head names its end; and a head goes to the process's log, outside the database.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query};
use sea_orm::{ConnectionTrait, Statement};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::super::columns::Columns;
use super::super::error::StoreError;
use super::super::schema::{AuditHead, Names};
use super::super::write::WriteContext;
use super::chain::{Message, parts};
use super::key::{AuditKey, Subject};

/// What a chain is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Of {
    Entries,
    /// Each process chains its own heads, and names the ends of the others' too.
    Heads,
}

/// How far a chain has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) of: Of,
    pub(super) writer: i32,
    pub(super) sequence: i64,
    pub(super) code: Vec<u8>,
}

impl Of {
    pub(super) fn table(self) -> (&'static str, &'static str) {
        match self {
            Of::Entries => ("audit", "sequence"),
            Of::Heads => ("audit_head", "number"),
        }
    }
}

/// The ends of all chains, as one statement saw them: from writer to writer by the key, not through all rows.
pub(super) async fn ends(connection: &impl ConnectionTrait, names: &Names, of: Of) -> Result<Vec<End>, StoreError> {
    let (table, number) = of.table();
    let table = names.quoted(table);
    let sql = format!(
        "WITH RECURSIVE w(writer) AS (SELECT min(writer) FROM {table} UNION ALL \
         SELECT (SELECT min(r.writer) FROM {table} r WHERE r.writer > w.writer) FROM w WHERE w.writer IS NOT NULL) \
         SELECT w.writer, (SELECT max(r.{number}) FROM {table} r WHERE r.writer = w.writer), \
         (SELECT r.chain FROM {table} r WHERE r.writer = w.writer ORDER BY r.{number} DESC LIMIT 1) \
         FROM w WHERE w.writer IS NOT NULL"
    );
    let rows = connection.query_all_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    let end =
        |row: &dyn Columns| Ok(End { of, writer: row.integer32(0)?, sequence: row.integer(1)?, code: row.blob(2)? });
    rows.iter().map(|row| end(row)).collect()
}

pub(super) fn write_ends(ends: &[End]) -> Vec<u8> {
    let mut message = Message::default();
    for end in ends {
        message.part(&[u8::from(end.of == Of::Heads)]);
        message.part(&end.writer.to_be_bytes());
        message.part(&end.sequence.to_be_bytes());
        message.part(&end.code);
    }
    message.finish()
}

pub(super) fn read_ends(bytes: &[u8]) -> Option<Vec<End>> {
    let parts = parts(bytes)?;
    let (ends, rest) = parts.as_chunks::<4>();
    let read = |[of, writer, sequence, code]: &[&[u8]; 4]| {
        let of = if *of == [1] { Of::Heads } else { Of::Entries };
        let writer = i32::from_be_bytes((*writer).try_into().ok()?);
        let sequence = i64::from_be_bytes((*sequence).try_into().ok()?);
        Some(End { of, writer, sequence, code: code.to_vec() })
    };
    rest.is_empty().then(|| ends.iter().map(read).collect())?
}

/// A row of the table of heads.
pub(super) struct Head {
    pub(super) writer: i32,
    pub(super) number: i64,
    pub(super) time: i64,
    pub(super) ends: Vec<u8>,
    pub(super) code: Vec<u8>,
}

pub(super) const HEAD_COLUMNS: [AuditHead; 5] =
    [AuditHead::Writer, AuditHead::Number, AuditHead::Time, AuditHead::Ends, AuditHead::Chain];

impl Head {
    pub(super) fn of(row: &dyn Columns) -> Result<Head, StoreError> {
        let (writer, number, time) = (row.integer32(0)?, row.integer(1)?, row.integer(2)?);
        Ok(Head { writer, number, time, ends: row.blob(3)?, code: row.blob(4)? })
    }

    fn message(&self, before: &[u8]) -> Vec<u8> {
        let mut message = Message::default();
        message.part(before);
        message.part(&self.writer.to_be_bytes());
        message.part(&self.number.to_be_bytes());
        message.part(&self.time.to_be_bytes());
        message.part(&self.ends);
        message.finish()
    }

    pub(super) fn is_genuine(&self, key: &AuditKey, before: &[u8]) -> bool {
        key.verifies(Subject::Head, &self.message(before), &self.code)
    }
}

/// A head as the process's log has it, and `vesta audit verify --head` takes it: a copy outside the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedHead {
    pub(super) writer: i32,
    pub(super) number: i64,
    pub(super) code: Vec<u8>,
}

const PREFIX: &str = "vesta-audit-head:";

impl LoggedHead {
    /// The head that stands in a line of the log, if one does.
    pub fn find(line: &str) -> Option<LoggedHead> {
        let text = &line[line.find(PREFIX)?..];
        let is_part = |character: char| character.is_ascii_alphanumeric() || "-_:".contains(character);
        text.split(|character| !is_part(character)).next()?.parse().ok()
    }
}

impl std::fmt::Display for LoggedHead {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = BASE64_URL_SAFE_NO_PAD.encode(&self.code);
        write!(formatter, "{PREFIX}{}:{}:{code}", self.writer, self.number)
    }
}

impl FromStr for LoggedHead {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let mut parts = text.strip_prefix(PREFIX)?.splitn(3, ':');
            let (writer, number) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let code = BASE64_URL_SAFE_NO_PAD.decode(parts.next()?).ok()?;
            Some(LoggedHead { writer, number, code })
        };
        read().ok_or_else(|| format!("`{text}` is no head of an audit log: one is {PREFIX}writer:number:code"))
    }
}

/// Writes the heads of this process.
pub(in super::super) struct Heads {
    context: Arc<WriteContext>,
    state: Mutex<State>,
}

struct State {
    writer: i32,
    number: i64,
    code: Vec<u8>,
    /// The ends that this process has named already; its first head names all that there are.
    named: HashMap<(Of, i32), (i64, Vec<u8>)>,
}

impl Heads {
    /// Goes on where the heads of this writer end.
    pub(in super::super) async fn open(context: Arc<WriteContext>, writer: i32) -> Result<Arc<Heads>, StoreError> {
        let statement = Query::select()
            .columns([AuditHead::Number, AuditHead::Chain])
            .from(context.names.table(AuditHead::Table))
            .and_where(Expr::col(AuditHead::Writer).eq(writer))
            .order_by(AuditHead::Number, Order::Desc)
            .limit(1)
            .take();
        let (number, code) = match context.connection.query_one(&statement).await? {
            Some(row) => (row.integer(0)?, row.blob(1)?),
            None => (0, Vec::new()),
        };
        let state = Mutex::new(State { writer, number, code, named: HashMap::new() });
        Ok(Arc::new(Heads { context, state }))
    }

    /// Writes a head, if any chain has come further since the last.
    pub(in super::super) async fn write(&self) -> Result<Option<LoggedHead>, StoreError> {
        let mut state = self.state.lock().await;
        let (connection, names) = (&self.context.connection, &self.context.names);
        let mut new = ends(connection, names, Of::Entries).await?;
        let heads = ends(connection, names, Of::Heads).await?;
        new.extend(heads.into_iter().filter(|end| end.writer != state.writer));
        new.retain(|end| state.named.get(&(end.of, end.writer)).is_none_or(|(sequence, _)| *sequence != end.sequence));
        if !new.iter().any(|end| end.of == Of::Entries) {
            return Ok(None);
        }
        let mut head = Head {
            writer: state.writer,
            number: state.number + 1,
            time: self.context.clock.now().as_microsecond(),
            ends: write_ends(&new),
            code: Vec::new(),
        };
        head.code = self.context.audit_key.authenticate(Subject::Head, &head.message(&state.code));
        let row =
            [head.writer.into(), head.number.into(), head.time.into(), head.ends.into(), head.code.clone().into()];
        let insert =
            Query::insert().into_table(names.table(AuditHead::Table)).columns(HEAD_COLUMNS).values_panic(row).take();
        connection.execute(&insert).await?;
        (state.number, state.code) = (head.number, head.code.clone());
        state.named.extend(new.into_iter().map(|end| ((end.of, end.writer), (end.sequence, end.code))));
        let logged = LoggedHead { writer: head.writer, number: head.number, code: head.code };
        let time = Timestamp::from_microsecond(head.time).unwrap_or_default();
        tracing::info!(target: "audit", site = names.schema(), %time, head = %logged, "head of the audit log");
        Ok(Some(logged))
    }

    /// Writes one after each such time, until the handle is aborted.
    pub(in super::super) fn every(self: &Arc<Self>, time: std::time::Duration) -> JoinHandle<()> {
        let heads = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(time).await;
                if let Err(error) = heads.write().await {
                    tracing::error!(%error, "a head of the audit log could not be written");
                }
            }
        })
    }
}
