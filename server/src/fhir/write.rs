//! The answer to a write, the same for create, update and delete.

use super::answer::{Answer, AnswerKind, Body};
use super::boundary;
use super::outcome::{Error, Issue, Kind, outcome_bytes};
use super::preferences::Return;
use super::service::{Request, Type};
use crate::access::{Boundary, Permission};
use crate::store::{Effect, Written};

/// By <https://hl7.org/fhir/R4/http.html#return> the whole resource is returned, unless the client prefers otherwise
/// or may not read it.
pub(super) fn answer(request: &Request<'_>, resource_type: Type, written: Written, may_read: bool) -> Answer {
    let service = request.service;
    let kind = match written.effect {
        Effect::Created => AnswerKind::Created,
        Effect::Updated => AnswerKind::Updated,
        Effect::Unchanged => AnswerKind::Unchanged,
        Effect::Deleted | Effect::AlreadyDeleted | Effect::Absent => AnswerKind::Deleted,
    };
    let is_deletion = kind == AnswerKind::Deleted;
    let returning = match request.preferences.returning.unwrap_or_default() {
        // What was deleted has no representation.
        Return::Representation if is_deletion => Return::OperationOutcome,
        Return::Representation if !may_read => Return::Minimal,
        returning => returning,
    };
    let body = match returning {
        Return::Minimal => Body::Empty,
        Return::Representation => Body::Bytes(written.body),
        Return::OperationOutcome => {
            let text = match written.effect {
                Effect::Created => "The resource was created.",
                Effect::Updated => "The resource was updated.",
                Effect::Unchanged => "A resource that matches is there already: nothing was created.",
                Effect::Deleted => "The resource was deleted.",
                Effect::AlreadyDeleted => "The resource had been deleted before.",
                Effect::Absent => "There was no such resource to delete.",
            };
            Body::Bytes(outcome_bytes(&[Issue::information(text)], Some(request.request_id)).into())
        }
    };
    let exists = written.version > 0;
    Answer {
        kind,
        version: exists.then_some(written.version),
        last_updated: exists.then_some(written.last_updated),
        location: (exists && !is_deletion)
            .then(|| service.version_url(resource_type.name, &written.id, written.version)),
        ..Answer::ok(body)
    }
}

/// Whether the token may see what is there now, by a read or by a search, where that is asked for: it may write more than
/// it may see. What cannot be told is no: the write is done.
pub(super) async fn may_read(request: &Request<'_>, resource_type: Type, written: &Written) -> bool {
    if request.preferences.returning.unwrap_or_default() != Return::Representation {
        return false;
    }
    for permission in [Permission::Read, Permission::Search] {
        let Ok(granted) = request.grant(resource_type, permission) else { continue };
        if granted == Boundary::Unrestricted {
            return true;
        }
        let Ok(resource) = vesta_runtime::json::parse(&written.body) else { return false };
        if boundary::is_shown(request, resource_type, &granted, &resource).await.unwrap_or(false) {
            return true;
        }
    }
    false
}

/// The answer to a unit of one operation.
pub(super) async fn single(request: &Request<'_>, resource_type: Type, written: Vec<Written>) -> Result<Answer, Error> {
    match written.into_iter().next() {
        Some(written) => {
            let may_read = may_read(request, resource_type, &written).await;
            Ok(answer(request, resource_type, written, may_read))
        }
        None => Err(Error::new(Kind::Internal, "The store did not tell what it wrote.")),
    }
}
