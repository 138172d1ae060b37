//! One site's store: opened once, shared by all who serve the site.

use std::sync::Arc;

use sea_orm::DbBackend;
use sea_orm::sea_query::{
    Alias, Expr, ExprTrait, PostgresQueryBuilder, Query, SelectStatement, SqliteQueryBuilder, Values,
};
use tokio::sync::{Mutex, oneshot};

use super::audit::{self, AuditEntry, Audited, Chain, Heads, LoggedHead};
use super::columns::{Columns, found, stored};
use super::dictionary::secret;
use super::error::StoreError;
use super::history::select_version;
use super::open::{self, Opened};
use super::options::{Limits, Options};
use super::own;
use super::parameters::Dictionary;
use super::read::Reader;
use super::record::{Found, Stored, Visible, Written};
use super::reindex::{self, ReindexProgress};
use super::schema::{Names, Resource, select_stored};
use super::unit::Unit;
use super::write::{Job, Order, PostgresOrder, Queue, Transaction, Waiting, WriteContext, last_commit, one, spawn};

/// The records of one site. Reads see every write that was answered before.
pub struct Store {
    pub(super) reader: Reader,
    pub(super) context: Arc<WriteContext>,
    pub(super) postgres: Option<PostgresOrder>,
    queue: std::sync::Mutex<Option<Queue>>,
    tasks: Mutex<Vec<oneshot::Receiver<()>>>,
    checkpoints: Option<open::Checkpoints>,
    heads: HeadsTask,
    point: Arc<str>,
    version: Arc<str>,
}

/// Ends with the store.
struct HeadsTask {
    heads: Arc<Heads>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for HeadsTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Store {
    /// Opens the database, brings its tables and its dictionary of search parameters up to this release, and starts
    /// the writer.
    pub async fn open(options: Options) -> Result<Arc<Self>, StoreError> {
        let Options { database, clock, parameters, limits, audit_key } = options;
        let Opened { connection, names, reader, writer, checkpoints, lock } = open::open(&database, &limits).await?;
        let hash_key = secret(&connection, &names, "hash-key").await?;
        let postgres = match &reader {
            Reader::Sqlite(_) => None,
            Reader::Postgres(_) => Some(PostgresOrder::open(&connection, &names).await?),
        };
        let transaction = Transaction::begin_on(writer.as_ref(), &connection).await?;
        if let Some(order) = &postgres {
            order.lock_parameters(&transaction).await?;
        }
        let generation = own::begin(&transaction, &names).await?;
        let derivation = own::open(&transaction, &names, &parameters, hash_key, generation).await?;
        transaction.commit().await?;
        let visible = match &postgres {
            None => last_commit(&connection, &names).await?,
            Some(order) => order.visible(&connection).await?,
        };
        let context = Arc::new(WriteContext {
            connection,
            sqlite: writer,
            names,
            clock,
            limits,
            parameters,
            held: own::Held::new(derivation),
            audit_key,
            visible: std::sync::Mutex::new(visible),
            checkpoint_due: checkpoints.as_ref().map(|checkpoints| checkpoints.due.clone()).unwrap_or_default(),
            lock: std::sync::Mutex::new(lock),
        });
        open::compare_clocks(&context, postgres.is_some(), visible).await?;
        reindex::rebuild_compartments(&context).await?;

        if !audit::begin(&context.connection, &context.names, &context.audit_key).await? {
            tracing::error!(
                target: "audit",
                site = context.names.schema(),
                "the audit log was not begun with the key in keys/audit.key: put the key of that time back \
                 (`vesta audit verify` says what can be verified)"
            );
        }

        let (queue, lines) = Queue::new(&context.limits);
        let lines = Arc::new(Mutex::new(lines));
        let (mut tasks, mut first) = (Vec::new(), 0);
        match &postgres {
            None => {
                let order = Order::Sqlite { sequence: visible.sequence, stamp: visible.time };
                let chain = Chain::of(0, &context.connection, &context.names).await?;
                tasks.push(spawn(context.clone(), lines, order, chain)?);
            }
            Some(order) => {
                for _ in 0..context.limits.writers.max(1) {
                    // A chain has one writer; a process that ends leaves its chain where it is.
                    let sql = format!("SELECT nextval('{}')", context.names.quoted("audit_writer"));
                    let writer = one(&context.connection, sql).await?.integer(0)? as i32;
                    first = if tasks.is_empty() { writer } else { first };
                    let chain = Chain { writer, sequence: 0, head: Vec::new() };
                    tasks.push(spawn(context.clone(), lines.clone(), Order::Postgres(order.clone()), chain)?);
                }
            }
        }
        let heads = Heads::open(context.clone(), first).await?;
        let heads = HeadsTask { task: heads.every(context.limits.audit_head), heads };
        let (point, version) = prepared(&context.names, postgres.is_some());
        Ok(Arc::new(Store {
            reader,
            context,
            postgres,
            queue: std::sync::Mutex::new(Some(queue)),
            tasks: Mutex::new(tasks),
            checkpoints,
            heads,
            point,
            version,
        }))
    }

    /// Finishes what waits, and closes the database. Writes from then on are refused.
    pub async fn close(&self) {
        self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        for task in self.tasks.lock().await.drain(..) {
            let _ = task.await;
        }
        self.heads.task.abort();
        if let Err(error) = self.heads.heads.write().await {
            tracing::warn!(%error, "the last head of the audit log could not be written");
        }
        if let Some(thread) = self.checkpoints.as_ref().and_then(|checkpoints| checkpoints.stop()) {
            // While it copies, the log could not be emptied.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
        if let Some(writer) = &self.context.sqlite {
            if let Err(error) = writer.close() {
                tracing::warn!(%error, "the write-ahead log was not emptied; the next start reads it");
            }
            // The pool of PostgreSQL is shared by all sites.
            let _ = self.context.connection.clone().close().await;
        }
        self.context.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    }

    pub fn names(&self) -> &Names {
        &self.context.names
    }

    /// What a search plan is written for.
    pub fn backend(&self) -> DbBackend {
        self.context.connection.get_database_backend()
    }

    pub fn dictionary(&self) -> Arc<Dictionary> {
        self.context.held.now().dictionary
    }

    pub fn limits(&self) -> &Limits {
        &self.context.limits
    }

    fn queue(&self) -> Result<Queue, StoreError> {
        let queue = self.queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        queue.clone().ok_or_else(|| StoreError::Unavailable("the store is closed".to_owned()))
    }

    /// Commits a unit, all or nothing; one [`Written`] an operation, in their order. What is answered is durable.
    pub async fn write(&self, unit: Unit) -> Result<Vec<Written>, StoreError> {
        self.queue()?.run(Job::Unit(unit)).await
    }

    /// Keeps the record of a read, to be written within [`Limits::audit_delay`]. Waits while the buffer is full.
    pub async fn audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.queue()?.audit(entry).await
    }

    /// Entries of the audit log after a place (writer and sequence), chain by chain.
    pub async fn audit_page(&self, after: Option<(i32, i64)>, count: usize) -> Result<Vec<Audited>, StoreError> {
        self.reader.look_anew();
        self.reader.query(&audit::select(self.names(), after, count), audit::audited).await
    }

    /// Writes now how far the audit log has come; none where it has come no further since the last time.
    pub async fn audit_head(&self) -> Result<Option<LoggedHead>, StoreError> {
        self.heads.heads.write().await
    }

    /// The current version, deletions included.
    pub async fn read(&self, resource_type: u16, id: &str) -> Result<Option<Stored>, StoreError> {
        let values = Values(vec![(resource_type as i16).into(), id.into()]);
        let rows = self.reader.query_prepared(&self.point, values, |row: &dyn Columns| stored(row)).await?;
        Ok(rows.into_iter().next())
    }

    /// One version, current or superseded, deletions included.
    pub async fn read_version(&self, resource_type: u16, id: &str, version: i64) -> Result<Option<Stored>, StoreError> {
        // First the current one: it may be superseded in between, and is then found in the history.
        match self.read(resource_type, id).await? {
            Some(current) if current.version == version => Ok(Some(current)),
            Some(current) if current.version > version => {
                let values = Values(vec![current.key.into(), version.into()]);
                let rows = self.reader.query_prepared(&self.version, values, |row: &dyn Columns| stored(row)).await?;
                Ok(rows.into_iter().next())
            }
            _ => Ok(None),
        }
    }

    /// The current versions of these keys, deletions included, in the order of the keys given; unknown ones are left
    /// out.
    pub async fn read_many(&self, keys: &[i64]) -> Result<Vec<Stored>, StoreError> {
        let mut all = Vec::with_capacity(keys.len());
        for keys in keys.chunks(500) {
            let mut statement = Query::select();
            select_stored(&mut statement, Resource::Table);
            statement
                .from_as(self.names().table(Resource::Table), Alias::new("resource"))
                .and_where(Expr::col((Resource::Table, Resource::Key)).is_in(keys.iter().copied()));
            all.extend(self.reader.query(&statement, |row: &dyn Columns| stored(row)).await?);
        }
        let place: std::collections::HashMap<i64, usize> =
            keys.iter().enumerate().map(|(place, key)| (*key, place)).collect();
        all.sort_by_key(|stored| place.get(&stored.key).copied());
        Ok(all)
    }

    /// Runs a plan: the columns of [`super::schema::select_stored`], then `sort_columns` sort values.
    pub async fn page(&self, statement: &SelectStatement, sort_columns: usize) -> Result<Vec<Found>, StoreError> {
        self.reader.query(statement, move |row: &dyn Columns| found(row, sort_columns)).await
    }

    /// Runs a plan that yields one integer.
    pub async fn count(&self, statement: &SelectStatement) -> Result<i64, StoreError> {
        let rows = self.reader.query(statement, |row: &dyn Columns| row.integer(0)).await?;
        rows.into_iter().next().ok_or_else(|| StoreError::Statement("a count gave no row".to_owned()))
    }

    /// How far a reader may look now: at or below it nothing changes any more.
    pub async fn visible(&self) -> Result<Visible, StoreError> {
        match &self.postgres {
            Some(order) => order.visible(&self.context.connection).await,
            None => Ok(*self.context.visible.lock().unwrap_or_else(std::sync::PoisonError::into_inner)),
        }
    }

    /// A key of this database by name, made at its first use: for cursors.
    pub async fn secret(&self, name: &str) -> Result<[u8; 32], StoreError> {
        secret(&self.context.connection, self.names(), name).await
    }

    /// How much waits to be written; none when the writer has stopped.
    pub fn waiting(&self) -> Option<Waiting> {
        self.queue().ok()?.waiting()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let statement = Query::select().expr(Expr::val(1i64)).take();
        self.reader.query(&statement, |row: &dyn Columns| row.integer(0)).await.map(|_| ())
    }

    /// How many parameters are not indexed yet, and how far that work has come.
    pub async fn reindex_progress(&self) -> Result<ReindexProgress, StoreError> {
        reindex::progress(&self.context).await
    }

    /// Does the next bite of re-indexing, of at most so many resources; requests go before it.
    pub async fn reindex_bite(&self, resources: usize) -> Result<ReindexProgress, StoreError> {
        self.queue()?.run(Job::Reindex { bite: resources.max(1) }).await?;
        let progress = self.reindex_progress().await?;
        self.context.held.note(progress);
        Ok(progress)
    }
}

/// The statements of point reads, whose texts never change.
fn prepared(names: &Names, postgres: bool) -> (Arc<str>, Arc<str>) {
    let text = |statement: &SelectStatement| -> Arc<str> {
        let (sql, _) =
            if postgres { statement.build(PostgresQueryBuilder) } else { statement.build(SqliteQueryBuilder) };
        sql.into()
    };
    let mut point = Query::select();
    select_stored(&mut point, Resource::Table);
    point
        .from_as(names.table(Resource::Table), Alias::new("resource"))
        .and_where(Expr::col((Resource::Table, Resource::Type)).eq(0i16))
        .and_where(Expr::col((Resource::Table, Resource::Id)).eq(""));
    (text(&point), text(&select_version(names, 0, 0)))
}
