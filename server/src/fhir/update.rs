//! `update`, by id or by a condition. <https://hl7.org/fhir/R4/http.html#update>,
//! <https://hl7.org/fhir/R4/http.html#cond-update>
//!
//! "The update interaction creates a new current version for an existing resource or creates an initial version if no
//! resource already exists for the given id": a body that says the same as the current version is a new version too.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::answer::Answer;
use super::audit::{self, Interaction, recorded};
use super::boundary::Beside;
use super::conditional::{Condition, IN_URL, Reader, multiple_matches};
use super::conditions::{Preconditions, WriteConditions};
use super::outcome::{Error, Issue, IssueType, Kind};
use super::service::{Owned, Request, Type, assign, check_resource, content, parse_json};
use super::{binary, boundary, write};
use crate::access::{Boundary, Permission};
use crate::store::{AuditOutcome, Check, Operation, Refusal, Resolve, StoreError, Stored, Unit, View};
use crate::validate;

/// The resource with this id is this, from now on; created if there is none (201).
pub async fn update(
    request: &Request<'_>,
    resource_type: &str,
    id: &str,
    body: &[u8],
    conditions: WriteConditions<'_>,
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    recorded(request, Interaction::Update, Some(resource_type), Some(id), async {
        let resource = parse_json(body)?;
        update_resource(request, resource_type, id, resource, conditions).await
    })
    .await
}

/// The resource that matches is this, from now on; created if none does (201).
pub async fn conditional(
    request: &Request<'_>,
    resource_type: &str,
    condition: &[(String, String)],
    body: &[u8],
    conditions: WriteConditions<'_>,
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    recorded(request, Interaction::Update, Some(resource_type), None, async {
        let resource = parse_json(body)?;
        update_matching(request, resource_type, condition, resource, conditions).await
    })
    .await
}

pub(super) async fn update_resource(
    request: &Request<'_>,
    resource_type: Type,
    id: &str,
    mut resource: Value,
    conditions: WriteConditions<'_>,
) -> Result<Answer, Error> {
    let service = request.service;
    let granted = request.grant(resource_type, Permission::Update)?;
    let preconditions = conditions.read()?;
    check_id(resource_type, id, &resource)?;
    check_resource(service, resource_type, &resource)?;
    assign(&mut resource, id);
    boundary::check_new(request, resource_type, &granted, &resource, &Beside::new()).await?;
    let content = content(service, &resource, id);
    let audit = audit::written(request, Interaction::Update, resource_type, id, &content);
    let mut operation = Operation::update(resource_type.number, id, content, None);
    let before = check_before(request, resource_type, &granted, &resource);
    operation.check = both(before, preconditions.check());
    let written = service.store.write(Unit::new(vec![operation]).audited(audit)).await?;
    write::single(request, resource_type, written).await
}

pub(super) async fn update_matching(
    request: &Request<'_>,
    resource_type: Type,
    condition: &[(String, String)],
    resource: Value,
    conditions: WriteConditions<'_>,
) -> Result<Answer, Error> {
    let service = request.service;
    let granted = request.grant(resource_type, Permission::Update)?;
    let preconditions = conditions.read()?;
    let condition = Condition::of(request, resource_type, condition, granted.clone())?;
    check_resource(service, resource_type, &resource)?;
    let (owned, new_id) = (request.owned(), service.ids.next());
    let work = Matching { owned, condition, granted, resource, preconditions, new_id };
    // Which id it comes to is known inside the write only.
    let audit = audit::entry(request, Interaction::Update, Some(resource_type), None, AuditOutcome::Success);
    let written = service.store.write(Unit::resolving(Arc::new(work)).audited(audit)).await?;
    write::single(request, resource_type, written).await
}

/// A conditional update, which looks for its match inside the write transaction.
struct Matching {
    owned: Owned,
    condition: Condition,
    granted: Boundary,
    resource: Value,
    preconditions: Preconditions,
    /// Of what is created without an id of its own.
    new_id: String,
}

impl Resolve for Matching {
    fn resolve<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>> {
        Box::pin(async move {
            let service = &self.owned.service;
            let found = self.condition.find(service, Reader::View(view), 2).await?;
            let found: Vec<String> = found.into_iter().map(|stored| stored.id).collect();
            let refused = |error: Error| StoreError::Refused(Box::new(error));
            let (id, is_match) = identity(&self.resource, &found, &self.new_id).map_err(refused)?;
            self.operation(id, is_match).await.map(|operation| vec![operation]).map_err(refused)
        })
    }
}

impl Matching {
    async fn operation(&self, id: String, is_match: bool) -> Result<Operation, Error> {
        let request = self.owned.request();
        let (service, resource_type) = (request.service, self.condition.resource_type);
        if !is_match {
            self.preconditions.look_at(None)?;
        }
        let mut resource = self.resource.clone();
        assign(&mut resource, &id);
        boundary::check_new(&request, resource_type, &self.granted, &resource, &Beside::new()).await?;
        let content = content(service, &resource, &id);
        let mut operation = Operation::update(resource_type.number, id.as_str(), content, None);
        let before = check_before(&request, resource_type, &self.granted, &resource);
        let before = both(before, self.preconditions.check());
        operation.check = if is_match { before } else { both(before, Some(is_free())) };
        Ok(operation)
    }
}

/// The id that a conditional update comes to, and whether a resource is there already.
/// <https://hl7.org/fhir/R4/http.html#cond-update>
///
/// "No matches, no id provided: The server creates the resource. No matches, id provided: The server treats the
/// interaction as an Update as Create interaction. One Match, no resource id provided OR (resource id provided and it
/// matches the found resource): The server performs the update against the matching resource. One Match, resource id
/// provided but does not match resource found: The server returns a 400 Bad Request error. Multiple matches: The server
/// returns a 412 Precondition Failed error".
pub(super) fn identity(resource: &Value, found: &[String], new_id: &str) -> Result<(String, bool), Error> {
    let own = resource.get("id").and_then(Value::as_str);
    match (found, own) {
        ([], None) => Ok((new_id.to_owned(), false)),
        ([], Some(own)) => Ok((own.to_owned(), false)),
        ([id], own) if own.is_none_or(|own| own == id) => Ok((id.clone(), true)),
        ([_], _) => {
            let text = "The id in the body is not that of the resource that matches: leave it out, or send the update \
                        to that id.";
            Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Invalid, text)))
        }
        _ => Err(multiple_matches(IN_URL)),
    }
}

/// Nothing is stored under the id that a conditional update is about to create: else it would replace what does not
/// match.
pub(super) fn is_free() -> Check {
    Arc::new(|before: Option<&Stored>| match before.filter(|stored| !stored.deleted) {
        None => Ok(()),
        Some(_) => {
            let text = "No resource matches the condition, and the id in the body is that of one which does not match: \
                        send the update to that id, or leave the id out.";
            Err(Box::new(Error::new(Kind::Conflict, text)) as Refusal)
        }
    })
}

/// What is looked at before an update with the lock held: the patient boundary, and for a Binary whose id it was.
pub(super) fn check_before(
    request: &Request<'_>,
    resource_type: Type,
    granted: &Boundary,
    resource: &Value,
) -> Option<Check> {
    both(boundary::check_before(request, resource_type, granted), binary::check_before(resource))
}

/// One check after the other.
pub(super) fn both(first: Option<Check>, second: Option<Check>) -> Option<Check> {
    match (first, second) {
        (Some(first), Some(second)) => Some(Arc::new(move |before: Option<&Stored>| {
            first(before)?;
            second(before)
        })),
        (first, second) => first.or(second),
    }
}

/// "The request body SHALL be a Resource with an id element that has an identical value to the [id] in the URL. If no
/// id element is provided, or the id disagrees with the id in the URL, the server SHALL respond with an HTTP 400 error
/// code."
pub(super) fn check_id(resource_type: Type, id: &str, resource: &Value) -> Result<(), Error> {
    let expression = format!("{}.id", resource_type.name);
    let issue = match resource.get("id").and_then(Value::as_str) {
        _ if !validate::is_id(id) => {
            Issue::error(IssueType::Value, "The id in the path is 1 to 64 of the characters A-Z, a-z, 0-9, `-` and `.`")
        }
        Some(found) if found == id => return Ok(()),
        Some(_) => {
            Issue::error(IssueType::Invalid, "The id in the body and the id in the path differ: they are the same.")
                .at(expression)
        }
        None => {
            Issue::error(IssueType::Required, "The body of an update has the `id` that the path names.").at(expression)
        }
    };
    Err(Error::from_issue(Kind::Invalid, issue))
}
