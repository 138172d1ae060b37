//! Which apps have access, for the person who gave it.

use askama::Template;
use jiff::Timestamp;

use crate::Frame;
use crate::words::{self, Reader, Scope};

/// The apps with access to the person's record, or to records in their name.
#[derive(Debug, Clone, Template)]
#[template(path = "apps.html")]
pub struct Apps {
    pub frame: Frame,
    pub reader: Reader,
    pub grants: Vec<Granted>,
}

/// What an app was granted.
#[derive(Debug, Clone)]
pub struct Granted {
    pub app: String,
    /// The page that asks whether to take it back: a [`crate::Confirm`].
    pub revoke: String,
    pub since: Timestamp,
    pub last_used: Option<Timestamp>,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// The patient whom a member of the staff had chosen.
    pub patient: Option<String>,
    pub scopes: Vec<Scope>,
    /// Those that say nothing of records: `openid`, `fhirUser`, `offline_access` …
    pub other: Vec<String>,
}

impl Granted {
    pub(crate) fn sentences(&self, reader: Reader) -> Vec<String> {
        let records = self.scopes.iter().map(|scope| scope.words(reader));
        records.chain(self.other.iter().filter_map(|scope| words::other(scope, reader))).collect()
    }
}
