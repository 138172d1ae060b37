//! Which criterion leads to the fewest. Of codes nobody knows beforehand which are rare: nearly all observations are `final`,
//! and few are of one code. So the rows of each criterion that a page could walk are counted, up to a bound, which costs as
//! much as it to read a page or two, and the fewest are walked.

use sea_orm::sea_query::{Asterisk, Expr, Func, Query};

use super::boundary::{Constrained, constrained};
use super::condition::parameter_is;
use super::driver::{Driver, MOST_SELECTIVE, most_selective};
use super::row::{Columns, RowTest};
use super::{Access, Planner};
use crate::search::query::Search;
use crate::search::table::Parameter;
use crate::store::index::Column;
use crate::store::{Store, StoreError};

/// More rows are many.
const MOST_COUNTED: i64 = 1_000;

impl<'a> Planner<'a> {
    /// The place of the criterion that leads to the fewest, among those of the search and behind them of the grant; none where
    /// all lead to many, or it is known without counting. The order of what is found is the same, whichever leads: pages
    /// that follow each other may be led by different ones.
    pub async fn lead(&self, search: &Search, access: Access<'_>, store: &Store) -> Result<Option<usize>, StoreError> {
        let [of] = search.types.as_slice() else { return Ok(None) };
        let granted = constrained(search, access.boundary);
        let (asked, within) = granted.as_ref().map_or((search, access), Constrained::both);
        let leading = self.leading(of, asked, within);
        // Where an order is asked for, few are better put in order than looked for in it.
        if leading.len() < 2 && asked.sort.is_empty() {
            return Ok(None);
        }
        let mut fewest = (MOST_COUNTED, None);
        for (at, parameter, test) in leading {
            let rows = Query::select()
                .expr(Expr::col(("lead", Column::Resource)))
                .from(self.names.table_as(test.table, "lead"))
                .and_where(parameter_is("lead", &[parameter.id]))
                .and_where(test.expr(self.backend, "lead", Columns::Plain))
                .limit(fewest.0 as u64)
                .take();
            let count = Query::select().expr(Func::count(Expr::col(Asterisk))).from_subquery(rows, "counted").take();
            let count = store.count(&count).await?;
            if count < fewest.0 {
                fewest = (count, Some(at));
            }
        }
        Ok(fewest.1)
    }

    /// The criteria that may lead, with their places.
    fn leading(&self, of: &str, search: &Search, access: Access<'_>) -> Vec<(usize, &'a Parameter, RowTest)> {
        let is_known = || most_selective(self, of, search).is_none_or(|(rank, ..)| rank <= MOST_SELECTIVE);
        let usual = Driver::choose(self, search, access);
        if !matches!(&usual, Driver::Rows { .. }) || is_known() {
            return Vec::new();
        }
        // That order would not be kept.
        if search.sort.is_empty() && usual.is_by_value() {
            return Vec::new();
        }
        let rows = search.criteria.iter().enumerate().filter_map(|(at, criterion)| {
            match Driver::of_rows(self, of, at, criterion)? {
                Driver::Rows { parameter, test, .. } => Some((at, parameter, test)),
                _ => None,
            }
        });
        rows.collect()
    }
}
