//! Conditional references of a transaction: `Patient?identifier=a|b` in `Reference.reference` becomes the literal
//! reference to the one resource that matches, on the server or among what the transaction itself writes.
//! <https://hl7.org/fhir/R4/http.html#trules>

use std::collections::HashMap;

use serde_json::Value;
use vesta_runtime::schema::Schema;

use super::links::{Link, visit};
use crate::validate::split_conditional;

/// All conditional references of a resource.
pub(super) fn collect(schema: &'static Schema, resource: &mut Value, found: &mut Vec<String>) {
    visit(schema, resource, &mut |link| {
        if let Link::Reference(text) = link
            && split_conditional(text).is_some()
        {
            found.push(text.clone());
        }
    });
}

/// Puts the literal references in their place.
pub(super) fn replace(schema: &'static Schema, resource: &mut Value, literal: &HashMap<String, String>) {
    visit(schema, resource, &mut |link| {
        if let Link::Reference(text) = link
            && let Some(found) = literal.get(text.as_str())
        {
            text.clone_from(found);
        }
    });
}
