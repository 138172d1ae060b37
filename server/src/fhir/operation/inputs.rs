//! What an operation was given, checked against its definition: names, cardinalities and types.
//! <https://hl7.org/fhir/R4/operations.html#request>
//!
//! By GET, and beside a body by POST, simple parameters stand in the query. By POST all stand in a Parameters
//! resource; or the body is the one resource that the operation takes.

use serde_json::{Map, Value, json};
use vesta_runtime::operation::{OperationDefinition, OperationParameter};
use vesta_runtime::schema::{Kind as TypeKind, Schema, TypeDefinition};

use super::Offered;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::query::shown;
use crate::fhir::service::parse_json;
use crate::search::{escape, split, unescape};
use crate::validate;

/// The parameters that came.
#[derive(Debug, Default)]
pub(in crate::fhir) struct Inputs {
    values: Vec<(&'static str, Value)>,
    /// Search parameters beside those of the definition, where the operation takes such.
    pub(in crate::fhir) search: Vec<(String, String)>,
    /// Where a page goes on.
    pub(in crate::fhir) cursor: Option<String>,
}

impl Inputs {
    pub(super) fn read(
        schema: &'static Schema,
        definition: &'static OperationDefinition,
        offered: &Offered,
        query: &[(String, String)],
        body: Option<&[u8]>,
    ) -> Result<Inputs, Error> {
        let mut reader = Reader { schema, definition, offered, inputs: Inputs::default(), issues: Vec::new() };
        for (name, text) in query {
            reader.query(name, text);
        }
        if let Some(body) = body.filter(|body| !body.is_empty()) {
            reader.body(parse_json(body)?);
        }
        reader.cardinalities();
        if reader.issues.is_empty() { Ok(reader.inputs) } else { Err(Error::from_issues(Kind::Invalid, reader.issues)) }
    }

    /// All values of a parameter; a resource or the value of an element.
    pub(in crate::fhir) fn all(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.values.iter().filter(move |(given, _)| *given == name).map(|(_, value)| value)
    }

    pub(in crate::fhir) fn one(&self, name: &str) -> Option<&Value> {
        self.all(name).next()
    }

    pub(in crate::fhir) fn text(&self, name: &str) -> Option<&str> {
        self.one(name)?.as_str()
    }

    pub(in crate::fhir) fn boolean(&self, name: &str) -> Option<bool> {
        self.one(name)?.as_bool()
    }

    pub(in crate::fhir) fn number(&self, name: &str) -> Option<i64> {
        self.one(name)?.as_i64()
    }

    /// Of a parameter that repeats and whose values may hold several with commas between them.
    pub(in crate::fhir) fn listed(&self, name: &str) -> Vec<&str> {
        let texts = self.all(name).filter_map(Value::as_str);
        texts.flat_map(|text| text.split(',')).map(str::trim).filter(|text| !text.is_empty()).collect()
    }

    /// The simple parameters as a query has them, for the links of a page.
    pub(in crate::fhir) fn query(&self) -> Vec<(&str, String)> {
        let simple = self.values.iter().filter_map(|(name, value)| match value {
            Value::String(text) => Some((*name, text.clone())),
            Value::Bool(_) | Value::Number(_) => Some((*name, value.to_string())),
            Value::Object(coding) => {
                let part = |name: &str| coding.get(name).and_then(Value::as_str).map(escape);
                Some((*name, format!("{}|{}", part("system").unwrap_or_default(), part("code")?)))
            }
            _ => None,
        });
        simple.collect()
    }
}

struct Reader<'a> {
    schema: &'static Schema,
    definition: &'static OperationDefinition,
    offered: &'a Offered,
    inputs: Inputs,
    issues: Vec<Issue>,
}

impl Reader<'_> {
    fn fail(&mut self, code: IssueType, text: String, place: Option<String>) {
        let issue = Issue::error(code, text);
        self.issues.push(match place {
            Some(place) => issue.at(place),
            None => issue,
        });
    }

    fn type_of(&self, parameter: &OperationParameter) -> Option<&'static TypeDefinition> {
        self.schema.get(parameter.type_name?)
    }

    fn query(&mut self, name: &str, text: &str) {
        if name == "_cursor" && self.offered.is_paged {
            self.inputs.cursor = Some(text.to_owned());
            return;
        }
        let Some(parameter) = self.definition.input(name) else {
            if self.offered.takes_search {
                self.inputs.search.push((name.to_owned(), text.to_owned()));
            } else {
                self.unknown(name, None);
            }
            return;
        };
        // Codes are written as a search has tokens: several of them with commas between.
        let texts = match parameter.type_name {
            Some("Coding") if parameter.max > 1 => split(text, ','),
            _ => vec![text],
        };
        for text in texts {
            match simple(self.type_of(parameter), text) {
                Ok(value) => self.inputs.values.push((parameter.name, value)),
                Err(expected) => {
                    let text = format!("`{}` {expected}.", parameter.name);
                    self.fail(IssueType::Value, text, None);
                }
            }
        }
    }

    fn unknown(&mut self, name: &str, place: Option<String>) {
        let mut known: Vec<String> =
            self.definition.inputs.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
        if known.is_empty() {
            known.push("none".to_owned());
        }
        let text = format!(
            "{} is no parameter of ${}; it takes {}: see {}",
            shown(name),
            self.definition.code,
            known.join(", "),
            self.definition.url
        );
        self.fail(IssueType::NotSupported, text, place);
    }

    fn body(&mut self, body: Value) {
        let name = match validate::resource_type(self.schema, &body) {
            Ok(name) => name,
            Err(issue) => return self.issues.push(issue),
        };
        if name != "Parameters" {
            let name = name.to_owned();
            return self.only_resource(&name, body);
        }
        let Value::Object(mut parameters) = body else { return };
        let given = match parameters.get_mut("parameter") {
            Some(Value::Array(given)) => take_resources(given),
            _ => Vec::new(),
        };
        // The resources inside are the operation's to check: `$validate` tells what is wrong with them.
        let parameters = Value::Object(parameters);
        let issues = validate::validate(self.schema, &parameters);
        if !issues.is_empty() {
            self.issues.extend(issues);
            return;
        }
        let elements = parameters.get("parameter").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (index, (element, resource)) in elements.iter().zip(given).enumerate() {
            if let Value::Object(element) = element {
                self.parameter(element, resource, format!("Parameters.parameter[{index}]"));
            }
        }
    }

    /// "… the operation can also be executed by a POST with that resource as the body of the request."
    fn only_resource(&mut self, name: &str, body: Value) {
        let takes = self.definition.inputs.iter().filter(|parameter| {
            self.type_of(parameter).is_some_and(|definition| definition.kind == TypeKind::Resource)
        });
        match takes.collect::<Vec<_>>().as_slice() {
            [parameter] if self.accepts(parameter, name) => self.inputs.values.push((parameter.name, body)),
            _ => {
                let text = format!("The body is a {name}: ${} takes a Parameters resource.", self.definition.code);
                self.fail(IssueType::Invalid, text, Some(name.to_owned()));
            }
        }
    }

    /// Whether a parameter is of this type, or of one that it specialises.
    fn accepts(&self, parameter: &OperationParameter, found: &str) -> bool {
        let Some(wanted) = parameter.type_name else { return false };
        wanted == "Any" || self.schema.get(found).is_some_and(|definition| definition.is_a(wanted))
    }

    fn parameter(&mut self, element: &Map<String, Value>, resource: Option<Value>, place: String) {
        let name = element.get("name").and_then(Value::as_str).unwrap_or_default();
        let value = element.iter().find(|(property, _)| property.starts_with("value"));
        let Some(parameter) = self.definition.input(name) else {
            match value {
                Some((_, Value::String(text))) if self.offered.takes_search => {
                    self.inputs.search.push((name.to_owned(), text.clone()));
                }
                _ => self.unknown(name, Some(place)),
            }
            return;
        };
        if parameter.type_name.is_none() {
            let parts = element.get("part").cloned().unwrap_or_else(|| json!([]));
            self.inputs.values.push((parameter.name, parts));
            return;
        }
        let found = match (&resource, value) {
            (Some(resource), _) => validate::resource_type(self.schema, resource).ok().map(str::to_owned),
            (None, Some((property, _))) => type_of_value(self.schema, property).map(|found| found.name.to_owned()),
            (None, None) => None,
        };
        match (found, resource, value) {
            (Some(found), resource, value) if self.accepts(parameter, &found) => {
                let value = resource.or_else(|| value.map(|(_, value)| value.clone())).unwrap_or_default();
                self.inputs.values.push((parameter.name, value));
            }
            // A resource whose type cannot be told is for an operation that takes any.
            (None, Some(resource), _) if parameter.type_name == Some("Resource") => {
                self.inputs.values.push((parameter.name, resource));
            }
            (found, ..) => {
                let wanted = parameter.type_name.unwrap_or_default();
                let property = match self.type_of(parameter) {
                    Some(definition) if definition.kind == TypeKind::Resource => "resource".to_owned(),
                    _ => value_property(wanted),
                };
                let found = found.as_deref().unwrap_or("none");
                let text = format!("`{name}` has the type {wanted}, sent as `{property}`; here is {found}.");
                self.fail(IssueType::Structure, text, Some(place));
            }
        }
    }

    fn cardinalities(&mut self) {
        for parameter in self.definition.inputs {
            let count = self.inputs.all(parameter.name).count();
            if count > parameter.max as usize {
                let text = format!("`{}` is given {count} times: at most {} is taken.", parameter.name, parameter.max);
                self.fail(IssueType::Structure, text, None);
            }
            // What is already said of the parameter itself is not said again.
            if count < parameter.min as usize && self.issues.is_empty() {
                let text = format!("`{}` is missing: ${} needs it.", parameter.name, self.definition.code);
                self.fail(IssueType::Required, text, None);
            }
        }
    }
}

/// Takes the resources out of the parameters, so that the envelope can be checked alone.
fn take_resources(given: &mut [Value]) -> Vec<Option<Value>> {
    let take = |parameter: &mut Value| match parameter {
        Value::Object(members) => members.shift_remove("resource"),
        _ => None,
    };
    given.iter_mut().map(take).collect()
}

/// `valueCode` for `code`.
fn value_property(type_name: &str) -> String {
    let (first, rest) = type_name.split_at(1);
    format!("value{}{rest}", first.to_uppercase())
}

/// The type of `valueCode`.
fn type_of_value(schema: &'static Schema, property: &str) -> Option<&'static TypeDefinition> {
    let (_, found) = schema.get("Parameters.parameter")?.property(property)?;
    Some(found.definition)
}

/// A value out of a query, or what was expected.
fn simple(definition: Option<&'static TypeDefinition>, text: &str) -> Result<Value, String> {
    let Some(definition) = definition else { return Err("cannot stand in a query: send it by POST".to_owned()) };
    match (definition.kind, definition.name) {
        (TypeKind::Primitive, name) => {
            let value = match name {
                "boolean" => text.parse().map(Value::Bool).map_err(|_| "is true or false".to_owned())?,
                "integer" | "positiveInt" | "unsignedInt" | "decimal" => {
                    serde_json::from_str::<serde_json::Number>(text)
                        .map(Value::Number)
                        .map_err(|_| "is a number".to_owned())?
                }
                _ => Value::from(text),
            };
            validate::primitive(name, &value).map_err(str::to_owned)?;
            Ok(value)
        }
        // As a search has tokens.
        (_, "Coding") => {
            let (system, code) = match split(text, '|').as_slice() {
                [code] => (String::new(), unescape(code)),
                [system, code] => (unescape(system), unescape(code)),
                _ => return Err("is a code, or system|code".to_owned()),
            };
            let mut coding = Map::new();
            if !system.is_empty() {
                coding.insert("system".to_owned(), Value::from(system));
            }
            if code.is_empty() {
                return Err("is a code, or system|code".to_owned());
            }
            coding.insert("code".to_owned(), Value::from(code));
            Ok(Value::Object(coding))
        }
        _ => Err("cannot stand in a query: send it by POST, in a Parameters resource".to_owned()),
    }
}
