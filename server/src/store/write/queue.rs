//! The waiting lines before the writer: requests first, bulk work in small bites beside them, audit entries of reads
//! whenever a transaction is made anyway, or after a short while.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::super::audit::AuditEntry;
use super::super::error::StoreError;
use super::super::options::Limits;
use super::super::record::Written;
use super::super::unit::{Action, Operation, Priority, Unit, Work};
use super::audit_line::AuditLine;

pub(in super::super) struct Pending {
    pub(super) job: Job,
    pub(super) answer: oneshot::Sender<Result<Vec<Written>, StoreError>>,
}

pub(in super::super) enum Job {
    Unit(Unit),
    /// Derive the rows of parameters that are not indexed yet for the next so many resources.
    Reindex {
        bite: usize,
    },
}

impl Pending {
    pub(super) fn is_bulk(&self) -> bool {
        self.job.is_bulk()
    }
}

impl Job {
    fn operations(&self) -> usize {
        match self {
            Job::Unit(Unit { work: Work::Operations(operations), .. }) => operations.len(),
            // Not known before it is resolved; most are one.
            Job::Unit(_) => 1,
            Job::Reindex { bite } => *bite,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Job::Unit(Unit { work: Work::Operations(operations), .. }) => operations.iter().map(size).sum(),
            Job::Unit(_) | Job::Reindex { .. } => 0,
        }
    }

    fn is_bulk(&self) -> bool {
        match self {
            Job::Unit(unit) => unit.priority == Priority::Bulk,
            Job::Reindex { .. } => true,
        }
    }
}

pub(super) fn size(operation: &Operation) -> usize {
    match &operation.action {
        Action::Create { content } | Action::Update { content, .. } | Action::Relabel { content, .. } => {
            content.body.size()
        }
        Action::Delete | Action::Keep => 0,
    }
}

/// How much waits for the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub requests: usize,
    pub bulk: usize,
    pub audit: usize,
}

/// The entrances. When the last is dropped, the writer finishes what waits and ends.
#[derive(Clone)]
pub(in super::super) struct Queue {
    requests: mpsc::Sender<Pending>,
    bulk: mpsc::Sender<Pending>,
    audit: Arc<AuditLine>,
}

impl Queue {
    pub(in super::super) fn new(limits: &Limits) -> (Self, Lines) {
        let (requests, requests_out) = mpsc::channel(limits.queue);
        let (bulk, bulk_out) = mpsc::channel(limits.queue.min(limits.batch_operations));
        let audit = Arc::new(AuditLine::new(limits.audit_buffer, AUDIT_BATCH));
        let lines = Lines {
            requests: requests_out,
            bulk: bulk_out,
            audit: audit.clone(),
            next_request: None,
            next_bulk: None,
            last_request: None,
            next_bulk_at: None,
            limits: limits.clone(),
        };
        (Queue { requests, bulk, audit }, lines)
    }

    /// None when the writer has stopped.
    pub(in super::super) fn waiting(&self) -> Option<Waiting> {
        fn length<T>(line: &mpsc::Sender<T>) -> usize {
            line.max_capacity() - line.capacity()
        }
        let waiting =
            Waiting { requests: length(&self.requests), bulk: length(&self.bulk), audit: self.audit.length() };
        (!self.requests.is_closed()).then_some(waiting)
    }

    /// Waits for the answer. A request that finds the queue full is refused at once; bulk work waits for its turn.
    pub(in super::super) async fn run(&self, job: Job) -> Result<Vec<Written>, StoreError> {
        let (answer, answered) = oneshot::channel();
        let closed = || StoreError::Unavailable("the writer has stopped".to_owned());
        if job.is_bulk() {
            self.bulk.send(Pending { job, answer }).await.map_err(|_| closed())?;
        } else {
            self.requests.try_send(Pending { job, answer }).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => closed(),
            })?;
        }
        answered.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Waits while the buffer is full: a read whose audit cannot be kept is not answered.
    pub(in super::super) async fn audit(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.audit.push(entry).await.map_err(|_| StoreError::Unavailable("the writer has stopped".to_owned()))
    }
}

pub(in super::super) struct Lines {
    requests: mpsc::Receiver<Pending>,
    bulk: mpsc::Receiver<Pending>,
    audit: Arc<AuditLine>,
    /// Taken from a line, but too large for the batch that was being filled.
    next_request: Option<Pending>,
    next_bulk: Option<Pending>,
    last_request: Option<Instant>,
    /// Before then bulk work waits, if there are requests.
    next_bulk_at: Option<Instant>,
    limits: Limits,
}

/// Requests are still expected so long after the last: a client that waits for its answer sends the next.
const REQUESTS_LINGER: Duration = Duration::from_millis(50);

/// How many audit entries one transaction takes of those that wait.
const AUDIT_BATCH: usize = 4_096;

impl Lines {
    /// What the next transaction is made of; none when all entrances are closed and nothing waits.
    /// Entries in `audit` are kept for it.
    pub(super) async fn next(&mut self, audit: &mut VecDeque<AuditEntry>) -> Option<Vec<Pending>> {
        let mut batch = Vec::new();
        if self.next_request.is_none() && self.next_bulk.is_none() {
            self.wait(audit).await?;
        }
        if self.next_request.is_none()
            && self.next_bulk.is_some()
            && let Some(at) = self.bulk_waits_until()
        {
            tokio::select! {
                biased;
                Some(pending) = self.requests.recv() => self.next_request = Some(pending),
                () = tokio::time::sleep_until(at.into()) => {}
            }
        }
        let (mut operations, mut bytes) = (0, 0);
        while let Some(pending) = self.next_request.take().or_else(|| self.requests.try_recv().ok()) {
            if !batch.is_empty() && !self.fits(&pending, operations, bytes) {
                self.next_request = Some(pending);
                break;
            }
            self.last_request = Some(Instant::now());
            operations += pending.job.operations();
            bytes += pending.job.bytes();
            batch.push(pending);
        }
        // While requests come in, bulk work gets half of the time, in bites.
        let busy = self.last_request.is_some_and(|at| at.elapsed() < REQUESTS_LINGER);
        let waits = self.bulk_waits_until().is_some();
        let most = operations + if busy { self.limits.bulk_bite } else { self.limits.batch_operations };
        let mut bulk = 0;
        while !waits && let Some(pending) = self.next_bulk.take().or_else(|| self.bulk.try_recv().ok()) {
            let fits = operations + pending.job.operations() <= most && self.fits(&pending, operations, bytes);
            // One is always taken, however large: it would wait for ever.
            if bulk > 0 && !fits {
                self.next_bulk = Some(pending);
                break;
            }
            bulk += 1;
            operations += pending.job.operations();
            bytes += pending.job.bytes();
            batch.push(pending);
        }
        self.audit.take(audit, AUDIT_BATCH);
        Some(batch)
    }

    /// Until when bulk work waits for requests; none where it need not.
    fn bulk_waits_until(&self) -> Option<Instant> {
        let at = Ord::min(self.next_bulk_at?, self.last_request? + REQUESTS_LINGER);
        (Instant::now() < at).then_some(at)
    }

    /// Tells how long a transaction with bulk work in it took: requests get as long before the next.
    pub(super) fn bulk_took(&mut self, time: Duration) {
        self.next_bulk_at = Some(Instant::now() + time);
    }

    /// Nothing comes any more but what waits already.
    pub(super) fn are_closed(&self) -> bool {
        self.requests.is_closed()
    }

    fn fits(&self, pending: &Pending, operations: usize, bytes: usize) -> bool {
        operations + pending.job.operations() <= self.limits.batch_operations
            && bytes + pending.job.bytes() <= self.limits.batch_bytes
    }

    /// Until there is a job, or audit entries have waited long enough.
    async fn wait(&mut self, kept: &VecDeque<AuditEntry>) -> Option<()> {
        let delay = tokio::time::sleep(self.limits.audit_delay);
        tokio::pin!(delay);
        let mut some_wait = !kept.is_empty() || self.audit.length() > 0;
        loop {
            if kept.len() + self.audit.length() >= AUDIT_BATCH {
                return Some(());
            }
            tokio::select! {
                biased;
                pending = self.requests.recv() => {
                    self.next_request = pending;
                    if self.next_request.is_some() {
                        return Some(());
                    }
                    // All entrances are closed together: what still waits elsewhere comes first.
                    self.next_bulk = self.bulk.recv().await;
                    let is_something_left =
                        self.next_bulk.is_some() || !kept.is_empty() || self.audit.length() > 0;
                    return is_something_left.then_some(());
                }
                Some(pending) = self.bulk.recv() => {
                    self.next_bulk = Some(pending);
                    return Some(());
                }
                () = self.audit.arrived() => {
                    if !some_wait {
                        some_wait = true;
                        delay.as_mut().reset(tokio::time::Instant::now() + self.limits.audit_delay);
                    }
                }
                () = &mut delay, if some_wait => return Some(()),
            }
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.audit.close();
    }
}
