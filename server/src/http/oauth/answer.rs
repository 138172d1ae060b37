//! Answers of the authorization server to clients.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use poem::Response;
use serde::Serialize;
use vesta_oauth::{ErrorCode, OAuthError};

/// JSON, and "Cache-Control: no-store ... Pragma: no-cache": RFC 6749, 5.1.
pub(super) fn json(status: u16, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap_or_default()).body(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// JSON that anyone may keep for a while: discovery.
pub(super) fn public_json(value: &impl Serialize) -> Response {
    let mut response = json(200, value);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.remove(PRAGMA);
    response
}

/// 401 to who brought no token. "the resource server SHOULD NOT include an error code": RFC 6750, 3.1.
pub(super) fn no_token(text: &'static str) -> Response {
    let mut response = error(&OAuthError::new(ErrorCode::InvalidToken, text));
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// An error response: RFC 6749, 5.2.
pub(super) fn error(refused: &OAuthError) -> Response {
    let mut response = json(refused.status(), &refused.body());
    let headers = response.headers_mut();
    match refused.code {
        // "the authorization server MUST ... include the WWW-Authenticate response header field"
        ErrorCode::InvalidClient => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"client\""));
        }
        ErrorCode::InvalidToken => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"invalid_token\""));
        }
        ErrorCode::InsufficientScope => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer error=\"insufficient_scope\""));
        }
        ErrorCode::TemporarilyUnavailable | ErrorCode::SlowDown => {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        _ => {}
    }
    response
}
