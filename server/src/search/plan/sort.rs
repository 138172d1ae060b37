//! What a page is sorted by, where the walk has no such order itself: the values of a parameter, of the resource or of one
//! that it refers to. <https://hl7.org/fhir/R4/search.html#sort>

use sea_orm::sea_query::{Alias, Expr, ExprTrait, IntoIden, JoinType, Order, Query, SelectStatement};
use vesta_runtime::search::SearchParameterType as Kind;

use super::condition::parameter_is;
use super::driver::Driver;
use super::{Access, Planner, Within};
use crate::search::query::{Search, Sort};
use crate::store::index::{Column, IndexTable};
use crate::store::schema::Resource;

impl Driver<'_> {
    /// "Lowest of several ascending, highest descending."
    pub(super) fn sort_value(
        &self,
        planner: &Planner<'_>,
        search: &Search,
        access: Access<'_>,
        statement: &mut SelectStatement,
        at: usize,
        sort: &Sort,
    ) -> Expr {
        let alias = Alias::new(format!("sort{at}")).into_iden();
        let mut join = |values: SelectStatement| {
            let same = Expr::col((alias.clone(), Alias::new("resource"))).eq(self.key());
            statement.join_subquery(JoinType::LeftJoin, values, alias.clone(), same);
            Expr::col((alias.clone(), Alias::new("sorted")))
        };
        if !sort.along.is_empty() {
            return join(planner.sorted_along(&search.types, sort, Within::of(search, access)));
        }
        if let Some(column) = own_column(sort) {
            return match self {
                Driver::Resources => Expr::col(("walk", column)),
                _ => planner.held(column, search, &self.key()),
            };
        }
        let within = Within::of(search, access);
        let known = search.types.iter().filter_map(|of| planner.table.parameter(of, sort.code));
        let ids: Vec<i32> = known.map(|known| within.id(known.id)).collect();
        let (low, high) = (Column::Low, Column::High);
        let of_resource = match sort.kind {
            Kind::Date => Some((IndexTable::IndexDate, low, high)),
            Kind::Number => Some((IndexTable::IndexNumber, low, high)),
            Kind::Quantity => Some((IndexTable::IndexQuantity, low, high)),
            Kind::String => Some((IndexTable::IndexString, Column::Value, Column::Value)),
            _ => None,
        };
        if let Some((table, lowest, highest)) = of_resource {
            let (column, order) = if sort.descending { (highest, Order::Desc) } else { (lowest, Order::Asc) };
            let rows = planner.rows_of(table, &ids, self.key(), &[column]);
            // Not `min`: PostgreSQL has none of bytes before release 18.
            let value = Query::select()
                .expr(Expr::col(("own", column)))
                .from_subquery(rows, "own")
                .order_by(("own", column), order)
                .limit(1)
                .take();
            return Expr::SubQuery(None, Box::new(value.into()));
        }
        // No index leads from a resource to its codes, references and URIs: all of them are grouped once.
        join(planner.sorted(&ids, sort))
    }
}

impl Planner<'_> {
    /// All rows that a resource has of the parameters; of quantities the number as it stands, since units that cannot be compared
    /// would otherwise have no order. The bound says that they are found first: else a database may seek them by their values,
    /// among the rows of all resources.
    pub(super) fn rows_of(&self, table: IndexTable, ids: &[i32], key: Expr, columns: &[Column]) -> SelectStatement {
        let mut rows = Query::select();
        for column in columns {
            rows.expr(Expr::col(("row", *column)));
        }
        rows.from(self.names.table_as(table, "row"))
            .and_where(parameter_is("row", ids))
            .and_where_option(is_plain("row", table))
            .and_where(Expr::col(("row", Column::Resource)).eq(key))
            .limit(i64::MAX as u64);
        rows
    }

    /// The value of each resource that has one: columns `resource` and `sorted`.
    fn sorted(&self, ids: &[i32], sort: &Sort) -> SelectStatement {
        let by_text = match sort.kind {
            Kind::Token => Some(IndexTable::IndexToken),
            Kind::Reference => Some(IndexTable::IndexReference),
            _ => None,
        };
        if let Some(table) = by_text {
            // R4 leaves open what a token is sorted by: its code, whatever the system. A reference is by what it names.
            return Query::select()
                .expr_as(Expr::col(("value", Column::Resource)), "resource")
                .expr_as(extreme(sort, Expr::col(("text", Column::Text))), "sorted")
                .from(self.names.table_as(table, "value"))
                .cross_join(self.names.table_as(IndexTable::IndexText, "text"))
                .and_where(Expr::col(("text", Column::Value)).equals(("value", Column::Value)))
                .and_where(parameter_is("value", ids))
                .group_by_col(("value", Column::Resource))
                .take();
        }
        let (table, column) = match (sort.kind, sort.descending) {
            (Kind::Date, true) => (IndexTable::IndexDate, Column::High),
            (Kind::Date, false) => (IndexTable::IndexDate, Column::Low),
            (Kind::Uri, _) => (IndexTable::IndexUri, Column::Value),
            _ => (IndexTable::IndexString, Column::Value),
        };
        Query::select()
            .expr_as(Expr::col(("value", Column::Resource)), "resource")
            .expr_as(extreme(sort, Expr::col(("value", column))), "sorted")
            .from(self.names.table_as(table, "value"))
            .and_where(parameter_is("value", ids))
            .group_by_col(("value", Column::Resource))
            .take()
    }

    /// The same of what the resources refer to, within the boundary at every step: the order tells of what it follows.
    fn sorted_along(&self, types: &[&'static str], sort: &Sort, within: Within<'_>) -> SelectStatement {
        let ids = |types: &[&'static str], code: &str| -> Vec<i32> {
            types.iter().filter_map(|of| Some(self.table.parameter(of, code)?.id)).collect()
        };
        let last = sort.along.last().map_or(types, |(_, targets)| targets);
        let mut values = self.sorted(&ids(last, sort.code), sort);
        values.and_where_option(self.reached(last, within, &Expr::col(("value", Column::Resource))));
        for (at, (code, targets)) in sort.along.iter().enumerate().rev() {
            let from = if at == 0 { types } else { &sort.along[at - 1].1 };
            let key = Expr::col(("link", Column::Resource));
            let mut referring = ids(from, code);
            if at == 0 {
                referring.iter_mut().for_each(|id| *id = within.id(*id));
            }
            let mut along = Query::select();
            along
                .expr_as(key.clone(), "resource")
                .expr_as(extreme(sort, Expr::col(("reached", "sorted"))), "sorted")
                .from_subquery(values, "reached")
                .cross_join(self.names.table_as(IndexTable::IndexIdentity, "step"))
                .cross_join(self.names.table_as(IndexTable::IndexReference, "link"))
                .and_where(Expr::col(("step", Column::Resource)).equals(("reached", "resource")))
                .and_where(Expr::col(("link", Column::Value)).equals(("step", Column::Value)))
                .and_where(parameter_is("step", &self.identities(targets)))
                .and_where(parameter_is("link", &referring))
                .group_by_col(("link", Column::Resource));
            if at > 0 {
                along.and_where_option(self.reached(from, within, &key));
            }
            values = along;
        }
        values
    }
}

/// The resource's own column that is sorted by, if one is.
pub(super) fn own_column(sort: &Sort) -> Option<Resource> {
    match sort.code {
        _ if !sort.along.is_empty() => None,
        "_id" => Some(Resource::Id),
        "_lastUpdated" => Some(Resource::LastUpdated),
        _ => None,
    }
}

/// Of quantities there is a row of the number as it stands, and others for what it can be compared with.
pub(super) fn is_plain(row: &'static str, table: IndexTable) -> Option<Expr> {
    (table == IndexTable::IndexQuantity).then(|| Expr::col((row, Column::Unit)).eq(0i64))
}

fn extreme(sort: &Sort, values: Expr) -> Expr {
    if sort.descending { values.max() } else { values.min() }
}
