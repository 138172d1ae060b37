//! What is stored, asked for and answered: plain data.

use bytes::Bytes;
use jiff::Timestamp;

/// One version of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The resource's integer key: stable over its versions, ascending by creation.
    pub key: i64,
    /// The stable number of the resource type.
    pub resource_type: u16,
    pub id: String,
    /// From 1, one up with each change, deletions included.
    pub version: i64,
    pub last_updated: Timestamp,
    pub deleted: bool,
    /// The place of this version in the commit sequence.
    pub sequence: i64,
    /// The text as served; empty for a deletion.
    pub body: Bytes,
}

/// How a version came about, for `Bundle.entry.request.method` of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i16)]
pub enum Method {
    Post = 0,
    Put = 1,
    Delete = 2,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
        }
    }

    pub(super) fn from_code(code: i16) -> Self {
        match code {
            0 => Method::Post,
            2 => Method::Delete,
            _ => Method::Put,
        }
    }
}

/// What an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Created,
    Updated,
    /// The same content was there, and the operation asked not to write it again.
    Unchanged,
    Deleted,
    /// A delete of what was deleted before: `version` is that deletion.
    AlreadyDeleted,
    /// A delete of what never existed: `version` is 0.
    Absent,
}

/// The answer to one operation, after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub resource_type: u16,
    pub id: String,
    pub version: i64,
    pub last_updated: Timestamp,
    pub effect: Effect,
    /// The stored text; empty where nothing is there.
    pub body: Bytes,
}

/// How far a reader may look, so that nothing at or below it is still being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visible {
    /// Every version with a sequence at or below this is committed and readable.
    pub sequence: i64,
    /// Every change committed from now on carries a later `lastUpdated`: a `transactionTime`.
    pub time: Timestamp,
}

/// Which history: <https://hl7.org/fhir/R4/http.html#history>
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HistoryScope {
    Instance { resource_type: u16, id: String },
    Type(u16),
    System,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    pub scope: HistoryScope,
    /// `_since`: versions created at or after the instant.
    pub since: Option<Timestamp>,
    /// `_at`: versions that were current at some point from the first to the second, in microseconds.
    pub at: Option<(i64, i64)>,
    /// `_list`: of these resources, by their keys.
    pub listed: Option<Vec<i64>>,
    /// Page on below this sequence (exclusive): the `sequence` of the last entry of the page before.
    pub before: Option<i64>,
    /// The bound of the first page, so that later pages show the same history: [`HistoryPage::as_of`].
    pub as_of: Option<Visible>,
    /// Whether to count them all.
    pub counted: bool,
    pub count: usize,
}

/// A page of a history, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    pub entries: Vec<HistoryEntry>,
    /// How many versions there are in all, deletions included; of an instance, where counting is cheap, and where it
    /// is asked for.
    pub total: Option<i64>,
    /// Up to where this history looks.
    pub as_of: Visible,
    pub has_more: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    pub stored: Stored,
    pub method: Method,
}

/// A value that a page is sorted by, for the cursor.
#[derive(Debug, Clone, PartialEq)]
pub enum SortValue {
    /// The resource has no value.
    Missing,
    Integer(i64),
    Real(f64),
    Text(String),
    /// A number, as bytes that sort as numbers do.
    Bytes(Vec<u8>),
}

/// A match of a search page, with what the page was sorted by.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub stored: Stored,
    pub sort: Vec<SortValue>,
    /// Where what matches may stand in the resource, its key as that of a contained one: see [`Found::contained_at`].
    pub place: Option<i64>,
}

impl Found {
    pub fn of(stored: Stored, sort: Vec<SortValue>) -> Found {
        Found { stored, sort, place: None }
    }

    /// The index in `contained` of what matches, where it is not the resource itself.
    pub fn contained_at(&self) -> Option<usize> {
        let place = super::index::contained::place(self.place?);
        usize::try_from(place - 1).ok()
    }
}
