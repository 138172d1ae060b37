//! The lexical rules of the primitive types, as R4's definitions give them.
//! <https://hl7.org/fhir/R4/datatypes.html#primitive>

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;
use vesta_codegen::digest::{Package, StructureKind};

pub(crate) struct Primitives {
    types: HashMap<String, Option<Regex>>,
}

impl Primitives {
    pub(super) fn new(core: &Package) -> Primitives {
        let types = core.structures.values().filter(|structure| structure.kind == StructureKind::PrimitiveType);
        let types = types.map(|structure| {
            let value = structure.elements.iter().find(|element| element.name() == "value");
            let rule = value.and_then(|value| value.types.first()?.regex.as_deref());
            // The rule covers the whole text. Rust's `\d` and `\S` know more than ASCII, which no rule minds.
            let rule = rule.and_then(|rule| Regex::new(&format!("^(?:{rule})$")).ok());
            (structure.type_name.clone(), rule)
        });
        Primitives { types: types.collect() }
    }

    pub(crate) fn contains(&self, type_name: &str) -> bool {
        self.types.contains_key(type_name)
    }

    /// What is wrong with a value of a primitive type, in words; none if nothing is.
    pub(crate) fn fault(&self, type_name: &str, value: &Value) -> Option<String> {
        let rule = self.types.get(type_name)?;
        let text = match (type_name, value) {
            ("boolean", Value::Bool(_)) => return None,
            ("integer" | "unsignedInt" | "positiveInt" | "decimal", Value::Number(number)) => number.to_string(),
            ("boolean" | "integer" | "unsignedInt" | "positiveInt" | "decimal", _) => {
                return Some(format!("is a JSON {} where a {type_name} belongs", json_kind(value)));
            }
            (_, Value::String(text)) => text.clone(),
            _ => return Some(format!("is a JSON {} where a {type_name} (a string) belongs", json_kind(value))),
        };
        let fits = match (type_name, rule) {
            // R4's rule for decimals has no exponent, which JSON numbers may have.
            ("decimal" | "xhtml", _) | (_, None) => true,
            // The rule asks for groups of four; quadratic in a regular expression, so counted here.
            ("base64Binary", _) => {
                let digits = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
                let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
                digits.clone().all(known) && digits.count() % 4 == 0
            }
            (_, Some(rule)) => rule.is_match(&text),
        };
        (!fits).then(|| format!("is no {type_name}: its text does not have the form that R4 asks for"))
    }
}

/// What JSON calls a value.
pub(crate) fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
