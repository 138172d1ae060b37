//! Who may do what: a token becomes an [`AccessContext`]; the context answers whether an interaction is granted,
//! and within which boundary. Nothing here knows HTTP or SQL.

mod audit_log;
mod grant;
mod token;
mod verify;

use std::sync::Arc;

use crate::search::Criterion;

pub use audit_log::AUDIT_EVENT;
pub use grant::{Asked, Remembered};
pub use token::{Claims, NewToken, SigningKey, SigningKeyError, TokenError};
pub use verify::Verifier;
// The language of scopes is one with the server that grants them.
pub use vesta_oauth::{
    Level, OperationScope, Permission, Permissions, Scope, ScopeError, parse_operations, parse_scopes,
};

/// What a verified token says, for the time of one request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccessContext {
    /// The `sub` claim.
    pub subject: Arc<str>,
    /// The `client_id` claim.
    pub client_id: Arc<str>,
    /// The patient in context, where the token has one.
    pub patient: Option<String>,
    /// The `jti` claim.
    pub token_id: Option<Arc<str>>,
    /// The user's own resource, where the token covers reading it: it has `openid fhirUser`, and the claim.
    pub fhir_user: Option<String>,
    /// The `roles` claim names an administrator of this site.
    pub is_administrator: bool,
    pub scopes: Vec<Scope>,
    /// Those that name an operation.
    pub operations: Vec<OperationScope>,
    /// What the constraints of these scopes came to. Whoever changes the others starts with a new one.
    pub remembered: Remembered,
}

/// What a grant covers.
#[derive(Debug, Clone, PartialEq)]
pub enum Boundary {
    /// Every resource of the type.
    Unrestricted,
    /// What the patient boundary table gives to this patient (the logical id of a Patient).
    Patient(String),
    /// What lies in one of these; nothing else of any type.
    Parts(Arc<[Part]>),
}

/// A part of some types.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub types: Vec<&'static str>,
    /// Within the boundary of this patient, where there is one.
    pub patient: Option<String>,
    /// What a resource must meet: no chains, and nothing that only a look at the body tells.
    pub criteria: Vec<Criterion>,
    /// What leads into the patient's boundary by a record of one of these types does so only where that record lies
    /// within the type's own grant.
    pub narrowed: Vec<(&'static str, Boundary)>,
}

/// Why an interaction is not granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    #[error("the token's scopes do not cover this interaction: {needed} is needed")]
    InsufficientScope {
        /// The narrowest scope that would do: `patient/Observation.s`.
        needed: String,
    },
    #[error("the token has patient scopes and no patient in context: ask for launch/patient, or for user scopes")]
    NoPatient,
    #[error("the token's scope {scope}?… grants nothing of this: {reason}")]
    Undecided {
        /// Without what stands behind `?`.
        scope: String,
        reason: String,
    },
    #[error(
        "the audit log is for administrators: a system/AuditEvent.{letter} scope is needed, or user/AuditEvent.{letter} \
         of a user who is one, without a constraint"
    )]
    AuditLog { letter: char },
    #[error(
        "AuditEvents are what this server has recorded: they are read and searched, and nobody creates, changes or \
         deletes one"
    )]
    AuditEventsAreRecorded,
    #[error(
        "AuditEvents are not among the stored resources: they are found by AuditEvent?… and read by AuditEvent/[id]"
    )]
    AuditEventsStandApart,
}

/// Who runs commands where the data are, as the audit log names them.
pub const OPERATOR: &str = "operator";

impl AccessContext {
    /// The operator's own rights, for commands that run where the data are (`import`, `export`): everything.
    pub fn operator(command: &str) -> AccessContext {
        let everything =
            Scope { level: Level::System, resource_type: None, permissions: Permissions::ALL, constraint: Vec::new() };
        AccessContext {
            subject: OPERATOR.into(),
            client_id: format!("vesta-{command}").into(),
            scopes: vec![everything],
            ..AccessContext::default()
        }
    }
}
