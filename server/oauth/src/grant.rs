//! What a person has granted to a client. All tokens of it are revoked together: those in force are in the feed that every
//! process follows, and nothing is refreshed any more.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client::KeyFetcher;
use crate::engine::{Engine, Stored};
use crate::error::OAuthError;
use crate::session::Session;
use crate::settings::Lifetimes;
use crate::storage::{Filter, Kind, Storage};

/// How long a grant lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// As long as its access token: nothing is refreshed.
    Once,
    /// As long as the session of the person who granted it: `online_access`.
    Online,
    /// Months, renewed with each use: `offline_access`.
    Offline,
}

/// What an app was launched with. <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LaunchContext {
    pub patient: Option<String>,
    pub encounter: Option<String>,
    /// Objects with a reference, canonical or identifier.
    #[serde(default)]
    pub fhir_context: Vec<Value>,
    pub intent: Option<String>,
    pub tenant: Option<String>,
    pub need_patient_banner: Option<bool>,
}

impl LaunchContext {
    /// As it stands in a token response, and in an introspection.
    pub fn members(&self, smart_style_url: Option<&str>) -> Map<String, Value> {
        let members = [
            ("patient", self.patient.clone().map(Value::from)),
            ("encounter", self.encounter.clone().map(Value::from)),
            ("fhirContext", (!self.fhir_context.is_empty()).then(|| json!(self.fhir_context))),
            ("intent", self.intent.clone().map(Value::from)),
            ("tenant", self.tenant.clone().map(Value::from)),
            ("need_patient_banner", self.need_patient_banner.map(Value::from)),
            ("smart_style_url", smart_style_url.map(Value::from)),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    pub id: String,
    pub client: String,
    pub user: String,
    pub scopes: Vec<String>,
    pub access: Access,
    pub context: LaunchContext,
    /// Whether a launch came before it, so that its context is told.
    pub launched: bool,
    /// The session that it lasts as long as.
    pub session: Option<String>,
    /// When the user had shown who they are. Seconds since 1970.
    pub authenticated: i64,
    pub created: i64,
    pub last_used: i64,
    /// When it ends, however much it is used.
    pub ends: Option<i64>,
    expires: i64,
}

impl Stored for Grant {
    const KIND: Kind = Kind::Grant;

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

impl Grant {
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }

    /// When it ends if it is not used again.
    pub fn expires_at(&self) -> i64 {
        self.expires
    }
}

/// Lists end here: who has more grants than this sees the first.
const MOST: usize = 1_000;

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    pub(crate) async fn add_grant(&self, mut grant: Grant) -> Result<Grant, OAuthError> {
        grant.expires = self.grant_expiry(grant.access);
        self.add(&grant.id, &grant).await?;
        // Whoever disables the client or the user does so first and then looks for grants: one of both sees the other.
        if let Err(refused) = self.enabled_client(&grant.client).await.and(self.granting_user(&grant).await) {
            self.revoke_grant(&grant.id).await?;
            return Err(refused);
        }
        Ok(grant)
    }

    pub(crate) fn new_grant(&self, client: &str, user: &str, scopes: Vec<String>, access: Access) -> Grant {
        let now = self.now().as_second();
        Grant {
            id: crate::secret::new_id(&self.random),
            client: client.to_owned(),
            user: user.to_owned(),
            scopes,
            access,
            context: LaunchContext::default(),
            launched: false,
            session: None,
            authenticated: now,
            created: now,
            last_used: now,
            ends: None,
            expires: now,
        }
    }

    fn grant_expiry(&self, access: Access) -> i64 {
        match access {
            Access::Offline => self.after(self.settings.lifetimes.offline),
            Access::Online => self.after(self.settings.lifetimes.session + self.settings.lifetimes.token),
            // The code may be exchanged a little later than now.
            Access::Once => self.after(self.settings.lifetimes.token + self.settings.lifetimes.code),
        }
    }

    /// One that is not revoked.
    pub async fn grant(&self, id: &str) -> Result<Option<Grant>, OAuthError> {
        Ok(self.load::<Grant>(id).await?.map(|kept| kept.value))
    }

    /// Notes a use, which renews an offline grant: "valid for at least three months", renewed on each use.
    pub(crate) async fn use_grant(&self, id: &str) -> Result<Option<Grant>, OAuthError> {
        let now = self.now().as_second();
        let changed = self.change::<Grant>(id, |grant| {
            grant.last_used = now;
            if grant.access == Access::Offline {
                grant.expires = self.grant_expiry(Access::Offline);
            }
            Ok(())
        });
        changed.await
    }

    /// The apps with access to what this user sees.
    pub async fn grants_of_user(&self, user: &str) -> Result<Vec<Grant>, OAuthError> {
        let by = Filter { subject: Some(user), limit: MOST, ..Filter::default() };
        Ok(self.list::<Grant>(by).await?.into_iter().map(|kept| kept.value).collect())
    }

    pub async fn grants_of_client(&self, client: &str) -> Result<Vec<Grant>, OAuthError> {
        let by = Filter { client: Some(client), limit: MOST, ..Filter::default() };
        Ok(self.list::<Grant>(by).await?.into_iter().map(|kept| kept.value).collect())
    }

    /// Takes a grant back, with all its tokens, at once.
    pub async fn revoke_grant(&self, id: &str) -> Result<bool, OAuthError> {
        // First the feed: should the rest fail, the tokens are no good all the same.
        // A token that is being signed at this moment is a little younger, and one from before a change of the settings may
        // be good for the longest time.
        self.storage.revoke(id, self.after(Lifetimes::LONGEST_TOKEN) + 60).await?;
        Ok(self.storage.remove(Kind::Grant, id).await?)
    }

    /// All grants of a client, or of a user.
    pub(crate) async fn revoke_grants(&self, client: Option<&str>, user: Option<&str>) -> Result<(), OAuthError> {
        loop {
            let found = self.list::<Grant>(Filter { client, subject: user, limit: MOST, after: None }).await?;
            for kept in &found {
                self.revoke_grant(&kept.key).await?;
            }
            if found.len() < MOST {
                break;
            }
        }
        Ok(())
    }

    /// `session` is the key of one that ends.
    pub(crate) async fn revoke_online_grants(&self, session: &str) -> Result<(), OAuthError> {
        for grant in self.online_grants(session).await? {
            self.revoke_grant(&grant.value).await?;
        }
        Ok(())
    }

    pub(crate) async fn move_online_grants(&self, from: &str, to: &Session) -> Result<(), OAuthError> {
        for link in self.online_grants(from).await? {
            let changed = self.change::<Grant>(&link.value, |grant| {
                grant.session = Some(to.key.clone());
                grant.ends = Some(to.expires);
                Ok(())
            });
            changed.await?;
            self.link_to_session(&link.value, &to.key).await?;
            self.storage.remove(Kind::OnlineGrant, &link.key).await?;
        }
        Ok(())
    }

    /// Notes that a grant lasts as long as a session.
    pub(crate) async fn link_to_session(&self, grant: &str, session: &str) -> Result<(), OAuthError> {
        let link = OnlineGrant {
            session: session.to_owned(),
            grant: grant.to_owned(),
            expires: self.grant_expiry(Access::Online),
        };
        self.add(&format!("{session} {grant}"), &link).await.map(drop)
    }

    async fn online_grants(&self, session: &str) -> Result<Vec<Link>, OAuthError> {
        let by = Filter { subject: Some(session), limit: MOST, ..Filter::default() };
        let found = self.list::<OnlineGrant>(by).await?;
        Ok(found.into_iter().map(|kept| Link { key: kept.key, value: kept.value.grant }).collect())
    }
}

struct Link {
    key: String,
    value: String,
}

/// From a session to a grant that ends with it.
#[derive(Serialize, Deserialize)]
struct OnlineGrant {
    session: String,
    grant: String,
    expires: i64,
}

impl Stored for OnlineGrant {
    const KIND: Kind = Kind::OnlineGrant;

    fn subject(&self) -> Option<&str> {
        Some(&self.session)
    }

    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}
