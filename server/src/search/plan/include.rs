//! `_include` and `_revinclude`: one second statement for a page. What is included keeps to the boundary as well.

use std::collections::BTreeMap;

use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use serde_json::Value;
use vesta_runtime::search::{IndexValue, values};

use super::condition::parameter_is;
use super::row::{never, padded};
use super::{Access, Planner};
use crate::search::query::Search;
use crate::store::index::{Column, IndexTable, Meaning};
use crate::store::schema::{Resource, select_stored};

/// More are not included with one page.
pub const MOST_INCLUDED: usize = 1000;

/// What the page's resources refer to, and who refers to them.
#[derive(Debug, Default)]
pub struct Includes {
    /// Ids by type.
    targets: BTreeMap<&'static str, Vec<String>>,
    /// (type that refers, parameter), with the hashes of the page's resources.
    referring: Vec<(&'static str, &'static str, Vec<i64>)>,
}

impl Includes {
    /// Reads the page's resources.
    pub fn of(planner: &Planner<'_>, search: &Search, page: &[Value]) -> Includes {
        let mut includes = Includes::default();
        let key = planner.table.hash_key();
        for include in &search.includes {
            if include.reverse {
                let hashes = page
                    .iter()
                    .filter_map(|resource| {
                        let of = resource.get("resourceType")?.as_str()?;
                        let wanted = include.target.is_none_or(|target| target == of);
                        wanted.then_some(key.hash(Meaning::Resource, &[of, resource.get("id")?.as_str()?]))
                    })
                    .collect::<Vec<_>>();
                if !hashes.is_empty() {
                    includes.referring.push((include.source, include.code, hashes));
                }
                continue;
            }
            let Some(parameter) = planner.table.parameter(include.source, include.code) else { continue };
            for resource in page {
                let Some((entry, node)) = planner.table.root(resource) else { continue };
                if entry.name != include.source {
                    continue;
                }
                for value in values(parameter.definition, node) {
                    let IndexValue::Reference(reference) = value else { continue };
                    let local = reference.base.as_deref().is_none_or(|base| base == planner.table.base());
                    let target = reference.target_type.as_deref().and_then(|target| planner.table.entry(target));
                    if let (true, Some(target), Some(id)) = (local, target, reference.target_id)
                        && include.target.is_none_or(|wanted| wanted == target.name)
                    {
                        includes.targets.entry(target.name).or_default().push(id);
                    }
                }
            }
        }
        for ids in includes.targets.values_mut() {
            ids.sort_unstable();
            ids.dedup();
        }
        includes
    }

    /// The types whose access must be known to [`Includes::statement`].
    pub fn types(&self) -> impl Iterator<Item = &'static str> {
        self.targets.keys().copied().chain(self.referring.iter().map(|(source, ..)| *source))
    }

    /// At most [`MOST_INCLUDED`] and one more resources, in the order of their keys; none where there is nothing to
    /// include. `access` answers none for a type that the caller may not see at all.
    pub fn statement<'a>(
        &self,
        planner: &Planner<'_>,
        access: impl Fn(&'static str) -> Option<Access<'a>>,
    ) -> Option<SelectStatement> {
        let key = || Expr::col(("body", Resource::Key));
        let of_type = |of: &'static str| Expr::col(("body", Resource::Type)).eq(planner.number(of));
        let permitted = |of: &'static str, condition: Expr| {
            let access = access(of)?;
            let mut condition = of_type(of).and(condition);
            for more in [planner.boundary(&[of], access.boundary, &key()), planner.scopes(access.scopes, &key())] {
                condition = match more {
                    Some(more) => condition.and(more),
                    None => condition,
                };
            }
            Some(condition)
        };
        let mut any = Vec::new();
        for (target, ids) in &self.targets {
            let ids: Vec<&str> = padded(&ids.iter().map(String::as_str).collect::<Vec<_>>());
            any.extend(permitted(target, Expr::col(("body", Resource::Id)).is_in(ids)));
        }
        for (source, code, hashes) in &self.referring {
            let Some(parameter) = planner.table.parameter(source, code) else { continue };
            let mut rows = Query::select();
            rows.expr(Expr::col(("row", Column::Resource)))
                .from(planner.names.table_as(IndexTable::IndexReference, "row"))
                .and_where(parameter_is("row", &[parameter.id]))
                .and_where(Expr::col(("row", Column::Value)).is_in(padded(hashes)));
            any.extend(permitted(source, key().in_subquery(rows)));
        }
        if any.is_empty() {
            return None;
        }
        let mut statement = Query::select();
        select_stored(&mut statement, "body");
        statement
            .from(planner.names.table_as(Resource::Table, "body"))
            .and_where(Expr::col(("body", Resource::Deleted)).eq(false))
            .and_where(any.into_iter().reduce(ExprTrait::or).unwrap_or_else(never))
            .order_by_expr(key(), sea_orm::sea_query::Order::Asc)
            .limit(MOST_INCLUDED as u64 + 1);
        Some(statement)
    }
}
