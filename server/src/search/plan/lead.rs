//! Which criterion leads to the fewest. Of codes nobody knows beforehand which are rare: nearly all observations are `final`,
//! and few are of one code. So the rows of each criterion that a page could walk are counted, up to a bound, which costs as
//! much as it to read a page or two, and the fewest are walked.

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Func, Query, SelectStatement};

use super::boundary::{Constrained, constrained};
use super::condition::{instants, parameter_is};
use super::driver::Driver;
use super::rank::{MOST_SELECTIVE, most_selective};
use super::row::{Columns, RowTest};
use super::sorted::is_id;
use super::{Access, Planner};
use crate::search::query::{Search, Test};
use crate::store::index::Column;
use crate::store::schema::Resource;
use crate::store::{Store, StoreError};

/// More rows are many.
const MOST_COUNTED: i64 = 1_000;

impl Planner<'_> {
    /// The place of the criterion that leads to the fewest, among those of the search and behind them of the grant; none where
    /// all lead to many, or it is known without counting. The order of what is found is the same, whichever leads: pages
    /// that follow each other may be led by different ones.
    pub async fn lead(&self, search: &Search, access: Access<'_>, store: &Store) -> Result<Option<usize>, StoreError> {
        let granted = constrained(search, access.boundary);
        let (asked, within) = granted.as_ref().map_or((search, access), Constrained::both);
        let leading = self.leading(asked, within);
        // Where an order is asked for, few are better put in order than looked for in it; and so are few of several types.
        if leading.len() < 2 && asked.sort.is_empty() && asked.types.len() == 1 {
            return Ok(None);
        }
        let mut fewest = (MOST_COUNTED, None);
        for (at, mut rows) in leading {
            rows.limit(fewest.0 as u64);
            let count = Query::select().expr(Func::count(Expr::col(Asterisk))).from_subquery(rows, "counted").take();
            let count = store.count(&count).await?;
            if count < fewest.0 {
                fewest = (count, Some(at));
            }
        }
        Ok(fewest.1)
    }

    /// The criteria that may lead, with their places and the rows to be counted.
    fn leading(&self, search: &Search, access: Access<'_>) -> Vec<(usize, SelectStatement)> {
        let [of] = search.types.as_slice() else { return self.leading_of_all(search) };
        let is_known = || most_selective(self, of, search).is_none_or(|(rank, ..)| rank <= MOST_SELECTIVE);
        let usual = Driver::choose(self, search, access);
        let is_by_time = match &usual {
            // That order would not be kept.
            Driver::Rows { .. } if search.sort.is_empty() && usual.is_by_value() => return Vec::new(),
            Driver::Rows { .. } if !is_known() => false,
            Driver::Resources if search.is_of_lately_changed() && !search.criteria.iter().any(is_id) => true,
            _ => return Vec::new(),
        };
        let rows = search.criteria.iter().enumerate().filter_map(|(at, criterion)| {
            if let (true, Test::LastUpdated(tests)) = (is_by_time && !criterion.negated, &criterion.test) {
                let changed = Query::select()
                    .expr(Expr::col(("walk", Resource::Key)))
                    .from(self.names.table_as(Resource::Table, "walk"))
                    .and_where(Expr::col(("walk", Resource::Type)).eq(self.number(of)))
                    .and_where_option(instants(tests, &Expr::col(("walk", Resource::LastUpdated))))
                    .take();
                return Some((at, changed));
            }
            match Driver::of_rows(self, of, at, criterion)? {
                Driver::Rows { parameter, test, .. } => Some((at, self.leading_rows(&[parameter.id], &test))),
                _ => None,
            }
        });
        rows.collect()
    }
    /// The rows of these parameters that pass the test, to be counted.
    pub(super) fn leading_rows(&self, parameters: &[i32], test: &RowTest) -> SelectStatement {
        Query::select()
            .expr(Expr::col(("lead", Column::Resource)))
            .from(self.names.table_as(test.table, "lead"))
            .and_where(parameter_is("lead", parameters))
            .and_where(test.expr(self.backend, "lead", Columns::Plain))
            .take()
    }
}
