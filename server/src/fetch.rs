//! What this server asks of others: the keys that a client keeps at its `jwks_uri`, and the OpenID provider at which staff
//! log in. Whoever registers a client names the address, and a provider names its endpoints, so they are asked with care:
//! TLS only, no redirect, no address inside the operator's network unless it is allowed by name, a few seconds and a few KB.
//! <https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html>

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::header::CACHE_CONTROL;
use ipnet::IpNet;
use tokio::sync::Semaphore;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};
use vesta_oauth::{HttpRequest, HttpResponse};

const TIME: Duration = Duration::from_secs(5);
const BYTES: u64 = 64 << 10;
/// Fetches at once: each holds a thread.
const AT_ONCE: usize = 4;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("it cannot be fetched: {0}")]
    Unreachable(String),
    #[error(
        "its host is inside a private network (allow it by oauth.jwks_networks, or by upstream.networks of the site)"
    )]
    Private,
    #[error("too many are being asked at once: try again")]
    Busy,
}

/// A document, and for how long the one who serves it lets it be kept.
#[derive(Debug)]
pub struct Fetched {
    pub body: String,
    pub max_age: Option<Duration>,
}

/// Fetches small documents over TLS.
#[derive(Clone)]
pub struct Fetcher {
    agent: Agent,
    slots: Arc<Semaphore>,
}

impl Fetcher {
    /// `networks` are private ones that may be asked all the same; `authority` is a PEM file to be trusted beside the
    /// public authorities' roots.
    pub fn new(networks: Vec<IpNet>, authority: Option<&Path>) -> Result<Fetcher, std::io::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
        if let Some(path) = authority {
            let pem = std::fs::read(path)?;
            let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates));
        }
        let config = Config::builder()
            .https_only(true)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(TIME))
            .max_response_header_size(16 << 10)
            .max_idle_connections(0)
            .user_agent("vesta")
            .accept("application/json")
            .tls_config(tls.build())
            .build();
        let agent = Agent::with_parts(config, DefaultConnector::default(), Guarded { networks });
        Ok(Fetcher { agent, slots: Arc::new(Semaphore::new(AT_ONCE)) })
    }

    pub async fn get(&self, url: &str) -> Result<Fetched, FetchError> {
        let url = url.to_owned();
        self.run(move |agent| fetch(agent, &url)).await
    }

    /// Any request; the answer, whatever its status.
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        self.run(move |agent| send(agent, request)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Agent) -> Result<T, FetchError> + Send + 'static,
    ) -> Result<T, FetchError> {
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| FetchError::Busy)?;
        let agent = self.agent.clone();
        let task = tokio::task::spawn_blocking(move || {
            let done = work(&agent);
            drop(slot);
            done
        });
        task.await.unwrap_or_else(|error| Err(FetchError::Unreachable(error.to_string())))
    }
}

/// Whom a site's authorization server asks: each with the private networks and authorities that are trusted for it.
#[derive(Clone)]
pub struct Fetchers {
    /// At the addresses of clients.
    pub clients: Fetcher,
    /// The upstream provider, where there is one.
    pub provider: Option<Fetcher>,
}

impl vesta_oauth::KeyFetcher for Fetchers {
    async fn fetch(&self, url: &str) -> Result<(String, Option<Duration>), String> {
        match self.clients.get(url).await {
            Ok(fetched) => Ok((fetched.body, fetched.max_age)),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl vesta_oauth::ProviderClient for Fetchers {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, String> {
        let provider = self.provider.as_ref().ok_or("no upstream provider is set")?;
        provider.send(request).await.map_err(|error| error.to_string())
    }
}

fn failed(error: Error) -> FetchError {
    match error {
        Error::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => FetchError::Private,
        error => FetchError::Unreachable(error.to_string()),
    }
}

fn send(agent: &Agent, request: HttpRequest) -> Result<HttpResponse, FetchError> {
    let request = agent.configure_request(request).http_status_as_error(false).build();
    let (head, mut body) = agent.run(request).map_err(failed)?.into_parts();
    let body = body.with_config().limit(BYTES).read_to_vec().map_err(failed)?;
    Ok(HttpResponse::from_parts(head, body))
}

fn fetch(agent: &Agent, url: &str) -> Result<Fetched, FetchError> {
    let mut response = agent.get(url).call().map_err(failed)?;
    let max_age = response.headers().get(CACHE_CONTROL).and_then(|value| max_age(value.to_str().ok()?));
    let body = response.body_mut().with_config().limit(BYTES).read_to_string().map_err(failed)?;
    Ok(Fetched { body, max_age })
}

/// RFC 9111, 5.2.2
fn max_age(value: &str) -> Option<Duration> {
    let directives = || value.split(',').map(|directive| directive.trim().to_ascii_lowercase());
    if directives().any(|directive| matches!(directive.as_str(), "no-store" | "no-cache")) {
        return Some(Duration::ZERO);
    }
    let seconds = directives().find_map(|directive| directive.strip_prefix("max-age=")?.parse().ok());
    seconds.map(Duration::from_secs)
}

/// Looks at the addresses that a name has before any is asked, and hands over these: the name is not looked up again.
#[derive(Debug)]
struct Guarded {
    networks: Vec<IpNet>,
}

impl Resolver for Guarded {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let resolved = DefaultResolver::default().resolve(uri, config, timeout)?;
        let allowed = |address: IpAddr| is_public(address) || self.networks.iter().any(|net| net.contains(&address));
        if resolved.iter().all(|socket| allowed(socket.ip())) {
            Ok(resolved)
        } else {
            Err(Error::Io(std::io::ErrorKind::PermissionDenied.into()))
        }
    }
}

/// What the registries of special purpose addresses do not list: RFC 6890.
fn is_public(address: IpAddr) -> bool {
    const SPECIAL: [&str; 24] = [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "::1/128",
        "64:ff9b::/96",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "fc00::/7",
        "fe80::/9",
    ];
    // An IPv4 address in the clothes of IPv6.
    let address = address.to_canonical();
    let is_multicast = matches!(address, IpAddr::V6(address) if address.is_multicast());
    !is_multicast && !SPECIAL.iter().filter_map(|text| text.parse::<IpNet>().ok()).any(|net| net.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_inside_a_network_are_not_public() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "fec0::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    /// "Server-side request forgery": the classic targets are this machine and the cloud's metadata.
    #[tokio::test]
    async fn what_is_inside_is_not_asked_and_neither_is_what_has_no_tls() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let fetcher = Fetcher::new(Vec::new(), None).unwrap();
        for url in [
            format!("https://127.0.0.1:{port}/jwks"),
            format!("https://localhost:{port}/jwks"),
            format!("https://[::ffff:127.0.0.1]:{port}/jwks"),
        ] {
            assert!(matches!(fetcher.get(&url).await, Err(FetchError::Private)), "{url}");
        }
        for url in [format!("http://127.0.0.1:{port}/jwks"), "file:///etc/hosts".to_owned(), "nowhere".to_owned()] {
            assert!(matches!(fetcher.get(&url).await, Err(FetchError::Unreachable(_))), "{url}");
        }
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err(), "nobody has knocked");
    }

    #[test]
    fn how_long_keys_may_be_kept_is_theirs_to_say() {
        assert_eq!(max_age("public, max-age=300"), Some(Duration::from_secs(300)));
        assert_eq!(max_age("Max-Age=10, no-store"), Some(Duration::ZERO));
        assert_eq!(max_age("public"), None);
    }
}
