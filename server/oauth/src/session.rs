//! Sessions of people in a browser: they end when nobody is there, and after a day's work in any case.
//! <https://www.ecfr.gov/current/title-45/section-164.312> (a)(2)(iii), automatic logoff.

use serde::{Deserialize, Serialize};

use crate::client::KeyFetcher;
use crate::engine::{Engine, Stored};
use crate::error::OAuthError;
use crate::secret;
use crate::storage::{Filter, Kind, Storage};
use crate::user::User;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The hash of the secret that the browser has.
    pub key: String,
    /// None before log-in.
    pub user: Option<String>,
    /// Who has given the right password, and still owes the second factor.
    pub half: Option<String>,
    /// When the user last showed who they are. Seconds since 1970.
    pub authenticated: i64,
    pub last_used: i64,
    pub(crate) expires: i64,
    /// Forms of this session carry it: OWASP's synchronizer token.
    pub csrf: String,
    /// The interactions that were begun in this browser: no other can go on with them.
    pub interactions: Vec<String>,
}

impl Stored for Session {
    const KIND: Kind = Kind::Session;

    fn subject(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// A session, and the secret for the browser where it is new.
#[derive(Debug, Clone)]
pub struct Opened {
    pub session: Session,
    pub secret: Option<String>,
}

/// A use is noted at most so often, in seconds.
const NOTED: i64 = 30;
/// Requests that one browser may have under way.
const INTERACTIONS: usize = 10;

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// The browser's session; a new one, of nobody, where it has none that is good.
    pub async fn session(&self, secret: Option<&str>) -> Result<Opened, OAuthError> {
        if let Some(session) = self.existing_session(secret).await? {
            return Ok(Opened { session, secret: None });
        }
        self.open_session(None, None).await
    }

    /// The browser's session, if it has a good one.
    pub async fn existing_session(&self, secret: Option<&str>) -> Result<Option<Session>, OAuthError> {
        let Some(secret) = secret else { return Ok(None) };
        let key = secret::hash(secret);
        let Some(kept) = self.load::<Session>(&key).await? else { return Ok(None) };
        let session = kept.value;
        if let Some(id) = &session.user {
            let is_good = self.user(id).await?.is_some_and(|user| user.enabled);
            if self.is_idle(&session) || !is_good {
                self.end_session(&key).await?;
                return Ok(None);
            }
        }
        self.use_session(session).await
    }

    async fn open_session(&self, user: Option<(&User, i64)>, from: Option<&Session>) -> Result<Opened, OAuthError> {
        let secret = secret::new(&self.random);
        let now = self.now().as_second();
        let lifetime =
            if user.is_some() { self.settings.lifetimes.session } else { self.settings.lifetimes.interaction * 2 };
        let session = Session {
            key: secret::hash(&secret),
            user: user.map(|(user, _)| user.id.clone()),
            half: None,
            authenticated: user.map_or(now, |(_, authenticated)| authenticated),
            last_used: now,
            expires: self.after(lifetime),
            csrf: secret::new(&self.random),
            interactions: from.map(|from| from.interactions.clone()).unwrap_or_default(),
        };
        self.add(&session.key, &session).await?;
        Ok(Opened { session, secret: Some(secret) })
    }

    /// After the password: a new session under a new secret, so that who knew the old one has nothing (session fixation).
    pub async fn log_in(&self, before: &Session, user: &User) -> Result<Opened, OAuthError> {
        self.log_in_since(before, user, self.now().as_second()).await
    }

    /// `authenticated`: when the user showed who they are.
    pub(crate) async fn log_in_since(
        &self,
        before: &Session,
        user: &User,
        authenticated: i64,
    ) -> Result<Opened, OAuthError> {
        let opened = self.open_session(Some((user, authenticated)), Some(before)).await?;
        let now = self.now().as_second();
        let noted = self.change::<User>(&user.id, |user| {
            user.last_login = Some(now);
            Ok(())
        });
        noted.await?;
        if before.user.as_deref() == Some(&user.id) {
            // The same person once more: what is bound to the session goes on with the new one.
            self.move_online_grants(&before.key, &opened.session).await?;
            self.storage.remove(Kind::Session, &before.key).await?;
        } else {
            self.end_session(&before.key).await?;
        }
        Ok(opened)
    }

    /// The password was right, and the second factor is still to come.
    pub async fn log_in_half(&self, before: &Session, user: &User) -> Result<Opened, OAuthError> {
        let mut opened = self.open_session(None, Some(before)).await?;
        let changed = self.change::<Session>(&opened.session.key, |session| {
            session.half = Some(user.id.clone());
            Ok(())
        });
        if let Some(session) = changed.await? {
            opened.session = session;
        }
        self.end_session(&before.key).await?;
        Ok(opened)
    }

    /// With the grants that last as long as the session: `online_access`.
    pub async fn end_session(&self, key: &str) -> Result<bool, OAuthError> {
        let ended = self.storage.remove(Kind::Session, key).await?;
        self.revoke_online_grants(key).await?;
        Ok(ended)
    }

    pub(crate) async fn end_sessions_of(&self, user: &str, but: Option<&str>) -> Result<(), OAuthError> {
        let by = Filter { subject: Some(user), limit: 1_000, ..Filter::default() };
        for kept in self.list::<Session>(by).await? {
            if Some(kept.key.as_str()) != but {
                self.end_session(&kept.key).await?;
            }
        }
        Ok(())
    }

    /// The session while this user is online in it: what `online_access` asks at each refresh. "usable for as long as the
    /// end-user remains online", which a server sees by what they use: its pages, and the apps that refresh for them.
    /// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-a-refresh-token>
    pub(crate) async fn live_session(&self, key: &str, user: &str) -> Result<Option<Session>, OAuthError> {
        let Some(kept) = self.load::<Session>(key).await? else { return Ok(None) };
        let session = kept.value;
        Ok((session.user.as_deref() == Some(user) && !self.is_idle(&session)).then_some(session))
    }

    fn is_idle(&self, session: &Session) -> bool {
        self.now().as_second() - session.last_used >= self.settings.lifetimes.session_idle.as_secs()
    }

    /// None where it has ended meanwhile.
    pub(crate) async fn use_session(&self, session: Session) -> Result<Option<Session>, OAuthError> {
        let now = self.now().as_second();
        if now - session.last_used < NOTED {
            return Ok(Some(session));
        }
        let noted = self.change::<Session>(&session.key, |session| {
            session.last_used = now;
            Ok(())
        });
        noted.await
    }

    /// Remembers that the interaction was begun in this browser.
    pub(crate) async fn bind_interaction(&self, key: &str, interaction: &str) -> Result<Session, OAuthError> {
        let changed = self.change::<Session>(key, |session| {
            session.interactions.push(interaction.to_owned());
            let surplus = session.interactions.len().saturating_sub(INTERACTIONS);
            session.interactions.drain(..surplus);
            Ok(())
        });
        changed.await?.ok_or_else(|| OAuthError::invalid_request("the session has just ended: start anew from the app"))
    }

    /// Whether a form is of this session.
    pub fn is_own_form(&self, session: &Session, csrf: Option<&str>) -> bool {
        csrf.is_some_and(|given| secret::are_equal(given, &session.csrf))
    }
}
