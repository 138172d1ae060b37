//! Conditions of writes: `If-None-Exist`, conditional update, patch and delete, and conditional references. The same
//! search language as a search. <https://hl7.org/fhir/R4/http.html#ccreate>

use super::outcome::{Error, Issue, IssueType, Kind};
use super::preferences::Handling;
use super::service::{Request, Service, Type};
use super::{ambiguous, query, reach};
use crate::access::Boundary;

use crate::search::{Access, RESULT_PARAMETERS, Search};
use crate::store::{Found, SelectStatement, Store, StoreError, Stored, View};

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

impl Reader<'_> {
    /// The current version; inside a write transaction locked until its end.
    pub(super) async fn read(self, resource_type: u16, id: &str) -> Result<Option<Stored>, StoreError> {
        match self {
            Reader::Store(store) => store.read(resource_type, id).await,
            Reader::View(view) => view.read(resource_type, id).await,
        }
    }

    /// Runs the statement of a page.
    pub(super) async fn page(self, statement: &SelectStatement, sort_columns: usize) -> Result<Vec<Found>, StoreError> {
        match self {
            Reader::Store(store) => store.page(statement, sort_columns).await,
            Reader::View(view) => view.search(statement, sort_columns).await,
        }
    }
}

impl Condition {
    /// From the text of `If-None-Exist` or of a conditional reference.
    pub(super) fn parse(
        request: &Request<'_>,
        resource_type: Type,
        text: &str,
        granted: Boundary,
    ) -> Result<Condition, Error> {
        let parameters = query::parse(text.strip_prefix('?').unwrap_or(text));
        Condition::of(request, resource_type, &parameters, granted)
    }

    /// Always strict: a parameter passed over would widen the condition. Its chains keep to what the token covers, as a
    /// search's do. What matches is told by the answer: of a type that the token may read or search in part, it is
    /// looked for in that part.
    pub(super) fn of(
        request: &Request<'_>,
        resource_type: Type,
        parameters: &[(String, String)],
        granted: Boundary,
    ) -> Result<Condition, Error> {
        let service = request.service;
        let now = service.clock.now();
        let (mut search, _) =
            Search::parse(&service.parameters, Some(resource_type.name), parameters, Handling::Strict, now)?;
        if search.criteria.is_empty() {
            return Err(Error::new(
                Kind::Invalid,
                "A condition has at least one search parameter, like identifier=http://example.org/mrn|1.",
            ));
        }
        let code = |name: &str| name.split([':', '.']).next().unwrap_or_default().to_owned();
        if let Some((name, _)) = parameters.iter().find(|(name, _)| RESULT_PARAMETERS.contains(&code(name).as_str())) {
            let text =
                format!("{} shapes the results of a search, and is no condition: leave it out.", query::shown(name));
            return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Invalid, text)));
        }
        reach::restrict(request, &mut search)?;
        let granted = request.reach(resource_type.name).map_or_else(|_| granted.clone(), |shown| granted.and(&shown));
        Ok(Condition { resource_type, search, granted })
    }

    /// Its parameters as they came.
    pub(super) fn asked(&self) -> &[(String, String)] {
        &self.search.used
    }

    /// What matches, `most` at most. Inside a write transaction the matches are locked, and looked for again where
    /// one of them was changed before the lock was had.
    pub(super) async fn find(
        &self,
        service: &Service,
        reader: Reader<'_>,
        most: usize,
    ) -> Result<Vec<Stored>, StoreError> {
        let access = Access { boundary: &self.granted };
        let plan = service.planner().page(&self.search, access, most, None);
        let found = reader.page(&plan.statement, plan.sort_columns).await?;
        let found: Vec<Stored> = plan.page(found).found.into_iter().map(|found| found.stored).collect();
        if let Reader::View(view) = reader {
            for stored in &found {
                let current = view.read(stored.resource_type, &stored.id).await?;
                if current.is_none_or(|current| current.version != stored.version) {
                    // The transaction is run again, and sees what came between.
                    return Err(StoreError::Conflict("a match was changed while it was looked for".to_owned()));
                }
            }
        }
        Ok(found)
    }

    /// Refuses what means several types: see [`ambiguous`].
    pub(super) async fn is_of_one_meaning(&self, service: &Service, reader: Reader<'_>) -> Result<(), StoreError> {
        ambiguous::refuse(service, reader, &self.search, &self.granted).await
    }

    /// Whether a resource that is not stored yet matches.
    pub(super) fn accepts(&self, service: &Service, resource: &serde_json::Value) -> bool {
        self.search.matches(&service.parameters, resource)
    }
}

/// <https://hl7.org/fhir/R4/http.html#ccreate>: "Multiple matches: The server returns a 412 Precondition Failed error
/// indicating the client's criteria were not selective enough". The same holds for updates, patches and deletes.
pub(super) fn multiple_matches(name: &str) -> Error {
    Error::new(
        Kind::MultipleMatches,
        format!("{name} matches several resources: give criteria that match one, like an identifier with its system."),
    )
}

/// The name of the condition in the URL, in messages.
pub(super) const IN_URL: &str = "The condition in the URL";
