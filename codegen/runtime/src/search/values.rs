//! From the nodes that an extractor selects to the values that are compared, by the tables of
//! <https://hl7.org/fhir/R4/search.html#string>, `#token`, `#reference`, `#date`, `#number`, `#quantity` and `#uri`.
//!
//! What cannot be read (a malformed date in a resource stored before validation was on) yields nothing: a search
//! does not find it, and never fails on it.

use serde_json::Value;

use super::quantity::{from_money, from_quantity, from_range, json_decimal};
use super::{Component, IndexValue, Reference, SearchParameter, SearchParameterType, Selected, fold};
use crate::date::DateTime;
use crate::node::Node;

/// Everything that the parameter finds in the resource, in document order.
pub fn values(parameter: &SearchParameter, resource: Node<'_>) -> Vec<IndexValue> {
    values_within(parameter, resource, resource)
}

/// The same of a resource that `container` contains: its references to others in there (`#id`) are resolved.
pub fn values_within(parameter: &SearchParameter, container: Node<'_>, resource: Node<'_>) -> Vec<IndexValue> {
    let mut found = Vec::new();
    parameter.extract.select(container, resource, &mut found);
    let mut values = Vec::new();
    for selected in found {
        if parameter.kind == SearchParameterType::Composite {
            if let Selected::Node(focus) = selected {
                composite(parameter.components, container, focus, &mut values);
            }
        } else {
            convert(parameter.kind, selected, &mut values);
        }
    }
    values
}

/// "Composite parameters … allow joining multiple elements into distinct single values": every combination of the
/// components' values within one focus, and none across two.
/// <https://hl7.org/fhir/R4/search.html#composite>
fn composite(components: &[Component], resource: Node<'_>, focus: Node<'_>, values: &mut Vec<IndexValue>) {
    let mut combinations: Vec<Vec<IndexValue>> = vec![Vec::new()];
    for component in components {
        let mut found = Vec::new();
        component.extract.select(resource, focus, &mut found);
        let mut parts = Vec::new();
        for selected in found {
            convert(component.kind, selected, &mut parts);
        }
        combinations = combinations
            .into_iter()
            .flat_map(|combination| {
                parts.iter().map(move |part| [combination.as_slice(), std::slice::from_ref(part)].concat())
            })
            .collect();
    }
    values.extend(combinations.into_iter().filter(|parts| !parts.is_empty()).map(IndexValue::Composite));
}

fn convert(kind: SearchParameterType, selected: Selected<'_>, values: &mut Vec<IndexValue>) {
    let node = match selected {
        Selected::Boolean(boolean) => {
            if kind == SearchParameterType::Token {
                values.push(code(&boolean.to_string()));
            }
            return;
        }
        Selected::Node(node) => node,
    };
    // A primitive without value (only extensions) has nothing to compare.
    let Some(value) = node.value else { return };
    match kind {
        SearchParameterType::String => strings(value, values),
        SearchParameterType::Token => tokens(node.definition.name, value, values),
        SearchParameterType::Reference => references(node.definition.name, value, values),
        SearchParameterType::Date => values.extend(dates(value)),
        SearchParameterType::Number => values.extend(number(value)),
        SearchParameterType::Quantity => values.extend(quantity(node.definition.name, value)),
        SearchParameterType::Uri => uris(value, values),
        SearchParameterType::Composite | SearchParameterType::Special => {}
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn owned(value: &Value, name: &str) -> Option<String> {
    text(value, name).map(str::to_owned)
}

/// A string; or the text and every part of a HumanName or an Address, each for itself.
fn strings(value: &Value, values: &mut Vec<IndexValue>) {
    /// The parts of HumanName and of Address: their names do not clash.
    const PARTS: [&str; 12] = [
        "text",
        "family",
        "given",
        "prefix",
        "suffix",
        "line",
        "city",
        "district",
        "state",
        "postalCode",
        "country",
        "div",
    ];
    match value {
        Value::String(exact) => values.push(IndexValue::String { folded: fold(exact), exact: exact.clone() }),
        Value::Object(_) => {
            for part in PARTS.iter().filter_map(|part| value.get(part)) {
                match part {
                    Value::Array(items) => items.iter().for_each(|item| {
                        if item.is_string() {
                            strings(item, values);
                        }
                    }),
                    item => strings(item, values),
                }
            }
        }
        _ => {}
    }
}

fn code(code: &str) -> IndexValue {
    IndexValue::Token { system: None, code: Some(code.to_owned()), text: None }
}

fn tokens(type_name: &str, value: &Value, values: &mut Vec<IndexValue>) {
    let coded = |system, code, text| IndexValue::Token { system, code, text };
    match type_name {
        "Coding" => {
            let (system, code) = (owned(value, "system").unwrap_or_default(), owned(value, "code"));
            values.push(coded(Some(system), code, owned(value, "display")));
        }
        "CodeableConcept" => {
            for coding in value.get("coding").and_then(Value::as_array).into_iter().flatten() {
                tokens("Coding", coding, values);
            }
            if let Some(concept) = owned(value, "text") {
                values.push(coded(Some(String::new()), None, Some(concept)));
            }
        }
        "Identifier" => {
            let Some(identifier) = owned(value, "value") else {
                if let Some(system) = owned(value, "system") {
                    values.push(coded(Some(system), None, None));
                }
                return;
            };
            let kind = value.get("type");
            let label = kind.and_then(|kind| owned(kind, "text"));
            let codings = kind.and_then(|kind| kind.get("coding")).and_then(Value::as_array);
            for coding in codings.into_iter().flatten() {
                if let (Some(system), Some(code)) = (owned(coding, "system"), owned(coding, "code")) {
                    values.push(IndexValue::IdentifierOfType { system, code, value: identifier.clone() });
                }
            }
            values.push(coded(Some(owned(value, "system").unwrap_or_default()), Some(identifier), label));
        }
        "ContactPoint" => values.extend(text(value, "value").map(code)),
        _ => match value {
            Value::String(primitive) => values.push(code(primitive)),
            Value::Bool(boolean) => values.push(code(&boolean.to_string())),
            Value::Number(number) => values.push(code(&number.to_string())),
            _ => {}
        },
    }
}

fn references(type_name: &str, value: &Value, values: &mut Vec<IndexValue>) {
    let reference = match (type_name, value) {
        ("canonical", Value::String(canonical)) => Reference::canonical(canonical),
        (_, Value::String(uri)) => Reference::parse(uri),
        (_, Value::Object(_)) => Reference::element(value),
        _ => None,
    };
    values.extend(reference.map(IndexValue::Reference));
}

/// A date, dateTime or instant; a Period; a Timing by its outer limits ("the earliest to the latest").
fn dates(value: &Value) -> Option<IndexValue> {
    let (low, high) = match value {
        Value::String(text) => bounds(text)?,
        Value::Object(object) if object.contains_key("start") || object.contains_key("end") => period(value)?,
        Value::Object(object) => {
            let events = object.get("event").and_then(Value::as_array);
            let events = events.into_iter().flatten().filter_map(|event| bounds(event.as_str()?));
            let limits = object.get("repeat").and_then(|repeat| repeat.get("boundsPeriod")).and_then(period);
            events.chain(limits).reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))?
        }
        _ => return None,
    };
    Some(IndexValue::Date { low, high })
}

/// "If the low/high is missing, it is taken as less/greater than any actual date". A malformed end hides the Period.
fn period(value: &Value) -> Option<(i64, i64)> {
    let low = match text(value, "start") {
        Some(start) => bounds(start)?.0,
        None => i64::MIN,
    };
    let high = match text(value, "end") {
        Some(end) => bounds(end)?.1,
        None => i64::MAX,
    };
    // One that ends before it starts breaks per-1; turned round, both back ends still mean the same by it.
    (low != i64::MIN || high != i64::MAX).then_some((low.min(high), low.max(high)))
}

fn number(value: &Value) -> Option<IndexValue> {
    let (low, high) = match value {
        Value::Number(_) => {
            let number = json_decimal(value)?;
            (number, number)
        }
        _ => {
            let range = from_range(value).or_else(|| from_quantity(value))?;
            (range.low, range.high)
        }
    };
    Some(IndexValue::Number { low, high })
}

/// Of SampledData nothing is compared: R4 does not say what its value would be.
fn quantity(type_name: &str, value: &Value) -> Option<IndexValue> {
    let quantity = match type_name {
        "SampledData" => None,
        "Money" => from_money(value),
        "Range" => from_range(value),
        _ => from_quantity(value),
    };
    quantity.map(IndexValue::Quantity)
}

/// A canonical with a version is also found by its URL alone.
fn uris(value: &Value, values: &mut Vec<IndexValue>) {
    let Value::String(uri) = value else { return };
    values.push(IndexValue::Uri(uri.clone()));
    if let Some((url, _version)) = uri.split_once('|') {
        values.push(IndexValue::Uri(url.to_owned()));
    }
}

/// The first and last microsecond that a date, dateTime or instant stands for.
fn bounds(text: &str) -> Option<(i64, i64)> {
    DateTime::parse(text).ok().map(DateTime::covers)
}
