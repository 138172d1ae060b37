//! Reading inside a write transaction.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, LockType, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend};

use super::super::columns::{Columns, found, stored};
use super::super::error::StoreError;
use super::super::record::{Found, Method, Stored};
use super::super::schema::{Names, Resource, chunks, select_stored};
use super::batch::Current;

/// What a unit may read inside the write transaction; it sees the units before it in the same batch.
pub struct View<'a> {
    pub(super) transaction: &'a DatabaseTransaction,
    pub(super) names: &'a Names,
}

impl View<'_> {
    pub fn names(&self) -> &Names {
        self.names
    }

    /// The current version, deletions included.
    pub async fn read(&self, resource_type: u16, id: &str) -> Result<Option<Stored>, StoreError> {
        let found = current(self.transaction, self.names, resource_type, &[id]).await?;
        Ok(found.into_iter().next().map(|current| current.stored))
    }

    /// A page statement: the columns of [`super::super::schema::select_stored`], then `sort_columns` sort values.
    pub async fn search(&self, page: &SelectStatement, sort_columns: usize) -> Result<Vec<Found>, StoreError> {
        let rows = self.transaction.query_all(page).await?;
        rows.iter().map(|row| found(row, sort_columns)).collect()
    }
}

/// The current versions of some resources of a type, locked until the end of the transaction.
pub(super) async fn current(
    transaction: &DatabaseTransaction,
    names: &Names,
    resource_type: u16,
    ids: &[&str],
) -> Result<Vec<Current>, StoreError> {
    let mut all = Vec::with_capacity(ids.len());
    let lock = transaction.get_database_backend() == DbBackend::Postgres;
    for ids in chunks(ids, 256) {
        for row in transaction.query_all(&select_current(names, resource_type, ids, lock)).await? {
            all.push(Current { stored: stored(&row)?, method: Method::from_code(row.small(8)?), content: None });
        }
    }
    Ok(all)
}

pub(in super::super) fn select_current(names: &Names, resource_type: u16, ids: &[&str], lock: bool) -> SelectStatement {
    let mut statement = Query::select();
    select_stored(&mut statement, Resource::Table);
    statement
        .column((Resource::Table, Resource::Method))
        .from_as(names.table(Resource::Table), Alias::new("resource"))
        .and_where(Expr::col((Resource::Table, Resource::Type)).eq(resource_type as i16))
        .and_where(Expr::col((Resource::Table, Resource::Id)).is_in(ids.iter().copied()));
    if lock {
        // In one order in every process, so that two writers wait for each other instead of deadlocking.
        statement.order_by((Resource::Table, Resource::Id), Order::Asc);
        statement.lock(LockType::Update);
    }
    statement
}
