//! From the answer to an entry, or its error, to the entry of the response.

use crate::fhir::answer::{Answer, AnswerKind, Body};
use crate::fhir::outcome::Error;
use crate::fhir::page::{Beside, BundleWriter, Response, status_line};
use crate::fhir::preferences::Return;
use crate::fhir::service::Request;
use crate::store;

/// One finished entry.
pub(super) enum Outcome {
    Answer(Answer),
    /// Only in a batch: in a transaction one error is the error of all.
    Error(Error),
}

/// The response Bundle: one entry for each of the request's, in the same order.
pub(super) fn bundle(request: &Request<'_>, response_type: &str, outcomes: Vec<Outcome>) -> Body {
    let mut writer = BundleWriter::new(response_type, None, &[("self", request.service.base_url.clone())]);
    for outcome in outcomes {
        match outcome {
            Outcome::Answer(answer) => write_answer(request, &mut writer, answer),
            Outcome::Error(error) => {
                // No status of the whole tells of it.
                error.log(request.request_id);
                let status = status_line(error.kind.status());
                let outcome = error.to_bytes(None);
                let response = Response { status: &status, outcome: Some(&outcome), ..Response::default() };
                writer.entry(None, None, &Beside::Response(response));
            }
        }
    }
    writer.finish()
}

fn write_answer(request: &Request<'_>, writer: &mut BundleWriter, answer: Answer) {
    let status = status_line(answer.status());
    let etag = answer.etag();
    let last_modified = answer.last_updated.map(store::instant);
    let says_outcome = match answer.kind {
        AnswerKind::Deleted => true,
        AnswerKind::Created | AnswerKind::Updated | AnswerKind::Unchanged => {
            request.preferences.returning == Some(Return::OperationOutcome)
        }
        AnswerKind::Ok | AnswerKind::NotModified => false,
    };
    let location = answer.location;
    let body = answer.body.into_bytes();
    let (resource, outcome) = if body.is_empty() {
        (None, None)
    } else if says_outcome {
        (None, Some(&body))
    } else {
        (Some(&body), None)
    };
    let response = Response {
        status: &status,
        location: location.as_deref(),
        etag: etag.as_deref(),
        last_modified: last_modified.as_deref(),
        outcome: outcome.map(|bytes| &bytes[..]),
    };
    let full_url = location.as_deref().and_then(|url| url.split("/_history/").next());
    writer.entry(full_url, resource, &Beside::Response(response));
}
