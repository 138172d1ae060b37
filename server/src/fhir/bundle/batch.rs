//! A batch: each entry for itself. "The success or failure of one change SHOULD not alter the success or failure of
//! another change." <https://hl7.org/fhir/R4/http.html#brules>

use std::collections::HashSet;

use futures_util::{StreamExt, stream};

use super::entry::{BundleType, Entry, Method, Target, place};
use super::links::{self, Link};
use super::respond::{self, Outcome};
use crate::fhir::answer::{Answer, Body};
use crate::fhir::audit::{Interaction, recorded};
use crate::fhir::conditions::ReadConditions;
use crate::fhir::operation::Place;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::patch::{Patch, PatchTarget, patch_resource};
use crate::fhir::preferences::{Preferences, Return};
use crate::fhir::service::{Origin, Request};
use crate::fhir::{create, delete, history, metadata, operation, read, search, update};

/// How many entries are under way at once, so that their writes share commits.
const AT_ONCE: usize = 16;

pub(super) async fn run(request: &Request<'_>, mut entries: Vec<Result<Entry, Error>>) -> Result<Answer, Error> {
    refuse_dependent(request, &mut entries);
    let inner = within(request);
    let inner = &inner;
    let outcomes = stream::iter(entries.into_iter().enumerate())
        .map(|(index, entry)| async move {
            let done = match entry {
                Ok(entry) => one(inner, entry).await.map_err(|error| error.within(&place(index))),
                Err(error) => Err(error),
            };
            done.map_or_else(Outcome::Error, Outcome::Answer)
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    Ok(Answer::ok(respond::bundle(request, BundleType::Batch.response(), outcomes)))
}

/// "There SHALL be no interdependencies between the different entries": one that refers to what another is to make would
/// be left with a reference to nothing. <https://hl7.org/fhir/R4/http.html#brules>
fn refuse_dependent(request: &Request<'_>, entries: &mut [Result<Entry, Error>]) {
    let made = entries.iter().flatten().filter(|entry| entry.method == Method::Post);
    let made: HashSet<String> = made.filter_map(|entry| entry.full_url.clone()).collect();
    if made.is_empty() {
        return;
    }
    for (index, slot) in entries.iter_mut().enumerate() {
        let Ok(entry) = slot else { continue };
        let (own, mut other) = (entry.full_url.as_deref(), None);
        if let Some(resource) = &mut entry.resource {
            links::visit(request.service.schema, resource, &mut |link| {
                if let Link::Reference(url) = link
                    && made.contains(url)
                    && own != Some(url)
                {
                    other = Some(url.clone());
                }
            });
        }
        if let Some(other) = other {
            let message = format!(
                "the entry refers to {other}, which another entry of the batch is to make: send both as a transaction"
            );
            let issue = Issue::error(IssueType::Invalid, message);
            *slot = Err(Error::from_issue(Kind::Invalid, issue).within(&place(index)));
        }
    }
}

/// Without a word from the client, the entries of a Bundle are answered without the resources just sent.
pub(super) fn within<'a>(request: &Request<'a>) -> Request<'a> {
    let returning = request.preferences.returning.unwrap_or(Return::Minimal);
    Request { preferences: Preferences { returning: Some(returning), ..request.preferences }, ..*request }
}

pub(super) async fn one(request: &Request<'_>, mut entry: Entry) -> Result<Answer, Error> {
    let service = request.service;
    if matches!(entry.method, Method::Get | Method::Head)
        || matches!(entry.target, Target::Search(..) | Target::Operation { .. })
    {
        return read(request, &entry).await;
    }
    let (resource, none) = (entry.resource.take(), entry.if_none_exist.as_deref());
    let conditions = entry.conditions();
    match (entry.method, &entry.target, resource) {
        (Method::Post, Target::Type(name, _), Some(resource)) => {
            let resource_type = service.resource_type(name)?;
            let work = create::create_resource(request, resource_type, resource, none);
            recorded(request, Interaction::Create, Some(resource_type), None, work).await
        }
        (Method::Put, Target::Instance(name, id, _), Some(resource)) => {
            let resource_type = service.resource_type(name)?;
            let work = update::update_resource(request, resource_type, id, resource, conditions);
            recorded(request, Interaction::Update, Some(resource_type), Some(id), work).await
        }
        (Method::Put, Target::Type(name, condition), Some(resource)) => {
            let resource_type = service.resource_type(name)?;
            let work = update::update_matching(request, resource_type, condition, resource, conditions);
            recorded(request, Interaction::Update, Some(resource_type), None, work).await
        }
        (Method::Patch, Target::Instance(name, ..) | Target::Type(name, _), Some(resource)) => {
            let resource_type = service.resource_type(name)?;
            let (target, id) = match &entry.target {
                Target::Instance(_, id, _) => (PatchTarget::Id(id), Some(id.as_str())),
                Target::Type(_, condition) => (PatchTarget::Condition(condition), None),
                _ => return Err(not_offered()),
            };
            recorded(request, Interaction::Patch, Some(resource_type), id, async {
                let patch = Patch::of_entry(service.schema, &resource)?;
                patch_resource(request, resource_type, target, patch, conditions).await
            })
            .await
        }
        (Method::Delete, Target::Instance(name, id, _), _) => delete::delete(request, name, id, conditions).await,
        (Method::Delete, Target::Type(name, condition), _) => {
            delete::conditional(request, name, condition, conditions).await
        }
        // `entry::parse` lets nothing else through.
        _ => Err(not_offered()),
    }
}

fn not_offered() -> Error {
    Error::new(Kind::NotSupported, "This interaction is not offered in a Bundle.")
}

/// The operation that an entry invokes, if it does.
pub(super) fn operation(request: &Request<'_>, entry: &Entry) -> Result<Option<operation::Found>, Error> {
    let Target::Operation { name, .. } = &entry.target else { return Ok(None) };
    let found = operation::find(request.service, name, place_of(&entry.target));
    let missing = || Error::new(Kind::NotFound, "This operation is not offered there; /metadata lists what is.");
    found.ok_or_else(missing).map(Some)
}

/// Where an operation is invoked.
fn place_of(target: &Target) -> Place<'_> {
    match target {
        Target::Operation { resource_type, id, version, .. } => {
            Place::of(resource_type.as_deref(), id.as_deref(), version.as_deref())
        }
        _ => Place::System,
    }
}

/// The interactions that only read, and operations.
pub(super) async fn read(request: &Request<'_>, entry: &Entry) -> Result<Answer, Error> {
    let if_modified_since = match &entry.if_modified_since {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            let issue = Issue::error(IssueType::Value, "`ifModifiedSince` is an instant, like 2026-01-01T00:00:00Z.");
            Error::from_issue(Kind::Invalid, issue)
        })?),
    };
    // What the audit log has of a search among others is its own.
    let asked = entry.target.asked();
    let request = &Request { origin: Origin { query: asked.as_deref(), ..request.origin }, ..*request };
    let conditions = ReadConditions { if_none_match: entry.if_none_match.as_deref(), if_modified_since };
    let mut answer = match &entry.target {
        Target::Metadata(parameters) => metadata::metadata(request.service, parameters).await,
        Target::SystemHistory(parameters) => history::system(request, parameters).await,
        Target::Type(name, parameters) | Target::Search(Some(name), parameters) => {
            search::search(request, name, parameters).await
        }
        Target::TypeHistory(name, parameters) => history::type_level(request, name, parameters).await,
        Target::Instance(name, id, parameters) => read::read(request, name, id, &conditions, parameters).await,
        Target::Compartment(owner, id, member, parameters) => {
            search::compartment(request, (owner, id, member), parameters).await
        }
        Target::InstanceHistory(name, id, parameters) => history::instance(request, name, id, parameters).await,
        Target::Version(name, id, version, parameters) => {
            read::vread(request, name, id, version, &conditions, parameters).await
        }
        Target::System(parameters) | Target::Search(None, parameters) => search::system(request, parameters).await,
        Target::Operation { parameters, .. } => {
            let Some(found) = operation(request, entry)? else { return Err(not_offered()) };
            let body = entry.resource.as_ref().map(|resource| resource.to_string().into_bytes()).unwrap_or_default();
            let body = (entry.method == Method::Post).then_some(&body[..]);
            // An operation may invoke others: boxed, since the compiler cannot size what contains itself.
            Box::pin(operation::run(request, found, place_of(&entry.target), parameters, body)).await
        }
    }?;
    if entry.method == Method::Head {
        answer.body = Body::Empty;
    }
    Ok(answer)
}
