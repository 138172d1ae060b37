//! References: where they point, and the type of what they point to.
//! <https://hl7.org/fhir/R4/references.html>

use serde_json::Value;

use crate::node::{Node, resources};
use crate::schema::{Schema, TypeDefinition};

/// Finds resources that are not part of the one at hand: in its Bundle, or in a store.
pub trait Resolver {
    /// What a reference's text, `Patient/1` or `urn:uuid:…`, points to.
    fn resolve<'a>(&'a self, reference: &str) -> Option<Node<'a>>;
}

/// The text of a Reference, or of an element that is a reference itself: `uri`, `url`, `canonical`, `string`.
pub fn reference_text<'a>(node: Node<'a>) -> Option<&'a str> {
    if node.is_primitive() { node.as_str() } else { node.text("reference") }
}

/// The contained resource that `#id` names; `#` alone names the container.
pub fn contained<'a>(container: Node<'a>, reference: &str, schema: &Schema) -> Option<Node<'a>> {
    let id = reference.strip_prefix('#')?;
    if id.is_empty() {
        return Some(container);
    }
    resources(container, "contained", schema).find(|resource| resource.text("id") == Some(id))
}

/// The type of what a reference points to, as far as the reference itself or a contained resource tells: what
/// `resolve() is Patient` needs, and nothing is loaded for it.
pub fn target_type(container: Node, node: Node, schema: &Schema) -> Option<&'static TypeDefinition> {
    if let Some(reference) = reference_text(node) {
        if reference.starts_with('#') {
            return contained(container, reference, schema).map(|resource| resource.definition);
        }
        if let Some(found) = type_in_url(reference).and_then(|name| schema.resource(name)) {
            return Some(found);
        }
    }
    let declared = node.object()?.get("type").and_then(Value::as_str)?;
    schema.resource(declared)
}

/// `Patient` in `Patient/1`, `https://host/base/Patient/1` and `Patient/1/_history/2`.
fn type_in_url(reference: &str) -> Option<&str> {
    let path = reference.split(['?', '#', '|']).next()?;
    let mut segments = path.rsplit('/');
    let mut id = segments.next()?;
    let mut type_name = segments.next()?;
    if type_name == "_history" {
        id = segments.next()?;
        type_name = segments.next()?;
    }
    (!id.is_empty()).then_some(type_name)
}
