//! Chains and `_has`, worked out by going from one type's facts to another's.
//! <https://hl7.org/fhir/R4/search.html#chaining>, <https://hl7.org/fhir/R4/search.html#has>

use std::collections::{BTreeMap, BTreeSet};

use super::criteria::{self, Criterion};
use super::facts::Fact;
use super::{Kind, Parameter, Query, Reading, parameters, spread};

/// How many criteria of the other side each reference is tried with.
const CRITERIA: usize = 2;

/// For each parameter that leads to one type only: chains to that type, and `_has` back from it.
pub(super) fn queries(readings: &BTreeMap<&'static str, Reading<'_>>) -> Vec<Query> {
    let mut queries = Vec::new();
    for (source, reading) in readings {
        for reference in parameters(source) {
            let Kind::Reference { target: Some(target) } = &reference.kind else { continue };
            let Some((target, of_target)) = readings.get_key_value(target.as_ref()) else { continue };
            let ends = Ends { source, reading, reference, target, of_target };
            queries.extend(some(target, of_target).iter().map(|criterion| ends.chain(criterion)));
            queries.extend(some(source, reading).iter().map(|criterion| ends.reverse(criterion)));
        }
    }
    queries
}

/// Some criteria of a type, of several parameters and spread over all; none that asks for what is not there, which says
/// nothing of where a chain leads.
fn some(resource_type: &str, reading: &Reading<'_>) -> Vec<Criterion> {
    let kinds = [Kind::Token, Kind::Text];
    let all = parameters(resource_type).filter(|parameter| kinds.contains(&parameter.kind));
    let all = all.flat_map(|parameter| criteria::single(parameter, &reading.facts[parameter.code.as_str()], 2));
    let all: Vec<Criterion> = all.filter(|criterion| !criterion.name.ends_with(":not")).collect();
    spread(&all, CRITERIA).into_iter().cloned().collect()
}

/// Both ends of a reference.
struct Ends<'a> {
    source: &'static str,
    reading: &'a Reading<'a>,
    reference: &'a Parameter,
    target: &'static str,
    of_target: &'a Reading<'a>,
}

impl Ends<'_> {
    /// `Observation?patient.gender=female`
    fn chain(&self, criterion: &Criterion) -> Query {
        let met: BTreeSet<String> =
            meeting(self.of_target, criterion).map(|(_, id)| format!("{}/{id}", self.target)).collect();
        let refers = &self.reading.facts[self.reference.code.as_str()];
        let leads = |facts: &[Fact]| {
            facts.iter().any(|fact| matches!(fact, Fact::Reference(reference) if met.contains(reference)))
        };
        let found = self.reading.ids.iter().zip(refers).filter(|(_, facts)| leads(facts));
        Query {
            resource_type: self.source,
            parameters: vec![(format!("{}.{}", self.reference.code, criterion.name), criterion.value.clone())],
            expected: found.map(|(id, _)| (*id).to_owned()).collect(),
        }
    }

    /// `Patient?_has:Observation:patient:code=1234-5`
    fn reverse(&self, criterion: &Criterion) -> Query {
        let refers = &self.reading.facts[self.reference.code.as_str()];
        let named = meeting(self.reading, criterion).flat_map(|(index, _)| &refers[index]);
        let named: BTreeSet<&str> = named
            .filter_map(
                |fact| if let Fact::Reference(reference) = fact { reference.strip_prefix(self.target) } else { None },
            )
            .filter_map(|rest| rest.strip_prefix('/'))
            .collect();
        let found = self.of_target.ids.iter().filter(|id| named.contains(**id));
        let name = format!("_has:{}:{}:{}", self.source, self.reference.code, criterion.name);
        Query {
            resource_type: self.target,
            parameters: vec![(name, criterion.value.clone())],
            expected: found.map(|id| (*id).to_owned()).collect(),
        }
    }
}

fn meeting<'a>(reading: &'a Reading<'_>, criterion: &'a Criterion) -> impl Iterator<Item = (usize, &'a str)> {
    let facts = &reading.facts[criterion.code.as_str()];
    let all = reading.ids.iter().zip(facts).enumerate();
    all.filter(|(_, (_, facts))| criterion.is_met(facts)).map(|(index, (id, _))| (index, *id))
}
