//! A site's own keys: ES256 for access tokens, RS256 for ID tokens, which OpenID Connect and SMART require. How they follow
//! one another is `ring`'s.

mod ring;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RsaPublicKeyComponents};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use openidconnect::core::{CoreJsonCurveType, CoreJsonWebKey, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKeyId, PrivateSigningKey, SigningError};

use crate::secret::{base64url, sha256};
pub use ring::{Dated, KeyPair, KeyRing, Rotation, Shared, rotate_pem};

#[derive(Debug, thiserror::Error)]
#[error("the signing key cannot be used: {0}")]
pub struct SigningKeyError(String);

impl SigningKeyError {
    pub(crate) fn new(cause: impl std::fmt::Display) -> SigningKeyError {
        SigningKeyError(cause.to_string())
    }
}

fn error(error: impl std::fmt::Display) -> SigningKeyError {
    SigningKeyError::new(error)
}

/// A site's ES256 key pair.
pub struct SigningKey {
    pub(crate) signing: EncodingKey,
    verifying: DecodingKey,
    id: String,
    public: CoreJsonWebKey,
}

impl SigningKey {
    /// A new private key as PKCS #8 in PEM.
    pub fn generate_pem() -> Result<String, SigningKeyError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(error)?;
        Ok(key.serialize_pem())
    }

    pub fn verifying(&self) -> &DecodingKey {
        &self.verifying
    }

    pub fn from_pem(pem: &str) -> Result<SigningKey, SigningKeyError> {
        let key = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(pem, &rcgen::PKCS_ECDSA_P256_SHA256).map_err(error)?;
        let signing = EncodingKey::from_ec_pem(pem.as_bytes()).map_err(error)?;
        let verifying = DecodingKey::from_ec_pem(key.public_key_pem().as_bytes()).map_err(error)?;
        // The point, uncompressed: a byte that says so, and the two coordinates.
        let point = key.public_key_raw();
        let half = point.len().saturating_sub(1) / 2;
        let (x, y) = (&point[1..=half], &point[1 + half..]);
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64url(x), base64url(y));
        let id = thumbprint(&canonical);
        let key_id = Some(JsonWebKeyId::new(id.clone()));
        let public = CoreJsonWebKey::new_ec(x.to_vec(), y.to_vec(), CoreJsonCurveType::P256, key_id);
        let public = for_algorithm(&public, "ES256")?;
        Ok(SigningKey { signing, verifying, id, public })
    }

    /// The key's thumbprint: RFC 7638.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl KeyPair for SigningKey {
    fn from_pem(pem: &str) -> Result<SigningKey, SigningKeyError> {
        SigningKey::from_pem(pem)
    }

    fn id(&self) -> &str {
        &self.id
    }
}

/// "ID Token ... signed with RS256": a site's RSA key pair.
/// <https://openid.net/specs/openid-connect-core-1_0.html#IDToken>
pub struct IdentityKey {
    signing: EncodingKey,
    pub(crate) verifying: DecodingKey,
    id: String,
    public: CoreJsonWebKey,
}

impl IdentityKey {
    /// A new private key as PKCS #8 in PEM; takes a while.
    pub fn generate_pem() -> Result<String, SigningKeyError> {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(error)?;
        let der = key.as_der().map_err(error)?;
        Ok(pem(der.as_ref()))
    }

    pub fn from_pem(pem: &str) -> Result<IdentityKey, SigningKeyError> {
        let signing = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(error)?;
        let key = RsaKeyPair::from_pkcs8(&der(pem)?).map_err(error)?;
        let parts = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
        let (n, e) = (base64url(&parts.n), base64url(&parts.e));
        let id = thumbprint(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#));
        let verifying = DecodingKey::from_rsa_components(&n, &e).map_err(error)?;
        let public = CoreJsonWebKey::new_rsa(parts.n, parts.e, Some(JsonWebKeyId::new(id.clone())));
        let public = for_algorithm(&public, "RS256")?;
        Ok(IdentityKey { signing, verifying, id, public })
    }

    /// The key's thumbprint: RFC 7638.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl KeyPair for IdentityKey {
    fn from_pem(pem: &str) -> Result<IdentityKey, SigningKeyError> {
        IdentityKey::from_pem(pem)
    }

    fn id(&self) -> &str {
        &self.id
    }
}

/// Which algorithm a key is for is part of it: RFC 8725, 3.1. The type sets it only when it is read.
fn for_algorithm(key: &CoreJsonWebKey, algorithm: &str) -> Result<CoreJsonWebKey, SigningKeyError> {
    let mut value = serde_json::to_value(key).map_err(error)?;
    value["alg"] = algorithm.into();
    serde_json::from_value(value).map_err(error)
}

fn thumbprint(canonical: &str) -> String {
    base64url(&sha256(canonical.as_bytes()))
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for line in text.as_bytes().chunks(64) {
        pem.push_str(std::str::from_utf8(line).unwrap_or_default());
        pem.push('\n');
    }
    pem + "-----END PRIVATE KEY-----\n"
}

fn der(pem: &str) -> Result<Vec<u8>, SigningKeyError> {
    use base64::Engine as _;
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    base64::engine::general_purpose::STANDARD.decode(body).map_err(error)
}

/// What openidconnect signs an ID token with.
impl PrivateSigningKey for IdentityKey {
    type VerificationKey = CoreJsonWebKey;

    fn sign(&self, algorithm: &CoreJwsSigningAlgorithm, message: &[u8]) -> Result<Vec<u8>, SigningError> {
        if *algorithm != CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256 {
            return Err(SigningError::UnsupportedAlg(format!("{algorithm:?}")));
        }
        let signature = jsonwebtoken::crypto::sign(message, &self.signing, Algorithm::RS256)
            .map_err(|error| SigningError::Other(error.to_string()))?;
        crate::secret::from_base64url(&signature).ok_or(SigningError::CryptoError)
    }

    fn as_verification_key(&self) -> CoreJsonWebKey {
        self.public.clone()
    }
}

/// All keys of a site.
pub struct Keys {
    pub access: KeyRing<SigningKey>,
    pub identity: KeyRing<IdentityKey>,
}

impl Keys {
    /// From what a site keeps: a PEM file for each kind.
    pub fn from_pem(access: &str, identity: &str) -> Result<Keys, SigningKeyError> {
        Ok(Keys { access: KeyRing::from_pem(access)?, identity: KeyRing::from_pem(identity)? })
    }

    /// The public halves, for who verifies: "keys published as bare JWKs".
    pub fn published(&self, now: Timestamp) -> CoreJsonWebKeySet {
        let identity = self.identity.published(now).map(|key| key.public.clone());
        let access = self.access.published(now).map(|key| key.public.clone());
        CoreJsonWebKeySet::new(identity.chain(access).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of this test alone: to make one takes seconds without optimisation.
    pub(crate) fn identity() -> IdentityKey {
        IdentityKey::from_pem(&IdentityKey::generate_pem().unwrap()).unwrap()
    }

    #[test]
    fn published_keys_have_no_private_part_and_verify_what_the_private_ones_sign() {
        let access = SigningKey::from_pem(&SigningKey::generate_pem().unwrap()).unwrap();
        let keys = Keys { access: KeyRing::of(access), identity: KeyRing::of(identity()) };
        let published = serde_json::to_value(keys.published(Timestamp::UNIX_EPOCH)).unwrap();
        for key in published["keys"].as_array().unwrap() {
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(key.get(private).is_none(), "{private}");
            }
            assert_eq!(key["use"], "sig");
            assert!(key["kid"].as_str().unwrap().len() == 43);
        }
        let signature = keys
            .identity
            .current(Timestamp::UNIX_EPOCH)
            .sign(&CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, b"text")
            .unwrap();
        let verified = jsonwebtoken::crypto::verify(
            &base64url(&signature),
            b"text",
            &keys.identity.current(Timestamp::UNIX_EPOCH).verifying,
            Algorithm::RS256,
        );
        assert!(verified.unwrap());
    }
}
