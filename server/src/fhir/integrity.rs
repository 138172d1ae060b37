//! Referential integrity on delete: what others refer to stays, unless the site is set to delete it all the same.
//! <https://hl7.org/fhir/R4/http.html#delete> leaves that to the server: "the server … can also refuse to delete
//! resources … for example: referential integrity".
//!
//! A reference counts where a search parameter indexes it, as elsewhere. The look is inside the write transaction: on
//! SQLite nothing can come between; on PostgreSQL a reference that another transaction is writing at the same moment,
//! and has not committed, is not seen.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use vesta_runtime::search::{IndexValue, SearchParameterType, values};

use super::boundary::Beside;
use super::conditional::Reader;
use super::outcome::{Error, Issue, IssueType, Kind};
use super::service::{Service, Type};
use crate::store::StoreError;

/// A resource that is to be deleted, and the place in the request that asks for it, where that is an entry of a Bundle.
pub(super) struct Deleted {
    pub(super) resource_type: Type,
    pub(super) id: String,
    pub(super) place: Option<String>,
}

impl Deleted {
    pub(super) fn new(resource_type: Type, id: &str) -> Deleted {
        Deleted { resource_type, id: id.to_owned(), place: None }
    }
}

/// Refuses the deletes where a resource refers to one of them that is neither deleted with it nor among `beside`, what
/// the same transaction writes; or where what it writes refers to it.
pub(super) async fn check(
    service: &Service,
    reader: Reader<'_>,
    deleted: &[Deleted],
    beside: &Beside,
) -> Result<(), StoreError> {
    let gone: HashSet<(&str, &str)> = deleted.iter().map(|one| (one.resource_type.name, one.id.as_str())).collect();
    let mut written: HashMap<(String, String), (&str, &'static str)> = HashMap::new();
    for resource in beside.values() {
        let name = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
        written.extend(targets(service, resource).into_iter().map(|(target, code)| (target, (name, code))));
    }
    for one in deleted {
        let target = (one.resource_type.name.to_owned(), one.id.clone());
        // References to what is not there hold nothing back.
        if reader.read(one.resource_type.number, &one.id).await?.is_none_or(|stored| stored.deleted) {
            continue;
        }
        if let Some((name, by)) = written.get(&target) {
            return Err(referenced(one, name, by));
        }
        // Those that go or are written anew are left aside, and may be the first that are found.
        let most = deleted.len() + beside.len() + 1;
        let statement = service.planner().referrers(&target.0, &target.1, most as u64);
        for found in reader.page(&statement, 0).await? {
            let name = service.parameters.type_name(found.stored.resource_type).unwrap_or_default();
            let own = found.stored.id.as_str();
            if gone.contains(&(name, own)) || beside.contains_key(&format!("{name}/{own}")) {
                continue;
            }
            let resource = vesta_runtime::json::parse(&found.stored.body)
                .map_err(|error| StoreError::Inconsistent(format!("a stored resource cannot be read: {error}")))?;
            // Two references may share a hash.
            if let Some((_, by)) = targets(service, &resource).into_iter().find(|(other, _)| *other == target) {
                return Err(referenced(one, name, by));
            }
        }
    }
    Ok(())
}

/// The resources of this server that a resource refers to, each with the code of a parameter that finds it so.
fn targets(service: &Service, resource: &Value) -> Vec<((String, String), &'static str)> {
    let Some((entry, node)) = service.parameters.root(resource) else { return Vec::new() };
    let references = service
        .parameters
        .parameters(entry.name)
        .map(|parameter| parameter.definition)
        .filter(|definition| definition.kind == SearchParameterType::Reference);
    let mut found = Vec::new();
    for definition in references {
        for value in values(definition, node) {
            let IndexValue::Reference(reference) = value else { continue };
            let is_here = reference.base.as_deref().is_none_or(|base| base == service.parameters.base());
            if let (true, Some(name), Some(id)) = (is_here, reference.target_type, reference.target_id) {
                found.push(((name, id), definition.code));
            }
        }
    }
    found
}

/// 409, without the id of what refers: who may delete this may not be one who may see that.
fn referenced(deleted: &Deleted, name: &str, by: &str) -> StoreError {
    let text = format!(
        "Nothing was deleted: a resource of type {name} refers to this {} (found by {name}?{by}=…). Delete or change what refers to it \
         first, or delete both in one transaction.",
        deleted.resource_type.name
    );
    let error = Error::from_issue(Kind::Conflict, Issue::error(IssueType::Conflict, text));
    StoreError::Refused(Box::new(match &deleted.place {
        Some(place) => error.within(place),
        None => error,
    }))
}
