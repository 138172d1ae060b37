//! `update`. <https://hl7.org/fhir/R4/http.html#update>
//!
//! "The update interaction creates a new current version for an existing resource or creates an initial version if no
//! resource already exists for the given id": a body that says the same as the current version is a new version too.

use serde_json::Value;

use super::answer::Answer;
use super::audit::{self, Interaction, recorded};
use super::boundary::Beside;
use super::outcome::{Error, Issue, IssueType, Kind};
use super::service::{Request, Type, assign, check_resource, content, parse_json};
use super::{boundary, conditions, write};
use crate::access::Permission;
use crate::store::{Operation, Unit};
use crate::validate;

/// The resource with this id is this, from now on; created if there is none (201).
pub async fn update(
    request: &Request<'_>,
    resource_type: &str,
    id: &str,
    body: &[u8],
    if_match: Option<&str>,
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    recorded(request, Interaction::Update, Some(resource_type), Some(id), async {
        let resource = parse_json(body)?;
        update_resource(request, resource_type, id, resource, if_match).await
    })
    .await
}

pub(super) async fn update_resource(
    request: &Request<'_>,
    resource_type: Type,
    id: &str,
    mut resource: Value,
    if_match: Option<&str>,
) -> Result<Answer, Error> {
    let service = request.service;
    let granted = request.grant(resource_type, Permission::Update)?;
    let if_match = conditions::if_match(if_match)?;
    check_id(resource_type, id, &resource)?;
    check_resource(service, resource_type, &resource)?;
    assign(&mut resource, id);
    boundary::check_new(request, resource_type, &granted, &resource, &Beside::new()).await?;
    let content = content(service, &resource, id);
    let audit = audit::written(request, Interaction::Update, resource_type, id, &content);
    let mut operation = Operation::update(resource_type.number, id, content, if_match);
    operation.check = boundary::check_before(request, resource_type, &granted);
    let written = service.store.write(Unit::new(vec![operation]).audited(audit)).await?;
    write::single(request, resource_type, written)
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
