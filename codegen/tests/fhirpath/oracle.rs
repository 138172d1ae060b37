//! Compiled extractors against another evaluator, rh-fhirpath: the same values on every sample resource.
//!
//! What the oracle does not have is said to it in other words ([`in_other_words`]). Where the two still differ, an entry in `oracle-differences.toml` says which of them is right, and why; the test fails
//! when an entry is missing, or no longer needed.

use std::collections::{BTreeMap, BTreeSet};

use rh_fhirpath::{EvaluationContext, FhirPathEvaluator, FhirPathExpression, FhirPathParser, FhirPathValue};
use serde::Deserialize;
use serde_json::Value as Json;
use vesta_fhir::SCHEMA;
use vesta_runtime::decimal::Decimal;
use vesta_runtime::fhirpath::{
    self,
    ast::{Expression, TypeName},
};
use vesta_runtime::node::Node;
use vesta_runtime::search::{SearchParameterType, Selected};

use crate::{agreement, samples};

const DIFFERENCES: &str = include_str!("oracle-differences.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Differences {
    difference: Vec<Difference>,
}

/// Expressions in which the oracle differs, by a text that they contain.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    contains: String,
    #[expect(dead_code, reason = "for the reader")]
    reason: String,
}

/// The oracle's items as JSON.
fn items(value: FhirPathValue, found: &mut Vec<Json>) {
    match value {
        FhirPathValue::Empty => {}
        FhirPathValue::Collection(values) | FhirPathValue::UnorderedCollection(values) => {
            values.into_iter().for_each(|value| items(value, found));
        }
        FhirPathValue::FhirPrimitive { inner, .. } => items(*inner, found),
        // It turns a FHIR Quantity into one of FHIRPath's: the value stands for it.
        FhirPathValue::Quantity { value, .. } => {
            found.push(serde_json::from_str(&value.to_string()).expect("a number"))
        }
        other => found.push(other.to_json()),
    }
}

/// Equal as FHIR has it: decimals by value.
fn equal(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => Decimal::from(one.clone()) == Decimal::from(other.clone()),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| equal(one, other)))
        }
        (Json::Object(quantity), Json::Number(_)) => quantity.get("value").is_some_and(|value| equal(value, other)),
        _ => one == other,
    }
}

/// The oracle knows the elements of `Resource` only under the type at hand, types no value of a choice but primitives
/// and Quantity (and lets `as` fail on several), and has no `resolve()`.
fn in_other_words(expression: &Expression, resource_type: &str) -> Expression {
    let inner = |expression: &Expression| in_other_words(expression, resource_type);
    let boxed = |expression: &Expression| Box::new(inner(expression));
    let narrowed = |operand: &Expression, type_name: &TypeName| match inner(operand) {
        Expression::Member { focus, name } => {
            let (first, rest) = type_name.name.split_at(1);
            Expression::Member { focus, name: format!("{name}{}{rest}", first.to_uppercase()) }
        }
        other => other,
    };
    match expression {
        Expression::Member { focus: None, name } if matches!(name.as_str(), "Resource" | "DomainResource") => {
            Expression::Member { focus: None, name: resource_type.to_owned() }
        }
        Expression::Member { focus, name } => {
            Expression::Member { focus: focus.as_deref().map(boxed), name: name.clone() }
        }
        Expression::As { operand, type_name } => narrowed(operand, type_name),
        Expression::Call { focus: Some(focus), function, arguments } => match (function.as_str(), arguments.as_slice())
        {
            ("as", [argument]) => narrowed(focus, &argument.as_type_name().expect("a type")),
            ("where", [Expression::Is { operand, type_name }]) => {
                assert_eq!(operand.to_string(), "resolve()");
                let name = &type_name.name;
                let by_text = format!("reference.matches('(^|/){name}/[^/]+(/_history/[^/]+)?$') or type = '{name}'");
                let arguments = vec![fhirpath::parse(&by_text).expect("FHIRPath")];
                Expression::Call { focus: Some(boxed(focus)), function: function.clone(), arguments }
            }
            _ => {
                let arguments = arguments.iter().map(inner).collect();
                Expression::Call { focus: Some(boxed(focus)), function: function.clone(), arguments }
            }
        },
        Expression::Binary { operator, left, right } => {
            Expression::Binary { operator: *operator, left: boxed(left), right: boxed(right) }
        }
        Expression::Item { focus, index } => Expression::Item { focus: boxed(focus), index: index.clone() },
        other => other.clone(),
    }
}

#[test]
fn compiled_extractors_select_what_the_oracle_selects() {
    let Some(shared) = samples::shared() else { return };
    let mut resources = samples::package_resources(&shared);
    resources.retain(|(name, _)| name.starts_with("hl7.fhir.us.core"));
    resources.extend(samples::synthea_resources(&shared));
    let known = toml::from_str::<Differences>(DIFFERENCES).expect("well formed").difference;

    let (parser, evaluator) = (FhirPathParser::new(), FhirPathEvaluator::new());
    let mut expressions: BTreeMap<(&str, &str), FhirPathExpression> = BTreeMap::new();
    let (mut compared, mut nodes) = (0, 0);
    let mut differing: BTreeMap<&str, String> = BTreeMap::new();
    for (name, json) in &resources {
        let Some(resource) = Node::resource(json, &SCHEMA) else { continue };
        let context = EvaluationContext::new(json.clone());
        for parameter in agreement::parameters(resource.definition.name) {
            if parameter.kind == SearchParameterType::Special {
                continue;
            }
            let text = parameter.expression;
            let expression = expressions.entry((resource.definition.name, text)).or_insert_with(|| {
                let ours = fhirpath::parse(text).expect(text);
                let said = in_other_words(&ours, resource.definition.name).to_string();
                parser.parse(&said).unwrap_or_else(|error| panic!("{said}: {error}"))
            });
            let mut theirs = Vec::new();
            match evaluator.evaluate(expression, &context) {
                Ok(value) => items(value, &mut theirs),
                Err(error) => theirs.push(Json::from(format!("error: {error}"))),
            }
            let mut selected = Vec::new();
            parameter.extract.select(resource, resource, &mut selected);
            let ours = selected.iter().filter_map(|selected| match selected {
                // What has extensions only has no value to compare.
                Selected::Node(node) => node.value.cloned(),
                Selected::Boolean(value) => Some(Json::Bool(*value)),
            });
            let ours: Vec<Json> = ours.collect();
            compared += 1;
            nodes += ours.len();
            if ours.len() != theirs.len() || !ours.iter().zip(&theirs).all(|(ours, theirs)| equal(ours, theirs)) {
                let error =
                    theirs.iter().filter_map(Json::as_str).find(|text| text.starts_with("error: ")).unwrap_or("");
                let difference =
                    || format!("{name}: `{text}`: {} here, {} by the oracle {error}", ours.len(), theirs.len());
                differing.entry(text).or_insert_with(difference);
            }
        }
    }
    println!("{compared} comparisons, {nodes} nodes; {} expressions differ", differing.len());
    let mut used = BTreeSet::new();
    differing.retain(|text, _| {
        let reasons: Vec<_> = known.iter().filter(|known| text.contains(&known.contains)).collect();
        used.extend(reasons.iter().map(|known| known.contains.as_str()));
        reasons.is_empty()
    });
    let unexplained: Vec<_> = differing.into_values().collect();
    assert!(unexplained.is_empty(), "{}", unexplained.join("\n"));
    let unused: Vec<_> = known.iter().filter(|known| !used.contains(known.contains.as_str())).collect();
    assert!(
        unused.is_empty(),
        "no longer differs: {:?}",
        unused.iter().map(|known| &known.contains).collect::<Vec<_>>()
    );
    assert!(nodes > 10_000, "too few nodes were compared: {nodes}");
}
