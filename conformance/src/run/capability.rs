//! The CapabilityStatement. <https://hl7.org/fhir/R4/capabilitystatement.html>

use serde_json::Value;

use super::Judged;
use super::session::Session;
use crate::suite::Check;

const PATH: &str = "metadata";

fn statement_of(session: &mut Session<'_>) -> Option<Value> {
    let answer = session.send_once(PATH)?;
    let statement = session.fhir(PATH, &answer, 200)?;
    if statement["resourceType"] == "CapabilityStatement" {
        Some(statement)
    } else {
        session.problem("metadata: the answer is no CapabilityStatement");
        None
    }
}

fn texts<'a>(value: &'a Value, member: Option<&str>) -> Vec<&'a str> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(|item| member.map_or(item, |member| &item[member]).as_str()).collect()
}

pub(crate) fn statement(session: &mut Session<'_>, instantiates: Option<&str>) -> Judged {
    let Some(statement) = statement_of(session) else { return Ok(()) };
    if let Some(schema) = session.run.schema {
        schema.problems(&statement).into_iter().for_each(|problem| session.problem(format!("metadata: {problem}")));
    }
    for (name, expected) in [("fhirVersion", "4.0.1"), ("kind", "instance")] {
        if statement[name] != expected {
            session.problem(format!("metadata: {name} is {}, expected {expected}", statement[name]));
        }
    }
    let formats = texts(&statement["format"], None);
    if !formats.iter().any(|format| *format == "json" || format.ends_with("fhir+json")) {
        session.problem(format!("metadata: format is {formats:?}, expected json among them"));
    }
    let servers = statement["rest"].as_array().into_iter().flatten().filter(|rest| rest["mode"] == "server");
    if servers.count() != 1 {
        session.problem("metadata: not exactly one `rest` has the mode server");
    }
    if let Some(wanted) = instantiates {
        let named = texts(&statement["instantiates"], None);
        if !named.iter().any(|url| url.split('|').next() == Some(wanted)) {
            session.problem(format!("metadata: `instantiates` does not name {wanted}"));
        }
    }
    Ok(())
}

pub(crate) fn of_type(session: &mut Session<'_>, check: &Check) -> Judged {
    let Check::CapabilityType { resource_type, interactions, parameters, profiles, includes, revincludes } = check
    else {
        return Ok(());
    };
    let Some(statement) = statement_of(session) else { return Ok(()) };
    let servers = statement["rest"].as_array().into_iter().flatten().filter(|rest| rest["mode"] == "server");
    let resources: Vec<&Value> = servers.flat_map(|rest| rest["resource"].as_array().into_iter().flatten()).collect();
    let Some(found) = resources.iter().find(|resource| resource["type"] == resource_type.as_str()) else {
        session.problem(format!("metadata: {resource_type} is not named"));
        return Ok(());
    };
    let version = session.test.suite.guide.as_ref().map(|guide| guide.version.as_str());
    let lists = [
        ("interaction", texts(&found["interaction"], Some("code")), interactions),
        ("searchParam", texts(&found["searchParam"], Some("name")), parameters),
        ("searchInclude", texts(&found["searchInclude"], None), includes),
        ("searchRevInclude", texts(&found["searchRevInclude"], None), revincludes),
    ];
    for (list, named, wanted) in lists {
        for wanted in wanted.iter().filter(|wanted| !is_named(&named, wanted)) {
            session.problem(format!("metadata: {resource_type}.{list} does not name {wanted}"));
        }
    }
    let supported = texts(&found["supportedProfile"], None);
    for profile in profiles {
        let is_supported = supported.iter().any(|canonical| {
            let (url, known) = canonical.split_once('|').map_or((*canonical, None), |(url, known)| (url, Some(known)));
            url == profile && (known.is_none() || known == version)
        });
        if !is_supported {
            let version = version.unwrap_or_default();
            session.problem(format!("metadata: {resource_type}.supportedProfile does not name {profile}|{version}"));
        }
    }
    Ok(())
}

/// "Servers SHALL NOT define parameters with other meanings whose names differ in case only."
/// <https://hl7.org/fhir/R4/search.html#Summary>
pub(crate) fn parameter_names(session: &mut Session<'_>) -> Judged {
    let Some(statement) = statement_of(session) else { return Ok(()) };
    let resources = statement["rest"].as_array().into_iter().flatten().flat_map(|rest| rest["resource"].as_array());
    for resource in resources.flatten() {
        let mut known = std::collections::BTreeMap::new();
        for name in texts(&resource["searchParam"], Some("name")) {
            if let Some(other) = known.insert(name.to_lowercase(), name) {
                session.problem(format!("metadata: {} has both {other} and {name}", resource["type"]));
            }
        }
    }
    Ok(())
}

/// An include may be named without the type of its target, or be covered by `*`.
fn is_named(named: &[&str], wanted: &str) -> bool {
    let shorter = wanted.rsplit_once(':').map(|(shorter, _)| shorter).filter(|shorter| shorter.contains(':'));
    named.iter().any(|name| *name == wanted || Some(*name) == shorter || *name == "*")
}
