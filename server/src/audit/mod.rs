//! What is recorded beside the interactions themselves, which record their own: log-ins, consents, tokens, apps and
//! people, and what never became an interaction. `show` makes AuditEvents of the log's entries.

mod event;
mod show;

use std::net::IpAddr;

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
    /// The user who is made or changed, by the id that tokens have.
    pub user: Option<&'a str>,
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub request_id: &'a str,
    pub address: Option<IpAddr>,
}

impl Who<'_> {
    pub const UNKNOWN: Who<'static> = Who { actor: UNKNOWN, client: UNKNOWN, patient: None, user: None };
}

/// Records an event. What must not happen unrecorded is not answered before this is.
/// <https://hl7.org/fhir/R4/security.html#audit>
pub async fn record(
    site: &Site,
    event: Event,
    who: Who<'_>,
    outcome: AuditOutcome,
    origin: Origin<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let entry = entry(event, who, outcome, origin.request_id, now);
    let address = origin.address.map(|address| address.to_canonical().to_string());
    site.service().store.audit(AuditEntry { address, ..entry }).await
}

/// What is recorded of an event.
pub fn entry(event: Event, who: Who<'_>, outcome: AuditOutcome, request_id: &str, now: Timestamp) -> AuditEntry {
    AuditEntry {
        time: now,
        actor: who.actor.into(),
        client: who.client.into(),
        action: event.action(),
        interaction: event.code().into(),
        outcome,
        patient: who.patient.map(str::to_owned),
        resource_type: None,
        // Of no resource type: whom it is about, where it is a user.
        resource_id: who.user.map(str::to_owned),
        request_id: request_id.to_owned(),
        address: None,
        query: None,
        token: None,
    }
}

/// A token that was not accepted.
pub async fn refused_token(site: &Site, origin: Origin<'_>, now: Timestamp) {
    let recorded = record(site, Event::LogIn, Who::UNKNOWN, AuditOutcome::SeriousFailure, origin, now);
    if let Err(error) = recorded.await {
        tracing::error!(%error, request_id = origin.request_id, "a refused token could not be recorded");
    }
}
