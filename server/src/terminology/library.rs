//! What one question draws on: the definitions that it names, directly or by import.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::canonical::{Canonical, compare_versions};
use super::code_system::CodeSystem;
use super::concept_map::ConceptMap;
use super::error::TerminologyError;
use super::value_set::ValueSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    CodeSystem,
    ValueSet,
    ConceptMap,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::CodeSystem, Kind::ValueSet, Kind::ConceptMap];

    /// The resource type.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::CodeSystem => "CodeSystem",
            Kind::ValueSet => "ValueSet",
            Kind::ConceptMap => "ConceptMap",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A definition, read.
#[derive(Debug, Clone)]
pub enum Resource {
    CodeSystem(Arc<CodeSystem>),
    ValueSet(Arc<ValueSet>),
    ConceptMap(Arc<ConceptMap>),
}

impl Resource {
    /// None where the resource has no canonical URL to be known by.
    pub fn read(kind: Kind, resource: &Value) -> Option<Resource> {
        match kind {
            Kind::CodeSystem => CodeSystem::read(resource).map(Arc::new).map(Resource::CodeSystem),
            Kind::ValueSet => Some(Resource::ValueSet(Arc::new(ValueSet::read(resource)))),
            Kind::ConceptMap => Some(Resource::ConceptMap(Arc::new(ConceptMap::read(resource)))),
        }
    }

    pub fn url(&self) -> Option<&str> {
        match self {
            Resource::CodeSystem(system) => Some(&system.url),
            Resource::ValueSet(set) => set.url.as_deref(),
            Resource::ConceptMap(map) => map.url.as_deref(),
        }
    }

    pub fn version(&self) -> Option<&str> {
        match self {
            Resource::CodeSystem(system) => system.version.as_deref(),
            Resource::ValueSet(set) => set.version.as_deref(),
            Resource::ConceptMap(map) => map.version.as_deref(),
        }
    }

    fn is_retired(&self) -> bool {
        match self {
            Resource::CodeSystem(system) => system.is_retired(),
            Resource::ValueSet(set) => set.is_retired(),
            Resource::ConceptMap(map) => map.is_retired(),
        }
    }

    /// Roughly, in bytes of memory.
    pub fn weight(&self) -> u64 {
        match self {
            Resource::CodeSystem(system) => system.weight(),
            Resource::ValueSet(set) => set.weight(),
            Resource::ConceptMap(map) => map.weight(),
        }
    }
}

/// All versions of what was gathered, by kind and URL, the preferred one first.
#[derive(Debug, Default)]
pub struct Library {
    held: HashMap<(Kind, String), Vec<Resource>>,
}

impl Library {
    /// Whether a URL was gathered already, found or not.
    pub fn knows(&self, kind: Kind, url: &str) -> bool {
        self.held.contains_key(&(kind, url.to_owned()))
    }

    /// Takes what was found of a URL. What comes first wins over what has the same version and comes later: posted
    /// resources come before packaged ones. Without a version the newest counts, one that is retired last; one that has no
    /// version goes before all.
    pub fn add(&mut self, kind: Kind, url: &str, found: impl IntoIterator<Item = Resource>) {
        let mut versions: Vec<Resource> = Vec::new();
        for resource in found {
            if !versions.iter().any(|held| held.version() == resource.version()) {
                versions.push(resource);
            }
        }
        versions.sort_by(|one, other| {
            let by_version = match (one.version(), other.version()) {
                (Some(one), Some(other)) => compare_versions(other, one),
                (one, other) => one.is_some().cmp(&other.is_some()),
            };
            one.is_retired().cmp(&other.is_retired()).then(by_version)
        });
        self.held.insert((kind, url.to_owned()), versions);
    }

    /// All versions of a URL.
    pub fn versions(&self, kind: Kind, url: &str) -> &[Resource] {
        self.held.get(&(kind, url.to_owned())).map(Vec::as_slice).unwrap_or_default()
    }

    /// Of each URL of a kind the version that counts where none is named, in the order of the URLs.
    pub fn preferred(&self, kind: Kind) -> impl Iterator<Item = &Resource> {
        let mut held: Vec<_> = self.held.iter().filter(|((of, _), _)| *of == kind).collect();
        held.sort_by_key(|((_, url), _)| url.as_str());
        held.into_iter().filter_map(|(_, versions)| versions.first())
    }

    fn find(&self, kind: Kind, canonical: &Canonical) -> Result<&Resource, TerminologyError> {
        let versions = self.versions(kind, &canonical.url);
        let found = match &canonical.version {
            None => versions.first(),
            Some(version) => versions.iter().find(|held| held.version() == Some(version)),
        };
        found.ok_or_else(|| match &canonical.version {
            Some(asked) if !versions.is_empty() => TerminologyError::UnknownVersion {
                kind,
                url: canonical.url.clone(),
                asked: asked.clone(),
                held: versions
                    .iter()
                    .map(|held| held.version().unwrap_or("one without a version").to_owned())
                    .collect(),
            },
            _ => TerminologyError::Unknown { kind, canonical: canonical.clone() },
        })
    }

    pub fn code_system(&self, canonical: &Canonical) -> Result<&CodeSystem, TerminologyError> {
        match self.find(Kind::CodeSystem, canonical)? {
            Resource::CodeSystem(system) => Ok(system),
            _ => Err(TerminologyError::Unknown { kind: Kind::CodeSystem, canonical: canonical.clone() }),
        }
    }

    pub fn value_set(&self, canonical: &Canonical) -> Result<&ValueSet, TerminologyError> {
        match self.find(Kind::ValueSet, canonical)? {
            Resource::ValueSet(set) => Ok(set),
            _ => Err(TerminologyError::Unknown { kind: Kind::ValueSet, canonical: canonical.clone() }),
        }
    }

    pub fn concept_map(&self, canonical: &Canonical) -> Result<&ConceptMap, TerminologyError> {
        match self.find(Kind::ConceptMap, canonical)? {
            Resource::ConceptMap(map) => Ok(map),
            _ => Err(TerminologyError::Unknown { kind: Kind::ConceptMap, canonical: canonical.clone() }),
        }
    }
}
