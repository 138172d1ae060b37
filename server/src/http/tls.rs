//! TLS: the certificate that the server shows, its own or the operator's, renewed without a restart.
//!
//! Without `tls.certificate` the data folder has a certificate authority of its own, made on first start; from it the
//! server issues itself a certificate each time it starts and again before that expires. So a client trusts one file
//! (`tls/ca.pem`) for good, and no key but the authority's is ever on disk.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::clock::Clock;
use crate::config::Tls;
use crate::site::{FolderError, load_or_create};

/// How long an own certificate is valid: what browsers still accept.
const VALID_DAYS: i32 = 397;

/// How often the certificate is looked at: changed files are taken up, an own one is renewed.
const CHECK_EVERY: Duration = Duration::from_secs(12 * 60 * 60);

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{name} ({}) cannot be used: {reason}", path.display())]
    File { name: &'static str, path: PathBuf, reason: String },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error("cannot make a certificate: {0}")]
    Own(#[from] rcgen::Error),
    #[error("cannot set up TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

/// Where certificates come from.
#[derive(Debug, Clone)]
pub enum Source {
    Files {
        certificate: PathBuf,
        key: PathBuf,
    },
    /// `folder` has the authority; `names` are the hosts and addresses the certificate is for.
    Own {
        folder: PathBuf,
        names: Vec<String>,
    },
}

impl Source {
    /// `folder`: `tls/` in the data folder. `names`: besides the loopback ones.
    pub(super) fn new(tls: &Tls, folder: PathBuf, names: impl IntoIterator<Item = String>) -> Source {
        if let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) {
            return Source::Files { certificate: certificate.clone(), key: key.clone() };
        }
        let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        for name in names {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        Source::Own { folder, names: all }
    }

    /// The file that a client must trust, where it is ours to know.
    pub(super) fn authority(&self) -> Option<PathBuf> {
        match self {
            Source::Files { .. } => None,
            Source::Own { folder, .. } => Some(folder.join("ca.pem")),
        }
    }

    fn load(&self, now: Timestamp) -> Result<CertifiedKey, TlsError> {
        match self {
            Source::Files { certificate, key } => load_files(certificate, key),
            Source::Own { folder, names } => issue(folder, names, now),
        }
    }
}

fn load_files(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let bad = |name, path: &Path, reason: String| TlsError::File { name, path: path.to_owned(), reason };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| bad("tls.certificate", certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(bad("tls.certificate", certificate, "it holds no certificate in PEM".to_owned()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| bad("tls.key", key, error.to_string()))?;
    let signing = any_supported_type(&private).map_err(|error| bad("tls.key", key, error.to_string()))?;
    let certified = CertifiedKey::new(chain, signing);
    certified
        .keys_match()
        .map_err(|_| bad("tls.key", key, format!("it is not the key of {}", certificate.display())))?;
    Ok(certified)
}

/// A certificate of this folder's authority; makes the authority on first use.
fn issue(folder: &Path, names: &[String], now: Timestamp) -> Result<CertifiedKey, TlsError> {
    let key = load_or_create(&folder.join("ca.key"), || {
        KeyPair::generate().map(|key| key.serialize_pem()).map_err(|error| error.to_string())
    })?;
    let issuer = Issuer::new(authority_params(), KeyPair::from_pem(&key)?);
    load_or_create(&folder.join("ca.pem"), || {
        authority_params().self_signed(issuer.key()).map(|made| made.pem()).map_err(|error| error.to_string())
    })?;

    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = common_name("Vesta");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let today = TimeZone::UTC.to_datetime(now).date();
    let date = |date: jiff::civil::Date| {
        rcgen::date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    // From yesterday on: the clocks of clients differ.
    params.not_before = date(today.saturating_sub(1.day()));
    params.not_after = date(today.saturating_add((VALID_DAYS - 1).days()));
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok(CertifiedKey::new(vec![certificate.der().clone()], any_supported_type(&private)?))
}

/// The same each time, so that the authority's key alone brings it back.
fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name("Vesta local certificate authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2056, 1, 1);
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// The certificate of the moment.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone())
    }
}

/// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1, with a certificate that a task keeps fresh as long as the process lives.
pub(super) fn server_config(source: Source, clock: Clock) -> Result<Arc<ServerConfig>, TlsError> {
    let current = Arc::new(Current(RwLock::new(Arc::new(source.load(clock.now())?))));
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(current.clone());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            match source.load(clock.now()) {
                Ok(key) => *current.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::new(key),
                // The one in use goes on.
                Err(error) => tracing::error!(%error, "the certificate could not be renewed"),
            }
        }
    });
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_keeps_its_authority_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::new(&Tls::default(), folder.path().join("tls"), ["ehr.example.org".to_owned()]);
        let clock = Clock::fixed("2026-11-24T12:00:00Z".parse().unwrap());
        server_config(source.clone(), clock.clone()).unwrap();
        let authority = std::fs::read_to_string(source.authority().unwrap()).unwrap();
        server_config(source.clone(), clock).unwrap();
        assert_eq!(std::fs::read_to_string(source.authority().unwrap()).unwrap(), authority);
    }

    #[test]
    fn files_that_cannot_be_used_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let one = rcgen::generate_simple_self_signed(["a.example.org".to_owned()]).unwrap();
        std::fs::write(path("certificate.pem"), one.cert.pem()).unwrap();
        std::fs::write(path("key.pem"), one.signing_key.serialize_pem()).unwrap();
        std::fs::write(path("other.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        std::fs::write(path("empty.pem"), "").unwrap();
        assert!(load_files(&path("certificate.pem"), &path("key.pem")).is_ok());
        for (certificate, key, named) in [
            ("certificate.pem", "other.pem", "is not the key of"),
            ("certificate.pem", "absent.pem", "tls.key"),
            ("empty.pem", "key.pem", "holds no certificate"),
            ("absent.pem", "key.pem", "tls.certificate"),
        ] {
            let error = load_files(&path(certificate), &path(key)).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
