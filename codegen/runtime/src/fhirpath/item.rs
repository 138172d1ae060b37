//! What collections hold: nodes of a resource, and values that an expression computes.

use rust_decimal::Decimal;
use serde_json::Value as Json;

use super::ast::{Literal, Unit};
use super::error::EvaluationError;
use crate::date::{Date, DateTime, Time};
use crate::decimal;
use crate::node::Node;
use crate::schema::TypeDefinition;

pub type Collection<'a> = Vec<Item<'a>>;

#[derive(Debug, Clone)]
pub enum Item<'a> {
    Node(Node<'a>),
    Value(Value),
    /// A resource that a reference points to and that is not at hand: its type is known, its content is not.
    NotLoaded(&'static TypeDefinition),
}

/// A value of FHIRPath's own type system.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    String(String),
    Date(Date),
    DateTime(DateTime),
    Time(Time),
    Quantity {
        value: Decimal,
        unit: Unit,
    },
    /// What `type()` gives.
    Type {
        namespace: &'static str,
        name: String,
    },
}

impl Value {
    /// The name in the namespace `System`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Boolean(_) => "Boolean",
            Value::Integer(_) => "Integer",
            Value::Decimal(_) => "Decimal",
            Value::String(_) => "String",
            Value::Date(_) => "Date",
            Value::DateTime(_) => "DateTime",
            Value::Time(_) => "Time",
            Value::Quantity { .. } => "Quantity",
            Value::Type { .. } => "TypeInfo",
        }
    }

    pub fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl From<&Literal> for Value {
    fn from(literal: &Literal) -> Self {
        match literal {
            Literal::Boolean(value) => Value::Boolean(*value),
            Literal::String(text) => Value::String(text.clone()),
            Literal::Integer(value) => Value::Integer(*value),
            Literal::Decimal(value) => Value::Decimal(*value),
            Literal::Date(date) => Value::Date(*date),
            Literal::DateTime(moment) => Value::DateTime(*moment),
            Literal::Time(time) => Value::Time(*time),
            Literal::Quantity { value, unit } => Value::Quantity { value: *value, unit: unit.clone() },
        }
    }
}

impl<'a> Item<'a> {
    /// The item as a value of FHIRPath's types: a primitive's, or a Quantity's. `None` for what has no such value: a
    /// complex element, or a primitive that has extensions only.
    /// <https://hl7.org/fhir/R4/fhirpath.html#types>
    pub fn value(&self) -> Option<Value> {
        match self {
            Item::Value(value) => Some(value.clone()),
            Item::Node(node) => node_value(*node),
            Item::NotLoaded(_) => None,
        }
    }

    /// For messages: the type, never the value.
    pub fn type_name(&self) -> String {
        match self {
            Item::Value(value) => value.type_name().to_owned(),
            Item::Node(Node { definition, .. }) | Item::NotLoaded(definition) => definition.name.to_owned(),
        }
    }
}

/// See [`Item::value`]. What does not have the form that its type demands counts as text.
pub fn node_value(node: Node) -> Option<Value> {
    let definition = node.definition;
    if !node.is_primitive() {
        return if definition.is_a("Quantity") { quantity(node) } else { None };
    }
    let text = match node.value? {
        Json::Bool(value) => return Some(Value::Boolean(*value)),
        Json::Number(number) if definition.is_a("decimal") => {
            return decimal::value(number.as_str()).map(Value::Decimal);
        }
        Json::Number(number) => {
            let integer = number.as_i64().map(Value::Integer);
            return integer.or_else(|| decimal::value(number.as_str()).map(Value::Decimal));
        }
        Json::String(text) => text.as_str(),
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    };
    let typed = match definition.name {
        "date" => Date::parse(text).ok().map(Value::Date),
        "dateTime" | "instant" => DateTime::parse_partial(text).ok().map(Value::DateTime),
        "time" => Time::parse_partial(text).ok().map(Value::Time),
        _ => None,
    };
    Some(typed.unwrap_or_else(|| Value::text(text)))
}

/// A FHIR Quantity is one of FHIRPath's where its unit is UCUM's, or where it has none.
/// <https://hl7.org/fhir/R4/fhirpath.html#quantity>
fn quantity(node: Node) -> Option<Value> {
    let object = node.object()?;
    let value = decimal::value(object.get("value")?.as_number()?.as_str())?;
    if object.contains_key("comparator") {
        return None;
    }
    let unit = match (node.text("system"), node.text("code")) {
        (Some("http://unitsofmeasure.org"), Some(code)) => code,
        (None, None) if !object.contains_key("unit") => "1",
        _ => return None,
    };
    Some(Value::Quantity { value, unit: Unit::Ucum(unit.to_owned()) })
}

pub(super) fn boolean<'a>(value: bool) -> Collection<'a> {
    vec![Item::Value(Value::Boolean(value))]
}

pub(super) fn one<'a>(value: Value) -> Collection<'a> {
    vec![Item::Value(value)]
}

/// The only item, if there is one. <http://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections>
pub(super) fn single<'c, 'a>(collection: &'c [Item<'a>], place: &str) -> Result<Option<&'c Item<'a>>, EvaluationError> {
    match collection {
        [] => Ok(None),
        [item] => Ok(Some(item)),
        _ => Err(EvaluationError::NotSingle(place.to_owned())),
    }
}

/// The only item as a value.
pub(super) fn single_value(collection: &[Item], place: &str) -> Result<Option<Value>, EvaluationError> {
    let Some(item) = single(collection, place)? else { return Ok(None) };
    match item.value() {
        Some(value) => Ok(Some(value)),
        // A primitive with extensions alone has no value: that is empty, not wrong.
        None if matches!(item, Item::Node(node) if node.is_primitive()) => Ok(None),
        None => Err(wrong_type(place, item)),
    }
}

/// A collection as a condition: a single item that is no boolean counts as true.
pub(super) fn condition(collection: &[Item], place: &str) -> Result<Option<bool>, EvaluationError> {
    let item = single(collection, place)?;
    Ok(item.map(|item| !matches!(item.value(), Some(Value::Boolean(false)))))
}

pub(super) fn single_string(collection: &[Item], place: &str) -> Result<Option<String>, EvaluationError> {
    match single_value(collection, place)? {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(wrong_type(place, &collection[0])),
    }
}

pub(super) fn single_integer(collection: &[Item], place: &str) -> Result<Option<i64>, EvaluationError> {
    match single_value(collection, place)? {
        None => Ok(None),
        Some(Value::Integer(value)) => Ok(Some(value)),
        Some(_) => Err(wrong_type(place, &collection[0])),
    }
}

pub(super) fn wrong_type(place: &str, item: &Item) -> EvaluationError {
    EvaluationError::WrongType { place: place.to_owned(), found: item.type_name() }
}
