//! Who an identity of the upstream provider is here: a user that was linked to it, or, where the operator allows it, one
//! whom a claim names at the first log-in and who is bound to it from then on.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::provider::Told;
use super::{ProviderClient, UpstreamError};
use crate::client::KeyFetcher;
use crate::engine::{Engine, Stored};
use crate::error::OAuthError;
use crate::secret;
use crate::settings::{Matching, Upstream};
use crate::storage::{Kind, Storage};
use crate::user::{Role, User};

/// "The sub (subject) and iss (issuer) Claims, used together, are the only Claims that an RP can rely upon as a stable
/// identifier for the End-User". <https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamIdentity {
    pub issuer: String,
    pub subject: String,
}

impl UpstreamIdentity {
    fn key(&self) -> String {
        secret::hash(&format!("{}\n{}", self.issuer, self.subject))
    }
}

/// From the identity to the user; what stands at the user decides.
#[derive(Serialize, Deserialize)]
struct IdentityOf {
    user: String,
}

impl Stored for IdentityOf {
    const KIND: Kind = Kind::UpstreamIdentity;

    fn subject(&self) -> Option<&str> {
        Some(&self.user)
    }
}

impl<S: Storage, F: KeyFetcher + ProviderClient> Engine<S, F> {
    pub(super) async fn identify(&self, upstream: &Upstream, told: &Told) -> Result<User, UpstreamError> {
        let unknown = || UpstreamError::Unknown(told.identity.clone());
        if let Some(user) = self.linked(&told.identity).await? {
            return Some(user).filter(|user| user.enabled).ok_or_else(unknown);
        }
        let Some(by) = upstream.matching else { return Err(unknown()) };
        let Some((value, is_verified)) = self.claim(told, by).await? else { return Err(unknown()) };
        // "the email ... MUST NOT be used as unique identifiers" but where somebody looks after it: 5.7.
        if !is_verified {
            return Err(UpstreamError::Unverified);
        }
        let named = match by {
            Matching::PreferredUsername => self.user_by_name(&value).await?,
            Matching::Email => self.only_one_with(&value).await?,
        };
        // A patient's record is nothing to be guessed at, and who has an identity there has no second one.
        let is_free = |user: &User| user.upstream.iter().all(|known| known.issuer != told.identity.issuer);
        let user =
            named.filter(|user| user.enabled && user.role != Role::Patient && is_free(user)).ok_or_else(unknown)?;
        let bound = self.bind(&user.id, &told.identity, true).await?;
        bound.filter(|user| user.enabled).ok_or_else(unknown)
    }
}

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    async fn linked(&self, identity: &UpstreamIdentity) -> Result<Option<User>, OAuthError> {
        let Some(known) = self.load::<IdentityOf>(&identity.key()).await? else { return Ok(None) };
        let user = self.user(&known.value.user).await?;
        Ok(user.filter(|user| user.upstream.contains(identity)))
    }

    /// Staff with this address; none where several have it.
    async fn only_one_with(&self, email: &str) -> Result<Option<User>, OAuthError> {
        let email = email.trim().to_lowercase();
        let is_theirs = |user: &User| {
            user.role != Role::Patient && user.email.as_ref().is_some_and(|own| own.trim().to_lowercase() == email)
        };
        let mut found = self.every_user().await?.into_iter().filter(is_theirs);
        Ok(found.next().filter(|_| found.next().is_none()))
    }

    /// For an administrator: this identity is this user, of whatever role. Another's is refused.
    pub async fn link_user(&self, id: &str, identity: &UpstreamIdentity) -> Result<bool, OAuthError> {
        let is_good = |text: &str| (1..=255).contains(&text.len()) && !text.chars().any(char::is_control);
        if !is_good(&identity.subject) || !is_good(&identity.issuer) {
            return Err(OAuthError::invalid_request("issuer and subject have 1 to 255 characters"));
        }
        if self.linked(identity).await?.is_some_and(|user| user.id != id) {
            return Err(OAuthError::invalid_request("this identity is linked to another user: unlink that one first"));
        }
        Ok(self.bind(id, identity, false).await?.is_some())
    }

    /// `first`: only where the user has no identity of the issuer, and nobody has this one. None where it was not to be.
    async fn bind(&self, id: &str, identity: &UpstreamIdentity, first: bool) -> Result<Option<User>, OAuthError> {
        let mut is_bound = false;
        let changed = self.change::<User>(id, |user| {
            let has_it = user.upstream.contains(identity);
            let has_other = user.upstream.iter().any(|known| known.issuer == identity.issuer && known != identity);
            is_bound = !(first && has_other);
            if is_bound && !has_it {
                user.upstream.push(identity.clone());
            }
            Ok(())
        });
        let Some(user) = changed.await?.filter(|_| is_bound) else { return Ok(None) };
        let mine = IdentityOf { user: id.to_owned() };
        if !self.add(&identity.key(), &mine).await? && self.identity_is_of_another(identity, id).await? {
            self.unbind(id, identity).await?;
            return Ok(None);
        }
        Ok(Some(user))
    }

    /// What an unlinked user has left behind is taken over.
    async fn identity_is_of_another(&self, identity: &UpstreamIdentity, id: &str) -> Result<bool, OAuthError> {
        if self.linked(identity).await?.is_some_and(|user| user.id != id) {
            return Ok(true);
        }
        let key = identity.key();
        let changed = self.change::<IdentityOf>(&key, |known| {
            known.user = id.to_owned();
            Ok(())
        });
        Ok(changed.await?.is_none())
    }

    async fn unbind(&self, id: &str, identity: &UpstreamIdentity) -> Result<(), OAuthError> {
        let changed = self.change::<User>(id, |user| {
            user.upstream.retain(|known| known != identity);
            Ok(())
        });
        changed.await.map(drop)
    }

    /// For an administrator: the user has no identity of this issuer any more, or of none; how many it were. All sessions end.
    pub async fn unlink_user(&self, id: &str, issuer: Option<&str>) -> Result<usize, OAuthError> {
        let mut gone = Vec::new();
        let changed = self.change::<User>(id, |user| {
            let is_meant = |known: &UpstreamIdentity| issuer.is_none_or(|issuer| known.issuer == issuer);
            gone = user.upstream.iter().filter(|known| is_meant(known)).cloned().collect();
            user.upstream.retain(|known| !is_meant(known));
            Ok(())
        });
        changed.await?;
        for identity in &gone {
            self.storage.remove(Kind::UpstreamIdentity, &identity.key()).await?;
        }
        if !gone.is_empty() {
            self.end_sessions_of(id, None).await?;
        }
        Ok(gone.len())
    }

    /// Where staff logs in at the provider, a password of this server is a patient's, or one of a broken glass.
    pub(crate) fn may_use_password(&self, user: &User, now: i64) -> bool {
        self.settings.staff_passwords || user.role == Role::Patient || user.break_glass_until > now
    }

    /// For the operator, when the upstream provider is not to be had: an administrator's new password, good for so long though
    /// staff logs in elsewhere.
    pub async fn break_glass(&self, id: &str, password: &str, lifetime: SignedDuration) -> Result<bool, OAuthError> {
        let Some(user) = self.user(id).await? else { return Ok(false) };
        if user.role != Role::Administrator {
            return Err(OAuthError::invalid_request("the glass is broken for an administrator, who lets others in"));
        }
        self.set_password(id, password, None).await?;
        let until = self.after(lifetime);
        let changed = self.change::<User>(id, |user| {
            user.break_glass_until = until;
            Ok(())
        });
        Ok(changed.await?.is_some())
    }
}
