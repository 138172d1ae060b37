//! What US Core asks in its guidance: clinical notes and missing data.
//! <https://hl7.org/fhir/us/core/STU8/clinical-notes.html>

use std::collections::BTreeSet;

use serde_json::Value;

use super::bundle::Query;
use super::plan::Plan;
use super::returned::key;
use super::session::Session;
use super::{Judged, Skip};
use crate::client::Sending;
use crate::queries::criteria;
use crate::queries::facts::facts;
use crate::suite::Missing;

const ABSENT: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
const ABSENT_CODES: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";

/// A patient's documents or reports by their type or category.
pub(crate) fn clinical_note(
    session: &mut Session<'_>,
    resource_type: &str,
    parameter: &str,
    system: &str,
    code: &str,
) -> Judged {
    let known = session.test.suite.parameter(resource_type, parameter).map_err(Skip)?;
    let wanted = criteria::token(&known, Some(system), code);
    let resources: Vec<&Value> = session.run.data.of_type(resource_type).collect();
    let subjects = resources.iter().filter(|resource| wanted.is_met(&facts(&known, resource)));
    let subjects: BTreeSet<String> = subjects.map(|resource| key(resource)).collect();
    if subjects.is_empty() {
        return Err(Skip(format!("no {resource_type} has the {parameter} {code}")));
    }
    let names = ["patient".to_owned(), parameter.to_owned()];
    let plan = Plan::new(session, resource_type, &names, resources, &subjects)?;
    let Some(mut criteria) = plan.criteria(plan.lenders[0]) else { return Ok(()) };
    criteria[1] = wanted;
    super::search::ask(session, &plan, &criteria, false);
    Ok(())
}

fn urls<'a>(attachments: impl Iterator<Item = &'a Value>) -> Vec<(&'a str, Option<&'a str>)> {
    attachments
        .filter_map(|attachment| Some((attachment["url"].as_str()?, attachment["contentType"].as_str())))
        .collect()
}

pub(crate) fn attachments(session: &mut Session<'_>) -> Judged {
    let reports = session.of_patients("DiagnosticReport");
    let reports = reports.iter().flat_map(|harvest| &harvest.resources);
    let documents = session.of_patients("DocumentReference");
    let documents = documents.iter().flat_map(|harvest| &harvest.resources);
    let contents = documents.flat_map(|document| document["content"].as_array().into_iter().flatten());
    let in_documents = urls(contents.map(|content| &content["attachment"]));
    let forms = reports.flat_map(|report| report["presentedForm"].as_array().into_iter().flatten());
    let in_reports = urls(forms);
    if in_reports.is_empty() {
        return Err(Skip("no DiagnosticReport has an attachment with a url".to_owned()));
    }
    for (url, _) in &in_reports {
        if !in_documents.iter().any(|(other, _)| other == url) {
            session.problem(format!("{url} stands in a DiagnosticReport's presentedForm, and in no DocumentReference"));
        }
    }
    let all: BTreeSet<(&str, Option<&str>)> = in_reports.into_iter().chain(in_documents).collect();
    for (url, content_type) in all {
        let accept = content_type.unwrap_or("*/*");
        let Some(answer) = session.send(url, Sending { accept: Some(accept), ..Sending::default() }) else { continue };
        let returned = answer.header("content-type").unwrap_or_default().to_owned();
        let mime = |text: &str| text.split(';').next().unwrap_or_default().trim().to_owned();
        if answer.status() != 200 || answer.body.is_empty() {
            session.problem(format!("{url}: the attachment is not fetched: status {}", answer.status()));
        } else if content_type.is_some_and(|wanted| mime(wanted) != mime(&returned)) {
            session.problem(format!("{url}: the attachment is {returned}, and the resource calls it {accept}"));
        }
    }
    Ok(())
}

pub(crate) fn custodians(session: &mut Session<'_>) -> Judged {
    let harvests = session.of_patients("DocumentReference");
    let documents: Vec<&Value> = harvests.iter().flat_map(|harvest| &harvest.resources).collect();
    if documents.is_empty() {
        return Err(Skip("there is no DocumentReference".to_owned()));
    }
    for document in documents.into_iter().filter(|document| !document["custodian"].is_object()) {
        let key = key(document);
        let parameters = vec![
            ("_id".to_owned(), document["id"].as_str().unwrap_or_default().to_owned()),
            ("_revinclude".to_owned(), "Provenance:target".to_owned()),
        ];
        let query = Query { resource_type: "DocumentReference".to_owned(), parameters, by_post: false };
        let Some(found) = session.search(&query) else { continue };
        let agents = found.included.iter().flat_map(|provenance| provenance["agent"].as_array().into_iter().flatten());
        let is_organization = |reference: &Value| {
            reference["reference"].as_str().is_some_and(|reference| reference.contains("Organization/"))
        };
        if !agents.into_iter().any(|agent| is_organization(&agent["who"]) || is_organization(&agent["onBehalfOf"])) {
            session.problem(format!("{key}: no custodian, and no Provenance that names an Organization"));
        }
    }
    Ok(())
}

/// <https://hl7.org/fhir/us/core/STU8/general-requirements.html#missing-data>
pub(crate) fn missing_data(session: &mut Session<'_>, form: Missing) -> Judged {
    let guide = session.test.suite.guide.clone();
    let is_subject = |resource: &&Value| {
        let version = guide.as_ref().map(|guide| guide.version.as_str());
        let profiles = resource["meta"]["profile"].as_array().into_iter().flatten().filter_map(Value::as_str);
        profiles.into_iter().any(|profile| {
            let claimed = session.run.guides.claimed(profile);
            claimed.is_some_and(|claimed| Some(claimed.guide().version()) == version)
        })
    };
    let subject = session.run.data.all().filter(is_subject).find(|resource| is_marked(resource, form, ""));
    let Some(subject) = subject else {
        return Err(Skip("no resource of this version says that a value is unknown".to_owned()));
    };
    let key = key(subject);
    if let Some((_, resource)) = session.read(&key)
        && !is_marked(&resource, form, "")
    {
        session.problem(format!("{key}: what says that a value is unknown is not returned"));
    }
    Ok(())
}

fn is_marked(value: &Value, form: Missing, name: &str) -> bool {
    match value {
        Value::Object(members) => {
            let here = match form {
                Missing::Extension => value["url"] == ABSENT && value["valueCode"] == "unknown",
                // What `dataAbsentReason` says is another thing: of an Observation's own value.
                Missing::Code => {
                    name != "dataAbsentReason" && value["system"] == ABSENT_CODES && value["code"] == "unknown"
                }
            };
            // A coding is known by the element that it stands in.
            let below = |(member, value): (&String, &Value)| {
                is_marked(value, form, if member == "coding" { name } else { member })
            };
            here || members.iter().any(below)
        }
        Value::Array(items) => items.iter().any(|item| is_marked(item, form, name)),
        _ => false,
    }
}
