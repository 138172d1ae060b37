//! The types of settings that std has none for. Each says in its `FromStr` what it takes.

use std::fmt;
use std::str::FromStr;

/// The site's name, as it stands in the path, in the data folder and in a PostgreSQL schema: lower-case letters,
/// digits and hyphens, a letter first, 48 at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteName(String);

impl SiteName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// So that a map of sites is asked by the text in a path.
impl std::borrow::Borrow<str> for SiteName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Default for SiteName {
    fn default() -> Self {
        SiteName("default".to_owned())
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a site's name has lower-case letters, digits and hyphens, a letter first, and at most 48 characters")]
pub struct BadSiteName;

impl FromStr for SiteName {
    type Err = BadSiteName;

    fn from_str(text: &str) -> Result<Self, BadSiteName> {
        let starts_well = text.starts_with(|first: char| first.is_ascii_lowercase());
        let allowed =
            |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
        if starts_well && text.len() <= 48 && text.chars().all(allowed) {
            Ok(SiteName(text.to_owned()))
        } else {
            Err(BadSiteName)
        }
    }
}

/// `https://ehr.example.org` or `https://example.org/ehr`: scheme, host, port and path, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without port; an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        let rest = self.0.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split('/').next().unwrap_or_default();
        match authority.strip_prefix('[') {
            Some(address) => address.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        }
    }

    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for PublicUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let uri: http::Uri = text.parse().map_err(drop)?;
        let scheme = uri.scheme_str().ok_or(())?;
        let authority = uri.authority().ok_or(())?;
        let plain = !authority.as_str().contains('@') && uri.query().is_none() && !text.contains('#');
        if !plain || !matches!(scheme, "https" | "http") {
            return Err(());
        }
        let path = uri.path().trim_end_matches('/');
        Ok(PublicUrl(format!("{scheme}://{}{path}", authority.as_str().to_ascii_lowercase())))
    }
}

/// A PostgreSQL connection URL. It may hold a password, so it shows itself without.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The whole, password included: for the driver only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")).ok_or(())?;
        if rest.is_empty() { Err(()) } else { Ok(DatabaseUrl(text.to_owned())) }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("postgres", ""));
        // Parameters may hold a password too.
        let (rest, parameters) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?…"));
        match rest.rsplit_once('@') {
            Some((credentials, host)) => {
                let user = credentials.split_once(':').map_or(credentials, |(user, _)| user);
                let secret = if credentials.contains(':') { ":…" } else { "" };
                write!(formatter, "{scheme}://{user}{secret}@{host}{parameters}")
            }
            None => write!(formatter, "{scheme}://{rest}{parameters}"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// An implementation guide in one version: `hl7.fhir.us.core@8.0.0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guide {
    pub name: String,
    pub version: String,
}

impl FromStr for Guide {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, version) = text.split_once('@').ok_or(())?;
        if name.is_empty() || version.is_empty() {
            return Err(());
        }
        Ok(Guide { name: name.to_owned(), version: version.to_owned() })
    }
}

impl fmt::Display for Guide {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.name, self.version)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchHandling {
    Strict,
    Lenient,
}

/// The Identifier of a brand, `system|value` or `value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrandIdentifier {
    pub system: Option<String>,
    pub value: String,
}

impl FromStr for BrandIdentifier {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (system, value) = match text.rsplit_once('|') {
            Some((system, value)) => (Some(system.to_owned()).filter(|system| !system.is_empty()), value),
            None => (None, text),
        };
        if value.is_empty() { Err(()) } else { Ok(BrandIdentifier { system, value: value.to_owned() }) }
    }
}

impl fmt::Display for BrandIdentifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.system {
            Some(system) => write!(formatter, "{system}|{}", self.value),
            None => formatter.write_str(&self.value),
        }
    }
}

/// An OpenID provider's issuer: `https://login.example.org/realm`, letter by letter as it calls itself.
/// <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerUrl(String);

impl IssuerUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn host(&self) -> String {
        let url = url::Url::parse(&self.0).ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| self.0.clone())
    }
}

impl FromStr for IssuerUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = url::Url::parse(text).map_err(drop)?;
        let is_plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if url.scheme() == "https" && is_plain { Ok(IssuerUrl(text.to_owned())) } else { Err(()) }
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        if text.is_empty() { Err(()) } else { Ok(Secret(text.to_owned())) }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
