//! The writer: takes what is waiting, commits it as one transaction, answers after the commit.

use sea_orm::DatabaseTransaction;
use sea_orm::sea_query::SelectStatement;

use super::error::StoreError;
use super::record::{Found, Stored};
use super::schema::Names;

/// What a unit may read inside the write transaction; it sees the units before it in the same batch.
pub struct View<'a> {
    transaction: &'a DatabaseTransaction,
    names: &'a Names,
}

impl View<'_> {
    pub fn names(&self) -> &Names {
        self.names
    }

    /// The current version, deletions included.
    pub async fn read(&self, _resource_type: u16, _id: &str) -> Result<Option<Stored>, StoreError> {
        let _ = self.transaction;
        Err(StoreError::Busy)
    }

    /// A page statement: the columns of [`super::schema::select_stored`], then `sort_columns` sort values.
    pub async fn search(&self, _page: &SelectStatement, _sort_columns: usize) -> Result<Vec<Found>, StoreError> {
        Err(StoreError::Busy)
    }
}
