//! The official FHIRPath cases for R4: read, run on our evaluator, judged.
//! <https://github.com/FHIR/fhir-test-cases/tree/master/r4/fhirpath>

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use vesta_fhir::SCHEMA;
use vesta_runtime::fhirpath::{self, Environment, Item, Value};
use vesta_runtime::json;
use vesta_runtime::node::Node;

/// Cases that do not hold, with the reason of each; checked in.
const DIFFERENCES: &str = include_str!("differences.toml");

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Case {
    pub(crate) group: String,
    pub(crate) name: String,
    #[serde(rename = "expr")]
    pub(crate) expression: String,
    input: Option<String>,
    /// `true`: the outcome is whether the result counts as true.
    predicate: Option<String>,
    /// `strict`: elements that do not exist are errors.
    mode: Option<String>,
    /// Set if an error is expected: `semantic`, `execution`, `true`.
    invalid: Option<String>,
    /// Type and text of each item.
    #[serde(rename = "out")]
    expected: Vec<(String, String)>,
}

impl Case {
    /// What tells it from all others: some names are given twice.
    pub(crate) fn key(&self) -> (String, String) {
        (self.name.clone(), self.expression.clone())
    }
}

/// How a case ended; with what was found where that is not what was expected.
pub(crate) struct Outcome {
    pub(crate) case: Case,
    pub(crate) found: Result<(), String>,
}

/// A case that is known not to hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    pub(crate) name: String,
    pub(crate) expression: String,
    pub(crate) reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Differences {
    difference: Vec<Difference>,
}

/// The folder of shared test data beside the checkout; `None` if there is none.
pub(crate) fn folder() -> Option<PathBuf> {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders.find_map(|folder| Some(folder.join("shared/testdata/fhirpath")).filter(|place| place.is_dir()))
}

pub(crate) fn differences() -> Vec<Difference> {
    toml::from_str::<Differences>(DIFFERENCES).expect("differences.toml is well formed").difference
}

/// Runs all cases.
pub(crate) fn run(folder: &Path) -> Vec<Outcome> {
    let text = std::fs::read(folder.join("cases.json")).expect("the cases can be read");
    let cases: Vec<Case> = serde_json::from_slice(&text).expect("the cases are as known");
    let mut inputs = BTreeMap::new();
    let names: BTreeSet<_> = cases.iter().filter_map(|case| case.input.clone()).collect();
    for name in names {
        let bytes = std::fs::read(folder.join("input").join(&name)).expect("the input can be read");
        inputs.insert(name, json::parse(&bytes).expect("the input is JSON"));
    }
    let cases = cases.into_iter();
    cases
        .map(|case| Outcome {
            found: judge(&case, inputs.get(case.input.as_deref().unwrap_or("patient-example.json"))),
            case,
        })
        .collect()
}

fn judge(case: &Case, input: Option<&serde_json::Value>) -> Result<(), String> {
    let resource = input.and_then(|input| Node::resource(input, &SCHEMA)).ok_or("no input")?;
    let now = "2026-11-24T12:00:00Z".parse().map_err(|error| format!("{error}"))?;
    let mut environment = Environment::new(&SCHEMA, resource, now);
    environment.strict = case.mode.as_deref() == Some("strict");
    let found = fhirpath::parse(&case.expression)
        .map_err(|error| error.to_string())
        .and_then(|expression| environment.evaluate(&expression, resource).map_err(|error| error.to_string()));
    match (found, &case.invalid) {
        (Err(_), Some(_)) => Ok(()),
        (Err(error), None) => Err(format!("error: {error}")),
        (Ok(items), Some(invalid)) => {
            Err(format!("{} where an error ({invalid}) is expected", show(&described(&items))))
        }
        (Ok(items), None) => {
            let mut found = described(&items);
            if case.predicate.as_deref() == Some("true") {
                let holds = !items.is_empty() && found != [("boolean".to_owned(), "false".to_owned())];
                found = vec![("boolean".to_owned(), holds.to_string())];
            }
            if found == case.expected {
                return Ok(());
            }
            Err(format!("{} where {} is expected", show(&found), show(&case.expected)))
        }
    }
}

fn show(items: &[(String, String)]) -> String {
    let items: Vec<_> = items.iter().map(|(type_name, text)| format!("{type_name} {text}")).collect();
    if items.is_empty() { "empty".to_owned() } else { items.join(", ") }
}

/// Type and text of each item, as the cases write them.
pub(crate) fn described(items: &[Item]) -> Vec<(String, String)> {
    let text = |item: &Item| match item {
        Item::Node(Node { value: Some(serde_json::Value::String(text)), .. }) => text.clone(),
        Item::Node(Node { value: Some(value), .. }) => value.to_string(),
        _ => match item.value() {
            Some(Value::Boolean(value)) => value.to_string(),
            Some(Value::Integer(value)) => value.to_string(),
            Some(Value::Decimal(value)) => value.to_string(),
            Some(Value::String(text)) => text,
            Some(Value::Date(value)) => value.to_string(),
            Some(Value::DateTime(value)) => value.to_string(),
            Some(Value::Time(value)) => value.to_string(),
            Some(Value::Quantity { value, unit }) => format!("{value} {unit}"),
            Some(Value::Type { namespace, name }) => format!("{namespace}.{name}"),
            None => String::new(),
        },
    };
    let type_name = |item: &Item| match item {
        Item::Value(Value::Quantity { .. }) => "Quantity".to_owned(),
        Item::Value(value) => {
            let (first, rest) = value.type_name().split_at(1);
            first.to_lowercase() + rest
        }
        other => other.type_name(),
    };
    items.iter().map(|item| (type_name(item), text(item))).collect()
}
