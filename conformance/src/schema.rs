//! The official JSON Schema of R4, where it is at hand: an opinion on what a server returns that is nobody's own.
//! <https://hl7.org/fhir/R4/downloads.html>

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use flate2::read::GzDecoder;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::samples::SampleError;

/// `fhir.schema.json`, with a validator for each type that is asked for.
pub struct Schema {
    definitions: Value,
    validators: Mutex<HashMap<String, Arc<OnceLock<Option<Validator>>>>>,
}

impl Schema {
    /// Reads `fhir.schema.json`, gzipped or not.
    pub fn read(path: &Path) -> Result<Self, SampleError> {
        let read = |source| SampleError::Read { path: path.to_path_buf(), source };
        let file = BufReader::new(File::open(path).map_err(read)?);
        let is_packed = path.extension().is_some_and(|extension| extension == "gz");
        let schema: Result<Value, _> =
            if is_packed { serde_json::from_reader(GzDecoder::new(file)) } else { serde_json::from_reader(file) };
        let origin = path.display().to_string();
        let mut schema = schema.map_err(|source| SampleError::Json { origin, source })?;
        let mut definitions = schema["definitions"].take();
        // Some are referred to, and not defined.
        let mut wanted = Vec::new();
        referred(&definitions, &mut wanted);
        for name in wanted {
            if definitions.get(&name).is_none() {
                definitions[name] = true.into();
            }
        }
        complete(&mut definitions);
        Ok(Self { definitions, validators: Mutex::default() })
    }

    /// Where the resource is invalid. A Bundle's entries are looked at one by one, each by its own type's schema.
    pub fn problems(&self, resource: &Value) -> Vec<String> {
        let resource_type = resource["resourceType"].as_str().unwrap_or_default();
        let validator = {
            let mut validators = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
            validators.entry(resource_type.to_owned()).or_default().clone()
        };
        // Outside the lock: a schema takes a while to compile.
        let validator = validator.get_or_init(|| {
            let mut rooted = json!({ "$ref": format!("#/definitions/{resource_type}") });
            rooted["definitions"] = reachable(&self.definitions, resource_type);
            self.definitions.get(resource_type).and_then(|_| jsonschema::draft6::new(&rooted).ok())
        });
        match validator {
            Some(validator) => validator
                .iter_errors(resource)
                .map(|error| format!("by the JSON Schema of R4: {resource_type}{}: {error}", error.instance_path()))
                .collect(),
            None => vec![format!("by the JSON Schema of R4 there is no type `{resource_type}`")],
        }
    }
}

/// Any primitive may have id and extensions beside it; the schema forgets those of canonicals.
/// <https://hl7.org/fhir/R4/json.html#primitive>
fn complete(definitions: &mut Value) {
    const CANONICAL: &str = "#/definitions/canonical";
    for definition in definitions.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
        let Some(properties) = definition.get_mut("properties").and_then(Value::as_object_mut) else { continue };
        let canonicals = properties.iter().filter_map(|(name, property)| {
            let element = json!({ "$ref": "#/definitions/Element" });
            match (&property["$ref"], &property["items"]["$ref"]) {
                (own, _) if own == CANONICAL => Some((format!("_{name}"), element)),
                (_, items) if items == CANONICAL => Some((format!("_{name}"), json!({ "items": element }))),
                _ => None,
            }
        });
        for (name, property) in canonicals.collect::<Vec<_>>() {
            properties.entry(name).or_insert(property);
        }
    }
}

/// The definitions that one type needs. What may stand in a Bundle or be contained is left open: it has its own schema.
fn reachable(definitions: &Value, root: &str) -> Value {
    let mut found = serde_json::Map::new();
    let mut open = vec![root.to_owned()];
    while let Some(name) = open.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let definition = if name == "ResourceList" { Value::Bool(true) } else { definitions[&name].clone() };
        referred(&definition, &mut open);
        found.insert(name, definition);
    }
    found.into()
}

fn referred(schema: &Value, wanted: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            let name = members.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix("#/definitions/"));
            wanted.extend(name.map(str::to_owned));
            members.values().for_each(|member| referred(member, wanted));
        }
        Value::Array(items) => items.iter().for_each(|item| referred(item, wanted)),
        _ => {}
    }
}
