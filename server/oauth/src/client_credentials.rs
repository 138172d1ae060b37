//! Backend services: a client on its own, for what it was approved for beforehand.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>

use crate::client::{AuthMethod, Client, KeyFetcher};
use crate::engine::Engine;
use crate::error::{ErrorCode, OAuthError};
use crate::parameters::Parameters;
use crate::scope::Level;
use crate::scopes;
use crate::secret;
use crate::storage::Storage;
use crate::token::{NewToken, TokenResponse, server_error};

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    pub(crate) async fn client_credentials(
        &self,
        client: &Client,
        form: &Parameters,
    ) -> Result<TokenResponse, OAuthError> {
        if client.auth_method != AuthMethod::PrivateKeyJwt {
            return Err(OAuthError::new(
                ErrorCode::UnauthorizedClient,
                "client_credentials is for clients with private_key_jwt",
            ));
        }
        if !self.settings.system_scopes {
            return Err(OAuthError::new(
                ErrorCode::UnauthorizedClient,
                "system scopes are switched off on this server (apis.system_scopes)",
            ));
        }
        let granted = scopes::split(form.needed("scope")?)?;
        for scope in &granted {
            if scopes::read(scope)?.level() != Some(Level::System) {
                return Err(OAuthError::invalid_scope(
                    "the client_credentials grant is for system/ scopes: nobody is logged in",
                ));
            }
        }
        client.check_registered(&granted)?;
        let scope = granted.join(" ");
        let lifetime = self.settings.lifetimes.service_token;
        let token = NewToken {
            issuer: &self.settings.issuer,
            audience: &self.settings.fhir_base,
            subject: &client.id,
            client_id: &client.id,
            scope: &scope,
            patient: None,
            encounter: None,
            fhir_user: None,
            grant: None,
            roles: &[],
            now: self.now(),
            lifetime,
            id: secret::new_id(&self.random),
        };
        // "A refresh token SHALL NOT be issued".
        Ok(TokenResponse {
            access_token: self.keys().access.current(self.now()).issue(&token).map_err(server_error)?,
            token_type: "Bearer",
            expires_in: lifetime.as_secs(),
            scope,
            refresh_token: None,
            id_token: None,
            context: Default::default(),
        })
    }
}
