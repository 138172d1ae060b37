//! The demo data, and what is valid by the official JSON Schema of R4: an opinion that is not Vesta's own.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, OnceLock, PoisonError};

use flate2::read::GzDecoder;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::harness::{shared, skip};

/// Panics with the places where the resource is invalid; does nothing where the schema is not to be had.
#[track_caller]
pub(crate) fn assert_valid(resource: &Value) {
    static VALIDATORS: OnceLock<Mutex<HashMap<String, Validator>>> = OnceLock::new();
    let Some(schema) = schema() else { return };
    let resource_type = resource["resourceType"].as_str().expect("a resource");
    let mut validators = VALIDATORS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let validator = validators.entry(resource_type.to_owned()).or_insert_with(|| {
        let mut rooted =
            json!({ "$ref": format!("#/definitions/{resource_type}"), "definitions": schema["definitions"] });
        // Some are referred to, and not defined.
        let mut wanted = Vec::new();
        definitions(schema, &mut wanted);
        for name in wanted.into_iter().filter(|name| schema["definitions"].get(*name).is_none()) {
            rooted["definitions"][name] = true.into();
        }
        jsonschema::draft6::new(&rooted).expect("the schema is one")
    });
    // <https://hl7.org/fhir/R4/json.html#primitive>: any primitive may have such a sibling. The schema forgets those of
    // canonicals.
    let mut resource = resource.clone();
    if let Some(members) = resource.as_object_mut() {
        members.retain(|name, _| name != "_questionnaire");
    }
    let resource = &resource;
    let wrong: Vec<String> =
        validator.iter_errors(resource).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{resource_type}/{}: {wrong:#?}", resource["id"]);
}

fn definitions<'a>(schema: &'a Value, wanted: &mut Vec<&'a str>) {
    match schema {
        Value::Object(members) => {
            let name = members.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/definitions/"));
            wanted.extend(name);
            members.values().for_each(|member| definitions(member, wanted));
        }
        Value::Array(items) => items.iter().for_each(|item| definitions(item, wanted)),
        _ => {}
    }
}

fn schema() -> Option<&'static Value> {
    static SCHEMA: OnceLock<Option<Value>> = OnceLock::new();
    let read = || {
        let file = std::fs::File::open(shared("testdata/fhir.schema-4.0.1.json.gz")?).expect("the schema opens");
        Some(serde_json::from_reader(GzDecoder::new(file)).expect("the schema is JSON"))
    };
    SCHEMA.get_or_init(read).as_ref()
}

#[test]
fn the_demo_data_are_valid_and_every_reference_leads_somewhere() {
    if schema().is_none() {
        return skip("the JSON Schema of R4 is not here");
    }
    let resources: Vec<Value> = vesta_demo::clinic(vesta_demo::SEED).collect();
    let address = |resource: &Value| {
        format!("{}/{}", resource["resourceType"].as_str().expect("a type"), resource["id"].as_str().expect("an id"))
    };
    let addresses: HashSet<String> = resources.iter().map(address).collect();
    assert_eq!(addresses.len(), resources.len(), "an id stands twice");
    assert!(addresses.len() > 100);
    for resource in &resources {
        assert_valid(resource);
        references(resource, &mut |reference| {
            assert!(addresses.contains(reference), "{} refers to {reference}", address(resource));
        });
    }
}

fn references<'a>(value: &'a Value, visit: &mut dyn FnMut(&'a str)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "reference" || text.starts_with("Binary/") => visit(text),
                    value => references(value, visit),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, visit)),
        _ => {}
    }
}

on_both_databases! {
    /// A demo that is started again finds its patients there, once.
    fn the_demo_data_may_be_sent_twice(world) {
        let client = world.client("user/*.cruds");
        for _ in 0..2 {
            let entries: Vec<Value> = vesta_demo::clinic(vesta_demo::SEED)
                .map(|resource| {
                    let url = format!("{}/{}", resource["resourceType"].as_str().expect("a type"), resource["id"].as_str().expect("an id"));
                    json!({ "resource": resource, "request": { "method": "PUT", "url": url } })
                })
                .collect();
            client.post("", &json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries })).expect(200);
        }
        assert_eq!(client.ids("Patient?_count=100").len(), 9);
        // An accent does not count; ø is a letter of its own.
        assert_eq!(client.ids("Patient?name=diaz"), ["demo-amelia-ortega"]);
        assert_eq!(client.ids("Patient?name=S%C3%B8rensen"), ["demo-ingrid-sorensen"]);
        assert!(!client.ids("Observation?patient=demo-amelia-ortega&category=laboratory").is_empty());
    }
}
