//! A transaction: all or nothing. <https://hl7.org/fhir/R4/http.html#trules>
//!
//! Order: deletes, creates, updates, then reads, which see what was written. What a transaction depends on beside its
//! own entries (the matches of conditional creates and conditional references) is looked up before, so that all the
//! work of preparing stays outside the write transaction; inside it is looked up again, and prepared anew only where
//! another write came between.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::batch;
use super::conditional_references::{collect, replace};
use super::entry::{BundleType, Entry, Method, Target, place};
use super::links::Targets;
use super::plan::{Change, all, plan};
use super::respond::{self, Outcome};
use crate::access::{AccessContext, Permission};
use crate::fhir::answer::Answer;
use crate::fhir::audit::{self, Interaction};
use crate::fhir::boundary::{self, Beside};
use crate::fhir::conditional::{Condition, Reader, multiple_matches};
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::preferences::Preferences;
use crate::fhir::service::{Request, Service, Type, assign, check_resource, content, version_conflict};
use crate::fhir::write;
use crate::store::{AuditOutcome, Check, Operation, Refusal, Resolve, StoreError, Stored, Unit, View};
use crate::validate::split_conditional;

/// After how many resources the preparing task lets others have their turn.
const TURN: usize = 16;

/// Everything that the write depends on, owned: it may be looked at again inside the write transaction.
struct Transaction {
    service: Arc<Service>,
    access: AccessContext,
    request_id: String,
    preferences: Preferences,
    /// In the order of processing.
    changes: Vec<Change>,
    /// The conditional references, by their text.
    references: BTreeMap<String, Condition>,
}

/// What conditions match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Matches {
    /// By change.
    creates: HashMap<usize, Vec<String>>,
    references: HashMap<String, Vec<String>>,
}

pub(super) async fn run(request: &Request<'_>, entries: Vec<Result<Entry, Error>>) -> Result<Answer, Error> {
    let request = batch::within(request);
    let entries = all(entries)?;
    let count = entries.len();
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    for (index, entry) in entries.into_iter().enumerate() {
        match entry.method {
            Method::Get | Method::Head => reads.push((index, entry)),
            _ => writes.push((index, entry)),
        }
    }
    let transaction = Arc::new(Transaction::new(&request, writes)?);
    check_reads(&request, &transaction, &reads).await?;
    let matches = transaction.look_up(Reader::Store(&request.service.store)).await?;
    let operations = transaction.prepare(&matches).await?;
    let audited = transaction.changes.iter().zip(&operations);
    let mut audits: Vec<_> = audited.map(|(change, operation)| change.audit(&request, operation)).collect();
    audits.push(audit::entry(&request, Interaction::Transaction, None, None, AuditOutcome::Success));
    let mut unit = if transaction.has_conditions() {
        Unit::resolving(Arc::new(Prepared { transaction: Arc::clone(&transaction), matches, operations }))
    } else {
        Unit::new(operations)
    };
    unit.audit = audits;
    let written = if transaction.changes.is_empty() { Vec::new() } else { request.service.store.write(unit).await? };

    let mut outcomes: Vec<Option<Outcome>> = std::iter::repeat_with(|| None).take(count).collect();
    for (change, written) in transaction.changes.iter().zip(written) {
        let may_read = request.grant(change.resource_type, Permission::Read).is_ok();
        let answer = write::answer(&request, change.resource_type, written, may_read);
        outcomes[change.index] = Some(Outcome::Answer(answer));
    }
    for (index, entry) in reads {
        let answer = batch::get(&request, &entry).await.map_err(|error| error.within(&place(index)));
        outcomes[index] = Some(answer.map_or_else(Outcome::Error, Outcome::Answer));
    }
    let outcomes = outcomes.into_iter().flatten().collect();
    Ok(Answer::ok(respond::bundle(&request, BundleType::Transaction.response(), outcomes)))
}

/// "If any of the entries fail, the whole fails": reads that cannot succeed are found before anything is written. What
/// the transaction itself writes is read after it.
async fn check_reads(request: &Request<'_>, transaction: &Transaction, reads: &[(usize, Entry)]) -> Result<(), Error> {
    for (index, entry) in reads {
        let writes_it = match &entry.target {
            Target::Instance(name, id, _) | Target::InstanceHistory(name, id, _) => {
                transaction.changes.iter().any(|change| change.resource_type.name == name && change.id == *id)
            }
            _ => false,
        };
        if !writes_it {
            batch::get(request, entry).await.map_err(|error| error.within(&place(*index)))?;
        }
    }
    Ok(())
}

impl Transaction {
    fn new(request: &Request<'_>, writes: Vec<(usize, Entry)>) -> Result<Transaction, Error> {
        let (changes, references) = plan(request, writes)?;
        Ok(Transaction {
            service: Arc::clone(request.service),
            access: request.access.clone(),
            request_id: request.request_id.to_owned(),
            preferences: request.preferences,
            changes,
            references,
        })
    }

    fn request(&self) -> Request<'_> {
        Request {
            service: &self.service,
            access: &self.access,
            request_id: &self.request_id,
            preferences: self.preferences,
        }
    }

    fn has_conditions(&self) -> bool {
        !self.references.is_empty() || self.changes.iter().any(|change| change.condition.is_some())
    }

    async fn look_up(&self, reader: Reader<'_>) -> Result<Matches, StoreError> {
        let mut matches = Matches::default();
        for (position, change) in self.changes.iter().enumerate() {
            if let Some(condition) = &change.condition {
                matches.creates.insert(position, condition.find(&self.service, reader).await?);
            }
        }
        for (text, condition) in &self.references {
            matches.references.insert(text.clone(), condition.find(&self.service, reader).await?);
        }
        Ok(matches)
    }

    /// The ids that the changes end up with, by position, and whether an existing resource serves instead of a new one.
    fn identities(&self, matches: &Matches) -> Result<Vec<(String, bool)>, Error> {
        let mut seen = HashSet::new();
        let mut identities: Vec<(String, bool)> = Vec::with_capacity(self.changes.len());
        for (position, change) in self.changes.iter().enumerate() {
            let mut found: Vec<&String> = matches.creates.get(&position).into_iter().flatten().collect();
            // Deletes came first, and so did the creates before this one.
            found.retain(|id| !self.deletes(change.resource_type, id));
            if let Some(condition) = &change.condition {
                let earlier = self.changes[..position].iter().zip(&identities).filter(|(earlier, (_, is_kept))| {
                    let resource = earlier.resource.as_ref().filter(|_| !is_kept);
                    resource.is_some_and(|resource| condition.accepts(&self.service, resource))
                });
                found.extend(earlier.map(|(_, (id, _))| id));
            }
            let identity = match found.as_slice() {
                [id] => ((*id).clone(), true),
                [] => (change.id.clone(), false),
                _ => return Err(multiple_matches("ifNoneExist").within(&place(change.index))),
            };
            // "If any resource identities (including resolved identities from conditional update/delete) overlap in
            // steps 1-3, then the transaction SHALL fail."
            let key = (change.resource_type.number, identity.0.clone());
            if !identity.1 && !seen.insert(key) {
                return Err(change.error(
                    Kind::Invalid,
                    IssueType::Duplicate,
                    "Another entry of this transaction changes the same resource: a resource is in it once.",
                ));
            }
            identities.push(identity);
        }
        Ok(identities)
    }

    fn deletes(&self, resource_type: Type, id: &str) -> bool {
        let deletes = self.changes.iter().filter(|change| change.method == Method::Delete);
        deletes.into_iter().any(|change| change.resource_type.number == resource_type.number && change.id == id)
    }

    /// `fullUrl` to `Type/id`.
    fn targets(&self, identities: &[(String, bool)]) -> Result<Targets, Error> {
        let mut targets = Targets::default();
        for (change, (id, _)) in self.changes.iter().zip(identities) {
            let Some(full_url) = change.full_url.as_deref().filter(|_| change.method != Method::Delete) else {
                continue;
            };
            if targets.get(full_url).is_some() {
                return Err(change.error(
                    Kind::Invalid,
                    IssueType::Duplicate,
                    "Another entry has the same `fullUrl`: it is unique in a Bundle (bdl-7).",
                ));
            }
            targets.insert(full_url, change.reference(id));
        }
        Ok(targets)
    }

    /// The operations of the store, one a change.
    async fn prepare(&self, matches: &Matches) -> Result<Vec<Operation>, Error> {
        let request = self.request();
        let identities = self.identities(matches)?;
        let targets = self.targets(&identities)?;
        let mut resources = self.rewritten(&identities, &targets)?;
        if !self.references.is_empty() {
            let literal = self.literal_references(matches, &identities, &resources)?;
            for resource in resources.values_mut() {
                replace(self.service.schema, resource, &literal);
            }
        }
        let mut operations = Vec::with_capacity(self.changes.len());
        for (position, (change, (id, is_kept))) in self.changes.iter().zip(&identities).enumerate() {
            if position % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            let operation = self.operation(&request, change, id, *is_kept, &resources).await;
            operations.push(operation.map_err(|error| error.within(&place(change.index))));
        }
        all(operations)
    }

    /// The resources with their ids and with the links among them, by `Type/id`.
    fn rewritten(&self, identities: &[(String, bool)], targets: &Targets) -> Result<Beside, Error> {
        let mut resources = Beside::with_capacity(self.changes.len());
        let mut dangling = Vec::new();
        for (change, (id, is_kept)) in self.changes.iter().zip(identities) {
            let Some(resource) = change.resource.as_ref().filter(|_| !is_kept) else { continue };
            let mut resource = resource.clone();
            assign(&mut resource, id);
            let unknown = targets.rewrite(self.service.schema, &mut resource, change.full_url.as_deref());
            if !unknown.is_empty() {
                dangling.push(Err(change.error(
                    Kind::Invalid,
                    IssueType::NotFound,
                    format!(
                        "The resource refers to {}, which is the `fullUrl` of no entry in this Bundle.",
                        unknown.join(", ")
                    ),
                )));
            }
            resources.insert(change.reference(id), resource);
        }
        all::<()>(dangling)?;
        Ok(resources)
    }

    /// Each conditional reference as a literal one. What the transaction itself writes counts with its new content.
    fn literal_references(
        &self,
        matches: &Matches,
        identities: &[(String, bool)],
        resources: &Beside,
    ) -> Result<HashMap<String, String>, Error> {
        let mut literal = HashMap::new();
        for (text, condition) in &self.references {
            let name = condition.resource_type.name;
            let is_changed = |id: &String| {
                self.changes
                    .iter()
                    .zip(identities)
                    .any(|(change, (changed, is_kept))| !is_kept && change.resource_type.name == name && changed == id)
            };
            let mut found: Vec<String> = matches.references.get(text).into_iter().flatten().cloned().collect();
            found.retain(|id| !is_changed(id));
            let mut references: Vec<String> = found.into_iter().map(|id| format!("{name}/{id}")).collect();
            for (reference, resource) in resources {
                if condition.accepts(&self.service, resource) {
                    references.push(reference.clone());
                }
            }
            match references.as_slice() {
                [reference] => {
                    literal.insert(text.clone(), reference.clone());
                }
                found => return Err(self.unresolved(text, found.len())),
            }
        }
        Ok(literal)
    }

    /// The error of the first entry that has this conditional reference.
    fn unresolved(&self, text: &str, count: usize) -> Error {
        let (name, _) = split_conditional(text).unwrap_or_default();
        let message = if count == 0 {
            format!("A conditional reference to a {name} matches nothing: it has to match exactly one.")
        } else {
            format!("A conditional reference to a {name} matches several: it has to match exactly one.")
        };
        let holder = self.changes.iter().find(|change| {
            let mut found = Vec::new();
            let mut resource = change.resource.clone().unwrap_or_default();
            collect(self.service.schema, &mut resource, &mut found);
            found.iter().any(|reference| reference == text)
        });
        // "If there are no matches, or multiple matches, the transaction fails": https://hl7.org/fhir/R4/http.html#trules
        let kind = if count == 0 { Kind::Invalid } else { Kind::MultipleMatches };
        let code = if count == 0 { IssueType::NotFound } else { IssueType::MultipleMatches };
        match holder {
            Some(change) => change.error(kind, code, message),
            None => Error::from_issue(kind, Issue::error(code, message)),
        }
    }

    async fn operation(
        &self,
        request: &Request<'_>,
        change: &Change,
        id: &str,
        is_kept: bool,
        resources: &Beside,
    ) -> Result<Operation, Error> {
        let number = change.resource_type.number;
        if is_kept {
            return Ok(Operation::keep(number, id));
        }
        let resource = resources.get(&change.reference(id)).filter(|_| change.method != Method::Delete);
        let mut operation = match resource {
            None => Operation::delete(number, id, None),
            Some(resource) => {
                check_resource(&self.service, change.resource_type, resource)?;
                boundary::check_new(request, change.resource_type, &change.granted, resource, resources).await?;
                let content = content(&self.service, resource, id);
                match change.method {
                    Method::Post => Operation::create(number, id, content),
                    _ => Operation::update(number, id, content, None),
                }
            }
        };
        operation.check = check(request, change);
        Ok(operation)
    }
}

/// The check on what stands before a change: the patient boundary and `ifMatch`, with the entry named.
fn check(request: &Request<'_>, change: &Change) -> Option<Check> {
    let boundary = boundary::check_before(request, change.resource_type, &change.granted);
    if boundary.is_none() && change.if_match.is_none() {
        return None;
    }
    let (if_match, place) = (change.if_match, place(change.index));
    Some(Arc::new(move |before: Option<&Stored>| {
        let named = |refusal: Refusal| -> Refusal {
            match refusal.downcast::<Error>() {
                Ok(error) => Box::new(error.within(&place)),
                Err(other) => other,
            }
        };
        if let Some(check) = &boundary {
            check(before).map_err(named)?;
        }
        let current = before.filter(|stored| !stored.deleted).map(|stored| stored.version);
        match if_match {
            Some(wanted) if current != Some(wanted) => Err(named(Box::new(version_conflict(current)))),
            _ => Ok(()),
        }
    }))
}

/// A transaction with conditions, prepared for what they matched a moment ago.
struct Prepared {
    transaction: Arc<Transaction>,
    matches: Matches,
    operations: Vec<Operation>,
}

impl Resolve for Prepared {
    fn resolve<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>> {
        Box::pin(async move {
            let matches = self.transaction.look_up(Reader::View(view)).await?;
            if matches == self.matches {
                return Ok(self.operations.clone());
            }
            self.transaction.prepare(&matches).await.map_err(|error| StoreError::Refused(Box::new(error)))
        })
    }
}
