//! CodeSystem and ValueSet.

use std::collections::HashMap;

use serde_json::Value;

use super::{Result, items, required, text, texts};
use crate::digest::{CodeSystem, Concept, ConceptFilter, ConceptReference, ConceptSet, ValueSet};

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
    Ok(CodeSystem {
        url: required(resource, "url")?,
        version: text(resource, "version"),
        name: required(resource, "name")?,
        content: required(resource, "content")?,
        case_sensitive: resource.get("caseSensitive").and_then(Value::as_bool),
        value_set: text(resource, "valueSet"),
        supplements: text(resource, "supplements"),
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
    let properties = || items(concept, "property");
    for property in properties().filter(|property| property["code"] == "child") {
        children.extend(text(property, "valueCode").map(|child| (code.clone(), child)));
    }
    let is_group = |property: &Value| {
        (property["code"] == "notSelectable" || property["code"] == "abstract") && property["valueBoolean"] == true
    };
    concepts.push(Concept {
        code: code.clone(),
        display: text(concept, "display"),
        parent: parent.map(str::to_owned).into_iter().collect(),
        not_selectable: properties().any(is_group),
        status: properties().find(|property| property["code"] == "status").and_then(|p| text(p, "valueCode")),
    });
    for child in items(concept, "concept") {
        flatten(child, Some(&code), concepts, children)?;
    }
    Ok(())
}

pub(super) fn value_set(resource: &Value) -> Result<ValueSet> {
    let compose = resource.get("compose").unwrap_or(&Value::Null);
    Ok(ValueSet {
        url: required(resource, "url")?,
        version: text(resource, "version"),
        name: required(resource, "name")?,
        include: items(compose, "include").map(concept_set).collect::<Result<_>>()?,
        exclude: items(compose, "exclude").map(concept_set).collect::<Result<_>>()?,
    })
}

fn concept_set(definition: &Value) -> Result<ConceptSet> {
    let concept =
        |concept: &Value| Ok(ConceptReference { code: required(concept, "code")?, display: text(concept, "display") });
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
