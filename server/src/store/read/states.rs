//! The states of an SQLite database that connections look at. A connection goes on with the one that it has for as long as
//! nothing was committed that a reader must see: to begin anew takes system calls and, since SQLite gives up the mapping
//! of the file whenever anything was committed, page faults for all that is read next. The audit entries of reads are
//! committed all the time, and no reader of records sees them.
//!
//! The write-ahead log cannot start over while an old state is looked at: who copies it back asks for [`States::let_go`].

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rusqlite::Connection;

/// No state is kept longer than this. One that is taken while the log has grown long is slower to read from: each page is looked
/// for in all of it.
const KEPT: Duration = Duration::from_secs(60);

/// The connections that read a database, and how often it was changed.
#[derive(Default)]
pub(in super::super) struct States {
    changes: AtomicU64,
    /// Whether something was committed since it was last asked.
    committed: AtomicBool,
    connections: Mutex<Vec<Weak<Held>>>,
}

/// A connection, with the state that it looks at.
pub(super) struct Held(Mutex<Looking>);

struct Looking {
    connection: Connection,
    /// What runs on the connection is interrupted then.
    deadline: Arc<AtomicU64>,
    /// How many changes it has seen at least, and since when it looks.
    state: Option<(u64, Duration)>,
}

impl States {
    /// Something was committed, or may have been: from now on nobody looks at what was before. To be called before anybody is
    /// told of the commit.
    pub(in super::super) fn change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.committed.store(true, Ordering::Relaxed);
    }

    /// Whether there was a change since the last time.
    pub(in super::super) fn take_committed(&self) -> bool {
        self.committed.swap(false, Ordering::Relaxed)
    }

    /// No connection looks at an earlier state any more, but for queries under way.
    pub(in super::super) fn let_go(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.retain(|connection| {
            let Some(held) = connection.upgrade() else { return false };
            if let Ok(mut looking) = held.0.try_lock()
                && let Err(error) = looking.let_go()
            {
                tracing::warn!(%error, "a reader of the database could not let its state go");
            }
            true
        });
    }

    /// `deadline`: nanoseconds on the clock of [`Held::with`], looked at by the connection's progress handler.
    pub(super) fn hold(&self, connection: Connection, deadline: Arc<AtomicU64>) -> Arc<Held> {
        let held = Arc::new(Held(Mutex::new(Looking { connection, deadline, state: None })));
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&held));
        held
    }
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, Looking> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a query on a state that has all changes until now, within a budget. `now`: on any clock that only goes forward.
    pub(super) fn with<T, E: From<rusqlite::Error>>(
        &self,
        states: &States,
        (now, budget): (Duration, Duration),
        query: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut looking = self.lock();
        // Before the state is taken, which may have more by then and never less.
        let changes = states.changes.load(Ordering::Acquire);
        let is_good = looking.state.is_some_and(|(seen, since)| seen == changes && now.saturating_sub(since) < KEPT);
        if !is_good {
            looking.let_go()?;
            looking.connection.prepare_cached("BEGIN")?.raw_execute()?;
            looking.state = Some((changes, now));
        }
        looking.deadline.store((now + budget).as_nanos().try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
        let result = query(&looking.connection);
        looking.deadline.store(u64::MAX, Ordering::Relaxed);
        if result.is_err() {
            looking.let_go()?;
        }
        result
    }
}

impl Looking {
    fn let_go(&mut self) -> rusqlite::Result<()> {
        if !self.connection.is_autocommit() {
            self.connection.prepare_cached("COMMIT")?.raw_execute()?;
        }
        self.state = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(connection: &Connection) -> rusqlite::Result<i64> {
        connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
    }

    fn is_held_up(writer: &Connection) -> bool {
        writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn a_state_is_kept_until_a_change_or_its_time_is_over_and_holds_up_no_checkpoint_once_it_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let writer = Connection::open(&file).unwrap();
        writer.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(a)").unwrap();
        let states = States::default();
        let held = states.hold(Connection::open(&file).unwrap(), Arc::default());
        let second = Duration::from_secs(1);
        let sees = |seconds: u32| held.with(&states, (seconds * second, second), count).unwrap();
        let write = || writer.execute_batch("INSERT INTO t VALUES (1)").unwrap();

        assert_eq!(sees(0), 0);
        write();
        assert_eq!(sees(1), 0);
        states.change();
        assert_eq!(sees(1), 1);
        write();
        assert_eq!((sees(60), sees(61)), (1, 2));
        assert!(states.take_committed());

        write();
        assert!(is_held_up(&writer));
        states.let_go();
        assert!(!is_held_up(&writer));
        assert_eq!(sees(61), 3);
        assert!(!states.take_committed());

        // Whatever is wrong with a state, the next query has another.
        assert!(
            held.with(&states, (61 * second, second), |connection| connection.execute_batch("SELECT * FROM u"))
                .is_err()
        );
        write();
        assert_eq!(sees(61), 4);
        drop(held);
        states.let_go();
        assert!(states.connections.lock().unwrap().is_empty());
    }
}
