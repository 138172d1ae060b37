//! A transaction: all or nothing. <https://hl7.org/fhir/R4/http.html#trules>
//!
//! Order: deletes, creates, updates and patches, then reads, which see what was written. What a transaction depends on
//! beside its own entries (the matches of conditions and conditional references, what is patched) is looked up before,
//! so that all the work of preparing stays outside the write transaction; inside it is looked up again, and prepared
//! anew only where another write came between.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use super::batch;
use super::conditional_references::{collect, replace};
use super::entry::{BundleType, Entry, Method, Target, place};
use super::links::Targets;
use super::matches::{Identity, Matches, identities, look_up};
use super::named::Named;
use super::plan::{Change, all, plan};
use super::respond::{self, Outcome};
use crate::fhir::answer::Answer;
use crate::fhir::audit::{self, Interaction};
use crate::fhir::boundary::{self, Beside};
use crate::fhir::conditional::{Condition, Reader};
use crate::fhir::integrity::{self, Deleted};
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::service::{Owned, Request, assign, check_resource, content};
use crate::fhir::{delete, patch, update, write};
use crate::store::{Action, AuditOutcome, Check, Operation, Refusal, Resolve, StoreError, Stored, Unit, View, Written};
use crate::validate::split_conditional;

/// After how many resources the preparing task lets others have their turn.
const TURN: usize = 16;

/// Everything that the write depends on, owned: it may be looked at again inside the write transaction.
struct Transaction {
    owned: Owned,
    /// In the order of processing.
    changes: Vec<Change>,
    /// Which conditions name entries.
    named: Named,
    /// The conditional references, by their text.
    references: BTreeMap<String, Condition>,
}

/// What a transaction comes to for what its conditions match.
struct Prepared {
    /// Each with the position of its change.
    operations: Vec<(usize, Operation)>,
    /// What is written, by `Type/id`; only where something is deleted.
    beside: Beside,
}

pub(super) async fn run(request: &Request<'_>, entries: Vec<Result<Entry, Error>>) -> Result<Answer, Error> {
    let request = batch::within(request);
    let entries = all(entries)?;
    let count = entries.len();
    let (mut reads, mut writes) = (Vec::new(), Vec::new());
    for (index, entry) in entries.into_iter().enumerate() {
        let reads_only = is_read(&request, &entry).map_err(|error| error.within(&place(index)))?;
        if reads_only { reads.push((index, entry)) } else { writes.push((index, entry)) }
    }
    let (changes, references) = plan(&request, writes)?;
    let named = Named::of(&request, &changes)?;
    let transaction = Arc::new(Transaction { owned: request.owned(), changes, named, references });
    check_reads(&request, &transaction, &reads).await?;
    let written = transaction.write(&request).await?;

    let mut outcomes: Vec<Option<Outcome>> = std::iter::repeat_with(|| None).take(count).collect();
    for (change, written) in transaction.changes.iter().zip(written) {
        let answer = match written.into_iter().next() {
            Some(written) if change.condition.is_none() || change.method != Method::Delete => {
                let may_read = write::may_read(&request, change.resource_type, &written).await;
                write::answer(&request, change.resource_type, written, may_read)
            }
            first => delete::answer(&request, first.as_slice()),
        };
        outcomes[change.index] = Some(Outcome::Answer(answer));
    }
    for (index, entry) in reads {
        let answer = batch::read(&request, &entry).await.map_err(|error| error.within(&place(index)));
        outcomes[index] = Some(answer.map_or_else(Outcome::Error, Outcome::Answer));
    }
    let outcomes = outcomes.into_iter().flatten().collect();
    Ok(Answer::ok(respond::bundle(&request, BundleType::Transaction.response(), outcomes)))
}

/// Whether an entry only reads. An operation that stores something does so for itself: it would not be undone with the
/// rest.
fn is_read(request: &Request<'_>, entry: &Entry) -> Result<bool, Error> {
    match batch::operation(request, entry)? {
        Some(found) if found.may_store(entry.method == Method::Post) => {
            let text =
                "An operation that may change what is stored is not offered in a transaction: send it in a batch.";
            Err(Error::new(Kind::NotSupported, text))
        }
        Some(_) => Ok(true),
        None => Ok(matches!(entry.method, Method::Get | Method::Head) || matches!(entry.target, Target::Search(..))),
    }
}

/// "If any of the entries fail, the whole fails": reads that cannot succeed are found before anything is written. What
/// the transaction itself writes is read after it.
async fn check_reads(request: &Request<'_>, transaction: &Transaction, reads: &[(usize, Entry)]) -> Result<(), Error> {
    for (index, entry) in reads {
        let of_instance = |name: &String, id: &String| {
            transaction.changes.iter().find(|change| change.resource_type.name == name && change.id == *id)
        };
        let change = match &entry.target {
            Target::Instance(name, id, _) | Target::InstanceHistory(name, id, _) => of_instance(name, id),
            _ => None,
        };
        match change {
            Some(change) if change.method == Method::Delete && matches!(entry.target, Target::Instance(..)) => {
                let text = format!(
                    "What the transaction deletes (by {}) cannot be read after it: leave the read out, or send it before.",
                    place(change.index)
                );
                let issue = Issue::error(IssueType::Deleted, text);
                return Err(Error::from_issue(Kind::Invalid, issue).within(&place(*index)));
            }
            Some(_) => {}
            None => drop(batch::read(request, entry).await.map_err(|error| error.within(&place(*index)))?),
        }
    }
    Ok(())
}

impl Transaction {
    fn has_conditions(&self) -> bool {
        !self.references.is_empty()
            || self.changes.iter().any(|change| {
                change.condition.is_some()
                    || change.method == Method::Patch
                    || (change.method == Method::Delete && !self.owned.service.rules.delete_referenced)
            })
    }

    async fn look_up(&self, reader: Reader<'_>) -> Result<Matches, StoreError> {
        look_up(&self.owned.request(), &self.changes, &self.named, &self.references, reader).await
    }

    /// Prepares and commits; what was written, by change.
    async fn write(self: &Arc<Self>, request: &Request<'_>) -> Result<Vec<Vec<Written>>, Error> {
        let mut by_change: Vec<Vec<Written>> = self.changes.iter().map(|_| Vec::new()).collect();
        if self.changes.is_empty() {
            return Ok(by_change);
        }
        let matches = self.look_up(Reader::Store(&request.service.store)).await?;
        let prepared = self.prepare(&matches).await?;
        let mut audits: Vec<_> = (0..self.changes.len())
            .map(|position| {
                // They are in the order of the changes.
                let first = prepared.operations.partition_point(|(of, _)| *of < position);
                let own = prepared.operations.get(first).filter(|(of, _)| *of == position);
                self.changes[position].audit(request, own.map(|(_, operation)| operation))
            })
            .collect();
        audits.push(audit::entry(request, Interaction::Transaction, None, None, AuditOutcome::Success));
        let places = Arc::new(Mutex::new(prepared.operations.iter().map(|(position, _)| *position).collect()));
        let mut unit = if self.has_conditions() {
            let places = Arc::clone(&places);
            Unit::resolving(Arc::new(Resolving { transaction: Arc::clone(self), matches, prepared, places }))
        } else {
            Unit::new(prepared.operations.into_iter().map(|(_, operation)| operation).collect())
        };
        unit.audit = audits;
        let written = request.service.store.write(unit).await?;
        let places = places.lock().unwrap_or_else(PoisonError::into_inner);
        for (position, written) in places.iter().zip(written) {
            by_change[*position].push(written);
        }
        Ok(by_change)
    }

    /// `fullUrl` to `Type/id`.
    fn targets(&self, identities: &[Identity]) -> Result<Targets, Error> {
        let mut targets = Targets::default();
        for (change, identity) in self.changes.iter().zip(identities) {
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
            let reference = change.reference(identity.id());
            if change.method == Method::Post && !identity.is_kept {
                targets.insert_new(full_url, reference);
            } else {
                targets.insert(full_url, reference);
            }
        }
        Ok(targets)
    }

    /// The operations of the store.
    async fn prepare(&self, matches: &Matches) -> Result<Prepared, Error> {
        let identities = identities(&self.owned.service, &self.changes, matches)?;
        let targets = self.targets(&identities)?;
        let mut resources = self.rewritten(&identities, &targets)?;
        if !self.references.is_empty() {
            let literal = self.literal_references(matches, &identities, &resources)?;
            for resource in resources.values_mut() {
                replace(self.owned.service.schema, resource, &literal);
            }
        }
        let mut operations = Vec::with_capacity(self.changes.len());
        for (position, (change, identity)) in self.changes.iter().zip(&identities).enumerate() {
            if position % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            for id in &identity.ids {
                let patched = matches.patched.get(&position).cloned().flatten();
                let operation = self.operation(change, identity, id, patched, &resources).await;
                let operation = operation.map_err(|error| error.within(&place(change.index)));
                operations.push(operation.map(|operation| (position, operation)));
            }
        }
        let operations = all(operations)?;
        if !self.changes.iter().any(|change| change.method == Method::Delete) {
            return Ok(Prepared { operations, beside: Beside::new() });
        }
        // What a patch makes of a resource is seen too by what looks for references.
        for (position, operation) in &operations {
            let change = &self.changes[*position];
            if let (Method::Patch, Action::Update { content, .. }) = (change.method, &operation.action) {
                let text = content.body.splice(1, jiff::Timestamp::UNIX_EPOCH);
                let resource = vesta_runtime::json::parse(text.as_bytes()).map_err(|error| {
                    Error::new(Kind::Internal, "A patched resource cannot be read.").caused_by(error)
                })?;
                resources.insert(change.reference(&operation.id), resource);
            }
        }
        Ok(Prepared { operations, beside: resources })
    }

    /// The resources with their ids and with the links among them, by `Type/id`.
    fn rewritten(&self, identities: &[Identity], targets: &Targets) -> Result<Beside, Error> {
        let mut resources = Beside::with_capacity(self.changes.len());
        let mut dangling = Vec::new();
        for (change, identity) in self.changes.iter().zip(identities) {
            let Some(resource) = change.resource.as_ref().filter(|_| !identity.is_kept) else { continue };
            let mut resource = resource.clone();
            assign(&mut resource, identity.id());
            let unknown = targets.rewrite(self.owned.service.schema, &mut resource, change.full_url.as_deref());
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
            resources.insert(change.reference(identity.id()), resource);
        }
        all::<()>(dangling)?;
        Ok(resources)
    }

    /// Each conditional reference as a literal one. What the transaction itself writes counts with its new content.
    fn literal_references(
        &self,
        matches: &Matches,
        identities: &[Identity],
        resources: &Beside,
    ) -> Result<HashMap<String, String>, Error> {
        let mut literal = HashMap::new();
        for (text, condition) in &self.references {
            let name = condition.resource_type.name;
            let is_changed = |id: &String| {
                self.changes.iter().zip(identities).any(|(change, identity)| {
                    // What is patched is what it was before, as far as a reference to it goes.
                    change.method != Method::Patch
                        && !identity.is_kept
                        && change.resource_type.name == name
                        && identity.ids.contains(id)
                })
            };
            let mut found: Vec<String> = matches.references.get(text).into_iter().flatten().cloned().collect();
            found.retain(|id| !is_changed(id));
            let mut references: Vec<String> = found.into_iter().map(|id| format!("{name}/{id}")).collect();
            for (reference, resource) in resources {
                if condition.accepts(&self.owned.service, resource) {
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
            collect(self.owned.service.schema, &mut resource, &mut found);
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
        change: &Change,
        identity: &Identity,
        id: &str,
        patched: Option<Stored>,
        resources: &Beside,
    ) -> Result<Operation, Error> {
        let request = self.owned.request();
        let (resource_type, granted) = (change.resource_type, &change.granted);
        let number = resource_type.number;
        if identity.is_kept {
            return Ok(Operation::keep(number, id));
        }
        if let Some(patch) = &change.patch {
            let operation =
                patch::operation(&request, resource_type, granted, patch, patched, &change.preconditions, resources);
            let operation = operation.await?;
            return Ok(Operation { check: check(&request, change, None), ..operation });
        }
        let resource = resources.get(&change.reference(id)).filter(|_| change.method != Method::Delete);
        let mut operation = match resource {
            None => Operation::delete(number, id),
            Some(resource) => {
                check_resource(request.service, resource_type, resource)?;
                boundary::check_new(&request, resource_type, granted, resource, resources).await?;
                let content = content(request.service, resource, id);
                match change.method {
                    Method::Post => Operation::create(number, id, content),
                    _ => Operation::update(number, id, content, None),
                }
            }
        };
        operation.check = check(&request, change, resource);
        if change.method == Method::Put && change.condition.is_some() && !identity.is_match {
            operation.check = update::both(operation.check, Some(named(update::is_free(), change.index)));
        }
        Ok(operation)
    }
}

/// The check on what stands before a change: the patient boundary and `ifMatch` with its like, with the entry named.
fn check(request: &Request<'_>, change: &Change, resource: Option<&serde_json::Value>) -> Option<Check> {
    let boundary = match resource {
        Some(resource) => update::check_before(request, change.resource_type, &change.granted, resource),
        None => boundary::check_before(request, change.resource_type, &change.granted),
    };
    update::both(boundary, change.preconditions.check()).map(|check| named(check, change.index))
}

/// The check, with the entry named by what refuses.
fn named(check: Check, index: usize) -> Check {
    Arc::new(move |before: Option<&Stored>| {
        check(before).map_err(|refusal| match refusal.downcast::<Error>() {
            Ok(error) => Box::new(error.within(&place(index))) as Refusal,
            Err(other) => other,
        })
    })
}

/// A transaction with conditions, prepared for what they matched a moment ago.
struct Resolving {
    transaction: Arc<Transaction>,
    matches: Matches,
    prepared: Prepared,
    /// The positions of the changes that the operations belong to. The last to resolve is the one that commits.
    places: Arc<Mutex<Vec<usize>>>,
}

impl Resolve for Resolving {
    fn resolve<'a>(&'a self, view: &'a View<'a>) -> BoxFuture<'a, Result<Vec<Operation>, StoreError>> {
        Box::pin(async move {
            let matches = self.transaction.look_up(Reader::View(view)).await?;
            let anew;
            let prepared = if matches == self.matches {
                &self.prepared
            } else {
                let prepared = self.transaction.prepare(&matches).await;
                anew = prepared.map_err(|error| StoreError::Refused(Box::new(error)))?;
                &anew
            };
            self.transaction.check_integrity(view, prepared).await?;
            *self.places.lock().unwrap_or_else(PoisonError::into_inner) =
                prepared.operations.iter().map(|(position, _)| *position).collect();
            Ok(prepared.operations.iter().map(|(_, operation)| operation.clone()).collect())
        })
    }
}

impl Transaction {
    async fn check_integrity(&self, view: &View<'_>, prepared: &Prepared) -> Result<(), StoreError> {
        if self.owned.service.rules.delete_referenced {
            return Ok(());
        }
        let deletes = prepared.operations.iter().filter(|(_, operation)| matches!(operation.action, Action::Delete));
        // What may not be deleted at all is refused for that reason, which comes first.
        for (_, operation) in deletes.clone() {
            if let Some(check) = &operation.check {
                let before = view.read(operation.resource_type, &operation.id).await?;
                check(before.as_ref()).map_err(StoreError::Refused)?;
            }
        }
        let deleted: Vec<Deleted> = deletes
            .map(|(position, operation)| {
                let change = &self.changes[*position];
                let place = Some(place(change.index));
                Deleted { place, ..Deleted::new(change.resource_type, &operation.id) }
            })
            .collect();
        integrity::check(&self.owned.service, Reader::View(view), &deleted, &prepared.beside).await
    }
}
