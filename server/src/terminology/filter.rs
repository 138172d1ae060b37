//! Filters of `ValueSet.compose.include`, on the concepts of a code system.
//! <https://hl7.org/fhir/R4/valueset-filter-operator.html>

use std::collections::HashSet;

use super::code_system::{CodeSystem, Place};
use super::error::TerminologyError;
use super::value_set::Filter;

/// For each concept, whether it passes all the filters.
pub(super) fn select(system: &CodeSystem, filters: &[Filter]) -> Result<Vec<bool>, TerminologyError> {
    let mut passed = vec![true; system.concepts.len()];
    for filter in filters {
        let accepts = compile(system, filter)?;
        for (place, passes) in passed.iter_mut().enumerate() {
            *passes = *passes && accepts(place);
        }
    }
    Ok(passed)
}

type Test<'a> = Box<dyn Fn(Place) -> bool + 'a>;

fn compile<'a>(system: &'a CodeSystem, filter: &'a Filter) -> Result<Test<'a>, TerminologyError> {
    let property = filter.property.as_str();
    let refuse = |reason: String| TerminologyError::Filter {
        property: filter.property.clone(),
        operator: filter.operator.clone(),
        value: filter.value.clone(),
        reason,
    };
    check_property(system, property)?;
    let listed = || filter.value.split(',').map(str::trim).collect::<HashSet<&str>>();
    let is_code = matches!(property, "concept" | "code");
    match filter.operator.as_str() {
        "=" => Ok(Box::new(move |place| values(system, place, property).contains(&filter.value))),
        "in" => {
            let listed = listed();
            Ok(Box::new(move |place| values(system, place, property).iter().any(|one| listed.contains(one.as_str()))))
        }
        "not-in" => {
            let listed = listed();
            Ok(Box::new(move |place| !values(system, place, property).iter().any(|one| listed.contains(one.as_str()))))
        }
        "regex" => {
            // The whole value has to match.
            let pattern = regex::RegexBuilder::new(&format!("^(?:{})$", filter.value)).size_limit(1 << 20).build();
            let pattern = pattern.map_err(|_| refuse("the value is no regular expression".to_owned()))?;
            Ok(Box::new(move |place| values(system, place, property).iter().any(|one| pattern.is_match(one))))
        }
        "exists" => {
            let wanted = match filter.value.as_str() {
                "true" => true,
                "false" => false,
                _ => return Err(refuse("true or false was expected".to_owned())),
            };
            Ok(Box::new(move |place| values(system, place, property).is_empty() != wanted))
        }
        "is-a" | "descendent-of" | "is-not-a" | "generalizes" => {
            let reached = subsumption(system, filter)?;
            if is_code {
                return Ok(Box::new(move |place| reached[place]));
            }
            // A property whose values are codes: one of them stands where the filter says.
            Ok(Box::new(move |place| {
                let places = values(system, place, property).into_iter().filter_map(|code| system.place(&code));
                places.into_iter().any(|place| reached[place])
            }))
        }
        _ => Err(refuse(
            "operators are =, is-a, descendent-of, is-not-a, generalizes, regex, in, not-in, exists".to_owned(),
        )),
    }
}

/// For each concept, whether it stands to the one that the filter names as the filter says.
fn subsumption(system: &CodeSystem, filter: &Filter) -> Result<Vec<bool>, TerminologyError> {
    let unknown = || TerminologyError::UnknownCode { system: system.canonical(), code: filter.value.clone() };
    let root = system.place(&filter.value).ok_or_else(unknown)?;
    if !system.has_subsumption() {
        let meaning = system.hierarchy_meaning.clone().unwrap_or_default();
        return Err(TerminologyError::NoSubsumption { system: system.canonical(), meaning });
    }
    let (mut reached, with_root, inverted) = match filter.operator.as_str() {
        "is-a" => (system.descendants(root), true, false),
        "descendent-of" => (system.descendants(root), false, false),
        "is-not-a" => (system.descendants(root), true, true),
        // "All concept ids that are … ancestors of the concept, including the concept itself."
        _ => (system.ancestors(root), true, false),
    };
    if with_root {
        reached.insert(root);
    }
    Ok((0..system.concepts.len()).map(|place| reached.contains(&place) != inverted).collect())
}

/// Properties that every code system has: <https://hl7.org/fhir/R4/codesystem.html#defined-props>
const EVERYWHERE: [&str; 10] =
    ["concept", "code", "display", "definition", "parent", "child", "inactive", "status", "notSelectable", "abstract"];

fn check_property(system: &CodeSystem, property: &str) -> Result<(), TerminologyError> {
    let in_use = || system.concepts.iter().any(|concept| concept.property(property).next().is_some());
    if EVERYWHERE.contains(&property) || system.declared.contains(property) || in_use() {
        return Ok(());
    }
    let mut known: Vec<String> = system.declared.iter().cloned().collect();
    known.extend(EVERYWHERE.map(str::to_owned));
    known.sort();
    known.dedup();
    Err(TerminologyError::UnknownProperty { system: system.canonical(), property: property.to_owned(), known })
}

fn values(system: &CodeSystem, place: Place, property: &str) -> Vec<String> {
    let concept = &system.concepts[place];
    let codes = |places: &[Place]| places.iter().map(|place| system.concepts[*place].code.clone()).collect();
    match property {
        "concept" | "code" => vec![concept.code.clone()],
        "display" => concept.display.iter().cloned().collect(),
        "definition" => concept.definition.iter().cloned().collect(),
        "parent" => codes(&concept.parents),
        "child" => codes(&concept.children),
        "inactive" => vec![concept.is_inactive().to_string()],
        "notSelectable" | "abstract" => vec![concept.is_abstract().to_string()],
        _ => concept.property(property).map(super::code_system::Property::as_text).collect(),
    }
}
