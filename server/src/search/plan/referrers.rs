//! Who refers to a resource: by whichever parameter, or by one.

use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use vesta_runtime::search::SearchParameterType;

use super::condition::parameter_is;
use super::join::one_of;
use super::row::padded;
use super::{Access, Planner};
use crate::store::index::{Column, IndexTable, Meaning};
use crate::store::schema::{Resource, select_stored};

impl Planner<'_> {
    /// At most so many current resources with a reference to this one. Two references may share a hash: the caller
    /// looks at the resource.
    pub fn referrers(&self, resource_type: &str, id: &str, most: u64) -> SelectStatement {
        let table = self.table;
        let parameters = table.entries().flat_map(|entry| table.parameters(entry.name)).filter(|parameter| {
            let targets = parameter.definition.targets;
            parameter.definition.kind == SearchParameterType::Reference
                && (targets.is_empty() || targets.contains(&resource_type))
        });
        let mut ids: Vec<i32> = parameters.map(|parameter| parameter.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let hash = table.hash_key().hash(Meaning::Resource, &[resource_type, id]);
        let mut rows = Query::select();
        rows.distinct()
            .expr(Expr::col(("row", Column::Resource)))
            .from(self.names.table_as(IndexTable::IndexReference, "row"))
            .and_where(parameter_is("row", &padded(&ids)))
            .and_where(Expr::col(("row", Column::Value)).eq(hash))
            .limit(most);
        let mut statement = Query::select();
        select_stored(&mut statement, "body");
        statement
            .from(self.names.table_as(Resource::Table, "body"))
            .and_where(Expr::col(("body", Resource::Key)).in_subquery(rows))
            .limit(most);
        statement
    }

    /// The resources of a type that refer to some of these by a parameter, as far as the caller may see them. None where
    /// the type has no such parameter.
    pub fn referrers_by(
        &self,
        source: &'static str,
        code: &str,
        targets: &[(&str, &str)],
        access: Access<'_>,
    ) -> Option<SelectStatement> {
        let parameter = self.table.parameter(source, code).filter(|_| !targets.is_empty())?;
        let hash_key = self.table.hash_key();
        let hashes: Vec<i64> = targets.iter().map(|(of, id)| hash_key.hash(Meaning::Resource, &[*of, *id])).collect();
        let mut rows = Query::select();
        rows.expr(Expr::col(("row", Column::Resource)))
            .from(self.names.table_as(IndexTable::IndexReference, "row"))
            .and_where(parameter_is("row", &[parameter.id]))
            .and_where(one_of(self.backend, Expr::col(("row", Column::Value)), &hashes));
        let key = Expr::col(("body", Resource::Key));
        let mut statement = Query::select();
        select_stored(&mut statement, "body");
        statement
            .from(self.names.table_as(Resource::Table, "body"))
            .and_where(Expr::col(("body", Resource::Deleted)).eq(false))
            .and_where(key.clone().in_subquery(rows))
            .and_where_option(self.boundary(&[source], access.boundary, &key))
            .order_by_expr(key, Order::Asc);
        Some(statement)
    }
}
