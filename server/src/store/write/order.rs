//! The commit sequence and the stamps of `lastUpdated`, such that the order of commits is visible: what a reader was
//! told to be complete stays complete.
//!
//! SQLite numbers and stamps inside its one write lock. On PostgreSQL several transactions run at once, and one may
//! commit after another with a higher number. So a writer takes two shared advisory locks before it draws a number
//! or a stamp: one names the sequence as it stood, one the time; they are released after the commit is visible. A
//! reader first looks at the sequence and the clock and then at these locks, and stays below the oldest.

use jiff::Timestamp;
use sea_orm::sea_query::{self, Query};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};

use super::super::columns::{Columns, timestamp};
use super::super::error::StoreError;
use super::super::own::{self, GENERATION};
use super::super::record::Visible;
use super::super::schema::{Names, Resource};
use super::transaction::Transaction;

/// Where numbers and stamps come from.
#[derive(Debug, Clone)]
pub(in super::super) enum Order {
    Sqlite { sequence: i64, stamp: Timestamp },
    Postgres(PostgresOrder),
}

/// The advisory locks of one site: their first halves are the object ids of two of its relations, which are unique
/// in the database.
#[derive(Debug, Clone)]
pub(in super::super) struct PostgresOrder {
    sequence: String,
    resource: String,
    resource_history: String,
    sequence_class: i64,
    time_class: i64,
    /// The lock of one number that is held shared by whoever derives rows, and alone by whoever changes by what.
    parameters_lock: i64,
    setting: String,
}

const MICROSECONDS: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

impl PostgresOrder {
    pub(in super::super) async fn open(connection: &impl ConnectionTrait, names: &Names) -> Result<Self, StoreError> {
        let sequence = names.quoted("commit_sequence");
        let (resource, resource_history) = (names.quoted("resource"), names.quoted("resource_history"));
        let setting = names.quoted("setting");
        let sql = format!(
            "SELECT '{sequence}'::regclass::oid::bigint, '{resource}'::regclass::oid::bigint, \
             '{setting}'::regclass::oid::bigint"
        );
        let row = one(connection, sql).await?;
        let (sequence_class, time_class, parameters_lock) = (row.integer(0)?, row.integer(1)?, row.integer(2)?);
        let order = PostgresOrder {
            sequence,
            resource,
            resource_history,
            sequence_class,
            time_class,
            parameters_lock,
            setting,
        };
        Ok(order)
    }

    /// Keeps all writers of all processes from deriving rows until the end of the transaction.
    pub(in super::super) async fn lock_parameters(&self, transaction: &Transaction) -> Result<(), StoreError> {
        let Transaction::Postgres(transaction) = transaction else { return Ok(()) };
        let sql = format!("SELECT 1::bigint, pg_advisory_xact_lock({}::bigint)", self.parameters_lock);
        one(transaction, sql).await.map(|_| ())
    }

    /// Keeps others from changing by what rows are derived until the end of the transaction, and says what it is.
    pub(in super::super) async fn share_parameters(&self, transaction: &Transaction) -> Result<Vec<u8>, StoreError> {
        let Transaction::Postgres(transaction) = transaction else { return Ok(Vec::new()) };
        let sql = format!("SELECT 1::bigint, pg_advisory_xact_lock_shared({}::bigint)", self.parameters_lock);
        one(transaction, sql).await?;
        one(transaction, format!("SELECT value FROM {} WHERE name = '{GENERATION}'", self.setting)).await?.blob(0)
    }

    /// Registers a transaction; returns the stamp of what it writes, and the generation of users' own parameters by
    /// which it derives rows, which stays the same until its end.
    async fn register(
        &self,
        transaction: &DatabaseTransaction,
        exclusive: bool,
    ) -> Result<(Timestamp, Vec<u8>), StoreError> {
        // The second half of a lock is 32 bits, as a signed integer.
        let signed = |value: &str| format!("((({value}) & 4294967295) - 2147483648)::int4");
        let sql = format!(
            "SELECT 1::bigint, pg_advisory_xact_lock{}({}::bigint), pg_advisory_xact_lock_shared({}::int4, {}), \
             pg_advisory_xact_lock_shared({}::int4, {}) FROM {}",
            if exclusive { "" } else { "_shared" },
            self.parameters_lock,
            self.sequence_class as i32,
            signed("CASE WHEN is_called THEN last_value ELSE 0 END"),
            self.time_class as i32,
            // Cut, not rounded: the lock must not be later than the stamp.
            signed("floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint"),
            self.sequence,
        );
        one(transaction, sql).await?;
        // A statement of its own: it must be later than the locks.
        let generation = format!("SELECT value FROM {} WHERE name = '{GENERATION}'", self.setting);
        let row = one(transaction, format!("SELECT {MICROSECONDS}, ({generation})")).await?;
        Ok((timestamp(row.integer(0)?)?, row.blob(1)?))
    }

    /// Units that first look and then write by what they found (a conditional create) run one after the other, in
    /// all processes: two that run at once would both find nothing and both create.
    /// <https://hl7.org/fhir/R4/http.html#ccreate>
    async fn serialise(&self, transaction: &DatabaseTransaction) -> Result<(), StoreError> {
        // A lock of one number: those of `register` are of two.
        let sql = format!("SELECT 1::bigint, pg_advisory_xact_lock({}::bigint)", self.sequence_class);
        one(transaction, sql).await.map(|_| ())
    }

    async fn draw(&self, transaction: &DatabaseTransaction, count: usize) -> Result<Vec<i64>, StoreError> {
        let sql = format!("SELECT nextval('{}') FROM generate_series(1, {count})", self.sequence);
        let rows = transaction.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        let mut numbers = rows.iter().map(|row| row.integer(0)).collect::<Result<Vec<_>, _>>()?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// How far a reader may look now.
    pub(in super::super) async fn visible(&self, connection: &impl ConnectionTrait) -> Result<Visible, StoreError> {
        let sql =
            format!("SELECT CASE WHEN is_called THEN last_value ELSE 0 END, {MICROSECONDS} FROM {}", self.sequence);
        let row = one(connection, sql).await?;
        let (mut sequence, mut time) = (row.integer(0)?, row.integer(1)?);
        let sql = format!(
            "SELECT classid::bigint, objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 \
             AND classid IN ({}, {}) \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            self.sequence_class, self.time_class
        );
        let locks = connection.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        let (last, now) = (sequence, time);
        for lock in &locks {
            // Back from the signed half to the low 32 bits.
            let low = (lock.integer(1)? + 0x8000_0000) & 0xffff_ffff;
            if lock.integer(0)? == self.sequence_class {
                sequence = sequence.min(nearest_below(low, last));
            } else {
                let milliseconds = nearest_below(low, now / 1000);
                // The stamp is later than the lock; one less, for it is cut to milliseconds.
                time = time.min(milliseconds * 1000 - 1);
            }
        }
        // A number above the bound may have been committed before this look, with an earlier stamp than the oldest
        // unfinished transaction's: the time must be before it, or who goes on from the time would miss it.
        let sql = format!(
            "SELECT least((SELECT min(last_updated) FROM {} WHERE sequence > {sequence}), \
             (SELECT min(last_updated) FROM {} WHERE sequence_from > {sequence}), {time} + 1)",
            self.resource, self.resource_history
        );
        time = time.min(one(connection, sql).await?.integer(0)? - 1);
        Ok(Visible { sequence, time: timestamp(time)? })
    }
}

/// The largest number with these low 32 bits that is not above `limit`; one slightly above (taken between two looks)
/// is `limit` itself.
fn nearest_below(low: i64, limit: i64) -> i64 {
    let distance = (limit - low).rem_euclid(1 << 32);
    if distance > 1 << 31 { limit } else { limit - distance }
}

pub(in super::super) async fn one(
    connection: &impl ConnectionTrait,
    sql: String,
) -> Result<sea_orm::QueryResult, StoreError> {
    let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("a row that is always there".to_owned()).into())
}

/// The last commit of an SQLite database.
pub(in super::super) async fn last_commit(
    connection: &impl ConnectionTrait,
    names: &Names,
) -> Result<Visible, StoreError> {
    let statement = Query::select()
        .columns([Resource::LastUpdated, Resource::Sequence])
        .from(names.table(Resource::Table))
        .order_by(Resource::Sequence, sea_query::Order::Desc)
        // Within one batch a later version may carry a stamp a few microseconds earlier.
        .limit(1_000)
        .take();
    let (mut time, mut sequence) = (0, 0);
    for row in connection.query_all(&statement).await? {
        time = Ord::max(time, row.integer(0)?);
        sequence = Ord::max(sequence, row.integer(1)?);
    }
    Ok(Visible { sequence, time: timestamp(time)? })
}

/// What a transaction is going to do.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Asks {
    /// It looks, and writes by what it finds.
    pub(in super::super) resolves: bool,
    /// It changes users' own parameters: on PostgreSQL it waits until no other derives rows, and keeps them from it.
    pub(in super::super) exclusive: bool,
}

/// The numbers and the stamp of one transaction.
pub(in super::super) struct Stamps<'a> {
    order: &'a Order,
    /// Of users' own parameters; none on SQLite, where no other process changes them.
    pub(in super::super) generation: Option<i64>,
    /// Of the next version; never earlier than that of the one before.
    pub(in super::super) stamp: Timestamp,
    next: i64,
    drawn: std::collections::VecDeque<i64>,
}

impl<'a> Stamps<'a> {
    pub(in super::super) async fn begin(
        order: &'a Order,
        now: Timestamp,
        transaction: &Transaction,
        asks: Asks,
    ) -> Result<Self, StoreError> {
        let mut generation = None;
        let (stamp, next) = match (order, transaction) {
            (Order::Postgres(order), Transaction::Postgres(transaction)) => {
                if asks.resolves {
                    order.serialise(transaction).await?;
                }
                let (stamp, number) = order.register(transaction, asks.exclusive).await?;
                generation = Some(own::generation(&number)?);
                (stamp, 0)
            }
            // Cut to what the column holds; later than what was stamped before, even if the clock went back.
            (Order::Sqlite { sequence, stamp }, _) => {
                let floor = stamp.as_microsecond() + 1;
                (timestamp(now.as_microsecond().max(floor))?, sequence + 1)
            }
            (Order::Postgres(_), Transaction::Sqlite(_)) => {
                return Err(StoreError::Statement("the order is of another database".to_owned()));
            }
        };
        Ok(Stamps { order, generation, stamp, next, drawn: Default::default() })
    }

    /// The next `count` numbers of the sequence, ascending. On PostgreSQL only after the rows that they are for have
    /// been locked.
    pub(in super::super) async fn reserve(
        &mut self,
        transaction: &Transaction,
        count: usize,
    ) -> Result<(), StoreError> {
        if let (Order::Postgres(order), Transaction::Postgres(transaction)) = (self.order, transaction) {
            // Numbers drawn for an earlier unit would be too low for rows that this one has just waited for.
            self.drawn.clear();
            if count > 0 {
                self.drawn.extend(order.draw(transaction, count).await?);
            }
        }
        Ok(())
    }

    pub(in super::super) fn number(&mut self) -> Result<i64, StoreError> {
        match self.order {
            Order::Sqlite { .. } => {
                self.next += 1;
                Ok(self.next - 1)
            }
            Order::Postgres(_) => self
                .drawn
                .pop_front()
                .ok_or_else(|| StoreError::Inconsistent("more sequence numbers were used than reserved".to_owned())),
        }
    }

    /// The state after the commit.
    pub(super) fn finish(self) -> Order {
        match self.order {
            Order::Sqlite { .. } => Order::Sqlite { sequence: self.next - 1, stamp: self.stamp },
            Order::Postgres(order) => Order::Postgres(order.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::nearest_below;

    #[test]
    fn a_lock_names_the_nearest_number_below() {
        assert_eq!(nearest_below(5, 7), 5);
        assert_eq!(nearest_below(0xffff_ffff, 1 << 32), (1 << 32) - 1);
        assert_eq!(nearest_below(3, (1 << 32) + 5), (1 << 32) + 3);
        assert_eq!(nearest_below(9, 7), 7);
    }
}
