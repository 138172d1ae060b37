//! The writer: takes what is waiting, commits it as one transaction, answers after the commit.
//!
//! `queue` has the waiting lines, `task` the loop with its retries, `batch` what one transaction does, `rows` the
//! statements, `audit` the chained audit rows, `order` the stamps that keep the order of commits visible.

mod audit;
mod batch;
mod order;
mod queue;
mod rows;
mod task;
mod view;

pub(super) use audit::Chain;
pub(super) use batch::{Batch, Patients};
pub(super) use order::{Order, PostgresOrder, Stamps, last_commit, one};
pub use queue::Waiting;
pub(super) use queue::{Job, Queue};
#[cfg(test)]
pub(super) use rows::remove_compartments;
pub(super) use rows::{CompartmentEntry, select_patients};
pub(super) use task::{WriteContext, spawn};
pub use view::View;
#[cfg(test)]
pub(super) use view::select_current;
