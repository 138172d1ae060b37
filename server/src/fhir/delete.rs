//! `delete`, by id or by a condition. <https://hl7.org/fhir/R4/http.html#delete>,
//! <https://hl7.org/fhir/R4/http.html#cdelete>
//!
//! "Upon successful deletion, or if the resource does not exist at all, the server should return either 200 OK if the
//! response contains a payload, or 204 No Content": Vesta answers 200 with an OperationOutcome, and 204 where the
//! client prefers `return=minimal`. What others refer to is not deleted, unless the site is set to: see `integrity`.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::answer::{Answer, AnswerKind, Body};
use super::audit::{Interaction, entry, recorded};
use super::boundary::Beside;
use super::conditional::{Condition, IN_URL, Reader, multiple_matches};
use super::conditions::{Preconditions, WriteConditions};
use super::integrity::{self, Deleted};
use super::outcome::{Error, Issue, Kind, outcome_bytes};
use super::preferences::Return;
use super::service::{Request, Service, Type};
use super::update::both;
use super::{boundary, write};
use crate::access::Permission;
use crate::store::{AuditOutcome, Check, Effect, Operation, Resolve, StoreError, Unit, View, Written};

pub async fn delete(
    request: &Request<'_>,
    resource_type: &str,
    id: &str,
    conditions: WriteConditions<'_>,
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    recorded(request, Interaction::Delete, Some(resource_type), Some(id), async {
        let granted = request.grant(resource_type, Permission::Delete)?;
        let preconditions = conditions.read()?;
        let mut operation = Operation::delete(resource_type.number, id);
        operation.check = both(boundary::check_before(request, resource_type, &granted), preconditions.check());
        let audit = entry(request, Interaction::Delete, Some(resource_type), Some(id), AuditOutcome::Success);
        let unit = if request.service.rules.delete_referenced {
            Unit::new(vec![operation])
        } else {
            Unit::resolving(Arc::new(Unreferenced { service: Arc::clone(request.service), resource_type, operation }))
        };
        let written = request.service.store.write(unit.audited(audit)).await?;
        write::single(request, resource_type, written).await
    })
    .await
}

/// The delete of one resource, if nothing refers to it.
struct Unreferenced {
    service: Arc<Service>,
    resource_type: Type,
    operation: Operation,
}

impl Resolve for Unreferenced {
    fn resolve<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>> {
        Box::pin(async move {
            let id = self.operation.id.as_str();
            // What may not be deleted at all is refused for that reason, which comes first.
            let before = view.read(self.resource_type.number, id).await?;
            if let (Some(check), Some(before)) = (&self.operation.check, &before) {
                check(Some(before)).map_err(StoreError::Refused)?;
            }
            integrity::check(
                &self.service,
                Reader::View(view),
                &[Deleted::new(self.resource_type, id)],
                &Beside::new(),
            )
            .await?;
            Ok(vec![self.operation.clone()])
        })
    }
}

/// Deletes what matches: one resource, or where the site is set to it, all of them.
pub async fn conditional(
    request: &Request<'_>,
    resource_type: &str,
    condition: &[(String, String)],
    conditions: WriteConditions<'_>,
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    recorded(request, Interaction::Delete, Some(resource_type), None, async {
        let granted = request.grant(resource_type, Permission::Delete)?;
        let work = Matching {
            service: Arc::clone(request.service),
            preconditions: conditions.read()?,
            check: boundary::check_before(request, resource_type, &granted),
            condition: Condition::of(request, resource_type, condition, granted)?,
        };
        let audit = entry(request, Interaction::Delete, Some(resource_type), None, AuditOutcome::Success);
        let written = request.service.store.write(Unit::resolving(Arc::new(work)).audited(audit)).await?;
        Ok(answer(request, &written))
    })
    .await
}

/// A conditional delete, which looks for its matches inside the write transaction.
struct Matching {
    service: Arc<Service>,
    condition: Condition,
    preconditions: Preconditions,
    check: Option<Check>,
}

impl Resolve for Matching {
    fn resolve<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>> {
        Box::pin(async move {
            let ids = matching(&self.service, &self.condition, Reader::View(view), IN_URL).await?;
            let resource_type = self.condition.resource_type;
            if ids.is_empty() {
                self.preconditions.look_at(None).map_err(|error| StoreError::Refused(Box::new(error)))?;
            }
            let check = both(self.check.clone(), self.preconditions.check());
            if !self.service.rules.delete_referenced {
                let deleted: Vec<Deleted> = ids.iter().map(|id| Deleted::new(resource_type, id)).collect();
                integrity::check(&self.service, Reader::View(view), &deleted, &Beside::new()).await?;
            }
            let operations = ids.into_iter().map(|id| {
                let mut operation = Operation::delete(resource_type.number, id);
                operation.check.clone_from(&check);
                operation
            });
            Ok(operations.collect())
        })
    }
}

/// The ids that a conditional delete deletes. "Multiple matches: A server may choose to delete all the matching
/// resources, or it may choose to return a 412 Precondition Failed error".
pub(super) async fn matching(
    service: &Service,
    condition: &Condition,
    reader: Reader<'_>,
    name: &str,
) -> Result<Vec<String>, StoreError> {
    let multiple = service.rules.conditional_delete_multiple;
    let most = if multiple { service.store.limits().unit_operations } else { 1 };
    let found = condition.find(service, reader, most + 1).await?;
    if found.len() > 1 && multiple {
        condition.is_of_one_meaning(service, reader).await?;
    }
    if found.len() <= most {
        return Ok(found.into_iter().map(|stored| stored.id).collect());
    }
    let error = if multiple {
        let text =
            format!("{name} matches more than {most} resources, which is the limit of one transaction: narrow it.");
        Error::new(Kind::TooLarge, text)
    } else {
        multiple_matches(name)
    };
    Err(StoreError::Refused(Box::new(error)))
}

/// The answer to a conditional delete: how many are gone.
pub(super) fn answer(request: &Request<'_>, written: &[Written]) -> Answer {
    let deleted = written.iter().filter(|written| written.effect == Effect::Deleted).count();
    let body = match request.preferences.returning.unwrap_or_default() {
        Return::Minimal => Body::Empty,
        _ => {
            let text = match deleted {
                0 => "No resource matches: nothing was deleted.".to_owned(),
                1 => "The resource that matches was deleted.".to_owned(),
                count => format!("The {count} resources that match were deleted."),
            };
            Body::Bytes(outcome_bytes(&[Issue::information(text)], Some(request.request_id)).into())
        }
    };
    Answer { kind: AnswerKind::Deleted, ..Answer::ok(body) }
}
