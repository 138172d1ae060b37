//! `ConceptMap/$translate`. <https://hl7.org/fhir/R4/conceptmap-operation-translate.html>

use serde_json::{Map, Value, json};

use super::{Coded, Out, Subject, coded, grant, shown};
use crate::fhir::answer::Answer;
use crate::fhir::operation::{Inputs, Invocation};
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::service::Request;
use crate::fhir::terminology::sentence;
use crate::terminology::{self, Asked, Canonical, Kind as Definitions, Match, Resource, Root, Translated};

pub(in crate::fhir::operation) async fn translate(
    request: Request<'_>,
    invocation: Invocation<'_>,
) -> Result<Answer, Error> {
    let granted = grant(&request, &invocation)?;
    let inputs = &invocation.inputs;
    let subject =
        Subject::of(&request, &invocation, Definitions::ConceptMap, &granted, ["conceptMap", "conceptMapVersion"]);
    let subject = subject.await?;
    let codes = coded(inputs, inputs.text("system"), inputs.text("version"))?;
    if codes.iter().any(|coded| coded.system.is_none()) {
        // "If a code is provided, a system must be provided".
        let text = "The code has no system: a code means something within its code system only.";
        return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Required, text)));
    }
    let reverse = inputs.boolean("reverse").unwrap_or(false);
    let roots: Vec<Root> = match &subject {
        Some(subject) => vec![subject.root(Definitions::ConceptMap)],
        None => {
            let systems = codes.iter().filter_map(|coded| coded.system.as_ref());
            systems.map(|system| Root::MapsOf { system: system.url.clone(), leading_to: reverse }).collect()
        }
    };
    let library = request.service.gather(&roots, Some(&granted)).await?;
    let maps = match &subject {
        Some(subject) => vec![subject.concept_map(&library)?],
        None => library
            .preferred(Definitions::ConceptMap)
            .filter_map(|resource| match resource {
                Resource::ConceptMap(map) => Some(&**map),
                _ => None,
            })
            .collect(),
    };
    let mut matches: Vec<Match> = Vec::new();
    for coded in &codes {
        for found in terminology::translate(&library, maps.iter().copied(), &asked(inputs, coded, reverse))? {
            if !matches.contains(&found) {
                matches.push(found);
            }
        }
    }
    Ok(answer(&codes, &matches))
}

fn asked(inputs: &Inputs, coded: &Coded, reverse: bool) -> Asked {
    let canonical = |name: &str| inputs.text(name).map(Canonical::parse);
    Asked {
        system: coded.system.as_ref().map(|system| system.url.clone()),
        code: coded.code.clone(),
        source: canonical("source"),
        target: canonical("target"),
        target_system: canonical("targetsystem"),
        dependencies: inputs.all("dependency").flat_map(dependencies).collect(),
        reverse,
    }
}

/// The parts `element` and `concept`.
fn dependencies(parts: &Value) -> Vec<(String, Option<String>, String)> {
    let part = |name: &str| {
        let mut parts = parts.as_array().into_iter().flatten();
        parts.find(|part| part.get("name").and_then(Value::as_str) == Some(name))
    };
    let element = part("element").and_then(|part| part.get("valueUri")?.as_str());
    let concept = part("concept").and_then(|part| part.get("valueCodeableConcept"));
    let (Some(element), Some(concept)) = (element, concept) else { return Vec::new() };
    let codings = concept.get("coding").and_then(Value::as_array).into_iter().flatten();
    let with = |coding: &Value| {
        let text = |name: &str| coding.get(name).and_then(Value::as_str).map(str::to_owned);
        Some((element.to_owned(), text("system"), text("code")?))
    };
    codings.filter_map(with).collect()
}

fn answer(codes: &[Coded], matches: &[Match]) -> Answer {
    let is_translated = matches.iter().any(Match::is_translation);
    let mut out = Out::default();
    out.add("result", "valueBoolean", is_translated);
    if !is_translated {
        let shown = |coded: &Coded| shown(coded.system.as_ref().map(|system| system.url.as_str()), &coded.code);
        let named = codes.iter().map(shown).collect::<Vec<_>>().join(", ");
        out.add("message", "valueString", sentence(&format!("no translation of {named} is known for what was asked")));
    }
    for found in matches {
        let mut parts = Out::default();
        parts.add("equivalence", "valueCode", found.equivalence.as_str());
        if let Some(concept) = &found.concept {
            parts.add("concept", "valueCoding", coding(concept));
        }
        for (element, concept) in &found.products {
            let mut product = Out::default();
            product.add("element", "valueUri", element.as_str());
            product.add("concept", "valueCoding", coding(concept));
            parts.parts("product", product);
        }
        if let Some(source) = &found.source {
            parts.add("source", "valueUri", source.to_string());
        }
        out.parts("match", parts);
    }
    out.answer()
}

fn coding(translated: &Translated) -> Value {
    let mut coding = Map::new();
    if let Some(system) = &translated.system {
        coding.insert("system".to_owned(), json!(system.url));
        if let Some(version) = &system.version {
            coding.insert("version".to_owned(), json!(version));
        }
    }
    coding.insert("code".to_owned(), json!(translated.code));
    if let Some(display) = &translated.display {
        coding.insert("display".to_owned(), json!(display));
    }
    Value::Object(coding)
}
