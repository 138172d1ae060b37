//! `$lastn`: of each kind of observation the latest ones. <https://hl7.org/fhir/R4/observation-operation-lastn.html>
//!
//! "… the operation … will return the most recent or last `n` number of observations": those that share a coding are
//! one kind, those without codings are told apart by their text. By the definition the search names the subject and a
//! category or code.

use std::collections::HashMap;

use serde_json::Value;

use super::Invocation;
use super::gather::{parse, write};
use crate::access::Permission;
use crate::fhir::answer::Answer;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind, outcome_bytes};
use crate::fhir::page::{Beside, BundleWriter};
use crate::fhir::query;
use crate::fhir::search::{parse_search, told};
use crate::fhir::service::Request;
use crate::search::{Access, Position};
use crate::store::Stored;

/// So many observations are looked through for one answer.
const MOST_WALKED: usize = 20_000;
const PAGE: usize = 500;

/// Observations of one kind, newest first.
struct Group {
    codings: Vec<(String, String)>,
    text: Option<String>,
    latest: Vec<Stored>,
}

pub(super) async fn lastn(request: Request<'_>, invocation: Invocation<'_>) -> Result<Answer, Error> {
    let service = request.service;
    let resource_type = service.resource_type("Observation")?;
    let granted = request.grant(resource_type, Permission::Search)?;
    let inputs = &invocation.inputs;
    let most = inputs.number("max").map_or(1, |max| usize::try_from(max).unwrap_or(usize::MAX));
    let has = |codes: &[&str]| {
        inputs.search.iter().any(|(name, _)| codes.contains(&name.split([':', '.']).next().unwrap_or_default()))
    };
    if !has(&["patient", "subject"]) || !has(&["category", "code"]) {
        let text = "$lastn needs whose observations and which: patient or subject, and category or code.";
        return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Required, text)));
    }
    if has(&["_sort", "_count", "_include", "_revinclude", "_total", "_cursor"]) {
        let text = "$lastn has an order and a number of its own: it takes criteria and `max`.";
        return Err(Error::new(Kind::Invalid, text));
    }
    let mut parameters = inputs.search.clone();
    parameters.push(("_sort".to_owned(), "-date".to_owned()));
    let (search, issues) = parse_search(&request, resource_type, &parameters).await?;
    let mut groups: Vec<Group> = Vec::new();
    let mut by_coding: HashMap<(String, String), usize> = HashMap::new();
    let (mut walked, mut position): (usize, Option<Position>) = (0, None);
    loop {
        let access = Access { boundary: &granted };
        let page = service.planner().find(&search, access, PAGE, position, &service.store).await?;
        walked += page.found.len();
        for found in page.found {
            collect(found.stored, most, &mut groups, &mut by_coding)?;
        }
        position = page.next;
        if position.is_none() {
            break;
        }
        if walked >= MOST_WALKED {
            let text = format!("More than {MOST_WALKED} observations match: narrow the search, by code or by date.");
            return Err(Error::from_issue(Kind::Unprocessable, Issue::error(IssueType::TooCostly, text)));
        }
    }
    let shown: usize = groups.iter().map(|group| group.latest.len()).sum();
    let used = search.used.iter().filter(|(name, _)| name != "_sort");
    let used: Vec<(&str, &str)> = used.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let max = most.to_string();
    let of_max = inputs.number("max").map(|_| ("max", max.as_str()));
    let url = format!("{}/Observation/$lastn?{}", service.base_url, query::write(used.into_iter().chain(of_max)));
    let mut writer = BundleWriter::new("searchset", u64::try_from(shown).ok(), &[("self", url)]);
    for stored in groups.iter().flat_map(|group| &group.latest) {
        write(&request, &mut writer, stored, "match");
    }
    let issues = told(issues);
    if !issues.is_empty() {
        let outcome = outcome_bytes(&issues, Some(request.request_id)).into();
        writer.entry(None, Some(&outcome), &Beside::Search("outcome"));
    }
    Ok(Answer::ok(writer.finish()))
}

/// Puts an observation into its group; one that shares codings with several brings them together.
fn collect(
    stored: Stored,
    most: usize,
    groups: &mut Vec<Group>,
    by_coding: &mut HashMap<(String, String), usize>,
) -> Result<(), Error> {
    let resource = parse(&stored)?;
    let code = resource.get("code");
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let codings = code.and_then(|code| code.get("coding")).and_then(Value::as_array);
    let codings: Vec<(String, String)> = codings
        .into_iter()
        .flatten()
        .filter(|coding| coding.get("code").is_some())
        .map(|coding| (text(coding.get("system")), text(coding.get("code"))))
        .collect();
    let own_text = codings.is_empty().then(|| text(code.and_then(|code| code.get("text"))));
    let found = match &own_text {
        None => codings.iter().find_map(|coding| by_coding.get(coding).copied()),
        Some(own) => groups.iter().position(|group| group.text.as_ref() == Some(own)),
    };
    let index = found.unwrap_or_else(|| {
        groups.push(Group { codings: Vec::new(), text: own_text, latest: Vec::new() });
        groups.len() - 1
    });
    for coding in codings {
        let before = by_coding.insert(coding.clone(), index);
        groups[index].codings.push(coding);
        // A translation shows two kinds to be one.
        if let Some(other) = before.filter(|other| *other != index) {
            let moved = std::mem::take(&mut groups[other].codings);
            for coding in &moved {
                by_coding.insert(coding.clone(), index);
            }
            groups[index].codings.extend(moved);
            let mut latest = std::mem::take(&mut groups[other].latest);
            latest.append(&mut groups[index].latest);
            latest.truncate(most);
            groups[index].latest = latest;
        }
    }
    if groups[index].latest.len() < most {
        groups[index].latest.push(stored);
    }
    Ok(())
}
