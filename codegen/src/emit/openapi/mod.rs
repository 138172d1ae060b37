//! `generated/api/openapi/fhir.json`: the OpenAPI 3.0 document of the FHIR REST API.
//!
//! A path for each resource type, since each has its own search parameters; what all types have alike
//! (`/{type}/{id}` …) stands once. Parameters, answers and schemas are shared components, so that the document stays
//! readable. It says what the server does, no more: parameters that are not served (`_query`) are left out.
//! Resources are not described again as schemas: their definitions are linked.
//! <https://spec.openapis.org/oas/v3.0.3>, <https://hl7.org/fhir/R4/http.html>

mod operations;
mod parameters;
mod paths;
mod shared;

use serde_json::{Map, Value, json};

use super::resource_types::resource_types;
use super::{EmitError, GeneratedFile};
use crate::digest::{Specification, to_text};

const PATH: &str = "generated/api/openapi/fhir.json";

pub fn emit(specification: &Specification) -> Result<Vec<GeneratedFile>, EmitError> {
    Ok(vec![GeneratedFile { path: PATH.into(), text: to_text(&document(specification)?) }])
}

fn document(specification: &Specification) -> Result<Value, EmitError> {
    let types = resource_types(specification.core());
    let served = parameters::Served::of(specification)?;
    let mut paths = paths::system();
    for name in &types {
        paths.insert(format!("/{name}"), paths::of_type(name, &served));
    }
    paths.extend(paths::of_any_type());
    let operations = operations::describe(specification)?;
    paths.extend(operations.paths);
    let mut document = json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Vesta FHIR R4 API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": shared::ABOUT,
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "externalDocs": { "description": "The RESTful API of FHIR R4", "url": "https://hl7.org/fhir/R4/http.html" },
    });
    document["servers"] = json!([{
        "url": "/apis/{site}/fhir",
        "variables": { "site": { "default": "default", "description": "The site's name" } },
    }]);
    document["security"] = json!([{ "bearer": [] }]);
    document["tags"] = tags(&types);
    document["paths"] = Value::Object(paths);
    document["components"] = json!({
        "securitySchemes": shared::security_schemes(),
        "parameters": components([shared::parameters(&types), served.components(), operations.parameters]),
        "headers": shared::headers(),
        "requestBodies": shared::request_bodies(),
        "responses": shared::responses(),
        "schemas": shared::schemas(),
    });
    Ok(document)
}

/// `System` and `Any type` for what concerns no one type; then the types.
fn tags(types: &[&str]) -> Value {
    let mut tags = vec![
        json!({ "name": paths::SYSTEM, "description": "What concerns all types at once" }),
        json!({ "name": paths::ANY_TYPE, "description": "What is alike for every type" }),
    ];
    tags.extend(types.iter().map(|name| {
        let link = crate::links::resource_page(name);
        json!({ "name": name, "externalDocs": { "url": link } })
    }));
    Value::Array(tags)
}

fn components<const N: usize>(all: [Map<String, Value>; N]) -> Map<String, Value> {
    all.into_iter().flatten().collect()
}
