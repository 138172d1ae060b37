//! Claims about who is logged in. <https://openid.net/specs/openid-connect-core-1_0.html#UserInfo>

use serde_json::{Map, Value};

use crate::client::KeyFetcher;
use crate::engine::Engine;
use crate::error::{ErrorCode, OAuthError};
use crate::storage::Storage;

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// `GET` or `POST /userinfo` with an access token.
    pub async fn userinfo(&self, token: &str) -> Result<Value, OAuthError> {
        let invalid =
            || OAuthError::new(ErrorCode::InvalidToken, "the access token is not good, or has expired or was revoked");
        let Some(claims) = self.find_access_token(token).await? else { return Err(invalid()) };
        let has = |wanted: &str| claims.scope.split_ascii_whitespace().any(|scope| scope == wanted);
        if !has("openid") {
            return Err(OAuthError::new(ErrorCode::InsufficientScope, "the scope openid is needed"));
        }
        let user = self.user(&claims.sub).await?.filter(|user| user.enabled).ok_or_else(invalid)?;
        let mut body = Map::new();
        body.insert("sub".to_owned(), user.id.clone().into());
        if has("profile") {
            body.insert("name".to_owned(), user.display_name.clone().into());
            body.insert("preferred_username".to_owned(), user.name.clone().into());
        }
        if let Some(email) = user.email.as_deref().filter(|_| has("email")) {
            body.insert("email".to_owned(), email.into());
        }
        if let Some(own) = user.fhir_user_url(&self.settings.fhir_base).filter(|_| has("fhirUser")) {
            body.insert("fhirUser".to_owned(), own.into());
        }
        Ok(Value::Object(body))
    }
}
