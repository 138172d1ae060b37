//! The OpenAPI document of the FHIR API: it is one, and it says what the server does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use openapiv3::{OpenAPI, Operation, Parameter, ParameterSchemaOrContent, ReferenceOr};
use serde_json::Value;
use vesta_fhir::types::ResourceType;
use vesta_runtime::search::{SearchParameter, SearchParameterType};

const TEXT: &str = include_str!("../../generated/api/openapi/fhir.json");

static DOCUMENT: LazyLock<OpenAPI> = LazyLock::new(|| serde_json::from_str(TEXT).expect("an OpenAPI 3.0 document"));

fn operations() -> impl Iterator<Item = (&'static str, &'static str, &'static Operation)> {
    let items = DOCUMENT.paths.paths.iter();
    items.flat_map(|(path, item)| {
        let item = item.as_item().expect("in place");
        item.iter().map(|(method, operation)| (path.as_str(), method, operation))
    })
}

fn parameter(reference: &'static ReferenceOr<Parameter>) -> &'static Parameter {
    let ReferenceOr::Reference { reference } = reference else { panic!("parameters are shared") };
    let name = reference.strip_prefix("#/components/parameters/").expect("a parameter");
    let components = DOCUMENT.components.as_ref().expect("components");
    components.parameters[name].as_item().expect("in place")
}

/// What the server answers: what an expression finds, and what it looks for in the resources themselves (`is_served` in
/// the server's own table).
fn is_served(parameter: &&&SearchParameter) -> bool {
    let is_looked_for = matches!(parameter.code, "_text" | "_content" | "near");
    is_looked_for || (parameter.kind != SearchParameterType::Special && !parameter.expression.is_empty())
}

#[test]
fn each_type_has_the_search_parameters_that_are_served() {
    let guides = vesta_guides::GUIDES.iter().map(|guide| vesta_guides::search::parameters(guide.name, guide.version));
    let guides: Vec<_> = guides.collect();
    assert!(guides.iter().any(|parameters| !parameters.is_empty()));
    for resource_type in ResourceType::ALL {
        let name = resource_type.as_str();
        let own = vesta_fhir::search::parameters(name).iter();
        let of_guides = guides.iter().flat_map(|guide| guide.iter()).filter(|parameter| parameter.base == name);
        let served: BTreeSet<&str> = own.chain(of_guides).filter(is_served).map(|one| one.code).collect();
        let path = DOCUMENT.paths.paths[&format!("/{name}")].as_item().expect("in place");
        let search = path.get.as_ref().expect("a search");
        let listed = search.parameters.iter().map(|one| parameter(one).parameter_data_ref());
        let of_search = listed.filter(|one| {
            let ParameterSchemaOrContent::Schema(schema) = &one.format else { panic!("a schema") };
            matches!(schema, ReferenceOr::Reference { reference } if reference.contains("/search-"))
        });
        let of_search: Vec<&str> = of_search.map(|one| one.name.as_str()).collect();
        assert_eq!(of_search.iter().copied().collect::<BTreeSet<_>>(), served, "{name}");
        assert_eq!(of_search.len(), served.len(), "{name} lists each once");
    }
    // Not served.
    let all = operations().flat_map(|(_, _, operation)| &operation.parameters);
    assert!(!all.map(parameter).any(|one| one.parameter_data_ref().name == "_query"));
}

/// <https://hl7.org/fhir/R4/http.html#summary>
#[test]
fn the_paths_are_those_of_the_standard() {
    let types: BTreeSet<&str> = ResourceType::ALL.iter().map(|one| one.as_str()).collect();
    let mut lines = BTreeMap::new();
    // The operations are listed below.
    for (path, method, operation) in operations().filter(|(path, ..)| !path.contains('$')) {
        let is_type = types.contains(&path[1..]);
        let line = format!("{method} {}", if is_type { "/{each type}" } else { path });
        let operation_id = operation.operation_id.as_deref().expect("an operationId");
        let id = if is_type { operation_id.replace(&path[1..], "{each type}") } else { operation_id.to_owned() };
        assert!(lines.insert(line, id.clone()).is_none_or(|before| before == id), "{path}");
    }
    let lines: Vec<String> = lines.iter().map(|(line, id)| format!("{line}: {id}")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    delete /{each type}: conditionalDelete{each type}
    delete /{type}/{id}: delete
    get /: searchSystem
    get /_history: historySystem
    get /metadata: capabilities
    get /{each type}: search{each type}
    get /{type}/_history: historyType
    get /{type}/{id}: read
    get /{type}/{id}/_history: historyInstance
    get /{type}/{id}/_history/{version}: vread
    get /{type}/{id}/{member}: searchCompartment
    patch /{each type}: conditionalPatch{each type}
    patch /{type}/{id}: patch
    post /: bundle
    post /_search: searchSystemForm
    post /{each type}: create{each type}
    post /{type}/_search: searchForm
    put /{each type}: conditionalUpdate{each type}
    put /{type}/{id}: update
    ");
    let ids: BTreeSet<_> = operations().map(|(_, _, operation)| &operation.operation_id).collect();
    assert_eq!(ids.len(), operations().count(), "operationIds are unique");
    let named = DOCUMENT.paths.paths.keys().filter(|path| !path.contains('$')).count();
    assert_eq!(named, types.len() + 10);
}

/// Each is invoked where its OperationDefinition says, and by GET unless it changes what is stored.
#[test]
fn operations_are_where_their_definitions_have_them() {
    let lines: Vec<String> = operations()
        .filter(|(path, ..)| path.contains('$'))
        .map(|(path, method, operation)| {
            let own = operation.parameters.iter().map(|one| parameter(one).parameter_data_ref().name.as_str());
            let own: Vec<&str> = own.filter(|name| !matches!(*name, "type" | "id" | "_format" | "_pretty")).collect();
            format!("{method} {path} {}", own.join(" "))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn every_reference_leads_somewhere_and_every_path_parameter_is_declared() {
    let document: Value = serde_json::from_str(TEXT).unwrap();
    let mut open = vec![&document];
    let mut used = BTreeSet::new();
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                    let pointer = reference.strip_prefix('#').expect("within the document");
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                    used.insert(pointer);
                }
                open.extend(members.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    for kind in ["parameters", "requestBodies", "responses", "schemas", "headers"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            assert!(used.contains(format!("/components/{kind}/{name}").as_str()), "nothing uses {kind}/{name}");
        }
    }
    for (path, method, operation) in operations() {
        let declared = operation.parameters.iter().map(parameter).filter_map(|one| match one {
            Parameter::Path { parameter_data, .. } => Some(format!("{{{}}}", parameter_data.name)),
            _ => None,
        });
        let declared: BTreeSet<String> = declared.collect();
        let wanted = path.split('/').filter(|segment| segment.starts_with('{')).map(str::to_owned).collect();
        assert_eq!(declared, wanted, "{method} {path}");
    }
}

#[test]
fn only_metadata_needs_no_token() {
    let open: Vec<&str> = operations()
        .filter(|(_, _, one)| one.security.as_ref().is_some_and(Vec::is_empty))
        .map(|(path, ..)| path)
        .collect();
    assert_eq!(open, ["/metadata"]);
    assert!(DOCUMENT.security.as_ref().is_some_and(|security| security[0].contains_key("bearer")));
}

#[test]
fn a_parameter_says_what_it_looks_at_and_where_it_is_defined() {
    let described =
        ["Patient.birthdate", "Observation.code-value-quantity", "Patient.race", "_lastUpdated"].map(|name| {
            let parameter = &DOCUMENT.components.as_ref().unwrap().parameters[name];
            parameter.as_item().unwrap().parameter_data_ref().description.clone().unwrap()
        });
    insta::assert_snapshot!(described.join("\n"), @r"
    `Patient.birthDate` [R4](https://hl7.org/fhir/R4/patient.html#search)
    `Observation` by `code$value-quantity` [R4](https://hl7.org/fhir/R4/observation.html#search)
    `Patient.extension.where(url = 'http://hl7.org/fhir/us/core/StructureDefinition/us-core-race').extension.value.code` [hl7.fhir.us.core 6.1.0, 7.0.0, 8.0.0](https://hl7.org/fhir/us/core/STU8/SearchParameter-us-core-race.html), at sites that have it enabled
    `Resource.meta.lastUpdated` [R4](https://hl7.org/fhir/R4/resource.html)
    ");
}
