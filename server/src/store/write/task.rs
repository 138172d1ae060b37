//! The loop: take what waits, commit it, answer. What another process came first with is run again; where a
//! statement fails, the units are run one by one, so that only the one at fault fails.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use sea_orm::DatabaseConnection;
use tokio::sync::{Mutex, oneshot};

use super::super::audit::{AuditEntry, AuditKey, Chain};
use super::super::error::StoreError;
use super::super::lock::FolderLock;
use super::super::options::Limits;
use super::super::own::{self, Held};
use super::super::parameters::Parameters;
use super::super::record::{Visible, Written};
use super::super::schema::Names;
use super::super::unit::{Unit, Work};
use super::audit;
use super::batch::{Batch, Known};
use super::order::{Asks, Order, Stamps, last_commit};
use super::queue::{Job, Lines, Pending};
use super::sqlite::SqliteWriter;
use super::transaction::Transaction;
use crate::clock::Clock;

/// What all writers of a site share.
pub(in super::super) struct WriteContext {
    /// For what is seldom on SQLite, for everything on PostgreSQL.
    pub(in super::super) connection: DatabaseConnection,
    /// None on PostgreSQL.
    pub(in super::super) sqlite: Option<Arc<SqliteWriter>>,
    pub(in super::super) names: Names,
    pub(in super::super) clock: Clock,
    pub(in super::super) limits: Limits,
    pub(in super::super) parameters: Arc<dyn Parameters>,
    pub(in super::super) held: Held,
    pub(in super::super) audit_key: AuditKey,
    /// How far a reader of SQLite may look.
    pub(in super::super) visible: std::sync::Mutex<Visible>,
    /// Set by the thread of checkpoints when the log is long and nearly copied back.
    pub(in super::super) checkpoint_due: Arc<AtomicBool>,
    /// Held until the store is closed and the last writer has ended.
    pub(in super::super) lock: std::sync::Mutex<Option<FolderLock>>,
}

struct Writer {
    context: Arc<WriteContext>,
    lines: Arc<Mutex<Lines>>,
    order: Order,
    chain: Chain,
    known: Known,
    /// A transaction failed, and it is not known whether the database committed it all the same: numbers and chain
    /// are read from it again.
    doubtful: bool,
}

/// Starts a writer. It ends when the last entrance of the queue is dropped and all that waited is done; the receiver
/// hears of it. On SQLite it has a thread of its own: its statements run there, and no worker waits for them.
pub(in super::super) fn spawn(
    context: Arc<WriteContext>,
    lines: Arc<Mutex<Lines>>,
    order: Order,
    chain: Chain,
) -> Result<oneshot::Receiver<()>, StoreError> {
    let has_thread = context.sqlite.is_some();
    let writer = Writer { context, lines, order, chain, known: Known::default(), doubtful: false };
    let (end, ended) = oneshot::channel();
    if has_thread {
        let runtime = tokio::runtime::Handle::current();
        let run = move || {
            runtime.block_on(writer.run());
            let _ = end.send(());
        };
        std::thread::Builder::new()
            .name("vesta-writer".to_owned())
            .spawn(run)
            .map_err(|error| StoreError::Unavailable(format!("no thread for the writer: {error}")))?;
    } else {
        tokio::spawn(async move {
            writer.run().await;
            let _ = end.send(());
        });
    }
    Ok(ended)
}

/// Attempts of a batch that other processes keep coming before.
const ATTEMPTS: u32 = 8;
/// How long another's lock on an SQLite file (a copy being made of it, say) is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);
/// Audit entries kept while the database cannot be written to; beyond, reads wait.
const AUDIT_BACKLOG: usize = 8_192;
/// How long a writer that is to end tries to write what it still has.
const LAST_ATTEMPTS: Duration = Duration::from_secs(10);

/// What a transaction came to, unit by unit.
type Results = Vec<Result<Vec<Written>, StoreError>>;

enum Failure {
    /// Another transaction came first.
    Retry(StoreError),
    /// Users' own parameters change in it, which others' writes must not meet: see [`Asks::exclusive`].
    Definitions,
    /// Another connection has the lock, and was waited for already as long as the connection waits.
    Locked,
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(_) => Failure::Retry(error),
            StoreError::Busy => Failure::Locked,
            other => Failure::Store(other),
        }
    }
}

impl From<sea_orm::DbErr> for Failure {
    fn from(error: sea_orm::DbErr) -> Self {
        StoreError::from(error).into()
    }
}

impl Writer {
    async fn run(mut self) {
        let mut audit = VecDeque::new();
        let mut ends_at = None;
        loop {
            let batch = {
                let mut lines = self.lines.lock().await;
                if audit.len() >= AUDIT_BACKLOG {
                    // The database is away: do not take more than can be kept.
                    drop(lines);
                    tokio::time::sleep(self.context.limits.audit_delay).await;
                    Some(Vec::new())
                } else {
                    lines.next(&mut audit).await
                }
            };
            let Some(batch) = batch else { break };
            if batch.is_empty() && audit.is_empty() {
                continue;
            }
            let has_bulk = batch.iter().any(Pending::is_bulk);
            let began = Instant::now();
            self.commit(batch, &mut audit).await;
            if has_bulk {
                self.lines.lock().await.bulk_took(began.elapsed());
            }
            if !audit.is_empty() && self.lines.lock().await.are_closed() {
                let ends_at = *ends_at.get_or_insert_with(|| Instant::now() + LAST_ATTEMPTS);
                if Instant::now() >= ends_at {
                    // A process that is told to end and does not is killed, with all that others have still to do.
                    tracing::error!(
                        entries = audit.len(),
                        "audit entries of reads are lost: the database was away to the end"
                    );
                    break;
                }
            }
            if self.context.checkpoint_due.swap(false, Ordering::AcqRel)
                && let Some(Err(error)) = self.context.sqlite.as_ref().map(|writer| writer.checkpoint())
            {
                tracing::warn!(%error, "a checkpoint failed");
            }
        }
    }

    async fn commit(&mut self, batch: Vec<Pending>, audit: &mut VecDeque<AuditEntry>) {
        let (jobs, answers): (Vec<Job>, Vec<_>) =
            batch.into_iter().map(|pending| (pending.job, pending.answer)).unzip();
        let results = match self.attempt(&jobs, audit).await {
            Ok(results) => {
                audit.clear();
                results
            }
            Err(error @ StoreError::Unavailable(_)) => {
                tracing::error!(%error, units = jobs.len(), "a batch of writes was not committed");
                // Not at full speed against a wall; nothing acknowledged is lost, and clients are told to try again.
                // Where nobody waits for an answer there is still less of a hurry.
                let pause = if jobs.is_empty() { 250 } else { 20 };
                tokio::time::sleep(Duration::from_millis(pause)).await;
                jobs.iter().map(|_| Err(error.shared())).collect()
            }
            Err(error) if jobs.len() == 1 && audit.is_empty() => vec![Err(error)],
            Err(error) => {
                tracing::warn!(%error, units = jobs.len(), "a batch of writes failed: its units are run one by one");
                let mut results = Vec::with_capacity(jobs.len());
                for job in &jobs {
                    let result = self.attempt(std::slice::from_ref(job), &VecDeque::new()).await;
                    results.push(result.and_then(|mut results| results.pop().unwrap_or(Err(StoreError::Busy))));
                }
                if let Err(error) = self.attempt(&[], audit).await {
                    tracing::error!(%error, entries = audit.len(), "audit entries of reads could not be written yet");
                } else {
                    audit.clear();
                }
                results
            }
        };
        for (answer, result) in answers.into_iter().zip(results) {
            // The client may have gone: what it asked for is done all the same.
            let _ = answer.send(result);
        }
    }

    /// Commits all of these, or nothing.
    async fn attempt(&mut self, jobs: &[Job], audit: &VecDeque<AuditEntry>) -> Result<Results, StoreError> {
        let mut attempt = 0;
        let began = Instant::now();
        let mut exclusive = jobs.iter().any(|job| self.defines(job));
        loop {
            // A panic in a unit's own check must not end the writer: the transaction is rolled back when dropped.
            let outcome = AssertUnwindSafe(self.transaction(jobs, audit, exclusive)).catch_unwind().await;
            match outcome {
                Ok(Ok(results)) => return Ok(results),
                Ok(Err(Failure::Store(error))) => return Err(error),
                Ok(Err(Failure::Retry(error))) => {
                    attempt += 1;
                    if attempt >= ATTEMPTS {
                        return Err(error);
                    }
                    tokio::time::sleep(Duration::from_millis(1 << attempt)).await;
                }
                Ok(Err(Failure::Definitions)) => exclusive = true,
                Ok(Err(Failure::Locked)) if began.elapsed() < LOCK_PATIENCE => {
                    tracing::warn!(waited = ?began.elapsed(), "another process has the lock of the database");
                }
                Ok(Err(Failure::Locked)) => {
                    let cause = format!("another process has had its lock for {LOCK_PATIENCE:?}");
                    return Err(StoreError::Unavailable(cause));
                }
                Err(_) => return Err(StoreError::Statement("a check inside the write panicked".to_owned())),
            }
        }
    }

    /// Whether it is known beforehand to write what may define search parameters.
    fn defines(&self, job: &Job) -> bool {
        let Job::Unit(Unit { work: Work::Operations(operations), .. }) = job else { return false };
        let defining = self.context.parameters.posted_type();
        operations.iter().any(|operation| Some(operation.resource_type) == defining)
    }

    async fn transaction(
        &mut self,
        jobs: &[Job],
        audit: &VecDeque<AuditEntry>,
        exclusive: bool,
    ) -> Result<Results, Failure> {
        let context = self.context.clone();
        let transaction = Transaction::begin(&context).await?;
        let doubtful = std::mem::replace(&mut self.doubtful, true);
        if doubtful {
            // Nobody else writes this chain; nor, on SQLite, anything.
            self.chain = Chain::of(self.chain.writer, &context.connection, &context.names).await?;
            if let Order::Sqlite { sequence, stamp } = &mut self.order {
                let last = last_commit(&context.connection, &context.names).await?;
                (*sequence, *stamp) = (last.sequence, Ord::max(last.time, *stamp));
            }
        }
        let resolves = jobs.iter().any(|job| matches!(job, Job::Unit(Unit { work: Work::Resolve(_), .. })));
        let asks = Asks { resolves, exclusive };
        let stamps = Stamps::begin(&self.order, context.clock.now(), &transaction, asks).await?;
        let derivation = own::at(&context, &transaction, stamps.generation).await?;
        let mut chain = self.chain.clone();
        let mut batch = Batch::new(&transaction, &context, &derivation, stamps, &self.known, !doubtful);
        let units = || {
            jobs.iter().filter_map(|job| match job {
                Job::Unit(unit) => Some(unit),
                Job::Reindex { .. } => None,
            })
        };
        batch.prepare(units()).await?;
        let mut results = Vec::with_capacity(jobs.len());
        let mut entries: Vec<&AuditEntry> = Vec::new();
        let mut indexed = Vec::new();
        for job in jobs {
            match job {
                Job::Unit(unit) => {
                    let result = batch.stage(unit).await;
                    match &result {
                        Ok(_) => entries.extend(&unit.audit),
                        // These are the database's, not the unit's: the transaction is lost.
                        Err(
                            StoreError::Unavailable(_)
                            | StoreError::Statement(_)
                            | StoreError::Conflict(_)
                            | StoreError::Busy,
                        ) => return Err(result.err().unwrap_or(StoreError::Busy).into()),
                        Err(_) => {}
                    }
                    results.push(result);
                }
                Job::Reindex { bite } => {
                    batch.flush().await?;
                    indexed.extend(super::super::reindex::bite(&mut batch, *bite).await?);
                    results.push(Ok(Vec::new()));
                }
            }
        }
        batch.flush().await?;
        let changed = match batch.defining.is_empty() {
            true => None,
            false if transaction.is_postgres() && !exclusive => return Err(Failure::Definitions),
            false => own::change(&batch).await?,
        };
        entries.extend(audit);
        audit::insert(&transaction, &context.names, &context.audit_key, &mut chain, &entries).await?;
        let Batch { stamps, learned, .. } = batch;
        let order = stamps.finish();
        let committed = transaction.commit().await;
        // Not where only the log of reads grew: who reads that looks anew.
        if let Some(writer) = context.sqlite.as_ref().filter(|_| !jobs.is_empty()) {
            writer.note_change();
        }
        committed?;

        if let Order::Sqlite { sequence, stamp } = &order {
            let mut visible = context.visible.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *visible = Visible { sequence: *sequence, time: *stamp };
        }
        self.doubtful = false;
        self.order = order;
        self.chain = chain;
        self.known.learn(learned);
        if let Some(changed) = changed {
            context.held.publish(changed);
        }
        context.held.set_indexed(&indexed);
        Ok(results)
    }
}
