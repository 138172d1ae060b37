//! What users have posted, found by the search parameters of its type.

use serde_json::Value;

use super::canonical::Canonical;
use super::error::TerminologyError;
use super::library::{Kind, Resource};
use super::remembered::Remembered;
use crate::access::Boundary;
use crate::clock::Clock;
use crate::fhir::Handling;
use crate::search::{Access, ParameterTable, Planner, Search, escape};
use crate::store::{Store, StoreError, Stored};

/// How many versions of what is asked for at once are looked at.
const MOST_FOUND: usize = 200;

/// How much of what was read is remembered of a site, roughly in bytes.
const REMEMBERED: u64 = 8 << 20;

/// Definitions by the key and version of their row: a write makes a new version.
pub(super) type Read = Remembered<(i64, i64)>;

pub(super) fn nothing_read() -> Read {
    Remembered::new(REMEMBERED)
}

/// The site's store, as terminology asks it.
#[derive(Clone, Copy)]
pub struct Posted<'a> {
    pub store: &'a Store,
    pub parameters: &'a ParameterTable,
    pub planner: &'a Planner<'a>,
    pub clock: &'a Clock,
}

impl Posted<'_> {
    /// Those of a type that have one of the values, within a boundary (none: nothing).
    pub(super) async fn find(
        &self,
        read: &Read,
        kind: Kind,
        parameter: &str,
        values: &[String],
        boundary: Option<&Boundary>,
    ) -> Result<Vec<Resource>, TerminologyError> {
        let Some(boundary) = boundary.filter(|_| !values.is_empty()) else { return Ok(Vec::new()) };
        let value = values.iter().map(|value| escape(value)).collect::<Vec<_>>().join(",");
        let query = [(parameter.to_owned(), value)];
        let parsed = Search::parse(self.parameters, Some(kind.as_str()), &query, Handling::Strict, self.clock.now());
        let (search, _) = parsed.map_err(|error| TerminologyError::NotIndexed(error.to_string()))?;
        let plan = self.planner.page(&search, Access { boundary }, MOST_FOUND, None);
        let found = self.store.page(&plan.statement, plan.sort_columns).await?;
        let page = plan.page(found);
        if page.next.is_some() {
            return Err(TerminologyError::TooCostly { most: MOST_FOUND, things: "posted definitions" });
        }
        page.found.iter().filter_map(|found| self.read(read, kind, &found.stored).transpose()).collect()
    }

    /// A stored definition, read; none where it has no URL to be known by.
    pub(super) fn read(&self, read: &Read, kind: Kind, stored: &Stored) -> Result<Option<Resource>, TerminologyError> {
        let key = (stored.key, stored.version);
        if let Some(resource) = read.get(&key) {
            return Ok(Some(resource));
        }
        let body: Value = vesta_runtime::json::parse(&stored.body)
            .map_err(|error| StoreError::Statement(format!("a stored {kind} is no JSON: {error}")))?;
        let resource = Resource::read(kind, &body);
        if let Some(resource) = &resource {
            read.insert(key, resource.clone());
        }
        Ok(resource)
    }
}

/// Those among them that have this URL, in the order given.
pub(super) fn of_url<'a>(found: &'a [Resource], url: &'a str) -> impl Iterator<Item = Resource> + 'a {
    found.iter().filter(move |resource| resource.url() == Some(url)).cloned()
}

/// Those that supplement the code system with this URL.
pub(super) fn supplementing<'a>(found: &'a [Resource], url: &'a str) -> impl Iterator<Item = Resource> + 'a {
    let supplements = move |resource: &&Resource| match resource {
        Resource::CodeSystem(system) => system.supplements.as_ref().is_some_and(|of: &Canonical| of.url == url),
        _ => false,
    };
    found.iter().filter(supplements).cloned()
}
