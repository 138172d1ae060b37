//! The line of audit entries of reads. The writer is woken for the first of them and for a full batch, not for each:
//! to wake a thread costs more than a read.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::super::audit::AuditEntry;

pub(super) struct AuditLine {
    waiting: Mutex<Waiting>,
    capacity: usize,
    /// So many are worth a transaction of their own.
    batch: usize,
    arrived: Notify,
    space: Notify,
}

#[derive(Default)]
struct Waiting {
    entries: VecDeque<AuditEntry>,
    closed: bool,
}

/// Nobody takes what is put in.
#[derive(Debug)]
pub(super) struct Closed;

impl AuditLine {
    pub(super) fn new(capacity: usize, batch: usize) -> Self {
        let waiting = Mutex::default();
        AuditLine { waiting, capacity, batch, arrived: Notify::new(), space: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn length(&self) -> usize {
        self.lock().entries.len()
    }

    /// Waits while the line is full.
    pub(super) async fn push(&self, entry: AuditEntry) -> Result<(), Closed> {
        let Some(mut entry) = self.try_push(entry)? else { return Ok(()) };
        loop {
            let space = self.space.notified();
            tokio::pin!(space);
            // Before looking again, so that space made meanwhile is heard of.
            space.as_mut().enable();
            match self.try_push(entry)? {
                None => return Ok(()),
                Some(refused) => entry = refused,
            }
            space.await;
        }
    }

    /// Gives the entry back where the line is full.
    fn try_push(&self, entry: AuditEntry) -> Result<Option<AuditEntry>, Closed> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(Closed);
        }
        if waiting.entries.len() >= self.capacity {
            return Ok(Some(entry));
        }
        waiting.entries.push_back(entry);
        let length = waiting.entries.len();
        drop(waiting);
        if length == 1 || length == self.batch {
            self.arrived.notify_one();
        }
        Ok(None)
    }

    /// Until the first entry has come, or a batch is full. It may also tell of entries that were taken meanwhile.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Moves entries behind those of `batch` until it has `most`.
    pub(super) fn take(&self, batch: &mut VecDeque<AuditEntry>, most: usize) {
        let mut waiting = self.lock();
        let count = most.saturating_sub(batch.len()).min(waiting.entries.len());
        batch.extend(waiting.entries.drain(..count));
        drop(waiting);
        if count > 0 {
            self.space.notify_waiters();
        }
    }

    /// Nothing is taken any more: who waits for space is told.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.space.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::super::super::audit::{AuditAction, AuditOutcome};
    use super::*;

    fn entry() -> AuditEntry {
        AuditEntry {
            time: jiff::Timestamp::UNIX_EPOCH,
            actor: "".into(),
            client: "".into(),
            action: AuditAction::Read,
            interaction: "read".into(),
            outcome: AuditOutcome::Success,
            patient: None,
            resource_type: None,
            resource_id: None,
            request_id: String::new(),
            address: None,
            query: None,
            token: None,
        }
    }

    #[tokio::test]
    async fn the_writer_is_woken_for_the_first_entry_and_for_a_full_batch_only() {
        let line = AuditLine::new(8, 3);
        assert!(line.arrived().now_or_never().is_none());
        let mut woken = Vec::new();
        for _ in 0..4 {
            line.push(entry()).await.unwrap();
            woken.push(line.arrived().now_or_never().is_some());
        }
        assert_eq!(woken, [true, false, true, false]);
        let mut taken = VecDeque::new();
        line.take(&mut taken, 3);
        assert_eq!((taken.len(), line.length()), (3, 1));
    }

    #[tokio::test]
    async fn who_finds_the_line_full_waits_and_hears_of_space_and_of_the_end() {
        let line = AuditLine::new(1, 8);
        line.push(entry()).await.unwrap();
        let mut second = Box::pin(line.push(entry()));
        assert!(second.as_mut().now_or_never().is_none());
        let mut taken = VecDeque::new();
        line.take(&mut taken, 8);
        second.await.unwrap();
        assert_eq!(line.length(), 1);

        let mut third = Box::pin(line.push(entry()));
        assert!(third.as_mut().now_or_never().is_none());
        line.close();
        assert!(third.await.is_err());
        assert!(line.push(entry()).await.is_err());
    }
}
