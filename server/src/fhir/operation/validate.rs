//! `$validate`: tells what a write would be refused for, and writes nothing.
//! <https://hl7.org/fhir/R4/resource-operation-validate.html>
//!
//! "… the operation returns with an HTTP 200 whether or not the resource is valid": what is wrong stands in the
//! OperationOutcome. Checked is what the base specification says; a profile that is asked for is named as unchecked.

use serde_json::Value;

use super::{Invocation, resource_answer};
use crate::access::{AccessError, Permission};
use crate::fhir::answer::Answer;
use crate::fhir::boundary::Beside;
use crate::fhir::conditional::Reader;
use crate::fhir::integrity::{self, Deleted};
use crate::fhir::outcome::{Error, Issue, IssueType, Kind, outcome};
use crate::fhir::service::{Request, Type, gone, not_found, unusable};
use crate::fhir::{audit_log, boundary, update};
use crate::validate;

/// <https://hl7.org/fhir/R4/valueset-resource-validation-mode.html>
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// None was named: the resource as such.
    General,
    Create,
    Update,
    Delete,
    Profile,
}

pub(super) async fn validate(request: Request<'_>, invocation: Invocation<'_>) -> Result<Answer, Error> {
    let Invocation { resource_type, id, inputs, .. } = invocation;
    let mode = match inputs.text("mode") {
        None => Mode::General,
        Some("create") => Mode::Create,
        Some("update") => Mode::Update,
        Some("delete") => Mode::Delete,
        Some("profile") => Mode::Profile,
        Some(_) => return Err(Error::new(Kind::Invalid, "`mode` is one of create, update, delete and profile.")),
    };
    if matches!(mode, Mode::Update | Mode::Delete) && id.is_none() {
        // "Modes update and delete can only be used when the operation is invoked at the resource instance level."
        let text = "mode=update and mode=delete ask about one resource: invoke $validate on it, as \
                    [type]/[id]/$validate.";
        return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Invalid, text)));
    }
    let resource = inputs.one("resource");
    // On the system the resource names its own type.
    let named = resource.and_then(|resource| validate::resource_type(request.service.schema, resource).ok());
    let resource_type = match (resource_type, named) {
        (Some(resource_type), _) => Some(resource_type),
        (None, Some(name)) => Some(request.service.resource_type(name)?),
        (None, None) => None,
    };
    may(&request, resource_type, mode)?;
    let mut issues = match (resource, id) {
        // "The server ignores the content, and checks that the nominated resource is allowed to be deleted".
        _ if mode == Mode::Delete => Vec::new(),
        (Some(resource), _) => found(&request, resource_type, id, mode, resource),
        // The one that is stored is validated.
        (None, Some(_)) => Vec::new(),
        (None, None) => return Err(Error::new(Kind::Invalid, "`resource` is missing: send what is to be validated.")),
    };
    if let (Some(resource_type), Some(id)) = (resource_type, id) {
        issues.extend(stored(&request, resource_type, id, mode, resource.is_none()).await?);
    }
    let asked = inputs.text("profile");
    let claimed = resource.and_then(|resource| resource.pointer("/meta/profile")).and_then(Value::as_array);
    let base = resource_type.map(|of| format!("http://hl7.org/fhir/StructureDefinition/{}", of.name));
    if mode == Mode::Profile && asked.is_none() {
        return Err(Error::new(
            Kind::Invalid,
            "`profile` is missing: mode=profile names the profile to check against.",
        ));
    }
    match asked {
        Some(profile) if base.as_deref() != Some(profile.split('|').next().unwrap_or(profile)) => {
            let text = "The resource was checked against the base specification, and not against this profile: this \
                        server does not validate profiles yet.";
            issues.push(Issue::error(IssueType::NotSupported, text));
        }
        None if claimed.is_some_and(|claimed| !claimed.is_empty()) => {
            let text = "The profiles in `meta.profile` were not checked: this server validates against the base \
                        specification only, as yet.";
            issues.push(Issue::new(crate::fhir::outcome::Severity::Information, IssueType::Informational, text));
        }
        _ => {}
    }
    if issues.is_empty() {
        issues.push(Issue::information("No issues were found."));
    }
    Ok(resource_answer(&outcome(&issues, Some(request.request_id))))
}

/// Who may write or read a type may ask whether a resource of it is right.
fn may(request: &Request<'_>, resource_type: Option<Type>, mode: Mode) -> Result<(), Error> {
    let Some(resource_type) = resource_type else {
        // A body that names no type at all: whoever may do anything may hear that.
        let any = !request.access.scopes.is_empty();
        return if any { Ok(()) } else { Err(AccessError::NoPatient.into()) };
    };
    if audit_log::has(resource_type.name) && matches!(mode, Mode::General | Mode::Profile) {
        return Ok(request.access.audit_log(Permission::Read)?);
    }
    let enough: &[Permission] = match mode {
        Mode::Create => &[Permission::Create],
        Mode::Update => &[Permission::Update],
        Mode::Delete => &[Permission::Delete],
        Mode::General | Mode::Profile => &[Permission::Create, Permission::Update, Permission::Read],
    };
    let mut refused = None;
    for permission in enough {
        match request.grant(resource_type, *permission) {
            Ok(_) => return Ok(()),
            Err(error) => refused = Some(error),
        }
    }
    refused.map_or(Ok(()), Err)
}

/// What is wrong with the resource that was sent.
fn found(
    request: &Request<'_>,
    resource_type: Option<Type>,
    id: Option<&str>,
    mode: Mode,
    resource: &Value,
) -> Vec<Issue> {
    let mut issues = validate::validate(request.service.schema, resource);
    if issues.is_empty() {
        issues = unusable(request.service, resource);
    }
    let named = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
    if let Some(resource_type) = resource_type.filter(|resource_type| resource_type.name != named) {
        let text = format!("The resource is no {}, which the path names.", resource_type.name);
        issues.push(Issue::error(IssueType::Invalid, text));
    }
    if let (Some(resource_type), Some(id), Mode::Update | Mode::General) = (resource_type, id, mode)
        && let Err(error) = update::check_id(resource_type, id, resource)
    {
        issues.extend(error.issues);
    }
    issues
}

/// What stands at the id: that it is there and can be reached; and, where no resource was sent, whether it is valid.
async fn stored(
    request: &Request<'_>,
    resource_type: Type,
    id: &str,
    mode: Mode,
    is_validated: bool,
) -> Result<Vec<Issue>, Error> {
    let permission = match mode {
        Mode::Delete => Permission::Delete,
        Mode::Update => Permission::Update,
        _ => Permission::Read,
    };
    let granted = request.grant(resource_type, permission)?;
    let stored = request.service.store.read(resource_type.number, id).await?.ok_or_else(not_found)?;
    boundary::check_read(request, resource_type, &granted, &stored).await?;
    if stored.deleted {
        return Err(gone(stored.version));
    }
    if mode == Mode::Delete {
        let service = request.service;
        if service.rules.delete_referenced {
            return Ok(Vec::new());
        }
        let (reader, deleted) = (Reader::Store(&service.store), [Deleted::new(resource_type, id)]);
        let checked = integrity::check(service, reader, &deleted, &Beside::new()).await;
        return match checked.map_err(Error::from) {
            Err(error) if error.kind == Kind::Conflict => Ok(error.issues),
            checked => checked.map(|()| Vec::new()),
        };
    }
    if !is_validated {
        return Ok(Vec::new());
    }
    let resource = vesta_runtime::json::parse(&stored.body)
        .map_err(|error| Error::new(Kind::Internal, "A stored resource cannot be read.").caused_by(error))?;
    Ok(validate::validate(request.service.schema, &resource))
}
