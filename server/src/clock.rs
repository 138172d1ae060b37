//! Time and new ids, as parameters: whoever needs them is given a [`Clock`] or [`Ids`], so that tests are exact and
//! snapshots stable. The only place that asks the system for either.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

/// Where the time comes from.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The system's clock.
    #[allow(clippy::disallowed_methods, reason = "this is the place that asks the system")]
    pub fn system() -> Self {
        Clock(Arc::new(Timestamp::now))
    }

    /// A clock that a test moves by hand.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Clock(Arc::new(now))
    }

    /// A clock that stands still.
    pub fn fixed(at: Timestamp) -> Self {
        Clock(Arc::new(move || at))
    }

    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

/// Where new logical ids, token ids and request ids come from.
#[derive(Clone)]
pub struct Ids(Arc<dyn Fn() -> String + Send + Sync>);

impl Ids {
    /// Random UUIDs (version 7: ordered by time, so that they stay together in an index).
    pub fn system() -> Self {
        Ids(Arc::new(|| uuid::Uuid::now_v7().to_string()))
    }

    /// `prefix-1`, `prefix-2`, …
    pub fn counting(prefix: &'static str) -> Self {
        let next = AtomicU64::new(1);
        Ids(Arc::new(move || format!("{prefix}-{}", next.fetch_add(1, Ordering::Relaxed))))
    }

    pub fn next(&self) -> String {
        (self.0)()
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Ids")
    }
}
