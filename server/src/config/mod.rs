//! The server's settings: one typed [`Config`], filled from a TOML file, then `VESTA_*` variables, then flags, each
//! overriding the one before. A setting is declared once, in `settings`; what belongs here is where values come
//! from, what they may be, and how they are shown.

mod settings;
mod sites;
mod source;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use vesta_oauth::{Lifetimes, Matching, PasswordGrant};

pub use source::{Flag, Place, Sources};
pub use values::{
    BrandIdentifier, DatabaseUrl, Guide, IssuerUrl, LogFormat, PublicUrl, SearchHandling, Secret, SiteName,
};

/// Everything that can be set, with its value.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// The data folder: keys, certificates and, on SQLite, the databases.
    pub data: PathBuf,
    /// None stands for SQLite in the data folder.
    pub database: Option<DatabaseUrl>,
    /// Plain HTTP instead of TLS.
    pub http: bool,
    pub tls: Tls,
    /// The addresses whose `Forwarded` and `X-Forwarded-*` headers count.
    pub behind_proxy: Vec<IpNet>,
    pub sites: BTreeMap<SiteName, SiteSettings>,
    pub apis: Apis,
    pub limits: Limits,
    pub log: Log,
    pub search: Search,
    pub writes: Writes,
    pub oauth: OAuth,
    /// The implementation guides whose parameters and profiles are on; empty means every one that is built in.
    pub guides: Vec<Guide>,
    /// Where each setting that is not a default came from.
    origins: BTreeMap<String, Place>,
}

/// Certificate and key in PEM. Without them the server makes its own on first start.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
}

#[derive(Debug, Clone, Default)]
pub struct SiteSettings {
    /// The address under which clients see the server: the only source of issuer, audience, `fullUrl` and links.
    pub public_url: Option<PublicUrl>,
    /// The file with the user-access brands bundle.
    pub brands: Option<PathBuf>,
    /// The brand of it that is the site's own.
    pub brand: Option<BrandIdentifier>,
    pub upstream: Upstream,
    /// Staff logs in at the upstream provider only.
    pub no_staff_passwords: bool,
}

/// The OpenID provider at which staff log in: there is one where `issuer` is set.
#[derive(Debug, Clone, Default)]
pub struct Upstream {
    /// What stands on the button; the issuer's host where none is set.
    pub name: Option<String>,
    pub issuer: Option<IssuerUrl>,
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    /// A file that holds it.
    pub client_secret_file: Option<PathBuf>,
    /// Beside `openid`; `profile` and `email` where none are set.
    pub scopes: Option<Vec<String>>,
    pub matching: Option<Matching>,
    /// Private networks in which the provider is asked.
    pub networks: Vec<IpNet>,
    /// Certificates in PEM that are trusted for it, in place of the public authorities'.
    pub authority: Option<PathBuf>,
}

/// Which doors are open.
#[derive(Debug, Clone)]
pub struct Apis {
    pub fhir: bool,
    pub standard: bool,
    pub portal: bool,
    /// Whether tokens with `system/` scopes are accepted.
    pub system_scopes: bool,
}

#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest request body, in bytes, after decompression.
    pub body_bytes: usize,
    pub header_bytes: usize,
    pub page_default: usize,
    pub page_max: usize,
    pub chain_steps: usize,
    pub search_values: usize,
    pub includes: usize,
    pub bundle_entries: usize,
    pub connections: usize,
    /// FHIR requests that are worked on at once, of all clients and sites.
    pub concurrent_requests: usize,
    pub open_sites: usize,
    /// For a request's head to arrive; on HTTP/1.1 also how long a connection may be idle.
    pub header_timeout: Duration,
    pub request_timeout: Duration,
    /// After which a silent peer of an HTTP/2 connection is given up.
    pub idle_timeout: Duration,
    pub shutdown_timeout: Duration,
}

#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    /// A filter as `tracing-subscriber` reads it: `info`, `vesta_server=debug,info`.
    pub level: String,
}

#[derive(Debug, Clone)]
pub struct Search {
    /// What a request without `Prefer: handling` gets.
    pub handling: SearchHandling,
    /// Whether `_text` and `_content` are offered: their index costs time and room with each write.
    pub full_text: bool,
}

/// What writes may do where the standard leaves it to the server.
#[derive(Debug, Clone)]
pub struct Writes {
    /// Whether a resource that others refer to can be deleted.
    pub delete_referenced: bool,
    /// Whether a conditional delete deletes all that matches; else several matches are refused.
    pub conditional_delete_multiple: bool,
}

/// What the authorization server lets clients do.
#[derive(Debug, Clone, Default)]
pub struct OAuth {
    /// Whether only administrators register clients.
    pub closed_registration: bool,
    /// Whether each new client waits for an administrator.
    pub manual_approval: bool,
    pub password_grant: PasswordGrant,
    /// Private networks from which a client's `jwks_uri` may be fetched.
    pub jwks_networks: Vec<IpNet>,
    /// Certificates in PEM that are trusted for it, in place of the public authorities'.
    pub jwks_authority: Option<PathBuf>,
    pub lifetimes: Lifetimes,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 9300)),
            data: PathBuf::from("data"),
            database: None,
            http: false,
            tls: Tls::default(),
            behind_proxy: Vec::new(),
            sites: BTreeMap::from([(SiteName::default(), SiteSettings::default())]),
            apis: Apis { fhir: true, standard: true, portal: true, system_scopes: true },
            limits: Limits {
                body_bytes: 64 << 20,
                header_bytes: 32 << 10,
                page_default: 20,
                page_max: 1000,
                chain_steps: 4,
                search_values: 1000,
                includes: 32,
                bundle_entries: 20_000,
                connections: 10_000,
                concurrent_requests: 1024,
                open_sites: 256,
                header_timeout: Duration::from_secs(30),
                request_timeout: Duration::from_secs(120),
                idle_timeout: Duration::from_secs(90),
                shutdown_timeout: Duration::from_secs(10),
            },
            log: Log { format: LogFormat::Text, level: "info".to_owned() },
            search: Search { handling: SearchHandling::Lenient, full_text: true },
            writes: Writes { delete_referenced: false, conditional_delete_multiple: false },
            oauth: OAuth::default(),
            guides: Vec::new(),
            origins: BTreeMap::new(),
        }
    }
}

/// One setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub name: String,
    pub place: Place,
    /// As given; left out for secrets.
    pub value: Option<String>,
    /// What would be right.
    pub expected: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.name)?;
        if let Some(value) = &self.value {
            write!(formatter, " = {value}")?;
        }
        write!(formatter, ": {}", self.expected)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the configuration file {}: {source}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}", list(.0))]
    Problems(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    let mut text = match problems.len() {
        1 => "a setting cannot be used".to_owned(),
        count => format!("{count} settings cannot be used"),
    };
    for problem in problems {
        text.push_str("\n  ");
        text.push_str(&problem.to_string());
    }
    text
}

impl Config {
    /// Reads all sources and checks the whole; every problem is reported at once.
    pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        let mut problems = Vec::new();
        for given in source::collect(sources, &mut problems)? {
            settings::apply(&mut config, given, &mut problems);
        }
        if problems.is_empty() {
            config.check(&mut problems);
        }
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Problems(problems)) }
    }

    /// What no setting can say alone.
    fn check(&self, problems: &mut Vec<Problem>) {
        let mut refuse = |name: &str, value: String, expected: &str| {
            let place = self.origin(name);
            problems.push(Problem { name: name.to_owned(), place, value: Some(value), expected: expected.to_owned() });
        };
        if self.http && !self.listen.ip().is_loopback() && self.behind_proxy.is_empty() {
            refuse(
                "http",
                "true".to_owned(),
                "plain HTTP only on a loopback address, or behind a proxy that does TLS: set listen to 127.0.0.1 or \
                 [::1], or behind_proxy to the proxy's addresses, or leave http off",
            );
        }
        if self.tls.certificate.is_some() != self.tls.key.is_some() {
            let (given, missing) = match self.tls.certificate {
                Some(_) => ("tls.certificate", "tls.key"),
                None => ("tls.key", "tls.certificate"),
            };
            refuse(given, "…".to_owned(), &format!("{missing} belongs to it: set both or neither"));
        }
        for (site, settings) in &self.sites {
            sites::check(site, settings, &mut refuse);
        }
        let Lifetimes { session, session_idle, .. } = self.oauth.lifetimes;
        if session < session_idle {
            let expected = format!("expected at least oauth.session_idle_seconds, which is {}", session_idle.as_secs());
            refuse("oauth.session_seconds", session.as_secs().to_string(), &expected);
        }
        if self.limits.page_default > self.limits.page_max {
            let (default, max) = (self.limits.page_default, self.limits.page_max);
            match self.origin("limits.page_default") {
                Place::Default => {
                    let expected = format!("expected at least limits.page_default, which is {default}");
                    refuse("limits.page_max", max.to_string(), &expected);
                }
                _ => {
                    let expected = format!("expected at most limits.page_max, which is {max}");
                    refuse("limits.page_default", default.to_string(), &expected);
                }
            }
        }
    }

    /// Where the value of a setting came from.
    pub fn origin(&self, name: &str) -> Place {
        self.origins.get(name).cloned().unwrap_or(Place::Default)
    }

    /// Every setting as `name = value`, with where it came from; secrets are masked.
    pub fn show(&self) -> String {
        settings::show(self)
    }

    /// Whether a peer's forwarded headers count.
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        // An IPv4 peer of a dual-stack socket shows as ::ffff:a.b.c.d.
        let address = address.to_canonical();
        self.behind_proxy.iter().any(|network| network.contains(&address))
    }

    /// The address that clients use for a site, where no `public_url` is set: on a loopback address `localhost`,
    /// elsewhere there is none to guess.
    pub fn default_public_url(&self, listening: SocketAddr) -> Option<PublicUrl> {
        let scheme = if self.http { "http" } else { "https" };
        let text = format!("{scheme}://localhost:{}", listening.port());
        if listening.ip().is_loopback() { text.parse().ok() } else { None }
    }

    pub fn public_url(&self, site: &SiteName) -> Option<&PublicUrl> {
        self.sites.get(site)?.public_url.as_ref()
    }

    pub fn data(&self) -> &Path {
        &self.data
    }
}

#[cfg(test)]
mod tests;
