//! The one place where what `fhir` says becomes HTTP: answers with their headers, errors as OperationOutcomes.

use std::time::{Duration, SystemTime};

use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use poem::Response;

use super::body;
use super::negotiate::{self, FHIR_JSON_R4};
use crate::access::{AccessError, TokenError};
use crate::fhir::{Answer, Body, ContentType, Error, Issue, IssueType, Kind};

/// An error with the headers that belong to it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) error: Error,
    pub(super) headers: HeaderMap,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let mut headers = HeaderMap::new();
        match error.cause.as_ref().and_then(|cause| cause.downcast_ref::<AccessError>()) {
            Some(AccessError::InsufficientScope { needed }) => {
                // RFC 6750, 3.1
                let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\"");
                insert(&mut headers, WWW_AUTHENTICATE, &challenge);
            }
            // "The origin server MUST generate an Allow header field in a 405": RFC 9110, 15.5.6.
            Some(AccessError::AuditEventsAreRecorded) => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            _ => {}
        }
        if matches!(error.kind, Kind::Unavailable | Kind::Throttled) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Refusal { error, headers }
    }
}

impl Refusal {
    /// 401, with the challenge of RFC 6750, 3. No `error` code where no token was sent.
    pub(super) fn unauthorized(realm: &str, error: Option<&TokenError>) -> Refusal {
        let (challenge, text) = match error {
            None => (
                format!("Bearer realm=\"{realm}\""),
                "an access token is needed: send it as Authorization: Bearer …".to_owned(),
            ),
            Some(error) => (format!("Bearer realm=\"{realm}\", error=\"invalid_token\""), error.to_string()),
        };
        let code = match error {
            Some(TokenError::Expired) => IssueType::Expired,
            _ => IssueType::Login,
        };
        let mut headers = HeaderMap::new();
        insert(&mut headers, WWW_AUTHENTICATE, &challenge);
        Refusal { error: Error::from_issue(Kind::Unauthorized, Issue::error(code, text)), headers }
    }

    pub(super) fn not_found(what: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
        Error::new(Kind::NotFound, what).into()
    }

    pub(super) fn method(allow: &'static str) -> Refusal {
        let error = Error::new(Kind::MethodNotAllowed, format!("this method is not offered here; these are: {allow}"));
        Refusal { error, headers: HeaderMap::from_iter([(ALLOW, HeaderValue::from_static(allow))]) }
    }

    /// "The 415 … response SHOULD include an Accept-Patch response header": RFC 5789, 2.2.
    pub(super) fn patch(error: Error) -> Refusal {
        let mut refusal = Refusal::from(error);
        insert(&mut refusal.headers, HeaderName::from_static("accept-patch"), negotiate::PATCHES);
        refusal
    }

    pub(super) fn into_response(self, request_id: &str) -> Response {
        let status = status(self.error.kind.status());
        self.error.log(request_id);
        let mut response = Response::builder().status(status).finish();
        *response.headers_mut() = self.headers;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON_R4));
        let bytes = self.error.to_bytes(Some(request_id));
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        response.set_body(bytes);
        response
    }
}

/// How the client wants its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) pretty: bool,
    pub(super) gzip: bool,
    /// What FHIR's JSON is called.
    pub(super) content_type: &'static str,
}

pub(super) fn into_response(mut answer: Answer, form: Form) -> Response {
    let mut response = Response::builder().status(status(answer.status())).finish();
    let headers = response.headers_mut();
    if let Some(etag) = answer.etag() {
        insert(headers, ETAG, &etag);
    }
    if let Some(time) = answer.last_updated {
        let since_1970 = Duration::from_secs(time.as_second().unsigned_abs());
        insert(headers, LAST_MODIFIED, &httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since_1970));
    }
    if let Some(location) = &answer.location {
        insert(headers, LOCATION, location);
    }
    if !answer.body.is_empty() {
        match &answer.content_type {
            ContentType::FhirJson => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type));
                if form.pretty {
                    answer.body = pretty(answer.body);
                }
            }
            ContentType::Raw(name) => insert(headers, CONTENT_TYPE, name),
        }
    }
    body::fill(&mut response, answer.body, form.gzip);
    response
}

/// Indented; decimals and the order of keys stay as they are.
fn pretty(body: Body) -> Body {
    let bytes = body.into_bytes();
    let indented =
        serde_json::from_slice::<serde_json::Value>(&bytes).and_then(|value| serde_json::to_vec_pretty(&value));
    Body::Bytes(indented.map_or(bytes, Into::into))
}

fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A value that cannot stand in a header is left out rather than cut.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
