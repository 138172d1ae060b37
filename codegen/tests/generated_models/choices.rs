//! Every choice of R4 that may hold a decimal, found in the element tables, comes back to the byte: `1.50` stays `1.50`.
//! <https://hl7.org/fhir/R4/datatypes.html#decimal>

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use vesta_fhir::SCHEMA;
use vesta_fhir::models::Resource;
use vesta_runtime::schema::{ElementDefinition, ElementType, Kind, TypeDefinition};

/// How a type is reached from a resource: each step a property and whether it repeats.
type Way = (&'static str, Vec<(&'static str, bool)>);

#[test]
fn every_choice_with_a_decimal_comes_back_to_the_byte() {
    let mut choices: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (name, (resource, steps)) in ways() {
        let definition = SCHEMA.get(name).expect("reached");
        for (element, element_type) in decimal_choices(definition) {
            let sample = sample(element_type, 3).expect("holds a decimal");
            let mut text = format!("{{\"{}\":{sample}}}", element_type.property);
            for (property, repeats) in steps.iter().rev() {
                text = if *repeats {
                    format!("{{\"{property}\":[{text}]}}")
                } else {
                    format!("{{\"{property}\":{text}}}")
                };
            }
            let text = format!("{{\"resourceType\":\"{resource}\",{}", &text[1..]);
            assert!(text.contains("1.50"), "{text}");
            let read: Resource = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
            choices.insert((definition.name, element.name));
        }
    }
    // All that the tables have: none is out of reach.
    let all = SCHEMA.types.iter().filter(|definition| !definition.is_abstract);
    let all =
        all.flat_map(|definition| decimal_choices(definition).map(|(element, _)| (definition.name, element.name)));
    assert_eq!(choices, all.collect());
    assert!(choices.contains(&("Observation", "value")) && choices.contains(&("Extension", "value")));
}

fn decimal_choices(
    definition: &'static TypeDefinition,
) -> impl Iterator<Item = (&'static ElementDefinition, &'static ElementType)> {
    let choices = definition.elements.iter().filter(|element| element.is_choice);
    let typed = choices.flat_map(|element| element.types.iter().map(move |one| (element, one)));
    typed.filter(|(_, one)| sample(one, 3).is_some())
}

/// The shortest way to each type.
fn ways() -> BTreeMap<&'static str, Way> {
    let resources = SCHEMA.types.iter().filter(|one| one.kind == Kind::Resource && !one.is_abstract);
    let mut ways: BTreeMap<&str, Way> = resources.map(|one| (one.name, (one.name, Vec::new()))).collect();
    let mut open: VecDeque<&str> = ways.keys().copied().collect();
    while let Some(name) = open.pop_front() {
        let way = ways[name].clone();
        for element in SCHEMA.get(name).expect("a type").elements {
            for one in element.types.iter().filter(|one| !one.definition.is_abstract) {
                let is_open = matches!(one.definition.kind, Kind::Complex | Kind::Backbone);
                if is_open && !ways.contains_key(one.definition.name) {
                    let mut steps = way.1.clone();
                    steps.push((one.property, element.max > 1));
                    ways.insert(one.definition.name, (way.0, steps));
                    open.push_back(one.definition.name);
                }
            }
        }
    }
    ways
}

/// JSON of a type with `1.50` in each decimal that it has, down to a depth; `None` if it has none.
fn sample(element_type: &ElementType, depth: usize) -> Option<String> {
    let definition = element_type.definition;
    if definition.name == "decimal" {
        return Some("1.50".into());
    }
    if depth == 0 || definition.kind == Kind::Primitive || definition.name == "Extension" {
        return None;
    }
    let members = definition.elements.iter().filter_map(|element| {
        // Of a choice one type can stand: the first that has a decimal.
        let found = element.types.iter().find_map(|one| Some((one.property, sample(one, depth - 1)?)));
        let (property, value) = found?;
        Some(if element.max > 1 { format!("\"{property}\":[{value}]") } else { format!("\"{property}\":{value}") })
    });
    let members: Vec<String> = members.collect();
    (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")))
}
