//! Tokens: access tokens as JWTs of RFC 9068, and ID tokens of OpenID Connect.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Header, Validation};
use openidconnect::core::{CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm};
use openidconnect::{
    AccessToken, AdditionalClaims, Audience, EndUserEmail, EndUserName, EndUserUsername, IdToken, IdTokenClaims,
    IssuerUrl, Nonce, StandardClaims, SubjectIdentifier,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::client::{ClientState, KeyFetcher};
use crate::engine::Engine;
use crate::error::{ErrorCode, OAuthError};
use crate::grant::{Access, Grant};
use crate::keys::{SigningKey, SigningKeyError};
use crate::scopes;
use crate::secret;
use crate::storage::Storage;
use crate::user::{Role, User};

/// The `typ` of an access token: RFC 9068, 2.1.
pub const TOKEN_TYPE: &str = "at+jwt";

/// The only algorithm that access tokens are signed with, and so the only one that is accepted.
pub const ALGORITHM: Algorithm = Algorithm::ES256;

/// In `roles`: the user is an administrator.
pub const ADMINISTRATOR: &str = "administrator";

/// The claims of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encounter: Option<String>,
    /// The user's own resource, as the ID token names it: `https://…/Practitioner/1`.
    #[serde(rename = "fhirUser", default, skip_serializing_if = "Option::is_none")]
    pub fhir_user: Option<String>,
    /// The grant that it belongs to: revoked together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// What the user is here beside what the scopes say: RFC 9068, 2.2.3.1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
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
    pub encounter: Option<&'a str>,
    pub fhir_user: Option<&'a str>,
    pub grant: Option<&'a str>,
    pub roles: &'a [&'a str],
    pub now: Timestamp,
    pub lifetime: SignedDuration,
    pub id: String,
}

impl SigningKey {
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
            encounter: token.encounter.map(str::to_owned),
            fhir_user: token.fhir_user.map(str::to_owned),
            grant: token.grant.map(str::to_owned),
            roles: token.roles.iter().map(|role| (*role).to_owned()).collect(),
        };
        let mut header = Header::new(ALGORITHM);
        header.typ = Some(TOKEN_TYPE.to_owned());
        header.kid = Some(self.id().to_owned());
        jsonwebtoken::encode(&header, &claims, &self.signing).map_err(SigningKeyError::new)
    }
}

/// The answer of the token endpoint: RFC 6749, 5.1, with what SMART adds.
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#response-5>
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenResponse {
    pub access_token: String,
    pub token_type: &'static str,
    pub expires_in: i64,
    pub scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    /// `patient`, `encounter`, `fhirContext`, `need_patient_banner`, `intent`, `tenant`, `smart_style_url`.
    #[serde(flatten)]
    pub context: Map<String, Value>,
}

/// `fhirUser` beside the standard claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FhirUser {
    #[serde(rename = "fhirUser", default, skip_serializing_if = "Option::is_none")]
    pub fhir_user: Option<String>,
}

impl AdditionalClaims for FhirUser {}

type SmartIdToken = IdToken<FhirUser, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// Signs an access token of a grant.
    pub(crate) fn access_token(
        &self,
        grant: &Grant,
        user: &User,
        scopes: &[String],
    ) -> Result<(String, i64), OAuthError> {
        let lifetimes = &self.settings.lifetimes;
        let lifetime = match grant.access {
            // Whoever refreshes when it is over still finds the session, and it is over before an unused session is.
            Access::Online => lifetimes.token.min(lifetimes.session_idle / 2),
            Access::Once | Access::Offline => lifetimes.token,
        };
        let lifetime = match grant.ends {
            // A token does not outlive what it was granted for.
            Some(ends) => lifetime.min(SignedDuration::from_secs(ends - self.now().as_second())),
            None => lifetime,
        };
        let fhir_user = scopes::has(scopes, "fhirUser").then(|| user.fhir_user_url(&self.settings.fhir_base)).flatten();
        let token = NewToken {
            issuer: &self.settings.issuer,
            audience: &self.settings.fhir_base,
            subject: &user.id,
            client_id: &grant.client,
            scope: &scopes.join(" "),
            patient: grant.context.patient.as_deref(),
            encounter: grant.context.encounter.as_deref(),
            fhir_user: fhir_user.as_deref(),
            grant: Some(&grant.id),
            roles: if user.role == Role::Administrator { &[ADMINISTRATOR] } else { &[] },
            now: self.now(),
            lifetime,
            id: secret::new_id(&self.random),
        };
        let signed = self.keys().access.current(self.now()).issue(&token).map_err(server_error)?;
        Ok((signed, lifetime.as_secs()))
    }

    /// <https://openid.net/specs/openid-connect-core-1_0.html#IDToken>
    pub(crate) fn id_token(
        &self,
        grant: &Grant,
        user: &User,
        scopes: &[String],
        access_token: &str,
        nonce: Option<&str>,
    ) -> Result<Option<String>, OAuthError> {
        if !scopes::has(scopes, "openid") {
            return Ok(None);
        }
        let now = self.now();
        let issuer = IssuerUrl::new(self.settings.issuer.clone()).map_err(server_error)?;
        let claims = IdTokenClaims::new(
            issuer,
            vec![Audience::new(grant.client.clone())],
            chrono_time(now + self.settings.lifetimes.token)?,
            chrono_time(now)?,
            standard_claims(user, scopes),
            FhirUser {
                fhir_user: scopes::has(scopes, "fhirUser")
                    .then(|| user.fhir_user_url(&self.settings.fhir_base))
                    .flatten(),
            },
        )
        .set_nonce(nonce.map(|nonce| Nonce::new(nonce.to_owned())))
        .set_auth_time(Some(chrono_time(Timestamp::from_second(grant.authenticated).unwrap_or(now))?));
        let access_token = AccessToken::new(access_token.to_owned());
        let token = SmartIdToken::new(
            claims,
            self.keys().identity.current(now),
            CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
            Some(&access_token),
            None,
        )
        .map_err(server_error)?;
        Ok(Some(token.to_string()))
    }

    /// An access token that somebody asks about: of this site, signed, in time and not revoked; else none.
    pub(crate) async fn find_access_token(&self, token: &str) -> Result<Option<Claims>, OAuthError> {
        let Some(claims) = self.read_access_token(token) else { return Ok(None) };
        if claims.exp <= self.now().as_second() || self.is_revoked(&claims).await? {
            return Ok(None);
        }
        Ok(Some(claims))
    }

    /// Whatever its age.
    pub(crate) fn read_access_token(&self, token: &str) -> Option<Claims> {
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.alg != ALGORITHM || header.typ.as_deref() != Some(TOKEN_TYPE) {
            return None;
        }
        let keys = self.keys();
        let key = &keys.access.find(header.kid.as_deref(), self.now())?.key;
        let mut validation = Validation::new(ALGORITHM);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.fhir_base]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false;
        Some(jsonwebtoken::decode::<Claims>(token, key.verifying(), &validation).ok()?.claims)
    }

    async fn is_revoked(&self, claims: &Claims) -> Result<bool, OAuthError> {
        // A backend service has no grant that could have been taken back.
        if self.client(&claims.client_id).await?.is_some_and(|client| client.state != ClientState::Enabled) {
            return Ok(true);
        }
        if let Some(grant) = &claims.grant
            && self.grant(grant).await?.is_none()
        {
            return Ok(true);
        }
        Ok(self.storage.is_revoked(&claims.jti).await?)
    }
}

fn standard_claims(user: &User, scopes: &[String]) -> StandardClaims<CoreGenderClaim> {
    let mut claims = StandardClaims::new(SubjectIdentifier::new(user.id.clone()));
    if scopes::has(scopes, "profile") {
        claims = claims
            .set_name(Some(EndUserName::new(user.display_name.clone()).into()))
            .set_preferred_username(Some(EndUserUsername::new(user.name.clone())));
    }
    if scopes::has(scopes, "email") {
        claims = claims.set_email(user.email.clone().map(EndUserEmail::new));
    }
    claims
}

pub(crate) fn chrono_time(time: Timestamp) -> Result<chrono::DateTime<chrono::Utc>, OAuthError> {
    chrono::DateTime::from_timestamp(time.as_second(), 0).ok_or_else(|| server_error("a time out of range"))
}

/// What is no fault of the client's.
pub(crate) fn server_error(cause: impl std::fmt::Display) -> OAuthError {
    tracing::error!(%cause, "the authorization server failed");
    OAuthError::new(ErrorCode::ServerError, "a fault of the server's own; its log has the cause")
}
