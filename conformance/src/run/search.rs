//! Searches by the guide's parameters, in all the forms that a client may choose.
//! <https://hl7.org/fhir/R4/search.html>

use std::collections::BTreeSet;

use serde_json::Value;

use super::bundle::Query;
use super::plan::{Plan, boundaries, primary, with_type};
use super::returned::key;
use super::session::Session;
use super::{Judged, Skip};
use crate::queries::criteria::{self, Criterion};
use crate::queries::facts::Fact;
use crate::queries::spread;
use crate::samples::Sample;
use crate::suite::Variant;

/// How many resources lend their values to the plain form of a search.
const LENDERS: usize = 3;
/// A code that nothing has.
const OTHER_CODE: &str = "another-code";
/// A system that no code is of.
const OTHER_SYSTEM: &str = "http://example.org/another-system";

pub(crate) fn search(session: &mut Session<'_>, names: &[String]) -> Judged {
    let resource_type = session.resource_type();
    let subjects = session.subjects()?;
    let keys: BTreeSet<String> = subjects.iter().map(|resource| key(resource)).collect();
    let harvest;
    let resources: Vec<&Value> = if names.iter().any(|name| name == "_lastUpdated") {
        // When it was updated the server alone knows: it says so for the whole patient first.
        harvest = patient_of(session, &subjects)
            .map(|patient| session.harvest(resource_type, &patient))
            .ok_or_else(|| Skip("no patient's resources can be read".to_owned()))?;
        harvest.resources.iter().collect()
    } else {
        session.run.data.of_type(resource_type).collect()
    };
    let plan = Plan::new(session, resource_type, names, resources, &keys)?;
    match session.test.variant.unwrap_or(Variant::Get) {
        Variant::Get => plain(session, &plan, false),
        Variant::Post => plain(session, &plan, true),
        Variant::Reference => typed_reference(session, &plan),
        Variant::Token => tokens(session, &plan),
        Variant::List => lists(session, &plan, names),
        Variant::Comparator => comparators(session, &plan, names),
    }
}

/// The patient of the first resource that has one.
fn patient_of(session: &Session<'_>, subjects: &[&Value]) -> Option<String> {
    let parameter = session.test.suite.parameter(session.resource_type(), "patient").ok()?;
    subjects.iter().find_map(|resource| match crate::queries::facts::facts(&parameter, resource).first()? {
        Fact::Reference(reference) => reference.strip_prefix("Patient/").map(str::to_owned),
        _ => None,
    })
}

/// Sends the criteria and compares; returns how many were to be found.
pub(crate) fn ask(session: &mut Session<'_>, plan: &Plan<'_>, criteria: &[Criterion], by_post: bool) -> usize {
    let expected = plan.expected(criteria);
    let parameters = criteria.iter().map(|criterion| (criterion.name.clone(), criterion.value.clone())).collect();
    let query = Query { resource_type: plan.resource_type.clone(), parameters, by_post };
    if let Some(found) = session.search(&query) {
        session.expect(&query, &found.matches, &expected, &|resource| plan.meets(criteria, resource));
    }
    expected.len()
}

/// A test whose answers were all to be empty shows nothing.
fn judged(expected: usize) -> Judged {
    if expected > 0 { Ok(()) } else { Err(Skip("nothing is there that would be found".to_owned())) }
}

fn plain(session: &mut Session<'_>, plan: &Plan<'_>, by_post: bool) -> Judged {
    let count = if by_post { 1 } else { LENDERS };
    let mut expected = 0;
    for lender in spread(&plan.lenders, count) {
        if let Some(criteria) = plan.criteria(*lender) {
            expected += ask(session, plan, &criteria, by_post);
        }
    }
    judged(expected)
}

fn typed_reference(session: &mut Session<'_>, plan: &Plan<'_>) -> Judged {
    let Some(mut criteria) = plan.criteria(plan.lenders[0]) else { return judged(0) };
    for (parameter, criterion) in plan.parameters.iter().zip(&mut criteria) {
        with_type(parameter, criterion);
    }
    judged(ask(session, plan, &criteria, false))
}

/// "`[code]`: the code matches irrespective of the system; `[system]|[code]`: both match."
/// <https://hl7.org/fhir/R4/search.html#token>
fn tokens(session: &mut Session<'_>, plan: &Plan<'_>) -> Judged {
    let lender = plan.lenders[0];
    let Some(mut criteria) = plan.criteria(lender) else { return judged(0) };
    let mut others = Vec::new();
    for (index, parameter) in plan.parameters.iter().enumerate() {
        if let Some(Fact::Token { system, code }) = plan.facts_of(lender, index).first() {
            criteria[index] = criteria::token(parameter, None, code);
            if system.is_some() {
                others.push((index, criteria::token(parameter, Some(OTHER_SYSTEM), code)));
            }
        }
    }
    let expected = ask(session, plan, &criteria, false);
    for (index, other) in others {
        let replaced = std::mem::replace(&mut criteria[index], other);
        ask(session, plan, &criteria, false);
        criteria[index] = replaced;
    }
    judged(expected)
}

/// "Values separated by a comma: any of them." <https://hl7.org/fhir/R4/search.html#combining>
fn lists(session: &mut Session<'_>, plan: &Plan<'_>, names: &[String]) -> Judged {
    let suite = session.test.suite;
    let known = suite.parameters.get(&plan.resource_type);
    let takes_lists = |name: &String| known.and_then(|known| known.get(name)).is_some_and(|known| known.lists);
    let mut expected = 0;
    for index in (0..names.len()).filter(|index| takes_lists(&names[*index])) {
        let lists = plan.lenders.iter().filter_map(|lender| list(plan, *lender, index));
        // Best with a value that finds another one.
        let best = lists.max_by_key(|(criteria, alone)| plan.expected(criteria).len().saturating_sub(*alone).min(1));
        let Some((criteria, _)) = best else { continue };
        expected += ask(session, plan, &criteria, false);
    }
    judged(expected)
}

/// The lender's criteria with a second value in one of them, and how many the first value finds alone.
fn list(plan: &Plan<'_>, lender: usize, index: usize) -> Option<(Vec<Criterion>, usize)> {
    let parameter = &plan.parameters[index];
    let own = plan.facts_of(lender, index);
    let mut criteria = plan.criteria(lender)?;
    let alone = plan.expected(&criteria).len();
    let rest: Vec<&Criterion> = criteria
        .iter()
        .enumerate()
        .filter(|(position, _)| *position != index)
        .map(|(_, criterion)| criterion)
        .collect();
    let others = plan.others(lender, index, &rest);
    // Where the data know one value only, it is asked for beside one that nothing has: an AND would find nothing.
    let second = others.into_iter().find(|fact| !own.contains(fact));
    let second = second.unwrap_or(Fact::Token { system: None, code: OTHER_CODE.to_owned() });
    let second = primary(parameter, std::slice::from_ref(&second))?;
    let first = primary(parameter, own)?;
    criteria[index] = criteria::either(parameter, vec![first, second]);
    Some((criteria, alone))
}

/// <https://hl7.org/fhir/R4/search.html#prefix>
fn comparators(session: &mut Session<'_>, plan: &Plan<'_>, names: &[String]) -> Judged {
    const PREFIXES: [&str; 8] = ["eq", "ne", "gt", "ge", "lt", "le", "sa", "eb"];
    let suite = session.test.suite;
    let lender = plan.lenders[0];
    let mut expected = 0;
    for (index, name) in names.iter().enumerate() {
        let known = suite.parameters.get(&plan.resource_type).and_then(|known| known.get(name));
        let wanted = known.map(|known| known.comparators.as_slice()).unwrap_or_default();
        for prefix in PREFIXES.into_iter().filter(|prefix| wanted.iter().any(|wanted| wanted == prefix)) {
            let Some(fact) = plan.facts_of(lender, index).first() else { continue };
            for criterion in boundaries(&plan.parameters[index], fact, prefix) {
                let Some(mut criteria) = plan.criteria(lender) else { return judged(0) };
                criteria[index] = criterion;
                expected += ask(session, plan, &criteria, false);
            }
        }
    }
    judged(expected)
}

/// "`practitioner.name=`: the resources whose practitioner has the name." <https://hl7.org/fhir/R4/search.html#chaining>
pub(crate) fn chain(session: &mut Session<'_>, parameter: &str, target: &str, chained: &str) -> Judged {
    let resource_type = session.resource_type();
    let subjects: BTreeSet<String> = session.subjects()?.into_iter().map(key).collect();
    let data = session.run.data;
    let names = [parameter.to_owned()];
    let plan = Plan::new(session, resource_type, &names, data.of_type(resource_type).collect(), &subjects)?;
    let targets: BTreeSet<String> = data.of_type(target).map(key).collect();
    let chained_names = [chained.to_owned()];
    let targets = Plan::new(session, target, &chained_names, data.of_type(target).collect(), &targets)?;
    let refers_to = |index: &usize, found: &BTreeSet<String>| {
        plan.facts_of(*index, 0).iter().any(|fact| matches!(fact, Fact::Reference(to) if found.contains(to)))
    };
    let mut expected = 0;
    for lender in spread(&targets.lenders, LENDERS) {
        let Some(criteria) = targets.criteria(*lender) else { continue };
        let found = targets.expected(&criteria);
        let matches: BTreeSet<String> = plan
            .lenders
            .iter()
            .filter(|index| refers_to(index, &found))
            .map(|index| key(plan.resource(*index)))
            .collect();
        let name = format!("{parameter}.{}", criteria[0].name);
        let parameters = vec![(name, criteria[0].value.clone())];
        let query = Query { resource_type: resource_type.to_owned(), parameters, by_post: false };
        // Roles that do not claim the profile may be found, too.
        let all: BTreeSet<String> = data
            .of_type(resource_type)
            .filter(|resource| {
                let facts = crate::queries::facts::facts(&plan.parameters[0], resource);
                facts.iter().any(|fact| matches!(fact, Fact::Reference(to) if found.contains(to)))
            })
            .map(key)
            .collect();
        if let Some(answer) = session.search(&query) {
            let known = session.run.data.is_complete();
            session.expect(&query, &answer.matches, &all, &|_| !known);
        }
        expected += matches.len();
    }
    judged(expected)
}

/// Every search that the hand-written table gives for what was loaded.
pub(crate) fn queries(session: &mut Session<'_>, resource_type: &str) -> Judged {
    let data = session.run.data;
    if !data.is_complete() {
        return Err(Skip("what else the server holds is not known".to_owned()));
    }
    let samples: Vec<Sample> = data
        .of_type(resource_type)
        .map(|resource| Sample { origin: String::new(), resource: resource.clone() })
        .collect();
    // The ids are enough, and quick.
    let brief = [("_elements", "id"), ("_count", "500")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut expected = 0;
    for query in crate::queries::queries(&samples) {
        let sent = Query {
            resource_type: query.resource_type.to_owned(),
            parameters: query.parameters.into_iter().chain(brief.clone()).collect(),
            by_post: false,
        };
        let wanted: BTreeSet<String> = query.expected.iter().map(|id| format!("{resource_type}/{id}")).collect();
        expected += wanted.len();
        if let Some(found) = session.search(&sent) {
            session.expect(&sent, &found.matches, &wanted, &|_| false);
        }
    }
    judged(expected)
}
