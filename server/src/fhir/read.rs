//! `read` and `vread`. <https://hl7.org/fhir/R4/http.html#read>, <https://hl7.org/fhir/R4/http.html#vread>

use super::answer::{Answer, AnswerKind, Body};
use super::audit::{Interaction, recorded};
use super::conditions::{ReadConditions, version};
use super::outcome::{Error, Kind};
use super::service::{Request, Type, gone, not_found};
use super::summary::Subset;
use super::{audit_log, boundary, query};
use crate::access::Permission;
use crate::store::Stored;

/// The current version. `parameters`: `_summary` and `_elements`.
pub async fn read(
    request: &Request<'_>,
    resource_type: &str,
    id: &str,
    conditions: &ReadConditions<'_>,
    parameters: &[(String, String)],
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    recorded(request, Interaction::Read, Some(resource_type), Some(id), async {
        if audit_log::has(resource_type.name) {
            let shown = Box::pin(audit_log::read(request, resource_type, id)).await?;
            return answer(request, &shown, conditions, &subset(resource_type, parameters)?);
        }
        let granted = request.grant(resource_type, Permission::Read)?;
        let subset = subset(resource_type, parameters)?;
        let stored = request.service.store.read(resource_type.number, id).await?.ok_or_else(not_found)?;
        boundary::check_read(request, resource_type, &granted, &stored).await?;
        if stored.deleted {
            return Err(gone(stored.version));
        }
        answer(request, &stored, conditions, &subset)
    })
    .await
}

/// One version.
pub async fn vread(
    request: &Request<'_>,
    resource_type: &str,
    id: &str,
    version_id: &str,
    conditions: &ReadConditions<'_>,
    parameters: &[(String, String)],
) -> Result<Answer, Error> {
    let resource_type = request.service.resource_type(resource_type)?;
    recorded(request, Interaction::Vread, Some(resource_type), Some(id), async {
        if audit_log::has(resource_type.name) {
            let shown = audit_log::read(request, resource_type, id).await?;
            let shown = Some(shown).filter(|shown| version(version_id) == Some(shown.version)).ok_or_else(not_found)?;
            return answer(request, &shown, conditions, &subset(resource_type, parameters)?);
        }
        let granted = request.grant(resource_type, Permission::Read)?;
        let subset = subset(resource_type, parameters)?;
        let version = version(version_id).ok_or_else(not_found)?;
        let stored = request.service.store.read_version(resource_type.number, id, version).await?;
        let stored = stored.ok_or_else(not_found)?;
        boundary::check_read(request, resource_type, &granted, &stored).await?;
        if stored.deleted {
            // "If the version referred to is actually one where the resource was deleted, the server should return a
            // 410 status code."
            return Err(gone(stored.version));
        }
        answer(request, &stored, conditions, &subset)
    })
    .await
}

/// Only what shapes a single resource; anything else would be ignored in silence.
fn subset(resource_type: Type, parameters: &[(String, String)]) -> Result<Subset, Error> {
    if let Some((name, _)) = parameters.iter().find(|(name, _)| !matches!(name.as_str(), "_summary" | "_elements")) {
        return Err(Error::new(
            Kind::Invalid,
            format!(
                "{} has no meaning for a read: it takes _summary, _elements, _format and _pretty.",
                query::shown(name)
            ),
        ));
    }
    match Subset::parse(Some(resource_type.definition), parameters)? {
        Subset::Count => Err(Error::new(Kind::Invalid, "`_summary=count` is for searches.")),
        subset => Ok(subset),
    }
}

fn answer(
    request: &Request<'_>,
    stored: &Stored,
    conditions: &ReadConditions<'_>,
    subset: &Subset,
) -> Result<Answer, Error> {
    let not_modified = conditions.are_met_by(stored.version, stored.last_updated);
    let body = match subset {
        _ if not_modified => Body::Empty,
        Subset::Whole => Body::Bytes(stored.body.clone()),
        subset => Body::Bytes(subset.bytes(request.service.schema, &stored.body)?.into()),
    };
    Ok(Answer {
        kind: if not_modified { AnswerKind::NotModified } else { AnswerKind::Ok },
        version: Some(stored.version),
        last_updated: Some(stored.last_updated),
        ..Answer::ok(body)
    })
}
