//! `/apis/{site}/brands`: the user-access brands bundle, for any app of any origin, kept by its entity tag.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/brands.html>

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use poem::{Endpoint, Request, Response};

use super::answer::Refusal;
use super::entry::{RequestId, Template};
use super::fhir::{is_get, refuse_site, text};
use super::negotiate::FHIR_JSON_R4;
use crate::fhir::is_named;
use crate::site::Sites;

pub(super) struct BrandsBundle(pub(super) Arc<Sites>);

impl BrandsBundle {
    async fn answer(&self, request: &Request) -> Result<Response, Refusal> {
        if !is_get(request.method()) {
            return Err(Refusal::method("GET, HEAD"));
        }
        let name: String = request.path_params().unwrap_or_default();
        let site = self.0.get(&name).await.map_err(refuse_site)?;
        let Some(brands) = &site.brands else {
            return Err(Refusal::not_found("this site publishes no brands: an operator can (sites.….brands)"));
        };
        let known = text(request.headers(), IF_NONE_MATCH.as_str()).unwrap_or_default();
        let mut response = match is_named(known, &brands.digest) {
            true => Response::builder().status(StatusCode::NOT_MODIFIED).finish(),
            false => Response::builder().body(brands.bundle.clone()),
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(FHIR_JSON_R4));
        // It may be kept, and is asked for again before it is used.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, no-cache"));
        if let Ok(etag) = HeaderValue::from_str(&format!("W/\"{}\"", brands.digest)) {
            headers.insert(ETAG, etag);
        }
        Ok(response)
    }
}

impl Endpoint for BrandsBundle {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let request_id = request.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let answered = self.answer(&request).await;
        let mut response = answered.unwrap_or_else(|refusal| refusal.into_response(&request_id));
        response.extensions_mut().insert(Template("/brands"));
        Ok(response)
    }
}
