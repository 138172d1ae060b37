//! The outermost layer: every request passes here first and every answer last. Request ids, security headers,
//! counting and logging, the time limit, and what becomes of errors that no route handled.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use poem::error::NotFoundError;
use poem::{Endpoint, Request, Response};

use super::answer::Refusal;
use super::telemetry::{count_request, method_label, panicked};
use crate::clock::Ids;
use crate::fhir::{Error, Issue, IssueType, Kind};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request, as an extension of it.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub String);

/// The route's template, as an extension of a response: what metrics and logs may name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template(pub &'static str);

pub(super) struct Entry<E> {
    inner: E,
    ids: Ids,
    timeout: Duration,
    /// Whether clients are told to use nothing but TLS from now on.
    strict_transport: bool,
}

impl<E: Endpoint<Output = Response>> Entry<E> {
    pub(super) fn new(inner: E, ids: Ids, timeout: Duration, strict_transport: bool) -> Entry<E> {
        Entry { inner, ids, timeout, strict_transport }
    }

    async fn answer(&self, request: Request, request_id: &str) -> Response {
        let answered = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        let refused = match tokio::time::timeout(self.timeout, answered).await {
            Ok(Ok(Ok(response))) => return response,
            Ok(Ok(Err(error))) => refusal(&error),
            Ok(Err(_)) => {
                let fault = "a fault of the server's own; its log has more under this id";
                Error::new(Kind::Internal, fault).caused_by(panicked()).into()
            }
            Err(_) => {
                let issue = Issue::error(
                    IssueType::Timeout,
                    format!("the request took longer than {} seconds and was given up", self.timeout.as_secs()),
                );
                Error::from_issue(Kind::Unavailable, issue).into()
            }
        };
        refused.into_response(request_id)
    }
}

impl<E: Endpoint<Output = Response>> Endpoint for Entry<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let method = request.method().clone();
        let request_id = given_id(request.headers()).unwrap_or_else(|| self.ids.next());
        request.extensions_mut().insert(RequestId(request_id.clone()));
        let mut response = self.answer(request, &request_id).await;
        if method == Method::HEAD {
            // Content-Length stays: it says what GET would send.
            response.take_body();
        }
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            headers.insert(REQUEST_ID, value);
        }
        for (name, value) in SECURITY_HEADERS {
            // The one page that is meant to run has a policy of its own.
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if self.strict_transport {
            headers.insert("strict-transport-security", HeaderValue::from_static("max-age=31536000"));
        }
        let route = response.data::<Template>().map_or("none", |template| template.0);
        let took = started.elapsed();
        let status = response.status();
        count_request(method_label(&method), route, status.as_u16(), took);
        tracing::debug!(
            request_id,
            method = method_label(&method),
            route,
            status = status.as_u16(),
            microseconds = took.as_micros() as u64,
            "answered"
        );
        Ok(response)
    }
}

/// A stored Binary may be an HTML page: nothing that is served here may run as one.
const SECURITY_HEADERS: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
];

/// The client's own id, where it can stand in a log and as the id of an OperationOutcome.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| text.to_owned())
}

/// What poem itself refuses.
fn refusal(error: &poem::Error) -> Refusal {
    if error.is::<NotFoundError>() {
        return Refusal::not_found("there is nothing at this address; the FHIR base is /apis/{site}/fhir");
    }
    let kind = match error.status() {
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Kind::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::UnsupportedMediaType,
        status if status.is_client_error() => Kind::Invalid,
        _ => Kind::Internal,
    };
    Error::new(kind, error.status().canonical_reason().unwrap_or("refused")).caused_by(error.to_string()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_taken_only_where_it_can_be_an_id() {
        let given =
            |text: &'static str| given_id(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(text))]));
        assert_eq!(given("a-1.B").as_deref(), Some("a-1.B"));
        for bad in ["", "a b", "a_b", "<script>", "ä", &"x".repeat(65)] {
            let value = HeaderValue::from_bytes(bad.as_bytes()).unwrap();
            assert_eq!(given_id(&HeaderMap::from_iter([(REQUEST_ID, value)])), None, "{bad}");
        }
    }
}
