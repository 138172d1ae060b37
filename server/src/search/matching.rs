//! The same search, decided for one resource in memory, on the same index values. What a resource contains is looked at
//! beside its container, since what the two say to each other (`#id`) means something there only.

use serde_json::Value;
use vesta_runtime::search::{IndexValue, fold};

use super::place::{Place, index_values};
use super::query::{Contained, Criterion, Search, StringMode, Test, Unit, UriMode, ValueTest};
use super::table::ParameterTable;
use super::words::words_of;
use crate::store::Found;
use crate::store::index::reference_hashes;
use vesta_runtime::date::DateTime;

/// The resources around one, for what follows references: those that the boundary shows.
pub trait Around {
    fn resource(&self, of: &str, id: &str) -> Option<&Value>;
    fn of_type<'a>(&'a self, of: &str) -> Box<dyn Iterator<Item = &'a Value> + 'a>;
}

/// A resource that stands alone.
struct Alone;

impl Around for Alone {
    fn resource(&self, _: &str, _: &str) -> Option<&Value> {
        None
    }

    fn of_type<'a>(&'a self, _: &str) -> Box<dyn Iterator<Item = &'a Value> + 'a> {
        Box::new(std::iter::empty())
    }
}

/// Whether a resource meets all of these, which follow no references.
pub fn meets(table: &ParameterTable, resource: &Value, criteria: &[Criterion]) -> bool {
    criteria.iter().all(|criterion| accepts(table, At::itself(resource), criterion, &Alone))
}

/// A resource, and what contains it; its own, where nothing does.
#[derive(Clone, Copy)]
struct At<'a> {
    resource: &'a Value,
    container: &'a Value,
}

impl<'a> At<'a> {
    fn itself(resource: &'a Value) -> At<'a> {
        At { resource, container: resource }
    }

    fn is_contained(self) -> bool {
        !std::ptr::eq(self.resource, self.container)
    }

    /// What the container contains.
    fn inside(self) -> impl Iterator<Item = At<'a>> {
        let contained = self.container.get("contained").and_then(Value::as_array);
        contained.into_iter().flatten().map(move |resource| At { resource, container: self.container })
    }

    fn values(self, table: &ParameterTable, code: &str) -> Vec<IndexValue> {
        let found = || {
            let ((entry, node), (_, container)) = (table.root(self.resource)?, table.root(self.container)?);
            Some(index_values(table.parameter(entry.name, code)?.definition, container, node))
        };
        found().unwrap_or_default()
    }
}

impl Search {
    /// Whether the resource is among the results. What follows references needs other resources, which are not here: it
    /// accepts nothing, and [`Search::reached`] tells.
    pub fn matches(&self, table: &ParameterTable, resource: &Value) -> bool {
        self.matches_among(table, resource, &Alone)
    }

    /// Whether the resource is among the results, where these are the others.
    pub fn matches_among(&self, table: &ParameterTable, resource: &Value, around: &dyn Around) -> bool {
        self.accepts(table, At::itself(resource), around)
    }

    /// The places of what the resource contains that are among the results of `_contained`.
    pub fn matches_in(&self, table: &ParameterTable, container: &Value, around: &dyn Around) -> Vec<usize> {
        let inside = At::itself(container).inside().enumerate();
        inside.filter(|(_, at)| self.accepts(table, *at, around)).map(|(place, _)| place).collect()
    }

    fn accepts(&self, table: &ParameterTable, at: At<'_>, around: &dyn Around) -> bool {
        let Some((entry, _)) = table.root(at.resource) else { return false };
        self.types.contains(&entry.name) && self.criteria.iter().all(|criterion| accepts(table, at, criterion, around))
    }
}

/// Whether a resource was rightly found by these criteria, as what it is or by what it contains, where these types were
/// sought.
pub(super) fn is_found_by(
    (types, contained): (&[&'static str], Contained),
    criteria: &[&Criterion],
    table: &ParameterTable,
    resource: &Value,
    found: &Found,
) -> bool {
    let accepts = |at: At<'_>| {
        let name = table.root(at.resource).map(|(entry, _)| entry.name);
        name.is_some_and(|name| types.contains(&name))
            && criteria.iter().all(|criterion| accepts(table, at, criterion, &Alone))
    };
    let itself = At::itself(resource);
    match found.contained_at() {
        Some(place) => itself.inside().nth(place).is_some_and(accepts),
        // The place tells that it is the resource itself.
        None if found.place.is_some() => accepts(itself),
        None => {
            (contained != Contained::True && accepts(itself))
                || (contained != Contained::False && itself.inside().any(accepts))
        }
    }
}

fn accepts(table: &ParameterTable, at: At<'_>, criterion: &Criterion, around: &dyn Around) -> bool {
    let Some((entry, _)) = table.root(at.resource) else { return false };
    let of = entry.name;
    let found = || at.values(table, criterion.code);
    let id = || at.resource.get("id").and_then(Value::as_str);
    let words = || match at.is_contained() {
        // Its words are its container's.
        true => Default::default(),
        false => words_of(table.schema(), at.resource, criterion.code),
    };
    let accepted = match &criterion.test {
        Test::Id(ids) => id().is_some_and(|id| ids.iter().any(|one| one == id)),
        Test::LastUpdated(tests) => at
            .container
            .get("meta")
            .and_then(|meta| meta.get("lastUpdated")?.as_str())
            .and_then(|text| DateTime::parse_instant(text).ok())
            .is_some_and(|at| {
                // One instant: what the column has.
                let (low, _) = at.covers();
                tests.iter().any(|test| test.accepts(low, low))
            }),
        Test::Missing(missing) if matches!(criterion.code, "_text" | "_content") => words().is_empty() == *missing,
        Test::Missing(missing) => found().is_empty() == *missing,
        Test::Any(tests) => found().iter().any(|value| tests.iter().any(|test| test.accepts(table, value))),
        Test::All(parts) => parts.iter().all(|part| accepts(table, at, part, around)),
        Test::OneOf(parts) => parts.iter().any(|part| accepts(table, at, part, around)),
        Test::Typed(parts) => parts.iter().any(|(name, part)| *name == of && accepts(table, at, part, around)),
        Test::Words(wanted) => wanted.accepts(&words()),
        Test::Chain(targets) => found().iter().any(|value| {
            if let IndexValue::Reference(reference) = value
                && let Some(wanted) = reference.contained_id()
            {
                // "A chained condition will be evaluated inside contained resources."
                return at
                    .inside()
                    .filter(|inner| inner.resource.get("id").and_then(Value::as_str) == Some(wanted))
                    .any(|inner| {
                        let name = table.root(inner.resource).map(|(entry, _)| entry.name);
                        let asked = targets.iter().filter(|(of, _)| Some(*of) == name);
                        asked.into_iter().any(|(_, criterion)| accepts(table, inner, criterion, around))
                    });
            }
            let Some((target, id)) = local(table, value) else { return false };
            targets
                .iter()
                .filter(|(of, _)| *of == target)
                .filter_map(|(of, inner)| Some((around.resource(of, id)?, inner)))
                .any(|(resource, inner)| accepts(table, At::itself(resource), inner, around))
        }),
        Test::Referred { source, code, criterion } if at.is_contained() => {
            // Only what contains it refers to it.
            let container = At::itself(at.container);
            table.root(at.container).is_some_and(|(entry, _)| entry.name == *source)
                && container.values(table, code).iter().any(|value| {
                    matches!(value, IndexValue::Reference(reference) if reference.contained_id().is_some_and(|of| Some(of) == id()))
                })
                && accepts(table, container, criterion, around)
        }
        Test::Referred { source, code, criterion } => id().is_some_and(|id| {
            around.of_type(source).map(At::itself).any(|referring| {
                referring.values(table, code).iter().any(|value| local(table, value) == Some((of, id)))
                    && accepts(table, referring, criterion, around)
            })
        }),
    };
    accepted != criterion.negated
}

/// The type and id of a resource of this server that is referred to.
fn local<'a>(table: &ParameterTable, value: &'a IndexValue) -> Option<(&'a str, &'a str)> {
    let IndexValue::Reference(reference) = value else { return None };
    reference.base.as_deref().is_none_or(|base| base == table.base()).then_some(())?;
    Some((reference.target_type.as_deref()?, reference.target_id.as_deref()?))
}

impl ValueTest {
    pub(super) fn accepts(&self, table: &ParameterTable, value: &IndexValue) -> bool {
        match (self, value) {
            (ValueTest::String { mode, folded, exact }, IndexValue::String { folded: in_fold, exact: as_is }) => {
                match mode {
                    StringMode::StartsWith => in_fold.starts_with(folded.as_str()),
                    StringMode::Contains => in_fold.contains(folded.as_str()),
                    StringMode::Exact => as_is == exact,
                    StringMode::Equals => in_fold == folded,
                    StringMode::EndsWith => in_fold.ends_with(folded.as_str()),
                }
            }
            (ValueTest::Token { system, code }, IndexValue::Token { system: in_system, code: in_code, .. }) => {
                token(system.as_deref(), code.as_deref(), in_system.as_deref(), in_code.as_deref())
            }
            (ValueTest::TokenText(start), IndexValue::Token { text, .. }) => {
                text.as_ref().is_some_and(|text| fold(text).starts_with(start.as_str()))
            }
            (ValueTest::CodeText(start), IndexValue::Token { code, .. }) => {
                code.as_ref().is_some_and(|code| fold(code).starts_with(start.as_str()))
            }
            (ValueTest::MediaBelow(start), IndexValue::Token { code, .. }) => {
                code.as_deref().map(fold).is_some_and(|code| {
                    code == *start || media_below(start).iter().any(|longer| code.starts_with(longer.as_str()))
                })
            }
            (ValueTest::CanonicalBelow { url, version }, IndexValue::Reference(reference)) => {
                reference.url.as_ref() == Some(url)
                    && reference.target_version.as_deref().is_some_and(|found| {
                        found
                            .strip_prefix(version.as_str())
                            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                    })
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
            (ValueTest::Near(near), place) => Place::of(place).is_some_and(|place| near.reaches(place)),
            (ValueTest::Composite(tests), IndexValue::Composite(parts)) => {
                tests.len() == parts.len() && tests.iter().zip(parts).all(|(test, part)| test.accepts(table, part))
            }
            _ => false,
        }
    }
}

/// How a media type goes on that is below another: with parameters, or where that is a type alone, with a subtype.
/// <https://hl7.org/fhir/R4/search.html#mimetype>
pub(super) fn media_below(start: &str) -> [String; 2] {
    let next = if start.contains('/') { ' ' } else { '/' };
    [format!("{start};"), format!("{start}{next}")]
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
