//! What the upstream provider says of itself and of people, and whether it is believed: discovery, the token endpoint, the
//! ID token. The requests and the judgement are openidconnect's.

use std::future::Future;
use std::pin::Pin;

use chrono::{DateTime, Utc};
use openidconnect::core::{
    CoreClient, CoreClientAuthMethod, CoreIdTokenClaims, CoreJsonWebKeySet, CoreJwsSigningAlgorithm, CoreTokenResponse,
    CoreUserInfoClaims,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalProviderMetadata, AsyncHttpClient, AuthType, AuthorizationCode,
    ClaimsVerificationError, ClientId, ClientSecret, EndpointMaybeSet, EndpointNotSet, EndpointSet, IssuerUrl, Nonce,
    OAuth2TokenResponse, PkceCodeVerifier, RedirectUrl, SubjectIdentifier, TokenResponse,
};
use serde::{Deserialize, Serialize};

use super::{HttpRequest, HttpResponse, UpstreamError, UpstreamIdentity};
use crate::client::KeyFetcher;
use crate::discovery::Metadata;
use crate::engine::{Engine, Stored};
use crate::interaction::LEEWAY;
use crate::secret;
use crate::settings::{Matching, Upstream};
use crate::storage::{Kind, Storage};
use crate::token::chrono_time;

/// Asks the upstream provider. Limits of size, time and address are the implementer's.
pub trait ProviderClient: Send + Sync {
    /// The answer, whatever its status; else why there is none.
    fn send(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, String>> + Send;
}

/// What the provider says of itself is asked for again after so many seconds.
const KEEP: i64 = 600;
/// And not more often than this for ID tokens that name unknown keys.
const ASK_AGAIN: i64 = 10;

/// What is asymmetric: `none` is no signature, and by HMAC whoever has the client's secret could sign.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// RFC 9207, 3.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct NamesIssuer {
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for NamesIssuer {}

/// What was found at the issuer, for all processes.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Provider {
    metadata: Metadata<NamesIssuer>,
    keys: CoreJsonWebKeySet,
    asked: i64,
}

impl Stored for Provider {
    const KIND: Kind = Kind::Provider;
}

impl Provider {
    /// Whether each authorization response says whose it is.
    pub(super) fn names_issuer(&self) -> bool {
        self.metadata.additional_metadata().authorization_response_iss_parameter_supported
    }
}

/// Who is there, as the provider says.
pub(super) struct Told {
    pub(super) identity: UpstreamIdentity,
    /// The claim that is matched by, where the ID token has it.
    claim: Option<Claim>,
    access_token: AccessToken,
    client: Party,
    /// `auth_time`
    pub(super) authenticated: Option<i64>,
    /// Whether it was shown by several factors: `amr` of RFC 8176.
    pub(super) several_factors: bool,
}

/// A claim's value; of an e-mail address, whether it is verified.
pub(super) type Claim = (String, bool);

pub(super) type Party =
    CoreClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointMaybeSet, EndpointMaybeSet>;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unanswered(String);

/// The engine's client as openidconnect's.
struct Asking<'a, F>(&'a F);

impl<'c, F: ProviderClient> AsyncHttpClient<'c> for Asking<'_, F> {
    type Error = Unanswered;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Unanswered>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move { self.0.send(request).await.map_err(Unanswered) })
    }
}

impl<S: Storage, F: KeyFetcher + ProviderClient> Engine<S, F> {
    pub(super) async fn provider(&self, upstream: &Upstream) -> Result<Provider, UpstreamError> {
        let known = self.load::<Provider>(&secret::hash(&upstream.issuer)).await?.map(|kept| kept.value);
        match known.filter(|known| known.asked + KEEP > self.now().as_second()) {
            Some(known) => Ok(known),
            None => self.ask_provider(upstream).await,
        }
    }

    /// Discovery. "The issuer value returned MUST be identical to the Issuer URL": openidconnect looks at it.
    /// <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfigurationValidation>
    async fn ask_provider(&self, upstream: &Upstream) -> Result<Provider, UpstreamError> {
        let unreachable = |error: &dyn std::error::Error| UpstreamError::Unreachable(explained(error));
        let issuer = IssuerUrl::new(upstream.issuer.clone()).map_err(|error| unreachable(&error))?;
        let asking = Asking(&self.fetcher);
        let metadata = Metadata::<NamesIssuer>::discover_async(issuer, &asking).await;
        let metadata = metadata.map_err(|error| unreachable(&error))?;
        // The other addresses are asked from here, by a client that insists on TLS.
        if metadata.authorization_endpoint().url().scheme() != "https" {
            return Err(UpstreamError::not_believed("its authorization_endpoint is without TLS"));
        }
        let provider = Provider { keys: metadata.jwks().clone(), metadata, asked: self.now().as_second() };
        let key = secret::hash(&upstream.issuer);
        // That another process has just done the same does no harm.
        if !self.add(&key, &provider).await? {
            let newer = provider.clone();
            let changed = self.change::<Provider>(&key, |kept| {
                *kept = newer.clone();
                Ok(())
            });
            changed.await?;
        }
        Ok(provider)
    }

    pub(super) fn provider_client(&self, upstream: &Upstream, provider: &Provider) -> Result<Party, UpstreamError> {
        let secret = upstream.client_secret.clone().map(ClientSecret::new);
        let metadata = provider.metadata.clone().set_jwks(provider.keys.clone());
        let by_form = metadata.token_endpoint_auth_methods_supported().is_some_and(|methods| {
            !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && methods.contains(&CoreClientAuthMethod::ClientSecretPost)
        });
        let redirect = RedirectUrl::new(self.upstream_redirect_uri()).map_err(crate::token::server_error)?;
        let client = CoreClient::from_provider_metadata(metadata, ClientId::new(upstream.client_id.clone()), secret)
            .set_auth_type(if by_form { AuthType::RequestBody } else { AuthType::BasicAuth });
        Ok(client.set_redirect_uri(redirect))
    }

    /// The code for tokens, and what they say.
    pub(super) async fn exchange_upstream(
        &self,
        upstream: &Upstream,
        provider: Provider,
        code: &str,
        verifier: PkceCodeVerifier,
        nonce: Nonce,
    ) -> Result<Told, UpstreamError> {
        let client = self.provider_client(upstream, &provider)?;
        let asking = Asking(&self.fetcher);
        let request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|_| UpstreamError::not_believed("the provider has no token_endpoint"))?
            .set_pkce_verifier(verifier);
        let tokens: CoreTokenResponse =
            request.request_async(&asking).await.map_err(|error| UpstreamError::Unreachable(explained(&error)))?;
        let claims = match self.verified(&client, &tokens, &nonce) {
            // A key that is not there may be a new one.
            Err(ClaimsVerificationError::SignatureVerification(_))
                if provider.asked + ASK_AGAIN <= self.now().as_second() =>
            {
                let newer = self.provider_client(upstream, &self.ask_provider(upstream).await?)?;
                self.verified(&newer, &tokens, &nonce)
            }
            verified => verified,
        };
        let claims =
            claims.map_err(|error| UpstreamError::not_believed(format!("the ID token: {}", explained(&error))))?;
        let subject = claims.subject().to_string();
        Ok(Told {
            identity: UpstreamIdentity { issuer: upstream.issuer.clone(), subject },
            claim: upstream.matching.and_then(|by| in_id_token(&claims, by)),
            access_token: tokens.access_token().clone(),
            client,
            authenticated: claims.auth_time().map(|time| time.timestamp()),
            several_factors: claims.auth_method_refs().is_some_and(|all| all.iter().any(|used| used.as_str() == "mfa")),
        })
    }

    /// The claim that is matched by. "UserInfo": what scopes ask for may be told there alone where a code was exchanged.
    /// <https://openid.net/specs/openid-connect-core-1_0.html#ScopeClaims>
    pub(super) async fn claim(&self, told: &Told, by: Matching) -> Result<Option<Claim>, UpstreamError> {
        if told.claim.is_some() {
            return Ok(told.claim.clone());
        }
        let subject = SubjectIdentifier::new(told.identity.subject.clone());
        let Ok(request) = told.client.user_info(told.access_token.clone(), Some(subject)) else { return Ok(None) };
        let asking = Asking(&self.fetcher);
        let claims: Result<CoreUserInfoClaims, _> = request.request_async(&asking).await;
        let claims = claims.map_err(|error| UpstreamError::not_believed(format!("userinfo: {}", explained(&error))))?;
        Ok(match by {
            Matching::Email => claims.email().map(|email| (email.to_string(), claims.email_verified() == Some(true))),
            Matching::PreferredUsername => claims.preferred_username().map(|name| (name.to_string(), true)),
        })
    }

    /// "3.1.3.7. ID Token Validation": signature, `iss`, `aud`, `exp` and `nonce` by openidconnect, at the clock that is a
    /// parameter. <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
    fn verified(
        &self,
        client: &Party,
        tokens: &CoreTokenResponse,
        nonce: &Nonce,
    ) -> Result<CoreIdTokenClaims, ClaimsVerificationError> {
        let other = |text: &str| ClaimsVerificationError::Other(text.to_owned());
        let token = tokens.id_token().ok_or_else(|| other("there is none: does the client have the scope openid?"))?;
        let now = chrono_time(self.now()).map_err(|error| other(&error.description))?;
        let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS).set_time_fn(move || now);
        let verifier = verifier.set_issue_time_verifier_fn(move |issued: DateTime<Utc>| {
            match issued.timestamp() <= now.timestamp() + LEEWAY {
                true => Ok(()),
                false => Err("it is of the future: compare the clocks".to_owned()),
            }
        });
        let claims = token.claims(&verifier, nonce)?;
        if let Some(azp) = claims.authorized_party()
            && azp != client.client_id()
        {
            return Err(other("it was made for another client (azp)"));
        }
        if let Some(said) = claims.access_token_hash() {
            let hash =
                token.signing_key(&verifier).ok().zip(token.signing_alg().ok()).and_then(|(key, algorithm)| {
                    AccessTokenHash::from_token(tokens.access_token(), algorithm, key).ok()
                });
            if hash.as_ref() != Some(said) {
                return Err(other("at_hash is not the hash of the access token beside it"));
            }
        }
        Ok(claims.clone())
    }
}

fn in_id_token(claims: &CoreIdTokenClaims, by: Matching) -> Option<Claim> {
    match by {
        Matching::Email => claims.email().map(|email| (email.to_string(), claims.email_verified() == Some(true))),
        Matching::PreferredUsername => claims.preferred_username().map(|name| (name.to_string(), true)),
    }
}

/// An error with its causes, of which some may hold what was sent: not the body of an answer.
fn explained(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
