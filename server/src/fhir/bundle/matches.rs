//! What the conditions of a transaction match, and which resources its changes come to by that.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::entry::{Method, place};
use super::named::{Named, Resolved};
use super::plan::Change;
use crate::fhir::conditional::{Condition, IN_URL, Reader, multiple_matches};
use crate::fhir::outcome::{Error, IssueType, Kind};
use crate::fhir::service::{Request, Service};
use crate::fhir::{delete, update};
use crate::store::{StoreError, Stored};

/// What the transaction depends on beside its own entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Matches {
    /// By the position of a conditional create, update or delete.
    targets: HashMap<usize, Vec<String>>,
    /// By the position of a patch: what is patched.
    pub(super) patched: HashMap<usize, Option<Stored>>,
    pub(super) references: HashMap<String, Vec<String>>,
    /// The conditions that name entries, by the position of their changes.
    resolved: HashMap<usize, Resolved>,
}

impl Matches {
    /// The ids of what the condition of the change at this position matches.
    pub(super) fn found(&self, position: usize) -> &[String] {
        self.targets.get(&position).map_or(&[], Vec::as_slice)
    }
}

/// The resources that a change comes to: one, but of a conditional delete none or several.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) ids: Vec<String>,
    /// An existing resource serves instead of a new one.
    pub(super) is_kept: bool,
    /// A conditional update found its resource.
    pub(super) is_match: bool,
}

impl Identity {
    /// Of what is no delete.
    pub(super) fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }
}

pub(super) async fn look_up(
    request: &Request<'_>,
    changes: &[Change],
    named: &Named,
    references: &BTreeMap<String, Condition>,
    reader: Reader<'_>,
) -> Result<Matches, StoreError> {
    let service = request.service;
    let mut matches = Matches::default();
    for &position in &named.order {
        let change = &changes[position];
        let refused = |error: Error| StoreError::Refused(Box::new(error.within(&place(change.index))));
        let resolved = named.resolved(request, changes, position, &matches).map_err(refused)?;
        let condition = resolved.as_ref().map(|resolved| &*resolved.0).or(change.condition.as_ref());
        match (condition, change.method) {
            (None, Method::Patch) => {
                let found = reader.read(change.resource_type.number, &change.id).await?;
                matches.patched.insert(position, found);
            }
            (Some(condition), Method::Patch) => {
                let mut found = condition.find(service, reader, 2).await?;
                if found.len() > 1 {
                    return Err(refused(multiple_matches(IN_URL)));
                }
                matches.patched.insert(position, found.pop());
            }
            (Some(condition), Method::Delete) => {
                let found = delete::matching(service, condition, reader, IN_URL).await.map_err(|error| match error {
                    StoreError::Refused(refusal) => match refusal.downcast::<Error>() {
                        Ok(error) => refused(*error),
                        Err(other) => StoreError::Refused(other),
                    },
                    other => other,
                });
                matches.targets.insert(position, found?);
            }
            (Some(condition), _) => {
                let found = condition.find(service, reader, 2).await?;
                matches.targets.insert(position, found.into_iter().map(|stored| stored.id).collect());
            }
            (None, _) => {}
        }
        matches.resolved.extend(resolved.map(|resolved| (position, resolved)));
    }
    for (text, condition) in references {
        let found = condition.find(service, reader, 2).await?;
        matches.references.insert(text.clone(), found.into_iter().map(|stored| stored.id).collect());
    }
    Ok(matches)
}

/// The ids that the changes end up with, by position. Deletes come first, and creates before updates.
pub(super) fn identities(service: &Service, changes: &[Change], matches: &Matches) -> Result<Vec<Identity>, Error> {
    let mut seen = HashSet::new();
    let mut identities: Vec<Identity> = Vec::with_capacity(changes.len());
    for (position, change) in changes.iter().enumerate() {
        let named = |error: Error| error.within(&place(change.index));
        let found = matches.found(position);
        let own = || Identity { ids: vec![change.id.clone()], is_kept: false, is_match: false };
        let identity = match (change.method, &change.condition) {
            (Method::Delete, Some(_)) => Identity { ids: found.to_vec(), ..own() },
            (Method::Put, Some(_)) => {
                let resource = change.resource.as_ref().unwrap_or(&Value::Null);
                let (id, is_match) = update::identity(resource, found, &change.id).map_err(named)?;
                Identity { ids: vec![id], is_kept: false, is_match }
            }
            (Method::Patch, _) => {
                let stored = matches.patched.get(&position).and_then(Option::as_ref);
                Identity { ids: vec![stored.map_or(&change.id, |stored| &stored.id).clone()], ..own() }
            }
            (Method::Post, Some(condition)) => {
                let resolved = matches.resolved.get(&position).map(|resolved| &*resolved.0);
                // What is in the Bundle may name the entry in either way.
                let accepts = |resource: &Value| {
                    [Some(condition), resolved].into_iter().flatten().any(|one| one.accepts(service, resource))
                };
                created(changes, &identities, change, accepts, found)?
            }
            _ => own(),
        };
        // "If any resource identities (including resolved identities from conditional update/delete) overlap in
        // steps 1-3, then the transaction SHALL fail."
        let overlaps = |id: &String| !seen.insert((change.resource_type.number, id.clone()));
        if !identity.is_kept && identity.ids.iter().any(overlaps) {
            return Err(change.error(
                Kind::Invalid,
                IssueType::Duplicate,
                "Another entry of this transaction changes the same resource: a resource is in it once.",
            ));
        }
        identities.push(identity);
    }
    Ok(identities)
}

/// A conditional create: of what matches, what is deleted before it does not count, and what is created before does.
fn created(
    changes: &[Change],
    before: &[Identity],
    change: &Change,
    accepts: impl Fn(&Value) -> bool,
    found: &[String],
) -> Result<Identity, Error> {
    let earlier = || changes.iter().zip(before);
    let same_type = |other: &Change| other.resource_type.number == change.resource_type.number;
    let is_deleted = |id: &String| {
        earlier()
            .any(|(other, identity)| other.method == Method::Delete && same_type(other) && identity.ids.contains(id))
    };
    let mut matching: Vec<&String> = found.iter().filter(|id| !is_deleted(id)).collect();
    for (other, identity) in earlier().filter(|(_, identity)| !identity.is_kept) {
        if other.resource.as_ref().is_some_and(&accepts) {
            matching.extend(identity.ids.first());
        }
    }
    match matching.as_slice() {
        [id] => Ok(Identity { ids: vec![(*id).clone()], is_kept: true, is_match: true }),
        [] => Ok(Identity { ids: vec![change.id.clone()], is_kept: false, is_match: false }),
        _ => Err(multiple_matches("ifNoneExist").within(&place(change.index))),
    }
}
