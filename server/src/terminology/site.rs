//! A site's terminology: gathers what a question draws on, from the packages and from what users have posted.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use vesta_runtime::guide::Guide;

use super::canonical::Canonical;
use super::concept_map::{ConceptMap, Unmapped};
use super::error::TerminologyError;
use super::library::{Kind, Library, Resource};
use super::packaged::{Packaged, supplemented};
use super::posted::{self, Posted, Read, of_url, supplementing};
use super::value_set::ValueSet;
use crate::access::Boundary;
use crate::store::Stored;

/// How many definitions one question may draw on.
const MOST_DRAWN_ON: usize = 500;

/// Where a question begins.
#[derive(Debug, Clone)]
pub enum Root {
    /// A canonical URL, without its version.
    Url(Kind, String),
    /// A definition that came with the request, or whose id was named.
    Given(Resource),
    /// The concept maps that go out from a code system, or (`leading_to`) lead to it.
    MapsOf { system: String, leading_to: bool },
}

pub struct Terminology {
    packaged: Packaged,
    read: Read,
}

impl fmt::Debug for Terminology {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Terminology").field("packaged", &self.packaged).finish_non_exhaustive()
    }
}

impl Terminology {
    /// With the terminology of R4 and of these guides.
    pub fn new(guides: &[&'static Guide]) -> Terminology {
        Terminology { packaged: Packaged::new(guides), read: posted::nothing_read() }
    }

    pub fn packaged(&self) -> &Packaged {
        &self.packaged
    }

    /// A stored definition, read.
    pub fn read(&self, posted: Posted<'_>, kind: Kind, stored: &Stored) -> Result<Option<Resource>, TerminologyError> {
        posted.read(&self.read, kind, stored)
    }

    /// All that the roots name, directly and by way of each other. The boundary is that of the roots: what they draw on is
    /// part of what they mean. Without a boundary the roots are looked for in the packages alone.
    pub async fn gather(
        &self,
        posted: Posted<'_>,
        roots: &[Root],
        boundary: Option<&Boundary>,
    ) -> Result<Library, TerminologyError> {
        let mut library = Library::default();
        let mut open = BTreeSet::new();
        let mut within = boundary;
        for root in roots {
            match root {
                Root::Url(kind, url) => drop(open.insert((*kind, url.clone()))),
                Root::Given(resource) => open.extend(named(resource)),
                Root::MapsOf { system, leading_to } => {
                    let parameter = if *leading_to { "target-system" } else { "source-system" };
                    let values = [system.clone()];
                    let found = posted.find(&self.read, Kind::ConceptMap, parameter, &values, boundary).await?;
                    let maps = found.into_iter().chain(self.packaged.concept_maps(system, *leading_to));
                    let urls = maps.filter_map(|map| Some((Kind::ConceptMap, map.url()?.to_owned())));
                    open.extend(urls.collect::<Vec<_>>());
                }
            }
        }
        // What came with the request draws on what the token reaches, where that is a part.
        let is_part = matches!(boundary, Some(Boundary::Parts(_)));
        if !is_part && roots.iter().all(|root| matches!(root, Root::Given(_))) {
            within = Some(&Boundary::Unrestricted);
        }
        let mut drawn_on = 0;
        while !open.is_empty() {
            drawn_on += open.len();
            if drawn_on > MOST_DRAWN_ON {
                return Err(TerminologyError::TooCostly { most: MOST_DRAWN_ON, things: "definitions" });
            }
            let mut next = BTreeSet::new();
            for kind in Kind::ALL {
                let urls: Vec<String> = open.iter().filter(|(of, _)| *of == kind).map(|(_, url)| url.clone()).collect();
                let found = posted.find(&self.read, kind, "url", &urls, within).await?;
                let supplements = match kind {
                    Kind::CodeSystem => posted.find(&self.read, kind, "supplements", &urls, within).await?,
                    _ => Vec::new(),
                };
                for url in &urls {
                    let held = of_url(&found, url).chain(self.packaged.find(kind, url)).collect();
                    let held = self.complete(kind, url, held, &supplements);
                    next.extend(held.iter().flat_map(named));
                    library.add(kind, url, held);
                }
            }
            next.retain(|(kind, url)| !library.knows(*kind, url));
            open = next;
            within = Some(&Boundary::Unrestricted);
        }
        Ok(library)
    }

    /// Code systems with their supplements, and the value sets that a code system names for all its codes.
    fn complete(&self, kind: Kind, url: &str, held: Vec<Resource>, supplements: &[Resource]) -> Vec<Resource> {
        match kind {
            Kind::CodeSystem => {
                let supplements: Vec<Resource> =
                    supplementing(supplements, url).chain(self.packaged.supplements(url)).collect();
                let with = |resource: Resource| match &resource {
                    Resource::CodeSystem(system) => supplemented(system, &supplements)
                        .map_or_else(|| resource.clone(), |system| Resource::CodeSystem(Arc::new(system))),
                    _ => resource,
                };
                held.into_iter().map(with).collect()
            }
            Kind::ValueSet if held.is_empty() => {
                let system = self.packaged.code_system_of(url);
                let set = system.map(|system| ValueSet::of_code_system(url, &system));
                set.map(Arc::new).map(Resource::ValueSet).into_iter().collect()
            }
            _ => held,
        }
    }
}

/// What a definition names.
pub(super) fn named(resource: &Resource) -> Vec<(Kind, String)> {
    match resource {
        Resource::CodeSystem(_) => Vec::new(),
        Resource::ValueSet(set) => {
            let sets = || set.include.iter().chain(&set.exclude);
            let systems = sets().filter_map(|set| set.system.as_ref());
            let listed = set.expansion.iter().flatten().filter_map(|listed| listed.system.as_ref());
            let systems: BTreeSet<&str> = systems.chain(listed).map(|system| system.url.as_str()).collect();
            let value_sets = sets().flat_map(|set| &set.value_sets).map(|set: &Canonical| set.url.as_str());
            let systems = systems.into_iter().map(|url| (Kind::CodeSystem, url.to_owned()));
            systems.chain(value_sets.map(|url| (Kind::ValueSet, url.to_owned()))).collect()
        }
        Resource::ConceptMap(map) => other_maps(map),
    }
}

fn other_maps(map: &ConceptMap) -> Vec<(Kind, String)> {
    let unmapped = map.groups.iter().filter_map(|group| group.unmapped.as_ref());
    let other = unmapped.filter_map(|unmapped| match unmapped {
        Unmapped::OtherMap(other) => Some((Kind::ConceptMap, other.url.clone())),
        _ => None,
    });
    other.collect()
}
