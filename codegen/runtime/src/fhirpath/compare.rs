//! Equality, equivalence and order. <http://hl7.org/fhirpath/N1/#equality>

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::Value as Json;

use super::error::EvaluationError;
use super::item::{Collection, Item, Value, single_value};
use super::quantity;
use crate::decimal;
use crate::node::Node;

/// `=` on collections: `None` is empty.
pub(super) fn equal(left: &[Item], right: &[Item]) -> Option<bool> {
    if left.is_empty() || right.is_empty() {
        return None;
    }
    if left.len() != right.len() {
        return Some(false);
    }
    let mut answer = Some(true);
    for (left, right) in left.iter().zip(right) {
        match equal_items(left, right) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => answer = None,
        }
    }
    answer
}

/// `=` on two items; `None` where precision or unit leave it open.
pub(super) fn equal_items(left: &Item, right: &Item) -> Option<bool> {
    match (left.value(), right.value()) {
        (Some(left), Some(right)) => equal_values(&left, &right),
        (None, None) => match (left, right) {
            (Item::Node(left), Item::Node(right)) => Some(left.is_same(right) || equal_nodes(*left, *right)),
            _ => Some(false),
        },
        _ => Some(false),
    }
}

fn equal_nodes(left: Node, right: Node) -> bool {
    let equal = |left: Option<&Json>, right: Option<&Json>| match (left, right) {
        (Some(left), Some(right)) => equal_json(left, right),
        (None, None) => true,
        _ => false,
    };
    equal(left.value, right.value) && equal(left.primitive_element, right.primitive_element)
}

/// Equal in every part; decimals by value, objects in any order.
fn equal_json(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            decimal::Decimal::from(left.clone()) == decimal::Decimal::from(right.clone())
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal_json(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            let same = |(key, left): (&String, &Json)| right.get(key).is_some_and(|right| equal_json(left, right));
            left.len() == right.len() && left.iter().all(same)
        }
        _ => left == right,
    }
}

pub(super) fn equal_values(left: &Value, right: &Value) -> Option<bool> {
    match (left, right) {
        (Value::Integer(left), Value::Decimal(right)) => Some(rust_decimal::Decimal::from(*left) == *right),
        (Value::Decimal(left), Value::Integer(right)) => Some(*left == rust_decimal::Decimal::from(*right)),
        (Value::String(left), Value::String(right)) => Some(left == right),
        (Value::Boolean(left), Value::Boolean(right)) => Some(left == right),
        (Value::Type { .. }, Value::Type { .. }) => Some(left == right),
        _ => match order(left, right) {
            Some(order) => order.map(|order| order == Ordering::Equal),
            None => Some(false),
        },
    }
}

/// The order of two values of types that can be compared; inside, `None` where precision or unit leave it open.
pub(super) fn order(left: &Value, right: &Value) -> Option<Option<Ordering>> {
    Some(match (left, right) {
        (Value::Integer(left), Value::Integer(right)) => Some(left.cmp(right)),
        (Value::Decimal(left), Value::Decimal(right)) => Some(left.cmp(right)),
        (Value::Integer(left), Value::Decimal(right)) => Some(rust_decimal::Decimal::from(*left).cmp(right)),
        (Value::Decimal(left), Value::Integer(right)) => Some(left.cmp(&rust_decimal::Decimal::from(*right))),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Date(left), Value::Date(right)) => left.compare(*right),
        (Value::DateTime(left), Value::DateTime(right)) => left.compare(*right),
        (Value::Date(left), Value::DateTime(right)) => crate::date::DateTime::from(*left).compare(*right),
        (Value::DateTime(left), Value::Date(right)) => left.compare((*right).into()),
        (Value::Time(left), Value::Time(right)) => left.compare(*right),
        (Value::Quantity { value: left, unit: left_unit }, Value::Quantity { value: right, unit: right_unit }) => {
            quantity::compare((*left, left_unit), (*right, right_unit))
        }
        _ => return None,
    })
}

/// `<`, `>` and their kin.
pub(super) fn compare(left: &[Item], right: &[Item], place: &str) -> Result<Option<Ordering>, EvaluationError> {
    let (Some(left_value), Some(right_value)) = (single_value(left, place)?, single_value(right, place)?) else {
        return Ok(None);
    };
    // A date that FHIR gives as text compares with FHIRPath's dates, and a Quantity with a number of unit one.
    order(&left_value, &right_value).ok_or_else(|| EvaluationError::WrongType {
        place: place.to_owned(),
        found: format!("{} and {}", left_value.type_name(), right_value.type_name()),
    })
}

/// `~` on collections, in any order. <http://hl7.org/fhirpath/N1/#equivalent>
pub(super) fn equivalent(left: &[Item], right: &[Item]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    let mut open: Vec<&Item> = right.iter().collect();
    left.iter().all(|left| match open.iter().position(|right| equivalent_items(left, right)) {
        Some(found) => {
            open.swap_remove(found);
            true
        }
        None => false,
    })
}

fn equivalent_items(left: &Item, right: &Item) -> bool {
    match (left.value(), right.value()) {
        (Some(left), Some(right)) => equivalent_values(&left, &right),
        (None, None) => match (left, right) {
            (Item::Node(left), Item::Node(right)) => match (left.value, right.value) {
                (Some(left), Some(right)) => equivalent_json(left, right),
                _ => false,
            },
            _ => false,
        },
        _ => false,
    }
}

fn equivalent_values(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::String(left), Value::String(right)) => normal(left) == normal(right),
        (Value::Decimal(left), Value::Decimal(right)) => quantity::equivalent_decimals(*left, *right),
        (Value::Integer(integer), Value::Decimal(decimal)) | (Value::Decimal(decimal), Value::Integer(integer)) => {
            quantity::equivalent_decimals((*integer).into(), *decimal)
        }
        (Value::Quantity { value: left, unit: left_unit }, Value::Quantity { value: right, unit: right_unit }) => {
            quantity::equivalent((*left, left_unit), (*right, right_unit))
        }
        _ => equal_values(left, right) == Some(true),
    }
}

/// Case and the amount of white space do not count.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn equivalent_json(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::String(left), Json::String(right)) => normal(left) == normal(right),
        (Json::Array(left), Json::Array(right)) => {
            let mut open: Vec<&Json> = right.iter().collect();
            left.len() == right.len()
                && left.iter().all(|left| match open.iter().position(|right| equivalent_json(left, right)) {
                    Some(found) => {
                        open.swap_remove(found);
                        true
                    }
                    None => false,
                })
        }
        (Json::Object(left), Json::Object(right)) => {
            // "Equivalence … ignores the id".
            let parts = |object: &serde_json::Map<String, Json>| object.keys().filter(|key| *key != "id").count();
            let same = |(key, left): (&String, &Json)| right.get(key).is_some_and(|right| equivalent_json(left, right));
            parts(left) == parts(right) && left.iter().filter(|(key, _)| *key != "id").all(same)
        }
        _ => equal_json(left, right),
    }
}

/// The items without those equal to one before: what `|`, `distinct()` and `union()` do.
pub(super) fn distinct<'a>(items: impl IntoIterator<Item = Item<'a>>) -> Collection<'a> {
    let mut seen = Distinct::default();
    items.into_iter().filter(|item| seen.insert(item)).collect()
}

/// Remembers items to tell new ones from known ones. Strings, which value sets hold by the ten thousands, by hash.
#[derive(Default)]
pub(super) struct Distinct<'a> {
    strings: HashSet<String>,
    others: Collection<'a>,
}

impl<'a> Distinct<'a> {
    /// Whether no equal one was there.
    pub(super) fn insert(&mut self, item: &Item<'a>) -> bool {
        if let Some(Value::String(text)) = item.value() {
            return self.strings.insert(text);
        }
        let is_new = !contains(&self.others, item);
        if is_new {
            self.others.push(item.clone());
        }
        is_new
    }
}

pub(super) fn contains(collection: &[Item], item: &Item) -> bool {
    collection.iter().any(|other| equal_items(other, item) == Some(true))
}
