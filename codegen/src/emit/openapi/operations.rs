//! The operations, `$name`: where each can be invoked and which parameters it takes, from its OperationDefinition.
//! <https://hl7.org/fhir/R4/operations.html>

use serde_json::{Map, Value, json};

use super::parameters::reference;
use super::paths::{ANY_TYPE, Operation, SYSTEM};
use crate::digest::{self, OperationParameter, Specification};
use crate::emit::EmitError;

/// What the server offers (a test of the server holds this to its own list), and how it differs from the definition.
const OFFERED: [Offered; 15] = [
    Offered { on_version: true, ..Offered::of("http://hl7.org/fhir/OperationDefinition/Resource-meta") },
    Offered {
        affects_state: true,
        on_version: true,
        ..Offered::of("http://hl7.org/fhir/OperationDefinition/Resource-meta-add")
    },
    Offered {
        affects_state: true,
        on_version: true,
        ..Offered::of("http://hl7.org/fhir/OperationDefinition/Resource-meta-delete")
    },
    Offered {
        on_system: true,
        needs_body: true,
        ..Offered::of("http://hl7.org/fhir/OperationDefinition/Resource-validate")
    },
    Offered::of("http://hl7.org/fhir/OperationDefinition/Patient-everything"),
    Offered::of("http://hl7.org/fhir/OperationDefinition/Encounter-everything"),
    Offered::of("http://hl7.org/fhir/OperationDefinition/Observation-lastn"),
    Offered::of("http://hl7.org/fhir/OperationDefinition/Composition-document"),
    Offered::of("http://hl7.org/fhir/OperationDefinition/ValueSet-expand"),
    Offered::of("http://hl7.org/fhir/OperationDefinition/ValueSet-validate-code"),
    Offered::of("http://hl7.org/fhir/OperationDefinition/CodeSystem-validate-code"),
    Offered::of("http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup"),
    Offered::of("http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes"),
    Offered::of("http://hl7.org/fhir/OperationDefinition/ConceptMap-translate"),
    Offered::of("http://hl7.org/fhir/us/core/OperationDefinition/docref"),
];

struct Offered {
    url: &'static str,
    /// Then it is invoked by POST alone.
    affects_state: bool,
    /// Also on the system.
    on_system: bool,
    /// Also on a version of an instance.
    on_version: bool,
    /// By GET on an instance only.
    needs_body: bool,
}

impl Offered {
    const fn of(url: &'static str) -> Offered {
        Offered { url, affects_state: false, on_system: false, on_version: false, needs_body: false }
    }

    /// Of several versions of a guide the newest.
    fn definition<'a>(&self, specification: &'a Specification) -> Result<&'a digest::Operation, EmitError> {
        let mut all = specification.packages.iter().flat_map(|package| package.operations.values());
        let found = all.rfind(|operation| operation.url == self.url);
        found.ok_or_else(|| EmitError(format!("no package defines the operation {}", self.url)))
    }
}

/// Paths, and the components of their parameters.
pub(super) struct Described {
    pub(super) paths: Map<String, Value>,
    pub(super) parameters: Map<String, Value>,
}

pub(super) fn describe(specification: &Specification) -> Result<Described, EmitError> {
    let mut described = Described { paths: Map::new(), parameters: Map::new() };
    for offered in &OFFERED {
        described.add(offered, offered.definition(specification)?);
    }
    Ok(described)
}

/// `Patient-everything`: the last part of the URL.
fn id(definition: &digest::Operation) -> &str {
    definition.url.rsplit('/').next().unwrap_or(&definition.url)
}

impl Described {
    fn add(&mut self, offered: &Offered, definition: &digest::Operation) {
        let inputs = definition.parameter.iter().filter(|parameter| parameter.direction == "in");
        let simple: Vec<&OperationParameter> = inputs.filter(|parameter| in_query(parameter).is_some()).collect();
        for parameter in &simple {
            let schema = in_query(parameter).unwrap_or_default();
            let name = format!("{}.{}", id(definition), parameter.name);
            let required = parameter.min > 0;
            let described = json!({
                "name": parameter.name, "in": "query", "schema": schema,
                "description": format!("{}..{} `{}`", parameter.min, parameter.max, parameter.type_name.as_deref().unwrap_or_default()),
            });
            self.parameters.insert(name.clone(), described);
            if required {
                self.parameters[&name]["required"] = json!(true);
            }
        }
        for base in &definition.resource {
            let (tag, path) = match base.as_str() {
                "Resource" => (ANY_TYPE, "/{type}".to_owned()),
                name => (name, format!("/{name}")),
            };
            let of_type: &[&str] = if base == "Resource" { &["type"] } else { &[] };
            if definition.on_type {
                let at = format!("{path}/${}", definition.code);
                self.insert(offered, definition, &simple, (tag, "Type"), at, of_type);
            }
            if definition.instance {
                let at = format!("{path}/{{id}}/${}", definition.code);
                self.insert(offered, definition, &simple, (tag, "Instance"), at, &[of_type, &["id"]].concat());
            }
            if offered.on_version {
                let at = format!("{path}/{{id}}/_history/{{version}}/${}", definition.code);
                self.insert(
                    offered,
                    definition,
                    &simple,
                    (tag, "Version"),
                    at,
                    &[of_type, &["id", "version"]].concat(),
                );
            }
        }
        if definition.system || offered.on_system {
            let at = format!("/${}", definition.code);
            self.insert(offered, definition, &simple, (SYSTEM, "System"), at, &[]);
        }
    }

    fn insert(
        &mut self,
        offered: &Offered,
        definition: &digest::Operation,
        simple: &[&OperationParameter],
        (tag, level): (&str, &str),
        path: String,
        of_path: &[&str],
    ) {
        let shared = of_path.iter().map(|name| reference(name));
        let own = simple.iter().map(|parameter| reference(&format!("{}.{}", id(definition), parameter.name)));
        let of_format = ["_format", "_pretty"].map(reference);
        let operation = |method: &str| {
            let name = format!("{}{level}{method}", id(definition).replace('-', ""));
            let about = format!("[{}]({})", definition.url, definition.url);
            Operation::new(tag, &name, &format!("${}", definition.code), "operations.html").about(&about)
        };
        let answers = [("200", "OperationResult")];
        let mut methods = Map::new();
        if !offered.affects_state && (matches!(level, "Instance" | "Version") || !offered.needs_body) {
            let parameters = shared.clone().chain(own).chain(of_format.clone());
            methods.insert("get".to_owned(), operation("Get").references(parameters).answers(&answers));
        }
        let post = operation("Post").references(shared.chain(of_format)).body("Parameters").answers(&answers);
        methods.insert("post".to_owned(), post);
        self.paths.insert(path, Value::Object(methods));
    }
}

/// The schema of what can stand in a query: "only simple parameters (no complex types)", and codings as searches write
/// them.
fn in_query(parameter: &OperationParameter) -> Option<Value> {
    let name = parameter.type_name.as_deref()?;
    let one = match name {
        "boolean" => json!({ "type": "boolean" }),
        "integer" | "positiveInt" | "unsignedInt" => json!({ "type": "integer" }),
        "decimal" => json!({ "type": "number" }),
        "Coding" => json!({ "type": "string", "description": "`system|code`" }),
        name if name.starts_with(|letter: char| letter.is_ascii_lowercase()) => json!({ "type": "string" }),
        _ => return None,
    };
    Some(if parameter.max == "1" { one } else { json!({ "type": "array", "items": one }) })
}
