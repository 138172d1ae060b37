//! Binary, as its own content and as a resource. <https://hl7.org/fhir/R4/binary.html#rest>
//!
//! "When a read request is made for the Binary resource that doesn't explicitly specify the FHIR content types … the
//! content should be returned using the content type stated in the resource."

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answer::{Answer, Body, ContentType};
use super::audit::{Interaction, recorded};
use super::conditions::{ReadConditions, WriteConditions};
use super::create::create_resource;
use super::outcome::{Error, Issue, IssueType, Kind};
use super::read;
use super::service::Request;
use super::update::update_resource;
use crate::store::{Check, Refusal, Stored};

/// `accept_fhir`: the client names a FHIR type (`Accept` or `_format`); then the resource is returned, else the content.
pub async fn read(
    request: &Request<'_>,
    id: &str,
    accept_fhir: bool,
    conditions: &ReadConditions<'_>,
    parameters: &[(String, String)],
) -> Result<Answer, Error> {
    let answer = read::read(request, "Binary", id, conditions, parameters).await?;
    if accept_fhir { Ok(answer) } else { content_of(answer) }
}

/// The same of one version.
pub async fn vread(
    request: &Request<'_>,
    id: &str,
    version_id: &str,
    accept_fhir: bool,
    conditions: &ReadConditions<'_>,
    parameters: &[(String, String)],
) -> Result<Answer, Error> {
    let answer = read::vread(request, "Binary", id, version_id, conditions, parameters).await?;
    if accept_fhir { Ok(answer) } else { content_of(answer) }
}

/// Content of any type as a new Binary. `security_context` is the header `X-Security-Context`: a reference, like
/// `Patient/1`.
pub async fn create(
    request: &Request<'_>,
    content_type: &str,
    security_context: Option<&str>,
    content: &[u8],
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type("Binary")?;
    recorded(request, Interaction::Create, Some(resource_type), None, async {
        let resource = resource(None, content_type, security_context, content)?;
        create_resource(request, resource_type, resource, None).await
    })
    .await
}

pub async fn update(
    request: &Request<'_>,
    id: &str,
    content_type: &str,
    security_context: Option<&str>,
    content: &[u8],
    conditions: WriteConditions<'_>,
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type("Binary")?;
    recorded(request, Interaction::Update, Some(resource_type), Some(id), async {
        let resource = resource(Some(id), content_type, security_context, content)?;
        update_resource(request, resource_type, id, resource, conditions).await
    })
    .await
}

fn resource(
    id: Option<&str>,
    content_type: &str,
    security_context: Option<&str>,
    content: &[u8],
) -> Result<Value, Error> {
    // `Binary.contentType` is a code: no white space around or doubled.
    let content_type = content_type.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    if content_type.is_empty() {
        return Err(Error::new(
            Kind::UnsupportedMediaType,
            "The content of a Binary comes with its type: send the header Content-Type, like application/pdf.",
        ));
    }
    if content.is_empty() {
        return Err(Error::new(Kind::Invalid, "The body is empty: send the content of the Binary."));
    }
    let mut resource = json!({ "resourceType": "Binary" });
    if let Some(id) = id {
        resource["id"] = json!(id);
    }
    resource["contentType"] = json!(content_type);
    if let Some(context) = security_context {
        resource["securityContext"] = json!({ "reference": context });
    }
    resource["data"] = json!(STANDARD.encode(content));
    Ok(resource)
}

/// An id that was deleted comes back with a security context only: records that named the old content still name the id,
/// and show what stands there to all who see those records.
/// <https://hl7.org/fhir/R4/binary.html#security-context>
pub(super) fn check_before(resource: &Value) -> Option<Check> {
    let is_open = resource.get("resourceType").and_then(Value::as_str) == Some("Binary")
        && resource.get("securityContext").is_none();
    if !is_open {
        return None;
    }
    Some(Arc::new(|before: Option<&Stored>| match before {
        Some(stored) if stored.deleted => {
            let text = "A Binary of this id was deleted, and records may still refer to it: send it with a \
                        `securityContext` (X-Security-Context), or create it under a new id with POST.";
            let issue = Issue::error(IssueType::BusinessRule, text).at("Binary.securityContext");
            Err(Box::new(Error::from_issue(Kind::Unprocessable, issue)) as Refusal)
        }
        _ => Ok(()),
    }))
}

/// The content itself, in its own type.
fn content_of(answer: Answer) -> Result<Answer, Error> {
    if answer.body.is_empty() {
        return Ok(answer);
    }
    let unreadable = || Error::new(Kind::Internal, "The stored content cannot be read.");
    let Answer { kind, body, version, last_updated, .. } = answer;
    let resource = vesta_runtime::json::parse(&body.into_bytes()).map_err(|error| unreadable().caused_by(error))?;
    let content_type = resource.get("contentType").and_then(Value::as_str).unwrap_or("application/octet-stream");
    let Some(data) = resource.get("data").and_then(Value::as_str) else {
        let issue = Issue::error(
            IssueType::NotFound,
            "This Binary has no content: ask for the resource with Accept: application/fhir+json.",
        );
        return Err(Error::from_issue(Kind::NotFound, issue));
    };
    // The specification lets base64 be broken into lines.
    let dense: String = data.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    let content = STANDARD.decode(dense).map_err(|error| unreadable().caused_by(error))?;
    Ok(Answer {
        kind,
        version,
        last_updated,
        content_type: ContentType::Raw(content_type.to_owned()),
        ..Answer::ok(Body::Bytes(content.into()))
    })
}
