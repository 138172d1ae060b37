//! What an operator's commands do to a site's data: loading, exporting, checking, verifying, re-indexing. The same in the
//! command's own process and, where a server has the data folder, in the server's, which is asked over its local socket.

mod door;
mod export;
mod load;

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use vesta_fhir::types::ResourceType;

use crate::access::{AccessContext, OPERATOR};
use crate::audit::{self, Event, Who};
use crate::fhir::{Service, Services};
use crate::store::{AuditOutcome, AuditPlace, AuditQuery, Handler, LoggedHead, ReindexProgress, StoreError};

pub use door::Door;
pub use export::{AuditChunk, Chunk};
pub use load::{Done, Loaded, Outcome, Refused, Source};

/// A piece of work. Each is short: what takes long is asked for piece by piece, so that requests come between.
#[derive(Debug, Serialize, Deserialize)]
pub enum Task {
    /// Writes documents of an import.
    Load { request_id: String, documents: Vec<Source> },
    /// Gives the next resources of a type, beyond a key.
    Export { resource_type: String, after: i64 },
    /// Gives the next entries of the audit log as AuditEvents, in the order of time; `since` and `until` in microseconds.
    ExportAudit { since: Option<i64>, until: Option<i64>, after: Option<(i64, AuditPlace)>, with_codes: bool },
    /// Tells how far re-indexing has come.
    ReindexProgress,
    /// Does the next bite of re-indexing.
    ReindexBite,
    /// Compares what is derived with the bodies.
    Check,
    /// Leaves a line in the audit log: what a command is about to change of who may do what.
    Record { event: String, client: String, user: Option<String>, patient: Option<String> },
    /// Verifies the audit log, also against heads from outside the database.
    VerifyAudit { heads: Vec<String> },
}

/// What a piece of work came to; the text of a failure is for the operator.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// What became of each document.
    Loaded(Vec<Outcome>),
    Chunk(Chunk),
    AuditChunk(AuditChunk),
    Recorded,
    Reindexed {
        pending: usize,
        done: i64,
        last: i64,
    },
    Checked {
        counts: Vec<(String, u64)>,
        faults: Vec<String>,
        fault_count: u64,
    },
    Failed(String),
}

/// Does the work on a site's data.
pub async fn perform(service: &Arc<Service>, task: Task) -> Answer {
    match task {
        Task::Load { request_id, documents } => {
            load::load(service, &AccessContext::operator("import"), &request_id, documents).await
        }
        Task::Export { resource_type, after } => export::chunk(service, &resource_type, after).await,
        Task::ExportAudit { since, until, after, with_codes } => {
            let asked = AuditQuery { from: since, to: until, after, ..AuditQuery::default() };
            export::audit_chunk(service, asked, with_codes).await
        }
        Task::ReindexProgress => reindexed(service.store.reindex_progress().await),
        Task::ReindexBite => reindexed(service.store.reindex_bite(REINDEX_BITE).await),
        Task::Check => check(service).await,
        Task::Record { event, client, user, patient } => {
            let who = Who { actor: OPERATOR, client: &client, user: user.as_deref(), patient: patient.as_deref() };
            record(service, &event, who).await
        }
        Task::VerifyAudit { heads } => verify_audit(service, &heads).await,
    }
}

/// Resources a bite: some ten milliseconds of the writer.
const REINDEX_BITE: usize = 64;

fn reindexed(progress: Result<ReindexProgress, StoreError>) -> Answer {
    match progress {
        Ok(ReindexProgress { pending, retired, resting, done, last }) => {
            // What rests is the background's.
            Answer::Reindexed { pending: pending + retired - resting, done, last }
        }
        Err(error) => Answer::Failed(error.to_string()),
    }
}

async fn check(service: &Arc<Service>) -> Answer {
    match service.store.check(|_| ()).await {
        Ok(report) => Answer::Checked {
            counts: vec![
                ("resources".to_owned(), report.resources),
                ("superseded versions".to_owned(), report.superseded_versions),
                ("index rows".to_owned(), report.index_rows),
                ("compartment rows".to_owned(), report.compartment_rows),
                ("audit entries".to_owned(), report.audit_entries),
            ],
            faults: report.faults,
            fault_count: report.fault_count,
        },
        Err(error) => Answer::Failed(error.to_string()),
    }
}

async fn record(service: &Arc<Service>, event: &str, who: Who<'_>) -> Answer {
    let Some(event) = Event::from_code(event) else {
        return Answer::Failed(format!("the audit log has no event {event}"));
    };
    let entry = audit::entry(event, who, AuditOutcome::Success, &service.ids.next(), service.clock.now());
    match service.store.audit(entry).await {
        Ok(()) => Answer::Recorded,
        Err(error) => Answer::Failed(error.to_string()),
    }
}

async fn verify_audit(service: &Arc<Service>, heads: &[String]) -> Answer {
    let heads: Vec<LoggedHead> = match heads.iter().map(|head| head.parse()).collect() {
        Ok(heads) => heads,
        Err(reason) => return Answer::Failed(reason),
    };
    match service.store.verify_audit(&heads).await {
        Ok(report) => Answer::Checked {
            counts: vec![
                ("chains".to_owned(), report.chains),
                ("entries".to_owned(), report.entries),
                ("of them from before the key".to_owned(), report.entries_without_key),
                ("heads".to_owned(), report.heads),
                ("heads given".to_owned(), report.logged_heads),
            ],
            faults: report.faults,
            fault_count: report.fault_count,
        },
        Err(error) => Answer::Failed(error.to_string()),
    }
}

/// The server's end of its local socket.
pub fn handler(services: Arc<Services>) -> Handler {
    Arc::new(move |request: Bytes| {
        let service = services.now();
        Box::pin(async move {
            let answer = match serde_json::from_slice(&request) {
                Ok(task) => perform(&service, task).await,
                // Another release than the server's: its commands may have other words.
                Err(error) => Answer::Failed(format!(
                    "the running server does not know this command ({error}): use the vesta of the same release"
                )),
            };
            serde_json::to_vec(&answer).map(Bytes::from).unwrap_or_default()
        })
    })
}

/// Every resource type, in the order of the standard's list.
pub fn resource_types() -> impl Iterator<Item = &'static str> {
    ResourceType::ALL.iter().map(|resource_type| resource_type.as_str())
}
