//! Loading in bulk: resources that are put at their ids, in the writer's slow lane. What is there already and says the
//! same is left as it is, so that a load can be done again.

use std::sync::Arc;

use serde_json::Value;

use super::entry::place;
use super::links::Targets;
use crate::access::AccessContext;
use crate::fhir::audit::{self, Interaction};
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::preferences::Preferences;
use crate::fhir::service::{Origin, Request, Service, Type, assign, check_resource, content};
use crate::store::{Action, AuditEntry, AuditOutcome, Operation, Patience, Unit, Written};
use crate::validate::{self, MAXIMUM_ISSUES};

/// A resource to be put at an id.
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    /// Under which address the others of its Bundle refer to it.
    pub full_url: Option<String>,
    pub id: String,
    pub resource: Value,
}

/// What is ready to be written: checked, its index rows derived.
pub struct Prepared {
    operations: Vec<Operation>,
    entry: AuditEntry,
}

/// Checks all of them. `request_id` stands in the audit.
pub fn prepare(
    service: &Arc<Service>,
    access: &AccessContext,
    request_id: &str,
    mut puts: Vec<Put>,
) -> Result<Prepared, Error> {
    let request =
        Request { service, access, request_id, origin: Origin::default(), preferences: Preferences::default() };
    let operations = operations(service, &mut puts)?;
    let entry = match operations.as_slice() {
        [(resource_type, one)] => {
            audit::entry(&request, Interaction::Update, Some(*resource_type), Some(&one.id), AuditOutcome::Success)
        }
        _ => audit::entry(&request, Interaction::Transaction, None, None, AuditOutcome::Success),
    };
    let operations = operations.into_iter().map(|(_, operation)| operation).collect();
    Ok(Prepared { operations, entry })
}

/// Writes all of it, or nothing; one answer a resource, in their order.
pub async fn write(service: &Arc<Service>, prepared: Prepared) -> Result<Vec<Written>, Error> {
    let Prepared { operations, entry } = prepared;
    let mut patience = Patience::begin();
    loop {
        let unit = Unit::new(operations.clone()).bulk().audited(entry.clone());
        match service.store.write(unit).await {
            Err(error) if error.is_temporary() && patience.wait().await => {}
            result => return Ok(result?),
        }
    }
}

fn operations(service: &Arc<Service>, puts: &mut [Put]) -> Result<Vec<(Type, Operation)>, Error> {
    let mut targets = Targets::default();
    for put in puts.iter() {
        if let (Some(full_url), Some(name)) = (&put.full_url, put.resource["resourceType"].as_str()) {
            targets.insert(full_url, format!("{name}/{}", put.id));
        }
    }
    let is_bundle = puts.len() > 1;
    let (mut operations, mut issues) = (Vec::with_capacity(puts.len()), Vec::new());
    for (index, put) in puts.iter_mut().enumerate() {
        match operation(service, &targets, put) {
            Ok(operation) => operations.push(operation),
            Err(error) => {
                let error = if is_bundle { error.within(&place(index)) } else { error };
                issues.extend(error.issues);
            }
        }
        if issues.len() >= MAXIMUM_ISSUES {
            break;
        }
    }
    if issues.is_empty() { Ok(operations) } else { Err(Error::from_issues(Kind::Invalid, issues)) }
}

fn operation(service: &Arc<Service>, targets: &Targets, put: &mut Put) -> Result<(Type, Operation), Error> {
    let invalid = |issue| Error::from_issue(Kind::Invalid, issue);
    let name = validate::resource_type(service.schema, &put.resource).map_err(invalid)?;
    let resource_type = service.resource_type(name)?;
    if !validate::is_id(&put.id) {
        let text = "The id is 1 to 64 of the characters A-Z, a-z, 0-9, `-` and `.`";
        return Err(invalid(Issue::error(IssueType::Value, text).at(format!("{}.id", resource_type.name))));
    }
    let dangling = targets.rewrite(service.schema, &mut put.resource, put.full_url.as_deref());
    if !dangling.is_empty() {
        let text = "A reference is to a urn: address that no entry of the Bundle has.";
        return Err(invalid(Issue::error(IssueType::NotFound, text).at(resource_type.name)));
    }
    assign(&mut put.resource, &put.id);
    check_resource(service, resource_type, &put.resource)?;
    let content = Arc::new(content(service, &put.resource, &put.id));
    let action = Action::Update { content, if_match: None, upsert: true, skip_unchanged: true };
    Ok((resource_type, Operation { resource_type: resource_type.number, id: put.id.clone(), action, check: None }))
}
