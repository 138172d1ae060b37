//! Persistence, on SQLite and on PostgreSQL. The only room that knows SQL.
//!
//! One [`Store`] a site. Writes go as [`Unit`]s to a group-commit writer and are answered after the commit; reads are
//! SQL statements built once with sea-query for both databases. `index/` has the index tables and the derivation of
//! their rows.

mod audit;
mod authorization;
mod body;
mod check;
mod columns;
mod compartment;
mod dictionary;
mod distinct;
mod error;
mod explain;
mod history;
pub mod index;
mod local;
mod lock;
mod migration;
mod open;
mod options;
mod own;
mod parameters;
mod patience;
mod read;
mod record;
mod reindex;
pub mod schema;
mod site_store;
#[cfg(test)]
mod tests;
mod unit;
mod walk;
mod write;

pub use audit::{
    AuditAction, AuditEntry, AuditKey, AuditOutcome, AuditPlace, AuditQuery, AuditReport, Audited, LoggedHead,
};
pub use authorization::AuthorizationStore;
pub use body::{Body, instant};
pub use check::CheckReport;
pub use compartment::CompartmentRow;
pub use error::{Refusal, StoreError};
pub use explain::Explained;
pub use local::{Handler, LocalClient, LocalServer};
pub use lock::FolderLock;
pub use options::{Database, Limits, Options, PostgresPool};
pub use parameters::{Dictionary, Indexer, ParameterDefinition, ParameterEntry, Parameters, Posted};
pub use patience::Patience;
pub use record::{
    Effect, Found, HistoryEntry, HistoryPage, HistoryQuery, HistoryScope, Method, SortValue, Stored, Visible, Written,
};
pub use reindex::ReindexProgress;
pub use schema::Names;
pub use sea_orm::sea_query::SelectStatement;
pub use site_store::Store;
pub use unit::{Action, Check, Content, Operation, Priority, Resolve, Unit, Work};
pub use write::{View, Waiting};
