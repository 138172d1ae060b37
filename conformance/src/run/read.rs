//! Reads, versions and histories. <https://hl7.org/fhir/R4/http.html#read>

use serde_json::Value;

use super::returned::key;
use super::session::Session;
use super::{Judged, Skip};
use crate::client::{Answer, Sending};
use crate::queries::spread;

/// How many resources of a profile are read.
const READ: usize = 5;

pub(crate) fn read(session: &mut Session<'_>) -> Judged {
    for subject in spread(&session.subjects()?, READ) {
        if let Some((answer, resource)) = session.read(&key(subject)) {
            headers(session, &answer, &resource);
        }
    }
    Ok(())
}

/// "The server SHOULD return an ETag header with the versionId, and a Last-Modified header": where they are there, they
/// are of this version. <https://hl7.org/fhir/R4/http.html#versions>
fn headers(session: &mut Session<'_>, answer: &Answer, resource: &Value) {
    let key = key(resource);
    let version = resource["meta"]["versionId"].as_str();
    let tag = answer.header("etag").map(|tag| tag.trim_start_matches("W/").trim_matches('"').to_owned());
    if let Some(tag) = tag.filter(|tag| Some(tag.as_str()) != version) {
        let version = version.unwrap_or("none");
        session.problem(format!("{key}: the ETag names the version {tag}, and meta.versionId is {version}"));
    }
}

pub(crate) fn vread(session: &mut Session<'_>) -> Judged {
    for subject in spread(&session.subjects()?, 2) {
        let key = key(subject);
        let Some((_, current)) = session.read(&key) else { continue };
        let Some(version) = current["meta"]["versionId"].as_str() else {
            session.problem(format!("{key}: meta.versionId is missing"));
            continue;
        };
        let path = format!("{key}/_history/{version}");
        let Some(answer) = session.send(&path, Sending::default()) else { continue };
        let Some(versioned) = session.fhir(&path, &answer, 200) else { continue };
        headers(session, &answer, &versioned);
        if versioned != current {
            session.problem(format!("{path}: it is not what a read returns as that version"));
        }
    }
    Ok(())
}

pub(crate) fn history(session: &mut Session<'_>) -> Judged {
    for subject in spread(&session.subjects()?, 2) {
        let key = key(subject);
        let Some((_, current)) = session.read(&key) else { continue };
        let path = format!("{key}/_history");
        let Some(answer) = session.send(&path, Sending::default()) else { continue };
        let Some(bundle) = session.fhir(&path, &answer, 200) else { continue };
        if bundle["resourceType"] != "Bundle" || bundle["type"] != "history" {
            session.problem(format!("{path}: the answer is no Bundle of the type history"));
            continue;
        }
        let entries: Vec<&Value> = bundle["entry"].as_array().into_iter().flatten().collect();
        let expected = format!("{}/{key}", session.run.server.base);
        if entries.iter().any(|entry| entry["fullUrl"] != expected.as_str()) {
            session.problem(format!("{path}: a fullUrl is not {expected}"));
        }
        // bdl-3, bdl-4: a history says what made each version, and how it went.
        if entries.iter().any(|entry| !entry["request"].is_object() || !entry["response"].is_object()) {
            session.problem(format!("{path}: an entry has no request or no response"));
        }
        if entries.first().is_none_or(|entry| entry["resource"] != current) {
            session.problem(format!("{path}: the first entry is not the current version"));
        }
    }
    Ok(())
}

/// "What is stored is what is served": each resource of the files, value by value, decimals as written.
/// <https://hl7.org/fhir/R4/datatypes.html#decimal>
pub(crate) fn held(session: &mut Session<'_>) -> Judged {
    const READ: usize = 300;
    if !session.run.data.is_complete() {
        return Err(Skip("what was loaded is not known".to_owned()));
    }
    let all: Vec<&Value> = session.run.data.all().collect();
    for resource in spread(&all, READ) {
        session.read(&key(resource));
    }
    if all.is_empty() { Err(Skip("nothing was loaded".to_owned())) } else { Ok(()) }
}
