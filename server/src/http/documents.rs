//! The API as a document, and the page that shows it to a person.

use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use poem::{Endpoint, Request, Response};

use super::answer::Refusal;
use super::entry::{RequestId, Template};
use super::fhir::is_get;

pub(super) enum Document {
    /// The OpenAPI document of the FHIR API.
    Fhir,
    /// Swagger UI on it.
    Page,
}

pub(super) const PAGE: &str = "/openapi/";

pub(super) const FHIR: &str = "/openapi/fhir.json";

/// The page's scripts and styles stand in the page itself; it may ask this server and nobody else.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
                           connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

impl Endpoint for Document {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if !is_get(request.method()) {
            let request_id = request.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
            return Ok(Refusal::method("GET, HEAD").into_response(&request_id));
        }
        let (body, content_type, template): (Response, _, _) = match self {
            Document::Fhir => (vesta_api::FHIR_OPENAPI.into(), "application/json", FHIR),
            Document::Page => (vesta_api::swagger_page(FHIR).into(), "text/html; charset=utf-8", "/openapi/"),
        };
        let mut response = body;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        if matches!(self, Document::Page) {
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
        }
        response.extensions_mut().insert(Template(template));
        Ok(response)
    }
}
