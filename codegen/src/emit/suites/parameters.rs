//! The search parameters that a suite's tests use: what they find, and what values they take.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::is_tested;
use crate::digest::{Expectation, Package, SearchParameter, Specification};
use crate::emit::EmitError;

pub(super) struct Parameters<'a> {
    specification: &'a Specification,
    guide: &'a Package,
    used: BTreeMap<String, BTreeMap<String, &'a SearchParameter>>,
}

impl<'a> Parameters<'a> {
    pub(super) fn new(specification: &'a Specification, guide: &'a Package) -> Self {
        Self { specification, guide, used: BTreeMap::new() }
    }

    /// The parameter of that code for the type, as the guide has it, else as R4 has it.
    pub(super) fn add(&mut self, resource_type: &str, code: &str) -> Result<&'a SearchParameter, EmitError> {
        let applies = |base: &String| [resource_type, "Resource", "DomainResource"].contains(&base.as_str());
        let defines = |parameter: &&SearchParameter| parameter.code == code && parameter.base.iter().any(applies);
        let core = self.specification.core();
        let found = self.guide.search_parameters.values().find(defines);
        let found = found.or_else(|| core.search_parameters.values().find(defines)).ok_or_else(|| {
            let (name, version) = (&self.guide.name, &self.guide.version);
            EmitError(format!("{name}@{version}: no SearchParameter has the code {code} for {resource_type}"))
        })?;
        self.used.entry(resource_type.to_owned()).or_default().insert(code.to_owned(), found);
        Ok(found)
    }

    pub(super) fn into_json(self) -> Value {
        let types = self.used.into_iter().map(|(resource_type, parameters)| {
            let parameters = parameters.into_iter().map(|(code, parameter)| (code, one(&resource_type, parameter)));
            let parameters: Map<String, Value> = parameters.collect();
            (resource_type.clone(), parameters.into())
        });
        types.collect::<Map<String, Value>>().into()
    }
}

/// Whether a server SHALL take several values, with commas.
pub(super) fn takes_lists(parameter: &SearchParameter) -> bool {
    parameter.multiple_or.as_ref().is_some_and(|expected| expected.expectation == Some(Expectation::Shall))
}

fn one(resource_type: &str, parameter: &SearchParameter) -> Value {
    let mut value = json!({ "type": parameter.kind });
    if let Some(expression) = &parameter.expression {
        value["expression"] = of_type(resource_type, expression).into();
    }
    if !parameter.target.is_empty() {
        value["target"] = parameter.target.clone().into();
    }
    let comparators = parameter.comparator.iter().filter(|one| is_tested(one.expectation));
    let comparators: Vec<&str> = comparators.map(|one| one.value.as_str()).collect();
    if !comparators.is_empty() {
        value["comparators"] = comparators.into();
    }
    if takes_lists(parameter) {
        value["lists"] = true.into();
    }
    value
}

/// The alternatives of an expression that begin in the type: a parameter may be shared by thirty.
fn of_type(resource_type: &str, expression: &str) -> String {
    let begins = |part: &&str| {
        let root = part.trim_start_matches('(').split('.').next().unwrap_or_default();
        [resource_type, "Resource", "DomainResource"].contains(&root)
    };
    expression.split('|').map(str::trim).filter(begins).collect::<Vec<_>>().join(" | ")
}
