//! What an id names, where the type is left open.

use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};

use super::Planner;
use crate::store::schema::{Resource, select_stored};

impl Planner<'_> {
    /// At most so many current resources of these types with the id: one seek for each type.
    pub fn with_id(&self, types: &[&'static str], id: &str, most: u64) -> SelectStatement {
        let mut statement = Query::select();
        select_stored(&mut statement, "body");
        statement
            .from(self.names.table_as(Resource::Table, "body"))
            .and_where(Expr::col(("body", Resource::Type)).is_in(types.iter().map(|of| self.number(of))))
            .and_where(Expr::col(("body", Resource::Id)).eq(id))
            .and_where(Expr::col(("body", Resource::Deleted)).eq(false))
            .limit(most);
        statement
    }
}
