//! What a search parameter finds in one resource.

use rust_decimal::Decimal;
use serde_json::Value;

use super::table::Component;
use super::{Kind, Parameter, Path};
use crate::time::{self, Range};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fact {
    Token {
        system: Option<String>,
        code: String,
    },
    /// `Patient/1`
    Reference(String),
    /// The range, and the text it was read from.
    Date(Range, String),
    Text(String),
    Quantity {
        value: Decimal,
        written: String,
        system: String,
        code: String,
    },
    Number {
        value: Decimal,
        written: String,
    },
    Uri(String),
    /// What the components of a composite find in one place.
    Together(Vec<Vec<Fact>>),
    Place {
        latitude: f64,
        longitude: f64,
    },
}

pub(crate) fn facts(parameter: &Parameter, resource: &Value) -> Vec<Fact> {
    found(&parameter.kind, &parameter.paths, resource)
}

fn found(kind: &Kind, paths: &[Path], from: &Value) -> Vec<Fact> {
    let mut found = Vec::new();
    for value in paths.iter().flat_map(|path| path.values(from)) {
        match kind {
            Kind::Token => tokens(value, &mut found),
            Kind::Reference { target } => found.extend(reference(value, target.as_deref())),
            Kind::Date => found.extend(date(value)),
            Kind::Text => texts(value, &mut found),
            Kind::Quantity => found.extend(quantity(value)),
            Kind::Number => found.extend(number(value)),
            Kind::Uri => found.extend(value.as_str().map(|uri| Fact::Uri(uri.to_owned()))),
            Kind::Composite(components) => found.extend(together(components, value)),
            Kind::Place => found.extend(place(value)),
        }
    }
    found
}

/// <https://hl7.org/fhir/R4/search.html#composite>
fn together(components: &[Component], from: &Value) -> Option<Fact> {
    let parts = components.iter().map(|component| {
        let paths: Vec<Path> = component.paths.iter().map(|path| Path::members(path)).collect();
        found(&component.kind, &paths, from)
    });
    let parts: Vec<Vec<Fact>> = parts.collect();
    // Where one of them is missing, nothing stands together.
    parts.iter().all(|part| !part.is_empty()).then_some(Fact::Together(parts))
}

/// Whether the element is there at all, with or without what can be searched for.
pub(crate) fn is_present(parameter: &Parameter, resource: &Value) -> bool {
    parameter.paths.iter().any(|path| !path.values(resource).is_empty())
}

/// A string, or the parts of a HumanName or an Address. <https://hl7.org/fhir/R4/search.html#string>
fn texts(value: &Value, found: &mut Vec<Fact>) {
    const PARTS: [&str; 11] =
        ["family", "given", "prefix", "suffix", "text", "line", "city", "district", "state", "postalCode", "country"];
    match value {
        Value::String(text) => found.push(Fact::Text(text.clone())),
        Value::Object(members) => {
            PARTS.iter().filter_map(|part| members.get(*part)).for_each(|part| texts(part, found));
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        _ => {}
    }
}

/// <https://hl7.org/fhir/R4/search.html#token>
fn tokens(value: &Value, found: &mut Vec<Fact>) {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut add = |system: Option<String>, code: Option<String>| {
        found.extend(code.map(|code| Fact::Token { system, code }));
    };
    match value {
        Value::String(code) => add(None, Some(code.clone())),
        Value::Bool(flag) => add(None, Some(flag.to_string())),
        Value::Object(members) if members.contains_key("coding") => {
            for coding in value["coding"].as_array().into_iter().flatten() {
                add(text(&coding["system"]), text(&coding["code"]));
            }
        }
        // An Identifier has a value, a Coding a code.
        Value::Object(_) if value["value"].is_string() => add(text(&value["system"]), text(&value["value"])),
        Value::Object(_) => add(text(&value["system"]), text(&value["code"])),
        _ => {}
    }
}

fn reference(value: &Value, target: Option<&str>) -> Option<Fact> {
    // A canonical is searched for as it is written.
    if let Value::String(canonical) = value {
        return Some(Fact::Reference(canonical.clone()));
    }
    let reference = value["reference"].as_str()?;
    let (resource_type, id) = reference.split_once('/')?;
    // What lies on another server, or inside the resource, is not asked for here.
    let is_relative = !reference.starts_with('#') && !resource_type.contains(':') && !id.contains('/');
    let is_wanted = target.is_none_or(|target| target == resource_type);
    (is_relative && is_wanted).then(|| Fact::Reference(reference.to_owned()))
}

fn date(value: &Value) -> Option<Fact> {
    match value {
        Value::String(text) => time::range(text).map(|range| Fact::Date(range, text.clone())),
        Value::Object(_) => {
            let text = value["start"].as_str().or(value["end"].as_str())?;
            time::period(value).map(|range| Fact::Date(range, text.to_owned()))
        }
        _ => None,
    }
}

fn number(value: &Value) -> Option<Fact> {
    let Value::Number(number) = value else { return None };
    let written = number.to_string();
    Some(Fact::Number { value: written.parse().ok()?, written })
}

/// <https://hl7.org/fhir/R4/location.html#search>
fn place(value: &Value) -> Option<Fact> {
    Some(Fact::Place { latitude: value["latitude"].as_f64()?, longitude: value["longitude"].as_f64()? })
}

fn quantity(value: &Value) -> Option<Fact> {
    let Value::Number(number) = &value["value"] else { return None };
    Some(Fact::Quantity {
        value: number.to_string().parse().ok()?,
        written: number.to_string(),
        system: value["system"].as_str()?.to_owned(),
        code: value["code"].as_str()?.to_owned(),
    })
}
