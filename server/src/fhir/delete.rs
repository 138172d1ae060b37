//! `delete`. <https://hl7.org/fhir/R4/http.html#delete>
//!
//! "Upon successful deletion, or if the resource does not exist at all, the server should return either 200 OK if the
//! response contains a payload, or 204 No Content": Vesta answers 200 with an OperationOutcome, and 204 where the
//! client prefers `return=minimal`. References to what is deleted stay as they are.

use super::answer::Answer;
use super::audit::{Interaction, entry, recorded};
use super::outcome::Error;
use super::service::Request;
use super::{boundary, conditions, write};
use crate::access::Permission;
use crate::store::{AuditOutcome, Operation, Unit};

pub async fn delete(
    request: &Request<'_>,
    resource_type: &str,
    id: &str,
    if_match: Option<&str>,
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    recorded(request, Interaction::Delete, Some(resource_type), Some(id), async {
        let granted = request.grant(resource_type, Permission::Delete)?;
        let if_match = conditions::if_match(if_match)?;
        let mut operation = Operation::delete(resource_type.number, id, if_match);
        operation.check = boundary::check_before(request, resource_type, &granted);
        let audit = entry(request, Interaction::Delete, Some(resource_type), Some(id), AuditOutcome::Success);
        let written = request.service.store.write(Unit::new(vec![operation]).audited(audit)).await?;
        write::single(request, resource_type, written)
    })
    .await
}
