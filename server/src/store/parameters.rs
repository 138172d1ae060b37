//! The dictionary of search parameters: their ids in this database, and whether their rows are complete.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use bytes::Bytes;

use super::error::{Refusal, StoreError};
use super::index::IndexRows;
use super::record::Stored;
use crate::search::ParameterTable;

/// A search parameter of one resource type, as the running binary has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ParameterDefinition {
    pub resource_type: u16,
    pub code: String,
    pub url: String,
    /// Changes when the rows would.
    pub extractor_hash: u64,
}

/// What the database knows of a parameter.
#[derive(Debug)]
pub struct ParameterEntry {
    /// Stable in this database; another one when the extractor changed.
    pub id: i32,
    pub definition: ParameterDefinition,
    indexed: AtomicBool,
}

impl ParameterEntry {
    pub(crate) fn new(id: i32, definition: ParameterDefinition, indexed: bool) -> Self {
        ParameterEntry { id, definition, indexed: AtomicBool::new(indexed) }
    }

    /// False until the rows of all stored resources are there: a search by it is refused under strict handling and
    /// named under lenient.
    pub fn is_indexed(&self) -> bool {
        self.indexed.load(Ordering::Acquire)
    }

    fn set_indexed(&self) {
        self.indexed.store(true, Ordering::Release);
    }
}

/// All parameters of a site, and the key of its hashes.
#[derive(Debug)]
pub struct Dictionary {
    entries: HashMap<(u16, String), ParameterEntry>,
    hash_key: [u8; 16],
    generation: i64,
    share: AtomicU8,
}

impl Dictionary {
    pub(crate) fn new(entries: Vec<ParameterEntry>, hash_key: [u8; 16]) -> Self {
        let entries = entries
            .into_iter()
            .map(|entry| ((entry.definition.resource_type, entry.definition.code.clone()), entry))
            .collect();
        Dictionary { entries, hash_key, generation: 0, share: AtomicU8::new(0) }
    }

    pub(super) fn at(self, generation: i64) -> Self {
        Dictionary { generation, ..self }
    }

    /// Goes up in the database whenever users' own parameters change.
    pub(crate) fn generation(&self) -> i64 {
        self.generation
    }

    pub fn get(&self, resource_type: u16, code: &str) -> Option<&ParameterEntry> {
        // A borrowed pair is no key of a map of owned pairs; look-ups are per request, not per row.
        self.entries.get(&(resource_type, code.to_owned()))
    }

    pub fn iter(&self) -> impl Iterator<Item = &ParameterEntry> {
        self.entries.values()
    }

    /// How many of a hundred resources have been looked at for the parameters that are not indexed yet.
    pub fn share(&self) -> u8 {
        self.share.load(Ordering::Relaxed)
    }

    pub(super) fn note_share(&self, share: u8) {
        self.share.store(share, Ordering::Relaxed);
    }

    pub(super) fn set_indexed(&self, id: i32) {
        self.iter().filter(|entry| entry.id == id).for_each(ParameterEntry::set_indexed);
    }

    /// The key of the SipHash of this database.
    pub fn hash_key(&self) -> [u8; 16] {
        self.hash_key
    }
}

/// The parameters that a site has: those of the running binary, and what users have posted.
pub trait Parameters: Send + Sync {
    /// The type whose resources define parameters; none where nobody can.
    fn posted_type(&self) -> Option<u16>;

    /// What the dictionary must know, with these of the site. One that is `new` and cannot be used is refused; another
    /// that cannot (a release has other parameters than the one before) defines nothing.
    fn definitions(&self, posted: &[Posted]) -> Result<Vec<ParameterDefinition>, Refusal>;

    /// By these parameters, under the ids of the dictionary.
    fn indexer(&self, posted: &[Posted], dictionary: &Arc<Dictionary>) -> Arc<dyn Indexer>;
}

/// The current version of a resource that may define a parameter.
#[derive(Debug, Clone)]
pub struct Posted {
    pub body: Bytes,
    /// Whether the transaction at hand brings it.
    pub new: bool,
}

/// What rows are derived by from one change of users' own parameters to the next.
#[derive(Clone)]
pub(super) struct Derivation {
    pub(super) dictionary: Arc<Dictionary>,
    pub(super) indexer: Arc<dyn Indexer>,
}

impl Derivation {
    pub(super) fn rows(&self, stored: &Stored) -> Result<IndexRows, StoreError> {
        self.indexer.rows(stored.resource_type, &stored.body).ok_or_else(|| {
            StoreError::Inconsistent(format!("the stored text of resource {} cannot be read", stored.key))
        })
    }
}

/// Derives the rows of a stored resource again: to remove them when it changes, to re-index, to check.
pub trait Indexer: Send + Sync {
    /// None where the body cannot be read.
    fn rows(&self, resource_type: u16, body: &[u8]) -> Option<IndexRows>;

    /// The parameter whose rows tell which resources of the type there are, contained ones too.
    fn identity(&self, _resource_type: u16) -> Option<i32> {
        None
    }

    /// The table of parameters behind it, for whoever searches.
    fn table(self: Arc<Self>) -> Option<Arc<ParameterTable>>;

    /// Changes when the compartment rows of some resource would: access depends on them, so they are all made anew
    /// before the store is opened.
    fn compartment_hash(&self) -> u64;
}
