//! What is recorded beside the interactions themselves, which record their own: what never became one.

use jiff::Timestamp;

use crate::site::Site;
use crate::store::{AuditAction, AuditEntry, AuditOutcome};

/// The actor of a request whose token was not accepted: nothing that such a token says is to be believed.
const UNKNOWN: &str = "unauthenticated";

/// A token that was not accepted. <https://hl7.org/fhir/R4/security.html#audit>
pub async fn refused_token(site: &Site, request_id: &str, now: Timestamp) {
    let entry = AuditEntry {
        time: now,
        actor: UNKNOWN.to_owned(),
        client: UNKNOWN.to_owned(),
        action: AuditAction::Execute,
        interaction: "login".to_owned(),
        outcome: AuditOutcome::SeriousFailure,
        patient: None,
        resource_type: None,
        resource_id: None,
        request_id: request_id.to_owned(),
    };
    if let Err(error) = site.service.store.audit(entry).await {
        tracing::error!(%error, request_id, "a refused token could not be recorded");
    }
}
