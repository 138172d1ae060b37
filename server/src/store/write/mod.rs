//! The writer: takes what is waiting, commits it as one transaction, answers after the commit.
//!
//! `queue` has the waiting lines, `task` the loop with its retries, `batch` what one transaction does, `transaction` the
//! same on either database, `rows` and `insert` the statements, `audit` the chained audit rows, `order` the stamps that
//! keep the order of commits visible.

mod audit;
mod audit_line;
mod batch;
mod insert;
mod order;
mod queue;
mod rows;
mod sqlite;
mod task;
mod transaction;
mod view;

pub(super) use batch::{Batch, Known};
pub(super) use insert::{Cell, Insert};
pub(super) use order::{Asks, Order, PostgresOrder, Stamps, last_commit, one};
pub use queue::Waiting;
pub(super) use queue::{Job, Queue};
#[cfg(test)]
pub(super) use rows::remove_compartments;
pub(super) use rows::{CompartmentEntry, select_patients};
pub(super) use sqlite::SqliteWriter;
pub(super) use task::{WriteContext, spawn};
pub(super) use transaction::Transaction;
pub use view::View;
#[cfg(test)]
pub(super) use view::select_current;
