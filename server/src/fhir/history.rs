//! `history` of an instance, a type and the system. <https://hl7.org/fhir/R4/http.html#history>
//!
//! Newest first, paged by the place in the commit sequence: later pages show the same history, whatever is written
//! meanwhile. A token with patient scopes sees the versions inside its boundary; since these are picked out while
//! walking, its pages can be shorter than `_count`, and have a total only where it is asked for
//! or where the page is the whole. A history of the system shows the types that the token may search, and passes over
//! the others in silence: a narrower token gets a shorter history, not a refusal.

use jiff::Timestamp;

use super::answer::{Answer, Body};
use super::audit::{Interaction, recorded};
use super::listed::Listed;
use super::outcome::{Error, Issue, IssueType, Kind};
use super::page::{Beside, BundleWriter, Response};
use super::service::{PageSizes, Request, Type, not_found};
use super::{audit_log, boundary, query};
use crate::access::{Boundary, Permission};
use crate::search::{self, Prefix};
use crate::store::{self, HistoryEntry, HistoryQuery, HistoryScope, Visible};

/// How many versions are looked at for one page of what a boundary lets through.
const MAXIMUM_WALK: usize = 5000;

pub async fn instance(
    request: &Request<'_>,
    resource_type: &str,
    id: &str,
    parameters: &[(String, String)],
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    recorded(request, Interaction::HistoryInstance, Some(resource_type), Some(id), async {
        if audit_log::has(resource_type.name) {
            return of_audit_event(request, resource_type, id, parameters).await;
        }
        request.grant(resource_type, Permission::Read)?;
        let scope = HistoryScope::Instance { resource_type: resource_type.number, id: id.to_owned() };
        let path = format!("{}/{id}/_history", resource_type.name);
        let page = page(request, scope, Permission::Read, path, parameters).await?;
        if !page.found_any && page.is_first {
            // Also where every version lies outside the boundary. A `_since` after the last change is an empty page
            // of a history that exists.
            let exists = request.service.store.read(resource_type.number, id).await?;
            let readable = match &exists {
                Some(stored) => {
                    let granted = request.grant(resource_type, Permission::Read)?;
                    boundary::is_readable(request, resource_type, &granted, stored).await?
                }
                None => false,
            };
            if !readable {
                return Err(not_found());
            }
        }
        Ok(Answer::ok(page.body))
    })
    .await
}

/// What was recorded never changes: it has one version.
async fn of_audit_event(
    request: &Request<'_>,
    resource_type: Type,
    id: &str,
    parameters: &[(String, String)],
) -> Result<Answer, Error> {
    let stored = audit_log::read(request, resource_type, id).await?;
    let asked = read_parameters(request.service.pages, parameters, request.service.clock.now())?;
    // A List of this server names no stored AuditEvent.
    let is_in_time = asked.list.is_none()
        && asked.since.is_none_or(|since| stored.last_updated >= since)
        && asked.at.is_none_or(|(_, until)| stored.last_updated.as_microsecond() <= until);
    let used = query::write(asked.used.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mark = if used.is_empty() { "" } else { "?" };
    let url = format!("{}/_history{mark}{used}", request.service.full_url(resource_type.name, id));
    let mut writer = BundleWriter::new("history", Some(u64::from(is_in_time)), &[("self", url)]);
    if is_in_time && !asked.only_counted {
        write_entry(request, &mut writer, resource_type, &HistoryEntry { stored, method: store::Method::Post });
    }
    Ok(Answer::ok(writer.finish()))
}

pub async fn type_level(
    request: &Request<'_>,
    resource_type: &str,
    parameters: &[(String, String)],
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    recorded(request, Interaction::HistoryType, Some(resource_type), None, async {
        request.grant(resource_type, Permission::Search)?;
        let path = format!("{}/_history", resource_type.name);
        let scope = HistoryScope::Type(resource_type.number);
        Ok(Answer::ok(page(request, scope, Permission::Search, path, parameters).await?.body))
    })
    .await
}

/// All types that the token may search.
pub async fn system(request: &Request<'_>, parameters: &[(String, String)]) -> Result<Answer, Error> {
    recorded(request, Interaction::HistorySystem, None, None, async {
        if !request.access.scopes.iter().any(|scope| scope.permissions.include(Permission::Search)) {
            return Err(Error::new(
                Kind::Forbidden,
                "The token's scopes do not cover a history of the system: at least one type with `s` is needed.",
            ));
        }
        let path = "_history".to_owned();
        Ok(Answer::ok(page(request, HistoryScope::System, Permission::Search, path, parameters).await?.body))
    })
    .await
}

struct Page {
    body: Body,
    found_any: bool,
    is_first: bool,
}

#[derive(Default)]
struct Parameters {
    count: usize,
    since: Option<Timestamp>,
    at: Option<(i64, i64)>,
    /// `_total=accurate`, or `_count=0`, which asks for nothing else.
    counted: bool,
    only_counted: bool,
    list: Option<String>,
    cursor: Option<String>,
    /// All but the cursor, as they were used.
    used: Vec<(String, String)>,
}

/// The parameter has a value that it does not take.
fn wrong(name: &str, text: &'static str) -> Error {
    Error::from_issue(Kind::Invalid, Issue::error(IssueType::Value, text).of_parameter(name))
}

fn read_parameters(pages: PageSizes, parameters: &[(String, String)], now: Timestamp) -> Result<Parameters, Error> {
    let mut read = Parameters { count: pages.default, ..Parameters::default() };
    for (name, value) in parameters {
        // "Each of these parameters SHALL NOT appear more than once." <https://hl7.org/fhir/R4/http.html#history>
        if read.used.iter().any(|(known, _)| known == name) {
            return Err(wrong(name, "Each parameter of a history is given once."));
        }
        match name.as_str() {
            "_count" => {
                let count: usize = value.parse().map_err(|_| wrong(name, "`_count` is a whole number, like 20."))?;
                read.count = count.clamp(1, pages.maximum);
                // "If _count has the value 0, this shall be treated the same as _summary=count":
                // https://hl7.org/fhir/R4/search.html#count
                read.only_counted = count == 0;
            }
            "_since" => {
                let since = value.parse().map_err(|_| {
                    let text =
                        "`_since` is an instant with a time zone, like 2026-01-01T00:00:00Z (a + is written %2B).";
                    wrong(name, text)
                })?;
                read.since = Some(since);
            }
            "_cursor" => {
                read.cursor = Some(value.clone());
                continue;
            }
            "_at" => {
                read.at = Some(at(value, now)?);
            }
            "_total" => {
                read.counted = match value.as_str() {
                    "accurate" => true,
                    "none" | "estimate" => false,
                    _ => return Err(wrong(name, "`_total` is one of none, estimate and accurate.")),
                }
            }
            "_list" => read.list = Some(value.clone()),
            _ => {
                let text = "A history takes the parameters _count, _since, _at, _list and _total.";
                return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Value, text)));
            }
        }
        read.used.push((name.clone(), value.clone()));
    }
    read.counted |= read.only_counted;
    Ok(read)
}

/// The instants that `_at` names, both ends included: "the time period specified in the date time value (see Search notes
/// on date searching)", with its prefixes. <https://hl7.org/fhir/R4/http.html#history>
fn at(value: &str, now: Timestamp) -> Result<(i64, i64), Error> {
    let wrong = |text| wrong("_at", text);
    let test = search::date(value, now).map_err(|_| {
        wrong(
            "`_at` is a date or a time, like 2026, 2026-01-31 or 2026-01-31T10:00:00Z (a + is written %2B), perhaps with \
             one of the prefixes eq gt lt ge le sa eb ap.",
        )
    })?;
    Ok(match test.prefix {
        Prefix::Eq | Prefix::Ap => (test.low, test.high),
        Prefix::Ge => (test.low, i64::MAX),
        Prefix::Le => (i64::MIN, test.high),
        Prefix::Gt | Prefix::Sa => (test.high.saturating_add(1), i64::MAX),
        Prefix::Lt | Prefix::Eb => (i64::MIN, test.low.saturating_sub(1)),
        Prefix::Ne => return Err(wrong("`_at` names a time: `ne` names none.")),
    })
}

/// `before` and `as_of` of a page.
fn position(bytes: &[u8]) -> Option<(i64, Visible)> {
    let (numbers, []) = bytes.as_chunks::<8>() else { return None };
    let [before, sequence, time] = <[[u8; 8]; 3]>::try_from(numbers).ok()?.map(i64::from_be_bytes);
    Some((before, Visible { sequence, time: Timestamp::from_microsecond(time).ok()? }))
}

async fn page(
    request: &Request<'_>,
    scope: HistoryScope,
    permission: Permission,
    path: String,
    parameters: &[(String, String)],
) -> Result<Page, Error> {
    let service = request.service;
    let parameters = read_parameters(request.service.pages, parameters, service.clock.now())?;
    let used = query::write(parameters.used.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let bound_to = format!("{path}?{used}");
    if parameters.since.is_some() && parameters.at.is_some() {
        return Err(Error::new(Kind::Invalid, "`_since` and `_at` exclude each other: give one of them."));
    }
    let listed = match &parameters.list {
        Some(list) => Some(Listed::read(request, &types_of(request, &scope), list).await?),
        None => None,
    };
    // What is not listed is kept back as well.
    let unfiltered = listed.is_none() && is_unfiltered(request, &scope, permission);
    let shown_of = Shown { request, permission, listed: listed.as_ref() };
    let mut asked = HistoryQuery {
        scope,
        since: parameters.since,
        at: parameters.at,
        listed: listed.as_ref().map(Listed::keys),
        before: None,
        as_of: None,
        // Where something is kept back, this count would tell of it: what the token sees is counted then.
        counted: parameters.counted && unfiltered,
        count: parameters.count,
    };
    if let Some(cursor) = &parameters.cursor {
        let opened = service.cursors.open(&bound_to, cursor)?;
        let (before, as_of) = position(&opened)
            .ok_or_else(|| Error::new(Kind::Invalid, "This page link is of an earlier release: begin anew."))?;
        (asked.before, asked.as_of) = (Some(before), Some(as_of));
    }
    let is_first = asked.before.is_none();

    let mut shown: Vec<(Type, HistoryEntry)> = Vec::new();
    let mut walked = 0;
    let mut total = None;
    let mut has_more;
    loop {
        let found = service.store.history(&asked).await?;
        has_more = found.has_more;
        walked += found.entries.len();
        asked.as_of = Some(found.as_of);
        total = total.or(found.total);
        let mut rest = found.entries.into_iter();
        for entry in rest.by_ref() {
            let sequence = entry.stored.sequence;
            if let Some(resource_type) = shown_of.visible(&entry).await? {
                shown.push((resource_type, entry));
            }
            asked.before = Some(sequence);
            if shown.len() == parameters.count {
                break;
            }
        }
        has_more |= rest.len() > 0;
        if !has_more || shown.len() >= parameters.count || walked >= MAXIMUM_WALK {
            break;
        }
    }

    let link = |cursor: Option<String>| {
        let cursor = cursor.as_deref().map(|cursor| ("_cursor", cursor));
        let pairs = parameters.used.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(cursor);
        let text = query::write(pairs);
        let mark = if text.is_empty() { "" } else { "?" };
        format!("{}/{path}{mark}{text}", service.base_url)
    };
    let mut links = vec![("self", link(parameters.cursor.clone()))];
    if !is_first {
        links.push(("first", link(None)));
    }
    if let (true, Some(before), Some(as_of)) = (has_more && !parameters.only_counted, asked.before, asked.as_of) {
        let position = [before, as_of.sequence, as_of.time.as_microsecond()].map(i64::to_be_bytes).concat();
        links.push(("next", link(Some(service.cursors.seal(&bound_to, &position)))));
    }
    let (shown_total, found_any) = (u64::try_from(shown.len()).ok(), !shown.is_empty());
    let total = if unfiltered {
        total.and_then(|total| u64::try_from(total).ok())
    } else if is_first && !has_more {
        // The page is the whole of what the token sees.
        shown_total
    } else if parameters.counted {
        Some(shown_of.total(&asked).await?)
    } else {
        None
    };
    let mut writer = BundleWriter::new("history", total, &links);
    if parameters.only_counted {
        shown.clear();
    }
    for (resource_type, entry) in &shown {
        write_entry(request, &mut writer, *resource_type, entry);
    }
    Ok(Page { body: writer.finish(), found_any, is_first })
}

/// The types that a history is of.
fn types_of(request: &Request<'_>, scope: &HistoryScope) -> Vec<&'static str> {
    let parameters = &request.service.parameters;
    match scope {
        HistoryScope::Instance { resource_type, .. } | HistoryScope::Type(resource_type) => {
            parameters.type_name(*resource_type).into_iter().collect()
        }
        HistoryScope::System => parameters.entries().map(|entry| entry.name).collect(),
    }
}

/// Whether nothing of this history is kept back from the token, so that a count tells no more than its pages do.
fn is_unfiltered(request: &Request<'_>, scope: &HistoryScope, permission: Permission) -> bool {
    types_of(request, scope).into_iter().all(|of| {
        let resource_type = request.service.resource_type(of);
        resource_type.is_ok_and(|known| matches!(request.grant(known, permission), Ok(Boundary::Unrestricted)))
    })
}

/// What of a history is shown.
struct Shown<'a> {
    request: &'a Request<'a>,
    permission: Permission,
    listed: Option<&'a Listed>,
}

impl Shown<'_> {
    /// The type of a version that the token may see, and that is asked for.
    async fn visible(&self, entry: &HistoryEntry) -> Result<Option<Type>, Error> {
        let Some(resource_type) = self.request.service.resource_type_numbered(entry.stored.resource_type) else {
            return Ok(None);
        };
        if self.listed.is_some_and(|listed| !listed.has(entry)) {
            return Ok(None);
        }
        let is_visible = match self.request.grant(resource_type, self.permission) {
            Err(_) => false,
            Ok(Boundary::Unrestricted) => return Ok(Some(resource_type)),
            Ok(granted) => boundary::is_readable(self.request, resource_type, &granted, &entry.stored).await?,
        };
        Ok(is_visible.then_some(resource_type))
    }

    /// How many versions there are of these in all, by a walk through them.
    async fn total(&self, asked: &HistoryQuery) -> Result<u64, Error> {
        let all = HistoryQuery { before: None, count: MAXIMUM_WALK, ..asked.clone() };
        let found = self.request.service.store.history(&all).await?;
        let mut count = 0;
        for entry in &found.entries {
            count += u64::from(self.visible(entry).await?.is_some());
        }
        if found.has_more {
            let text = format!(
                "More than {MAXIMUM_WALK} versions would be looked at to count those that the token sees: leave `_total` \
                 out."
            );
            return Err(Error::from_issue(Kind::Unprocessable, Issue::error(IssueType::TooCostly, text)));
        }
        Ok(count)
    }
}

fn write_entry(request: &Request<'_>, writer: &mut BundleWriter, resource_type: Type, entry: &HistoryEntry) {
    let stored = &entry.stored;
    let url = match entry.method {
        store::Method::Post => resource_type.name.to_owned(),
        _ => format!("{}/{}", resource_type.name, stored.id),
    };
    let status = match entry.method {
        store::Method::Post => "201 Created",
        // An update that created: it is the first version, or it follows a deletion.
        store::Method::Put if stored.version == 1 => "201 Created",
        _ => "200 OK",
    };
    let last_modified = store::instant(stored.last_updated);
    let etag = format!("W/\"{}\"", stored.version);
    let response = Response { status, etag: Some(&etag), last_modified: Some(&last_modified), ..Response::default() };
    writer.entry(
        Some(&request.service.full_url(resource_type.name, &stored.id)),
        (!stored.deleted).then_some(&stored.body),
        &Beside::History { method: entry.method.as_str(), url: &url, response },
    );
}
