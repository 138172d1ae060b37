//! `vesta_terminology`: the code systems, value sets and concept maps of each package, compressed one by one behind an
//! index, so that a server inflates only what is asked for.
//!
//! A blob is: the length of the deflated index (four bytes, little-endian), the deflated index, the deflated resources.
//! The index is a JSON list; `offset` and `length` of an entry are those of its stream behind the index.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use proc_macro2::TokenStream;
use quote::quote;
use serde_json::{Map, Value, json};

use super::{EmitError, GeneratedBlob, GeneratedFile, rust_file};
use crate::digest::{
    CodeSystem, Concept, ConceptMap, ConceptSet, Designation, Package, Specification, ValueSet, without_version,
};

const FOLDER: &str = "generated/terminology/src";

/// The crate: the list of packages, with their blobs.
pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    let packages = specification.packages.iter().map(|package| -> TokenStream {
        let (name, version, file) = (&package.name, &package.version, file_name(package));
        quote!(Package { name: #name, version: #version, resources: include_bytes!(#file) })
    });
    let items = quote! {
        /// A package's terminology.
        #[derive(Debug)]
        pub struct Package {
            /// `hl7.fhir.r4.core`.
            pub name: &'static str,
            pub version: &'static str,
            /// The length of the deflated index (four bytes, little-endian), the deflated index, and the deflated
            /// resources, whose places the index has.
            pub resources: &'static [u8],
        }

        /// In the order of `spec/lock.toml`.
        pub static PACKAGES: &[Package] = &[#(#packages,)*];
    };
    Ok(vec![rust_file(format!("{FOLDER}/packages.rs"), "The packages and their blobs.", items)])
}

/// The blob of each package.
pub fn blobs(specification: &Specification) -> Vec<GeneratedBlob> {
    let blob = |package| GeneratedBlob { path: format!("{FOLDER}/{}", file_name(package)), bytes: blob(package) };
    specification.packages.iter().map(blob).collect()
}

fn file_name(package: &Package) -> String {
    format!("{}-{}.blob", package.name, package.version)
}

fn blob(package: &Package) -> Vec<u8> {
    let code_systems = package.code_systems.iter().map(|(id, system)| code_system(id, system));
    let value_sets = package.value_sets.iter().map(|(id, set)| value_set(id, set));
    let concept_maps = package.concept_maps.iter().map(|(id, map)| concept_map(id, map));
    let mut index = Vec::new();
    let mut streams = Vec::new();
    for (mut entry, resource) in code_systems.chain(value_sets).chain(concept_maps) {
        let stream = deflate(resource.to_string().as_bytes());
        entry.insert("offset".to_owned(), json!(streams.len()));
        entry.insert("length".to_owned(), json!(stream.len()));
        index.push(Value::Object(entry));
        streams.extend(stream);
    }
    let index = deflate(Value::Array(index).to_string().as_bytes());
    let length = u32::try_from(index.len()).expect("an index of some hundred kilobytes");
    [&length.to_le_bytes(), index.as_slice(), &streams].concat()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}

/// The index entry and the resource, both with what every such resource has.
fn begin(resource_type: &str, id: &str, url: &str, named: [&Option<String>; 3], name: &str) -> [Map<String, Value>; 2] {
    let [version, title, status] = named;
    let mut resource = members([
        ("resourceType", Some(json!(resource_type))),
        ("id", Some(json!(id))),
        ("url", Some(json!(url))),
        ("version", version.as_ref().map(|version| json!(version))),
        ("name", Some(json!(name))),
        ("title", title.as_ref().map(|title| json!(title))),
    ]);
    let mut entry = resource.clone();
    entry.insert("type".to_owned(), entry["resourceType"].clone());
    entry.shift_remove("resourceType");
    entry.shift_remove("title");
    resource.insert("status".to_owned(), json!(status.as_deref().unwrap_or("active")));
    [entry, resource]
}

/// Those that are there.
fn members<const N: usize>(all: [(&str, Option<Value>); N]) -> Map<String, Value> {
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn list(items: Vec<Value>) -> Option<Value> {
    (!items.is_empty()).then_some(Value::Array(items))
}

fn code_system(id: &str, system: &CodeSystem) -> (Map<String, Value>, Value) {
    let named = [&system.version, &system.title, &system.status];
    let [mut entry, mut resource] = begin("CodeSystem", id, &system.url, named, &system.name);
    entry.extend(members([
        ("content", Some(json!(system.content))),
        ("valueSet", system.value_set.as_ref().map(|set| json!(set))),
        ("supplements", system.supplements.as_ref().map(|supplemented| json!(supplemented))),
    ]));
    let filters = system.filter.iter().map(|f| json!({"code": f.code, "operator": f.operator, "value": f.value}));
    let properties = system.property.iter().map(|property| {
        Value::Object(members([
            ("code", Some(json!(property.code))),
            ("uri", property.uri.as_ref().map(|uri| json!(uri))),
            ("type", Some(json!(property.kind))),
        ]))
    });
    resource.extend(members([
        ("language", system.language.as_ref().map(|language| json!(language))),
        ("caseSensitive", system.case_sensitive.map(|flag| json!(flag))),
        ("valueSet", system.value_set.as_ref().map(|set| json!(set))),
        ("hierarchyMeaning", system.hierarchy_meaning.as_ref().map(|meaning| json!(meaning))),
        ("compositional", system.compositional.then_some(json!(true))),
        ("content", Some(json!(system.content))),
        ("supplements", system.supplements.as_ref().map(|supplemented| json!(supplemented))),
        ("count", Some(json!(system.concepts.len()))),
        ("filter", list(filters.collect())),
        ("property", list(properties.collect())),
        ("concept", list(tree(&system.concepts))),
    ]));
    (entry, Value::Object(resource))
}

/// The concepts, each below the first of its parents; what is below a further one is said by the property `child`.
fn tree(concepts: &[Concept]) -> Vec<Value> {
    let mut below: BTreeMap<&str, Vec<&Concept>> = BTreeMap::new();
    let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut roots = Vec::new();
    for concept in concepts {
        let mut parents = concept.parent.iter().map(String::as_str);
        // A parent that comes later would make a circle possible.
        match concept.parent.first().filter(|parent| seen.contains(parent.as_str())) {
            Some(parent) => {
                below.entry(parent).or_default().push(concept);
                parents.next();
            }
            None => roots.push(concept),
        }
        for parent in parents {
            children.entry(parent).or_default().push(&concept.code);
        }
        seen.insert(concept.code.as_str());
    }
    roots.into_iter().map(|root| concept_value(root, &below, &children)).collect()
}

fn concept_value(
    concept: &Concept,
    below: &BTreeMap<&str, Vec<&Concept>>,
    children: &BTreeMap<&str, Vec<&str>>,
) -> Value {
    let code = concept.code.as_str();
    let mut properties = Vec::new();
    properties.extend(concept.not_selectable.then(|| json!({"code": "notSelectable", "valueBoolean": true})));
    properties.extend(concept.status.as_ref().map(|status| json!({"code": "status", "valueCode": status})));
    for property in &concept.property {
        let value = [("code".to_owned(), json!(property.code)), (property.kind.clone(), property.value.clone())];
        properties.push(Value::Object(value.into_iter().collect()));
    }
    properties.extend(children.get(code).into_iter().flatten().map(|c| json!({"code": "child", "valueCode": c})));
    let nested = below.get(code).into_iter().flatten().map(|child| concept_value(child, below, children));
    Value::Object(members([
        ("code", Some(json!(code))),
        ("display", concept.display.as_ref().map(|display| json!(display))),
        ("definition", concept.definition.as_ref().map(|definition| json!(definition))),
        ("designation", list(designations(&concept.designation))),
        ("property", list(properties)),
        ("concept", list(nested.collect())),
    ]))
}

fn designations(all: &[Designation]) -> Vec<Value> {
    let one = |designation: &Designation| {
        Value::Object(members([
            ("language", designation.language.as_ref().map(|language| json!(language))),
            ("use", designation.usage.clone()),
            ("value", Some(json!(designation.value))),
        ]))
    };
    all.iter().map(one).collect()
}

fn value_set(id: &str, set: &ValueSet) -> (Map<String, Value>, Value) {
    let named = [&set.version, &set.title, &set.status];
    let [entry, mut resource] = begin("ValueSet", id, &set.url, named, &set.name);
    let compose = members([
        ("lockedDate", set.locked_date.as_ref().map(|date| json!(date))),
        ("inactive", set.inactive.map(|flag| json!(flag))),
        ("include", list(set.include.iter().map(concept_set).collect())),
        ("exclude", list(set.exclude.iter().map(concept_set).collect())),
    ]);
    if !compose.is_empty() {
        resource.insert("compose".to_owned(), Value::Object(compose));
    }
    (entry, Value::Object(resource))
}

fn concept_set(set: &ConceptSet) -> Value {
    let concepts = set.concept.iter().map(|concept| {
        Value::Object(members([
            ("code", Some(json!(concept.code))),
            ("display", concept.display.as_ref().map(|display| json!(display))),
            ("designation", list(designations(&concept.designation))),
        ]))
    });
    let filters = set.filter.iter().map(|f| json!({"property": f.property, "op": f.op, "value": f.value}));
    let value_sets = set.value_set.iter().map(|canonical| json!(canonical));
    Value::Object(members([
        ("system", set.system.as_ref().map(|system| json!(system))),
        ("version", set.version.as_ref().map(|version| json!(version))),
        ("concept", list(concepts.collect())),
        ("filter", list(filters.collect())),
        ("valueSet", list(value_sets.collect())),
    ]))
}

fn concept_map(id: &str, map: &ConceptMap) -> (Map<String, Value>, Value) {
    let named = [&map.version, &map.title, &map.status];
    let [mut entry, mut resource] = begin("ConceptMap", id, &map.url, named, &map.name);
    let ends = members([
        ("sourceCanonical", map.source.as_ref().map(|source| json!(source))),
        ("targetCanonical", map.target.as_ref().map(|target| json!(target))),
    ]);
    let systems = |end: &str| {
        let named: BTreeSet<&str> = map.group.iter().filter_map(|group| group.get(end)?.as_str()).collect();
        named.into_iter().map(without_version).map(|system| json!(system)).collect::<Vec<_>>()
    };
    entry.extend(ends.clone());
    entry.extend(members([("sources", list(systems("source"))), ("targets", list(systems("target")))]));
    resource.extend(ends);
    resource.extend(members([("group", list(map.group.clone()))]));
    (entry, Value::Object(resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concept(code: &str, parents: &[&str]) -> Concept {
        Concept {
            code: code.to_owned(),
            display: None,
            definition: None,
            parent: parents.iter().map(|&parent| parent.to_owned()).collect(),
            not_selectable: false,
            status: None,
            designation: Vec::new(),
            property: Vec::new(),
        }
    }

    #[test]
    fn each_concept_stands_once_with_all_its_parents_even_in_a_circle() {
        let concepts = [
            concept("a", &[]),
            concept("b", &["a"]),
            concept("c", &["a", "b"]),
            concept("d", &["e"]),
            concept("e", &["d"]),
        ];
        let child = |code: &str| json!({"code": "child", "valueCode": code});
        let expected = json!([
            {"code": "a", "concept": [{"code": "b", "property": [child("c")]}, {"code": "c"}]},
            {"code": "d", "concept": [{"code": "e", "property": [child("d")]}]},
        ]);
        assert_eq!(Value::Array(tree(&concepts)), expected);
    }
}
