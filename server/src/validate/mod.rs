//! Checks a resource against the generated element tables, and names every issue with its place. No store, no HTTP.
//!
//! Checked: properties and JSON types, cardinality, choice types, the formats of primitives, `_property` siblings,
//! contained resources, required bindings on `code` elements with a closed list of codes, the types that References
//! point to. <https://hl7.org/fhir/R4/validation.html> calls these structure, cardinality, value domains and (in part)
//! coding bindings; invariants and profiles have their own place.
//!
//! A valid resource costs no allocation but the stack of the path.

mod path;
mod primitive;
mod reference;
mod walk;

pub use reference::split_conditional;
use serde_json::Value;
use vesta_runtime::schema::Schema;

use crate::fhir::{Issue, IssueType};

/// How many issues are told at once: whoever sends a thousand wrong ones has one mistake, made a thousand times.
pub const MAXIMUM_ISSUES: usize = 100;

/// All issues of a resource, each with its place as a FHIRPath expression (`Patient.contact[0].name`); none if it is
/// valid.
pub fn validate(schema: &'static Schema, resource: &Value) -> Vec<Issue> {
    let mut walk = walk::Walk::new(schema);
    walk.root(resource);
    walk.finish()
}

/// Whether a text is a logical id: <https://hl7.org/fhir/R4/datatypes.html#id>
pub fn is_id(text: &str) -> bool {
    primitive::id(text).is_ok()
}

/// Whether a value has the format of the primitive type named; else what is wrong, worded to complete "`x` …".
pub fn primitive(name: &str, value: &Value) -> Result<(), &'static str> {
    primitive::check(name, value)
}

/// The `resourceType` of a body, or the issue that tells why there is none.
pub fn resource_type<'a>(schema: &Schema, resource: &'a Value) -> Result<&'a str, Issue> {
    let Value::Object(object) = resource else {
        return Err(Issue::error(IssueType::Structure, "A resource is a JSON object: send { \"resourceType\": … }."));
    };
    match object.get("resourceType") {
        Some(Value::String(name)) if schema.resource(name).is_some() => Ok(name),
        Some(Value::String(_)) => Err(Issue::error(
            IssueType::Value,
            "The property `resourceType` names no resource type of FHIR R4: see https://hl7.org/fhir/R4/resourcelist.html",
        )),
        Some(_) => {
            Err(Issue::error(IssueType::Structure, "The property `resourceType` is a string, like \"Patient\"."))
        }
        None => Err(Issue::error(
            IssueType::Required,
            "The property `resourceType` is missing: a resource names its type, like \"resourceType\": \"Patient\".",
        )),
    }
}

#[cfg(test)]
mod tests;
