//! A place in a resource: the JSON value together with the type that the specification gives it.

use serde_json::Value;

use crate::schema::TypeDefinition;

/// One node of a resource tree. A FHIR primitive is two JSON properties, `birthDate` and `_birthDate`: either may
/// be absent, so either may be `None` here, never both.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    pub value: Option<&'a Value>,
    /// The `id` and `extension` of a primitive.
    pub primitive_element: Option<&'a Value>,
    pub definition: &'static TypeDefinition,
}
