//! The page at the server's root, and the sample app that `vesta demo` serves beside it.

use std::sync::Arc;

use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use poem::{Endpoint, Request, Response};
use vesta_pages::{Entry, Landing, Template as _, sample_app};

use super::answer::Refusal;
use super::documents;
use super::entry::{RequestId, Template};
use super::fhir::{is_get, refuse_site};
use super::oauth;
use crate::config::SiteName;
use crate::site::{Site, Sites};

/// Who and what a demo's visitor may use.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The sample app's `client_id`.
    pub client_id: String,
    /// User name, password, and who it is.
    pub users: Vec<(String, String, String)>,
}

/// Under the server's root, in a demo.
pub const SAMPLE_APP: &str = "sample-app";

pub(super) struct Root {
    pub(super) sites: Arc<Sites>,
    pub(super) demo: Option<Demo>,
}

impl Root {
    async fn answer(&self, request: &Request, request_id: &str) -> Result<Response, Refusal> {
        if !is_get(request.method()) {
            return Err(Refusal::method("GET, HEAD"));
        }
        let site = self.sites.get(SiteName::default().as_str()).await.map_err(refuse_site)?;
        let page = self.page(&site, request_id);
        Ok(oauth::html(200, &page))
    }

    fn page(&self, site: &Site, request_id: &str) -> Landing {
        let (addresses, url) = (&site.addresses, &site.addresses.public_url);
        let issuer = &addresses.issuer;
        let frame = oauth::frame(site, request_id);
        let demo = self.demo.as_ref().map(|demo| vesta_pages::Demo {
            app: format!("{url}/{SAMPLE_APP}/index.html"),
            users: demo
                .users
                .iter()
                .map(|(username, password, who)| vesta_pages::DemoUser {
                    username: username.clone(),
                    password: password.clone(),
                    who: who.clone(),
                })
                .collect(),
        });
        Landing {
            frame,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            fhir_base: addresses.fhir_base.clone(),
            demo,
            people: vec![
                Entry::new("Sign in", format!("{issuer}/login"), "To your account here."),
                Entry::new(
                    "Apps with access",
                    format!("{issuer}/apps"),
                    "See which apps may see records in your name, and take that back.",
                ),
                Entry::new(
                    "Start an app",
                    format!("{issuer}/launcher"),
                    "For staff: choose a patient and start an app for them.",
                ),
                Entry::new(
                    "Administration",
                    format!("{issuer}/clients"),
                    "Approve apps, look at what they hold, manage people.",
                ),
            ],
            developers: vec![
                Entry::new(
                    "What the FHIR API can do",
                    format!("{}/metadata", addresses.fhir_base),
                    "The CapabilityStatement.",
                ),
                Entry::new(
                    "How to connect",
                    format!("{}/.well-known/smart-configuration", addresses.fhir_base),
                    "SMART App Launch: endpoints, scopes and capabilities.",
                ),
                Entry::new(
                    "OpenID Connect",
                    format!("{issuer}/.well-known/openid-configuration"),
                    "The authorization server's metadata.",
                ),
                Entry::new(
                    "Read and try",
                    format!("{url}{}", documents::PAGE),
                    "The API as an OpenAPI document, with Swagger UI.",
                ),
            ],
        }
    }
}

impl Endpoint for Root {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let request_id = request.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let answered = self.answer(&request, &request_id).await;
        let mut response = answered.unwrap_or_else(|refusal| refusal.into_response(&request_id));
        response.extensions_mut().insert(Template("/"));
        Ok(response)
    }
}

/// The sample app: a client like any other, which knows nothing of this server.
pub(super) struct SampleApp {
    pub(super) sites: Arc<Sites>,
    pub(super) demo: Demo,
}

/// Its own script runs, and asks this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

impl SampleApp {
    async fn answer(&self, request: &Request) -> Result<Response, Refusal> {
        if !is_get(request.method()) {
            return Err(Refusal::method("GET, HEAD"));
        }
        let site = self.sites.get(SiteName::default().as_str()).await.map_err(refuse_site)?;
        let name: String = request.path_params().unwrap_or_default();
        let client_id = self.demo.client_id.clone();
        let rendered = |page: Result<String, vesta_pages::Error>| page.unwrap_or_default();
        let (body, kind) = match name.as_str() {
            "" | "index.html" => {
                let (fhir_base, home) = (site.addresses.fhir_base.clone(), format!("{}/", site.addresses.public_url));
                (rendered(sample_app::Index { client_id, fhir_base, home }.render()), "text/html; charset=utf-8")
            }
            "launch.html" => (rendered(sample_app::Launch { client_id }.render()), "text/html; charset=utf-8"),
            "app.js" => (sample_app::SCRIPT.to_owned(), "text/javascript; charset=utf-8"),
            "app.css" => (sample_app::STYLESHEET.to_owned(), "text/css; charset=utf-8"),
            _ => return Err(Refusal::not_found("the sample app has no such file")),
        };
        let mut response: Response = body.into();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        Ok(response)
    }
}

impl Endpoint for SampleApp {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let request_id = request.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let answered = self.answer(&request).await;
        let mut response = answered.unwrap_or_else(|refusal| refusal.into_response(&request_id));
        response.extensions_mut().insert(Template("/sample-app"));
        Ok(response)
    }
}
