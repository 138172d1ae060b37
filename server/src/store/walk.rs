//! Walking through all current versions of a type, in the order of their keys: for an export.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query};

use super::columns::{Columns, stored};
use super::error::StoreError;
use super::record::Stored;
use super::schema::{Resource, select_stored};
use super::site_store::Store;

impl Store {
    /// The next current versions beyond a key, deletions included, at most so many.
    pub async fn walk(&self, resource_type: u16, after: i64, count: u64) -> Result<Vec<Stored>, StoreError> {
        let mut statement = Query::select();
        select_stored(&mut statement, Resource::Table);
        statement
            .from_as(self.names().table(Resource::Table), Alias::new("resource"))
            .and_where(Expr::col((Resource::Table, Resource::Type)).eq(resource_type as i16))
            .and_where(Expr::col((Resource::Table, Resource::Key)).gt(after))
            .order_by((Resource::Table, Resource::Key), Order::Asc)
            .limit(count);
        self.reader.query(&statement, |row: &dyn Columns| stored(row)).await
    }
}
