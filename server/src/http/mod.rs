//! HTTP, thin: sockets and TLS, routes, content negotiation, and the one mapping of errors to status and
//! OperationOutcome. The only room of the server that knows poem.

mod answer;
mod body;
mod brands;
mod cors;
mod documents;
mod drain;
mod entry;
mod fhir;
mod forwarded;
mod health;
mod interact;
mod landing;
mod listener;
mod negotiate;
mod oauth;
mod route;
pub mod telemetry;
mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use poem::{Endpoint, IntoEndpoint, Response, Route};

use crate::clock::{Clock, Ids};
use crate::config::{Config, PublicUrl, SiteName};
use crate::site::{DataFolder, Databases, SiteError, Sites};

use cors::Cors;
use oauth::{Document, WellKnown};

pub use landing::{Demo, SAMPLE_APP};
pub use listener::BindError;
pub use tls::{Source as CertificateSource, TlsError};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Site(#[from] SiteError),
    #[error("cannot listen: {0}")]
    Listen(std::io::Error),
}

/// A server that has its port, its certificate and its default site, and is about to answer.
pub struct Server {
    listener: tokio::net::TcpListener,
    address: SocketAddr,
    certificates: Option<CertificateSource>,
    tls: Option<Arc<rustls::ServerConfig>>,
    sites: Arc<Sites>,
    demo: Option<Demo>,
}

impl Server {
    /// Takes everything that a running server needs, so that what is not to be had is said before anything starts.
    pub async fn start(config: Arc<Config>, folder: DataFolder, clock: Clock, ids: Ids) -> Result<Server, StartError> {
        let listener = listener::bind(config.listen).await?;
        let address = listener.local_addr().map_err(StartError::Listen)?;
        let (certificates, tls) = if config.http {
            (None, None)
        } else {
            let source = CertificateSource::new(&config.tls, folder.tls(), hosts(&config));
            let tls = tls::server_config(source.clone(), clock.clone())?;
            (Some(source), Some(tls))
        };
        let databases = Databases::connect(&config).await?;
        let sites = Arc::new(Sites::new(config.clone(), folder, databases, address, clock, ids));
        // Configured sites are opened now, so that what is wrong with one is known at once.
        for name in config.sites.keys() {
            sites.get(name.as_str()).await?;
        }
        Ok(Server { listener, address, certificates, tls, sites, demo: None })
    }

    /// Where it listens: with port 0 in the configuration, the port that was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file that clients must trust, where the server made its own.
    pub fn authority(&self) -> Option<std::path::PathBuf> {
        self.certificates.as_ref().and_then(CertificateSource::authority)
    }

    pub fn sites(&self) -> &Arc<Sites> {
        &self.sites
    }

    /// Serves the sample app too, and tells a visitor whom they may be.
    pub fn with_demo(self, demo: Demo) -> Server {
        Server { demo: Some(demo), ..self }
    }

    /// Answers until `stop` is done, then ends what is running and closes the sites.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let endpoint = Arc::new(endpoint_with(self.sites.clone(), self.demo));
        let limits = self.sites.config().limits.clone();
        let upkeep = tokio::spawn(telemetry::upkeep());
        listener::serve(self.listener, self.tls, endpoint, &limits, stop).await;
        upkeep.abort();
        self.sites.close().await;
    }
}

/// Everything that is served.
pub fn endpoint(sites: Arc<Sites>) -> impl Endpoint<Output = Response> + 'static {
    endpoint_with(sites, None)
}

fn endpoint_with(sites: Arc<Sites>, demo: Option<Demo>) -> impl Endpoint<Output = Response> + 'static {
    telemetry::metrics();
    let config = sites.config();
    let strict_transport =
        !config.http && config.sites.values().any(|site| site.public_url.as_ref().is_some_and(is_remote));
    let (ids, timeout) = (sites.ids().clone(), config.limits.request_timeout);
    entry::Entry::new(routes(&sites, demo).routes, ids, timeout, strict_transport)
}

/// The path of all that the authorization server is asked for; `oauth` has its routes.
const OAUTH: &str = "/oauth2/:site/*path";

/// Routes that know their paths.
#[derive(Default)]
struct Routes {
    routes: Route,
    paths: Vec<&'static str>,
}

impl Routes {
    fn at<E>(mut self, path: &'static str, endpoint: E) -> Routes
    where
        E: IntoEndpoint<Endpoint: Endpoint<Output = Response> + 'static>,
    {
        self.paths.push(path);
        Routes { routes: self.routes.at(path, endpoint), ..self }
    }
}

/// The paths of all that is served, as the router has them, with the authorization server's own in their place. Each is in a
/// ledger of access in `tests/`.
pub fn paths(sites: &Arc<Sites>) -> Vec<&'static str> {
    let known = routes(sites, None).paths.into_iter().filter(|path| *path != OAUTH);
    known.chain(oauth::paths()).collect()
}

fn routes(sites: &Arc<Sites>, demo: Option<Demo>) -> Routes {
    let fhir = Arc::new(fhir::FhirApi::new(sites.clone()));
    let known = |document| Cors::new(WellKnown::new(sites.clone(), document), sites.clone());
    let mut routes = Routes::default();
    if let Some(demo) = &demo {
        let app = || landing::SampleApp { sites: sites.clone(), demo: demo.clone() };
        routes = routes.at("/sample-app/", app()).at("/sample-app/:file", app());
    }
    routes
        .at("/", landing::Root { sites: sites.clone(), demo })
        .at("/health/live", health::Health::Live)
        .at("/health/ready", health::Health::Ready(sites.clone()))
        .at("/metrics", health::Health::Metrics(sites.clone()))
        .at(documents::FHIR, documents::Document::Fhir)
        .at("/openapi", documents::Document::Page)
        .at("/openapi/", documents::Document::Page)
        .at("/apis/:site/fhir", Cors::new(fhir.clone(), sites.clone()))
        .at("/apis/:site/fhir/", Cors::new(fhir.clone(), sites.clone()))
        .at("/apis/:site/app-state/*path", Cors::new(fhir::AppStateApi(fhir.clone()), sites.clone()))
        .at("/apis/:site/fhir/*path", Cors::new(fhir, sites.clone()))
        .at("/apis/:site/fhir/.well-known/smart-configuration", known(Document::Smart))
        .at("/apis/:site/brands", Cors::new(brands::BrandsBundle(sites.clone()), sites.clone()))
        .at(OAUTH, Cors::new(oauth::OAuthApi::new(sites.clone()), sites.clone()))
        .at("/.well-known/oauth-authorization-server/oauth2/:site", known(Document::AuthorizationServer))
        .at("/.well-known/openid-configuration/oauth2/:site", known(Document::AuthorizationServer))
        .at("/.well-known/oauth-protected-resource/apis/:site/fhir", known(Document::ProtectedResource))
}

/// The hosts of the configured public addresses: the server's own certificate is for them too.
fn hosts(config: &Config) -> Vec<String> {
    let urls = config.sites.keys().filter_map(|site: &SiteName| config.public_url(site));
    let mut hosts: Vec<String> = urls.map(|url| url.host().to_owned()).collect();
    if !config.listen.ip().is_unspecified() {
        hosts.push(config.listen.ip().to_string());
    }
    hosts
}

/// Strict transport is for real hosts: `localhost` is shared by all that a developer runs.
fn is_remote(url: &PublicUrl) -> bool {
    url.is_https() && !matches!(url.host(), "localhost" | "127.0.0.1" | "::1")
}

#[cfg(test)]
mod tests;
