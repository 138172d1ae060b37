//! `_include` and `_revinclude`. <https://hl7.org/fhir/R4/search.html#include>

use std::collections::BTreeSet;

use serde_json::Value;

use super::bundle::{Found, Query};
use super::plan::Plan;
use super::returned::key;
use super::session::Session;
use super::{Judged, Skip};
use crate::queries::criteria::Criterion;
use crate::queries::facts::{Fact, facts};
use crate::queries::{Parameter, spread};
use crate::suite::Check;

/// How many searches an include is tried with.
const LENDERS: usize = 3;

/// What a parameter refers to.
fn targets(parameter: &Parameter, resource: &Value) -> Vec<String> {
    let references = facts(parameter, resource).into_iter();
    references.filter_map(|fact| if let Fact::Reference(reference) = fact { Some(reference) } else { None }).collect()
}

/// `MedicationRequest:medication`: source, parameter, and perhaps the type of the target.
fn parts(include: &str) -> (&str, &str, Option<&str>) {
    let mut parts = include.split(':');
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next())
}

pub(crate) fn include(session: &mut Session<'_>, include: &str) -> Judged {
    let (source, name, wanted) = parts(include);
    let parameter = session.test.suite.parameter(source, name).map_err(Skip)?;
    let data = session.run.data;
    let is_wanted = |to: &String| wanted.is_none_or(|wanted| to.split('/').next() == Some(wanted));
    let brings = |resource: &Value| -> Vec<String> {
        targets(&parameter, resource).into_iter().filter(|to| is_wanted(to) && data.get(to).is_some()).collect()
    };
    bring(session, ("_include", include), &brings)
}

pub(crate) fn revinclude(session: &mut Session<'_>, include: &str) -> Judged {
    let (source, name, _) = parts(include);
    let parameter = session.test.suite.parameter(source, name).map_err(Skip)?;
    let sources = session.run.data.of_type(source);
    let referring: Vec<(String, Vec<String>)> =
        sources.map(|resource| (key(resource), targets(&parameter, resource))).collect();
    let brings = |resource: &Value| -> Vec<String> {
        let matched = key(resource);
        let found = referring.iter().filter(|(_, targets)| targets.contains(&matched));
        found.map(|(source, _)| source.clone()).collect()
    };
    bring(session, ("_revinclude", include), &brings)
}

/// Searches for what brings others along, and compares what comes with `brings` of each match.
fn bring(session: &mut Session<'_>, parameter: (&str, &str), brings: &dyn Fn(&Value) -> Vec<String>) -> Judged {
    let (name, include) = parameter;
    let subjects: Vec<&Value> =
        session.subjects()?.into_iter().filter(|resource| !brings(resource).is_empty()).collect();
    let plan = matching(session, subjects, &format!("brings anything by {name}={include}"))?;
    for lender in spread(&plan.lenders, LENDERS) {
        let Some((criteria, found)) = ask(session, &plan, *lender, parameter) else { continue };
        let expected: BTreeSet<String> =
            plan.meeting(&criteria).flat_map(|index| brings(plan.resource(index))).collect();
        compare(session, include, &found, &expected);
    }
    Ok(())
}

/// A search that the guide asks for and that finds these: by patient where it has one that stands with a patient, else
/// by id.
fn matching<'d>(session: &Session<'d>, subjects: Vec<&'d Value>, what: &str) -> Result<Plan<'d>, Skip> {
    if subjects.is_empty() {
        return Err(Skip(format!("no resource under test {what}")));
    }
    let keys: BTreeSet<String> = subjects.iter().map(|resource| key(resource)).collect();
    let searches = session.test.group.tests.iter().filter_map(|definition| match &definition.check {
        Check::Search { parameters, .. } if parameters.iter().any(|name| name == "patient") => {
            Some((definition.expectation, parameters.len(), parameters))
        }
        _ => None,
    });
    let resource_type = session.resource_type();
    let by_id = vec!["_id".to_owned()];
    let names = searches.min().map_or(&by_id, |(_, _, names)| names);
    let resources: Vec<&Value> = session.run.data.of_type(resource_type).collect();
    Plan::new(session, resource_type, names, resources.clone(), &keys)
        .or_else(|_| Plan::new(session, resource_type, &by_id, resources, &keys))
}

fn ask(
    session: &mut Session<'_>,
    plan: &Plan<'_>,
    lender: usize,
    (name, value): (&str, &str),
) -> Option<(Vec<Criterion>, Found)> {
    let criteria = plan.criteria(lender)?;
    let mut parameters: Vec<_> =
        criteria.iter().map(|criterion| (criterion.name.clone(), criterion.value.clone())).collect();
    parameters.push((name.to_owned(), value.to_owned()));
    let query = Query { resource_type: plan.resource_type.clone(), parameters, by_post: false };
    let found = session.search(&query)?;
    session.expect(&query, &found.matches, &plan.expected(&criteria), &|resource| plan.meets(&criteria, resource));
    Some((criteria, found))
}

fn compare(session: &mut Session<'_>, include: &str, found: &Found, expected: &BTreeSet<String>) {
    let included: BTreeSet<String> = found.included.iter().map(key).collect();
    // A resource that matches is not brought a second time.
    let matches: BTreeSet<String> = found.matches.iter().map(key).collect();
    for missing in expected.difference(&included).filter(|key| !matches.contains(*key)) {
        session.problem(format!("{include}: {missing} is not included"));
    }
    if session.run.data.is_complete() {
        for other in included.difference(expected) {
            session.problem(format!("{include}: {other} is included, and no match has to do with it"));
        }
    }
}
