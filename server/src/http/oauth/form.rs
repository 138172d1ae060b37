//! What a form holds: parameters of the OAuth endpoints, fields of the pages.

use poem::Request;
use vesta_oauth::OAuthError;

use super::super::{body, negotiate};
use crate::fhir::parse_query;

/// More than any form of ours needs; a client assertion and a long list of scopes are a few KB.
const LIMIT: usize = 64 << 10;

/// The parameters of a body `application/x-www-form-urlencoded`.
/// <https://www.rfc-editor.org/rfc/rfc6749#appendix-B>
pub(super) async fn read(request: &mut Request) -> Result<Vec<(String, String)>, OAuthError> {
    if negotiate::check_form(request.headers()).is_err() {
        return Err(OAuthError::invalid_request(
            "the parameters must stand in a body of the type application/x-www-form-urlencoded",
        ));
    }
    let bytes = bytes(request).await?;
    let text = std::str::from_utf8(&bytes).map_err(|_| OAuthError::invalid_request("the body is not UTF-8"))?;
    Ok(parse_query(text))
}

/// A body in whatever form.
pub(super) async fn bytes(request: &mut Request) -> Result<bytes::Bytes, OAuthError> {
    let body = request.take_body();
    body::read(request.headers(), body, LIMIT).await.map_err(|_| {
        OAuthError::invalid_request("the body is larger than 65536 bytes, or could not be read to its end")
    })
}

/// The first value of a name; none for an empty one, which counts as absent.
/// "Parameters sent without a value MUST be treated as if they were omitted": RFC 6749, 3.1.
pub(super) fn value<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}

/// All values of a name: the switches of a page.
pub(super) fn values<'a>(parameters: &'a [(String, String)], name: &str) -> impl Iterator<Item = &'a str> {
    parameters.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
}
