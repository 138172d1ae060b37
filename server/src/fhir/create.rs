//! `create`, conditional or not. <https://hl7.org/fhir/R4/http.html#create>, <https://hl7.org/fhir/R4/http.html#ccreate>

use serde_json::Value;

use super::answer::Answer;
use super::audit::{Interaction, entry, recorded};
use super::boundary::{self, Beside};
use super::outcome::{Error, Kind};
use super::service::{Request, Type, assign, check_resource, content, parse_json};
use super::write;
use crate::access::Permission;
use crate::store::{AuditOutcome, Operation, Unit};

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
    if if_none_exist.is_some() {
        return Err(Error::new(Kind::NotSupported, "If-None-Exist is not supported yet."));
    }
    check_resource(service, resource_type, &resource)?;
    let id = service.ids.next();
    assign(&mut resource, &id);
    boundary::check_new(request, resource_type, &granted, &resource, &Beside::new()).await?;
    let operation = Operation::create(resource_type.number, id.as_str(), content(service, &resource, &id));
    let audit = entry(request, Interaction::Create, Some(resource_type), Some(&id), AuditOutcome::Success);
    let written = service.store.write(Unit::new(vec![operation]).audited(audit)).await?;
    write::single(request, resource_type, written)
}
