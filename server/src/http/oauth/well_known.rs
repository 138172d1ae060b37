//! The documents that tell how to connect. RFC 8414 and RFC 9728 insert `.well-known` before the path; OpenID Connect and SMART append it:
//! both forms are served.

use std::sync::{Arc, LazyLock};

use poem::{Endpoint, Request, Response};
use serde_json::json;

use super::super::answer::Refusal;
use super::super::entry::{RequestId, Template};
use super::super::fhir::{APP_STATE, is_get, refuse_site};
use super::answer::{error, public_json};
use crate::site::Sites;

#[derive(Clone, Copy)]
pub(in super::super) enum Document {
    /// RFC 8414, and OpenID Connect's with the path inserted.
    AuthorizationServer,
    /// RFC 9728
    ProtectedResource,
    /// `{fhir}/.well-known/smart-configuration`
    Smart,
}

pub(in super::super) struct WellKnown {
    sites: Arc<Sites>,
    document: Document,
}

impl WellKnown {
    pub(in super::super) fn new(sites: Arc<Sites>, document: Document) -> WellKnown {
        WellKnown { sites, document }
    }

    async fn answer(&self, request: &Request) -> Result<Response, Refusal> {
        if !is_get(request.method()) {
            return Err(Refusal::method("GET, HEAD"));
        }
        let name: String = request.path_params().unwrap_or_default();
        let site = self.sites.get(&name).await.map_err(refuse_site)?;
        let engine = site.authorization.engine().await.map_err(refuse_site)?;
        Ok(match self.document {
            Document::AuthorizationServer => match engine.provider_metadata(granular()) {
                Ok(document) => public_json(&document),
                Err(refused) => error(&refused),
            },
            Document::ProtectedResource => public_json(&engine.protected_resource_metadata(granular())),
            Document::Smart => {
                let mut document = engine.smart_configuration(granular());
                let app_state = format!("{}/apis/{}/{APP_STATE}", site.addresses.public_url, site.name);
                document["associated_endpoints"] = json!([{ "url": app_state, "capabilities": ["smart-app-state"] }]);
                if let Some(brands) = &site.brands {
                    let url = format!("{}/apis/{}/brands", site.addresses.public_url, site.name);
                    document["user_access_brand_bundle"] = url.into();
                    if let Some(identifier) = &brands.identifier {
                        document["user_access_brand_identifier"] = identifier.clone();
                    }
                }
                public_json(&document)
            }
        })
    }
}

impl Endpoint for WellKnown {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let request_id = request.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let answered = self.answer(&request).await;
        let mut response = answered.unwrap_or_else(|refusal| refusal.into_response(&request_id));
        response.extensions_mut().insert(Template("/.well-known"));
        Ok(response)
    }
}

/// The granular scopes of US Core's table, without their level: pages name the same.
pub(super) fn granular() -> &'static [String] {
    static GRANULAR: LazyLock<Vec<String>> = LazyLock::new(vesta_pages::words::granular);
    &GRANULAR
}
