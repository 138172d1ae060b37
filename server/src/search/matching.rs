//! The same search, decided for one resource in memory, on the same index values.

use serde_json::Value;
use vesta_runtime::node::Node;
use vesta_runtime::search::{IndexValue, values};

use super::query::{Criterion, Search, StringMode, Test, Unit, UriMode, ValueTest};
use super::table::ParameterTable;
use crate::store::index::reference_hashes;
use vesta_runtime::date::DateTime;

impl Search {
    /// Whether the resource is among the results. A chain needs other resources, which memory does not have: it
    /// accepts nothing here, and [`Search::has_chains`] tells.
    pub fn matches(&self, table: &ParameterTable, resource: &Value) -> bool {
        let Some((entry, node)) = table.root(resource) else { return false };
        self.types.contains(&entry.name)
            && self.criteria.iter().all(|criterion| accepts(table, entry.name, node, resource, criterion))
    }

    pub fn has_chains(&self) -> bool {
        self.criteria.iter().any(|criterion| matches!(criterion.test, Test::Chain(_)))
    }
}

fn accepts(table: &ParameterTable, of: &str, node: Node<'_>, resource: &Value, criterion: &Criterion) -> bool {
    let found =
        || table.parameter(of, criterion.code).map(|parameter| values(parameter.definition, node)).unwrap_or_default();
    let accepted = match &criterion.test {
        Test::Id(ids) => resource.get("id").and_then(Value::as_str).is_some_and(|id| ids.iter().any(|one| one == id)),
        Test::LastUpdated(tests) => resource
            .get("meta")
            .and_then(|meta| meta.get("lastUpdated")?.as_str())
            .and_then(|text| DateTime::parse_instant(text).ok())
            .is_some_and(|at| {
                // One instant: what the column has.
                let (low, _) = at.covers();
                tests.iter().any(|test| test.accepts(low, low))
            }),
        Test::Missing(missing) => found().is_empty() == *missing,
        Test::Any(tests) => found().iter().any(|value| tests.iter().any(|test| test.accepts(table, value))),
        Test::Chain(_) => false,
    };
    accepted != criterion.negated
}

impl ValueTest {
    fn accepts(&self, table: &ParameterTable, value: &IndexValue) -> bool {
        match (self, value) {
            (ValueTest::String { mode, folded, exact }, IndexValue::String { folded: in_fold, exact: as_is }) => {
                match mode {
                    StringMode::StartsWith => in_fold.starts_with(folded.as_str()),
                    StringMode::Contains => in_fold.contains(folded.as_str()),
                    StringMode::Exact => as_is == exact,
                }
            }
            (ValueTest::Token { system, code }, IndexValue::Token { system: in_system, code: in_code, .. }) => {
                token(system.as_deref(), code.as_deref(), in_system.as_deref(), in_code.as_deref())
            }
            (
                ValueTest::IdentifierOfType { system, code, value },
                IndexValue::IdentifierOfType { system: in_system, code: in_code, value: in_value },
            ) => system == in_system && code == in_code && value == in_value,
            (ValueTest::Reference(any), IndexValue::Reference(reference)) => {
                let (key, base) = (table.hash_key(), table.base());
                let hashes = reference_hashes(key, base, reference);
                any.iter()
                    .any(|one| reference_hashes(key, base, one).last().is_some_and(|wanted| hashes.contains(wanted)))
            }
            (ValueTest::ReferenceIdentifier { system, value }, IndexValue::Reference(reference)) => {
                reference.identifier.as_ref().is_some_and(|(in_system, in_value)| {
                    in_value.as_deref() == Some(value)
                        && system.as_deref().is_none_or(|system| in_system.as_deref().unwrap_or_default() == system)
                })
            }
            (ValueTest::Date(test), IndexValue::Date { low, high }) => test.accepts(*low, *high),
            (ValueTest::Number(test), IndexValue::Number { low, high }) => test.accepts(*low, *high),
            (ValueTest::Quantity { number, unit }, IndexValue::Quantity(quantity)) => match (unit, &quantity.canonical)
            {
                (Unit::Any, _) => number.accepts(quantity.low, quantity.high),
                (Unit::Text(text), _) => {
                    [&quantity.code, &quantity.unit].into_iter().flatten().any(|unit| unit == text)
                        && number.accepts(quantity.low, quantity.high)
                }
                (Unit::Canonical(unit), Some((low, high, in_unit))) => unit == in_unit && number.accepts(*low, *high),
                (Unit::Coded { system, code }, None) => {
                    quantity.system.as_ref() == Some(system)
                        && quantity.code.as_ref() == Some(code)
                        && number.accepts(quantity.low, quantity.high)
                }
                _ => false,
            },
            (ValueTest::Uri { mode, uri }, IndexValue::Uri(in_uri)) => match mode {
                UriMode::Exact => in_uri == uri,
                UriMode::Below => in_uri.starts_with(uri.as_str()),
                UriMode::Above => uri.starts_with(in_uri.as_str()),
            },
            (ValueTest::Composite(tests), IndexValue::Composite(parts)) => {
                tests.len() == parts.len() && tests.iter().zip(parts).all(|(test, part)| test.accepts(table, part))
            }
            _ => false,
        }
    }
}

/// A data type without systems (`code`) has its system implied by the value set: any is accepted.
fn token(system: Option<&str>, code: Option<&str>, in_system: Option<&str>, in_code: Option<&str>) -> bool {
    let code_accepted = match code {
        Some(code) => in_code == Some(code),
        // `system|`
        None => in_system.is_some(),
    };
    code_accepted && (system.is_none() || in_system.is_none() || system == in_system)
}
