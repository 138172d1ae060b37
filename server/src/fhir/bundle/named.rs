//! Conditions of a transaction that name another of its entries by the `fullUrl`: `ifNoneExist` with
//! `subject=urn:uuid:…`. "The server SHALL replace all matching links in the bundle"
//! (<https://hl7.org/fhir/R4/http.html#trules>), so nothing that a transaction stored is found by a `fullUrl`, and a
//! condition that were searched as it is would create the same anew each time that the Bundle is sent. What the named
//! entry comes to may depend on a condition of its own: that one is looked up first.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::entry::Method;
use super::matches::Matches;
use super::plan::Change;
use crate::fhir::conditional::Condition;
use crate::fhir::outcome::{Error, IssueType, Kind};
use crate::fhir::service::Request;
use crate::fhir::update;
use crate::search::replace_references;

/// The conditions of a transaction that name entries.
#[derive(Default)]
pub(super) struct Named {
    /// By the position of the change: the positions of those that its condition names, by their `fullUrl`.
    by_position: HashMap<usize, HashMap<String, usize>>,
    /// The positions of all changes, each behind those that its condition names.
    pub(super) order: Vec<usize>,
}

/// A condition with the entries that it names as what they come to; the same where it asks for the same.
#[derive(Clone)]
pub(super) struct Resolved(pub(super) Arc<Condition>);

impl PartialEq for Resolved {
    fn eq(&self, other: &Resolved) -> bool {
        self.0.asked() == other.0.asked()
    }
}

impl Eq for Resolved {}

impl fmt::Debug for Resolved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Resolved").field(&self.0.asked()).finish()
    }
}

impl Named {
    pub(super) fn of(request: &Request<'_>, changes: &[Change]) -> Result<Named, Error> {
        let entries = changes.iter().enumerate().filter(|(_, change)| {
            // What is deleted is none that a reference may lead to.
            !matches!(change.method, Method::Delete | Method::Patch)
        });
        let positions: HashMap<&str, usize> =
            entries.filter_map(|(position, change)| Some((change.full_url.as_deref()?, position))).collect();
        let mut named = Named::default();
        for (position, change) in changes.iter().enumerate() {
            let Some(condition) = &change.condition else { continue };
            let mut found = HashMap::new();
            let table = &request.service.parameters;
            replace_references(table, change.resource_type.name, condition.asked(), |value| {
                found.extend(positions.get(value).map(|of| (value.to_owned(), *of)));
                None
            });
            if !found.is_empty() {
                named.by_position.insert(position, found);
            }
        }
        named.order = named.sorted(changes)?;
        Ok(named)
    }

    fn sorted(&self, changes: &[Change]) -> Result<Vec<usize>, Error> {
        let mut waits = vec![0usize; changes.len()];
        let mut wanted: HashMap<usize, Vec<usize>> = HashMap::new();
        for (position, found) in &self.by_position {
            for of in found.values().filter(|of| changes[**of].condition.is_some()) {
                waits[*position] += 1;
                wanted.entry(*of).or_default().push(*position);
            }
        }
        let mut order: Vec<usize> = (0..changes.len()).filter(|position| waits[*position] == 0).collect();
        let mut next = 0;
        while let Some(position) = order.get(next).copied() {
            for waiting in wanted.get(&position).into_iter().flatten() {
                waits[*waiting] -= 1;
                if waits[*waiting] == 0 {
                    order.push(*waiting);
                }
            }
            next += 1;
        }
        match waits.iter().position(|waits| *waits > 0) {
            None => Ok(order),
            Some(position) => Err(changes[position].error(
                Kind::Invalid,
                IssueType::Invalid,
                "The condition names an entry whose own condition depends on what this one matches: let one of them \
                 name a stored resource, or send them in two transactions.",
            )),
        }
    }

    /// The condition of a change as it is to be looked up, where it names entries; of these the matches are known.
    pub(super) fn resolved(
        &self,
        request: &Request<'_>,
        changes: &[Change],
        position: usize,
        matches: &Matches,
    ) -> Result<Option<Resolved>, Error> {
        let change = &changes[position];
        let (Some(named), Some(condition)) = (self.by_position.get(&position), &change.condition) else {
            return Ok(None);
        };
        let (table, resource_type) = (&request.service.parameters, change.resource_type);
        let parameters = replace_references(table, resource_type.name, condition.asked(), |value| {
            named.get(value).map(|of| reference(&changes[*of], matches.found(*of)))
        });
        let condition = Condition::of(request, resource_type, &parameters, change.granted.clone())?;
        Ok(Some(Resolved(Arc::new(condition))))
    }
}

/// Where a reference to the entry leads; to nothing that is stored, where it is created.
fn reference(change: &Change, found: &[String]) -> String {
    let id = match (change.method, &change.resource, found.first()) {
        (Method::Put, Some(resource), _) if change.condition.is_some() => {
            // What is wrong with it is told of the entry itself.
            update::identity(resource, found, &change.id).map_or_else(|_| change.id.clone(), |(id, _)| id)
        }
        (_, _, Some(found)) => found.clone(),
        _ => change.id.clone(),
    };
    change.reference(&id)
}
