//! The interactions of the FHIR REST API (<https://hl7.org/fhir/R4/http.html>), without HTTP: one file an interaction.
//!
//! Each is an async function that takes a [`Request`] (the site's [`Service`], who asks, how it wants the answer) and
//! the facts of that interaction, and gives an [`Answer`] or an [`Error`] with all issues. The signatures:
//!
//! ```text
//! read::read(&Request, resource_type, id, &ReadConditions, parameters) -> Result<Answer, Error>
//! read::vread(&Request, resource_type, id, version_id, parameters)
//! create::create(&Request, resource_type, body: &[u8], if_none_exist: Option<&str>)
//! update::update(&Request, resource_type, id, body: &[u8], if_match: Option<&str>)
//! delete::delete(&Request, resource_type, id, if_match: Option<&str>)
//! history::instance(&Request, resource_type, id, parameters)
//! history::type_level(&Request, resource_type, parameters)
//! history::system(&Request, parameters)
//! search::search(&Request, resource_type, parameters)
//! bundle::bundle(&Request, body: &[u8])
//! metadata::metadata(&Service, parameters)
//! binary::read(&Request, id, accept_fhir: bool, &ReadConditions)
//! binary::create(&Request, content_type: &str, security_context: Option<&str>, content: &[u8])
//! binary::update(&Request, id, content_type: &str, security_context: Option<&str>, content: &[u8], if_match)
//! ```
//!
//! `parameters` is `&[(String, String)]`: the query (and for a search by POST the form) decoded, in order, without
//! `_format` and `_pretty`, which `http` keeps to itself. `resource_type` is whatever stands in the path: an unknown
//! one is refused here.

mod answer;
mod bundle;
mod conditions;
mod cursor;
mod outcome;
mod page;
mod preferences;
mod query;
mod summary;

pub use answer::{Answer, AnswerKind, Body, ContentType};
pub use conditions::ReadConditions;
pub use outcome::{Error, Issue, IssueType, Kind, Severity, outcome, outcome_bytes};
pub use preferences::{Handling, Preferences, Return};

use crate::access::AccessContext;

/// What the interactions need of a site; the site owns it.
pub struct Service {
    /// `https://host/apis/default/fhir`: made from the site's `public_url`, the only source of `fullUrl` and links.
    /// No slash at its end.
    pub base_url: String,
}

/// The facts that every interaction needs.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    pub service: &'a Service,
    pub access: &'a AccessContext,
    /// The `X-Request-Id`: in the log, in the audit and in every OperationOutcome.
    pub request_id: &'a str,
    pub preferences: Preferences,
}
