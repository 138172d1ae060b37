//! Whether a Reference points to a type that its element allows, where the type is evident.
//! <https://hl7.org/fhir/R4/references.html#Reference>

use serde_json::{Map, Value};
use vesta_runtime::schema::Schema;

/// What is wrong with a Reference.
pub(super) enum Wrong<'a> {
    /// It points to this type, which is not among the targets.
    Target(&'a str),
    /// `Patient?identifier=…` outside of a transaction.
    Conditional,
}

/// `contained` are the contained resources of the resource that the Reference stands in.
pub(super) fn check<'a>(
    schema: &Schema,
    reference: &'a Map<String, Value>,
    targets: &[&str],
    contained: Option<&'a Value>,
) -> Result<(), Wrong<'a>> {
    let literal = reference.get("reference").and_then(Value::as_str);
    if literal.is_some_and(|text| split_conditional(text).is_some()) {
        return Err(Wrong::Conditional);
    }
    if targets.is_empty() {
        return Ok(());
    }
    let by_literal = literal.and_then(|text| match text.strip_prefix('#') {
        Some(id) => contained_type(contained, id),
        None => literal_type(schema, text),
    });
    let stated = reference.get("type").and_then(Value::as_str).map(|text| {
        // `Reference.type` is a type's name, or its canonical URL.
        text.strip_prefix("http://hl7.org/fhir/StructureDefinition/").unwrap_or(text)
    });
    match by_literal.or(stated.filter(|name| schema.resource(name).is_some())) {
        Some(found) if !targets.contains(&found) => Err(Wrong::Target(found)),
        _ => Ok(()),
    }
}

/// A conditional reference `Type?parameters` taken apart; none for a literal one. Only a transaction resolves it
/// (<https://hl7.org/fhir/R4/http.html#trules>).
pub fn split_conditional(reference: &str) -> Option<(&str, &str)> {
    let (name, query) = reference.split_once('?')?;
    let is_type = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_type.then_some((name, query))
}

fn contained_type<'a>(contained: Option<&'a Value>, id: &str) -> Option<&'a str> {
    let contained = contained?.as_array()?;
    let resource = contained.iter().find(|resource| resource.get("id").and_then(Value::as_str) == Some(id))?;
    resource.get("resourceType")?.as_str()
}

/// The type in `[base/]Type/id[/_history/version]`; none where the URL is of another shape.
fn literal_type<'a>(schema: &Schema, text: &'a str) -> Option<&'a str> {
    if text.starts_with("urn:") {
        return None;
    }
    let text = text.split('#').next().unwrap_or(text);
    let mut segments = text.rsplit('/');
    let mut id = segments.next()?;
    let mut name = segments.next()?;
    if name == "_history" {
        id = segments.next()?;
        name = segments.next()?;
    }
    (super::primitive::id(id).is_ok() && schema.resource(name).is_some()).then_some(name)
}
