//! Access tokens as JWTs: how they are signed, and what they must say.
//! RFC 9068, <https://www.rfc-editor.org/rfc/rfc9068>.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::{Deserialize, Serialize};

use super::ScopeError;

/// The `typ` of an access token: RFC 9068, 2.1.
pub(super) const TOKEN_TYPE: &str = "at+jwt";

/// The only algorithm that Vesta signs access tokens with, and so the only one it accepts.
pub(super) const ALGORITHM: Algorithm = Algorithm::ES256;

/// The claims of an access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    pub aud: String,
    pub client_id: String,
    /// Seconds since 1970.
    pub exp: i64,
    pub iat: i64,
    pub jti: String,
    pub scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patient: Option<String>,
    /// The user's own resource: `Practitioner/1`, or its URL.
    #[serde(rename = "fhirUser", default, skip_serializing_if = "Option::is_none")]
    pub fhir_user: Option<String>,
}

/// What a new token shall say.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    pub issuer: &'a str,
    pub audience: &'a str,
    pub subject: &'a str,
    pub client_id: &'a str,
    pub scope: &'a str,
    pub patient: Option<&'a str>,
    /// The user's own resource, which `openid fhirUser` covers.
    pub fhir_user: Option<&'a str>,
    pub now: Timestamp,
    pub lifetime: SignedDuration,
    pub id: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the signing key cannot be used: {0}")]
pub struct SigningKeyError(String);

/// A site's ES256 key pair.
pub struct SigningKey {
    signing: EncodingKey,
    verifying: DecodingKey,
    id: String,
}

impl SigningKey {
    /// A new private key as PKCS #8 in PEM.
    pub fn generate_pem() -> Result<String, SigningKeyError> {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(error)?;
        Ok(key.serialize_pem())
    }

    pub fn from_pem(pem: &str) -> Result<SigningKey, SigningKeyError> {
        let key = rcgen::KeyPair::from_pkcs8_pem_and_sign_algo(pem, &rcgen::PKCS_ECDSA_P256_SHA256).map_err(error)?;
        let signing = EncodingKey::from_ec_pem(pem.as_bytes()).map_err(error)?;
        let verifying = DecodingKey::from_ec_pem(key.public_key_pem().as_bytes()).map_err(error)?;
        // The key's id is its thumbprint: RFC 7638 over the point's two coordinates.
        let point = key.public_key_raw();
        let half = (point.len().saturating_sub(1)) / 2;
        let coordinate = |from: usize| base64(&point[1 + from..1 + from + half]);
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, coordinate(0), coordinate(half));
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes());
        Ok(SigningKey { signing, verifying, id: base64(digest.as_ref()) })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn verifying(&self) -> &DecodingKey {
        &self.verifying
    }

    /// Signs an access token.
    pub fn issue(&self, token: &NewToken<'_>) -> Result<String, SigningKeyError> {
        let issued = token.now.as_second();
        let claims = Claims {
            iss: token.issuer.to_owned(),
            sub: token.subject.to_owned(),
            aud: token.audience.to_owned(),
            client_id: token.client_id.to_owned(),
            exp: issued + token.lifetime.as_secs(),
            iat: issued,
            jti: token.id.clone(),
            scope: token.scope.to_owned(),
            patient: token.patient.map(str::to_owned),
            fhir_user: token.fhir_user.map(str::to_owned),
        };
        let mut header = Header::new(ALGORITHM);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(self.id.clone());
        jsonwebtoken::encode(&header, &claims, &self.signing).map_err(error)
    }
}

fn error(error: impl std::fmt::Display) -> SigningKeyError {
    SigningKeyError(error.to_string())
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Why a token is not accepted. The texts go to the client: they say which check failed, and nothing of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the access token is not a JWT of this server")]
    Malformed,
    #[error("the access token's typ is not at+jwt: an ID token or a client assertion does not give access")]
    Type,
    #[error("the access token is not signed with ES256")]
    Algorithm,
    #[error("the access token's signature is not of this site's key")]
    Signature,
    #[error("the access token was issued for another server or site")]
    Issuer,
    #[error("the access token's audience is another server or site")]
    Audience,
    #[error("the access token has expired")]
    Expired,
    #[error("the access token is of the future: compare the clocks")]
    NotYet,
    #[error("the access token was revoked")]
    Revoked,
    #[error("the access token has a scope that is not understood: {0}")]
    Scope(#[from] ScopeError),
    #[error("the access token has patient scopes and no patient")]
    NoPatient,
    #[error("system scopes are switched off on this server")]
    SystemScopes,
}
