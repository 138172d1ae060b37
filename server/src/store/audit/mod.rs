//! The audit log: one narrow, append-only table. AuditEvents are rendered from it when asked for. `chain` makes each
//! entry prove those before it, `head` tells outside the chains how far they have come, `verify` looks at all of it, `find`
//! walks it by time.

mod chain;
mod find;
mod head;
mod key;
mod verify;

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};

use super::columns::{Columns, timestamp};
use super::error::StoreError;
use super::schema::{Audit, Names};

#[cfg(test)]
pub(super) use chain::message;
pub(super) use chain::{Chain, begin};
#[cfg(test)]
pub(super) use find::find;
pub use find::{AuditPlace, AuditQuery};
pub(super) use head::Heads;
pub use head::LoggedHead;
pub use key::AuditKey;
pub use verify::AuditReport;
pub(super) use verify::verify;

/// Who did what, when, to which record, and how it ended. No content of a record stands in it.
/// <https://hl7.org/fhir/R4/auditevent.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub time: Timestamp,
    /// The `sub` of the token, or what stands for it where there was none.
    pub actor: Arc<str>,
    pub client: Arc<str>,
    pub action: AuditAction,
    /// The code of <http://hl7.org/fhir/restful-interaction>: `read`, `search-type`.
    pub interaction: Cow<'static, str>,
    pub outcome: AuditOutcome,
    /// The logical id of the patient concerned, where known.
    pub patient: Option<String>,
    pub resource_type: Option<u16>,
    pub resource_id: Option<String>,
    pub request_id: String,
    /// Where the client asked from: its IP address.
    pub address: Option<String>,
    /// What a search asked for, as it was asked: `Observation?patient=1`.
    pub query: Option<String>,
    /// The `jti` of the token that it was done with.
    pub token: Option<Arc<str>>,
}

/// <https://hl7.org/fhir/R4/valueset-audit-event-action.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditAction {
    Create,
    Read,
    Update,
    Delete,
    Execute,
}

/// <https://hl7.org/fhir/R4/valueset-audit-event-outcome.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum AuditOutcome {
    Success = 0,
    MinorFailure = 4,
    SeriousFailure = 8,
    MajorFailure = 12,
}

impl AuditAction {
    pub fn as_str(self) -> &'static str {
        match self {
            AuditAction::Create => "C",
            AuditAction::Read => "R",
            AuditAction::Update => "U",
            AuditAction::Delete => "D",
            AuditAction::Execute => "E",
        }
    }
}

impl AuditAction {
    fn from_code(code: &str) -> Option<Self> {
        use AuditAction::{Create, Delete, Execute, Read, Update};
        [Create, Read, Update, Delete, Execute].into_iter().find(|action| action.as_str() == code)
    }
}

impl AuditOutcome {
    fn from_code(code: i16) -> Option<Self> {
        use AuditOutcome::{MajorFailure, MinorFailure, SeriousFailure, Success};
        [Success, MinorFailure, SeriousFailure, MajorFailure].into_iter().find(|outcome| *outcome as i16 == code)
    }
}

/// An entry as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// Which chain it belongs to: 0 on SQLite; on PostgreSQL each writer of each process has its own.
    pub writer: i32,
    pub sequence: i64,
    pub entry: AuditEntry,
    /// HMAC-SHA-256 over the entry and the one before it.
    pub chain: Vec<u8>,
}

pub(super) const COLUMNS: [Audit; 16] = [
    Audit::Writer,
    Audit::Sequence,
    Audit::Time,
    Audit::Actor,
    Audit::Client,
    Audit::Action,
    Audit::Interaction,
    Audit::Outcome,
    Audit::Patient,
    Audit::Type,
    Audit::Id,
    Audit::RequestId,
    Audit::Chain,
    Audit::Address,
    Audit::Query,
    Audit::Token,
];

/// The entries after a place, chain by chain.
pub(super) fn select(names: &Names, after: Option<(i32, i64)>, count: usize) -> SelectStatement {
    let mut statement = Query::select();
    statement
        .columns(COLUMNS)
        .from(names.table(Audit::Table))
        .order_by(Audit::Writer, Order::Asc)
        .order_by(Audit::Sequence, Order::Asc)
        .limit(count as u64);
    if let Some((writer, sequence)) = after {
        let place = Expr::tuple([Expr::col(Audit::Writer), Expr::col(Audit::Sequence)]);
        statement.and_where(place.gt(Expr::tuple([Expr::val(writer), Expr::val(sequence)])));
    }
    statement
}

pub(super) fn audited(row: &dyn Columns) -> Result<Audited, StoreError> {
    let unknown = |what: &str| StoreError::Inconsistent(format!("an audit row has an unknown {what}"));
    Ok(Audited {
        writer: row.integer32(0)?,
        sequence: row.integer(1)?,
        entry: AuditEntry {
            time: timestamp(row.integer(2)?)?,
            actor: row.text(3)?.into(),
            client: row.text(4)?.into(),
            action: AuditAction::from_code(&row.text(5)?).ok_or_else(|| unknown("action"))?,
            interaction: row.text(6)?.into(),
            outcome: AuditOutcome::from_code(row.small(7)?).ok_or_else(|| unknown("outcome"))?,
            patient: row.optional_text(8)?,
            resource_type: row.optional_small(9)?.map(|resource_type| resource_type as u16),
            resource_id: row.optional_text(10)?,
            request_id: row.text(11)?,
            address: row.optional_text(13)?,
            query: row.optional_text(14)?,
            token: row.optional_text(15)?.map(Arc::from),
        },
        chain: row.blob(12)?,
    })
}
