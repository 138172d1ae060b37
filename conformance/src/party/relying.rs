//! What a client asks the authorization server: the requests are openidconnect's, and so is the judgement of what comes
//! back. A test changes a request on its way out.

use std::cell::RefCell;

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, IdTokenFields, IssuerUrl, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, Scope, StandardErrorResponse,
    StandardTokenResponse, TokenResponse, TokenUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::Kind;
use super::client::{ASSERTION_TYPE, Assertion, Client};
use crate::client::{Answer, Server};

/// "fhirUser": <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SmartClaims {
    #[serde(rename = "fhirUser")]
    pub(crate) fhir_user: Option<String>,
}

impl AdditionalClaims for SmartClaims {}

/// "Launch context arrives with your access_token".
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#launch-context-arrives-with-your-access_token>
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Context {
    pub(crate) patient: Option<String>,
    pub(crate) encounter: Option<String>,
    pub(crate) need_patient_banner: Option<bool>,
    pub(crate) smart_style_url: Option<String>,
}

impl ExtraTokenFields for Context {}

type Fields =
    IdTokenFields<SmartClaims, Context, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

pub(crate) type Tokens = StandardTokenResponse<Fields, CoreTokenType>;

type Party = openidconnect::Client<
    SmartClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

/// What is another than it should be: parameters by name, none where it is left out.
pub(crate) type Changes = [(String, Option<String>)];

/// How to reach the authorization server, as the FHIR server says.
#[derive(Debug, Clone)]
pub(crate) struct Discovered {
    pub(crate) smart: Value,
    pub(crate) keys: CoreJsonWebKeySet,
}

/// An authorization request, and what its answer is compared with.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
}

/// What is asked for at the token endpoint.
#[derive(Clone, Copy)]
pub(crate) enum Grant<'a> {
    Code { code: &'a str, verifier: &'a str },
    Refresh { token: &'a str, scope: Option<&'a str> },
    ClientCredentials { scope: &'a str },
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unanswered(String);

impl Discovered {
    pub(crate) fn endpoint(&self, name: &str) -> Option<&str> {
        self.smart[name].as_str()
    }

    /// Of the tokens; of a server that does not say, the address of its token endpoint stands for it.
    pub(crate) fn issuer(&self) -> &str {
        self.endpoint("issuer").unwrap_or_default()
    }

    fn party(&self, client: &Client, redirect_uri: &str) -> Result<Party, String> {
        let url = |name: &str| self.endpoint(name).ok_or_else(|| format!("the smart-configuration has no {name}"));
        let wrong = |error: url::ParseError| format!("the smart-configuration's addresses: {error}");
        let issuer = IssuerUrl::new(self.issuer().to_owned()).or_else(|_| IssuerUrl::new("urn:none".to_owned()));
        let mut party: Party =
            openidconnect::Client::new(ClientId::new(client.id.clone()), issuer.map_err(wrong)?, self.keys.clone())
                .set_auth_uri(AuthUrl::new(url("authorization_endpoint")?.to_owned()).map_err(wrong)?)
                .set_token_uri(TokenUrl::new(url("token_endpoint")?.to_owned()).map_err(wrong)?)
                .set_redirect_uri(RedirectUrl::new(redirect_uri.to_owned()).map_err(wrong)?)
                .disable_openid_scope();
        if let Some(secret) = &client.secret {
            party = party.set_client_secret(ClientSecret::new(secret.clone()));
        }
        Ok(match client.kind {
            Kind::Symmetric => party.set_auth_type(AuthType::BasicAuth),
            _ => party.set_auth_type(AuthType::RequestBody),
        })
    }

    /// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code>
    pub(crate) fn authorization(
        &self,
        client: &Client,
        redirect_uri: &str,
        scope: &str,
        changes: &Changes,
    ) -> Result<Asked, String> {
        let party = self.party(client, redirect_uri)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let request = party
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(scope.split_ascii_whitespace().map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(challenge);
        let (url, state, nonce) = request.url();
        let kept: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let mut url = Url::parse(url.as_str()).map_err(|error| error.to_string())?;
        url.query_pairs_mut().clear().extend_pairs(changed(kept, changes));
        let (state, nonce) = (state.secret().clone(), nonce.secret().clone());
        Ok(Asked { url: url.into(), state, nonce, verifier: verifier.into_secret() })
    }

    /// Asks the token endpoint; what openidconnect makes of the answer stands beside it.
    pub(crate) fn token(
        &self,
        http: &Server,
        client: &Client,
        redirect_uri: &str,
        grant: Grant<'_>,
        assertion: &Assertion,
        changes: &Changes,
    ) -> Result<(Answer, Result<Tokens, String>), String> {
        let party = self.party(client, redirect_uri)?;
        let mut also = Vec::new();
        if let Some(key) = &client.key {
            let audience = self.endpoint("token_endpoint").unwrap_or_default();
            also.push(("client_assertion_type".to_owned(), ASSERTION_TYPE.to_owned()));
            also.push(("client_assertion".to_owned(), key.assertion(&client.id, audience, assertion)?));
        }
        let answered = RefCell::new(None);
        let send = |request: HttpRequest| -> Result<HttpResponse, Unanswered> {
            let (parts, body) = request.into_parts();
            let pairs = form_urlencoded::parse(&body).into_owned().chain(also.iter().cloned()).collect();
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(changed(pairs, changes)).finish();
            let headers = parts.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
            let headers: Vec<(&str, &str)> = headers.collect();
            let answer = http.request("POST", &parts.uri.to_string(), &headers, Some(&body)).map_err(Unanswered)?;
            let mut response = http::Response::builder().status(answer.status());
            for (name, value) in &answer.exchange.headers {
                response = response.header(name, value);
            }
            let response = response.body(answer.body.clone()).map_err(|error| Unanswered(error.to_string()))?;
            answered.replace(Some(answer));
            Ok(response)
        };
        let tokens = match grant {
            Grant::Code { code, verifier } => party
                .exchange_code(AuthorizationCode::new(code.to_owned()))
                .set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()))
                .request(&send)
                .map_err(|error| explained(&error)),
            Grant::Refresh { token, scope } => {
                let token = RefreshToken::new(token.to_owned());
                let scopes = scope.unwrap_or_default().split_ascii_whitespace();
                let request = party.exchange_refresh_token(&token);
                let request = request.add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())));
                request.request(&send).map_err(|error| explained(&error))
            }
            Grant::ClientCredentials { scope } => {
                let scopes = scope.split_ascii_whitespace().map(|scope| Scope::new(scope.to_owned()));
                let request = party.exchange_client_credentials().add_scopes(scopes);
                request.request(&send).map_err(|error| explained(&error))
            }
        };
        match answered.into_inner() {
            Some(answer) => Ok((answer, tokens)),
            None => Err(tokens.err().unwrap_or_else(|| "the token endpoint was not asked".to_owned())),
        }
    }

    /// "3.1.3.7. ID Token Validation", with the hash of the access token where there is one; the claims.
    /// <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
    pub(crate) fn identity(
        &self,
        client: &Client,
        tokens: &Tokens,
        nonce: Option<&str>,
    ) -> Result<(String, SmartClaims), String> {
        let token = tokens.id_token().ok_or("there is no id_token")?;
        let party = self.party(client, "urn:none:")?;
        let verifier = party.id_token_verifier();
        let nonce = nonce.map(|nonce| Nonce::new(nonce.to_owned()));
        let as_asked = |said: Option<&Nonce>| match &nonce {
            Some(asked) if said.map(Nonce::secret) == Some(asked.secret()) => Ok(()),
            Some(_) => Err("the nonce is not the one of the request".to_owned()),
            None => Ok(()),
        };
        let claims =
            token.claims(&verifier, as_asked).map_err(|error| format!("the id_token: {}", explained(&error)))?;
        if let Some(said) = claims.access_token_hash() {
            let algorithm = token.signing_alg().map_err(|error| error.to_string())?;
            let key = token.signing_key(&verifier).map_err(|error| error.to_string())?;
            let hash = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if hash.map_err(|error| error.to_string())? != *said {
                return Err("at_hash is not the hash of the access token".to_owned());
            }
        }
        Ok((claims.subject().to_string(), claims.additional_claims().clone()))
    }
}

/// The same parameters but for those that are changed.
fn changed(pairs: Vec<(String, String)>, changes: &Changes) -> Vec<(String, String)> {
    let is_changed = |name: &str| changes.iter().any(|(known, _)| known == name);
    let kept = pairs.into_iter().filter(|(name, _)| !is_changed(name));
    let new = changes.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    kept.chain(new).collect()
}

/// An error with its causes.
fn explained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
