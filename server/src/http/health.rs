//! What supervisors and monitors ask: is it alive, is it ready, and the numbers.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use poem::{Endpoint, Request, Response};
use serde_json::json;

use super::answer::Refusal;
use super::entry::{RequestId, Template};
use super::fhir::is_get;
use super::telemetry;
use crate::config::SiteName;
use crate::site::Sites;

pub(super) enum Health {
    /// The process answers.
    Live,
    /// The default site's database is reachable and its writer is alive.
    Ready(Arc<Sites>),
    Metrics(Arc<Sites>),
}

impl Endpoint for Health {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        if !is_get(request.method()) {
            let request_id = request.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
            return Ok(Refusal::method("GET, HEAD").into_response(&request_id));
        }
        let (mut response, template) = match self {
            Health::Live => (json_response(StatusCode::OK, &json!({ "status": "live" })), "/health/live"),
            Health::Ready(sites) => (ready(sites).await, "/health/ready"),
            Health::Metrics(sites) => {
                for site in sites.all_open() {
                    let store = &site.service().store;
                    telemetry::note_waiting(site.name.as_str(), store.waiting());
                    if let Some(progress) = store.noted_progress() {
                        telemetry::note_reindexing(site.name.as_str(), progress);
                    }
                }
                let mut response: Response = telemetry::metrics().render().into();
                let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, text);
                (response, "/metrics")
            }
        };
        response.extensions_mut().insert(Template(template));
        Ok(response)
    }
}

async fn ready(sites: &Sites) -> Response {
    match sites.get(SiteName::default().as_str()).await {
        Ok(site) => match site.ready().await {
            Ok(()) => json_response(StatusCode::OK, &json!({ "status": "ready" })),
            Err(reason) => not_ready(&reason),
        },
        Err(error) => {
            tracing::error!(%error, "the default site cannot be opened");
            not_ready("the default site cannot be opened; the log has the reason")
        }
    }
}

fn not_ready(reason: &str) -> Response {
    json_response(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "not ready", "reason": reason }))
}

fn json_response(status: StatusCode, value: &serde_json::Value) -> Response {
    Response::builder().status(status).content_type("application/json").body(value.to_string())
}
