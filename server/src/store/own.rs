//! Users' own search parameters, as far as a store knows of them: resources of one type define parameters, and the
//! transaction that changes such a resource changes the dictionary too. Their number in the database, the generation,
//! tells every process by what rows are derived.
//!
//! On PostgreSQL each transaction that derives rows holds a lock shared and reads the generation behind it; one that
//! changes the parameters holds the lock alone. So no row of a new parameter is missed, whichever process writes it:
//! what was committed before the change is re-indexed, and what comes after knows of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query, SelectStatement};
use tokio::sync::watch;

use super::columns::{Columns, stored};
use super::dictionary::{keep_setting, known, setting, synchronise};
use super::error::StoreError;
use super::parameters::{Derivation, Dictionary, ParameterDefinition, ParameterEntry, Parameters, Posted};
use super::record::Stored;
use super::reindex::{ReindexProgress, state};
use super::schema::{Names, Resource, SearchParameter, Setting, select_stored};
use super::site_store::Store;
use super::write::{Batch, Transaction, WriteContext};
use crate::search::ParameterTable;

/// The setting that holds it.
pub(super) const GENERATION: &str = "parameters-generation";

/// How soon a process learns what another has changed.
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn generation(value: &[u8]) -> Result<i64, StoreError> {
    let bytes = value.try_into().map_err(|_| StoreError::Inconsistent(format!("{GENERATION} is no number")))?;
    Ok(i64::from_be_bytes(bytes))
}

/// What this process derives rows by.
pub(super) struct Held {
    derivation: RwLock<Derivation>,
    /// Goes up with whatever the process learns: that parameters have changed, or that one is indexed now.
    version: watch::Sender<u64>,
    progress: Mutex<Option<ReindexProgress>>,
}

impl Held {
    pub(super) fn new(derivation: Derivation) -> Self {
        Held { derivation: RwLock::new(derivation), version: watch::Sender::new(0), progress: Mutex::default() }
    }

    /// For whoever asks how far re-indexing has come.
    pub(super) fn note(&self, progress: ReindexProgress) {
        *self.progress.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
        let share = progress.done.saturating_mul(100).checked_div(progress.last).unwrap_or(0);
        self.now().dictionary.note_share(share.clamp(0, 99) as u8);
    }

    pub(super) fn now(&self) -> Derivation {
        self.derivation.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes it up, unless a writer beside has taken up a later one.
    pub(super) fn publish(&self, new: Derivation) {
        let mut held = self.derivation.write().unwrap_or_else(PoisonError::into_inner);
        if held.dictionary.generation() < new.dictionary.generation() {
            *held = new;
            drop(held);
            self.version.send_modify(|version| *version += 1);
        }
    }

    pub(super) fn set_indexed(&self, ids: &[i32]) {
        if ids.is_empty() {
            return;
        }
        let Derivation { dictionary, .. } = self.now();
        ids.iter().for_each(|id| dictionary.set_indexed(*id));
        self.version.send_modify(|version| *version += 1);
    }
}

/// The generation that the database has.
pub(super) async fn begin(transaction: &Transaction, names: &Names) -> Result<i64, StoreError> {
    let statement = Query::select()
        .column(Setting::Value)
        .from(names.table(Setting::Table))
        .and_where(Expr::col(Setting::Name).eq(GENERATION))
        .take();
    match transaction.query(&statement, |row| row.blob(0)).await?.first() {
        Some(value) => generation(value),
        None => {
            transaction.execute(&keep_setting(names, GENERATION, &0i64.to_be_bytes())).await?;
            Ok(0)
        }
    }
}

/// Reads what is there, and brings the dictionary up to it and to the running release.
pub(super) async fn open(
    transaction: &Transaction,
    names: &Names,
    parameters: &Arc<dyn Parameters>,
    hash_key: [u8; 16],
    generation: i64,
) -> Result<Derivation, StoreError> {
    let posted = posted(transaction, names, &**parameters, |_| false).await?;
    let definitions = parameters.definitions(&posted).map_err(StoreError::Refused)?;
    let dictionary = Arc::new(synchronise(transaction, names, definitions, hash_key, 0).await?.at(generation));
    let indexer = parameters.indexer(&posted, &dictionary);
    Ok(Derivation { dictionary, indexer })
}

async fn posted(
    transaction: &Transaction,
    names: &Names,
    parameters: &dyn Parameters,
    is_new: impl Fn(&Stored) -> bool,
) -> Result<Vec<Posted>, StoreError> {
    let Some(defining) = parameters.posted_type() else { return Ok(Vec::new()) };
    let found = transaction.query(&defining_resources(names, defining), stored).await?;
    let live = found.into_iter().filter(|stored| !stored.deleted);
    Ok(live.map(|stored| Posted { new: is_new(&stored), body: stored.body }).collect())
}

fn defining_resources(names: &Names, resource_type: u16) -> SelectStatement {
    let mut statement = Query::select();
    select_stored(&mut statement, Resource::Table);
    statement
        .from_as(names.table(Resource::Table), Alias::new("resource"))
        .and_where(Expr::col((Resource::Table, Resource::Type)).eq(resource_type as i16))
        .order_by((Resource::Table, Resource::Key), Order::Asc);
    statement
}

/// What rows are derived by in a transaction that found this generation.
pub(super) async fn at(
    context: &WriteContext,
    transaction: &Transaction,
    generation: Option<i64>,
) -> Result<Derivation, StoreError> {
    let held = context.held.now();
    match generation {
        Some(generation) if generation > held.dictionary.generation() => {
            let learned = learn(context, transaction, &held.dictionary, generation).await?;
            context.held.publish(learned.clone());
            Ok(learned)
        }
        _ => Ok(held),
    }
}

/// Takes up what another process has changed.
async fn learn(
    context: &WriteContext,
    transaction: &Transaction,
    before: &Dictionary,
    generation: i64,
) -> Result<Derivation, StoreError> {
    let posted = posted(transaction, &context.names, &*context.parameters, |_| false).await?;
    let definitions = context.parameters.definitions(&posted).map_err(StoreError::Refused)?;
    let (mut known, _) = known(transaction, &context.names).await?;
    let mut entries = Vec::with_capacity(definitions.len());
    for definition in definitions {
        if let Some(found) = known.remove(&definition) {
            entries.push(ParameterEntry::new(found.id, definition, found.state == state::INDEXED));
            continue;
        }
        // That process is of another release, which has this one otherwise: here it stays as it was.
        let same = before.get(definition.resource_type, &definition.code);
        let Some(entry) = same.filter(|entry| entry.definition == definition) else {
            let text = format!(
                "the process that changed search parameters knows no {}: give both one release",
                definition.code
            );
            return Err(StoreError::Unavailable(text));
        };
        entries.push(ParameterEntry::new(entry.id, definition, entry.is_indexed()));
    }
    let dictionary = Arc::new(Dictionary::new(entries, before.hash_key()).at(generation));
    let indexer = context.parameters.indexer(&posted, &dictionary);
    Ok(Derivation { dictionary, indexer })
}

/// What the resources that the batch has written make of the parameters; none where these stay as they are. To be taken
/// up when it has committed.
pub(super) async fn change(batch: &Batch<'_>) -> Result<Option<Derivation>, StoreError> {
    let (transaction, names, parameters) = (batch.transaction, &batch.context.names, &batch.context.parameters);
    let posted = posted(transaction, names, &**parameters, |stored| batch.defining.contains(&stored.id)).await?;
    let definitions = parameters.definitions(&posted).map_err(StoreError::Refused)?;
    let before = &batch.derivation.dictionary;
    let is_same = |definition: &ParameterDefinition| {
        before.get(definition.resource_type, &definition.code).is_some_and(|entry| entry.definition == *definition)
    };
    if definitions.len() == before.iter().count() && definitions.iter().all(is_same) {
        return Ok(None);
    }
    let generation = before.generation() + 1;
    let now = batch.context.clock.now().as_microsecond();
    let dictionary = synchronise(transaction, names, definitions, before.hash_key(), now).await?.at(generation);
    transaction.execute(&keep_setting(names, GENERATION, &generation.to_be_bytes())).await?;
    let dictionary = Arc::new(dictionary);
    let indexer = parameters.indexer(&posted, &dictionary);
    Ok(Some(Derivation { dictionary, indexer }))
}

impl Store {
    /// The parameters that searches can use now.
    pub fn table(&self) -> Option<Arc<ParameterTable>> {
        self.context.held.now().indexer.table()
    }

    /// Another number whenever [`Store::table`] is another, or more of it is indexed.
    pub fn parameters_version(&self) -> u64 {
        *self.context.held.version.borrow()
    }

    /// How far re-indexing had come when this process did the last of it; none where it has not done any.
    pub fn noted_progress(&self) -> Option<ReindexProgress> {
        *self.context.held.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the version is another than this, whichever process makes it so.
    pub async fn parameters_change(&self, seen: u64) {
        let mut version = self.context.held.version.subscribe();
        loop {
            if self.postgres.is_none() {
                let _ = version.wait_for(|version| *version != seen).await;
                return;
            }
            if let Err(error) = self.follow_parameters().await {
                tracing::warn!(%error, "what other processes have changed of search parameters could not be read");
            }
            if tokio::time::timeout(LOOK, version.wait_for(|version| *version != seen)).await.is_ok() {
                return;
            }
        }
    }

    /// Learns what other processes of a PostgreSQL have changed.
    pub(super) async fn follow_parameters(&self) -> Result<(), StoreError> {
        let (context, names) = (&self.context, self.names());
        let Some(order) = &self.postgres else { return Ok(()) };
        let Derivation { dictionary, .. } = context.held.now();
        let value = setting(&context.connection, names, GENERATION).await?.unwrap_or_default();
        if generation(&value)? > dictionary.generation() {
            let transaction = Transaction::begin(context).await?;
            let now = order.share_parameters(&transaction).await?;
            at(context, &transaction, Some(generation(&now)?)).await?;
            return transaction.commit().await;
        }
        let waiting: Vec<i32> = dictionary.iter().filter(|entry| !entry.is_indexed()).map(|entry| entry.id).collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let statement = Query::select()
            .columns([SearchParameter::Id, SearchParameter::State])
            .from(names.table(SearchParameter::Table))
            .and_where(Expr::col(SearchParameter::Id).is_in(waiting))
            .take();
        let rows = context.connection.query_all(&statement).await?;
        let states: HashMap<i32, i16> =
            rows.iter().map(|row| Ok((row.integer32(0)?, row.small(1)?))).collect::<Result<_, StoreError>>()?;
        let done: Vec<i32> =
            states.into_iter().filter(|(_, found)| *found == state::INDEXED).map(|(id, _)| id).collect();
        context.held.set_indexed(&done);
        Ok(())
    }
}
