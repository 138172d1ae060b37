//! The audit log: one narrow, append-only table. AuditEvents are rendered from it when asked for.

use jiff::Timestamp;

/// Who did what, when, to which record, and how it ended. No content of a record stands in it.
/// <https://hl7.org/fhir/R4/auditevent.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    pub time: Timestamp,
    /// The `sub` of the token, or what stands for it where there was none.
    pub actor: String,
    pub client: String,
    pub action: AuditAction,
    /// The code of <http://hl7.org/fhir/restful-interaction>: `read`, `search-type`.
    pub interaction: String,
    pub outcome: AuditOutcome,
    /// The logical id of the patient concerned, where known.
    pub patient: Option<String>,
    pub resource_type: Option<u16>,
    pub resource_id: Option<String>,
    pub request_id: String,
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
