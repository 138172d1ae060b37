//! What a guide wants to be seen in data that claims its profiles, and what of it a set of resources lacks.
//!
//! [`wanted`] lists it from the digests: elements that are must-support or an additional USCDI requirement, flagged
//! types and targets, the types of choices, slices, extensions, values for each search. [`Coverage`] holds it against resources, each of which
//! counts for the profiles that it claims.

use std::collections::HashMap;
use std::sync::Mutex;

use serde_json::Value;

use crate::guide::Profile;
use crate::profile::keeps;
use crate::resources::Resources;

mod search;
mod seen;
mod wanted;

pub use wanted::{Need, Wanted, What, of_profile, wanted};

/// Which resources count for a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// Those that claim it in `meta.profile`.
    Claimed,
    /// Those that claim it, and others of its type that keep its rules: for data of others, which seldom claims.
    Kept,
}

/// What of a guide's wishes resources show.
#[derive(Debug, Clone)]
pub struct Coverage<'a> {
    /// With the places where it is seen.
    pub seen: Vec<(Wanted<'a>, Vec<Seen>)>,
    pub lacking: Vec<Wanted<'a>>,
}

/// A resource that shows what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its position among the resources.
    pub resource: usize,
    /// JSON pointers of what shows it: without all of them it would not be seen in this resource.
    pub pointers: Vec<String>,
}

/// Resources, with what has been found out about them.
pub struct Data<'r> {
    resources: &'r Resources<'r>,
    kept: Mutex<HashMap<(usize, String), bool>>,
}

impl<'r> Data<'r> {
    pub fn new(resources: &'r Resources<'r>) -> Data<'r> {
        Data { resources, kept: Mutex::default() }
    }

    /// Whether one of the resources claims a profile, or keeps its rules.
    fn is_of(&self, resource: &'r Value, profile: Profile<'_>) -> bool {
        if profile.structure().defines_type() || profile.is_claimed_by(resource) {
            return true;
        }
        // The resources outlive this, and stay where they are.
        let key = (std::ptr::from_ref(resource) as usize, profile.canonical());
        let known = self.kept.lock().ok().and_then(|kept| kept.get(&key).copied());
        known.unwrap_or_else(|| {
            let answer = keeps(resource, profile);
            if let Ok(mut kept) = self.kept.lock() {
                kept.insert(key, answer);
            }
            answer
        })
    }

    /// What of `wanted` the resources show.
    pub fn coverage<'a>(&self, wanted: Vec<Wanted<'a>>, counting: Counting) -> Coverage<'a> {
        let mut members: HashMap<String, Vec<usize>> = HashMap::new();
        let mut coverage = Coverage { seen: Vec::new(), lacking: Vec::new() };
        for wanted in wanted {
            let profile = wanted.profile;
            let members = members.entry(profile.canonical()).or_insert_with(|| self.members(profile, counting));
            let seen = members
                .iter()
                .map(|&resource| Seen { resource, pointers: self.pointers(&wanted, self.resources.all()[resource]) });
            let seen: Vec<Seen> = seen.filter(|seen| !seen.pointers.is_empty()).collect();
            if seen.is_empty() {
                coverage.lacking.push(wanted);
            } else {
                coverage.seen.push((wanted, seen));
            }
        }
        coverage
    }

    /// The positions of the resources that count for a profile.
    pub fn members(&self, profile: Profile<'_>, counting: Counting) -> Vec<usize> {
        let all = self.resources.all().iter().enumerate();
        let counts = |resource: &'r Value| {
            resource["resourceType"] == profile.type_name()
                && match counting {
                    Counting::Claimed => profile.is_claimed_by(resource),
                    Counting::Kept => self.is_of(resource, profile),
                }
        };
        all.filter(|(_, resource)| counts(resource)).map(|(position, _)| position).collect()
    }
}
