//! Refreshing: each refresh token is good once and comes back as another; one that is used again shows that two have it, and all that
//! was granted with it ends. RFC 6749, 6; RFC 9700, 4.14.2.

use serde::{Deserialize, Serialize};

use crate::client::{Client, KeyFetcher};
use crate::engine::{Engine, Stored};
use crate::error::OAuthError;
use crate::grant::{Access, Grant};
use crate::parameters::Parameters;
use crate::scopes;
use crate::secret;
use crate::storage::{Kind, Storage};
use crate::token::TokenResponse;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefreshToken {
    pub(crate) grant: String,
    pub(crate) client: String,
    pub(crate) user: String,
    used: bool,
    pub(crate) expires: i64,
}

impl RefreshToken {
    pub(crate) fn is_used(&self) -> bool {
        self.used
    }
}

impl Stored for RefreshToken {
    const KIND: Kind = Kind::RefreshToken;

    fn client(&self) -> Option<&str> {
        Some(&self.client)
    }

    fn subject(&self) -> Option<&str> {
        Some(&self.user)
    }

    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    pub(crate) async fn new_refresh_token(&self, grant: &Grant) -> Result<String, OAuthError> {
        let token = secret::new(&self.random);
        let kept = RefreshToken {
            grant: grant.id.clone(),
            client: grant.client.clone(),
            user: grant.user.clone(),
            used: false,
            expires: grant.expires_at(),
        };
        self.add(&secret::hash(&token), &kept).await?;
        Ok(token)
    }

    pub(crate) async fn refresh(&self, client: &Client, form: &Parameters) -> Result<TokenResponse, OAuthError> {
        let token = form.needed("refresh_token")?;
        let unknown =
            || OAuthError::invalid_grant("the refresh token is not one of this client's, has expired, or was revoked");
        let mut kept = self.load::<RefreshToken>(&secret::hash(token)).await?.ok_or_else(unknown)?;
        if kept.value.client != client.id {
            return Err(unknown());
        }
        let reused = "the refresh token was used before: all that was granted with it is revoked, since somebody else may have it";
        if kept.value.used {
            self.revoke_grant(&kept.value.grant).await?;
            return Err(OAuthError::invalid_grant(reused));
        }
        let grant = self.grant(&kept.value.grant).await?.ok_or_else(unknown)?;
        let user = self.granting_user(&grant).await?;
        if grant.access == Access::Online {
            let key = grant.session.as_deref().unwrap_or_default();
            let offline =
                || OAuthError::invalid_grant("the user is no longer online: online_access ends with the session");
            let session = self.live_session(key, &user.id).await?.ok_or_else(offline)?;
            self.use_session(session).await?.ok_or_else(offline)?;
        }
        let scopes = narrowed(&grant, form.one("scope")?)?;
        kept.value.used = true;
        if !self.replace(&kept).await? {
            self.revoke_grant(&grant.id).await?;
            return Err(OAuthError::invalid_grant(reused));
        }
        let grant = self.use_grant(&grant.id).await?.ok_or_else(unknown)?;
        self.answer(&grant, &user, &scopes, None).await
    }
}

/// "The requested scope MUST NOT include any scope not originally granted by the resource owner": RFC 6749, 6. The next
/// refresh token is good for all of it again.
fn narrowed(grant: &Grant, asked: Option<&str>) -> Result<Vec<String>, OAuthError> {
    let Some(asked) = asked else { return Ok(grant.scopes.clone()) };
    let scopes = scopes::split(asked)?;
    match scopes::beyond(grant.scopes(), scopes.iter().map(String::as_str)) {
        Some(shown) => Err(OAuthError::invalid_scope(format!("{shown} was not granted: ask the user anew"))),
        None => Ok(scopes),
    }
}
