//! Deriving rows again in the background: of parameters that are new or whose extractor changed, in bites that the
//! writer takes between requests.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, LockType, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend};

use super::columns::{Columns, stored};
use super::dictionary::{set_setting, setting};
use super::error::StoreError;
use super::index::{self, IndexRows};
use super::schema::{Compartment, Names, Resource, SearchParameter, select_stored};
use super::write::{self, Asks, Batch, Known, Stamps, Transaction, WriteContext};

/// The values of [`SearchParameter::State`].
pub(super) mod state {
    pub(crate) const PENDING: i16 = 0;
    pub(crate) const INDEXED: i16 = 1;
    /// Replaced or no longer enabled: its rows are to be removed.
    pub(crate) const RETIRED: i16 = 2;
}

/// How far the background work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReindexProgress {
    /// Parameters whose rows are not complete.
    pub pending: usize,
    /// Parameters whose rows are still to be removed.
    pub retired: usize,
    /// Of these, those that other processes may still search by for a moment: their rows stay until then.
    pub resting: usize,
    /// Resource keys up to this one are done, of `last`.
    pub done: i64,
    pub last: i64,
}

impl ReindexProgress {
    pub fn is_complete(&self) -> bool {
        self.pending == 0 && self.retired == 0
    }

    /// Whether nothing can be done for the moment.
    pub fn rests(&self) -> bool {
        self.pending == 0 && self.retired == self.resting
    }
}

/// On PostgreSQL, rows of a retired parameter stay so long: other processes have not heard of it before.
const REST: i64 = 5_000_000;

struct Pending {
    id: i32,
    resource_type: i16,
    progress: i64,
}

fn in_state(names: &Names, state: i16) -> SelectStatement {
    Query::select()
        .columns([SearchParameter::Id, SearchParameter::Type, SearchParameter::Progress])
        .from(names.table(SearchParameter::Table))
        .and_where(Expr::col(SearchParameter::State).eq(state))
        .take()
}

fn pending(row: &dyn Columns) -> Result<Pending, StoreError> {
    Ok(Pending { id: row.integer32(0)?, resource_type: row.small(1)?, progress: row.integer(2)? })
}

pub(super) async fn progress(context: &WriteContext) -> Result<ReindexProgress, StoreError> {
    let (connection, names) = (&context.connection, &context.names);
    let rows = connection.query_all(&in_state(names, state::PENDING)).await?;
    let unfinished = rows.iter().map(|row| pending(row)).collect::<Result<Vec<_>, _>>()?;
    let rows = connection.query_all(&in_state(names, state::RETIRED)).await?;
    let retired = rows.iter().map(|row| pending(row)).collect::<Result<Vec<_>, _>>()?;
    let rested = rested(context);
    let resting = retired.iter().filter(|one| one.progress > rested).count();
    let last = last_key(connection, names).await?;
    let done = unfinished.iter().map(|parameter| parameter.progress).min().unwrap_or(last);
    Ok(ReindexProgress { pending: unfinished.len(), retired: retired.len(), resting, done, last })
}

/// What was retired by then, and has its time as its progress, may lose its rows.
fn rested(context: &WriteContext) -> i64 {
    if context.sqlite.is_some() { i64::MAX } else { context.clock.now().as_microsecond() - REST }
}

async fn last_key(connection: &impl ConnectionTrait, names: &Names) -> Result<i64, StoreError> {
    let statement = Query::select().expr(Expr::col(Resource::Key).max()).from(names.table(Resource::Table)).take();
    let row = connection.query_one(&statement).await?;
    Ok(row.map(|row| row.try_get_by_index::<Option<i64>>(0)).transpose()?.flatten().unwrap_or(0))
}

/// The next resources (of some types, or that contain some by these rows of identity), in the order of their keys.
pub(super) fn next(
    names: &Names,
    types: Option<(&[i16], &[i32])>,
    after: i64,
    bite: usize,
    lock: bool,
) -> SelectStatement {
    let mut statement = Query::select();
    select_stored(&mut statement, Resource::Table);
    statement
        .from_as(names.table(Resource::Table), Alias::new("resource"))
        .and_where(Expr::col((Resource::Table, Resource::Key)).gt(after))
        .order_by((Resource::Table, Resource::Key), Order::Asc)
        .limit(bite as u64);
    if let Some((types, identities)) = types {
        // Not a column any more, so no index on types is taken: each bite would sort all that are left.
        let resource_type = Expr::col((Resource::Table, Resource::Type)).add(0i16);
        let containers = index::contained::containers(names, identities.iter().copied());
        let contains = Expr::col((Resource::Table, Resource::Key)).in_subquery(containers);
        statement.and_where(resource_type.is_in(types.iter().copied()).or(contains));
    }
    if lock {
        // A change in between would leave rows of what it replaced.
        statement.lock(LockType::Update);
    }
    statement
}

/// Does the next bite; returns the parameters that are complete with it.
pub(super) async fn bite(batch: &mut Batch<'_>, bite: usize) -> Result<Vec<i32>, StoreError> {
    let names = &batch.context.names;
    let pending = batch.transaction.query(&in_state(names, state::PENDING), pending).await?;
    if pending.is_empty() {
        retire(batch, bite).await?;
        return Ok(Vec::new());
    }
    let mut ids: Vec<i32> = pending.iter().map(|parameter| parameter.id).collect();
    ids.sort_unstable();
    let mut types: Vec<i16> = pending.iter().map(|parameter| parameter.resource_type).collect();
    types.sort_unstable();
    types.dedup();
    let after = pending.iter().map(|parameter| parameter.progress).min().unwrap_or(0);
    let identities: Vec<i32> = types.iter().filter_map(|of| batch.derivation.indexer.identity(*of as u16)).collect();
    // Where these are not there themselves, nothing tells what contains such resources.
    let is_told = !identities.iter().any(|id| ids.contains(id));
    let next = next(names, is_told.then_some((&types, &identities)), after, bite, batch.transaction.is_postgres());
    let resources = batch.transaction.query(&next, stored).await?;

    let derived = resources
        .iter()
        .filter(|stored| !stored.deleted)
        .map(|stored| {
            let rows = batch.derivation.rows(stored)?.of_parameters(&ids);
            Ok((stored.key, stored.resource_type, rows))
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    let derived: Vec<(i64, u16, &IndexRows)> =
        derived.iter().map(|(key, resource_type, rows)| (*key, *resource_type, rows)).collect();
    batch.insert_rows(&derived).await?;

    let complete = resources.len() < bite;
    let mut update = Query::update();
    update
        .table(names.table(SearchParameter::Table))
        .and_where(Expr::col(SearchParameter::Id).is_in(ids.iter().copied()))
        .and_where(Expr::col(SearchParameter::State).eq(state::PENDING));
    if complete {
        update.value(SearchParameter::State, state::INDEXED);
    } else if let Some(last) = resources.last() {
        update.value(SearchParameter::Progress, last.key);
    }
    batch.transaction.execute(&update).await?;
    Ok(if complete { ids } else { Vec::new() })
}

/// Removes rows of parameters that nothing reads any more.
async fn retire(batch: &mut Batch<'_>, bite: usize) -> Result<(), StoreError> {
    let names = &batch.context.names;
    let retired = batch.transaction.query(&in_state(names, state::RETIRED), pending).await?;
    let rested = rested(batch.context);
    let Some(retired) = retired.into_iter().find(|one| one.progress <= rested) else { return Ok(()) };
    let mut removed = 0;
    let backend = if batch.transaction.is_postgres() { DbBackend::Postgres } else { DbBackend::Sqlite };
    for statement in index::delete_parameter(backend, names, retired.id, bite) {
        removed += batch.transaction.execute(&statement).await?;
    }
    if removed == 0 {
        let forget = Query::delete()
            .from_table(names.table(SearchParameter::Table))
            .and_where(Expr::col(SearchParameter::Id).eq(retired.id))
            .take();
        batch.transaction.execute(&forget).await?;
    }
    Ok(())
}

const COMPARTMENT_HASH: &str = "compartment-hash";
const COMPARTMENT_BITE: usize = 512;

/// Makes all compartment rows anew where their definition changed. Not in the background: access depends on them. An
/// interruption starts it over, for the hash is noted last.
pub(super) async fn rebuild_compartments(context: &WriteContext) -> Result<(), StoreError> {
    let (connection, names) = (&context.connection, &context.names);
    let derivation = context.held.now();
    let hash = derivation.indexer.compartment_hash().to_be_bytes();
    let known = setting(connection, names, COMPARTMENT_HASH).await?;
    if known.as_deref() == Some(&hash[..]) {
        return Ok(());
    }
    let last = last_key(connection, names).await?;
    if last > 0 {
        tracing::info!("the patient compartment is defined anew: its rows are being rebuilt");
        connection.execute(&Query::delete().from_table(names.table(Compartment::Table)).take()).await?;
    }
    let (mut after, mut done, mut known) = (i64::MIN, 0u64, Known::default());
    // Nothing is numbered or stamped here.
    let order = write::Order::Sqlite { sequence: 0, stamp: jiff::Timestamp::UNIX_EPOCH };
    while after < last {
        let transaction = Transaction::begin(context).await?;
        let next = next(names, None, after, COMPARTMENT_BITE, transaction.is_postgres());
        let resources = transaction.query(&next, stored).await?;
        let Some(end) = resources.last().map(|stored| stored.key) else { break };
        let derived = resources
            .iter()
            .filter(|stored| !stored.deleted)
            .map(|stored| {
                let mut only = IndexRows::default();
                only.compartments = derivation.rows(stored)?.compartments;
                Ok((stored.key, stored.resource_type, only))
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        let derived: Vec<(i64, u16, &IndexRows)> =
            derived.iter().map(|(key, resource_type, rows)| (*key, *resource_type, rows)).collect();
        let stamps = Stamps::begin(&order, jiff::Timestamp::UNIX_EPOCH, &transaction, Asks::default()).await?;
        let mut batch = Batch::new(&transaction, context, &derivation, stamps, &known, false);
        batch.insert_rows(&derived).await?;
        let learned = std::mem::take(&mut batch.learned);
        drop(batch);
        transaction.commit().await?;
        known.learn(learned);
        after = end;
        done += resources.len() as u64;
        tracing::info!(resources = done, of = last, "compartment rows rebuilt");
    }
    set_setting(connection, names, COMPARTMENT_HASH, &hash).await
}
