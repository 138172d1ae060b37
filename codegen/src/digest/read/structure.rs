//! StructureDefinition: the snapshot is read, the differential is not.

use std::collections::HashMap;

use serde_json::Value;

use super::{ReadError, Result, extension, extension_text, flag, items, number, required, text, texts};
use crate::digest::{
    AdditionalBinding, Binding, BindingStrength, Constraint, Derivation, Discriminator, Element, ElementType,
    ExtensionContext, Severity, Slicing, Structure, StructureKind, Target, TypedValue,
};

const FHIR_TYPE: &str = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type";
const REGEX: &str = "http://hl7.org/fhir/StructureDefinition/regex";
const TYPE_MUST_SUPPORT: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-type-must-support";
const USCDI_REQUIREMENT: &str = "http://hl7.org/fhir/us/core/StructureDefinition/uscdi-requirement";
const BEST_PRACTICE: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice";
const BINDING_NAME: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-bindingName";
const MAX_VALUE_SET: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet";
const MIN_VALUE_SET: &str = "http://hl7.org/fhir/StructureDefinition/elementdefinition-minValueSet";
const ADDITIONAL_BINDING: &str = "http://hl7.org/fhir/tools/StructureDefinition/additional-binding";

pub(super) fn read(resource: &Value) -> Result<Structure> {
    let url = required(resource, "url")?;
    let kind = match required(resource, "kind")?.as_str() {
        "primitive-type" => StructureKind::PrimitiveType,
        "complex-type" => StructureKind::ComplexType,
        "resource" => StructureKind::Resource,
        "logical" => StructureKind::Logical,
        other => return Err(ReadError(format!("{url}: the kind {other:?} is not one of R4's"))),
    };
    let derivation = match text(resource, "derivation").as_deref() {
        None => None,
        Some("specialization") => Some(Derivation::Specialization),
        Some("constraint") => Some(Derivation::Constraint),
        Some(other) => return Err(ReadError(format!("{url}: the derivation {other:?} is not one of R4's"))),
    };
    let Some(snapshot) = resource.get("snapshot") else {
        let advice = "publish the package with snapshots";
        return Err(ReadError(format!("{url} has no snapshot, only what differs from its base: {advice}")));
    };
    let mut constraints = Constraints::default();
    let elements = items(snapshot, "element").map(|definition| element(definition, &mut constraints));
    let elements =
        elements.collect::<Result<Vec<_>>>().map_err(|ReadError(what)| ReadError(format!("{url}: {what}")))?;
    if elements.is_empty() {
        return Err(ReadError(format!("{url}: the snapshot has no elements")));
    }
    let context = |context: &Value| {
        Ok(ExtensionContext { kind: required(context, "type")?, expression: required(context, "expression")? })
    };
    Ok(Structure {
        version: text(resource, "version"),
        name: required(resource, "name")?,
        kind,
        is_abstract: flag(resource, "abstract"),
        type_name: required(resource, "type")?,
        base_definition: text(resource, "baseDefinition"),
        derivation,
        context: items(resource, "context").map(context).collect::<Result<_>>()?,
        constraints: constraints.list,
        elements,
        url,
    })
}

/// The invariants of a definition, each once.
#[derive(Default)]
struct Constraints {
    list: Vec<Constraint>,
    positions: HashMap<String, usize>,
}

fn element(definition: &Value, constraints: &mut Constraints) -> Result<Element> {
    let id = required(definition, "id")?;
    let path = required(definition, "path")?;
    let mut element = Element {
        min: number(definition, "min").ok_or_else(|| ReadError(format!("{id}: `min` is missing")))?,
        max: required(definition, "max").map_err(|ReadError(what)| ReadError(format!("{id}: {what}")))?,
        id,
        types: items(definition, "type").map(element_type).collect::<Result<_>>()?,
        content_reference: text(definition, "contentReference"),
        slice_name: text(definition, "sliceName"),
        slicing: definition.get("slicing").map(slicing).transpose()?,
        is_summary: flag(definition, "isSummary"),
        is_modifier: flag(definition, "isModifier"),
        must_support: flag(definition, "mustSupport"),
        uscdi_requirement: extension(definition, USCDI_REQUIREMENT).is_some_and(|value| value == true),
        binding: definition.get("binding").map(binding).transpose()?,
        fixed: typed(definition, "fixed"),
        pattern: typed(definition, "pattern"),
        min_value: typed(definition, "minValue"),
        max_value: typed(definition, "maxValue"),
        max_length: number(definition, "maxLength"),
        ..Element::default()
    };
    if element.path() != path {
        let id = &element.id;
        return Err(ReadError(format!("the element id {id} does not agree with its path {path}")));
    }
    for definition in items(definition, "constraint") {
        let constraint = constraint(definition)?;
        match constraints.positions.get(&constraint.key) {
            None => {
                constraints.positions.insert(constraint.key.clone(), constraints.list.len());
                element.constraints.push(constraint.key.clone());
                constraints.list.push(constraint);
            }
            Some(&known) if constraints.list[known] == constraint => element.constraints.push(constraint.key),
            Some(_) => element.own_constraints.push(constraint),
        }
    }
    Ok(element)
}

fn constraint(definition: &Value) -> Result<Constraint> {
    let key = required(definition, "key")?;
    let severity = match text(definition, "severity").as_deref() {
        Some("error") => Severity::Error,
        Some("warning") => Severity::Warning,
        other => return Err(ReadError(format!("constraint {key}: the severity {other:?} is not one of R4's"))),
    };
    Ok(Constraint {
        key,
        severity,
        expression: text(definition, "expression"),
        best_practice: extension(definition, BEST_PRACTICE).is_some_and(|value| value == true),
    })
}

fn element_type(definition: &Value) -> Result<ElementType> {
    let flags = definition.get("_targetProfile");
    let target = |(position, profile): (usize, String)| Target {
        profile,
        must_support: flags
            .and_then(|list| list.get(position))
            .and_then(|flags| extension(flags, TYPE_MUST_SUPPORT))
            .is_some_and(|value| value == true),
    };
    Ok(ElementType {
        code: required(definition, "code")?,
        fhir_type: extension_text(definition, FHIR_TYPE),
        regex: extension_text(definition, REGEX),
        profile: texts(definition, "profile"),
        target_profile: texts(definition, "targetProfile").into_iter().enumerate().map(target).collect(),
        must_support: extension(definition, TYPE_MUST_SUPPORT).is_some_and(|value| value == true),
    })
}

fn slicing(definition: &Value) -> Result<Slicing> {
    let discriminator = |discriminator: &Value| {
        Ok(Discriminator { kind: required(discriminator, "type")?, path: required(discriminator, "path")? })
    };
    Ok(Slicing {
        rules: required(definition, "rules")?,
        ordered: flag(definition, "ordered"),
        discriminator: items(definition, "discriminator").map(discriminator).collect::<Result<_>>()?,
    })
}

pub(super) fn binding(definition: &Value) -> Result<Binding> {
    let strength = match required(definition, "strength")?.as_str() {
        "required" => BindingStrength::Required,
        "extensible" => BindingStrength::Extensible,
        "preferred" => BindingStrength::Preferred,
        "example" => BindingStrength::Example,
        other => return Err(ReadError(format!("the binding strength {other:?} is not one of R4's"))),
    };
    let additional = items(definition, "extension").filter(|extension| extension["url"] == ADDITIONAL_BINDING);
    let additional = additional.map(|extension| {
        let part = |url| extension_text(extension, url);
        let missing = |name: &str| ReadError(format!("an additional binding lacks its {name}"));
        Ok(AdditionalBinding {
            purpose: part("purpose").ok_or_else(|| missing("purpose"))?,
            value_set: part("valueSet").ok_or_else(|| missing("valueSet"))?,
        })
    });
    Ok(Binding {
        name: extension_text(definition, BINDING_NAME),
        strength,
        value_set: text(definition, "valueSet"),
        max_value_set: extension_text(definition, MAX_VALUE_SET),
        min_value_set: extension_text(definition, MIN_VALUE_SET),
        additional: additional.collect::<Result<_>>()?,
    })
}

/// `fixedCode`, `patternCodeableConcept` …: the value and the name of its type.
fn typed(definition: &Value, prefix: &str) -> Option<TypedValue> {
    let mut members = definition.as_object()?.iter();
    members.find_map(|(name, value)| {
        let type_name = name.strip_prefix(prefix).filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))?;
        Some(TypedValue { type_name: type_name.to_owned(), value: value.clone() })
    })
}
