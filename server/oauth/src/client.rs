//! Clients: the apps and servers that people let at their records, and what an administrator makes of them.

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::engine::{Engine, Stored};
use crate::error::OAuthError;
use crate::scopes;
use crate::secret;
use crate::settings::Lifetimes;
use crate::storage::{Filter, Kind, Storage};

/// Fetches the keys that a client keeps at its `jwks_uri`. Limits of size, time and address are the implementer's.
pub trait KeyFetcher: Send + Sync {
    /// The document and for how long it may be kept; else why it is not to be had.
    fn fetch(&self, url: &str) -> impl Future<Output = Result<(String, Option<Duration>), String>> + Send;
}

/// How a client shows that it is the one it says. RFC 7591, 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// It cannot keep a secret.
    None,
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

impl AuthMethod {
    pub fn as_str(self) -> &'static str {
        match self {
            AuthMethod::None => "none",
            AuthMethod::ClientSecretBasic => "client_secret_basic",
            AuthMethod::ClientSecretPost => "client_secret_post",
            AuthMethod::PrivateKeyJwt => "private_key_jwt",
        }
    }

    pub fn has_secret(self) -> bool {
        matches!(self, AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientState {
    /// Waits for an administrator.
    Pending,
    Enabled,
    Disabled,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    pub id: String,
    pub name: String,
    pub state: ClientState,
    pub auth_method: AuthMethod,
    pub secret_hash: Option<String>,
    /// A JWK set, as registered.
    pub jwks: Option<Value>,
    pub jwks_uri: Option<String>,
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    /// Where an EHR launch leads: RFC 7591 has no launch URL, OpenID Connect's third-party login has this.
    pub initiate_login_uri: Option<String>,
    pub grant_types: Vec<String>,
    /// What it may ask for, as registered.
    pub scope: String,
    /// An administrator has let this confidential client do without PKCE.
    #[serde(default)]
    pub pkce_exempt: bool,
    /// An administrator has approved this confidential client for all staff: whoever starts it from the record is not asked.
    #[serde(default)]
    pub skips_launch_consent: bool,
    /// Seconds since 1970.
    pub registered: i64,
    pub registration_token_hash: Option<String>,
    /// What else was registered, and is told back: contacts, logo, terms, decision support attributes.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

impl Stored for Client {
    const KIND: Kind = Kind::Client;
}

impl Client {
    pub fn is_public(&self) -> bool {
        self.auth_method == AuthMethod::None
    }

    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.split_ascii_whitespace()
    }

    pub(crate) fn check_registered(&self, asked: &[String]) -> Result<(), OAuthError> {
        match scopes::beyond(self.scopes(), asked.iter().map(String::as_str)) {
            Some(shown) => {
                Err(OAuthError::invalid_scope(format!("the client is not registered for the scope {shown}")))
            }
            None => Ok(()),
        }
    }

    pub fn allows_grant(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|allowed| allowed == grant_type)
    }

    /// The origins from which a page of this client may ask: those of its redirect URIs.
    pub fn origins(&self) -> impl Iterator<Item = String> {
        let origins = self.redirect_uris.iter().filter_map(|uri| url::Url::parse(uri).ok());
        origins.map(|url| url.origin()).filter(|origin| origin.is_tuple()).map(|origin| origin.ascii_serialization())
    }

    /// By how long ago the user may have logged in where a request says nothing of it. Seconds.
    /// <https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata>
    pub(crate) fn default_max_age(&self) -> Option<i64> {
        self.metadata.get("default_max_age")?.as_i64()
    }

    fn member(&self, name: &str) -> Option<&str> {
        self.metadata.get(name)?.as_str()
    }

    pub fn client_uri(&self) -> Option<&str> {
        self.member("client_uri")
    }

    pub fn policy_uri(&self) -> Option<&str> {
        self.member("policy_uri")
    }

    pub fn tos_uri(&self) -> Option<&str> {
        self.member("tos_uri")
    }
}

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// Whatever its state.
    pub async fn client(&self, id: &str) -> Result<Option<Client>, OAuthError> {
        Ok(self.load::<Client>(id).await?.map(|kept| kept.value))
    }

    /// One that may be used now.
    pub(crate) async fn enabled_client(&self, id: &str) -> Result<Client, OAuthError> {
        let client = self.client(id).await?;
        let client = client.ok_or_else(|| OAuthError::invalid_client("no client has this client_id"))?;
        match client.state {
            ClientState::Enabled => Ok(client),
            ClientState::Pending => {
                Err(OAuthError::invalid_client("the client waits for an administrator of this server to approve it"))
            }
            ClientState::Disabled => Err(OAuthError::invalid_client("the client was disabled by an administrator")),
        }
    }

    /// In the order of their ids.
    pub async fn clients(&self, after: Option<&str>, limit: usize) -> Result<Vec<Client>, OAuthError> {
        let found = self.list::<Client>(Filter { after, limit, ..Filter::default() }).await?;
        Ok(found.into_iter().map(|kept| kept.value).collect())
    }

    /// All of them.
    pub async fn every_client(&self) -> Result<Vec<Client>, OAuthError> {
        self.every().await
    }

    /// For an administrator. What a client holds that may not be used is revoked at once; one that is enabled again within
    /// minutes, too, gets no good token without a user before those from before would have expired.
    pub async fn set_client_state(&self, id: &str, state: ClientState) -> Result<bool, OAuthError> {
        let changed = self.change::<Client>(id, |client| {
            client.state = state;
            Ok(())
        });
        let found = changed.await?.is_some();
        if state != ClientState::Enabled {
            self.revoke_tokens_of(id).await?;
        }
        Ok(found)
    }

    /// All grants, and what belongs to none: the tokens of a backend service.
    pub(crate) async fn revoke_tokens_of(&self, client: &str) -> Result<(), OAuthError> {
        self.storage.revoke(client, self.after(Lifetimes::LONGEST_SERVICE_TOKEN) + 60).await?;
        self.revoke_grants(Some(client), None).await
    }

    /// For an administrator: one confidential client that cannot do PKCE.
    pub async fn set_pkce_exempt(&self, id: &str, exempt: bool) -> Result<bool, OAuthError> {
        let changed = self.change::<Client>(id, |client| {
            if exempt && client.is_public() {
                return Err(OAuthError::invalid_request("a public client cannot do without PKCE"));
            }
            client.pkce_exempt = exempt;
            Ok(())
        });
        Ok(changed.await?.is_some())
    }

    /// For an administrator: staff who start this confidential client from the record are asked no more. Who is asked in
    /// its place is the administrator, so a client that anybody can pretend to be (RFC 8252, 8.6) is none for this.
    pub async fn set_skips_launch_consent(&self, id: &str, skips: bool) -> Result<bool, OAuthError> {
        let changed = self.change::<Client>(id, |client| {
            if skips && client.is_public() {
                return Err(OAuthError::invalid_request("staff are always asked for a public client"));
            }
            client.skips_launch_consent = skips;
            Ok(())
        });
        Ok(changed.await?.is_some())
    }

    /// For an administrator: a new secret in place of the old, which is good no more. None where the client has none.
    pub async fn rotate_secret(&self, id: &str) -> Result<Option<String>, OAuthError> {
        let fresh = secret::new(&self.random);
        let changed = self.change::<Client>(id, |client| {
            if !client.auth_method.has_secret() {
                return Err(OAuthError::invalid_request("the client does not use a secret"));
            }
            client.secret_hash = Some(secret::hash(&fresh));
            Ok(())
        });
        Ok(changed.await?.map(|_| fresh))
    }

    /// With all that it holds.
    pub async fn delete_client(&self, id: &str) -> Result<bool, OAuthError> {
        let removed = self.storage.remove(Kind::Client, id).await?;
        self.revoke_tokens_of(id).await?;
        Ok(removed)
    }
}
