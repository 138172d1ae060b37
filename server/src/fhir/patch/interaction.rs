//! The interaction: reads, patches, checks and writes inside one transaction, so that a patch of what another client
//! changes at the same moment is applied to the result of that change, or refused by `If-Match`.
//! <https://hl7.org/fhir/R4/http.html#patch>

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Patch, PatchFormat};
use crate::access::{Boundary, Permission};
use crate::fhir::answer::Answer;
use crate::fhir::audit::{Interaction, entry, recorded};
use crate::fhir::boundary::{self, Beside};
use crate::fhir::conditional::{Condition, IN_URL, Reader, multiple_matches};
use crate::fhir::conditions::{Preconditions, WriteConditions};
use crate::fhir::outcome::{Error, Kind};
use crate::fhir::service::{Owned, Request, Type, assign, check_resource, content, gone, not_found};
use crate::fhir::write;
use crate::store::{AuditOutcome, Operation, Resolve, StoreError, Stored, Unit, View};

/// What is patched.
#[derive(Debug, Clone, Copy)]
pub enum PatchTarget<'a> {
    Id(&'a str),
    /// The resource that matches: <https://hl7.org/fhir/R4/http.html#patch> has it "as for update".
    Condition(&'a [(String, String)]),
}

pub async fn patch(
    request: &Request<'_>,
    resource_type: &str,
    target: PatchTarget<'_>,
    format: PatchFormat,
    body: &[u8],
    conditions: WriteConditions<'_>,
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    let id = match target {
        PatchTarget::Id(id) => Some(id),
        PatchTarget::Condition(_) => None,
    };
    recorded(request, Interaction::Patch, Some(resource_type), id, async {
        let patch = Patch::parse(format, request.service.schema, body)?;
        patch_resource(request, resource_type, target, patch, conditions).await
    })
    .await
}

pub(in crate::fhir) async fn patch_resource(
    request: &Request<'_>,
    resource_type: Type,
    target: PatchTarget<'_>,
    patch: Patch,
    conditions: WriteConditions<'_>,
) -> Result<Answer, Error> {
    let granted = request.grant(resource_type, Permission::Update)?;
    let (target, id) = match target {
        PatchTarget::Id(id) => (Found::Id(id.to_owned()), Some(id)),
        PatchTarget::Condition(parameters) => {
            let condition = Condition::of(request, resource_type, parameters, granted.clone())?;
            (Found::Condition(Box::new(condition)), None)
        }
    };
    let work =
        Patching { owned: request.owned(), resource_type, granted, target, patch, preconditions: conditions.read()? };
    let audit = entry(request, Interaction::Patch, Some(resource_type), id, AuditOutcome::Success);
    let written = request.service.store.write(Unit::resolving(Arc::new(work)).audited(audit)).await?;
    write::single(request, resource_type, written).await
}

enum Found {
    Id(String),
    Condition(Box<Condition>),
}

struct Patching {
    owned: Owned,
    resource_type: Type,
    granted: Boundary,
    target: Found,
    patch: Patch,
    preconditions: Preconditions,
}

impl Resolve for Patching {
    fn resolve<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>> {
        Box::pin(async move {
            let service = &self.owned.service;
            let stored = match &self.target {
                Found::Id(id) => view.read(self.resource_type.number, id).await?,
                Found::Condition(condition) => {
                    let mut found = condition.find(service, Reader::View(view), 2).await?;
                    if found.len() > 1 {
                        return Err(StoreError::Refused(Box::new(multiple_matches(IN_URL))));
                    }
                    found.pop()
                }
            };
            let (request, beside) = (self.owned.request(), Beside::new());
            let operation = operation(
                &request,
                self.resource_type,
                &self.granted,
                &self.patch,
                stored,
                &self.preconditions,
                &beside,
            );
            operation.await.map(|operation| vec![operation]).map_err(|error| StoreError::Refused(Box::new(error)))
        })
    }
}

/// The patched resource as an operation of the store. `stored` is what stands there; `beside` is what the same
/// transaction writes.
pub(in crate::fhir) async fn operation(
    request: &Request<'_>,
    resource_type: Type,
    granted: &Boundary,
    patch: &Patch,
    stored: Option<Stored>,
    preconditions: &Preconditions,
    beside: &Beside,
) -> Result<Operation, Error> {
    let service = request.service;
    let stored = stored.ok_or_else(not_found)?;
    // What the token does not reach is refused before anything is told of it.
    let before = boundary::check_before(request, resource_type, granted);
    if let Some(check) = &before {
        check(Some(&stored)).map_err(|refusal| Error::from(StoreError::Refused(refusal)))?;
    }
    if stored.deleted {
        return Err(gone(stored.version));
    }
    preconditions.look_at(Some(&stored))?;
    let resource = vesta_runtime::json::parse(&stored.body)
        .map_err(|error| Error::new(Kind::Internal, "A stored resource cannot be read.").caused_by(error))?;
    let mut patched = patch.apply(service.schema, &resource, service.clock.now())?;
    assign(&mut patched, &stored.id);
    // RFC 5789, 2.2: 422 where the patch would make the resource invalid.
    check_resource(service, resource_type, &patched).map_err(|error| Error { kind: Kind::Unprocessable, ..error })?;
    boundary::check_new(request, resource_type, granted, &patched, beside).await?;
    let content = content(service, &patched, &stored.id);
    let mut operation = Operation::update(resource_type.number, stored.id, content, Some(stored.version));
    operation.check = before;
    Ok(operation)
}
