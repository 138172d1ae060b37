//! Staff who log in at another OpenID provider, of which this server is a client: the way there and back. What the provider
//! says is `provider`'s to believe, who that is here is `identity`'s.
//!
//! ```text
//! start_upstream → (the provider) → finish_upstream → log_in_upstream
//! ```
//!
//! <https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth>

mod identity;
mod provider;

use openidconnect::core::{CoreAuthPrompt, CoreAuthenticationFlow};
use openidconnect::{CsrfToken, LoginHint, Nonce, PkceCodeChallenge, PkceCodeVerifier, Scope};
use serde::{Deserialize, Serialize};

use crate::client::KeyFetcher;
use crate::engine::{Engine, Stored};
use crate::error::{ErrorCode, OAuthError};
use crate::interaction::LEEWAY;
use crate::parameters::Parameters;
use crate::secret;
use crate::session::{Opened, Session};
use crate::settings::Upstream;
use crate::storage::{Kind, Storage};
use crate::user::User;

pub use identity::UpstreamIdentity;
pub use openidconnect::{HttpRequest, HttpResponse};
pub use provider::ProviderClient;

/// A log-in that is under way: good once, and only in the browser where it was begun.
#[derive(Serialize, Deserialize)]
struct UpstreamLogin {
    /// The key of the browser's session.
    session: String,
    /// Which provider it was sent to.
    issuer: String,
    nonce: String,
    /// PKCE: RFC 7636.
    verifier: String,
    interaction: Option<String>,
    /// The page that one returns to.
    next: Option<String>,
    /// The person must have shown who they are then or later. Seconds since 1970.
    not_before: Option<i64>,
    expires: i64,
}

impl Stored for UpstreamLogin {
    const KIND: Kind = Kind::UpstreamLogin;

    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// Who came back from the provider.
#[derive(Debug)]
pub struct UpstreamUser {
    pub user: User,
    /// When the user showed there who they are. Seconds since 1970.
    pub authenticated: i64,
    /// The request that goes on now.
    pub interaction: Option<String>,
    pub next: Option<String>,
    /// A second factor of this server's is still to come: the provider does not say that it asked for several.
    pub owes_second_factor: bool,
}

/// Why somebody is not let in who comes from the provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    #[error("this server knows no provider at which one could sign in")]
    NoProvider,
    /// Nobody was sent to the provider with this `state`, in this browser, or the answer has come before.
    #[error("this sign-in is over, or was begun in another browser")]
    Stale,
    /// What the provider answered instead of a code: RFC 6749, 4.1.2.1.
    #[error("the provider answered {0}")]
    Refused(String),
    /// Which check failed.
    #[error("what the provider sent cannot be believed: {0}")]
    NotBelieved(String),
    #[error("the provider cannot be reached, or does not answer as it should: {0}")]
    Unreachable(String),
    #[error("the provider did not ask anew who is there, and the app wants to be sure")]
    NotRecent,
    /// Nobody here is linked to this identity, and no claim says who it is.
    #[error("no user of this server is linked to the identity")]
    Unknown(UpstreamIdentity),
    #[error("the e-mail address is not verified by the provider")]
    Unverified,
    #[error(transparent)]
    Failed(#[from] OAuthError),
}

impl UpstreamError {
    fn not_believed(why: impl std::fmt::Display) -> UpstreamError {
        UpstreamError::NotBelieved(why.to_string())
    }
}

impl<S: Storage, F: KeyFetcher + ProviderClient> Engine<S, F> {
    fn upstream(&self) -> Result<&Upstream, UpstreamError> {
        self.settings.upstream.as_ref().ok_or(UpstreamError::NoProvider)
    }

    /// Where the provider sends the browser back: registered there.
    pub fn upstream_redirect_uri(&self) -> String {
        self.settings.endpoint("upstream/callback")
    }

    /// Begins, in the browser that has the session: the URL to send it to.
    pub async fn start_upstream(
        &self,
        session: &Session,
        interaction: Option<&str>,
        next: Option<&str>,
    ) -> Result<String, UpstreamError> {
        let upstream = self.upstream()?;
        let request = match interaction {
            Some(id) => Some(self.interaction(id, session).await?.request),
            None => None,
        };
        let now = self.now().as_second();
        let is_again = request.as_ref().is_some_and(|request| request.prompt.is_again());
        let asked_age = request.as_ref().and_then(|request| request.max_age);
        // With `max_age`, "the ID Token returned MUST include an auth_time Claim Value": it is always sent, since nobody stays
        // logged in here for longer than the absolute limit of a session.
        let longest = self.settings.lifetimes.session.as_secs();
        let max_age = asked_age.map_or(longest, |age| age.min(longest));
        let provider = self.provider(upstream).await?;
        let client = self.provider_client(upstream, &provider)?;
        let verifier = PkceCodeVerifier::new(secret::new(&self.random));
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&verifier);
        let (state, nonce) = (secret::new(&self.random), secret::new(&self.random));
        let login = UpstreamLogin {
            session: session.key.clone(),
            issuer: upstream.issuer.clone(),
            nonce: nonce.clone(),
            verifier: verifier.into_secret(),
            interaction: interaction.map(str::to_owned),
            next: next.map(str::to_owned),
            not_before: match (is_again, asked_age) {
                (true, _) => Some(now),
                (false, Some(age)) => Some(now - age),
                (false, None) => None,
            },
            expires: self.after(self.settings.lifetimes.interaction),
        };
        self.add(&secret::hash(&state), &login).await?;
        let (state, nonce) = (CsrfToken::new(state), Nonce::new(nonce));
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let mut asked = client
            .authorize_url(flow, move || state, move || nonce)
            .add_scopes(upstream.scopes.iter().map(|scope| Scope::new(scope.clone())))
            .set_max_age(std::time::Duration::from_secs(max_age.unsigned_abs()))
            .set_pkce_challenge(challenge);
        if is_again {
            asked = asked.add_prompt(CoreAuthPrompt::Login);
        }
        if let Some(hint) = request.and_then(|request| request.login_hint) {
            asked = asked.set_login_hint(LoginHint::new(hint));
        }
        Ok(asked.url().0.into())
    }

    /// Reads the provider's answer, exchanges the code, and finds who it is.
    pub async fn finish_upstream(
        &self,
        parameters: &Parameters,
        session: &Session,
    ) -> Result<UpstreamUser, UpstreamError> {
        let upstream = self.upstream()?;
        let state = parameters.one("state")?.ok_or(UpstreamError::Stale)?;
        let key = secret::hash(state);
        let login = self.load::<UpstreamLogin>(&key).await?.map(|kept| kept.value).ok_or(UpstreamError::Stale)?;
        // "the state parameter ... bound to the user agent": RFC 9700, 2.1. Who has another session does not use it up.
        if !secret::are_equal(&login.session, &session.key) {
            return Err(UpstreamError::Stale);
        }
        // Of two who come back at once, one goes on.
        let is_first = self.storage.remove(Kind::UpstreamLogin, &key).await.map_err(OAuthError::from)?;
        if !is_first || login.issuer != upstream.issuer {
            return Err(UpstreamError::Stale);
        }
        let provider = self.provider(upstream).await?;
        // "clients MUST extract the value of the iss parameter from authorization responses they receive if the parameter
        // is present": RFC 9207, 2.4.
        match parameters.one("iss")? {
            Some(issuer) if issuer != upstream.issuer => {
                return Err(UpstreamError::not_believed(
                    "the answer names another issuer (iss): it may be another's code",
                ));
            }
            None if provider.names_issuer() => {
                return Err(UpstreamError::not_believed("the answer names no issuer (iss), as the provider promises"));
            }
            _ => {}
        }
        if let Some(error) = parameters.one("error")? {
            return Err(UpstreamError::Refused(told_code(error)));
        }
        let code = parameters.one("code")?.ok_or_else(|| UpstreamError::not_believed("the answer has no code"))?;
        let verifier = PkceCodeVerifier::new(login.verifier);
        let told = self.exchange_upstream(upstream, provider, code, verifier, Nonce::new(login.nonce)).await?;
        if let Some(not_before) = login.not_before
            && told.authenticated.is_none_or(|at| at + LEEWAY < not_before)
        {
            return Err(UpstreamError::NotRecent);
        }
        let user = self.identify(upstream, &told).await?;
        let now = self.now().as_second();
        Ok(UpstreamUser {
            owes_second_factor: user.has_second_factor() && !told.several_factors,
            // Its clock may be ahead; nobody has logged in later than now.
            authenticated: told.authenticated.map_or(now, |at| at.min(now)),
            interaction: login.interaction,
            next: login.next,
            user,
        })
    }

    /// The session that the user has from now on. A second factor that is owed comes by [`Engine::log_in_half`].
    pub async fn log_in_upstream(&self, before: &Session, came: &UpstreamUser) -> Result<Opened, OAuthError> {
        if came.owes_second_factor {
            return Err(OAuthError::new(ErrorCode::LoginRequired, "the second factor is still to come"));
        }
        self.log_in_since(before, &came.user, came.authenticated).await
    }
}

/// An error code as RFC 6749, 4.1.2.1 has them: what else stands there is not repeated.
fn told_code(error: &str) -> String {
    let is_code = error.len() <= 64 && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_code { error.to_owned() } else { "an error".to_owned() }
}
