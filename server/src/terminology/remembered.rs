//! Definitions that were read already, within a bound of memory.

use std::hash::Hash;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::library::Resource;

pub(super) struct Remembered<K> {
    cache: Cache<K, (u64, Resource), Weight>,
}

/// The weight stands beside each: working it out walks the whole definition.
#[derive(Clone)]
struct Weight;

impl<K> Weighter<K, (u64, Resource)> for Weight {
    fn weight(&self, _: &K, value: &(u64, Resource)) -> u64 {
        value.0
    }
}

impl<K: Eq + Hash> Remembered<K> {
    /// `most`: roughly, in bytes.
    pub(super) fn new(most: u64) -> Remembered<K> {
        Remembered { cache: Cache::with_weighter(16, most, Weight) }
    }

    pub(super) fn get(&self, key: &K) -> Option<Resource> {
        self.cache.get(key).map(|(_, resource)| resource)
    }

    pub(super) fn insert(&self, key: K, resource: Resource) {
        self.cache.insert(key, (resource.weight(), resource));
    }
}
