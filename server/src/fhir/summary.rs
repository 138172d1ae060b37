//! `_summary` and `_elements`: parts of a resource, marked as such.
//! <https://hl7.org/fhir/R4/search.html#summary>, <https://hl7.org/fhir/R4/search.html#elements>

use serde_json::{Map, Value, json};
use vesta_runtime::schema::{ElementDefinition, Kind as TypeKind, Schema, TypeDefinition};

use super::outcome::{Error, Issue, IssueType, Kind};

/// Which part of each resource is returned.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Subset {
    /// Everything: the stored bytes as they are.
    #[default]
    Whole,
    /// `_summary=true`
    Summary,
    /// `_summary=text`
    Text,
    /// `_summary=data`
    Data,
    /// `_summary=count`: no resource at all, only the total of a search.
    Count,
    /// `_elements`: names of elements at the root of a resource.
    Elements(Vec<String>),
}

impl Subset {
    /// Reads `_summary` and `_elements` from the parameters of an interaction on `definition` (none: on any type).
    pub(super) fn parse(
        definition: Option<&'static TypeDefinition>,
        parameters: &[(String, String)],
    ) -> Result<Subset, Error> {
        let mut subset = Subset::Whole;
        let mut elements = Vec::new();
        let of_summary = |text: &'static str| {
            Error::from_issue(Kind::Invalid, Issue::error(IssueType::Invalid, text).of_parameter("_summary"))
        };
        if parameters.iter().filter(|(name, _)| name == "_summary").count() > 1 {
            return Err(of_summary("`_summary` is there more than once: give it once."));
        }
        for (name, value) in parameters {
            match name.as_str() {
                "_summary" => {
                    subset = match value.as_str() {
                        "true" => Subset::Summary,
                        "text" => Subset::Text,
                        "data" => Subset::Data,
                        "count" => Subset::Count,
                        "false" => Subset::Whole,
                        _ => return Err(of_summary("`_summary` is one of true, text, data, count and false.")),
                    }
                }
                "_elements" => elements.extend(value.split(',').map(|name| name.trim().to_owned())),
                _ => {}
            }
        }
        if elements.is_empty() {
            return Ok(subset);
        }
        if subset != Subset::Whole {
            return Err(of_summary("`_summary` and `_elements` exclude each other: give one of them."));
        }
        if let Some(definition) = definition {
            let unknown: Vec<_> =
                elements.iter().filter(|name| find(definition, name).is_none()).map(String::as_str).collect();
            if !unknown.is_empty() {
                let issue = Issue::error(
                    IssueType::Value,
                    format!(
                        "`_elements` names what is no element at the root of {}: {}.",
                        definition.name,
                        unknown.join(", ")
                    ),
                )
                .of_parameter("_elements");
                return Err(Error::from_issue(Kind::Invalid, issue));
            }
        }
        Ok(Subset::Elements(elements))
    }

    /// Cuts a resource down, and marks it.
    pub(super) fn apply(&self, schema: &'static Schema, resource: &mut Value) {
        let Value::Object(object) = resource else { return };
        if matches!(self, Subset::Whole | Subset::Count) {
            return;
        }
        let definition = object.get("resourceType").and_then(Value::as_str).and_then(|name| schema.resource(name));
        let Some(definition) = definition else { return };
        match self {
            Subset::Summary => summary(schema, definition, object),
            Subset::Text => {
                keep(definition, object, |element| matches!(element.name, "text" | "id" | "meta") || element.min > 0)
            }
            Subset::Data => keep(definition, object, |element| element.name != "text"),
            Subset::Elements(names) => keep(definition, object, |element| {
                // "Servers SHOULD always return mandatory elements whether they are requested or not", and those
                // that modify the meaning; without id and meta the client could not tell what it has.
                element.min > 0
                    || element.is_modifier
                    || matches!(element.name, "id" | "meta")
                    || names.iter().any(|name| names_element(name, element))
            }),
            Subset::Whole | Subset::Count => {}
        }
        mark(object);
    }

    /// The bytes of a stored resource, cut down.
    pub(super) fn bytes(&self, schema: &'static Schema, stored: &[u8]) -> Result<Vec<u8>, Error> {
        let mut resource = vesta_runtime::json::parse(stored)
            .map_err(|error| Error::new(Kind::Internal, "A stored resource cannot be read.").caused_by(error))?;
        self.apply(schema, &mut resource);
        Ok(resource.to_string().into_bytes())
    }
}

/// `value` and `value[x]` and `valueQuantity` all name the element `value[x]`.
fn names_element(name: &str, element: &ElementDefinition) -> bool {
    name.strip_suffix("[x]").unwrap_or(name) == element.name
        || (element.is_choice && element.types.iter().any(|element_type| element_type.property == name))
}

fn find(definition: &'static TypeDefinition, name: &str) -> Option<&'static ElementDefinition> {
    definition.elements.iter().find(|element| names_element(name, element))
}

/// The element of a JSON property, `_birthDate` included.
fn element_of(definition: &'static TypeDefinition, property: &str) -> Option<&'static ElementDefinition> {
    definition.property(property.strip_prefix('_').unwrap_or(property)).map(|(element, _)| element)
}

fn keep(
    definition: &'static TypeDefinition,
    object: &mut Map<String, Value>,
    wanted: impl Fn(&ElementDefinition) -> bool,
) {
    object.retain(|property, _| property == "resourceType" || element_of(definition, property).is_some_and(&wanted));
}

/// The elements that the specification marks as summary, at all depths; a data type that marks none is kept whole.
fn summary(schema: &'static Schema, definition: &'static TypeDefinition, object: &mut Map<String, Value>) {
    keep(definition, object, |element| element.is_summary || element.is_modifier || element.min > 0);
    for (property, value) in object.iter_mut() {
        let Some((_, element_type)) = definition.property(property) else { continue };
        let inner = element_type.definition;
        match inner.kind {
            TypeKind::Primitive => {}
            TypeKind::Resource => each_object(value, &mut |object| {
                let name = object.get("resourceType").and_then(Value::as_str);
                if let Some(definition) = name.and_then(|name| schema.resource(name)) {
                    summary(schema, definition, object);
                }
            }),
            TypeKind::Complex | TypeKind::Backbone => {
                let marks =
                    inner.elements.iter().any(|element| element.is_summary && element.name != "modifierExtension");
                if marks {
                    each_object(value, &mut |object| summary(schema, inner, object));
                }
            }
        }
    }
}

fn each_object(value: &mut Value, change: &mut dyn FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => change(object),
        Value::Array(values) => values.iter_mut().filter_map(Value::as_object_mut).for_each(change),
        _ => {}
    }
}

/// The tag SUBSETTED: such a resource must not be sent back as if it were whole.
fn mark(object: &mut Map<String, Value>) {
    let tag = json!({
        "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
        "code": "SUBSETTED",
        "display": "Resource encoded in summary mode"
    });
    let meta = object.entry("meta").or_insert_with(|| json!({}));
    match meta.get_mut("tag") {
        Some(Value::Array(tags)) => tags.push(tag),
        _ => meta["tag"] = json!([tag]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vesta_fhir::SCHEMA;

    fn patient() -> Value {
        json!({
            "resourceType": "Patient", "id": "1", "meta": { "versionId": "1", "tag": [{ "code": "a" }] },
            "text": { "status": "generated", "div": "<div>a</div>" },
            "extension": [{ "url": "http://a", "valueString": "a" }],
            "name": [{ "family": "a", "extension": [{ "url": "http://a", "valueString": "a" }] }],
            "birthDate": "1980", "_birthDate": { "id": "x" }, "maritalStatus": { "text": "a" },
            "photo": [{ "contentType": "image/png", "data": "YWJj" }],
            "contact": [{ "name": { "text": "a" } }],
            "link": [{ "id": "l", "other": { "reference": "Patient/2" }, "type": "seealso" }]
        })
    }

    fn cut(parameters: &[(&str, &str)]) -> Value {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut resource = patient();
        Subset::parse(SCHEMA.resource("Patient"), &parameters).unwrap().apply(&SCHEMA, &mut resource);
        resource
    }

    fn properties(resource: &Value) -> Vec<&str> {
        resource.as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn a_summary_has_the_elements_marked_so_at_all_depths_and_is_tagged() {
        let resource = cut(&[("_summary", "true")]);
        assert_eq!(properties(&resource), ["resourceType", "id", "meta", "name", "birthDate", "_birthDate", "link"]);
        assert_eq!(resource["name"], json!([{ "family": "a" }]));
        assert_eq!(resource["link"][0]["type"], "seealso");
        assert_eq!(resource["meta"]["tag"][0]["code"], "a");
        assert_eq!(resource["meta"]["tag"][1]["code"], "SUBSETTED");
    }

    #[test]
    fn text_data_and_false() {
        assert_eq!(properties(&cut(&[("_summary", "text")])), ["resourceType", "id", "meta", "text"]);
        let data = cut(&[("_summary", "data")]);
        assert_eq!(properties(&data).len(), properties(&patient()).len() - 1);
        assert_eq!(data["meta"]["tag"][1]["code"], "SUBSETTED");
        assert_eq!(cut(&[("_summary", "false")]), patient());
    }

    #[test]
    fn elements_come_with_the_mandatory_and_the_modifying_ones() {
        let resource = cut(&[("_elements", "birthDate,maritalStatus")]);
        assert_eq!(
            properties(&resource),
            ["resourceType", "id", "meta", "birthDate", "_birthDate", "maritalStatus", "link"]
        );
        assert_eq!(resource["meta"]["tag"][1]["code"], "SUBSETTED");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let refused = |parameters: &[(&str, &str)]| {
            let parameters: Vec<_> =
                parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Subset::parse(SCHEMA.resource("Patient"), &parameters).unwrap_err().to_string()
        };
        assert!(refused(&[("_summary", "all")]).contains("one of true"));
        assert!(refused(&[("_elements", "nmae")]).contains("nmae"));
        assert!(refused(&[("_elements", "name"), ("_summary", "true")]).contains("exclude"));
        let value =
            Subset::parse(SCHEMA.resource("Observation"), &[("_elements".to_owned(), "valueQuantity".to_owned())]);
        assert_eq!(value.unwrap(), Subset::Elements(vec!["valueQuantity".to_owned()]));
    }
}
