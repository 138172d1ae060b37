//! What R4 asks of every server: refusals, formats, pages, totals.

use std::collections::BTreeSet;

use super::bundle::Query;
use super::returned::key;
use super::session::{FHIR_JSON, Session};
use super::{Judged, Skip};
use crate::client::Sending;

/// The type of which there are most: its searches have pages.
fn largest(session: &Session<'_>) -> Result<(String, BTreeSet<String>), Skip> {
    let data = session.run.data;
    let largest = data.types().max_by_key(|resource_type| data.of_type(resource_type).count());
    let largest = largest.ok_or_else(|| Skip("nothing was loaded".to_owned()))?;
    Ok((largest.to_owned(), data.of_type(largest).map(key).collect()))
}

fn any_patient<'r>(session: &Session<'r>) -> Result<&'r str, Skip> {
    let first = session.run.data.patients().first();
    first.map(String::as_str).ok_or_else(|| Skip("there is no Patient".to_owned()))
}

fn query(resource_type: &str, parameters: &[(&str, &str)]) -> Query {
    let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Query { resource_type: resource_type.to_owned(), parameters, by_post: false }
}

fn refused(session: &mut Session<'_>, path: &str, sending: Sending<'_>, statuses: &[u16]) -> Judged {
    if let Some(answer) = session.send(path, sending) {
        session.refusal(path, &answer, statuses);
    }
    Ok(())
}

/// "An unknown resource is 404." <https://hl7.org/fhir/R4/http.html#read>
pub(crate) fn unknown_id(session: &mut Session<'_>) -> Judged {
    refused(session, "Patient/there-is-no-such-patient", Sending::default(), &[404])
}

pub(crate) fn unknown_type(session: &mut Session<'_>) -> Judged {
    refused(session, "NoSuchType/1", Sending::default(), &[404])
}

/// <https://hl7.org/fhir/R4/http.html#vread>
pub(crate) fn unknown_version(session: &mut Session<'_>) -> Judged {
    let path = format!("Patient/{}/_history/no-such-version", any_patient(session)?);
    refused(session, &path, Sending::default(), &[404])
}

/// "If the search fails, the return value is a status code 4xx with an OperationOutcome."
/// <https://hl7.org/fhir/R4/http.html#search>
pub(crate) fn malformed_value(session: &mut Session<'_>) -> Judged {
    refused(session, "Patient?birthdate=yesterday", Sending::default(), &[400, 422])
}

/// Under strict handling an unknown parameter is refused; under lenient handling it does not stand in the self link.
/// <https://hl7.org/fhir/R4/search.html#errors>
pub(crate) fn unknown_parameter(session: &mut Session<'_>) -> Judged {
    const NAME: &str = "no-such-parameter";
    let path = format!("Patient?{NAME}=1");
    refused(session, &path, Sending { prefer: Some("handling=strict"), ..Sending::default() }, &[400])?;
    let lenient = query("Patient", &[(NAME, "1")]);
    if let Some(found) = session.search(&lenient)
        && found.self_link.contains(NAME)
    {
        session.problem(format!("{lenient}: the self link shows {NAME}, which cannot have been used"));
    }
    Ok(())
}

/// <https://hl7.org/fhir/R4/http.html#mime-type>, <https://hl7.org/fhir/R4/http.html#parameters>
pub(crate) fn formats(session: &mut Session<'_>) -> Judged {
    let patient = any_patient(session)?;
    let path = format!("Patient/{patient}");
    for accept in [FHIR_JSON, "application/json", "*/*", "application/fhir+json;fhirVersion=4.0"] {
        let Some(answer) = session.send(&path, Sending { accept: Some(accept), ..Sending::default() }) else {
            continue;
        };
        let content_type = answer.header("content-type").unwrap_or_default().to_owned();
        let mime = content_type.split(';').next().unwrap_or_default().trim();
        if answer.status() != 200 || ![FHIR_JSON, "application/json"].contains(&mime) {
            let status = answer.status();
            session.problem(format!("{path} with Accept {accept}: status {status} and {content_type}, expected JSON"));
        }
    }
    for format in ["json", "application/json", "application/fhir%2Bjson"] {
        let path = format!("{path}?_format={format}");
        let sending = Sending { accept: Some("text/html"), ..Sending::default() };
        if let Some(answer) = session.send(&path, sending) {
            session.fhir(&path, &answer, 200);
        }
    }
    let sending = Sending { accept: Some("image/png"), ..Sending::default() };
    if let Some(answer) = session.send(&path, sending) {
        session.refusal(&path, &answer, &[406]);
    }
    Ok(())
}

/// "Pages: each match once." <https://hl7.org/fhir/R4/search.html#count>, <https://hl7.org/fhir/R4/http.html#paging>
pub(crate) fn paging(session: &mut Session<'_>) -> Judged {
    let (resource_type, expected) = largest(session)?;
    let count = expected.len().div_ceil(7).max(2);
    let query = query(&resource_type, &[("_count", &count.to_string())]);
    let Some(found) = session.search(&query) else { return Ok(()) };
    let known = session.run.data.is_complete();
    session.expect(&query, &found.matches, &expected, &|_| !known);
    if let Some(page) = found.pages.iter().find(|page| **page > count) {
        session.problem(format!("{query}: a page has {page} matches, more than `_count` allows"));
    }
    if found.pages.len() < 2 && expected.len() > count {
        session.problem(format!("{query}: there is one page only, with {} matches", found.pages[0]));
    }
    if expected.len() > count { Ok(()) } else { Err(Skip("too little is there for a second page".to_owned())) }
}

/// <https://hl7.org/fhir/R4/search.html#total>
pub(crate) fn total(session: &mut Session<'_>) -> Judged {
    let (resource_type, expected) = largest(session)?;
    let query = query(&resource_type, &[("_total", "accurate")]);
    let Some(found) = session.search(&query) else { return Ok(()) };
    match found.total {
        None => session.problem(format!("{query}: there is no Bundle.total")),
        Some(total) if session.run.data.is_complete() && total != expected.len() as u64 => {
            session.problem(format!("{query}: Bundle.total is {total}, and {} match", expected.len()));
        }
        Some(_) => {}
    }
    // Nothing at all, and how much that is.
    let nothing = self::query(&resource_type, &[("_id", "there-is-no-such-id"), ("_total", "accurate")]);
    if let Some(found) = session.search(&nothing)
        && (!found.matches.is_empty() || found.total != Some(0))
    {
        session.problem(format!("{nothing}: nothing matches, and that is not what is returned"));
    }
    Ok(())
}

/// "Servers SHOULD mark resources that are not complete with the tag SUBSETTED."
/// <https://hl7.org/fhir/R4/search.html#elements>
pub(crate) fn subsetted(session: &mut Session<'_>) -> Judged {
    let patient = any_patient(session)?;
    for (name, value) in [("_elements", "gender"), ("_summary", "true")] {
        let query = query("Patient", &[("_id", patient), (name, value)]);
        let Some(found) = session.search(&query) else { continue };
        let Some(resource) = found.matches.first() else {
            session.problem(format!("{query}: the Patient is not found"));
            continue;
        };
        let tags = resource["meta"]["tag"].as_array().into_iter().flatten();
        if !tags.into_iter().any(|tag| tag["code"] == "SUBSETTED") {
            session.problem(format!("{query}: the resource has no tag SUBSETTED"));
        }
        if name == "_elements" && resource.get("name").is_some() {
            session.problem(format!("{query}: `name` is returned, and was not asked for"));
        }
    }
    Ok(())
}
