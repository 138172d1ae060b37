//! What the engine asks of a database: keyed records that are replaced only by who has read them last, and a feed of
//! revocations. Two tables do, on any database; [`Memory`] does for tests.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
pub enum Kind {
    Client = 1,
    User = 2,
    /// From a user's name to the user.
    UserName = 3,
    Session = 4,
    /// An authorization request on its way through log-in and consent.
    Interaction = 5,
    Code = 6,
    /// What a user has granted to a client; tokens belong to one.
    Grant = 7,
    RefreshToken = 8,
    Launch = 9,
    /// The `jti` of a client assertion that was used.
    Assertion = 10,
    /// How often a user's password was wrong.
    Attempts = 11,
    /// A TOTP step that was used.
    OneTimePassword = 12,
    /// The keys that a client keeps at its `jwks_uri`.
    ClientKeys = 13,
    /// From a session to a grant that lasts as long as it.
    OnlineGrant = 14,
    /// What the upstream provider says of itself, with its keys.
    Provider = 15,
    /// A log-in that is under way at the upstream provider.
    UpstreamLogin = 16,
    /// From an identity at the upstream provider to the user.
    UpstreamIdentity = 17,
}

impl Kind {
    const ALL: [Kind; 17] = [
        Kind::Client,
        Kind::User,
        Kind::UserName,
        Kind::Session,
        Kind::Interaction,
        Kind::Code,
        Kind::Grant,
        Kind::RefreshToken,
        Kind::Launch,
        Kind::Assertion,
        Kind::Attempts,
        Kind::OneTimePassword,
        Kind::ClientKeys,
        Kind::OnlineGrant,
        Kind::Provider,
        Kind::UpstreamLogin,
        Kind::UpstreamIdentity,
    ];

    pub fn number(self) -> i16 {
        self as i16
    }

    pub fn from_number(number: i16) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub kind: Kind,
    /// An id, or the hash of a secret.
    pub key: String,
    pub client: Option<String>,
    pub subject: Option<String>,
    /// Seconds since 1970. What has expired counts as absent.
    pub expires: Option<i64>,
    /// The one read; a new record's is not looked at.
    pub version: i64,
    /// JSON.
    pub body: String,
}

/// What a list holds, in the order of the keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter<'a> {
    pub client: Option<&'a str>,
    pub subject: Option<&'a str>,
    /// Only what follows this key.
    pub after: Option<&'a str>,
    pub limit: usize,
}

/// A line of the feed: `what` is the `jti` of an access token, the id of a grant whose tokens are all
/// revoked, or that of a client whose tokens without a grant are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    pub epoch: i64,
    pub what: String,
    /// When it need no longer be remembered: all that it is about has expired.
    pub expires: i64,
}

/// The database failed. Its message is for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct StorageError(Arc<dyn std::error::Error + Send + Sync>);

impl StorageError {
    pub fn new(cause: impl std::error::Error + Send + Sync + 'static) -> StorageError {
        StorageError(Arc::new(cause))
    }

    /// A record is not what this release writes.
    pub(crate) fn inconsistent(kind: Kind, error: serde_json::Error) -> StorageError {
        StorageError::new(std::io::Error::other(format!("a record of the kind {kind:?} cannot be read: {error}")))
    }

    pub(crate) fn note(&self) {
        tracing::error!(error = %self.0, "the authorization server's records are not to be had");
    }
}

pub trait Storage: Send + Sync {
    /// False where the key is taken.
    fn insert(&self, record: Record) -> impl Future<Output = Result<bool, StorageError>> + Send;

    fn find(&self, kind: Kind, key: &str) -> impl Future<Output = Result<Option<Record>, StorageError>> + Send;

    /// False where somebody replaced it since it was read, or it is gone.
    fn replace(&self, record: Record) -> impl Future<Output = Result<bool, StorageError>> + Send;

    /// False where there was none: of several who remove one at once, one learns true.
    fn remove(&self, kind: Kind, key: &str) -> impl Future<Output = Result<bool, StorageError>> + Send;

    fn list(&self, kind: Kind, by: Filter<'_>) -> impl Future<Output = Result<Vec<Record>, StorageError>> + Send;

    /// Sweeps away up to so many expired records; how many it were.
    fn remove_expired(&self, limit: usize) -> impl Future<Output = Result<u64, StorageError>> + Send;

    fn revoke(&self, what: &str, expires: i64) -> impl Future<Output = Result<(), StorageError>> + Send;

    /// Whether the feed has a line about it that has not expired.
    fn is_revoked(&self, what: &str) -> impl Future<Output = Result<bool, StorageError>> + Send;

    /// The lines after this epoch: whoever follows misses none.
    fn revoked_since(&self, epoch: i64) -> impl Future<Output = Result<Vec<Revoked>, StorageError>> + Send;
}

/// Shared with who follows the feed.
impl<S: Storage> Storage for Arc<S> {
    async fn insert(&self, record: Record) -> Result<bool, StorageError> {
        (**self).insert(record).await
    }

    async fn find(&self, kind: Kind, key: &str) -> Result<Option<Record>, StorageError> {
        (**self).find(kind, key).await
    }

    async fn replace(&self, record: Record) -> Result<bool, StorageError> {
        (**self).replace(record).await
    }

    async fn remove(&self, kind: Kind, key: &str) -> Result<bool, StorageError> {
        (**self).remove(kind, key).await
    }

    async fn list(&self, kind: Kind, by: Filter<'_>) -> Result<Vec<Record>, StorageError> {
        (**self).list(kind, by).await
    }

    async fn remove_expired(&self, limit: usize) -> Result<u64, StorageError> {
        (**self).remove_expired(limit).await
    }

    async fn revoke(&self, what: &str, expires: i64) -> Result<(), StorageError> {
        (**self).revoke(what, expires).await
    }

    async fn is_revoked(&self, what: &str) -> Result<bool, StorageError> {
        (**self).is_revoked(what).await
    }

    async fn revoked_since(&self, epoch: i64) -> Result<Vec<Revoked>, StorageError> {
        (**self).revoked_since(epoch).await
    }
}

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// For tests: gone with the process.
pub struct Memory {
    clock: Clock,
    records: Mutex<BTreeMap<(Kind, String), Record>>,
    revoked: Mutex<Vec<Revoked>>,
}

impl Memory {
    pub fn new(clock: Clock) -> Memory {
        Memory { clock, records: Mutex::default(), revoked: Mutex::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<(Kind, String), Record>) -> T) -> T {
        let now = (self.clock)().as_second();
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.retain(|_, record| record.expires.is_none_or(|expires| expires > now));
        work(&mut records)
    }

    /// Everything that is kept, for tests that look for what must not be there.
    pub fn dump(&self) -> Vec<Record> {
        self.with(|records| records.values().cloned().collect())
    }
}

impl Storage for Memory {
    async fn insert(&self, record: Record) -> Result<bool, StorageError> {
        Ok(self.with(|records| {
            let key = (record.kind, record.key.clone());
            let is_free = !records.contains_key(&key);
            if is_free {
                records.insert(key, Record { version: 1, ..record });
            }
            is_free
        }))
    }

    async fn find(&self, kind: Kind, key: &str) -> Result<Option<Record>, StorageError> {
        Ok(self.with(|records| records.get(&(kind, key.to_owned())).cloned()))
    }

    async fn replace(&self, record: Record) -> Result<bool, StorageError> {
        Ok(self.with(|records| match records.get_mut(&(record.kind, record.key.clone())) {
            Some(known) if known.version == record.version => {
                *known = Record { version: record.version + 1, ..record };
                true
            }
            _ => false,
        }))
    }

    async fn remove(&self, kind: Kind, key: &str) -> Result<bool, StorageError> {
        Ok(self.with(|records| records.remove(&(kind, key.to_owned())).is_some()))
    }

    async fn list(&self, kind: Kind, by: Filter<'_>) -> Result<Vec<Record>, StorageError> {
        let is_of = |known: &Option<String>, wanted: Option<&str>| wanted.is_none() || known.as_deref() == wanted;
        Ok(self.with(|records| {
            let found = records.values().filter(|record| {
                record.kind == kind
                    && is_of(&record.client, by.client)
                    && is_of(&record.subject, by.subject)
                    && by.after.is_none_or(|after| record.key.as_str() > after)
            });
            found.take(by.limit).cloned().collect()
        }))
    }

    async fn remove_expired(&self, _limit: usize) -> Result<u64, StorageError> {
        Ok(self.with(|_| 0))
    }

    async fn revoke(&self, what: &str, expires: i64) -> Result<(), StorageError> {
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        let epoch = revoked.len() as i64 + 1;
        revoked.push(Revoked { epoch, what: what.to_owned(), expires });
        Ok(())
    }

    async fn is_revoked(&self, what: &str) -> Result<bool, StorageError> {
        let now = (self.clock)().as_second();
        let revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(revoked.iter().any(|line| line.what == what && line.expires > now))
    }

    async fn revoked_since(&self, epoch: i64) -> Result<Vec<Revoked>, StorageError> {
        let revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(revoked.iter().filter(|line| line.epoch > epoch).cloned().collect())
    }
}
