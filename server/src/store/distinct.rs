//! Which values of a parameter are in use: a resource for each stands for all that have it.

use sea_orm::sea_query::{Expr, ExprTrait, Query};

use super::columns::Columns;
use super::error::StoreError;
use super::index::{Column, IndexTable};
use super::site_store::Store;

impl Store {
    /// The keys of resources such that each value of each of these parameters is had by one of them. Walks the rows of
    /// the parameters in the order of their key, once.
    pub async fn one_for_each_value(&self, table: IndexTable, parameters: &[i32]) -> Result<Vec<i64>, StoreError> {
        let mut keys = Vec::new();
        for parameters in parameters.chunks(500) {
            let mut statement = Query::select();
            statement
                .expr(Expr::col(Column::Resource).min())
                .from(self.names().table(table))
                .and_where(Expr::col(Column::Parameter).is_in(parameters.iter().copied()))
                .group_by_columns([Column::Parameter, Column::Value]);
            keys.extend(self.reader.query(&statement, |row: &dyn Columns| row.integer(0)).await?);
        }
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }
}
