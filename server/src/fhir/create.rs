//! `create`, conditional or not. <https://hl7.org/fhir/R4/http.html#create>, <https://hl7.org/fhir/R4/http.html#ccreate>

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::answer::Answer;
use super::audit::{self, Interaction, recorded};
use super::boundary::{self, Beside};
use super::conditional::{Condition, Reader, multiple_matches};
use super::outcome::Error;
use super::service::{Request, Service, Type, assign, check_resource, content, parse_json};
use super::write;
use crate::access::Permission;
use crate::store::{AuditOutcome, Operation, Resolve, StoreError, Unit, View};

/// A new resource under an id of the server's. `if_none_exist` is the query of a conditional create: no match creates,
/// one answers with what is there (200), several are refused (412).
pub async fn create(
    request: &Request<'_>,
    resource_type: &str,
    body: &[u8],
    if_none_exist: Option<&str>,
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    recorded(request, Interaction::Create, Some(resource_type), None, async {
        let resource = parse_json(body)?;
        create_resource(request, resource_type, resource, if_none_exist).await
    })
    .await
}

pub(super) async fn create_resource(
    request: &Request<'_>,
    resource_type: Type,
    mut resource: Value,
    if_none_exist: Option<&str>,
) -> Result<Answer, Error> {
    let service = request.service;
    let granted = request.grant(resource_type, Permission::Create)?;
    let condition =
        if_none_exist.map(|query| Condition::parse(request, resource_type, query, granted.clone())).transpose()?;
    check_resource(service, resource_type, &resource)?;
    let id = service.ids.next();
    assign(&mut resource, &id);
    boundary::check_new(request, resource_type, &granted, &resource, &Beside::new()).await?;
    let content = content(service, &resource, &id);
    let audit = match condition {
        None => audit::written(request, Interaction::Create, resource_type, &id, &content),
        // Whether this id comes to be is not known yet.
        Some(_) => audit::entry(request, Interaction::Create, Some(resource_type), None, AuditOutcome::Success),
    };
    let operation = Operation::create(resource_type.number, id.as_str(), content);
    let unit = match condition {
        None => Unit::new(vec![operation]),
        Some(condition) => {
            Unit::resolving(Arc::new(IfNoneExist { service: Arc::clone(service), condition, operation }))
        }
    };
    let written = service.store.write(unit.audited(audit)).await?;
    write::single(request, resource_type, written).await
}

/// Looks for matches inside the write transaction, so that two of the same conditional creates make one resource.
struct IfNoneExist {
    service: Arc<Service>,
    condition: Condition,
    operation: Operation,
}

impl Resolve for IfNoneExist {
    fn resolve<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>> {
        Box::pin(async move {
            let found = self.condition.find(&self.service, Reader::View(view), 2).await?;
            match found.as_slice() {
                [] => Ok(vec![self.operation.clone()]),
                [stored] => Ok(vec![Operation::keep(self.operation.resource_type, stored.id.as_str())]),
                _ => Err(StoreError::Refused(Box::new(multiple_matches("If-None-Exist")))),
            }
        })
    }
}
