//! What a search test asks, and what it must find: values are lent by a resource that has them, and the expected
//! answer is read from all that the server holds.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::Value;

use super::Skip;
use super::returned::key;
use super::session::Session;
use crate::queries::criteria::{self, Criterion};
use crate::queries::facts::{self, Fact};
use crate::queries::{Kind, Parameter};

/// Some parameters of one type, and what they find in each resource.
pub(crate) struct Plan<'d> {
    pub(crate) resource_type: String,
    pub(crate) parameters: Vec<Parameter>,
    resources: Vec<&'d Value>,
    /// By resource, then by parameter.
    facts: Vec<Vec<Vec<Fact>>>,
    /// The resources under test that have a value for each parameter.
    pub(crate) lenders: Vec<usize>,
}

impl<'d> Plan<'d> {
    /// `subjects` lend their values, `resources` are all that may be found.
    pub(crate) fn new(
        session: &Session<'_>,
        resource_type: &str,
        names: &[String],
        resources: Vec<&'d Value>,
        subjects: &BTreeSet<String>,
    ) -> Result<Self, Skip> {
        let suite = session.test.suite;
        let parameters: Result<Vec<Parameter>, String> =
            names.iter().map(|name| suite.parameter(resource_type, name)).collect();
        let parameters = parameters.map_err(Skip)?;
        let facts: Vec<Vec<Vec<Fact>>> = resources
            .iter()
            .map(|resource| parameters.iter().map(|parameter| facts::facts(parameter, resource)).collect())
            .collect();
        let lenders: Vec<usize> = (0..resources.len())
            .filter(|index| subjects.contains(&key(resources[*index])))
            .filter(|index| facts[*index].iter().all(|facts| !facts.is_empty()))
            .collect();
        if lenders.is_empty() {
            return Err(Skip(format!("no resource under test has a value for {}", names.join(" and "))));
        }
        Ok(Self { resource_type: resource_type.to_owned(), parameters, resources, facts, lenders })
    }

    pub(crate) fn facts_of(&self, lender: usize, parameter: usize) -> &[Fact] {
        &self.facts[lender][parameter]
    }

    pub(crate) fn resource(&self, index: usize) -> &'d Value {
        self.resources[index]
    }

    /// A criterion for each parameter, met by the lender.
    pub(crate) fn criteria(&self, lender: usize) -> Option<Vec<Criterion>> {
        let each = self.parameters.iter().zip(&self.facts[lender]);
        each.map(|(parameter, facts)| primary(parameter, facts)).collect()
    }

    /// The resources that meet all criteria: one a parameter, in their order.
    pub(crate) fn expected(&self, criteria: &[Criterion]) -> BTreeSet<String> {
        self.meeting(criteria).map(|index| key(self.resources[index])).collect()
    }

    pub(crate) fn meeting<'a>(&'a self, criteria: &'a [Criterion]) -> impl Iterator<Item = usize> + 'a {
        let meets =
            |facts: &Vec<Vec<Fact>>| criteria.iter().zip(facts).all(|(criterion, facts)| criterion.is_met(facts));
        self.facts.iter().enumerate().filter(move |(_, facts)| meets(facts)).map(|(index, _)| index)
    }

    /// Values of one parameter in other resources: first of those that meet the other criteria, then of any.
    pub(crate) fn others(&self, lender: usize, index: usize, rest: &[&Criterion]) -> Vec<Fact> {
        let positions: Vec<usize> = (0..self.parameters.len()).filter(|position| *position != index).collect();
        let meets = |other: &usize| {
            let mut each = positions.iter().zip(rest);
            each.all(|(position, criterion)| criterion.is_met(&self.facts[*other][*position]))
        };
        let all = (0..self.resources.len()).filter(|other| *other != lender);
        let (near, far): (Vec<usize>, Vec<usize>) = all.partition(meets);
        near.into_iter().chain(far).flat_map(|other| self.facts[other][index].iter().cloned()).collect()
    }

    /// Whether a resource that is not among the known ones meets them.
    pub(crate) fn meets(&self, criteria: &[Criterion], resource: &Value) -> bool {
        let each = self.parameters.iter().zip(criteria);
        each.into_iter().all(|(parameter, criterion)| criterion.is_met(&facts::facts(parameter, resource)))
    }
}

/// A criterion that these facts meet; a date as it stands where that can match, else from its day on.
pub(crate) fn primary(parameter: &Parameter, facts: &[Fact]) -> Option<Criterion> {
    if let Fact::Date(_, text) = facts.first()? {
        let equal = criteria::dates(parameter, "eq", text.get(..10).unwrap_or(text));
        if let Some(equal) = equal.filter(|equal| equal.is_met(facts)) {
            return Some(equal);
        }
    }
    criteria::of(parameter, facts)
}

/// The criteria at the boundaries of a date, for a prefix: the day itself, and the day beside it.
pub(crate) fn boundaries(parameter: &Parameter, fact: &Fact, prefix: &'static str) -> Vec<Criterion> {
    let Fact::Date(_, text) = fact else { return Vec::new() };
    let written = text.get(..10).unwrap_or(text);
    let day: Option<Date> = written.parse().ok();
    let beside = day.and_then(|day| {
        let days = match prefix {
            "ge" | "lt" => 1,
            _ => -1,
        };
        day.checked_add(days.days()).ok()
    });
    let texts = [Some(written.to_owned()), beside.map(|day| day.to_string())];
    texts.into_iter().flatten().filter_map(|text| criteria::dates(parameter, prefix, &text)).collect()
}

/// The patient of the parameter's reference with its type before the id.
pub(crate) fn with_type(parameter: &Parameter, criterion: &mut Criterion) {
    if let Kind::Reference { target: Some(target) } = &parameter.kind
        && !criterion.value.contains('/')
    {
        criterion.value = format!("{target}/{}", criterion.value);
    }
}
