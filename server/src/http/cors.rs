//! Cross-origin requests of apps that run in a browser, "exactly as the guide says": the documents that tell how to
//! connect are for any origin, the token endpoint and the FHIR API for the origins that clients have registered.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support>
//!
//! No answer allows credentials: apps send tokens, and no cookie of this server means anything to these routes.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderValue, Method, StatusCode};
use poem::{Endpoint, Request, Response};

use super::entry::Template;
use crate::site::Sites;

/// An endpoint that browsers may ask from other origins.
pub(super) struct Cors<E> {
    inner: E,
    sites: Arc<Sites>,
}

/// What an app sends and reads beside what every request may.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
const HEADERS: HeaderValue = HeaderValue::from_static(
    "Authorization, Accept, Content-Type, Prefer, If-Match, If-None-Match, If-None-Exist, If-Modified-Since, \
     If-Unmodified-Since, X-Security-Context, X-Request-Id",
);
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Content-Location, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, X-Request-Id",
);

impl<E> Cors<E> {
    /// The endpoint's paths name the site in their second segment.
    pub(super) fn new(inner: E, sites: Arc<Sites>) -> Cors<E> {
        Cors { inner, sites }
    }

    /// The origin that may read the answer, if the request comes from one.
    async fn allowed(&self, request: &Request) -> Option<HeaderValue> {
        let origin = request.headers().get(ORIGIN)?;
        if is_public(request.uri().path()) {
            return Some(HeaderValue::from_static("*"));
        }
        let site = request.uri().path().split('/').nth(2)?;
        let site = self.sites.get(site).await.ok()?;
        site.authorization.is_registered_origin(origin.to_str().ok()?).await.then(|| origin.clone())
    }
}

/// What tells how to connect, what verifies signatures, and the brands: "SHALL support Cross-Origin Resource Sharing
/// (CORS) for all GET requests to the artifacts".
fn is_public(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let is_document =
        matches!(segments[..], ["apis", _, "fhir", "metadata"] | ["apis", _, "brands"] | ["oauth2", _, "jwk"]);
    is_document || segments.contains(&".well-known")
}

impl<E: Endpoint<Output = Response>> Endpoint for Cors<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let allowed = self.allowed(&request).await;
        let is_preflight =
            request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let mut response = if is_preflight {
            let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
            if allowed.is_some() {
                let headers = response.headers_mut();
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
                headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
            }
            response.extensions_mut().insert(Template("preflight"));
            response
        } else {
            self.inner.call(request).await?
        };
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(allowed) = allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
        Ok(response)
    }
}
