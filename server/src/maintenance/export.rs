//! Giving out what is stored, piece by piece, in the order of the keys: each resource once, as it is when its piece is
//! read.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Answer;
use crate::access::{AUDIT_EVENT, AccessContext};
use crate::audit::{self, Event, Who};
use crate::fhir::Service;
use crate::store::{AuditEntry, AuditOutcome, AuditPlace, AuditQuery, Audited, StoreError};

/// Resources a piece.
const COUNT: u64 = 1_000;

/// Some resources of a type.
#[derive(Debug, Serialize, Deserialize)]
pub struct Chunk {
    /// The stored texts, one a line.
    pub lines: String,
    pub count: u64,
    /// Where the next piece begins; none after the last.
    pub next: Option<i64>,
}

/// Some AuditEvents.
#[derive(Debug, Serialize, Deserialize)]
pub struct AuditChunk {
    /// One a line.
    pub lines: String,
    pub count: u64,
    /// Where the next piece begins; none after the last.
    pub next: Option<(i64, AuditPlace)>,
}

/// Leaves a line in the audit log: what cannot be recorded is not given out.
async fn recorded(service: &Service, command: &str, resource_type: Option<u16>) -> Result<(), StoreError> {
    let operator = AccessContext::operator(command);
    let who = Who { actor: &operator.subject, client: &operator.client_id, ..Who::UNKNOWN };
    let entry = audit::entry(Event::Export, who, AuditOutcome::Success, &service.ids.next(), service.clock.now());
    service.store.audit(AuditEntry { resource_type, ..entry }).await
}

/// The entries of the log that were asked for, as AuditEvents; with the code of each in its chain, if asked.
pub(super) async fn audit_chunk(service: &Arc<Service>, asked: AuditQuery, with_codes: bool) -> Answer {
    if asked.after.is_none() {
        let number = service.parameters.entry(AUDIT_EVENT).map(|entry| entry.number);
        if let Err(error) = recorded(service, "audit", number).await {
            return Answer::Failed(error.to_string());
        }
    }
    let found = match service.store.find_audited(&AuditQuery { count: COUNT as usize, ..asked }).await {
        Ok(found) => found,
        Err(error) => return Answer::Failed(error.to_string()),
    };
    let place = |audited: &Audited| (audited.entry.time.as_microsecond(), (audited.writer, audited.sequence));
    let next = if found.len() as u64 == COUNT { found.last().map(place) } else { None };
    let mut lines = String::new();
    for audited in &found {
        let mut event = service.audit_event(audited);
        if with_codes {
            let url = format!("{}/StructureDefinition/audit-chain", service.base_url);
            event["extension"] = json!([{ "url": url, "valueBase64Binary": BASE64_STANDARD.encode(&audited.chain) }]);
        }
        lines.push_str(&event.to_string());
        lines.push('\n');
    }
    Answer::AuditChunk(AuditChunk { lines, count: found.len() as u64, next })
}

pub(super) async fn chunk(service: &Arc<Service>, resource_type: &str, after: i64) -> Answer {
    let Some(entry) = service.parameters.entry(resource_type) else {
        return Answer::Failed(format!("{resource_type} is no resource type of R4"));
    };
    if after == i64::MIN
        && let Err(error) = recorded(service, "export", Some(entry.number)).await
    {
        return Answer::Failed(error.to_string());
    }
    let page = match service.store.walk(entry.number, after, COUNT).await {
        Ok(page) => page,
        Err(error) => return Answer::Failed(error.to_string()),
    };
    let next = if page.len() as u64 == COUNT { page.last().map(|stored| stored.key) } else { None };
    let (mut lines, mut count) = (String::new(), 0);
    for stored in page.iter().filter(|stored| !stored.deleted) {
        // What is stored is one line: it was written by a serializer.
        lines.push_str(&String::from_utf8_lossy(&stored.body));
        lines.push('\n');
        count += 1;
    }
    Answer::Chunk(Chunk { lines, count, next })
}
