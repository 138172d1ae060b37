//! A place in a resource: the JSON value together with the type that the specification gives it. And the steps from
//! one to the next, which compiled and interpreted expressions share.

use serde_json::{Map, Value};

use crate::schema::{Kind, Schema, TypeDefinition};

/// One node of a resource tree. A FHIR primitive is two JSON properties, `birthDate` and `_birthDate`: either may
/// be absent, so either may be `None` here, never both.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    pub value: Option<&'a Value>,
    /// The `id` and `extension` of a primitive.
    pub primitive_element: Option<&'a Value>,
    pub definition: &'static TypeDefinition,
}

impl<'a> Node<'a> {
    /// The root of a resource, by its `resourceType`; `None` if the schema has no such resource.
    pub fn resource(value: &'a Value, schema: &Schema) -> Option<Node<'a>> {
        let definition = schema.resource(value.get("resourceType")?.as_str()?)?;
        Some(Node { value: Some(value), primitive_element: None, definition })
    }

    pub fn is_primitive(&self) -> bool {
        self.definition.kind == Kind::Primitive
    }

    /// The JSON object that holds the node's children.
    pub fn object(&self) -> Option<&'a Map<String, Value>> {
        let holder = if self.is_primitive() { self.primitive_element } else { self.value };
        holder.and_then(Value::as_object)
    }

    /// The text of a primitive that is a string in JSON.
    pub fn as_str(&self) -> Option<&'a str> {
        self.value.and_then(Value::as_str)
    }

    /// The text of a child that is a string in JSON: `url` of an extension.
    pub fn text(&self, property: &str) -> Option<&'a str> {
        self.object()?.get(property)?.as_str()
    }

    /// Where the node is: the same for two only if they are the same place of the same tree.
    pub fn place(&self) -> (Option<*const Value>, Option<*const Value>) {
        (self.value.map(std::ptr::from_ref), self.primitive_element.map(std::ptr::from_ref))
    }

    /// Whether both are the same place of the same tree.
    pub fn is_same(&self, other: &Node<'_>) -> bool {
        self.place() == other.place()
    }
}

/// The children under a JSON property, `valueQuantity`, which the element tables give this type; in order.
pub fn children<'a>(node: Node<'a>, property: &str, definition: &'static TypeDefinition) -> Children<'a> {
    let object = node.object();
    let value = object.and_then(|object| object.get(property));
    let primitive_element = match definition.kind {
        Kind::Primitive => object.and_then(|object| object.get(&format!("_{property}"))),
        _ => None,
    };
    Children { value, primitive_element, next: 0, definition }
}

/// The resources under a JSON property (`contained`, `Bundle.entry.resource`), each with the type that it names itself.
pub fn resources<'a>(node: Node<'a>, property: &str, schema: &Schema) -> impl Iterator<Item = Node<'a>> {
    let values = match node.object().and_then(|object| object.get(property)) {
        Some(Value::Array(values)) => values.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    values.iter().filter_map(|value| Node::resource(value, schema))
}

/// The children of an element in whichever of its types they are: `valueQuantity`, `valueString`, … for `value`.
pub fn choice<'a>(node: Node<'a>, element: &str) -> impl Iterator<Item = Node<'a>> {
    let types = node.definition.element(element).map_or(&[][..], |element| element.types);
    types.iter().flat_map(move |element_type| children(node, element_type.property, element_type.definition))
}

/// See [`children`].
pub struct Children<'a> {
    value: Option<&'a Value>,
    primitive_element: Option<&'a Value>,
    next: usize,
    definition: &'static TypeDefinition,
}

impl<'a> Iterator for Children<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Node<'a>> {
        let length = |part: Option<&Value>| match part {
            Some(Value::Array(items)) => items.len(),
            Some(_) => 1,
            None => 0,
        };
        while self.next < length(self.value).max(length(self.primitive_element)) {
            let index = self.next;
            self.next += 1;
            let at = |part: Option<&'a Value>| match part? {
                Value::Array(items) => items.get(index),
                single => (index == 0).then_some(single),
            };
            let present = |part: Option<&'a Value>| part.filter(|value| !value.is_null());
            let (value, primitive_element) = (present(at(self.value)), present(at(self.primitive_element)));
            if value.is_some() || primitive_element.is_some() {
                return Some(Node { value, primitive_element, definition: self.definition });
            }
        }
        None
    }
}
