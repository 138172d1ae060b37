//! Revocation by a client: RFC 7009.

use crate::client::{Client, KeyFetcher};
use crate::engine::Engine;
use crate::error::OAuthError;
use crate::parameters::Parameters;
use crate::refresh::RefreshToken;
use crate::secret;
use crate::storage::Storage;

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// `POST /revoke`. "invalid tokens do not cause an error response": whether there was such a token is not told.
    pub async fn revoke(&self, client: &Client, form: &Parameters) -> Result<(), OAuthError> {
        let token = form.needed("token")?;
        if let Some(kept) = self.load::<RefreshToken>(&secret::hash(token)).await? {
            if kept.value.client == client.id {
                // "If the particular token is a refresh token ... the authorization server SHOULD also invalidate all access
                // tokens based on the same authorization grant."
                self.revoke_grant(&kept.value.grant).await?;
            }
            return Ok(());
        }
        if let Some(claims) = self.read_access_token(token)
            && claims.client_id == client.id
            && claims.exp > self.now().as_second()
        {
            self.storage.revoke(&claims.jti, claims.exp).await?;
        }
        Ok(())
    }

    /// For an administrator who has a token before them: what it says, whatever its state, and whether it is good.
    pub async fn inspect(&self, token: &str) -> Result<Option<(crate::Claims, bool)>, OAuthError> {
        let Some(claims) = self.read_access_token(token) else { return Ok(None) };
        let is_good = self.find_access_token(token).await?.is_some();
        Ok(Some((claims, is_good)))
    }

    /// The same administrator takes it back.
    pub async fn revoke_token(&self, claims: &crate::Claims) -> Result<(), OAuthError> {
        Ok(self.storage.revoke(&claims.jti, claims.exp).await?)
    }
}
