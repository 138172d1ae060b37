//! What is recorded beside the interactions themselves, which record their own: log-ins, consents, tokens, apps and
//! people, and what never became an interaction. `show` makes AuditEvents of the log's entries.

mod event;
mod show;

use jiff::Timestamp;

pub use event::{DicomCode, Event};
pub use show::{Recorder, audit_event, id_of, place_of};

use crate::site::Site;
use crate::store::{AuditEntry, AuditOutcome, StoreError};

/// The actor of a request whose token or name was not accepted: nothing that it says is to be believed.
pub const UNKNOWN: &str = "unauthenticated";

/// Whom an event concerns.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The user, as tokens name them (`sub`); [`UNKNOWN`] before they are known.
    pub actor: &'a str,
    /// The `client_id`; [`UNKNOWN`] where no app was named or authenticated.
    pub client: &'a str,
    /// The logical id of the patient in context.
    pub patient: Option<&'a str>,
}

impl Who<'_> {
    pub const UNKNOWN: Who<'static> = Who { actor: UNKNOWN, client: UNKNOWN, patient: None };
}

/// Records an event. What must not happen unrecorded is not answered before this is.
/// <https://hl7.org/fhir/R4/security.html#audit>
pub async fn record(
    site: &Site,
    event: Event,
    who: Who<'_>,
    outcome: AuditOutcome,
    request_id: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    site.service().store.audit(entry(event, who, outcome, request_id, now)).await
}

/// What is recorded of an event.
pub fn entry(event: Event, who: Who<'_>, outcome: AuditOutcome, request_id: &str, now: Timestamp) -> AuditEntry {
    AuditEntry {
        time: now,
        actor: who.actor.to_owned(),
        client: who.client.to_owned(),
        action: event.action(),
        interaction: event.code().to_owned(),
        outcome,
        patient: who.patient.map(str::to_owned),
        resource_type: None,
        resource_id: None,
        request_id: request_id.to_owned(),
    }
}

/// A token that was not accepted.
pub async fn refused_token(site: &Site, request_id: &str, now: Timestamp) {
    let recorded = record(site, Event::LogIn, Who::UNKNOWN, AuditOutcome::SeriousFailure, request_id, now);
    if let Err(error) = recorded.await {
        tracing::error!(%error, request_id, "a refused token could not be recorded");
    }
}
