//! `$lastn`: of each kind of observation the latest ones. <https://hl7.org/fhir/R4/observation-operation-lastn.html>
//!
//! "Codes SHALL be considered equivalent if the `coding.value` *and* `coding.system` are the same. Text only codes SHALL
//! be treated and grouped based on the text. … the grouping by code SHALL follow the transitive property of equality." Of
//! each kind the latest `max` are shown, and what is of the same time as the last of them. By the definition the search
//! names the subject, and a category or codes.

use std::collections::HashMap;

use serde_json::Value;

use super::Invocation;
use super::gather::{parse, write};
use crate::access::Permission;
use crate::fhir::ambiguous;
use crate::fhir::answer::Answer;
use crate::fhir::conditional::Reader;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind, outcome_bytes};
use crate::fhir::page::{Beside, BundleWriter};
use crate::fhir::query;
use crate::fhir::search::{parse_search, told};
use crate::fhir::service::Request;
use crate::search::{Access, Position};
use crate::store::{Found, SortValue, Stored};

/// So many observations are looked through for one answer.
const MOST_WALKED: usize = 20_000;
const PAGE: usize = 500;

/// Observations of one kind, newest first.
struct Group {
    codings: Vec<(String, String)>,
    text: Option<String>,
    latest: Vec<Latest>,
}

struct Latest {
    /// The how-manieth of all, newest first.
    place: usize,
    time: Option<SortValue>,
    stored: Stored,
}

pub(super) async fn lastn(request: Request<'_>, invocation: Invocation<'_>) -> Result<Answer, Error> {
    let service = request.service;
    let resource_type = service.resource_type("Observation")?;
    let granted = request.grant(resource_type, Permission::Search)?;
    let inputs = &invocation.inputs;
    let most = inputs.number("max").map_or(1, |max| usize::try_from(max).unwrap_or(usize::MAX));
    let named = || inputs.search.iter().map(|(name, _)| name.split([':', '.']).next().unwrap_or_default());
    let has = |codes: &[&str]| named().any(|name| codes.contains(&name));
    // "A `category` parameter and/or a search parameter that contains a code element … (e.g., `code` or
    // `code-value-concept`)".
    let has_codes = named().any(|name| name == "category" || name.split('-').any(|part| part == "code"));
    if !has(&["patient", "subject"]) || !has_codes {
        let text = "$lastn needs whose observations and which: patient or subject, and category, code or another \
                    parameter of codes, like combo-code.";
        return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Required, text)));
    }
    if has(&["_sort", "_count", "_include", "_revinclude", "_total", "_cursor"]) {
        let text = "$lastn has an order and a number of its own: it takes criteria and `max`.";
        return Err(Error::new(Kind::Invalid, text));
    }
    let mut parameters = inputs.search.clone();
    parameters.push(("_sort".to_owned(), "-date".to_owned()));
    let (search, issues) = parse_search(&request, resource_type, &parameters).await?;
    Box::pin(ambiguous::refuse(service, Reader::Store(&service.store), &search, &granted)).await?;
    let mut groups: Vec<Group> = Vec::new();
    let mut by_coding: HashMap<(String, String), usize> = HashMap::new();
    let (mut walked, mut position): (usize, Option<Position>) = (0, None);
    loop {
        let access = Access { boundary: &granted };
        let page = service.planner().find(&search, access, PAGE, position, &service.store).await?;
        for found in page.found {
            collect(latest(found, walked), most, &mut groups, &mut by_coding)?;
            walked += 1;
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
    for latest in groups.iter().flat_map(|group| &group.latest) {
        write(&request, &mut writer, &latest.stored, "match");
    }
    let issues = told(issues);
    if !issues.is_empty() {
        let outcome = outcome_bytes(&issues, Some(request.request_id)).into();
        writer.entry(None, Some(&outcome), &Beside::Search("outcome"));
    }
    Ok(Answer::ok(writer.finish()))
}

fn latest(found: Found, place: usize) -> Latest {
    Latest { place, time: found.sort.into_iter().next(), stored: found.stored }
}

/// Puts an observation into its group; one that shares codings with several brings them together.
fn collect(
    mut one: Latest,
    most: usize,
    groups: &mut Vec<Group>,
    by_coding: &mut HashMap<(String, String), usize>,
) -> Result<(), Error> {
    let resource = parse(&one.stored)?;
    // What has no time is of no other's.
    one.time =
        one.time.filter(|_| resource.as_object().is_some_and(|of| of.keys().any(|name| name.starts_with("effective"))));
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
            let latest = std::mem::take(&mut groups[other].latest);
            groups[index].latest.extend(latest);
            groups[index].latest.sort_by_key(|one| one.place);
        }
    }
    let latest = &mut groups[index].latest;
    latest.push(one);
    keep(latest, most);
    Ok(())
}

/// "In case of a tie - when the effective times for >1 Observations are equal - both will be returned. Therefore, more
/// Observations may be returned than is specified in *max*."
fn keep(latest: &mut Vec<Latest>, most: usize) {
    let Some(last) = most.checked_sub(1).and_then(|last| latest.get(last)) else { return };
    let is_tied = |one: &Latest| one.time.is_some() && one.time == last.time;
    let beyond = latest[most..].iter().take_while(|one| is_tied(one)).count();
    latest.truncate(most + beyond);
}
