//! The authorization code grant's second half: a code for tokens. RFC 6749, 4.1.3; PKCE, RFC 7636, 4.6.

use serde::{Deserialize, Serialize};

use crate::client::{Client, KeyFetcher};
use crate::engine::{Engine, Stored};
use crate::error::OAuthError;
use crate::grant::{Access, Grant};
use crate::parameters::Parameters;
use crate::secret;
use crate::storage::{Kind, Storage};
use crate::token::TokenResponse;
use crate::user::User;

/// What a code is good for, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Code {
    /// Comes into force with the exchange.
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    pub(crate) code_challenge: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) good_until: i64,
    pub(crate) used: bool,
    pub(crate) expires: i64,
}

impl Stored for Code {
    const KIND: Kind = Kind::Code;

    fn client(&self) -> Option<&str> {
        Some(&self.grant.client)
    }

    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    pub(crate) async fn exchange_code(&self, client: &Client, form: &Parameters) -> Result<TokenResponse, OAuthError> {
        let code = form.needed("code")?;
        let redirect_uri = form.needed("redirect_uri")?;
        let verifier = form.one("code_verifier")?;
        let unknown =
            || OAuthError::invalid_grant("the code is not one of this server's for this client, or is too old");
        let mut kept = self.load::<Code>(&secret::hash(code)).await?.ok_or_else(unknown)?;
        if kept.value.grant.client != client.id {
            return Err(unknown());
        }
        if kept.value.used {
            return self.refuse_replay(&kept.value.grant).await;
        }
        if kept.value.good_until <= self.now().as_second() {
            return Err(unknown());
        }
        if kept.value.redirect_uri != redirect_uri {
            return Err(OAuthError::invalid_grant("redirect_uri is not the one of the authorization request"));
        }
        check_verifier(kept.value.code_challenge.as_deref(), verifier)?;
        kept.value.used = true;
        if !self.replace(&kept).await? {
            return self.refuse_replay(&kept.value.grant).await;
        }
        let Code { mut grant, nonce, .. } = kept.value;
        let user = self.granting_user(&grant).await?;
        let ended = || OAuthError::invalid_grant("the session in which this was granted has ended");
        let online = grant.session.clone().filter(|_| grant.access == Access::Online);
        if let Some(session) = &online {
            grant.ends = Some(self.live_session(session, &user.id).await?.ok_or_else(ended)?.expires);
        }
        let grant = self.add_grant(grant).await?;
        if let Some(session) = &online {
            self.link_to_session(&grant.id, session).await?;
            // It may have ended before it was linked: then nobody else ends the grant.
            if self.live_session(session, &user.id).await?.is_none() {
                self.revoke_grant(&grant.id).await?;
                return Err(ended());
            }
        }
        // A replay may have come between the mark and the grant: then it is in the feed, and nothing is given out.
        if self.storage.is_revoked(&grant.id).await? {
            self.revoke_grant(&grant.id).await?;
            return Err(unknown());
        }
        self.answer(&grant, &user, &grant.scopes, nonce.as_deref()).await
    }

    /// "If an authorization code is used more than once, the authorization server MUST deny the request and SHOULD revoke
    /// (when possible) all tokens previously issued based on that authorization code": RFC 6749, 4.1.2.
    async fn refuse_replay(&self, grant: &Grant) -> Result<TokenResponse, OAuthError> {
        self.revoke_grant(&grant.id).await?;
        Err(OAuthError::invalid_grant("the code was used before: what it was exchanged for is revoked"))
    }

    /// Who granted it, if they still may.
    pub(crate) async fn granting_user(&self, grant: &Grant) -> Result<User, OAuthError> {
        let user = self.user(&grant.user).await?.filter(|user| user.enabled);
        user.ok_or_else(|| OAuthError::invalid_grant("the user who granted this has no account here any more"))
    }

    /// The tokens of a grant.
    pub(crate) async fn answer(
        &self,
        grant: &Grant,
        user: &User,
        scopes: &[String],
        nonce: Option<&str>,
    ) -> Result<TokenResponse, OAuthError> {
        let (access_token, expires_in) = self.access_token(grant, user, scopes)?;
        let id_token = self.id_token(grant, user, scopes, &access_token, nonce)?;
        let refresh_token = match grant.access {
            Access::Once => None,
            Access::Online | Access::Offline => Some(self.new_refresh_token(grant).await?),
        };
        let is_launch = scopes.iter().any(|scope| scope == "launch" || scope.starts_with("launch/"))
            || grant.context.patient.is_some();
        let style = self.smart_style_url();
        let context = if is_launch { grant.context.members(Some(&style)) } else { Default::default() };
        Ok(TokenResponse {
            access_token,
            token_type: "Bearer",
            expires_in,
            scope: scopes.join(" "),
            refresh_token,
            id_token,
            context,
        })
    }

    /// "smart_style_url": a stylesheet of values for apps, whose address changes with its content.
    pub(crate) fn smart_style_url(&self) -> String {
        let url = self.settings.endpoint("smart/smart-style");
        self.settings.style_version.as_deref().map_or_else(|| url.clone(), |version| format!("{url}?v={version}"))
    }

    /// `POST /token`
    pub async fn token(&self, client: &Client, form: &Parameters) -> Result<TokenResponse, OAuthError> {
        let grant_type = form.needed("grant_type")?;
        const KNOWN: [&str; 4] = ["authorization_code", "refresh_token", "client_credentials", "password"];
        if !KNOWN.contains(&grant_type) {
            return Err(OAuthError::new(
                crate::ErrorCode::UnsupportedGrantType,
                "grant_type is authorization_code, refresh_token or client_credentials",
            ));
        }
        if !client.allows_grant(grant_type) {
            return Err(OAuthError::new(
                crate::ErrorCode::UnauthorizedClient,
                "the client is not registered for this grant_type",
            ));
        }
        match grant_type {
            "authorization_code" => self.exchange_code(client, form).await,
            "refresh_token" => self.refresh(client, form).await,
            "client_credentials" => self.client_credentials(client, form).await,
            _ => self.password(client, form).await,
        }
    }
}

/// "refuse a token request with a verifier if the code had no challenge and vice versa": RFC 9700, 4.8.2.
fn check_verifier(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), OAuthError> {
    match (challenge, verifier) {
        (Some(challenge), Some(verifier)) => {
            let is_verifier = (43..=128).contains(&verifier.len())
                && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
            let hash = secret::hash(verifier);
            match is_verifier && secret::are_equal(&hash, challenge) {
                true => Ok(()),
                false => {
                    Err(OAuthError::invalid_grant("code_verifier does not belong to the code_challenge of the request"))
                }
            }
        }
        (Some(_), None) => Err(OAuthError::invalid_grant("the parameter code_verifier is missing")),
        (None, Some(_)) => Err(OAuthError::invalid_grant("the authorization request had no code_challenge")),
        (None, None) => Ok(()),
    }
}
