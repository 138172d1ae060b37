//! What one transaction does. Operations are worked out against the current versions in memory and staged; only
//! then is anything written, in few statements over all units. A unit that is refused has written nothing, so that
//! dropping what it staged is its savepoint. (If a statement itself fails, `task` runs the units one by one.)

use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::super::error::StoreError;
use super::super::index::{self, IndexRows};
use super::super::parameters::Derivation;
use super::super::record::{Effect, Method, Stored, Written};
use super::super::schema::chunks;
use super::super::unit::{Action, Content, Operation, Unit, Work};
use super::order::Stamps;
use super::queue::size;
use super::rows::{self, CompartmentEntry};
use super::task::WriteContext;
use super::transaction::Transaction;
use super::view::{View, current};

/// The current version of a resource.
#[derive(Clone)]
pub(in super::super) struct Current {
    pub(in super::super) stored: Stored,
    pub(in super::super) method: Method,
    /// What it was made from, where this batch wrote it.
    pub(in super::super) content: Option<Arc<Content>>,
}

type Place = (u16, String);

/// A resource that the batch has looked at.
#[derive(Clone, Default)]
struct Slot {
    /// As it stands in the database.
    before: Option<Current>,
    now: Option<Current>,
    /// Superseded and not written yet, with the number of what replaced each.
    superseded: Vec<(Current, i64)>,
    /// Superseded before, and not written yet under their new labels.
    relabelled: Vec<Relabelled>,
}

/// The new text of a superseded version.
#[derive(Clone)]
pub(super) struct Relabelled {
    pub(super) key: i64,
    pub(super) version: i64,
    pub(super) body: String,
}

/// What is known to be in the database: the numbers of patients, and the hashes of texts. Emptied when it grows beyond a
/// bound.
#[derive(Default)]
pub(in super::super) struct Known {
    patients: HashMap<String, i64>,
    texts: HashSet<i64>,
    displays: HashSet<i64>,
}

const MOST_KNOWN: usize = 50_000;

impl Known {
    pub(in super::super) fn learn(&mut self, learned: Known) {
        if self.patients.len() + learned.patients.len() > MOST_KNOWN {
            self.patients.clear();
        }
        if self.texts.len() + learned.texts.len() > MOST_KNOWN {
            self.texts.clear();
        }
        if self.displays.len() + learned.displays.len() > MOST_KNOWN {
            self.displays.clear();
        }
        self.patients.extend(learned.patients);
        self.texts.extend(learned.texts);
        self.displays.extend(learned.displays);
    }
}

pub(in super::super) struct Batch<'a> {
    pub(in super::super) transaction: &'a Transaction,
    pub(in super::super) context: &'a WriteContext,
    pub(in super::super) derivation: &'a Derivation,
    pub(super) stamps: Stamps<'a>,
    pub(super) known: &'a Known,
    /// What was given, written or looked up in this transaction.
    pub(in super::super) learned: Known,
    slots: HashMap<Place, Slot>,
    changed: HashSet<Place>,
    /// Resources written that may define search parameters.
    pub(in super::super) defining: HashSet<String>,
    /// Whether what is created is taken to be new without a look, as its id is: if it is not, the database refuses
    /// the row, and the batch is run again with a look.
    trusting: bool,
}

impl<'a> Batch<'a> {
    pub(in super::super) fn new(
        transaction: &'a Transaction,
        context: &'a WriteContext,
        derivation: &'a Derivation,
        stamps: Stamps<'a>,
        known: &'a Known,
        trusting: bool,
    ) -> Self {
        let (learned, slots, changed, defining) = Default::default();
        Batch { transaction, context, derivation, stamps, known, learned, slots, changed, defining, trusting }
    }

    /// The rows of what this batch writes: those that came with it, unless users' own parameters have changed since.
    fn rows<'c>(&self, current: &Stored, content: &'c Content) -> Result<Cow<'c, IndexRows>, StoreError> {
        if content.rows.generation == self.derivation.dictionary.generation() {
            return Ok(Cow::Borrowed(&content.rows));
        }
        self.derivation.rows(current).map(Cow::Owned)
    }

    /// Looks up what all these units touch, in one statement a type.
    pub(super) async fn prepare(&mut self, units: impl Iterator<Item = &Unit>) -> Result<(), StoreError> {
        let operations: Vec<&Operation> = units
            .filter_map(|unit| match &unit.work {
                Work::Operations(operations) => Some(operations),
                Work::Resolve(_) => None,
            })
            .flatten()
            .collect();
        self.load(&operations).await
    }

    async fn load(&mut self, operations: &[&Operation]) -> Result<(), StoreError> {
        let mut wanted: HashMap<u16, HashSet<&str>> = HashMap::new();
        for operation in operations {
            if self.trusting && matches!(operation.action, Action::Create { .. }) {
                continue;
            }
            let place = (operation.resource_type, operation.id.clone());
            if let Entry::Vacant(entry) = self.slots.entry(place) {
                entry.insert(Slot::default());
                wanted.entry(operation.resource_type).or_default().insert(&operation.id);
            }
        }
        let mut types: Vec<_> = wanted.into_iter().collect();
        types.sort_unstable_by_key(|(resource_type, _)| *resource_type);
        for (resource_type, ids) in types {
            let mut ids: Vec<&str> = ids.into_iter().collect();
            ids.sort_unstable();
            for found in current(self.transaction, &self.context.names, resource_type, &ids).await? {
                let place = (resource_type, found.stored.id.clone());
                self.slots.insert(place, Slot { before: Some(found.clone()), now: Some(found), ..Slot::default() });
            }
        }
        Ok(())
    }

    /// Stages a unit; a refusal leaves nothing of it.
    pub(super) async fn stage(&mut self, unit: &Unit) -> Result<Vec<Written>, StoreError> {
        let resolved;
        let operations = match &unit.work {
            Work::Operations(operations) => operations,
            Work::Resolve(resolve) => {
                // What the unit reads must show the units before it.
                self.flush().await?;
                let view = View { transaction: self.transaction, names: &self.context.names };
                resolved = resolve.resolve(&view).await?;
                &resolved
            }
        };
        self.limit(operations)?;
        self.load(&operations.iter().collect::<Vec<_>>()).await?;
        self.stamps.reserve(self.transaction, operations.len()).await?;
        let mut overlay: HashMap<Place, Slot> = HashMap::new();
        let mut written = Vec::with_capacity(operations.len());
        for operation in operations {
            let place = (operation.resource_type, operation.id.clone());
            let slot = match overlay.entry(place) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => {
                    let slot = self.slots.get(entry.key()).cloned().unwrap_or_default();
                    entry.insert(slot)
                }
            };
            written.push(apply(operation, slot, &mut self.stamps)?);
        }
        self.changed.extend(overlay.keys().cloned());
        self.slots.extend(overlay);
        Ok(written)
    }

    fn limit(&self, operations: &[Operation]) -> Result<(), StoreError> {
        let limits = &self.context.limits;
        if operations.len() > limits.unit_operations {
            let (size, limit) = (operations.len(), limits.unit_operations);
            return Err(StoreError::TooLarge { what: "the number of operations in one transaction", size, limit });
        }
        let (bytes, limit) = (operations.iter().map(size).sum::<usize>(), limits.unit_bytes);
        if bytes > limit {
            return Err(StoreError::TooLarge { what: "the size of one transaction in bytes", size: bytes, limit });
        }
        Ok(())
    }

    /// Writes what is staged.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        if self.changed.is_empty() {
            return Ok(());
        }
        for place in &self.changed {
            let Some(slot) = self.slots.get_mut(place) else { continue };
            for relabelled in slot.relabelled.drain(..) {
                self.transaction.execute(&rows::relabel(&self.context.names, relabelled)).await?;
            }
        }
        // In the order of the sequence: rows of one commit lie together.
        let mut changed: Vec<(Place, Slot)> = self
            .changed
            .drain()
            .filter_map(|place| {
                let slot = self.slots.get(&place)?.clone();
                Some((place, slot))
            })
            .collect();
        changed.retain(|(_, slot)| is_changed(slot));
        changed.sort_unstable_by_key(|(_, slot)| sequence(&slot.now));
        let defining = changed.iter().filter(|((of, _), _)| self.context.parameters.posted_type() == Some(*of));
        self.defining.extend(defining.map(|((_, id), _)| id.clone()));
        let names = &self.context.names;

        let superseded: Vec<(&Current, i64)> =
            changed.iter().flat_map(|(_, slot)| slot.superseded.iter().map(|(current, to)| (current, *to))).collect();
        self.transaction.insert(&rows::history(names, &superseded)?).await?;
        let resources: Vec<&Current> = changed.iter().filter_map(|(_, slot)| slot.now.as_ref()).collect();
        self.transaction.insert(&rows::resources(names, &resources)?).await?;

        self.update_rows(&changed).await?;

        for (place, mut slot) in changed {
            slot.before = slot.now.clone();
            slot.superseded.clear();
            self.slots.insert(place, slot);
        }
        Ok(())
    }

    /// Brings the index and compartment rows from what stood before to what stands now; what is in both stays.
    async fn update_rows(&mut self, changed: &[(Place, Slot)]) -> Result<(), StoreError> {
        let (mut gone, mut added) = (Vec::new(), Vec::new());
        for (_, slot) in changed {
            let Some(now) = &slot.now else { continue };
            let (key, resource_type) = (now.stored.key, now.stored.resource_type);
            let new = match &now.content {
                Some(content) => self.rows(&now.stored, content)?,
                None => Cow::Owned(IndexRows::default()),
            };
            match &slot.before {
                Some(before) if !before.stored.deleted => {
                    let old = match &before.content {
                        Some(content) => self.rows(&before.stored, content)?,
                        None => Cow::Owned(self.derivation.rows(&before.stored)?),
                    };
                    let (mut removed, mut inserted) = old.difference(&new);
                    if old.compartments != new.compartments {
                        removed.compartments = old.compartments.clone();
                        inserted.compartments = new.compartments.clone();
                    }
                    gone.push((key, resource_type, Cow::Owned(removed)));
                    added.push((key, resource_type, Cow::Owned(inserted)));
                }
                _ => added.push((key, resource_type, new)),
            }
        }
        self.remove_rows(&borrowed(&gone)).await?;
        self.insert_rows(&borrowed(&added)).await
    }

    async fn remove_rows(&mut self, old: &[(i64, u16, &IndexRows)]) -> Result<(), StoreError> {
        if old.is_empty() {
            return Ok(());
        }
        let names = &self.context.names;
        let rows: Vec<(i64, &IndexRows)> = old.iter().map(|(key, _, rows)| (*key, *rows)).collect();
        for statement in index::delete(names, &rows) {
            self.transaction.execute(&statement).await?;
        }
        self.number_patients(old).await?;
        for statement in rows::remove_compartments(&self.context.names, &self.compartments(old)) {
            self.transaction.execute(&statement).await?;
        }
        Ok(())
    }

    pub(in super::super) async fn insert_rows(&mut self, new: &[(i64, u16, &IndexRows)]) -> Result<(), StoreError> {
        let rows: Vec<(i64, &IndexRows)> = new.iter().map(|(key, _, rows)| (*key, *rows)).collect();
        index::insert(self.transaction, &self.context.names, &rows).await?;
        self.insert_texts(&rows).await?;
        self.number_patients(new).await?;
        self.transaction.insert(&rows::compartments(&self.context.names, &self.compartments(new))).await
    }

    fn compartments<'r>(&self, rows: &[(i64, u16, &'r IndexRows)]) -> Vec<CompartmentEntry<'r>> {
        rows.iter()
            .flat_map(|(resource, resource_type, rows)| {
                rows.compartments.iter().filter_map(|row| {
                    let patient =
                        *self.learned.patients.get(&row.patient).or_else(|| self.known.patients.get(&row.patient))?;
                    Some(CompartmentEntry { patient, resource_type: *resource_type, resource: *resource, row })
                })
            })
            .collect()
    }

    /// Most texts are those of codes that are there already.
    async fn insert_texts(&mut self, rows: &[(i64, &IndexRows)]) -> Result<(), StoreError> {
        let all = rows.iter().flat_map(|(_, rows)| &rows.texts);
        let new: Vec<(i64, &str)> = all
            .filter(|(value, _)| !self.known.texts.contains(value) && self.learned.texts.insert(*value))
            .map(|(value, text)| (*value, text.as_str()))
            .collect();
        self.transaction.insert(&index::insert_texts(&self.context.names, &new)).await?;
        let all = rows.iter().flat_map(|(_, rows)| &rows.displays);
        let new: Vec<_> = all
            .filter(|one| !self.known.displays.contains(&one.value) && self.learned.displays.insert(one.value))
            .collect();
        self.transaction.insert(&index::insert_displays(&self.context.names, &new)).await
    }

    /// Sees to it that every patient that these rows name has a number.
    async fn number_patients(&mut self, rows: &[(i64, u16, &IndexRows)]) -> Result<(), StoreError> {
        let mut unknown: Vec<&str> = rows
            .iter()
            .flat_map(|(_, _, rows)| rows.compartments.iter().map(|row| row.patient.as_str()))
            .filter(|id| !self.known.patients.contains_key(*id) && !self.learned.patients.contains_key(*id))
            .collect();
        // In one order in every process: see `current`.
        unknown.sort_unstable();
        unknown.dedup();
        let names = &self.context.names;
        for ids in chunks(&unknown, 256) {
            self.transaction.insert(&rows::patients(names, ids)).await?;
            let select = rows::select_patients(names, ids);
            let numbers = self.transaction.query(&select, |row| Ok((row.text(1)?, row.integer(0)?))).await?;
            self.learned.patients.extend(numbers);
        }
        Ok(())
    }
}

fn borrowed<'r>(rows: &'r [(i64, u16, Cow<'_, IndexRows>)]) -> Vec<(i64, u16, &'r IndexRows)> {
    rows.iter().map(|(key, resource_type, rows)| (*key, *resource_type, &**rows)).collect()
}

/// By another version, or by another text of the same one.
fn is_changed(slot: &Slot) -> bool {
    let body = |current: &Option<Current>| current.as_ref().map(|current| current.stored.body.clone());
    sequence(&slot.now) != sequence(&slot.before) || body(&slot.now) != body(&slot.before)
}

fn sequence(current: &Option<Current>) -> Option<i64> {
    current.as_ref().map(|current| current.stored.sequence)
}

/// One operation on one resource, in memory.
fn apply(operation: &Operation, slot: &mut Slot, stamps: &mut Stamps<'_>) -> Result<Written, StoreError> {
    let before = slot.now.as_ref().map(|current| &current.stored);
    let live = before.filter(|stored| !stored.deleted);
    if let Some(check) = &operation.check {
        check(before).map_err(StoreError::Refused)?;
    }
    match &operation.action {
        Action::Keep => match before {
            Some(stored) if stored.deleted => Err(StoreError::Gone { version: stored.version }),
            Some(stored) => Ok(written(stored, Effect::Unchanged)),
            None => Err(StoreError::NotFound),
        },
        Action::Create { .. } if before.is_some() => Err(StoreError::AlreadyExists),
        Action::Create { content } => {
            let stored = supersede(slot, operation, Method::Post, Some(content), stamps)?;
            Ok(written(&stored, Effect::Created))
        }
        Action::Update { content, if_match, upsert, skip_unchanged } => match live {
            _ if if_match.is_some_and(|wanted| live.is_none_or(|stored| stored.version != wanted)) => {
                Err(StoreError::VersionConflict { current: live.map(|stored| stored.version) })
            }
            None if !upsert => Err(StoreError::NotFound),
            Some(stored) if *skip_unchanged && content.body.says_the_same(&stored.body) => {
                Ok(written(stored, Effect::Unchanged))
            }
            _ => {
                let effect = if live.is_some() { Effect::Updated } else { Effect::Created };
                let stored = supersede(slot, operation, Method::Put, Some(content), stamps)?;
                Ok(written(&stored, effect))
            }
        },
        Action::Relabel { version, last_updated, content } => {
            let Some(current) = &mut slot.now else { return Err(StoreError::NotFound) };
            let (stored, body) = (&mut current.stored, content.body.splice(*version, *last_updated));
            if *version != stored.version {
                slot.relabelled.push(Relabelled { key: stored.key, version: *version, body: body.clone() });
                let (version, last_updated, body) = (*version, *last_updated, body.into());
                return Ok(written(&Stored { version, last_updated, body, ..stored.clone() }, Effect::Updated));
            }
            if stored.deleted {
                return Err(StoreError::Gone { version: stored.version });
            }
            stored.body = body.into();
            current.content = Some(content.clone());
            Ok(written(&current.stored, Effect::Updated))
        }
        Action::Delete => match before {
            None => Ok(Written {
                resource_type: operation.resource_type,
                id: operation.id.clone(),
                version: 0,
                last_updated: stamps.stamp,
                effect: Effect::Absent,
                body: Bytes::new(),
            }),
            Some(stored) if stored.deleted => Ok(written(stored, Effect::AlreadyDeleted)),
            Some(_) => {
                let stored = supersede(slot, operation, Method::Delete, None, stamps)?;
                Ok(written(&stored, Effect::Deleted))
            }
        },
    }
}

/// Puts a new version in the slot.
fn supersede(
    slot: &mut Slot,
    operation: &Operation,
    method: Method,
    content: Option<&Arc<Content>>,
    stamps: &mut Stamps<'_>,
) -> Result<Stored, StoreError> {
    let sequence = stamps.number()?;
    let (key, version, last_updated) = match &slot.now {
        // Later than the version before it, even where that was stamped by a process whose transaction began later.
        Some(Current { stored, .. }) => {
            let floor = stored.last_updated.as_microsecond() + 1;
            // What comes after it in this transaction is not stamped earlier, and the last stamp is the latest.
            stamps.stamp = super::super::columns::timestamp(stamps.stamp.as_microsecond().max(floor))?;
            (stored.key, stored.version + 1, stamps.stamp)
        }
        None => (sequence, 1, stamps.stamp),
    };
    let stored = Stored {
        key,
        resource_type: operation.resource_type,
        id: operation.id.clone(),
        version,
        last_updated,
        deleted: content.is_none(),
        sequence,
        body: content.map_or_else(Bytes::new, |content| content.body.splice(version, last_updated).into()),
    };
    let current = Current { stored: stored.clone(), method, content: content.cloned() };
    if let Some(before) = slot.now.replace(current) {
        slot.superseded.push((before, sequence));
    }
    Ok(stored)
}

fn written(stored: &Stored, effect: Effect) -> Written {
    Written {
        resource_type: stored.resource_type,
        id: stored.id.clone(),
        version: stored.version,
        last_updated: stored.last_updated,
        effect,
        body: stored.body.clone(),
    }
}
