//! AuditEvents, read and searched in the audit log itself: none is stored. A search walks the log in the order of time,
//! bounded by what its criteria say of time, patient and id, and asks the in-memory matcher about each entry as it is
//! shown: all that AuditEvents are searched by means the same as for stored resources.

use serde_json::Value;

use super::outcome::{Error, Issue, IssueType, Kind};
use super::service::{Request, Service, Type, not_found};
use crate::access::{AUDIT_EVENT, Permission};
use crate::audit::{Recorder, audit_event, place_of};
use crate::search::{Contained, Criterion, DateTest, Page, Position, Prefix, Search, Test, ValueTest};
use crate::store::{AuditPlace, AuditQuery, Audited, Found, SortValue, Stored};

/// As many entries are read at once.
const BITE: usize = 250;
/// As many are looked at for one page, or for a total.
const MOST_LOOKED_AT: usize = 5_000;
/// Bounds on time are a little wider than what is asked for: the matcher decides.
const MARGIN: i64 = 1_000_000;

/// Whether resources of the type are entries of the audit log.
pub(super) fn has(resource_type: &str) -> bool {
    resource_type == AUDIT_EVENT
}

/// The AuditEvent of that id: it has one version, and never another.
pub(super) async fn read(request: &Request<'_>, resource_type: Type, id: &str) -> Result<Stored, Error> {
    request.access.audit_log(Permission::Read)?;
    let place = place_of(id).ok_or_else(not_found)?;
    let query = AuditQuery { places: Some(vec![place]), count: 1, ..AuditQuery::default() };
    let found = request.service.store.find_audited(&query).await?;
    let audited = found.into_iter().next().ok_or_else(not_found)?;
    Ok(stored(resource_type.number, &audited, &request.service.audit_event(&audited)))
}

impl Service {
    /// An entry of the log as this site shows it.
    pub fn audit_event(&self, audited: &Audited) -> Value {
        let type_name = |number| self.parameters.type_name(number);
        let recorder = Recorder { base_url: &self.base_url, issuer: &self.issuer, type_name: &type_name };
        audit_event(audited, &recorder)
    }
}

fn stored(resource_type: u16, audited: &Audited, event: &Value) -> Stored {
    Stored {
        // Below the keys of stored resources, which may come along with it.
        key: -audited.sequence,
        resource_type,
        id: crate::audit::id_of((audited.writer, audited.sequence)),
        version: 1,
        last_updated: audited.entry.time,
        deleted: false,
        sequence: audited.sequence,
        body: event.to_string().into(),
    }
}

/// A search of the log.
pub(super) struct AuditLog<'a> {
    request: &'a Request<'a>,
    search: &'a Search,
    newest_first: bool,
}

impl<'a> AuditLog<'a> {
    pub(super) fn new(request: &'a Request<'a>, search: &'a Search) -> Result<AuditLog<'a>, Error> {
        let refuse =
            |text: &'static str| Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::NotSupported, text)));
        if !search.reached().is_empty() {
            return refuse(
                "A search of the audit log follows no references (chains, _has, _list): search for the ids first, and \
                 then for AuditEvent?entity=…",
            );
        }
        if search.includes.iter().any(|include| include.reverse) {
            return refuse("Nothing refers to an AuditEvent: _revinclude brings none, _include what one refers to.");
        }
        if search.contained != Contained::False {
            return refuse("Nothing contains an AuditEvent: leave _contained out.");
        }
        let newest_first = match search.sort.as_slice() {
            [] => true,
            [only] if matches!(only.code, "date" | "_lastUpdated") => only.descending,
            _ => return refuse("The audit log is in the order of time: _sort is date, or -date (which it is anyway)."),
        };
        Ok(AuditLog { request, search, newest_first })
    }

    pub(super) async fn find(&self, count: usize, position: Option<Position>) -> Result<Page, Error> {
        // One more than asked for tells whether there is a next page.
        let (kept, rest) = self.walk(count + 1, position.as_ref()).await?;
        Ok(Page::walked(kept, rest, count, position))
    }

    /// How many match; none where more would have to be looked at than is bearable.
    pub(super) async fn count(&self) -> Result<Option<u64>, Error> {
        let (kept, rest) = self.walk(usize::MAX, None).await?;
        Ok(rest.is_none().then_some(kept.len() as u64))
    }

    /// The first `most` that match, in the direction of the position, and where to go on from if not all were looked at.
    async fn walk(&self, most: usize, position: Option<&Position>) -> Result<(Vec<Found>, Option<Position>), Error> {
        let service = self.request.service;
        let forward = position.is_none_or(|position| position.forward);
        let number = service.resource_type(AUDIT_EVENT)?.number;
        let mut query = AuditQuery { newest_first: self.newest_first == forward, count: BITE, ..AuditQuery::default() };
        for criterion in &self.search.criteria {
            bound(&mut query, criterion, service.parameters.base());
        }
        if let Some(position) = position {
            query.after =
                Some(place(position).ok_or_else(|| {
                    Error::new(Kind::Invalid, "This page link is of an earlier release: search anew.")
                })?);
        }
        let (mut kept, mut looked_at) = (Vec::new(), 0);
        loop {
            let bite = service.store.find_audited(&query).await?;
            let is_last = bite.len() < BITE;
            for audited in bite {
                let time = audited.entry.time.as_microsecond();
                query.after = Some((time, (audited.writer, audited.sequence)));
                looked_at += 1;
                let event = service.audit_event(&audited);
                let matches = self.search.matches(&service.parameters, &event);
                if matches {
                    let sort = vec![SortValue::Integer(time), SortValue::Integer(audited.writer.into())];
                    kept.push(Found::of(stored(number, &audited, &event), sort));
                }
                if kept.len() == most {
                    return Ok((kept, None));
                }
                if looked_at == MOST_LOOKED_AT {
                    let sort = vec![SortValue::Integer(time), SortValue::Integer(audited.writer.into())];
                    return Ok((kept, Some(Position { values: sort, key: -audited.sequence, forward })));
                }
            }
            if is_last {
                return Ok((kept, None));
            }
        }
    }
}

/// The place in the log that a page link stands for.
fn place(position: &Position) -> Option<(i64, AuditPlace)> {
    let [SortValue::Integer(time), SortValue::Integer(writer)] = position.values[..] else { return None };
    Some((time, (writer.try_into().ok()?, position.key.checked_neg()?)))
}

/// What of the log a criterion leaves: never less than what meets it.
fn bound(query: &mut AuditQuery, criterion: &Criterion, base: &str) {
    let Criterion { code, negated: false, test } = criterion else { return };
    match (*code, test) {
        ("_id", Test::Id(ids)) => {
            let mut places: Vec<AuditPlace> = ids.iter().filter_map(|id| place_of(id)).collect();
            if let Some(others) = &query.places {
                places.retain(|place| others.contains(place));
            }
            query.places = Some(places);
        }
        ("_lastUpdated", Test::LastUpdated(tests)) => bound_time(query, tests.iter()),
        ("date", Test::Any(tests)) => {
            let dates =
                tests.iter().filter_map(|test| if let ValueTest::Date(date) = test { Some(date) } else { None });
            bound_time(query, dates);
        }
        // Whoever's record it concerns is named as an entity, and a patient by nothing else.
        ("patient", Test::Any(tests)) => {
            let mut patients = Vec::new();
            for test in tests {
                let ValueTest::Reference(any) = test else { return };
                patients.extend(any.iter().filter_map(|reference| {
                    let is_own = reference.base.as_deref().is_none_or(|of| of == base);
                    let is_patient = reference.target_type.as_deref().is_none_or(|of| of == "Patient");
                    reference.target_id.clone().filter(|_| is_own && is_patient)
                }));
            }
            if let Some(others) = &query.patients {
                patients.retain(|patient| others.contains(patient));
            }
            query.patients = Some(patients);
        }
        // A compartment.
        (_, Test::Typed(parts)) => {
            if let [(_, only)] = parts.as_slice() {
                bound(query, only, base);
            }
        }
        _ => {}
    }
}

/// From the first to the last instant that may pass one of the tests.
fn bound_time<'a>(query: &mut AuditQuery, tests: impl Iterator<Item = &'a DateTest>) {
    let (mut from, mut to) = (i64::MAX, i64::MIN);
    for test in tests {
        let (low, high) = match test.prefix {
            Prefix::Eq | Prefix::Ap => (test.low, test.high),
            Prefix::Ge => (test.low, i64::MAX),
            Prefix::Gt | Prefix::Sa => (test.high, i64::MAX),
            Prefix::Le => (i64::MIN, test.high),
            Prefix::Lt | Prefix::Eb => (i64::MIN, test.low),
            Prefix::Ne => return,
        };
        (from, to) = (from.min(low), to.max(high));
    }
    let (from, to) = (from.saturating_sub(MARGIN), to.saturating_add(MARGIN));
    query.from = Some(query.from.map_or(from, |other| other.max(from)));
    query.to = Some(query.to.map_or(to, |other| other.min(to)));
}
