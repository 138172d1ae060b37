//! What is asked of the writer: one request's writes, all or nothing.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::audit::AuditEntry;
use super::body::Body;
use super::error::{Refusal, StoreError};
use super::index::IndexRows;
use super::record::Stored;
use super::write::View;

/// One request: a create, an update, a whole transaction Bundle. It may be run more than once until it commits (a
/// batch is run again when another process came first), so it holds no state of its own.
pub struct Unit {
    pub work: Work,
    /// Written in the same transaction.
    pub audit: Vec<AuditEntry>,
    pub priority: Priority,
}

pub enum Work {
    Operations(Vec<Operation>),
    /// The operations depend on what is stored: conditional create, update, delete and references.
    Resolve(Arc<dyn Resolve>),
}

/// Requests go first; bulk work (import, re-indexing) is taken in small bites beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    Request,
    Bulk,
}

/// Finds the operations of a unit inside the write transaction: what it reads there cannot change before the commit.
pub trait Resolve: Send + Sync {
    fn resolve<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>>;
}

/// Looks at what stands before a change (a deletion too; none: nothing ever stood there), with the write lock held: the
/// access check on the before-image.
pub type Check = Arc<dyn Fn(Option<&Stored>) -> Result<(), Refusal> + Send + Sync>;

#[derive(Clone)]
pub struct Operation {
    pub resource_type: u16,
    pub id: String,
    pub action: Action,
    pub check: Option<Check>,
}

#[derive(Clone)]
pub enum Action {
    /// The id is new: [`StoreError::AlreadyExists`] if not.
    Create {
        content: Arc<Content>,
    },
    /// <https://hl7.org/fhir/R4/http.html#update>
    Update {
        content: Arc<Content>,
        /// The version that must be current.
        if_match: Option<i64>,
        /// Whether an absent (or deleted) resource is created; else [`StoreError::NotFound`].
        upsert: bool,
        /// Whether the same content is left as it is, without a new version.
        skip_unchanged: bool,
    },
    Delete,
    /// A version is this from now on, under its number and time: for labels, which make no new version
    /// (<https://hl7.org/fhir/R4/resource-operation-meta-add.html>). [`StoreError::NotFound`] where there is none.
    Relabel {
        version: i64,
        last_updated: Timestamp,
        content: Arc<Content>,
    },
    /// Writes nothing and answers with the current version, or [`StoreError::NotFound`]: the match of a conditional
    /// create.
    Keep,
}

/// A resource ready to be stored, with the rows that its extractors yield.
#[derive(Debug, Clone)]
pub struct Content {
    pub body: Body,
    pub rows: IndexRows,
}

impl Unit {
    pub fn new(operations: Vec<Operation>) -> Self {
        Unit { work: Work::Operations(operations), audit: Vec::new(), priority: Priority::Request }
    }

    pub fn resolving(resolve: Arc<dyn Resolve>) -> Self {
        Unit { work: Work::Resolve(resolve), audit: Vec::new(), priority: Priority::Request }
    }

    pub fn audited(mut self, entry: AuditEntry) -> Self {
        self.audit.push(entry);
        self
    }

    pub fn bulk(mut self) -> Self {
        self.priority = Priority::Bulk;
        self
    }
}

impl Operation {
    pub fn create(resource_type: u16, id: impl Into<String>, content: Content) -> Self {
        Operation { resource_type, id: id.into(), action: Action::Create { content: Arc::new(content) }, check: None }
    }

    /// An update that creates what is absent.
    pub fn update(resource_type: u16, id: impl Into<String>, content: Content, if_match: Option<i64>) -> Self {
        let action = Action::Update { content: Arc::new(content), if_match, upsert: true, skip_unchanged: false };
        Operation { resource_type, id: id.into(), action, check: None }
    }

    pub fn delete(resource_type: u16, id: impl Into<String>) -> Self {
        Operation { resource_type, id: id.into(), action: Action::Delete, check: None }
    }

    /// `stored`: the version, as it was read in the same transaction.
    pub fn relabel(stored: &Stored, content: Content) -> Self {
        let Stored { version, last_updated, .. } = *stored;
        let action = Action::Relabel { version, last_updated, content: Arc::new(content) };
        Operation { resource_type: stored.resource_type, id: stored.id.clone(), action, check: None }
    }

    pub fn keep(resource_type: u16, id: impl Into<String>) -> Self {
        Operation { resource_type, id: id.into(), action: Action::Keep, check: None }
    }

    pub fn checked(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }
}
