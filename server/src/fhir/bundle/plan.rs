//! The entries of a transaction that write, taken apart and put into the order of processing, before anything is
//! looked up.

use std::collections::{BTreeMap, btree_map};

use serde_json::Value;

use super::conditional_references::collect;
use super::entry::{Entry, Method, Target, place};
use crate::access::{Boundary, Permission};
use crate::fhir::audit::{self, Interaction};
use crate::fhir::conditional::Condition;
use crate::fhir::conditions::Preconditions;
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::patch::Patch;
use crate::fhir::service::{Request, Type};
use crate::fhir::update;
use crate::store::{Action, AuditEntry, AuditOutcome, Operation};
use crate::validate::{MAXIMUM_ISSUES, split_conditional};

/// A change that an entry asks for, with what can be known of it before anything is looked up.
pub(super) struct Change {
    /// The entry's place in the Bundle.
    pub(super) index: usize,
    pub(super) method: Method,
    pub(super) resource_type: Type,
    /// Of a create, and of an update that comes to create: the new id.
    pub(super) id: String,
    pub(super) full_url: Option<String>,
    /// Of a create or an update.
    pub(super) resource: Option<Value>,
    pub(super) patch: Option<Patch>,
    pub(super) preconditions: Preconditions,
    pub(super) granted: Boundary,
    /// `ifNoneExist`, or what stands in the URL of a conditional update, patch or delete.
    pub(super) condition: Option<Condition>,
}

/// One wrong entry is the error of all, told with all the others that are wrong.
pub(super) fn all<T>(results: impl IntoIterator<Item = Result<T, Error>>) -> Result<Vec<T>, Error> {
    let (mut good, mut first): (Vec<T>, Option<Error>) = (Vec::new(), None);
    for result in results {
        match (result, &mut first) {
            (Ok(value), _) => good.push(value),
            (Err(error), None) => first = Some(error),
            (Err(error), Some(first)) => {
                let room = MAXIMUM_ISSUES.saturating_sub(first.issues.len());
                first.issues.extend(error.issues.into_iter().take(room));
            }
        }
    }
    first.map_or(Ok(good), Err)
}

/// Takes the entries that write apart, checks what the token covers, and puts them into the order of processing.
pub(super) fn plan(
    request: &Request<'_>,
    writes: Vec<(usize, Entry)>,
) -> Result<(Vec<Change>, BTreeMap<String, Condition>), Error> {
    let service = request.service;
    let changes = writes
        .into_iter()
        .map(|(index, entry)| change(request, index, entry).map_err(|error| error.within(&place(index))));
    let mut changes = all(changes)?;
    // Stable: within each kind the order of the Bundle stays.
    changes.sort_by_key(|change| match change.method {
        Method::Delete => 0,
        Method::Post => 1,
        _ => 2,
    });
    let mut references = BTreeMap::new();
    for change in &mut changes {
        let Some(resource) = &mut change.resource else { continue };
        let mut found = Vec::new();
        collect(service.schema, resource, &mut found);
        for text in found {
            if let btree_map::Entry::Vacant(vacant) = references.entry(text) {
                let condition = reference_condition(request, vacant.key());
                vacant.insert(condition.map_err(|error| error.within(&place(change.index)))?);
            }
        }
    }
    Ok((changes, references))
}

fn change(request: &Request<'_>, index: usize, entry: Entry) -> Result<Change, Error> {
    let service = request.service;
    let (name, id) = match &entry.target {
        Target::Type(name, _) => (name, service.ids.next()),
        Target::Instance(name, id, _) => (name, id.clone()),
        // `entry::parse` lets no other target of a write through.
        _ => return Err(Error::new(Kind::NotSupported, "This interaction is not offered in a Bundle.")),
    };
    let resource_type = service.resource_type(name)?;
    let permission = match entry.method {
        Method::Post => Permission::Create,
        Method::Delete => Permission::Delete,
        _ => Permission::Update,
    };
    let granted = request.grant(resource_type, permission)?;
    let preconditions = entry.conditions().read()?;
    let (mut resource, mut patch) = (None, None);
    match (entry.method, entry.resource) {
        (Method::Post | Method::Put, sent) => resource = sent,
        (Method::Patch, Some(sent)) => patch = Some(Patch::of_entry(service.schema, &sent)?),
        _ => {}
    }
    if let (Method::Put, Target::Instance(..), Some(resource)) = (entry.method, &entry.target, &resource) {
        update::check_id(resource_type, &id, resource)?;
    }
    let condition = match (entry.method, &entry.target, &entry.if_none_exist) {
        (Method::Post, _, Some(query)) => Some(Condition::parse(request, resource_type, query, granted.clone())?),
        (Method::Post, ..) => None,
        (_, Target::Type(_, parameters), _) => {
            Some(Condition::of(request, resource_type, parameters, granted.clone())?)
        }
        _ => None,
    };
    Ok(Change {
        index,
        method: entry.method,
        resource_type,
        id,
        full_url: entry.full_url,
        resource,
        patch,
        preconditions,
        granted,
        condition,
    })
}

/// A conditional reference finds what the token may search for.
fn reference_condition(request: &Request<'_>, text: &str) -> Result<Condition, Error> {
    let (name, query) = split_conditional(text).unwrap_or_default();
    let resource_type = request.service.resource_type(name).map_err(|_| {
        let issue = Issue::error(IssueType::Value, "A conditional reference names no resource type of FHIR R4.");
        Error::from_issue(Kind::Invalid, issue)
    })?;
    let granted = request.grant(resource_type, Permission::Search)?;
    Condition::parse(request, resource_type, query, granted)
}

impl Change {
    /// `operation` is what it comes to, where that is one.
    pub(super) fn audit(&self, request: &Request<'_>, operation: Option<&Operation>) -> AuditEntry {
        let interaction = match self.method {
            Method::Post => Interaction::Create,
            Method::Delete => Interaction::Delete,
            Method::Patch => Interaction::Patch,
            _ => Interaction::Update,
        };
        match operation.map(|operation| &operation.action) {
            _ if self.condition.is_some() => {
                audit::entry(request, interaction, Some(self.resource_type), None, AuditOutcome::Success)
            }
            Some(Action::Create { content } | Action::Update { content, .. }) => {
                audit::written(request, interaction, self.resource_type, &self.id, content)
            }
            _ => audit::entry(request, interaction, Some(self.resource_type), Some(&self.id), AuditOutcome::Success),
        }
    }

    pub(super) fn reference(&self, id: &str) -> String {
        format!("{}/{id}", self.resource_type.name)
    }

    pub(super) fn error(&self, kind: Kind, code: IssueType, text: impl Into<String>) -> Error {
        Error::from_issue(kind, Issue::error(code, text.into())).within(&place(self.index))
    }
}
