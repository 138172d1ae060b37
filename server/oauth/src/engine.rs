//! What all endpoints stand on: settings, keys, storage, clock and chance; and typed records on top of the storage.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::KeyFetcher;
use crate::error::OAuthError;
use crate::keys::{Keys, Shared};
use crate::secret::Random;
use crate::settings::Settings;
use crate::storage::{Clock, Filter, Kind, Record, Storage, StorageError};

/// The authorization server of one site. Its methods stand in the files of what they do: one a grant or endpoint.
pub struct Engine<S, F> {
    pub(crate) settings: Settings,
    keys: Shared<Keys>,
    pub(crate) storage: S,
    pub(crate) fetcher: F,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
}

/// What can be kept.
pub(crate) trait Stored: Serialize + DeserializeOwned + Send + Sync {
    const KIND: Kind;

    fn client(&self) -> Option<&str> {
        None
    }

    fn subject(&self) -> Option<&str> {
        None
    }

    /// Seconds since 1970.
    fn expires(&self) -> Option<i64> {
        None
    }
}

/// A value with the key and version that it was read under.
pub(crate) struct Kept<T> {
    pub(crate) value: T,
    pub(crate) key: String,
    version: i64,
}

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    pub fn new(settings: Settings, keys: Keys, storage: S, fetcher: F, clock: Clock, random: Random) -> Engine<S, F> {
        Engine { settings, keys: Shared::new(keys), storage, fetcher, clock, random }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn keys(&self) -> Arc<Keys> {
        self.keys.get()
    }

    /// From now on these: the operator has replaced some.
    pub fn set_keys(&self, keys: Keys) {
        self.keys.set(Arc::new(keys));
    }

    pub fn storage(&self) -> &S {
        &self.storage
    }

    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Seconds since 1970, so long from now.
    pub(crate) fn after(&self, lifetime: SignedDuration) -> i64 {
        self.now().as_second() + lifetime.as_secs()
    }

    pub(crate) async fn load<T: Stored>(&self, key: &str) -> Result<Option<Kept<T>>, OAuthError> {
        // Keys come from requests too; PostgreSQL has no text with NUL in it, and no key of ours has one.
        if key.contains('\0') {
            return Ok(None);
        }
        let Some(record) = self.storage.find(T::KIND, key).await? else { return Ok(None) };
        Ok(Some(kept(record)?))
    }

    /// False where the key is taken.
    pub(crate) async fn add<T: Stored>(&self, key: &str, value: &T) -> Result<bool, OAuthError> {
        Ok(self.storage.insert(record(key, 1, value)?).await?)
    }

    /// False where somebody else was faster.
    pub(crate) async fn replace<T: Stored>(&self, kept: &Kept<T>) -> Result<bool, OAuthError> {
        Ok(self.storage.replace(record(&kept.key, kept.version, &kept.value)?).await?)
    }

    /// Changes a record, again and again until nobody was faster; none where it is gone. `change` may refuse.
    pub(crate) async fn change<T: Stored>(
        &self,
        key: &str,
        mut change: impl FnMut(&mut T) -> Result<(), OAuthError> + Send,
    ) -> Result<Option<T>, OAuthError> {
        // Each round somebody has come first: a hundred at once on one record is no honest use.
        for _ in 0..100 {
            let Some(mut kept) = self.load::<T>(key).await? else { return Ok(None) };
            change(&mut kept.value)?;
            if self.replace(&kept).await? {
                return Ok(Some(kept.value));
            }
        }
        Err(OAuthError::new(
            crate::ErrorCode::TemporarilyUnavailable,
            "too many changes of the same at once: try again",
        ))
    }

    /// All of a kind, a few hundred at a time.
    pub(crate) async fn every<T: Stored>(&self) -> Result<Vec<T>, OAuthError> {
        const TOGETHER: usize = 500;
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let by = Filter { after: after.as_deref(), limit: TOGETHER, ..Filter::default() };
            let found = self.list::<T>(by).await?;
            after = found.last().map(|kept| kept.key.clone());
            let is_last = found.len() < TOGETHER;
            all.extend(found.into_iter().map(|kept| kept.value));
            if is_last {
                return Ok(all);
            }
        }
    }

    pub(crate) async fn list<T: Stored>(&self, by: Filter<'_>) -> Result<Vec<Kept<T>>, OAuthError> {
        let records = self.storage.list(T::KIND, by).await?;
        Ok(records.into_iter().map(kept).collect::<Result<_, _>>()?)
    }
}

fn record<T: Stored>(key: &str, version: i64, value: &T) -> Result<Record, StorageError> {
    Ok(Record {
        kind: T::KIND,
        key: key.to_owned(),
        client: value.client().map(str::to_owned),
        subject: value.subject().map(str::to_owned),
        expires: value.expires(),
        version,
        body: serde_json::to_string(value).map_err(|error| StorageError::inconsistent(T::KIND, error))?,
    })
}

fn kept<T: Stored>(record: Record) -> Result<Kept<T>, StorageError> {
    let value = serde_json::from_str(&record.body).map_err(|error| StorageError::inconsistent(T::KIND, error))?;
    Ok(Kept { value, key: record.key, version: record.version })
}
