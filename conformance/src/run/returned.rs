//! Everything that the server has returned in a run: each distinct resource once, with what was wrong with it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde_json::Value;

use super::Run;
use crate::client::{Answer, Exchange};
use crate::compare::differences;

/// What is asked for once in a run, whoever needs it first; the others wait for that one alone.
type Once<K, T> = Mutex<HashMap<K, Arc<OnceLock<T>>>>;

/// The resources by `Type/id`; of one that changes, each state.
pub(crate) struct Returned {
    resources: Mutex<HashMap<String, Vec<Arc<Seen>>>>,
    /// What has been read for several tests, by its path.
    read: Once<String, Result<Answer, String>>,
    /// What is returned for whole patients, by type and patient.
    harvests: Once<(String, String), Arc<Harvest>>,
}

/// All of a patient's resources of a type, as the server returned them.
#[derive(Default)]
pub(crate) struct Harvest {
    pub(crate) resources: Vec<Value>,
    pub(crate) exchanges: Vec<Arc<Exchange>>,
    pub(crate) problems: Vec<String>,
}

pub(crate) struct Seen {
    pub(crate) resource: Value,
    pub(crate) problems: Vec<String>,
}

impl Returned {
    pub(crate) fn new() -> Self {
        Self { resources: Mutex::default(), read: Mutex::default(), harvests: Mutex::default() }
    }

    /// Takes note of a resource; returns what is wrong with it by itself. `is_loaded`: what the run loaded is all that
    /// there may be.
    pub(crate) fn add(&self, run: &Run<'_>, resource: &Value, is_loaded: bool) -> Arc<Seen> {
        let key = key(resource);
        let known = |seen: &HashMap<String, Vec<Arc<Seen>>>| {
            seen.get(&key)?.iter().find(|seen| seen.resource == *resource).cloned()
        };
        if let Some(known) = known(&self.lock()) {
            return known;
        }
        let mut problems = Vec::new();
        if let Some(schema) = run.schema {
            problems.extend(schema.problems(resource));
        }
        if is_loaded {
            match run.data.get(&key) {
                Some(given) => problems.extend(differences(given, resource)),
                None => problems.push(format!("{key} was never loaded")),
            }
        }
        let seen = Arc::new(Seen { resource: resource.clone(), problems });
        self.lock().entry(key).or_default().push(seen.clone());
        seen
    }

    /// All that were returned of a type.
    pub(crate) fn of_type(&self, resource_type: &str) -> Vec<Arc<Seen>> {
        let mut found: Vec<(String, Arc<Seen>)> = Vec::new();
        for (key, seen) in self.lock().iter() {
            if key.split('/').next() == Some(resource_type) {
                found.extend(seen.iter().map(|seen| (key.clone(), seen.clone())));
            }
        }
        found.sort_by(|one, other| one.0.cmp(&other.0));
        found.into_iter().map(|(_, seen)| seen).collect()
    }

    /// The answer to a path, asked for once in a run.
    pub(crate) fn once(&self, path: &str, ask: impl FnOnce() -> Result<Answer, String>) -> Result<Answer, String> {
        let cell = {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.entry(path.to_owned()).or_default().clone()
        };
        cell.get_or_init(ask).clone()
    }

    /// A patient's resources, searched for once in a run.
    pub(crate) fn harvest(&self, resource_type: &str, patient: &str, search: impl FnOnce() -> Harvest) -> Arc<Harvest> {
        let cell = {
            let mut harvests = self.harvests.lock().unwrap_or_else(PoisonError::into_inner);
            harvests.entry((resource_type.to_owned(), patient.to_owned())).or_default().clone()
        };
        cell.get_or_init(|| Arc::new(search())).clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<Arc<Seen>>>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `Patient/1`
pub(crate) fn key(resource: &Value) -> String {
    let text = |name: &str| resource[name].as_str().unwrap_or("?");
    format!("{}/{}", text("resourceType"), text("id"))
}
