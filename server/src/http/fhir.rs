//! Requests under `/apis/{site}/fhir`, and under `/apis/{site}/app-state`, which has a few of the same: the site, the route, the token, the formats; then the interaction in `fhir`.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Method};
use jiff::Timestamp;
use poem::{Endpoint, Request, Response};
use tokio::sync::Semaphore;

use super::answer::{self, Form, Refusal};
use super::entry::{RequestId, Template};
use super::negotiate::Wanted;
use super::route::{Interaction, NoRoute, route};
use super::{body, forwarded, interact, negotiate};
use crate::access::{AccessContext, TokenError};
use crate::audit;
use crate::config::{Config, SearchHandling};
use crate::fhir::{Error, Handling, Issue, IssueType, Kind, Origin, Preferences, parse_query};
use crate::site::{Site, SiteError, Sites};

/// What an interaction is given of the request, beside its path.
pub(super) struct Call<'a> {
    pub(super) site: &'a Site,
    pub(super) access: &'a AccessContext,
    pub(super) request_id: &'a str,
    pub(super) origin: Origin<'a>,
    pub(super) preferences: Preferences,
    pub(super) headers: &'a HeaderMap,
    /// The query, and for a search by POST the form behind it; without `_format` and `_pretty`.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// The client named a FHIR type: a Binary is then a resource.
    pub(super) names_fhir: bool,
}

pub(super) struct FhirApi {
    sites: Arc<Sites>,
    /// One for each request that may be worked on at once. Who finds none is refused and does not wait: a server that
    /// is asked too much must say so.
    permits: Semaphore,
}

/// Which base of a site is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Fhir,
    AppState,
}

impl Base {
    fn segment(self) -> &'static str {
        match self {
            Base::Fhir => "fhir",
            Base::AppState => APP_STATE,
        }
    }
}

/// The segment of the base for app state.
pub(super) const APP_STATE: &str = "app-state";

/// `/apis/{site}/app-state`
pub(super) struct AppStateApi(pub(super) Arc<FhirApi>);

impl FhirApi {
    pub(super) fn new(sites: Arc<Sites>) -> FhirApi {
        let permits = Semaphore::new(sites.config().limits.concurrent_requests);
        FhirApi { sites, permits }
    }

    async fn answer(
        &self,
        (site, base, path): (&str, Base, &str),
        request: &mut Request,
        request_id: &str,
        template: &mut Template,
    ) -> Result<Response, Refusal> {
        let config = self.sites.config();
        if !config.apis.fhir {
            return Err(Refusal::not_found("the FHIR API is switched off on this server (apis.fhir)"));
        }
        let interaction = route(request.method(), path).map_err(refuse_route)?;
        template.0 = interaction.template();
        if base == Base::AppState && !interact::is_of_app_state(&interaction) {
            return Err(Refusal::not_found(
                "app state is /Basic, to search and create, and /Basic/{id}, to update and delete",
            ));
        }
        let _permit = self.permits.try_acquire().map_err(|_| refuse_crowd(config.limits.concurrent_requests))?;
        let site = self.sites.get(site).await.map_err(refuse_site)?;
        if let Some(found) = interact::operation(&interaction, &site) {
            let found = found.ok_or_else(|| {
                Refusal::not_found("this operation is not offered here; /metadata lists what is, and on which types")
            })?;
            if !found.takes_get(interact::place(&interaction)) && request.method() != Method::POST {
                return Err(Refusal::method("POST"));
            }
        }
        let mut query = Query::read(request.uri().query().unwrap_or_default())?;
        let mut wanted = negotiated(&interaction, request.headers(), query.format.as_deref())?;
        let access = match interaction.is_public() {
            true => None,
            false => Some(self.authenticate(&site, request, request_id).await?),
        };
        let gzip = body::takes_gzip(request.headers());
        let body = read_body(&interaction, request, config).await?;
        let mut asked = interaction.is_search().then(|| asked(path, request.uri().query()));
        let address = self.address(request);
        let mut parameters = std::mem::take(&mut query.parameters);
        if matches!(interaction, Interaction::SystemSearchForm | Interaction::Search { form: true, .. }) {
            let form = String::from_utf8_lossy(&body);
            if let Some(asked) = &mut asked {
                asked.push(if asked.contains('?') { '&' } else { '?' });
                asked.push_str(&form);
            }
            // "[base]/[type]/_search{?[parameters]{&_format=[mime-type]}}": what stands in the form holds as in the query.
            let form = Query::read(&form)?;
            if let Some(format) = form.format {
                wanted = negotiated(&interaction, request.headers(), Some(&format))?;
            }
            query.pretty |= form.pretty;
            parameters.extend(form.parameters);
        }
        let form = Form { pretty: query.pretty, gzip, content_type: wanted.content_type };
        let call = Call {
            site: &site,
            access: access.as_deref().unwrap_or(&ANONYMOUS),
            request_id,
            origin: Origin { address, query: asked.as_deref() },
            preferences: preferences(request.headers(), config),
            headers: request.headers(),
            parameters,
            body,
            names_fhir: wanted.names_fhir,
        };
        let answer = match base {
            Base::Fhir => interact::run(&interaction, &call).await?,
            Base::AppState => interact::run_app_state(&interaction, &call).await?,
        };
        Ok(answer::into_response(answer, form))
    }

    /// Where the client asks from.
    fn address(&self, request: &Request) -> Option<IpAddr> {
        let peer = request.remote_addr().as_socket_addr().map(SocketAddr::ip);
        peer.map(|peer| forwarded::client(peer, request.headers(), self.sites.config()))
    }

    /// Who asks. A token that is not accepted leaves a line in the audit log, and in the log with the address it came
    /// from; a request without one does not, since anyone can send those without end.
    async fn authenticate(
        &self,
        site: &Site,
        request: &Request,
        request_id: &str,
    ) -> Result<Arc<AccessContext>, Refusal> {
        let realm = &site.addresses.fhir_base;
        let Some(token) = bearer(request.headers()) else { return Err(Refusal::unauthorized(realm, None)) };
        let error = match site.verifier.verify(token) {
            Ok(access) => return Ok(access),
            Err(error) => error,
        };
        let address = self.address(request);
        let client = address.map(|address| address.to_string());
        tracing::warn!(request_id, site = %site.name, client, reason = %error, "a token was refused");
        audit::refused_token(site, audit::Origin { request_id, address }, self.sites.clock().now()).await;
        Err(match error {
            // The token is good, and may not be used for this.
            TokenError::SystemScopes => Error::new(Kind::Forbidden, error.to_string()).into(),
            // Nothing is wrong with it as far as is known, and that is not enough.
            TokenError::NoNews => Error::new(Kind::Unavailable, error.to_string()).into(),
            error => Refusal::unauthorized(realm, Some(&error)),
        })
    }
}

/// A search as it was sent, below the base.
fn asked(path: &str, query: Option<&str>) -> String {
    let path = path.trim_start_matches('/');
    match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// Who asks for what is public.
static ANONYMOUS: LazyLock<AccessContext> = LazyLock::new(AccessContext::default);

impl Endpoint for FhirApi {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        Ok(self.respond(Base::Fhir, request).await)
    }
}

impl Endpoint for AppStateApi {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        Ok(self.0.respond(Base::AppState, request).await)
    }
}

impl FhirApi {
    async fn respond(&self, base: Base, mut request: Request) -> Response {
        let request_id = request.data::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let full = request.uri().path().to_owned();
        // The route that led here has made sure of the shape: /apis/{site}/{base}[/…].
        let rest = full.strip_prefix("/apis/").unwrap_or_default();
        let (site, rest) = rest.split_once('/').unwrap_or((rest, ""));
        let path = rest.strip_prefix(base.segment()).unwrap_or_default();
        let mut template = Template("none");
        let answered = self.answer((site, base, path), &mut request, &request_id, &mut template).await;
        let mut response = answered.unwrap_or_else(|refusal| refusal.into_response(&request_id));
        response.extensions_mut().insert(template);
        response
    }
}

fn refuse_route(refused: NoRoute) -> Refusal {
    match refused {
        NoRoute::NotFound => Refusal::not_found(
            "no interaction has this address; they are /{type}, /{type}/{id}, /{type}/{id}/_history/{version}, \
             /{type}/_search, /_history and /metadata",
        ),
        NoRoute::Method { allow } => Refusal::method(allow),
    }
}

fn refuse_crowd(limit: usize) -> Refusal {
    let message = format!("no more than {limit} requests are answered at once: send it again after a while");
    Error::from_issue(Kind::Unavailable, Issue::error(IssueType::Throttled, message)).into()
}

pub(super) fn refuse_site(error: SiteError) -> Refusal {
    match error {
        SiteError::Unknown => Refusal::not_found("there is no site of that name on this server"),
        SiteError::TooMany => Error::new(Kind::Unavailable, error.to_string()).into(),
        error => {
            Error::new(Kind::Unavailable, "the site cannot be opened; the log has the reason").caused_by(error).into()
        }
    }
}

/// How the client is served, or why it cannot be. Binaries have any type.
fn negotiated(interaction: &Interaction<'_>, headers: &HeaderMap, format: Option<&str>) -> Result<Wanted, Error> {
    match interaction {
        Interaction::Read { resource_type, .. } | Interaction::Vread { resource_type, .. }
            if resource_type == "Binary" =>
        {
            Ok(Wanted::any(negotiate::wants_resource(headers, format)))
        }
        _ => negotiate::wanted(headers, format),
    }
}

async fn read_body(interaction: &Interaction<'_>, request: &mut Request, config: &Config) -> Result<Bytes, Refusal> {
    match interaction {
        Interaction::Create { resource_type } | Interaction::Update { resource_type, .. }
            if resource_type == "Binary" => {}
        Interaction::Create { .. }
        | Interaction::Update { .. }
        | Interaction::ConditionalUpdate { .. }
        | Interaction::Bundle => negotiate::check_content_type(request.headers())?,
        Interaction::Patch { .. } | Interaction::ConditionalPatch { .. } => {
            negotiate::patch_format(request.headers()).map_err(Refusal::patch)?;
        }
        Interaction::SystemSearchForm | Interaction::Search { form: true, .. } => {
            negotiate::check_form(request.headers())?;
        }
        Interaction::Operation { is_post: true, .. } => {}
        _ => return Ok(Bytes::new()),
    }
    let body = request.take_body();
    let body = body::read(request.headers(), body, config.limits.body_bytes).await?;
    // An operation without parameters has no body, and so no type of it.
    if matches!(interaction, Interaction::Operation { .. }) && !body.is_empty() {
        negotiate::check_content_type(request.headers())?;
    }
    Ok(body)
}

fn preferences(headers: &HeaderMap, config: &Config) -> Preferences {
    let values = || headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut preferences = Preferences::parse(values());
    let said = values().any(|value| value.to_ascii_lowercase().contains("handling="));
    if !said && config.search.handling == SearchHandling::Strict {
        preferences.handling = Handling::Strict;
    }
    preferences
}

/// `If-Modified-Since` or `If-Unmodified-Since`; one that is not a date is ignored: RFC 9110, 13.1.3 and 13.1.4.
pub(super) fn date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    let time: SystemTime = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()?;
    Timestamp::try_from(time).ok()
}

/// The token of `Authorization: Bearer …`: RFC 6750, 2.1.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A query, with what is only of HTTP's concern taken out.
#[derive(Debug, Default)]
struct Query {
    parameters: Vec<(String, String)>,
    format: Option<String>,
    pretty: bool,
}

impl Query {
    fn read(text: &str) -> Result<Query, Error> {
        let mut query = Query::default();
        for (name, value) in parse_query(text) {
            match name.as_str() {
                "_format" => query.format = Some(value),
                "_pretty" => {
                    query.pretty = value.parse().map_err(|_| {
                        let text = "`_pretty` is true or false.";
                        let issue = Issue::error(IssueType::Value, text).of_parameter("_pretty");
                        Error::from_issue(Kind::Invalid, issue)
                    })?;
                }
                _ => query.parameters.push((name, value)),
            }
        }
        Ok(query)
    }
}

/// The methods of a request, for what is served outside the FHIR API.
pub(super) fn is_get(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
