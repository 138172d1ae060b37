//! RP-initiated logout. <https://openid.net/specs/openid-connect-rpinitiated-1_0.html>

use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use url::Url;

use crate::client::KeyFetcher;
use crate::engine::Engine;
use crate::error::OAuthError;
use crate::parameters::Parameters;
use crate::session::Session;
use crate::storage::Storage;

/// What is to happen to the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logout {
    /// Whether the client has shown whom it means, so that the person need not be asked.
    pub is_sure: bool,
    /// Where to go afterwards: a registered address, letter by letter.
    pub redirect: Option<String>,
}

/// What is read of an `id_token_hint`.
#[derive(Deserialize)]
pub(crate) struct HintClaims {
    pub(crate) sub: String,
    aud: Audience,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// Reads the request. Ending the session is for the caller, once the person has confirmed where it is not sure.
    pub async fn read_logout(&self, parameters: &Parameters, session: Option<&Session>) -> Result<Logout, OAuthError> {
        let hint = parameters.one("id_token_hint")?.map(|token| self.read_hint(token)).transpose()?;
        let mut client = parameters.one("client_id")?.map(str::to_owned);
        if let Some(hint) = &hint {
            let audiences = match &hint.aud {
                Audience::One(one) => std::slice::from_ref(one),
                Audience::Several(several) => several.as_slice(),
            };
            match &client {
                Some(client) if !audiences.contains(client) => {
                    return Err(OAuthError::invalid_request("id_token_hint is of another client than client_id"));
                }
                _ => client = audiences.first().cloned(),
            }
        }
        let redirect = match parameters.one("post_logout_redirect_uri")? {
            None => None,
            Some(uri) => {
                let id = client.as_deref().ok_or_else(|| {
                    OAuthError::invalid_request("post_logout_redirect_uri needs id_token_hint or client_id beside it")
                })?;
                // Nobody is sent to a client that an administrator has not let in, or has thrown out.
                let client = self.enabled_client(id).await?;
                if !client.post_logout_redirect_uris.iter().any(|registered| registered == uri) {
                    return Err(OAuthError::invalid_request(
                        "post_logout_redirect_uri is none of those that the client has registered",
                    ));
                }
                let mut url = Url::parse(uri).map_err(crate::token::server_error)?;
                if let Some(state) = parameters.one("state")? {
                    url.query_pairs_mut().append_pair("state", state);
                }
                Some(url.into())
            }
        };
        let user = session.and_then(|session| session.user.as_deref());
        let is_sure = user.is_none() || hint.is_some_and(|hint| Some(hint.sub.as_str()) == user);
        Ok(Logout { is_sure, redirect })
    }

    /// An ID token of this server, also one that has expired.
    pub(crate) fn read_hint(&self, token: &str) -> Result<HintClaims, OAuthError> {
        let wrong = || OAuthError::invalid_request("id_token_hint is no ID token of this server");
        let header = jsonwebtoken::decode_header(token).map_err(|_| wrong())?;
        if header.alg != Algorithm::RS256 {
            return Err(wrong());
        }
        let keys = self.keys();
        let id = header.kid.ok_or_else(wrong)?;
        let key = &keys.identity.find(Some(&id), self.now()).ok_or_else(wrong)?.key;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
        validation.validate_exp = false;
        validation.validate_aud = false;
        Ok(jsonwebtoken::decode::<HintClaims>(token, &key.verifying, &validation).map_err(|_| wrong())?.claims)
    }
}
