//! The password grant, for OpenEMR's users alone: "MUST NOT be used" (RFC 9700, 2.4), so it is off unless an operator turns it
//! on. RFC 6749, 4.3, with OpenEMR's `user_role`, and `mfa_token` for who has a second factor.

use crate::client::{Client, KeyFetcher};
use crate::engine::Engine;
use crate::error::{ErrorCode, OAuthError};
use crate::grant::Access;
use crate::parameters::Parameters;
use crate::scope::Level;
use crate::scopes;
use crate::settings::PasswordGrant;
use crate::storage::Storage;
use crate::token::TokenResponse;
use crate::user::{LoginError, Role};

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    pub(crate) async fn password(&self, client: &Client, form: &Parameters) -> Result<TokenResponse, OAuthError> {
        use PasswordGrant::{Both, Off, Patients, Users};
        let allowed = self.settings.password_grant;
        if allowed == Off {
            return Err(OAuthError::new(
                ErrorCode::UnsupportedGrantType,
                "the password grant is switched off on this server (oauth.password_grant): use authorization_code",
            ));
        }
        if client.is_public() {
            return Err(OAuthError::new(
                ErrorCode::UnauthorizedClient,
                "the password grant is for confidential clients",
            ));
        }
        let for_patients = match form.one("user_role")? {
            Some("patient") => true,
            Some("users") | None => false,
            Some(_) => return Err(OAuthError::invalid_request("user_role is users or patient")),
        };
        let is_allowed =
            if for_patients { matches!(allowed, Patients | Both) } else { matches!(allowed, Users | Both) };
        if !is_allowed {
            return Err(OAuthError::new(
                ErrorCode::UnauthorizedClient,
                "the password grant is switched off for this user_role",
            ));
        }
        let (name, password) = (form.needed("username")?, form.needed("password")?);
        let refused = |error: LoginError| match error {
            LoginError::Failed(error) => error,
            other => OAuthError::invalid_grant(other.to_string()),
        };
        let user = self.check_password(name, password).await.map_err(refused)?;
        if (user.role == Role::Patient) != for_patients {
            return Err(OAuthError::invalid_grant(LoginError::Wrong.to_string()));
        }
        if user.has_second_factor() {
            let code = form.one("mfa_token")?;
            let code = code
                .ok_or_else(|| OAuthError::invalid_grant("the user has a second factor: send its code as mfa_token"))?;
            self.check_second_factor(&user.id, code).await.map_err(refused)?;
        }
        let granted = scopes::split(form.needed("scope")?)?;
        for scope in &granted {
            scopes::read(scope)?;
        }
        client.check_registered(&granted)?;
        let levels = |level| scopes::has_level(&granted, level);
        if levels(Level::System) || (for_patients && levels(Level::User)) || (!for_patients && levels(Level::Patient)) {
            return Err(OAuthError::invalid_scope(
                "the password grant is for user/ scopes of staff and patient/ scopes of patients",
            ));
        }
        let access = match !for_patients && scopes::has(&granted, "offline_access") {
            true => Access::Offline,
            false => Access::Once,
        };
        let mut grant = self.new_grant(&client.id, &user.id, granted, access);
        grant.context.patient = user.patient().map(str::to_owned);
        let grant = self.add_grant(grant).await?;
        self.answer(&grant, &user, &grant.scopes, None).await
    }
}
