//! Persistence, on SQLite and on PostgreSQL. The only room that knows SQL.
//!
//! One [`Store`] a site. Writes go as [`Unit`]s to a group-commit writer and are answered after the commit; reads are
//! SQL statements built once with sea-query for both databases. `index/` has the index tables and the derivation of
//! their rows.
//!
//! The signatures of `Store` (its body lands next):
//!
//! ```text
//! Store::open(Options, |&Arc<Dictionary>, &Names| -> Arc<dyn Indexer>) -> Result<Arc<Store>, StoreError>
//! store.names() -> &Names          store.dictionary() -> &Arc<Dictionary>
//! store.write(Unit).await -> Result<Vec<Written>, StoreError>       one Written an operation, in order
//! store.read(resource_type, &id).await -> Result<Option<Stored>>    deletions included
//! store.read_version(resource_type, &id, version).await -> Result<Option<Stored>>
//! store.read_many(&[key]).await -> Result<Vec<Stored>>
//! store.page(&SelectStatement, sort_columns).await -> Result<Vec<Found>>
//! store.count(&SelectStatement).await -> Result<i64>
//! store.history(&HistoryQuery).await -> Result<HistoryPage>
//! store.visible().await -> Result<Visible>
//! store.audit(AuditEntry).await                                     for reads; waits when the buffer is full
//! store.secret("cursor").await -> Result<[u8; 32]>                  made at first use, kept in the database
//! ```

mod audit;
mod body;
mod compartment;
mod error;
pub mod index;
mod parameters;
mod record;
pub mod schema;
mod unit;
mod write;

pub use audit::{AuditAction, AuditEntry, AuditOutcome};
pub use body::{Body, instant};
pub use compartment::CompartmentRow;
pub use error::{Refusal, StoreError};
pub use parameters::{Dictionary, Indexer, ParameterDefinition, ParameterEntry};
pub use record::{
    Effect, Found, HistoryEntry, HistoryPage, HistoryQuery, HistoryScope, Method, SortValue, Stored, Visible, Written,
};
pub use schema::Names;
pub use unit::{Action, Check, Content, Operation, Priority, Resolve, Unit, Work};
pub use write::View;
