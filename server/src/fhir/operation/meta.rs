//! `$meta`, `$meta-add` and `$meta-delete`: profiles, tags and security labels.
//! <https://hl7.org/fhir/R4/resource-operation-meta.html>
//!
//! "This operation is special in that executing this operation does not cause a new version of the resource to be
//! created. The meta is updated directly." <https://hl7.org/fhir/R4/resource-operation-meta-add.html>

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

use super::{Invocation, returned};
use crate::access::{Boundary, Permission};
use crate::fhir::answer::Answer;
use crate::fhir::audit::{self, Interaction};
use crate::fhir::boundary::{self, Beside};
use crate::fhir::conditions::version;
use crate::fhir::outcome::{Error, Kind};
use crate::fhir::service::{Owned, Request, Type, check_resource, content, gone, not_found};
use crate::store::{AuditOutcome, Operation, Resolve, StoreError, Stored, Unit, View};

/// Those of `meta` that are sets, with what tells two members apart.
const SETS: [&str; 3] = ["profile", "security", "tag"];

/// The meta of one resource, or the profiles, tags and labels that are in use.
pub(super) async fn read(request: Request<'_>, invocation: Invocation<'_>) -> Result<Answer, Error> {
    match (invocation.resource_type, invocation.id) {
        (Some(resource_type), Some(id)) => {
            let stored = stored(&request, resource_type, (id, invocation.version), Permission::Read).await?;
            let resource = parse(&stored)?;
            Ok(returned("valueMeta", resource.get("meta").unwrap_or(&Value::Null)))
        }
        (resource_type, _) => super::labels::in_use(&request, resource_type).await,
    }
}

/// What `$meta-add` and `$meta-delete` do to a set.
type ChangeSet = fn(&mut Vec<Value>, &Value);

pub(super) fn add(set: &mut Vec<Value>, value: &Value) {
    if !set.iter().any(|known| is_same(known, value)) {
        set.push(value.clone());
    }
}

/// "The delete works by finding the tag by system and code … it is not an error if it is not there."
pub(super) fn delete(set: &mut Vec<Value>, value: &Value) {
    set.retain(|known| !is_same(known, value));
}

/// Labels are the same by system and code, profiles by their text.
fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.get("system") == right.get("system") && left.get("code") == right.get("code")
        }
        _ => left == right,
    }
}

pub(super) async fn change(
    request: Request<'_>,
    invocation: Invocation<'_>,
    change: ChangeSet,
) -> Result<Answer, Error> {
    let (Some(resource_type), Some(id)) = (invocation.resource_type, invocation.id) else { return Err(not_found()) };
    let Some(Value::Object(meta)) = invocation.inputs.one("meta").cloned() else {
        return Err(Error::new(Kind::Invalid, "`meta` is missing: send the profiles, tags and labels as a Meta."));
    };
    let granted = request.grant(resource_type, Permission::Update)?;
    // Refused before the write where it can be: what the token does not reach is not told apart from what is not there.
    let stored = stored(&request, resource_type, (id, invocation.version), Permission::Update).await?;
    let after = changed(&parse(&stored)?, &meta, change);
    boundary::check_new(&request, resource_type, &granted, &after, &Beside::new()).await?;
    let version = invocation.version.map(|_| stored.version);
    let work = Change { owned: request.owned(), resource_type, id: id.to_owned(), version, meta, change, granted };
    let entry = audit::entry(&request, Interaction::Update, Some(resource_type), Some(id), AuditOutcome::Success);
    let written = request.service.store.write(Unit::resolving(Arc::new(work)).audited(entry)).await?;
    let body = written.into_iter().next().map(|written| written.body).unwrap_or_default();
    let resource = vesta_runtime::json::parse(&body).map_err(unreadable)?;
    Ok(returned("valueMeta", resource.get("meta").unwrap_or(&Value::Null)))
}

/// The change, made inside the write transaction: two of them at once lose nothing.
struct Change {
    owned: Owned,
    resource_type: Type,
    id: String,
    /// None: the current one.
    version: Option<i64>,
    meta: Map<String, Value>,
    change: ChangeSet,
    granted: Boundary,
}

impl Resolve for Change {
    fn resolve<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>> {
        Box::pin(async move {
            let refused = |error: Error| StoreError::Refused(Box::new(error));
            let number = self.resource_type.number;
            let current = view.read(number, &self.id).await?.ok_or(StoreError::NotFound)?;
            let stored = match self.version {
                Some(version) if version != current.version => {
                    view.read_version(current.key, version).await?.ok_or(StoreError::NotFound)?
                }
                _ => current,
            };
            if stored.deleted {
                return Err(StoreError::Gone { version: stored.version });
            }
            let resource = changed(&parse(&stored).map_err(refused)?, &self.meta, self.change);
            let (request, beside) = (self.owned.request(), Beside::new());
            check_resource(request.service, self.resource_type, &resource).map_err(refused)?;
            let inside = boundary::check_new(&request, self.resource_type, &self.granted, &resource, &beside);
            inside.await.map_err(refused)?;
            let content = content(request.service, &resource, &self.id);
            let check = boundary::check_before(&request, self.resource_type, &self.granted);
            check.map_or(Ok(()), |check| check(Some(&stored))).map_err(StoreError::Refused)?;
            Ok(vec![Operation::relabel(&stored, content)])
        })
    }
}

/// The resource with its sets changed; a set that becomes empty goes.
fn changed(resource: &Value, given: &Map<String, Value>, change: ChangeSet) -> Value {
    let mut resource = resource.clone();
    let Some(object) = resource.as_object_mut() else { return resource };
    let meta = object.entry("meta").or_insert_with(|| Value::Object(Map::new()));
    let Some(meta) = meta.as_object_mut() else { return resource };
    for name in SETS {
        let Some(values) = given.get(name).and_then(Value::as_array) else { continue };
        let mut set = meta.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        for value in values {
            change(&mut set, value);
        }
        if set.is_empty() {
            meta.shift_remove(name);
        } else {
            meta.insert(name.to_owned(), Value::Array(set));
        }
    }
    resource
}

/// The current version, or the one that is named: "this operation (and other meta operations) can be performed on a historical
/// version of a resource".
async fn stored(
    request: &Request<'_>,
    resource_type: Type,
    (id, version_id): (&str, Option<&str>),
    permission: Permission,
) -> Result<Stored, Error> {
    let granted = request.grant(resource_type, permission)?;
    let (store, number) = (&request.service.store, resource_type.number);
    let stored = match version_id {
        None => store.read(number, id).await?,
        Some(version_id) => store.read_version(number, id, version(version_id).ok_or_else(not_found)?).await?,
    };
    let stored = stored.ok_or_else(not_found)?;
    boundary::check_read(request, resource_type, &granted, &stored).await?;
    if stored.deleted { Err(gone(stored.version)) } else { Ok(stored) }
}

fn parse(stored: &Stored) -> Result<Value, Error> {
    vesta_runtime::json::parse(&stored.body).map_err(unreadable)
}

fn unreadable(error: vesta_runtime::json::JsonError) -> Error {
    Error::new(Kind::Internal, "A stored resource cannot be read.").caused_by(error)
}
