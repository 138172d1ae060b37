//! The interactions of the FHIR REST API (<https://hl7.org/fhir/R4/http.html>), without HTTP: one file an interaction.
//!
//! Each is an async function that takes a [`Request`] (the site's [`Service`], who asks, how it wants the answer) and
//! the facts of that interaction, and gives an [`Answer`] or an [`Error`] with all issues. The signatures:
//!
//! ```text
//! read::read(&Request, resource_type, id, &ReadConditions, parameters) -> Result<Answer, Error>
//! read::vread(&Request, resource_type, id, version_id, &ReadConditions, parameters)
//! create::create(&Request, resource_type, body: &[u8], if_none_exist: Option<&str>)
//! update::update(&Request, resource_type, id, body: &[u8], WriteConditions)
//! update::conditional(&Request, resource_type, condition: parameters, body: &[u8], WriteConditions)
//! patch::patch(&Request, resource_type, PatchTarget, PatchFormat, body: &[u8], WriteConditions)
//! delete::delete(&Request, resource_type, id, WriteConditions)
//! delete::conditional(&Request, resource_type, condition: parameters, WriteConditions)
//! history::instance(&Request, resource_type, id, parameters)
//! history::type_level(&Request, resource_type, parameters)
//! history::system(&Request, parameters)
//! search::search(&Request, resource_type, parameters)
//! search::system(&Request, parameters)
//! bundle::bundle(&Request, body: &[u8])
//! metadata::metadata(&Service, parameters)
//! operation::run(&Request, operation::find(&Service, name, place), place, parameters, body: Option<&[u8]>)
//! app_state::create(&Request, body), update(.., id, body, WriteConditions), delete(.., id, WriteConditions), search(.., parameters)
//! binary::read(&Request, id, accept_fhir: bool, &ReadConditions, parameters)
//! binary::vread(&Request, id, version_id, accept_fhir: bool, &ReadConditions, parameters)
//! binary::create(&Request, content_type: &str, security_context: Option<&str>, content: &[u8])
//! binary::update(&Request, id, content_type: &str, security_context: Option<&str>, content: &[u8], WriteConditions)
//! ```
//!
//! `parameters` is `&[(String, String)]`: the query (and for a search by POST the form) decoded, in order, without
//! `_format` and `_pretty`, which `http` keeps to itself. `resource_type` is whatever stands in the path: an unknown
//! one is refused here.

mod ambiguous;
mod answer;
pub mod app_state;
mod audit;
mod audit_log;
pub mod binary;
mod boundary;
pub mod bundle;
mod conditional;
mod conditions;
pub mod create;
mod cursor;
pub mod delete;
mod explain;
mod hierarchy;
pub mod history;
mod integrity;
mod listed;
pub mod metadata;
pub mod operation;
mod outcome;
mod page;
pub mod patch;
mod preferences;
mod query;
mod reach;
pub mod read;
pub mod search;
mod service;
mod services;
mod summary;
mod terminology;
mod terminology_capabilities;
pub mod update;
mod versions;
mod write;

pub use answer::{Answer, AnswerKind, Body, ContentType, digest};
pub use conditions::{ReadConditions, WriteConditions, is_named};
pub use outcome::{Error, Issue, IssueType, Kind, Severity, outcome, outcome_bytes};
pub use preferences::{Handling, Preferences, Return};
pub use query::{is_json, parse as parse_query, refuse_on_write};
pub use service::{Origin, PageSizes, Request, Service, WriteRules};
pub use services::Services;

#[cfg(test)]
mod tests;
