//! `patch`: what the two patch languages of FHIR mean. <https://hl7.org/fhir/R4/http.html#patch>
//!
//! JSON Patch is RFC 6902 over the tree that keeps decimals and the order of keys (the crate `json-patch` compares
//! numbers by their text here and moves keys when it removes one). FHIRPath Patch is in `fhirpath`, what is read and
//! written in `interaction`.
//!
//! "The server SHALL ensure that the narrative in a resource is not clinically unsafe after the PATCH operation is
//! performed": a narrative that was generated from the data and not changed with them is taken away.

mod fhirpath;
mod interaction;
mod json;
#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use vesta_runtime::json::MAX_DEPTH;
use vesta_runtime::schema::Schema;

pub use self::interaction::{PatchTarget, patch};
pub(super) use self::interaction::{operation, patch_resource};
use super::outcome::{Error, Issue, IssueType, Kind};
use super::service::parse_json;

/// More operations are not taken in one patch.
const MOST_OPERATIONS: usize = 10_000;

/// In which language a patch is written, by the media type of its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchFormat {
    /// `application/json-patch+json`
    Json,
    /// A Parameters resource as FHIR JSON.
    FhirPath,
}

/// A patch that was read, and can be applied any number of times.
#[derive(Debug, Clone)]
pub(super) enum Patch {
    Json(Vec<json::Operation>),
    FhirPath(Vec<fhirpath::Operation>),
}

impl Patch {
    pub(super) fn parse(format: PatchFormat, schema: &'static Schema, body: &[u8]) -> Result<Patch, Error> {
        let value = parse_json(body)?;
        match format {
            PatchFormat::Json => Patch::json(value),
            PatchFormat::FhirPath => Patch::parameters(schema, &value),
        }
    }

    /// In a Bundle a patch is a resource: Parameters for FHIRPath Patch, a Binary that holds the JSON Patch.
    pub(super) fn of_entry(schema: &'static Schema, resource: &Value) -> Result<Patch, Error> {
        if resource.get("resourceType").and_then(Value::as_str) != Some("Binary") {
            return Patch::parameters(schema, resource);
        }
        let media_type = resource.get("contentType").and_then(Value::as_str).unwrap_or_default();
        let data = resource.get("data").and_then(Value::as_str).unwrap_or_default();
        let dense: String = data.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        let text = STANDARD.decode(dense).unwrap_or_default();
        if media_type.split(';').next().map(str::trim) != Some("application/json-patch+json") || text.is_empty() {
            let issue = Issue::error(
                IssueType::Value,
                "A Binary that holds a patch has the contentType application/json-patch+json, and the patch in base64 \
                 in `data`.",
            );
            return Err(Error::from_issue(Kind::Invalid, issue.at("Binary")));
        }
        Patch::json(parse_json(&text)?)
    }

    fn json(value: Value) -> Result<Patch, Error> {
        Ok(Patch::Json(json::read(value)?))
    }

    fn parameters(schema: &'static Schema, value: &Value) -> Result<Patch, Error> {
        Ok(Patch::FhirPath(fhirpath::read(schema, value)?))
    }

    /// The resource after the patch. What the patch cannot do is a 422 (RFC 5789, 2.2); whether the result is a valid
    /// resource is not looked at.
    pub(super) fn apply(&self, schema: &'static Schema, resource: &Value, now: Timestamp) -> Result<Value, Error> {
        let mut patched = resource.clone();
        match self {
            Patch::Json(operations) => json::apply(operations, &mut patched)?,
            Patch::FhirPath(operations) => fhirpath::apply(operations, schema, &mut patched, now)?,
        }
        for name in ["resourceType", "id"] {
            if patched.get(name) != resource.get(name) {
                let text = format!("A patch does not change the `{name}` of a resource.");
                return Err(Error::from_issue(Kind::Unprocessable, Issue::error(IssueType::BusinessRule, text)));
            }
        }
        drop_stale_narrative(resource, &mut patched);
        Ok(patched)
    }
}

/// The value, if it may be put where so many objects and arrays stand around it. What walks a resource trusts that it
/// is no deeper than a body may be, and operation by operation a patch could nest without end.
fn nested(value: Value, around: usize) -> Result<Value, String> {
    fn fits(value: &Value, levels: usize) -> bool {
        match value {
            Value::Array(items) => levels > 0 && items.iter().all(|item| fits(item, levels - 1)),
            Value::Object(members) => levels > 0 && members.values().all(|member| fits(member, levels - 1)),
            _ => true,
        }
    }
    if fits(&value, MAX_DEPTH.saturating_sub(around)) {
        return Ok(value);
    }
    Err(format!("the resource would have objects and arrays more than {MAX_DEPTH} deep in one another"))
}

fn drop_stale_narrative(before: &Value, after: &mut Value) {
    const NO_CONTENT: [&str; 4] = ["text", "meta", "id", "resourceType"];
    let (Some(old), Some(new)) = (before.as_object(), after.as_object_mut()) else { return };
    let status = new.get("text").and_then(|text| text.get("status")).and_then(Value::as_str);
    if old.get("text") != new.get("text") || !matches!(status, Some("generated" | "extensions")) {
        return;
    }
    let content = |name: &String| !NO_CONTENT.contains(&name.as_str());
    let names = old.keys().chain(new.keys()).filter(|name| content(name));
    let is_changed = names.into_iter().any(|name| old.get(name) != new.get(name));
    if is_changed {
        new.shift_remove("text");
    }
}

/// 422: the patch is well formed, and the resource is not what it takes it for.
fn unprocessable(index: usize, text: impl std::fmt::Display) -> Error {
    let issue = Issue::error(IssueType::Processing, format!("Operation {} of the patch: {text}.", index + 1));
    Error::from_issue(Kind::Unprocessable, issue)
}

/// 400: the patch itself is not what the language allows.
fn malformed(index: usize, text: impl std::fmt::Display) -> Error {
    let issue = Issue::error(IssueType::Structure, format!("Operation {} of the patch: {text}.", index + 1));
    Error::from_issue(Kind::Invalid, issue)
}

fn too_many(count: usize) -> Result<(), Error> {
    if count <= MOST_OPERATIONS {
        return Ok(());
    }
    let text = format!("The patch has {count} operations, {MOST_OPERATIONS} are the limit: send it in parts.");
    Err(Error::new(Kind::TooLarge, text))
}
