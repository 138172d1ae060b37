//! Conditions of writes: `If-None-Exist` and conditional references. The same search language as a search.
//! <https://hl7.org/fhir/R4/http.html#ccreate>

use super::outcome::{Error, Kind};
use super::preferences::Handling;
use super::query;
use super::service::{Service, Type};
use crate::access::Boundary;

use crate::search::{Access, Search};
use crate::store::{Store, StoreError, View};

/// A search that is to match one resource.
pub(super) struct Condition {
    pub(super) resource_type: Type,
    search: Search,
    granted: Boundary,
}

/// Where the matches are looked for: before the write, or inside its transaction.
#[derive(Clone, Copy)]
pub(super) enum Reader<'a> {
    Store(&'a Store),
    View(&'a View<'a>),
}

impl Condition {
    /// Always strict: a parameter passed over would widen the condition.
    pub(super) fn parse(
        service: &Service,
        resource_type: Type,
        text: &str,
        granted: Boundary,
    ) -> Result<Condition, Error> {
        let parameters = query::parse(text.strip_prefix('?').unwrap_or(text));
        let now = service.clock.now();
        let (search, _) =
            Search::parse(&service.parameters, Some(resource_type.name), &parameters, Handling::Strict, now)?;
        if search.criteria.is_empty() {
            return Err(Error::new(
                Kind::Invalid,
                "A condition has at least one search parameter, like identifier=http://example.org/mrn|1.",
            ));
        }
        Ok(Condition { resource_type, search, granted })
    }

    /// The ids of what matches, two at most.
    pub(super) async fn find(&self, service: &Service, reader: Reader<'_>) -> Result<Vec<String>, StoreError> {
        let access = Access { boundary: &self.granted, scopes: &[] };
        let plan = service.planner().page(&self.search, access, 2, None);
        let found = match reader {
            Reader::Store(store) => store.page(&plan.statement, plan.sort_columns).await?,
            Reader::View(view) => view.search(&plan.statement, plan.sort_columns).await?,
        };
        Ok(plan.page(found).found.into_iter().map(|found| found.stored.id).collect())
    }

    /// Whether a resource that is not stored yet matches.
    pub(super) fn accepts(&self, service: &Service, resource: &serde_json::Value) -> bool {
        self.search.matches(&service.parameters, resource)
    }
}

/// <https://hl7.org/fhir/R4/http.html#ccreate>: "Multiple matches: The server returns a 412 Precondition Failed error
/// indicating the client's criteria were not selective enough".
pub(super) fn multiple_matches(name: &str) -> Error {
    Error::new(
        Kind::MultipleMatches,
        format!("{name} matches several resources: give criteria that match one, like an identifier with its system."),
    )
}
