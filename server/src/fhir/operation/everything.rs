//! `$everything` of a patient and of an encounter, page by page.
//! <https://hl7.org/fhir/R4/operation-patient-everything.html>,
//! <https://hl7.org/fhir/R4/operation-encounter-everything.html>
//!
//! A patient's record is the Patient compartment of R4 and what the patient boundary has beside it, for a patient's own
//! token the boundary alone; an encounter's is the Encounter compartment, and encounters that say by an extension that
//! they belong to it. With each page come the directory entries
//! that it refers to (practitioners, organizations, medications …), the attachments and the Provenance. `start` and
//! `end` are of the clinically relevant date; what has none is always there. Without `_count` a page is as large as the
//! site allows.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use vesta_runtime::date::DateTime;
use vesta_runtime::search::Reference;

use super::Invocation;
use super::gather::{attached, provenance, read_all, references, write};
use crate::access::{Boundary, Permission};
use crate::fhir::answer::Answer;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind, outcome_bytes};
use crate::fhir::page::{Beside, BundleWriter};
use crate::fhir::preferences::Handling;
use crate::fhir::query;
use crate::fhir::service::{Request, Type, gone, not_found};
use crate::fhir::{audit_log, boundary};
use crate::search::{Access, Record, Rule, Search};
use crate::store::Stored;

/// Of an encounter so many resources are gathered by each parameter.
const MOST_GATHERED: usize = 5_000;

/// What both take: which types, since when, and which page.
struct Asked {
    /// None: all types.
    types: Option<BTreeSet<String>>,
    /// A type is asked for that comes along with others: these are looked at, and not shown.
    walks_all: bool,
    since: Option<Timestamp>,
    count: usize,
    /// The key of the last resource of the page before.
    after: Option<i64>,
    /// The URL without its parameters, and the parameters as they came.
    path: String,
    used: Vec<(String, String)>,
    cursor: Option<String>,
}

impl Asked {
    fn read(request: &Request<'_>, invocation: &Invocation<'_>, path: String) -> Result<Asked, Error> {
        let (service, inputs) = (request.service, &invocation.inputs);
        let listed = inputs.listed("_type");
        for name in &listed {
            let resource_type = service.resource_type(name).map_err(|_| {
                Error::new(Kind::Invalid, "`_type` names what is no resource type of FHIR R4, like Observation.")
            })?;
            // Asked for by name, and not to be had: that is said.
            request.reach(resource_type.name)?;
        }
        if inputs.number("_offset").is_some_and(|offset| offset != 0) {
            return Err(Error::new(
                Kind::NotSupported,
                "`_offset` is not supported: leave it out, and follow the link `next` of a page.",
            ));
        }
        let since = match inputs.text("_since") {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| Error::new(Kind::Invalid, "`_since` is an instant."))?),
        };
        let most = service.pages.maximum;
        let count = match inputs.number("_count").map(usize::try_from) {
            None => most,
            Some(Ok(count)) if count > 0 => count.min(most),
            Some(_) => return Err(Error::new(Kind::Invalid, "`_count` is a whole number from 1 on, like 100.")),
        };
        let used: Vec<(String, String)> =
            inputs.query().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut asked = Asked {
            walks_all: listed.iter().any(|name| comes_along(request, &path, name)),
            types: (!listed.is_empty()).then(|| listed.into_iter().map(str::to_owned).collect()),
            since,
            count,
            after: None,
            path,
            used,
            cursor: inputs.cursor.clone(),
        };
        if let Some(cursor) = &asked.cursor {
            let opened = service.cursors.open(&asked.bound_to(), cursor)?;
            let key = opened.try_into().map(i64::from_be_bytes);
            asked.after = Some(key.map_err(|_| Error::new(Kind::Invalid, "This page link is of an earlier release."))?);
        }
        Ok(asked)
    }

    fn takes(&self, name: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(name))
    }

    /// Whether resources of this type are looked at.
    fn walks(&self, name: &str) -> bool {
        self.walks_all || self.takes(name)
    }

    fn bound_to(&self) -> String {
        let used = self.used.iter().filter(|(name, _)| name != "_count");
        let used = query::write(used.map(|(name, value)| (name.as_str(), value.as_str())));
        format!("{}?{used}", self.path)
    }

    fn url(&self, request: &Request<'_>, cursor: Option<&str>) -> String {
        let used = self.used.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let text = query::write(used.chain(cursor.map(|cursor| ("_cursor", cursor))));
        let mark = if text.is_empty() { "" } else { "?" };
        format!("{}/{}{mark}{text}", request.service.base_url, self.path)
    }
}

/// What is there because others refer to it, or it refers to them.
fn comes_along(request: &Request<'_>, path: &str, name: &str) -> bool {
    let entry = request.service.parameters.entry(name);
    let is_directory = entry.is_some_and(|entry| entry.boundary.rule == Rule::Directory);
    is_directory || ["Provenance", "Binary"].contains(&name) || (name == "Patient" && !path.starts_with("Patient/"))
}

pub(super) async fn of_patient(request: Request<'_>, invocation: Invocation<'_>) -> Result<Answer, Error> {
    let service = request.service;
    let resource_type = service.resource_type("Patient")?;
    let granted = request.grant(resource_type, Permission::Read)?;
    let id = match (invocation.id, granted.patient()) {
        (Some(id), _) => id.to_owned(),
        // "the server … returns … for the patients that the user has access to": of a patient's token that is one.
        (None, Some(patient)) => patient.to_owned(),
        (None, None) => {
            let text = "This token reaches many patients: name one, as Patient/[id]/$everything.";
            return Err(Error::new(Kind::Invalid, text));
        }
    };
    existing(&request, resource_type, &granted, &id).await?;
    let path = match invocation.id {
        Some(id) => format!("Patient/{id}/$everything"),
        None => "Patient/$everything".to_owned(),
    };
    let asked = Asked::read(&request, &invocation, path)?;
    let dates = dates(invocation.inputs.text("start"), invocation.inputs.text("end"))?;
    let (mut types, mut parts, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for entry in service.parameters.entries() {
        // What was done with a record is in the audit log, and no part of the record.
        let is_of_no_patient = entry.boundary.rule == Rule::Nothing && entry.boundary.parameters.is_empty();
        if is_of_no_patient || audit_log::has(entry.name) || !asked.walks(entry.name) {
            continue;
        }
        let Ok(reached) = request.reach(entry.name) else {
            if asked.takes(entry.name) {
                left_out.push(entry.name);
            }
            continue;
        };
        match reached.patient() {
            None => types.push((entry.name, i64::MAX)),
            Some(patient) if patient == id && entry.boundary.rule == Rule::Compartment => {
                types.push((entry.name, entry.boundary.mask));
            }
            Some(_) => continue,
        }
        if let Boundary::Parts(_) = reached {
            parts.push((entry.name, reached));
        }
    }
    let record = Record {
        patient: &id,
        types: &types,
        parts: &parts,
        after: asked.after,
        since: asked.since.map(Timestamp::as_microsecond),
        dates,
        most: asked.count + 1,
    };
    let statement = service.planner().record(&record);
    let mut found: Vec<Stored> =
        service.store.page(&statement, 0).await?.into_iter().map(|found| found.stored).collect();
    found.sort_unstable_by_key(|stored| stored.key);
    let issues = if left_out.is_empty() { Vec::new() } else { vec![not_covered(left_out.len())] };
    set(&request, &asked, found, issues).await
}

pub(super) async fn of_encounter(request: Request<'_>, invocation: Invocation<'_>) -> Result<Answer, Error> {
    let service = request.service;
    let resource_type = service.resource_type("Encounter")?;
    let granted = request.grant(resource_type, Permission::Read)?;
    let Some(id) = invocation.id else { return Err(not_found()) };
    let encounter = existing(&request, resource_type, &granted, id).await?;
    let asked = Asked::read(&request, &invocation, format!("Encounter/{id}/$everything"))?;
    let mut all: BTreeMap<i64, Stored> = BTreeMap::new();
    let mut left_out = 0;
    if asked.walks("Encounter") {
        all.extend(associated(&request, &encounter).await?.into_iter().map(|stored| (stored.key, stored)));
        all.insert(encounter.key, encounter);
    }
    for (name, codes) in vesta_fhir::compartments::get("Encounter").unwrap_or_default() {
        if !asked.walks(name) {
            continue;
        }
        let Ok(boundary) = request.reach(name) else {
            left_out += usize::from(asked.takes(name));
            continue;
        };
        for code in *codes {
            let found = referring(&request, &boundary, (*name, *code), format!("Encounter/{id}")).await?;
            all.extend(found.into_iter().map(|stored| (stored.key, stored)));
        }
    }
    let mut found: Vec<Stored> = all.into_values().collect();
    found.retain(|stored| {
        asked.since.is_none_or(|since| stored.last_updated >= since)
            && asked.after.is_none_or(|after| stored.key > after)
    });
    found.truncate(asked.count + 1);
    let issues = if left_out == 0 { Vec::new() } else { vec![not_covered(left_out)] };
    set(&request, &asked, found, issues).await
}

/// The resources of a type that refer to one by a parameter.
async fn referring(
    request: &Request<'_>,
    boundary: &Boundary,
    (name, code): (&'static str, &str),
    to: String,
) -> Result<Vec<Stored>, Error> {
    let service = request.service;
    let (query, now) = ([(code.to_owned(), to)], service.clock.now());
    let (search, _) = Search::parse(&service.parameters, Some(name), &query, Handling::Strict, now)?;
    let plan = service.planner().page(&search, Access { boundary }, MOST_GATHERED, None);
    let page = plan.page(service.store.page(&plan.statement, plan.sort_columns).await?);
    if page.next.is_some() {
        let text = format!("More than {MOST_GATHERED} resources of type {name} belong to it: search for them.");
        return Err(Error::from_issue(Kind::Unprocessable, Issue::error(IssueType::TooCostly, text)));
    }
    Ok(page.found.into_iter().map(|found| found.stored).collect())
}

/// "This encounter occurs within the scope of the referenced encounter": in R4 it stands on Encounters alone.
const ASSOCIATED: &str = "http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter";

/// "resources … referenced by the standard extension for associating an encounter": no parameter leads to them, so the
/// encounters of the same patient are looked at.
async fn associated(request: &Request<'_>, encounter: &Stored) -> Result<Vec<Stored>, Error> {
    let parameters = &request.service.parameters;
    let local = |reference: &Value, of: &str| {
        let reference = Reference::parse(reference["reference"].as_str()?)?;
        parameters.local_id(&reference, of).map(str::to_owned)
    };
    let parse = |stored: &Stored| {
        vesta_runtime::json::parse(&stored.body)
            .map_err(|error| Error::new(Kind::Internal, "A stored resource cannot be read.").caused_by(error))
    };
    let (Some(patient), Ok(boundary)) = (local(&parse(encounter)?["subject"], "Patient"), request.reach("Encounter"))
    else {
        return Ok(Vec::new());
    };
    let mut found = referring(request, &boundary, ("Encounter", "patient"), format!("Patient/{patient}")).await?;
    found.retain(|stored| memchr::memmem::find(&stored.body, ASSOCIATED.as_bytes()).is_some());
    let mut associated = Vec::new();
    for stored in found {
        let resource = parse(&stored)?;
        let extensions = resource["extension"].as_array().into_iter().flatten();
        let mut named = extensions.filter(|extension| extension["url"] == ASSOCIATED);
        let is_it =
            |extension: &Value| local(&extension["valueReference"], "Encounter").is_some_and(|id| id == encounter.id);
        if named.any(is_it) {
            associated.push(stored);
        }
    }
    Ok(associated)
}

fn not_covered(count: usize) -> Issue {
    let text = format!("{count} types of resources are left out: the token's scopes do not cover them.");
    Issue::new(crate::fhir::outcome::Severity::Information, IssueType::Suppressed, text)
}

/// The resource that the operation is about.
async fn existing(request: &Request<'_>, resource_type: Type, granted: &Boundary, id: &str) -> Result<Stored, Error> {
    let stored = request.service.store.read(resource_type.number, id).await?.ok_or_else(not_found)?;
    boundary::check_read(request, resource_type, granted, &stored).await?;
    if stored.deleted { Err(gone(stored.version)) } else { Ok(stored) }
}

/// The instants from the first of `start` to the last of `end`.
pub(super) fn dates(start: Option<&str>, end: Option<&str>) -> Result<Option<(i64, i64)>, Error> {
    let covered = |text: &str| {
        let parsed = DateTime::parse(text).map_err(|_| Error::new(Kind::Invalid, "`start` and `end` are dates."))?;
        Ok::<_, Error>(parsed.covers())
    };
    let low = start.map(covered).transpose()?.map(|(low, _)| low);
    let high = end.map(covered).transpose()?.map(|(_, high)| high);
    if let (Some(low), Some(high)) = (low, high)
        && low > high
    {
        let text = "`end` is before `start`: no time lies between them.";
        return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Value, text)));
    }
    Ok((low.is_some() || high.is_some()).then(|| (low.unwrap_or(i64::MIN + 1), high.unwrap_or(i64::MAX))))
}

/// The page as a search set, with what comes along.
async fn set(
    request: &Request<'_>,
    asked: &Asked,
    mut found: Vec<Stored>,
    issues: Vec<Issue>,
) -> Result<Answer, Error> {
    let service = request.service;
    let has_more = found.len() > asked.count;
    found.truncate(asked.count);
    let mut links = vec![("self", asked.url(request, asked.cursor.as_deref()))];
    if asked.cursor.is_some() {
        links.push(("first", asked.url(request, None)));
    }
    if let (true, Some(last)) = (has_more, found.last()) {
        let cursor = service.cursors.seal(&asked.bound_to(), &last.key.to_be_bytes());
        links.push(("next", asked.url(request, Some(&cursor))));
    }
    let mut writer = BundleWriter::new("searchset", None, &links);
    let mut seen: BTreeSet<i64> = found.iter().map(|stored| stored.key).collect();
    let is_shown = |stored: &Stored| {
        let name = service.parameters.type_name(stored.resource_type);
        name.is_some_and(|name| asked.takes(name))
    };
    for stored in found.iter().filter(|stored| is_shown(stored)) {
        write(request, &mut writer, stored, "match");
    }
    // Attachments and Provenance are looked for below.
    let is_target = |name: &str| {
        let apart = ["Provenance", "Binary"].contains(&name);
        !apart && asked.takes(name) && comes_along(request, &asked.path, name)
    };
    let mut targets: BTreeSet<(String, String)> = BTreeSet::new();
    for stored in &found {
        targets.extend(references(request, &stored.body).into_iter().filter(|(name, _)| is_target(name)));
    }
    if asked.takes("Binary") {
        targets.extend(attached(request, &found)?);
    }
    let mut along = read_all(request, targets).await?;
    if asked.takes("Provenance") {
        along.extend(provenance(request, &found).await?);
    }
    for stored in along {
        if seen.insert(stored.key) {
            write(request, &mut writer, &stored, "include");
        }
    }
    if !issues.is_empty() {
        let outcome = outcome_bytes(&issues, Some(request.request_id)).into();
        writer.entry(None, Some(&outcome), &Beside::Search("outcome"));
    }
    Ok(Answer::ok(writer.finish()))
}
