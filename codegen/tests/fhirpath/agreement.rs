//! Compiled extractors against the evaluator: the same nodes, in the same order, on every resource that others
//! published.

use std::collections::BTreeMap;

use serde_json::Value as Json;
use vesta_fhir::SCHEMA;
use vesta_runtime::fhirpath::ast::Expression;
use vesta_runtime::fhirpath::{self, Environment, Item, Value};
use vesta_runtime::node::Node;
use vesta_runtime::search::{Extract, SearchParameter, SearchParameterType, Selected};

use crate::samples;

/// Expressions by their text, each read once.
#[derive(Default)]
struct Expressions(BTreeMap<&'static str, Expression>);

impl Expressions {
    fn get(&mut self, text: &'static str) -> &Expression {
        self.0.entry(text).or_insert_with(|| fhirpath::parse(text).expect("a parameter's expression is FHIRPath"))
    }
}

/// The parameters of a type: R4's, and those that the guides add.
pub(crate) fn parameters(resource_type: &str) -> Vec<&'static SearchParameter> {
    let mut all = vesta_fhir::search::parameters(resource_type).to_vec();
    for guide in vesta_guides::GUIDES {
        let own = vesta_guides::search::parameters(guide.name, guide.version);
        all.extend(own.iter().filter(|parameter| parameter.base == resource_type));
    }
    all
}

/// How the two differ, if they do; else the selected nodes.
fn compare<'a>(
    environment: &Environment<'a>,
    expression: &Expression,
    extract: Extract,
    focus: Node<'a>,
) -> Result<Vec<Selected<'a>>, String> {
    let mut compiled = Vec::new();
    extract.select(environment.resource, focus, &mut compiled);
    let interpreted = environment.evaluate(expression, focus).map_err(|error| error.to_string())?;
    let same = |(compiled, interpreted): (&Selected, &Item)| match (compiled, interpreted) {
        (Selected::Node(one), Item::Node(other)) => one.is_same(other) && one.definition.name == other.definition.name,
        (Selected::Boolean(one), Item::Value(Value::Boolean(other))) => one == other,
        _ => false,
    };
    if compiled.len() == interpreted.len() && compiled.iter().zip(&interpreted).all(same) {
        return Ok(compiled);
    }
    Err(format!("{} compiled, {} interpreted", compiled.len(), interpreted.len()))
}

struct Tally {
    expressions: Expressions,
    compared: usize,
    /// What selected something somewhere.
    exercised: BTreeMap<(&'static str, &'static str), usize>,
    faults: Vec<String>,
}

impl Tally {
    fn resource(&mut self, name: &str, json: &Json) {
        let Some(resource) = Node::resource(json, &SCHEMA) else { return };
        let environment = Environment::new(&SCHEMA, resource, jiff::Timestamp::UNIX_EPOCH);
        for parameter in parameters(resource.definition.name) {
            if parameter.kind == SearchParameterType::Special {
                continue;
            }
            let expression = self.expressions.get(parameter.expression);
            let outcome = compare(&environment, expression, parameter.extract, resource);
            let found = self.note(name, parameter, parameter.expression, outcome);
            for component in parameter.components {
                for selected in &found {
                    let Selected::Node(focus) = selected else { continue };
                    let expression = self.expressions.get(component.expression);
                    let outcome = compare(&environment, expression, component.extract, *focus);
                    self.note(name, parameter, component.expression, outcome);
                }
            }
        }
    }

    fn note<'a>(
        &mut self,
        name: &str,
        parameter: &'static SearchParameter,
        expression: &'static str,
        outcome: Result<Vec<Selected<'a>>, String>,
    ) -> Vec<Selected<'a>> {
        self.compared += 1;
        match outcome {
            Ok(found) => {
                *self.exercised.entry((parameter.url, expression)).or_default() += found.len();
                found
            }
            Err(difference) => {
                self.faults.push(format!("{name}: {} `{expression}`: {difference}", parameter.url));
                Vec::new()
            }
        }
    }
}

#[test]
fn compiled_extractors_select_what_the_evaluator_selects() {
    let Some(shared) = samples::shared() else { return };
    let mut tally =
        Tally { expressions: Expressions::default(), compared: 0, exercised: BTreeMap::new(), faults: Vec::new() };
    for (name, json) in samples::package_resources(&shared).iter().chain(&samples::synthea_resources(&shared)) {
        tally.resource(name, json);
    }
    let selecting = tally.exercised.values().filter(|count| **count > 0).count();
    println!("{} comparisons; {selecting} of {} expressions selected something", tally.compared, tally.exercised.len());
    tally.faults.truncate(20);
    assert!(tally.faults.is_empty(), "{}", tally.faults.join("\n"));
    assert!(selecting > 300, "too few expressions were put to the test: {selecting}");
}

/// Every expression that generated code carries is one the evaluator knows: it can be read, and evaluates on an empty
/// resource of its type.
#[test]
fn every_expression_evaluates_on_an_empty_resource() {
    for definition in SCHEMA.types.iter().filter(|definition| SCHEMA.resource(definition.name).is_some()) {
        let json = serde_json::json!({ "resourceType": definition.name });
        let resource = Node::resource(&json, &SCHEMA).expect("the type was found in the schema");
        let environment = Environment::new(&SCHEMA, resource, jiff::Timestamp::UNIX_EPOCH);
        for parameter in parameters(definition.name) {
            if parameter.kind != SearchParameterType::Special {
                let expression = fhirpath::parse(parameter.expression).expect(parameter.expression);
                compare(&environment, &expression, parameter.extract, resource).expect(parameter.url);
            }
        }
    }
}
