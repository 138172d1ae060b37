//! Reading inside a write transaction.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, LockType, Order, Query, SelectStatement, SqliteQueryBuilder, Values};

use super::super::columns::{Columns, found, stored};
use super::super::error::StoreError;
use super::super::history::select_version;
use super::super::record::{Found, Method, Stored};
use super::super::schema::{Names, Resource, chunks, select_stored};
use super::batch::Current;
use super::transaction::Transaction;

/// What a unit may read inside the write transaction; it sees the units before it in the same batch.
pub struct View<'a> {
    pub(super) transaction: &'a Transaction,
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

    /// A superseded version, by the key of its resource.
    pub async fn read_version(&self, key: i64, version: i64) -> Result<Option<Stored>, StoreError> {
        let statement = select_version(self.names, key, version);
        Ok(self.transaction.query(&statement, |row| stored(row)).await?.into_iter().next())
    }

    /// A page statement: the columns of [`super::super::schema::select_stored`], then `sort_columns` sort values.
    pub async fn search(&self, page: &SelectStatement, sort_columns: usize) -> Result<Vec<Found>, StoreError> {
        self.transaction.query(page, |row| found(row, sort_columns)).await
    }
}

/// The current versions of some resources of a type, locked until the end of the transaction.
pub(super) async fn current(
    transaction: &Transaction,
    names: &Names,
    resource_type: u16,
    ids: &[&str],
) -> Result<Vec<Current>, StoreError> {
    let decode = |row: &dyn Columns| {
        Ok(Current { stored: stored(row)?, method: Method::from_code(row.small(8)?), content: None })
    };
    if let Transaction::Sqlite(transaction) = transaction {
        // One seek each, by a statement that stays prepared.
        let (sql, _) = select_current(names, resource_type, &[""], false).build(SqliteQueryBuilder);
        let values = ids.iter().map(|id| Values(vec![(resource_type as i16).into(), (*id).into()]));
        return transaction.writer.query(&sql, values, decode);
    }
    let mut all = Vec::with_capacity(ids.len());
    for ids in chunks(ids, 256) {
        all.extend(transaction.query(&select_current(names, resource_type, ids, true), decode).await?);
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
