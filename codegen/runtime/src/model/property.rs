//! What may stand in a field of a model, and how it goes in and out of an object.

use serde_json::{Map, Value};

use super::primitive::ELEMENT_EXPECTED;
use super::{Choice, Fields, Model, Primitive, PrimitiveValue};

/// A field's type.
pub trait Property: Default {
    fn take(fields: &mut Fields, name: &'static str) -> Self;

    fn put(&self, object: &mut Object, name: &'static str);
}

/// An object under construction.
#[derive(Default)]
pub struct Object(Map<String, Value>);

impl Object {
    pub fn resource_type(&mut self, name: &'static str) {
        self.insert("resourceType", name.into());
    }

    pub fn put<P: Property>(&mut self, name: &'static str, property: &P) {
        property.put(self, name);
    }

    /// A model that is there; an empty one is left out, as an object is never empty.
    pub fn one<M: Model>(&mut self, name: &'static str, model: &M) {
        let members = model.to_object();
        if !members.is_empty() {
            self.insert(name, Value::Object(members));
        }
    }

    pub fn choice<C: Choice>(&mut self, choice: &Option<C>) {
        if let Some(choice) = choice {
            choice.write(self);
        }
    }

    pub(super) fn insert(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    pub(super) fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

/// The strings that are no FHIR primitives, and so have neither id nor extensions: an element's id, an extension's
/// url, the XHTML of a narrative.
impl Property for Option<String> {
    fn take(fields: &mut Fields, name: &'static str) -> Self {
        match fields.remove(name)? {
            Value::String(text) => Some(text),
            other => {
                fields.reader.in_property(name, |reader| reader.wrong_type("a string", &other));
                None
            }
        }
    }

    fn put(&self, object: &mut Object, name: &'static str) {
        if let Some(text) = self {
            object.insert(name, text.as_str().into());
        }
    }
}

impl<M: Model> Property for Option<M> {
    fn take(fields: &mut Fields, name: &'static str) -> Self {
        let value = fields.remove(name)?;
        model_at(fields, name, value)
    }

    fn put(&self, object: &mut Object, name: &'static str) {
        if let Some(model) = self {
            object.one(name, model);
        }
    }
}

impl<M: Model> Property for Vec<M> {
    fn take(fields: &mut Fields, name: &'static str) -> Self {
        let Some(items) = array(fields, name, fields_value) else { return Vec::new() };
        let mut models = Vec::with_capacity(items.len());
        let property = fields.reader.enter(name);
        for (index, item) in items.into_iter().enumerate() {
            let place = fields.reader.enter_item(index);
            if let Some(members) = fields.reader.members(item) {
                models.push(fields.reader.object(members));
            }
            fields.reader.leave(place);
        }
        fields.reader.leave(property);
        models
    }

    fn put(&self, object: &mut Object, name: &'static str) {
        let items: Vec<Value> =
            self.iter().map(Model::to_object).filter(|item| !item.is_empty()).map(Value::Object).collect();
        if !items.is_empty() {
            object.insert(name, Value::Array(items));
        }
    }
}

impl<T: PrimitiveValue, E: Model> Property for Primitive<T, E> {
    fn take(fields: &mut Fields, name: &'static str) -> Self {
        let value = fields.remove(name);
        let element = fields.remove_sibling(name);
        Primitive {
            value: value.and_then(|value| {
                let read = T::read(&value);
                read.map_err(|message| fields.reader.in_property(name, |reader| reader.issue(message))).ok()
            }),
            element: element.and_then(|element| model_at(fields, name, element)),
        }
    }

    fn put(&self, object: &mut Object, name: &'static str) {
        if let Some(value) = &self.value {
            object.insert(name, value.write());
        }
        if let Some(members) = self.element_members() {
            object.insert(&format!("_{name}"), Value::Object(members));
        }
    }
}

/// Values and extensions stand in two arrays, `null` keeping them aligned.
/// <https://hl7.org/fhir/R4/json.html#primitive>
impl<T: PrimitiveValue, E: Model> Property for Vec<Primitive<T, E>> {
    fn take(fields: &mut Fields, name: &'static str) -> Self {
        let values = array(fields, name, fields_value);
        let elements = array(fields, name, |fields, name| fields.remove_sibling(name));
        let length = match (&values, &elements) {
            (None, None) => return Vec::new(),
            (Some(values), Some(elements)) if values.len() != elements.len() => {
                let message = format!(
                    "{name} and _{name} are not of the same length: `null` stands where a value has no id or extension"
                );
                fields.reader.in_property(name, |reader| reader.issue(message));
                return Vec::new();
            }
            (Some(one), _) | (_, Some(one)) => one.len(),
        };
        if elements.as_ref().is_some_and(|elements| elements.iter().all(Value::is_null)) {
            fields
                .reader
                .in_property(name, |reader| reader.issue(format!("_{name} has nothing but null: {ELEMENT_EXPECTED}")));
        }
        let mut values = values.unwrap_or_default().into_iter();
        let mut elements = elements.unwrap_or_default().into_iter();
        let mut next = || {
            let present = |item: Option<Value>| item.filter(|item| !item.is_null());
            (present(values.next()), present(elements.next()))
        };
        let mut items = Vec::with_capacity(length);
        let property = fields.reader.enter(name);
        for index in 0..length {
            let (value, element) = next();
            let place = fields.reader.enter_item(index);
            if value.is_none() && element.is_none() {
                fields.reader.issue("null, and no extension in its place: a value or an extension is expected");
            }
            let element = element.and_then(|element| fields.reader.members(element));
            items.push(Primitive {
                value: value.and_then(|value| fields.reader.primitive(&value)),
                element: element.map(|members| fields.reader.object(members)),
            });
            fields.reader.leave(place);
        }
        fields.reader.leave(property);
        items
    }

    fn put(&self, object: &mut Object, name: &'static str) {
        let items = || self.iter().filter(|item| !item.is_absent());
        if items().any(|item| item.value.is_some()) {
            let values = items().map(|item| item.value.as_ref().map_or(Value::Null, PrimitiveValue::write));
            object.insert(name, values.collect());
        }
        if items().any(|item| item.element_members().is_some()) {
            let elements = items().map(|item| item.element_members().map_or(Value::Null, Value::Object));
            object.insert(&format!("_{name}"), elements.collect());
        }
    }
}

fn model_at<M: Model>(fields: &mut Fields, name: &'static str, value: Value) -> Option<M> {
    let place = fields.reader.enter(name);
    let model = fields.reader.members(value).map(|members| fields.reader.object(members));
    fields.reader.leave(place);
    model
}

fn fields_value(fields: &mut Fields, name: &'static str) -> Option<Value> {
    fields.remove(name)
}

/// The items of a property that repeats.
fn array(
    fields: &mut Fields,
    name: &'static str,
    remove: impl FnOnce(&mut Fields, &'static str) -> Option<Value>,
) -> Option<Vec<Value>> {
    let value = remove(fields, name)?;
    let reader = &mut *fields.reader;
    reader.in_property(name, |reader| match value {
        Value::Array(items) if items.is_empty() => {
            reader.issue("an array is never empty: leave the property out");
            None
        }
        Value::Array(items) => Some(items),
        other => {
            reader.wrong_type("an array (the element repeats)", &other);
            None
        }
    })
}
