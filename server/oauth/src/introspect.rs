//! What a token is: RFC 7662, with what SMART adds.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html>

use serde_json::{Map, Value, json};

use crate::authenticate::Credentials;
use crate::client::KeyFetcher;
use crate::engine::Engine;
use crate::error::OAuthError;
use crate::parameters::Parameters;
use crate::refresh::RefreshToken;
use crate::scopes;
use crate::secret;
use crate::storage::Storage;
use crate::token::Claims;

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// `POST /introspect`. Who asks is a confidential client, or has a token of the same client: others learn nothing.
    pub async fn introspect(
        &self,
        credentials: &Credentials,
        bearer: Option<&str>,
        form: &Parameters,
    ) -> Result<Value, OAuthError> {
        let client = match bearer {
            Some(token) => match self.find_access_token(token).await? {
                Some(claims) => claims.client_id,
                None => {
                    return Err(OAuthError::new(
                        crate::ErrorCode::InvalidToken,
                        "the access token of the request is not good",
                    ));
                }
            },
            None => {
                let client = self.authenticate(credentials, form).await?;
                if client.is_public() {
                    return Err(OAuthError::invalid_client(
                        "a client without a secret or key asks with an access token of its own (Authorization: Bearer)",
                    ));
                }
                client.id
            }
        };
        let token = form.needed("token")?;
        // "If the token ... was not issued to this client": it is told as little as of one that is not there.
        let inactive = json!({ "active": false });
        if let Some(claims) = self.find_access_token(token).await? {
            return match claims.client_id == client {
                true => self.describe(&claims).await,
                false => Ok(inactive),
            };
        }
        let Some(kept) = self.load::<RefreshToken>(&secret::hash(token)).await? else { return Ok(inactive) };
        let refresh = kept.value;
        if refresh.client != client || refresh.is_used() {
            return Ok(inactive);
        }
        let Some(grant) = self.grant(&refresh.grant).await? else { return Ok(inactive) };
        Ok(json!({
            "active": true,
            "scope": grant.scopes.join(" "),
            "client_id": refresh.client,
            "sub": refresh.user,
            "iss": self.settings.issuer,
            "exp": refresh.expires,
            "status": "active",
        }))
    }

    async fn describe(&self, claims: &Claims) -> Result<Value, OAuthError> {
        let mut body = Map::new();
        let known = json!({
            "active": true,
            "scope": claims.scope,
            "client_id": claims.client_id,
            "exp": claims.exp,
            "iat": claims.iat,
            "iss": claims.iss,
            "sub": claims.sub,
            "aud": claims.aud,
            "jti": claims.jti,
            "token_type": "Bearer",
            // OpenEMR's clients read it.
            "status": "active",
        });
        body.extend(known.as_object().cloned().unwrap_or_default());
        let scopes: Vec<String> = claims.scope.split_ascii_whitespace().map(str::to_owned).collect();
        if let Some(own) = &claims.fhir_user {
            body.insert("fhirUser".to_owned(), own.clone().into());
        }
        if let Some(grant) = &claims.grant {
            // "launch context parameters ... if the token was issued with them"
            if let Some(grant) = self.grant(grant).await? {
                let is_launch = scopes.iter().any(|scope| scope == "launch" || scope.starts_with("launch/"));
                if is_launch || grant.context.patient.is_some() {
                    body.extend(grant.context.members(None));
                }
                if let Some(user) = self.user(&claims.sub).await?.filter(|_| scopes::has(&scopes, "profile")) {
                    body.insert("username".to_owned(), user.name.into());
                }
            }
        }
        Ok(Value::Object(body))
    }
}
