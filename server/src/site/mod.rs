//! The tenant in the path: each site has its own public address, database, keys and settings, and its tokens are
//! worthless at another.

mod authorization;
mod brands;
mod folder;
mod keys;
mod open;
mod registry;

use std::path::PathBuf;

pub use authorization::{Authorization, OAuthEngine, open_authorization, with_password};
pub use brands::Brands;
pub use folder::{DataFolder, FolderError, load_or_create, make_folder};
pub use keys::{access_keys, issue, rotate_keys, site_keys};
pub use open::{Databases, open_service};
pub use registry::{Site, Sites};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::access::SigningKeyError;
use crate::config::{Config, PublicUrl, SiteName};
use crate::store::{AuditKey, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    #[error("there is no site of that name")]
    Unknown,
    #[error(
        "site {0} has no public address: set sites.{0}.public_url to the address that clients use, such as \
         https://ehr.example.org (it is guessed only when listening on a loopback address)"
    )]
    NoPublicUrl(SiteName),
    #[error("too many sites are in use at once (limits.open_sites)")]
    TooMany,
    #[error(
        "the database {url} is not to be had: {source}. Check that it runs and that the address, user and password \
         are right (database)"
    )]
    Database {
        /// Without its password.
        url: String,
        #[source]
        source: StoreError,
    },
    #[error("site {site}: {source}")]
    Store {
        site: SiteName,
        #[source]
        source: StoreError,
    },
    #[error("{} ({setting}) cannot be read: {source}", path.display())]
    File {
        setting: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the brands in {} (sites.{site}.brands): {fault}", path.display())]
    Brands { site: SiteName, path: PathBuf, fault: String },
    #[error("the authorization server: {0}")]
    Stopped(String),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("{}: {source}", path.display())]
    Key {
        path: PathBuf,
        #[source]
        source: SigningKeyError,
    },
    #[error(
        "{} is no key of an audit log, which is 32 bytes in base64: put the file back from where it was saved", path.display()
    )]
    AuditKey { path: PathBuf },
}

/// The names under which a site is known to clients; `public_url` is the only source of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    pub public_url: PublicUrl,
    /// `{public_url}/apis/{site}/fhir`: the FHIR base, and the audience of access tokens.
    pub fhir_base: String,
    /// `{public_url}/oauth2/{site}`: the issuer of access tokens.
    pub issuer: String,
}

impl Addresses {
    pub fn new(site: &SiteName, public_url: &PublicUrl) -> Addresses {
        Addresses {
            fhir_base: format!("{public_url}/apis/{site}/fhir"),
            issuer: format!("{public_url}/oauth2/{site}"),
            public_url: public_url.clone(),
        }
    }
}

/// Reads the key of the site's audit log, or makes it on first use. Processes that share a database share it.
pub fn audit_key(folder: &DataFolder, site: &SiteName) -> Result<AuditKey, SiteError> {
    let path = folder.site(site).join("keys").join("audit.key");
    let text = load_or_create(&path, || {
        let mut fresh = [0u8; 32];
        aws_lc_rs::rand::fill(&mut fresh).map_err(|_| "no random numbers to be had".to_owned())?;
        Ok(format!("{}\n", BASE64_STANDARD.encode(fresh)))
    })?;
    let key = BASE64_STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    Ok(AuditKey::new(&key.ok_or(SiteError::AuditKey { path })?))
}

/// Notes under which address a site is served, for commands that run beside the server or after it.
pub fn remember_public_url(folder: &DataFolder, site: &SiteName, url: &PublicUrl) -> Result<(), SiteError> {
    let path = folder.site(site).join("public_url");
    let unusable = |source| FolderError::Unusable { path: path.clone(), source };
    if std::fs::read_to_string(&path).is_ok_and(|text| text.trim() == url.as_str()) {
        return Ok(());
    }
    make_folder(&folder.site(site)).map_err(unusable)?;
    std::fs::write(&path, format!("{url}\n")).map_err(unusable)?;
    Ok(())
}

/// The site's address where no server tells: as configured, else as last served, else as it would be served. A site
/// without an address of its own has the default site's.
pub fn known_public_url(config: &Config, folder: &DataFolder, site: &SiteName) -> Result<PublicUrl, SiteError> {
    let remembered = || std::fs::read_to_string(folder.site(site).join("public_url")).ok()?.trim().parse().ok();
    config
        .public_url(site)
        .cloned()
        .or_else(|| config.public_url(&SiteName::default()).cloned())
        .or_else(remembered)
        .or_else(|| config.default_public_url(config.listen))
        .ok_or_else(|| SiteError::NoPublicUrl(site.clone()))
}

/// Whether a site exists: it is configured, or has a folder.
pub fn exists(config: &Config, folder: &DataFolder, site: &SiteName) -> bool {
    config.sites.contains_key(site) || folder.site(site).is_dir()
}
