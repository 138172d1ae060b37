//! What a definition says of a value itself: its form, a fixed value, a pattern, a bound, a binding.

use rust_decimal::Decimal;
use serde_json::Value;
use vesta_codegen::digest::{Binding, BindingStrength, TypedValue};

use super::{Rule, Walk};
use crate::guide::{Guide, Membership, Place, json_kind};
use crate::item::Item;

/// Whether a value has all that a pattern has: the pattern's members, and for each item of its lists one that has it.
/// <https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_>
pub(super) fn has_pattern(value: &Value, pattern: &Value) -> bool {
    match (value, pattern) {
        (Value::Object(members), Value::Object(pattern)) => {
            pattern.iter().all(|(name, pattern)| members.get(name).is_some_and(|value| has_pattern(value, pattern)))
        }
        (Value::Array(items), Value::Array(patterns)) => {
            patterns.iter().all(|pattern| items.iter().any(|item| has_pattern(item, pattern)))
        }
        (value, pattern) => is_equal(value, pattern),
    }
}

/// Whether a value is the fixed one; decimals by what they mean.
pub(super) fn is_equal(value: &Value, fixed: &Value) -> bool {
    match (value, fixed) {
        (Value::Number(value), Value::Number(fixed)) => {
            let number = |text: String| text.parse::<Decimal>().ok();
            value == fixed || number(value.to_string()).is_some_and(|value| Some(value) == number(fixed.to_string()))
        }
        (value, fixed) => value == fixed,
    }
}

/// The codes of a value.
struct Codes<'v> {
    /// System and code.
    codes: Vec<(Option<&'v str>, &'v str)>,
    /// Whether a code without a system is in no value set: so it is with all types but `code` and its like.
    ask_system: bool,
}

/// The codes of a value that a binding can be about; none for another type.
fn codes<'v>(value: &'v Value, type_name: &str) -> Option<Codes<'v>> {
    let coded = |value: &'v Value| Some((value["system"].as_str(), value["code"].as_str()?));
    let (codes, ask_system) = match type_name {
        "CodeableConcept" => (value["coding"].as_array().into_iter().flatten().filter_map(coded).collect(), true),
        "Coding" | "Quantity" | "Age" | "Count" | "Distance" | "Duration" => (coded(value).into_iter().collect(), true),
        _ => (vec![(None, value.as_str()?)], false),
    };
    Some(Codes { codes, ask_system })
}

/// Whether one of the value's codes is in the set.
pub(super) fn is_bound(guide: Guide<'_>, value_set: &str, value: &Value, type_name: &str) -> Membership {
    let Some(Codes { codes, ask_system }) = codes(value, type_name) else { return Membership::Unknown };
    Membership::any(codes.into_iter().map(|(system, code)| guide.membership(value_set, system, code, ask_system)))
}

/// The value sets that a value must be from.
pub(super) fn binding_sets(binding: &Binding) -> impl Iterator<Item = &str> {
    let own = binding.value_set.as_deref().filter(|_| binding.strength == BindingStrength::Required);
    let additional = binding.additional.iter().filter(|one| matches!(one.purpose.as_str(), "required" | "maximum"));
    own.into_iter().chain(binding.max_value_set.as_deref()).chain(additional.map(|one| one.value_set.as_str()))
}

impl<'a, 'v> Walk<'a, 'v> {
    pub(super) fn value(&mut self, place: Place<'a>, item: &Item<'v>, type_name: &str) {
        let element = place.element();
        let Some(value) = item.value else {
            if element.fixed.is_some() || element.pattern.is_some() {
                self.add(Rule::FixedValue, place, item, "has no value, where the profile gives one".to_owned());
            }
            return;
        };
        let primitives = &place.guide().guides.primitives;
        if primitives.contains(type_name) {
            if let Some(fault) = primitives.fault(type_name, value) {
                self.add(Rule::Type, place, item, fault);
            }
        } else if !value.is_object() {
            let message = format!("is a JSON {} where a {type_name} belongs", json_kind(value));
            self.add(Rule::Type, place, item, message);
        }
        if let Some(TypedValue { value: fixed, .. }) = &element.fixed
            && !is_equal(value, fixed)
        {
            self.add(Rule::FixedValue, place, item, format!("must be {fixed}"));
        }
        if let Some(TypedValue { value: pattern, .. }) = &element.pattern
            && !has_pattern(value, pattern)
        {
            self.add(Rule::Pattern, place, item, format!("must have {pattern}"));
        }
        if let (Some(limit), Some(text)) = (element.max_length, value.as_str())
            && text.chars().count() > limit as usize
        {
            self.add(Rule::Type, place, item, format!("has more than {limit} characters"));
        }
        self.bounds(place, item, value);
        for value_set in element.binding.iter().flat_map(binding_sets) {
            self.binding(place, item, value, type_name, value_set);
        }
    }

    fn bounds(&mut self, place: Place<'a>, item: &Item<'v>, value: &Value) {
        let number = |value: &Value| value.as_number().and_then(|number| number.to_string().parse::<Decimal>().ok());
        let Some(found) = number(value) else { return };
        let bound = |bound: &Option<TypedValue>| number(&bound.as_ref()?.value);
        if let Some(least) = bound(&place.element().min_value).filter(|least| found < *least) {
            self.add(Rule::Type, place, item, format!("must be at least {least}"));
        }
        if let Some(most) = bound(&place.element().max_value).filter(|most| found > *most) {
            self.add(Rule::Type, place, item, format!("must be at most {most}"));
        }
    }

    fn binding(&mut self, place: Place<'a>, item: &Item<'v>, value: &'v Value, type_name: &str, value_set: &str) {
        match is_bound(place.guide(), value_set, value, type_name) {
            Membership::In => {}
            Membership::Unknown => {
                let message = format!("whether a code is in {value_set} cannot be told from the packages in spec/");
                self.add(Rule::NotChecked, place, item, message);
            }
            Membership::Out => {
                let message = match codes(value, type_name) {
                    Some(Codes { codes, .. }) if codes.is_empty() => {
                        format!("has no code, and one of {value_set} is required: a text alone does not do")
                    }
                    _ => format!("has no code of {value_set}, which is required"),
                };
                self.add(Rule::Binding, place, item, message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_>
    #[test]
    fn a_pattern_is_a_part_of_the_value() {
        let value: Value =
            serde_json::from_str(r#"{"coding":[{"system":"s","code":"a"},{"code":"b","x":1.0}]}"#).unwrap();
        let has = |pattern: &str| has_pattern(&value, &serde_json::from_str(pattern).unwrap());
        assert!(has(r#"{"coding":[{"code":"b","x":1}]}"#));
        assert!(has(r#"{"coding":[{"code":"b"},{"system":"s"}]}"#));
        assert!(!has(r#"{"coding":[{"system":"s","code":"b"}]}"#));
        assert!(!has(r#"{"text":"a"}"#));
    }
}
