//! The authorization server over HTTP, under `/oauth2/{site}`: what clients call, as JSON; what people see is `pages`'. The engine decides
//! everything; here requests become its parameters, and what it says becomes answers.

mod answer;
mod chart;
mod cookie;
mod endpoints;
mod form;
mod pages;
mod route;
mod throttle;
mod well_known;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use poem::{Endpoint, Request, Response};
use vesta_oauth::{Credentials, ErrorCode, OAuthError};

use super::answer::Refusal;
use super::entry::{RequestId, Template};
use super::forwarded;
use super::route::NoRoute;
use crate::audit::{self, Event, Who};
use crate::config::SiteName;
use crate::site::{OAuthEngine, Site, Sites};
use crate::store::AuditOutcome;
use answer::error;
use route::{Route, route};
use throttle::{Asked, Throttle};

pub(super) use pages::{frame, html};
pub(super) use route::paths;
pub(super) use well_known::{Document, WellKnown};

pub(super) struct OAuthApi {
    sites: Arc<Sites>,
    throttles: Mutex<HashMap<SiteName, Arc<Throttle>>>,
}

/// A request, and what it is about.
struct Call<'a> {
    site: &'a Arc<Site>,
    engine: &'a Arc<OAuthEngine>,
    throttle: &'a Throttle,
    request_id: &'a str,
    address: Option<IpAddr>,
}

impl OAuthApi {
    pub(super) fn new(sites: Arc<Sites>) -> OAuthApi {
        OAuthApi { sites, throttles: Mutex::default() }
    }

    fn throttle(&self, site: &SiteName) -> Arc<Throttle> {
        let mut throttles = self.throttles.lock().unwrap_or_else(PoisonError::into_inner);
        throttles.entry(site.clone()).or_insert_with(|| Arc::new(Throttle::new())).clone()
    }

    async fn answer(
        &self,
        request: &mut Request,
        request_id: &str,
        template: &mut Template,
    ) -> Result<Response, Refusal> {
        let full = request.uri().path().to_owned();
        // The route that led here has made sure of the shape: /oauth2/{site}/…
        let rest = full.strip_prefix("/oauth2/").unwrap_or_default();
        let (site, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (route, known) = route(request.method(), path).map_err(|refused| match refused {
            NoRoute::NotFound => Refusal::not_found(
                "the authorization server has no such address; /oauth2/{site}/.well-known/openid-configuration names them",
            ),
            NoRoute::Method { allow } => Refusal::method(allow),
        })?;
        template.0 = known;
        let site = self.sites.get(site).await.map_err(super::fhir::refuse_site)?;
        let engine = site.authorization.engine().await.map_err(super::fhir::refuse_site)?.clone();
        let peer = request.remote_addr().as_socket_addr().map(SocketAddr::ip);
        let throttle = self.throttle(&site.name);
        let call = Call {
            site: &site,
            engine: &engine,
            throttle: &throttle,
            request_id,
            address: peer.map(|peer| forwarded::client(peer, request.headers(), self.sites.config())),
        };
        // An app may send the browser to sign out by GET.
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD) || route == Route::Logout;
        let response = match route {
            Route::Asset { name } => pages::asset(name),
            Route::Page(page) => pages::answer(&call, page, request).await,
            Route::Authorize => pages::authorize(&call, request).await,
            Route::Logout => pages::logout(&call, request).await,
            route => call.endpoint(route, request).await.unwrap_or_else(|refused| error(&refused)),
        };
        if changes {
            // What was revoked with it takes effect here at once; elsewhere within a second.
            if let Err(error) = site.authorization.follow(&site.verifier).await {
                tracing::warn!(%error, request_id, "revocations cannot be read");
            }
        }
        Ok(response)
    }
}

impl Call<'_> {
    /// Leaves a line in the audit log. What cannot be recorded is not done, or not given out.
    async fn record(&self, event: Event, who: Who<'_>, done: bool) -> Result<(), OAuthError> {
        let outcome = if done { AuditOutcome::Success } else { AuditOutcome::MinorFailure };
        let origin = audit::Origin { request_id: self.request_id, address: self.address };
        let recorded = audit::record(self.site, event, who, outcome, origin, self.engine.now()).await;
        recorded.map_err(|error| {
            tracing::error!(%error, request_id = self.request_id, "an event could not be recorded");
            OAuthError::new(
                ErrorCode::TemporarilyUnavailable,
                "what happens cannot be recorded for the moment: try again",
            )
        })
    }

    /// Counts the request; 429 where there were too many.
    fn throttle(&self, asked: Asked, name: Option<&str>) -> Result<(), OAuthError> {
        self.throttle.check(asked, self.address, name).map_err(|wait: Duration| {
            OAuthError::new(
                ErrorCode::SlowDown,
                format!("too many requests: try again in {} seconds", wait.as_secs() + 1),
            )
        })
    }
}

/// The client's credentials in the header.
fn credentials(request: &Request) -> Result<Credentials, OAuthError> {
    Credentials::read(request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()))
}

impl Endpoint for OAuthApi {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let request_id = request.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let mut template = Template("none");
        let answered = self.answer(&mut request, &request_id, &mut template).await;
        let mut response = answered.unwrap_or_else(|refusal| refusal.into_response(&request_id));
        response.extensions_mut().insert(template);
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            // Pages too say it to whoever reads no page.
            response.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from_static("5"));
        }
        Ok(response)
    }
}
