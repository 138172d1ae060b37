//! From a published definition (FHIR JSON) to its digest.

use serde_json::Value;

use super::{Compartment, CompartmentResource, Definition, Expectation, Expected, SearchComponent, SearchParameter};

mod capability;
mod operation;
mod structure;
mod terminology;

/// A definition that cannot be digested: what is missing or wrong in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(String);

type Result<T> = std::result::Result<T, ReadError>;

/// The id and the digest of a definition; none for a resource type that has no digest
/// (ImplementationGuide …).
pub fn definition(resource: &Value) -> Result<Option<(String, Definition)>> {
    let resource_type = required(resource, "resourceType")?;
    let id = required(resource, "id")?;
    let fits = |character: char| character.is_ascii_alphanumeric() || character == '-' || character == '.';
    if id.is_empty() || id.starts_with('.') || !id.chars().all(fits) {
        return Err(ReadError(format!("the id {id:?} is not a FHIR id (letters, digits, `-` and `.`)")));
    }
    let digest = match resource_type.as_str() {
        "StructureDefinition" => Definition::Structure(structure::read(resource)?),
        "SearchParameter" => Definition::SearchParameter(search_parameter(resource)?),
        "CompartmentDefinition" => Definition::Compartment(compartment(resource)?),
        "OperationDefinition" => Definition::Operation(operation::read(resource)?),
        "CodeSystem" => Definition::CodeSystem(terminology::code_system(resource)?),
        "ValueSet" => Definition::ValueSet(terminology::value_set(resource)?),
        "ConceptMap" => Definition::ConceptMap(terminology::concept_map(resource)?),
        "CapabilityStatement" => Definition::Capability(capability::read(resource)?),
        _ => return Ok(None),
    };
    Ok(Some((id, digest)))
}

fn search_parameter(resource: &Value) -> Result<SearchParameter> {
    let component = |component: &Value| {
        Ok(SearchComponent {
            definition: required(component, "definition")?,
            expression: required(component, "expression")?,
        })
    };
    Ok(SearchParameter {
        url: required(resource, "url")?,
        version: text(resource, "version"),
        name: required(resource, "name")?,
        code: required(resource, "code")?,
        base: texts(resource, "base"),
        kind: required(resource, "type")?,
        expression: text(resource, "expression"),
        xpath_usage: text(resource, "xpathUsage"),
        derived_from: text(resource, "derivedFrom"),
        target: texts(resource, "target"),
        component: items(resource, "component").map(component).collect::<Result<_>>()?,
        multiple_or: expected_flag(resource, "multipleOr"),
        multiple_and: expected_flag(resource, "multipleAnd"),
        comparator: expected_texts(resource, "comparator"),
        modifier: expected_texts(resource, "modifier"),
        chain: expected_texts(resource, "chain"),
        expectation: expectation(resource),
    })
}

fn compartment(resource: &Value) -> Result<Compartment> {
    let part = |part: &Value| Ok(CompartmentResource { code: required(part, "code")?, param: texts(part, "param") });
    let mut parts = items(resource, "resource").map(part).collect::<Result<Vec<_>>>()?;
    // The definition lists every type; those without parameters are outside.
    parts.retain(|part| !part.param.is_empty());
    Ok(Compartment {
        url: required(resource, "url")?,
        name: required(resource, "name")?,
        code: required(resource, "code")?,
        resource: parts,
    })
}

/// A string member that has to be there.
fn required(value: &Value, name: &str) -> Result<String> {
    text(value, name).ok_or_else(|| ReadError(format!("`{name}` is missing, or is no string")))
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    items(value, name).filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn number(value: &Value, name: &str) -> Option<u32> {
    value.get(name)?.as_u64()?.try_into().ok()
}

/// The items of an array member; none if it is absent.
fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// The value (`valueCode`, `valueBoolean` …) of the first extension with this URL.
fn extension<'a>(value: &'a Value, url: &str) -> Option<&'a Value> {
    extensions(value, url).next()
}

fn extensions<'a>(value: &'a Value, url: &str) -> impl Iterator<Item = &'a Value> {
    let found = items(value, "extension").filter(move |extension| extension.get("url").is_some_and(|u| u == url));
    found.filter_map(|extension| {
        let mut members = extension.as_object()?.iter();
        members.find_map(|(name, value)| name.starts_with("value").then_some(value))
    })
}

fn extension_text(value: &Value, url: &str) -> Option<String> {
    extension(value, url)?.as_str().map(str::to_owned)
}

const EXPECTATION: &str = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation";

fn expectation(value: &Value) -> Option<Expectation> {
    serde_json::from_value(extension(value, EXPECTATION)?.clone()).ok()
}

/// A primitive with its expectation, which stands in the property with an underscore.
fn expected_flag(value: &Value, name: &str) -> Option<Expected<bool>> {
    let flag = value.get(name)?.as_bool()?;
    Some(Expected { value: flag, expectation: value.get(format!("_{name}")).and_then(expectation) })
}

/// A list of primitives with their expectations, which stand at the same positions in the property with an
/// underscore.
fn expected_texts(value: &Value, name: &str) -> Vec<Expected<String>> {
    let extensions = value.get(format!("_{name}"));
    let texts = items(value, name).enumerate();
    let texts = texts.filter_map(|(position, item)| {
        let expectation = extensions.and_then(|list| list.get(position)).and_then(expectation);
        Some(Expected { value: item.as_str()?.to_owned(), expectation })
    });
    texts.collect()
}

/// The `code` of each item, with the item's expectation.
fn expected_codes(value: &Value, name: &str) -> Result<Vec<Expected<String>>> {
    let code = |item: &Value| Ok(Expected { value: required(item, "code")?, expectation: expectation(item) });
    items(value, name).map(code).collect()
}
