//! The walk itself: the JSON tree beside the element tables.

use std::borrow::Cow;

use serde_json::{Map, Value};
use vesta_runtime::schema::{ElementDefinition, ElementType, Kind, Schema, Strength, TypeDefinition};

use super::path::Path;
use super::{MAXIMUM_ISSUES, primitive, reference};
use crate::fhir::{Issue, IssueType};

pub(super) struct Walk<'a> {
    schema: &'static Schema,
    /// `Element`: what `_property` holds.
    element: Option<&'static TypeDefinition>,
    path: Path<'a>,
    /// The contained resources of the resource (not itself contained) that the walk is in.
    contained: Option<&'a Value>,
    is_contained: bool,
    issues: Vec<Issue>,
    left_out: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(schema: &'static Schema) -> Walk<'a> {
        Walk {
            schema,
            element: schema.get("Element"),
            path: Path::default(),
            contained: None,
            is_contained: false,
            issues: Vec::new(),
            left_out: 0,
        }
    }

    pub(super) fn finish(mut self) -> Vec<Issue> {
        if self.left_out > 0 {
            self.issues.push(Issue::information(format!(
                "{} further issues are not listed: correct these first.",
                self.left_out
            )));
        }
        self.issues
    }

    fn report(&mut self, code: IssueType, expression: String, diagnostics: impl Into<Cow<'static, str>>) {
        if self.issues.len() < MAXIMUM_ISSUES {
            self.issues.push(Issue::error(code, diagnostics).at(expression));
        } else {
            self.left_out += 1;
        }
    }

    fn report_here(&mut self, code: IssueType, diagnostics: impl Into<Cow<'static, str>>) {
        let place = self.path.to_string();
        self.report(code, place, diagnostics);
    }

    pub(super) fn root(&mut self, resource: &'a Value) {
        match super::resource_type(self.schema, resource) {
            Ok(name) => {
                self.path.push(name);
                self.resource(resource);
                self.path.pop();
            }
            Err(issue) => self.issues.push(issue),
        }
    }

    /// A resource whose place is on the path already: the root, a contained one, `Bundle.entry.resource`.
    fn resource(&mut self, resource: &'a Value) {
        let name = match super::resource_type(self.schema, resource) {
            Ok(name) => name,
            Err(issue) => {
                let place = self.path.to_string();
                self.report(issue.code, place, issue.diagnostics);
                return;
            }
        };
        let (Some(definition), Value::Object(object)) = (self.schema.resource(name), resource) else { return };
        if self.is_contained {
            self.contained_rules(object);
            self.object(definition, object);
        } else {
            let outer = std::mem::replace(&mut self.contained, object.get("contained"));
            self.object(definition, object);
            self.contained = outer;
        }
    }

    /// dom-2, dom-4 and dom-5 of <https://hl7.org/fhir/R4/domainresource.html#invs>
    fn contained_rules(&mut self, object: &Map<String, Value>) {
        if object.contains_key("contained") {
            let place = self.path.child("contained");
            self.report(
                IssueType::Structure,
                place,
                "A contained resource contains no other (dom-2): put it into the outermost resource.",
            );
        }
        let Some(Value::Object(meta)) = object.get("meta") else { return };
        for (property, rule) in [("versionId", "dom-4"), ("lastUpdated", "dom-4"), ("security", "dom-5")] {
            if meta.contains_key(property) {
                let place = self.path.child(&format!("meta.{property}"));
                self.report(
                    IssueType::Structure,
                    place,
                    format!("A contained resource has no `meta.{property}` ({rule}): leave it out."),
                );
            }
        }
    }

    fn object(&mut self, definition: &'static TypeDefinition, object: &'a Map<String, Value>) {
        if object.is_empty() {
            self.report_here(
                IssueType::Structure,
                "This object is empty: leave the property out, or give it a value. An element is never empty.",
            );
            return;
        }
        // A bit an element: no type of R4 has as many as 128.
        let mut seen = 0_u128;
        // Properties mostly come in the order of the definition: the search for the next begins where the last ended.
        let mut next = 0;
        for (property, value) in object {
            let (name, is_sibling) = match property.strip_prefix('_') {
                Some(name) => (name, true),
                None => (property.as_str(), false),
            };
            let Some((index, element_type)) = find(definition, name, next) else {
                self.unknown(definition, property);
                continue;
            };
            let element = &definition.elements[index];
            next = index;
            if seen & (1 << index) != 0 && element.is_choice {
                self.one_choice(element, element_type, object, is_sibling);
            }
            seen |= 1 << index;
            self.path.push(element.name);
            if is_sibling {
                self.sibling(element, element_type, property, value, object.get(name));
            } else {
                self.property(element, element_type, value, object);
            }
            self.path.pop();
        }
        self.required(definition, seen);
        if definition.name == "Extension" {
            self.extension(object);
        }
    }

    /// Elements that must be there and are not.
    fn required(&mut self, definition: &'static TypeDefinition, seen: u128) {
        for (index, element) in definition.elements.iter().enumerate() {
            if element.min == 0 || seen & (1 << index) != 0 || definition.kind == Kind::Primitive {
                continue;
            }
            let place = self.path.child(element.name);
            let hint = if element.is_choice {
                format!("`{}[x]` is required: give one of {}.", element.name, choices(element))
            } else if element.max > 1 {
                format!("`{}` is required: give at least {}.", element.name, element.min)
            } else {
                format!("`{}` is required: give a value of type {}.", element.name, types(element))
            };
            self.report(IssueType::Required, place, hint);
        }
    }

    /// ext-1 of <https://hl7.org/fhir/R4/extensibility.html#Extension>: "Must have either extensions or value[x], not
    /// both".
    fn extension(&mut self, object: &Map<String, Value>) {
        let has_value = object.keys().any(|key| key.starts_with("value") || key.starts_with("_value"));
        if has_value == object.contains_key("extension") {
            self.report_here(
                IssueType::Structure,
                "An extension has either a value[x] or extensions of its own (ext-1): give one of the two.",
            );
        }
    }

    fn unknown(&mut self, definition: &'static TypeDefinition, property: &str) {
        if property == "resourceType" && definition.kind == Kind::Resource {
            return;
        }
        let place = self.path.child(property);
        let name = definition.name;
        let choice = definition.elements.iter().find(|element| element.is_choice && element.name == property);
        let hint = match choice {
            Some(element) => {
                format!("`{property}` is a choice of types: its name in JSON tells which, one of {}.", choices(element))
            }
            None => format!(
                "`{property}` is not an element of {name}: see https://hl7.org/fhir/R4/{}, or use an extension.",
                page(name)
            ),
        };
        self.report(IssueType::Structure, place, hint);
    }

    /// A second property of a choice element: only `valueString` with `_valueString` may stand together.
    fn one_choice(
        &mut self,
        element: &ElementDefinition,
        element_type: &ElementType,
        object: &Map<String, Value>,
        is_sibling: bool,
    ) {
        let together = if is_sibling {
            object.contains_key(element_type.property)
        } else {
            object.contains_key(&format!("_{}", element_type.property))
        };
        let others = element.types.iter().any(|other| {
            other.property != element_type.property
                && (object.contains_key(other.property) || object.contains_key(&format!("_{}", other.property)))
        });
        if others || !together {
            let place = self.path.child(element.name);
            self.report(
                IssueType::Structure,
                place,
                format!("`{}[x]` has one value of one type: give only one of {}.", element.name, choices(element)),
            );
        }
    }

    fn property(
        &mut self,
        element: &'static ElementDefinition,
        element_type: &'static ElementType,
        value: &'a Value,
        object: &'a Map<String, Value>,
    ) {
        match (value, element.max) {
            (Value::Array(_), 0 | 1) => {
                self.report_here(
                    IssueType::Structure,
                    format!("`{}` does not repeat: give one value, not an array.", element_type.property),
                );
            }
            (Value::Array(values), max) => {
                if values.is_empty() {
                    self.report_here(
                        IssueType::Structure,
                        "This array is empty: leave the property out. An array has at least one value.",
                    );
                } else {
                    self.count(element, values.len());
                }
                debug_assert!(max > 1);
                for (index, value) in values.iter().enumerate() {
                    self.path.index(Some(index));
                    if value.is_null() && element_type.definition.kind == Kind::Primitive {
                        let partner = partner(object, element_type.property).and_then(|partner| partner.get(index));
                        if partner.is_none_or(Value::is_null) {
                            self.report_here(
                                IssueType::Structure,
                                "null stands only where the array with `_` before its name has the id or extensions of this value.",
                            );
                        }
                    } else {
                        self.value(element, element_type, value);
                    }
                }
                self.path.index(None);
            }
            (Value::Null, _) => {
                self.report_here(IssueType::Structure, "null is no value: leave the property out.");
            }
            (_, max) if max > 1 => {
                self.report_here(
                    IssueType::Structure,
                    format!("`{}` repeats: give an array, for one value too.", element_type.property),
                );
                self.value(element, element_type, value);
            }
            _ => self.value(element, element_type, value),
        }
    }

    fn count(&mut self, element: &ElementDefinition, count: usize) {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        if count < element.min || count > element.max {
            self.report_here(
                IssueType::Structure,
                format!("`{}` has {count} values: from {} to {} are allowed.", element.name, element.min, element.max),
            );
        }
    }

    /// `_birthDate`: the id and extensions of a primitive; an array of them, filled with null, for one that repeats.
    /// <https://hl7.org/fhir/R4/json.html#primitive>
    fn sibling(
        &mut self,
        element: &'static ElementDefinition,
        element_type: &'static ElementType,
        property: &str,
        value: &'a Value,
        primitive: Option<&'a Value>,
    ) {
        if element_type.definition.kind != Kind::Primitive {
            self.report_here(
                IssueType::Structure,
                format!(
                    "`{property}` is for primitives: the id and extensions of this {} stand inside it.",
                    element_type.definition.name
                ),
            );
            return;
        }
        let Some(definition) = self.element else { return };
        match value {
            Value::Object(object) if element.max <= 1 => self.object(definition, object),
            Value::Array(values) if element.max > 1 => {
                if let Some(Value::Array(primitives)) = primitive {
                    if primitives.len() != values.len() {
                        self.report_here(
                            IssueType::Structure,
                            format!(
                                "`{property}` and the array without `_` are of different length: fill up with null."
                            ),
                        );
                    }
                } else if values.iter().all(Value::is_null) {
                    self.report_here(
                        IssueType::Structure,
                        format!("`{property}` holds nothing but null: leave the property out."),
                    );
                }
                for (index, value) in values.iter().enumerate() {
                    self.path.index(Some(index));
                    match value {
                        Value::Object(object) => self.object(definition, object),
                        Value::Null => {}
                        _ => self.report_here(
                            IssueType::Structure,
                            format!("`{property}` holds objects with `id` and `extension`, and null."),
                        ),
                    }
                }
                self.path.index(None);
            }
            _ if element.max > 1 => self.report_here(
                IssueType::Structure,
                format!("`{property}` is an array of objects with `id` and `extension`, and null."),
            ),
            _ => {
                self.report_here(IssueType::Structure, format!("`{property}` is an object with `id` and `extension`."))
            }
        }
    }

    /// One value of an element.
    fn value(&mut self, element: &'static ElementDefinition, element_type: &'static ElementType, value: &'a Value) {
        let definition = element_type.definition;
        match definition.kind {
            Kind::Primitive => self.primitive(element, definition, value),
            Kind::Resource => {
                if element.name == "contained" && !self.is_contained {
                    self.is_contained = true;
                    self.resource(value);
                    self.is_contained = false;
                } else if element.name != "contained" {
                    // A resource in Bundle.entry or Parameters.parameter begins anew, also inside a contained one.
                    let outer = std::mem::replace(&mut self.is_contained, false);
                    self.resource(value);
                    self.is_contained = outer;
                }
            }
            Kind::Complex | Kind::Backbone => {
                let Value::Object(object) = value else {
                    self.report_here(
                        IssueType::Structure,
                        format!("This is an object with the elements of {}.", definition.name),
                    );
                    return;
                };
                self.object(definition, object);
                if definition.name == "Reference" {
                    self.reference(element_type, object);
                }
            }
        }
    }

    fn primitive(&mut self, element: &ElementDefinition, definition: &'static TypeDefinition, value: &Value) {
        if let Err(wrong) = primitive::check(definition.name, value) {
            let code = if value.is_string() || value.is_number() { IssueType::Value } else { IssueType::Structure };
            self.report_here(code, format!("A {} {wrong}.", definition.name));
            return;
        }
        let codes = element
            .binding
            .filter(|binding| binding.strength == Strength::Required)
            .and_then(|binding| Some((binding, binding.codes?)));
        if let (Some((binding, codes)), Value::String(code)) = (codes, value)
            && codes.binary_search(&code.as_str()).is_err()
        {
            self.report_here(
                IssueType::CodeInvalid,
                format!(
                    "This code is not in the required value set {}: give one of {}.",
                    binding.value_set,
                    list(codes)
                ),
            );
        }
    }

    fn reference(&mut self, element_type: &ElementType, object: &'a Map<String, Value>) {
        match reference::check(self.schema, object, element_type.targets, self.contained) {
            Ok(()) => {}
            Err(reference::Wrong::Target(found)) => {
                let allowed = list(element_type.targets);
                self.report_here(
                    IssueType::Value,
                    format!("This refers to a {found}: `{}` refers to one of {allowed}.", element_type.property),
                );
            }
            Err(reference::Wrong::Conditional) => {
                let place = self.path.child("reference");
                self.report(
                    IssueType::Value,
                    place,
                    "A conditional reference (`Patient?identifier=…`) is resolved in a transaction Bundle only: here, give the literal reference.",
                );
            }
        }
    }
}

/// The element and type of a JSON property, looked for from the `next` element on, then from the first.
fn find(definition: &'static TypeDefinition, property: &str, next: usize) -> Option<(usize, &'static ElementType)> {
    let elements = definition.elements;
    let (before, after) = elements.split_at(next.min(elements.len()));
    let in_order = after.iter().enumerate().map(|(index, element)| (before.len() + index, element));
    in_order.chain(before.iter().enumerate()).find_map(|(index, element)| {
        let named = property.strip_prefix(element.name)?;
        // `value` of a choice is not the property: `valueQuantity` is.
        if named.is_empty() == element.is_choice {
            return None;
        }
        let found = element.types.iter().find(|element_type| element_type.property == property)?;
        Some((index, found))
    })
}

fn partner<'a>(object: &'a Map<String, Value>, property: &str) -> Option<&'a Vec<Value>> {
    object.get(&format!("_{property}"))?.as_array()
}

fn choices(element: &ElementDefinition) -> String {
    list(&element.types.iter().map(|element_type| element_type.property).collect::<Vec<_>>())
}

fn types(element: &ElementDefinition) -> String {
    list(&element.types.iter().map(|element_type| element_type.definition.name).collect::<Vec<_>>())
}

/// Names for a message: all of a few, else the first ones.
fn list(names: &[&str]) -> String {
    const SHOWN: usize = 12;
    if names.len() <= SHOWN {
        names.join(", ")
    } else {
        format!("{} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN)
    }
}

/// The page of the specification that defines a type.
fn page(name: &str) -> Cow<'static, str> {
    let outer = name.split('.').next().unwrap_or(name);
    match outer {
        "Extension" => Cow::Borrowed("extensibility.html"),
        "Reference" => Cow::Borrowed("references.html"),
        "Meta" => Cow::Borrowed("resource.html#Meta"),
        "Narrative" => Cow::Borrowed("narrative.html"),
        "Dosage" => Cow::Borrowed("dosage.html"),
        "Element" => Cow::Borrowed("element.html"),
        "ElementDefinition" => Cow::Borrowed("elementdefinition.html"),
        "Identifier" | "HumanName" | "Address" | "ContactPoint" | "Timing" | "Signature" | "Annotation"
        | "Attachment" | "CodeableConcept" | "Coding" | "Money" | "Period" | "Quantity" | "Range" | "Ratio"
        | "SampledData" | "Age" | "Count" | "Distance" | "Duration" => Cow::Owned(format!("datatypes.html#{outer}")),
        _ => Cow::Owned(format!("{}.html", outer.to_ascii_lowercase())),
    }
}
