//! A batch: each entry for itself. "The success or failure of one change SHOULD not alter the success or failure of
//! another change." <https://hl7.org/fhir/R4/http.html#brules>

use futures_util::{StreamExt, stream};

use super::entry::{BundleType, Entry, Method, Target, place};
use super::respond::{self, Outcome};
use crate::fhir::answer::{Answer, Body};
use crate::fhir::audit::{Interaction, recorded};
use crate::fhir::conditions::ReadConditions;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::preferences::{Preferences, Return};
use crate::fhir::service::Request;
use crate::fhir::{create, delete, history, metadata, read, search, update};

/// How many entries are under way at once, so that their writes share commits.
const AT_ONCE: usize = 16;

pub(super) async fn run(request: &Request<'_>, entries: Vec<Result<Entry, Error>>) -> Result<Answer, Error> {
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

/// Without a word from the client, the entries of a Bundle are answered without the resources just sent.
pub(super) fn within<'a>(request: &Request<'a>) -> Request<'a> {
    let returning = request.preferences.returning.unwrap_or(Return::Minimal);
    Request { preferences: Preferences { returning: Some(returning), ..request.preferences }, ..*request }
}

async fn one(request: &Request<'_>, entry: Entry) -> Result<Answer, Error> {
    let service = request.service;
    match (entry.method, &entry.target, entry.resource) {
        (Method::Get | Method::Head, ..) => {
            let entry = Entry { resource: None, ..entry };
            get(request, &entry).await
        }
        (Method::Post, Target::Type(name, _), Some(resource)) => {
            let resource_type = service.resource_type(name)?;
            let condition = entry.if_none_exist.as_deref();
            let work = create::create_resource(request, resource_type, resource, condition);
            recorded(request, Interaction::Create, Some(resource_type), None, work).await
        }
        (Method::Put, Target::Instance(name, id, _), Some(resource)) => {
            let resource_type = service.resource_type(name)?;
            let work = update::update_resource(request, resource_type, id, resource, entry.if_match.as_deref());
            recorded(request, Interaction::Update, Some(resource_type), Some(id), work).await
        }
        (Method::Delete, Target::Instance(name, id, _), _) => {
            delete::delete(request, name, id, entry.if_match.as_deref()).await
        }
        // `entry::parse` lets nothing else through.
        _ => Err(Error::new(Kind::NotSupported, "This interaction is not offered in a Bundle.")),
    }
}

/// The interactions that only read.
pub(super) async fn get(request: &Request<'_>, entry: &Entry) -> Result<Answer, Error> {
    let if_modified_since = match &entry.if_modified_since {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            let issue = Issue::error(IssueType::Value, "`ifModifiedSince` is an instant, like 2026-01-01T00:00:00Z.");
            Error::from_issue(Kind::Invalid, issue)
        })?),
    };
    let conditions = ReadConditions { if_none_match: entry.if_none_match.as_deref(), if_modified_since };
    let mut answer = match &entry.target {
        Target::Metadata(parameters) => metadata::metadata(request.service, parameters).await,
        Target::SystemHistory(parameters) => history::system(request, parameters).await,
        Target::Type(name, parameters) => search::search(request, name, parameters).await,
        Target::TypeHistory(name, parameters) => history::type_level(request, name, parameters).await,
        Target::Instance(name, id, parameters) => read::read(request, name, id, &conditions, parameters).await,
        Target::InstanceHistory(name, id, parameters) => history::instance(request, name, id, parameters).await,
        Target::Version(name, id, version, parameters) => read::vread(request, name, id, version, parameters).await,
        Target::System(parameters) => search::system(request, parameters).await,
        Target::Operation(_) => Err(Error::new(Kind::NotSupported, "This operation is not offered in a Bundle.")),
    }?;
    if entry.method == Method::Head {
        answer.body = Body::Empty;
    }
    Ok(answer)
}
