//! Search, of a type and of the whole system. <https://hl7.org/fhir/R4/http.html#search>
//!
//! `total` is counted where `_total` asks for it (and where no resource is wanted at all: `_summary=count`,
//! `_count=0`), unless the first page has all that matches. Pages are linked by cursors that hold sort keys only: access is applied anew on each page.

mod included;

use bytes::Bytes;
use serde_json::Value;

use super::ambiguous;
use super::answer::{Answer, Body};
use super::audit::{Interaction, recorded};
use super::audit_log::{self, AuditLog};
use super::conditional::Reader;
use super::explain;
use super::outcome::{Error, Issue, IssueType, Kind, full_stop, outcome_bytes};
use super::page::{Beside, BundleWriter};
use super::query;
use super::reach;
use super::service::{PageSizes, Request, Service, Type};
use super::summary::Subset;
use super::terminology::answers;
use super::versions;
use crate::access::{Boundary, Permission};
use crate::search::{
    Access, Answers, Contained, Criterion, IssueKind, Page, Planner, Position, Search, SearchError, Test, Total,
    compartment_types,
};
use crate::store::Stored;

/// `GET [base]/[type]?…` and `POST [base]/[type]/_search`: `parameters` are those of the query and of the form.
pub async fn search(
    request: &Request<'_>,
    resource_type: &str,
    parameters: &[(String, String)],
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    let (explained, parameters) = explain::asked(parameters);
    recorded(request, Interaction::SearchType, Some(resource_type), None, async {
        let granted = granted(request, resource_type)?;
        let (search, issues) = parse_search(request, resource_type, &parameters).await?;
        let subset = Subset::parse(Some(resource_type.definition), &search.used)?;
        let path = format!("{}/{}", request.service.base_url, resource_type.name);
        let set = SearchSet { request, search, granted, subset, path, issues: told(issues), explained };
        set.answer().await
    })
    .await
}

/// `GET [base]/[compartment]/[id]/[type]?…`, and `*` for all its types.
/// <https://hl7.org/fhir/R4/search.html#searchcontexts>
pub async fn compartment(
    request: &Request<'_>,
    (owner, id, member): (&str, &str, &str),
    parameters: &[(String, String)],
) -> Result<Answer, Error> {
    let table = &request.service.parameters;
    let owner = request.service.resource_type(owner)?;
    let Some(members) = compartment_types(owner.name) else {
        return Err(Error::new(
            Kind::NotFound,
            format!(
                "{} has no compartment: Patient, Encounter, Practitioner, RelatedPerson and Device have.",
                owner.name
            ),
        ));
    };
    let path = format!("{}/{}/{id}/{member}", request.service.base_url, owner.name);
    let (explained, parameters) = explain::asked(parameters);
    let parameters = &*parameters;
    if member == "*" {
        return recorded(request, Interaction::SearchSystem, None, None, async {
            let (mut search, issues) = parse(request, None, parameters).await?;
            not_contained(&search)?;
            search.types.retain(|name| members.contains(name));
            search.criteria.extend(Criterion::compartment(table, owner.name, id, &search.types));
            let names_types = parameters.iter().any(|(name, _)| name == "_type");
            across(request, search, issues, names_types, path, explained).await
        })
        .await;
    }
    let resource_type = request.service.resource_type(member)?;
    if !members.contains(&resource_type.name) {
        return Err(Error::new(
            Kind::NotFound,
            format!("{member} is not in the {} compartment: it has {}.", owner.name, members.join(", ")),
        ));
    }
    recorded(request, Interaction::SearchType, Some(resource_type), None, async {
        let granted = granted(request, resource_type)?;
        let (mut search, issues) = parse(request, Some(resource_type), parameters).await?;
        not_contained(&search)?;
        search.criteria.extend(Criterion::compartment(table, owner.name, id, &search.types));
        reach::restrict(request, &mut search)?;
        let subset = Subset::parse(Some(resource_type.definition), &search.used)?;
        let set = SearchSet { request, search, granted, subset, path, issues: told(issues), explained };
        set.answer().await
    })
    .await
}

/// "Contained resources" lie in no compartment of their own: their container does.
fn not_contained(search: &Search) -> Result<(), Error> {
    if search.contained == Contained::False {
        return Ok(());
    }
    let text = "What is contained lies in no compartment: leave _contained out, or search for it by its type.";
    Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::NotSupported, text)))
}

/// `GET [base]?…` and `POST [base]/_search`: the types of `_type`, else all that the token may search.
pub async fn system(request: &Request<'_>, parameters: &[(String, String)]) -> Result<Answer, Error> {
    let (explained, parameters) = explain::asked(parameters);
    recorded(request, Interaction::SearchSystem, None, None, async {
        let (search, issues) = parse(request, None, &parameters).await?;
        let names_types = parameters.iter().any(|(name, _)| name == "_type");
        across(request, search, issues, names_types, request.service.base_url.clone(), explained).await
    })
    .await
}

/// What the token may search of the type.
fn granted(request: &Request<'_>, resource_type: Type) -> Result<Boundary, Error> {
    if audit_log::has(resource_type.name) {
        request.access.audit_log(Permission::Search)?;
        return Ok(Boundary::Unrestricted);
    }
    request.grant(resource_type, Permission::Search)
}

/// Over several types, as far as the token covers them.
async fn across(
    request: &Request<'_>,
    mut search: Search,
    issues: Vec<crate::search::Issue>,
    names_types: bool,
    path: String,
    explained: bool,
) -> Result<Answer, Error> {
    let mut issues = told(issues);
    if !names_types {
        search.types.retain(|name| !audit_log::has(name));
    }
    let (mut types, mut grants) = (Vec::new(), Vec::new());
    for name in &search.types {
        match request.granted(name, Permission::Search) {
            Ok(boundary) => {
                types.push(*name);
                grants.push((*name, boundary));
            }
            Err(error) if names_types => return Err(error.into()),
            Err(_) => {}
        }
    }
    if types.is_empty() {
        return Err(Error::new(
            Kind::Forbidden,
            "The token's scopes do not cover a search of the system: at least one type with `s` is needed.",
        ));
    }
    if types.len() < search.types.len() {
        issues.push(Issue::information(format!(
            "Only the {} types that the token may search were searched.",
            types.len()
        )));
    }
    let granted = Boundary::over(grants);
    search.types = types;
    reach::restrict(request, &mut search)?;
    let subset = Subset::parse(None, &search.used)?;
    SearchSet { request, search, granted, subset, path, issues, explained }.answer().await
}

/// The search of a type, as an operation has it beside its own parameters.
pub(super) async fn parse_search(
    request: &Request<'_>,
    resource_type: Type,
    parameters: &[(String, String)],
) -> Result<(Search, Vec<crate::search::Issue>), Error> {
    let (mut search, issues) = parse(request, Some(resource_type), parameters).await?;
    reach::restrict(request, &mut search)?;
    Ok((search, issues))
}

async fn parse(
    request: &Request<'_>,
    resource_type: Option<Type>,
    parameters: &[(String, String)],
) -> Result<(Search, Vec<crate::search::Issue>), Error> {
    let service = request.service;
    let name = resource_type.map(|resource_type| resource_type.name);
    let (table, handling, now) = (&service.parameters, request.preferences.handling, service.clock.now());
    match Search::parse_with(table, name, parameters, handling, now, &Answers::default()) {
        // The other way is rare: terminology is asked only where a modifier needs it.
        Err(error) if !error.questions.is_empty() => {
            let answers = answers(request, error.questions).await?;
            Ok(Search::parse_with(table, name, parameters, handling, now, &answers)?)
        }
        parsed => Ok(parsed?),
    }
}

pub(super) fn told(issues: Vec<crate::search::Issue>) -> Vec<Issue> {
    issues.iter().map(|issue| issue_of(issue, Issue::warning)).collect()
}

fn issue_of(issue: &crate::search::Issue, make: fn(IssueType, String) -> Issue) -> Issue {
    let code = match issue.kind {
        IssueKind::Unknown | IssueKind::NotSupported => IssueType::NotSupported,
        IssueKind::NotIndexed => IssueType::Incomplete,
        IssueKind::Value => IssueType::Value,
        IssueKind::TooCostly => IssueType::TooCostly,
    };
    let told = make(code, full_stop(&issue.message));
    // `code:text` and `subject.name` are of the parameters `code` and `subject`.
    let name = issue.parameter.split([':', '.']).next().unwrap_or_default();
    if issue.kind == IssueKind::Unknown || name.is_empty() { told } else { told.of_parameter(name) }
}

impl From<SearchError> for Error {
    fn from(error: SearchError) -> Error {
        let issues = error.issues.iter().map(|issue| issue_of(issue, Issue::error)).collect();
        Error::from_issues(Kind::Invalid, issues)
    }
}

impl Service {
    pub(super) fn planner<'a>(&'a self) -> Planner<'a> {
        Planner { table: &self.parameters, names: self.store.names(), backend: self.store.backend() }
    }
}

/// A search on its way to a Bundle.
struct SearchSet<'a> {
    request: &'a Request<'a>,
    search: Search,
    granted: Boundary,
    subset: Subset,
    /// The URL before the parameters.
    path: String,
    issues: Vec<Issue>,
    /// Not the resources are wanted but how they are found.
    explained: bool,
}

impl SearchSet<'_> {
    fn access(&self) -> Access<'_> {
        Access { boundary: &self.granted }
    }

    /// The audit log, where it is what is searched.
    fn audit_log(&self) -> Result<Option<AuditLog<'_>>, Error> {
        match self.search.types[..] {
            [one] if audit_log::has(one) => AuditLog::new(self.request, &self.search).map(Some),
            _ => Ok(None),
        }
    }

    async fn answer(mut self) -> Result<Answer, Error> {
        let service = self.request.service;
        if self.audit_log()?.is_some() && self.explained {
            return Err(Error::new(Kind::NotSupported, "A search of the audit log is no statement to be explained."));
        }
        if self.explained {
            explain::allow(self.request, &self.search.types)?;
        }
        if self.search.cursor.is_none() && ambiguous::is_open(&self.search) && self.audit_log()?.is_none() {
            let reader = Reader::Store(&service.store);
            Box::pin(ambiguous::refuse(service, reader, &self.search, &self.granted)).await?;
        }
        reach::shorten(service, &mut self.search, &self.granted).await?;
        self.search.lead = service.planner().lead(&self.search, self.access(), &service.store).await?;
        let page = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let PageSizes { default, maximum } = service.pages;
        let count = self.search.count.unwrap_or(page(default)).min(page(maximum));
        let only_total = count == 0 || self.subset == Subset::Count;
        if self.explained {
            let planner = service.planner();
            let unordered = planner.without_order(&self.search, self.access());
            let walked = unordered.as_ref().unwrap_or(&self.search);
            let in_order = planner.in_order(walked, self.access());
            let in_order = in_order.map(|walk| ("page-in-order", walk.until(None, count as usize, None).statement));
            let note = match (&unordered, &in_order) {
                (Some(_), _) => Some(explain::ORDERED_HERE),
                (None, Some(_)) => Some(explain::IN_ORDER),
                (None, None) => None,
            };
            let page = planner.page(walked, self.access(), count as usize, None).statement;
            let total = planner.count(&self.search, self.access());
            let statements: Vec<_> = in_order.into_iter().chain([("page", page), ("total", total)]).collect();
            return explain::answer(self.request, &statements, note).await;
        }
        if only_total {
            let total = self.total().await?;
            let mut writer = BundleWriter::new("searchset", total, &[("self", self.url(None))]);
            self.write_issues(&mut writer);
            return Ok(Answer::ok(writer.finish()));
        }
        let position = match &self.search.cursor {
            Some(cursor) => {
                let opened = service.cursors.open(&self.bound_to(), cursor)?;
                let position = Position::from_bytes(&opened).ok_or_else(|| {
                    Error::new(Kind::Invalid, "This page link is of an earlier release: search anew.")
                })?;
                Some(position)
            }
            None => None,
        };
        let is_first = position.is_none();
        let page = match self.audit_log()? {
            Some(log) => log.find(count as usize, position).await?,
            None => {
                let planner = service.planner();
                planner.find(&self.search, self.access(), count as usize, position, &service.store).await?
            }
        };
        let total = match self.search.total {
            Total::None => None,
            // The page has all of it.
            _ if is_first && page.next.is_none() => u64::try_from(page.found.len()).ok(),
            _ => self.total().await?,
        };
        self.issues.extend(versions::passed_over(service, &self.search, &page.found));
        let included = self.included(&page).await?;
        Ok(Answer::ok(self.bundle(total, &page, &included)?))
    }

    async fn total(&mut self) -> Result<Option<u64>, Error> {
        let service = self.request.service;
        let planner = service.planner();
        let counted = match self.audit_log()? {
            Some(log) => log.count().await?,
            None => {
                let statement = planner.count(&self.search, self.access());
                return Ok(u64::try_from(service.store.count(&statement).await?).ok());
            }
        };
        if counted.is_none() {
            self.issues.push(Issue::warning(
                IssueType::TooCostly,
                "The total is not told: more resources would have to be looked at than one request may. Narrow the \
                 search by other parameters.",
            ));
        }
        Ok(counted)
    }

    fn bundle(&self, total: Option<u64>, page: &Page, included: &[Stored]) -> Result<Body, Error> {
        let mut links = vec![("self", self.url(self.search.cursor.as_deref()))];
        if self.search.cursor.is_some() || page.next.is_some() {
            links.push(("first", self.url(None)));
        }
        if let Some(position) = &page.next {
            links.push(("next", self.url(Some(&self.seal(position)))));
        }
        if let Some(position) = &page.previous {
            links.push(("previous", self.url(Some(&self.seal(position)))));
        }
        let mut writer = BundleWriter::new("searchset", total, &links);
        for found in &page.found {
            match found.contained_at() {
                Some(place) => self.write_contained(&mut writer, &found.stored, place)?,
                None => self.write(&mut writer, &found.stored, "match")?,
            }
        }
        for stored in included {
            self.write(&mut writer, stored, "include")?;
        }
        self.write_issues(&mut writer);
        Ok(writer.finish())
    }

    fn write(&self, writer: &mut BundleWriter, stored: &Stored, mode: &'static str) -> Result<(), Error> {
        let service = self.request.service;
        let name = service.parameters.type_name(stored.resource_type).unwrap_or_default();
        let full_url = service.full_url(name, &stored.id);
        let cut: Bytes;
        let body = match &self.subset {
            Subset::Whole => &stored.body,
            // `_elements` names elements of what is searched for, not of what comes with it.
            Subset::Elements(_) if mode == "include" => &stored.body,
            subset => {
                cut = subset.bytes(service.schema, &stored.body)?.into();
                &cut
            }
        };
        writer.entry(Some(&full_url), Some(body), &Beside::Search(mode));
        Ok(())
    }

    /// "The fullUrl … of the container resource with the #id of the contained one":
    /// <https://hl7.org/fhir/R4/search.html#contained>
    fn write_contained(&self, writer: &mut BundleWriter, container: &Stored, place: usize) -> Result<(), Error> {
        let service = self.request.service;
        let mut resource = vesta_runtime::json::parse(&container.body)
            .map_err(|error| Error::new(Kind::Internal, "A stored resource cannot be read.").caused_by(error))?;
        let Some(contained) = resource.get_mut("contained").and_then(|contained| contained.get_mut(place)) else {
            return Ok(());
        };
        let name = service.parameters.type_name(container.resource_type).unwrap_or_default();
        let id = contained.get("id").and_then(Value::as_str).unwrap_or_default();
        let full_url = format!("{}#{id}", service.full_url(name, &container.id));
        self.subset.apply(service.schema, contained);
        let body = contained.to_string().into();
        writer.entry(Some(&full_url), Some(&body), &Beside::Search("match"));
        Ok(())
    }

    fn write_issues(&self, writer: &mut BundleWriter) {
        if !self.issues.is_empty() {
            let outcome = outcome_bytes(&self.issues, Some(self.request.request_id)).into();
            writer.entry(None, Some(&outcome), &Beside::Search("outcome"));
        }
    }

    /// What decides which resources are found and in which order, and so which search a cursor belongs to; not how
    /// much of them is on a page.
    fn bound_to(&self) -> String {
        const SHAPE: [&str; 6] = ["_count", "_total", "_summary", "_elements", "_include", "_revinclude"];
        let used = self.search.used.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let deciding = used.filter(|(name, _)| !SHAPE.contains(&name.split(':').next().unwrap_or(name)));
        // What `reach` looks up before the search changes what is walked, and so the keys of the order.
        let walked = self.search.criteria.iter().filter(|one| match one.test {
            Test::Referred { .. } => true,
            // Before they led over several types, their order was by time.
            Test::Words(_) => self.search.types.len() > 1,
            _ => false,
        });
        let walked = walked.count();
        // A cursor from before the order was by time holds a number of the sequence.
        let by_time = if self.search.sort.is_empty() { "t" } else { "" };
        format!("{}?{}#{walked}{by_time}", self.search.types.join(","), query::write(deciding))
    }

    fn seal(&self, position: &Position) -> String {
        self.request.service.cursors.seal(&self.bound_to(), &position.to_bytes())
    }

    /// The search with the parameters that were used.
    fn url(&self, cursor: Option<&str>) -> String {
        let used = self.search.used.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let text = query::write(used.chain(cursor.map(|cursor| ("_cursor", cursor))));
        let mark = if text.is_empty() { "" } else { "?" };
        format!("{}{mark}{text}", self.path)
    }
}
