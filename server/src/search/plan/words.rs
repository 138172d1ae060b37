//! Words as a condition on the key of a resource, and as what a page walks.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, Func, Query, SelectStatement};

use super::Planner;
use crate::search::words::Words;
use crate::store::index::{Column, IndexTable, words_match};

fn table(code: &str) -> IndexTable {
    if code == "_text" { IndexTable::IndexNarrative } else { IndexTable::IndexContent }
}

impl Planner<'_> {
    /// Whether the resource has the words, or any.
    pub(super) fn has_words(&self, code: &str, ids: &[i32], words: Option<&Words>, key: &Expr) -> Expr {
        let table = table(code);
        let mut statement = Query::select();
        statement
            .expr(Func::count(Expr::col(Asterisk)))
            .from(self.names.table_as(table, "said"))
            .and_where(words_match(self.backend, "said", table, ids, words))
            .and_where(Expr::col(("said", Column::Rowid)).eq(key.clone()));
        Expr::SubQuery(None, Box::new(statement.into())).gt(0)
    }

    /// From the resources that have the words, under this name: a column `rowid`.
    pub(super) fn select_words(
        &self,
        statement: &mut SelectStatement,
        row: &'static str,
        code: &str,
        ids: &[i32],
        words: &Words,
    ) {
        let table = table(code);
        if self.backend == DbBackend::Postgres {
            // As an array: by the index of words, or with an order and a limit the key would be walked, and each text be
            // looked at; and taken for few, or all that they are joined to would be read.
            let said = Query::select()
                .expr(Expr::col(("said", Column::Rowid)))
                .from(self.names.table_as(table, "said"))
                .and_where(words_match(self.backend, "said", table, ids, Some(words)))
                .take();
            let all = Expr::cust_with_expr("ARRAY($1)", Expr::SubQuery(None, Box::new(said.into())));
            let each = Func::cust(Alias::new("unnest")).arg(all);
            let found = Query::select().expr_as(Expr::col("each"), Column::Rowid).from_function(each, "each").take();
            statement.from_subquery(found, row);
        } else {
            statement.from(self.names.table_as(table, row)).and_where(words_match(
                self.backend,
                row,
                table,
                ids,
                Some(words),
            ));
        }
    }
}
