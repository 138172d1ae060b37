//! CodeSystem, ValueSet and ConceptMap.

use std::collections::HashMap;

use serde_json::Value;

use super::{Result, flag, items, required, text, texts};
use crate::digest::{
    CodeSystem, Concept, ConceptFilter, ConceptMap, ConceptProperty, ConceptReference, ConceptSet, Designation,
    FilterDefinition, PropertyDefinition, ValueSet,
};

pub(super) fn code_system(resource: &Value) -> Result<CodeSystem> {
    let mut concepts = Vec::new();
    let mut children = Vec::new();
    for concept in items(resource, "concept") {
        flatten(concept, None, &mut concepts, &mut children)?;
    }
    let positions: HashMap<String, usize> =
        concepts.iter().enumerate().map(|(position, concept)| (concept.code.clone(), position)).collect();
    for (parent, child) in children {
        if let Some(&position) = positions.get(&child)
            && !concepts[position].parent.contains(&parent)
        {
            concepts[position].parent.push(parent);
        }
    }
    let filter = |filter: &Value| {
        Ok(FilterDefinition {
            code: required(filter, "code")?,
            operator: texts(filter, "operator"),
            value: required(filter, "value")?,
        })
    };
    let property = |property: &Value| {
        Ok(PropertyDefinition {
            code: required(property, "code")?,
            uri: text(property, "uri"),
            kind: required(property, "type")?,
        })
    };
    Ok(CodeSystem {
        url: required(resource, "url")?,
        version: text(resource, "version"),
        name: required(resource, "name")?,
        title: text(resource, "title"),
        status: text(resource, "status"),
        content: required(resource, "content")?,
        case_sensitive: resource.get("caseSensitive").and_then(Value::as_bool),
        value_set: text(resource, "valueSet"),
        hierarchy_meaning: text(resource, "hierarchyMeaning"),
        compositional: flag(resource, "compositional"),
        supplements: text(resource, "supplements"),
        language: text(resource, "language"),
        filter: items(resource, "filter").map(filter).collect::<Result<_>>()?,
        property: items(resource, "property").map(property).collect::<Result<_>>()?,
        concepts,
    })
}

/// A concept and those below it. `children` collects what the property `child` says (parent, child): v3 code systems
/// give a concept more than one place that way.
fn flatten(
    concept: &Value,
    parent: Option<&str>,
    concepts: &mut Vec<Concept>,
    children: &mut Vec<(String, String)>,
) -> Result<()> {
    let code = required(concept, "code")?;
    let mut not_selectable = false;
    let mut status = None;
    let mut property = Vec::new();
    for given in items(concept, "property") {
        let name = required(given, "code")?;
        match name.as_str() {
            "child" => children.extend(text(given, "valueCode").map(|child| (code.clone(), child))),
            "notSelectable" | "abstract" if given["valueBoolean"].is_boolean() => {
                not_selectable |= given["valueBoolean"] == true;
            }
            "status" if status.is_none() && given["valueCode"].is_string() => status = text(given, "valueCode"),
            _ => {
                let value = given.as_object().into_iter().flatten().find(|(name, _)| name.starts_with("value"));
                let made = |(kind, value): (&String, &Value)| ConceptProperty {
                    code: name.clone(),
                    kind: kind.clone(),
                    value: value.clone(),
                };
                property.extend(value.map(made));
            }
        }
    }
    let display = text(concept, "display");
    let definition = text(concept, "definition").map(|definition| definition.trim().to_owned());
    concepts.push(Concept {
        code: code.clone(),
        definition: definition.filter(|definition| !definition.is_empty() && display.as_ref() != Some(definition)),
        display,
        parent: parent.map(str::to_owned).into_iter().collect(),
        not_selectable,
        status,
        designation: designations(concept)?,
        property,
    });
    for child in items(concept, "concept") {
        flatten(child, Some(&code), concepts, children)?;
    }
    Ok(())
}

fn designations(of: &Value) -> Result<Vec<Designation>> {
    let designation = |designation: &Value| {
        Ok(Designation {
            language: text(designation, "language"),
            usage: designation.get("use").cloned(),
            value: required(designation, "value")?,
        })
    };
    items(of, "designation").map(designation).collect()
}

pub(super) fn value_set(resource: &Value) -> Result<ValueSet> {
    let compose = resource.get("compose").unwrap_or(&Value::Null);
    Ok(ValueSet {
        url: required(resource, "url")?,
        version: text(resource, "version"),
        name: required(resource, "name")?,
        title: text(resource, "title"),
        status: text(resource, "status"),
        locked_date: text(compose, "lockedDate"),
        inactive: compose.get("inactive").and_then(Value::as_bool),
        include: items(compose, "include").map(concept_set).collect::<Result<_>>()?,
        exclude: items(compose, "exclude").map(concept_set).collect::<Result<_>>()?,
    })
}

fn concept_set(definition: &Value) -> Result<ConceptSet> {
    let concept = |concept: &Value| {
        Ok(ConceptReference {
            code: required(concept, "code")?,
            display: text(concept, "display"),
            designation: designations(concept)?,
        })
    };
    let filter = |filter: &Value| {
        Ok(ConceptFilter {
            property: required(filter, "property")?,
            op: required(filter, "op")?,
            value: required(filter, "value")?,
        })
    };
    Ok(ConceptSet {
        system: text(definition, "system"),
        version: text(definition, "version"),
        concept: items(definition, "concept").map(concept).collect::<Result<_>>()?,
        filter: items(definition, "filter").map(filter).collect::<Result<_>>()?,
        value_set: texts(definition, "valueSet"),
    })
}

pub(super) fn concept_map(resource: &Value) -> Result<ConceptMap> {
    let either =
        |end: &str| text(resource, &format!("{end}Canonical")).or_else(|| text(resource, &format!("{end}Uri")));
    Ok(ConceptMap {
        url: required(resource, "url")?,
        version: text(resource, "version"),
        name: required(resource, "name")?,
        title: text(resource, "title"),
        status: text(resource, "status"),
        source: either("source"),
        target: either("target"),
        group: items(resource, "group").cloned().collect(),
    })
}
