//! `_include` and `_revinclude`: one second statement for a page. What is included keeps to the boundary as well.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Asterisk, Expr, ExprTrait, Order, Query, SelectStatement, UnionType};
use vesta_runtime::json::JsonError;
use vesta_runtime::search::{IndexValue, values_within};

use super::condition::parameter_is;
use super::join::one_of;
use super::{Access, Planner};
use crate::search::paths::{parse_from, starts_of_all};
use crate::search::query::{Include, Search};
use crate::search::table::Parameter;
use crate::store::Found;
use crate::store::index::{Column, IndexTable, Meaning};
use crate::store::schema::Resource;

/// More are not included with one page.
pub const MOST_INCLUDED: usize = 1000;

/// A type that refers, and the parameter by which it does.
type Reference = (&'static str, &'static str);

/// What the page's resources refer to, and who refers to them.
#[derive(Debug, Default)]
pub struct Includes {
    /// Ids by type.
    targets: BTreeMap<&'static str, Vec<String>>,
    /// By what is referred, with the hashes of those of the page's resources that may be meant.
    referring: Vec<(Vec<Reference>, Vec<i64>)>,
    /// Type, id and version of what a reference names with a version: "the version that is named is returned"
    /// (<https://hl7.org/fhir/R4/search.html#versions>).
    versions: BTreeSet<(&'static str, String, i64)>,
}

impl Includes {
    /// Looks at the page's resources: at their keys, and at the elements that hold the references asked for.
    pub fn of(planner: &Planner<'_>, search: &Search, page: &[Found]) -> Result<Includes, JsonError> {
        let mut includes = Includes::default();
        let (table, key) = (planner.table, planner.table.hash_key());
        let mut by_target: BTreeMap<Option<&'static str>, Vec<Reference>> = BTreeMap::new();
        for include in search.includes.iter().filter(|include| include.reverse) {
            by_target.entry(include.target).or_default().push((include.source, include.code));
        }
        for (target, referring) in by_target {
            let hashes: Vec<i64> = page
                .iter()
                // Nothing outside refers to what is contained.
                .filter(|found| found.contained_at().is_none())
                .filter_map(|found| {
                    let of = table.type_name(found.stored.resource_type)?;
                    let wanted = target.is_none_or(|target| target == of);
                    wanted.then(|| key.hash(Meaning::Resource, &[of, &found.stored.id]))
                })
                .collect();
            if !hashes.is_empty() {
                includes.referring.push((referring, hashes));
            }
        }
        let forward = || search.includes.iter().filter(|include| !include.reverse);
        if forward().next().is_none() {
            return Ok(includes);
        }
        let parameters: Vec<(&Include, &Parameter)> =
            forward().filter_map(|include| Some((include, table.parameter(include.source, include.code)?))).collect();
        let starts = starts_of_all(parameters.iter().map(|(_, parameter)| *parameter));
        for found in page {
            let body = &found.stored.body;
            let resource = parse_from(starts.as_deref(), body)?;
            let contained = |at: usize| resource.get("contained").and_then(|contained| contained.get(at));
            let (Some((_, container)), Some((entry, node))) = (
                table.root(&resource),
                found.contained_at().map_or(Some(&resource), contained).and_then(|resource| table.root(resource)),
            ) else {
                continue;
            };
            for (include, parameter) in parameters.iter().filter(|(include, _)| include.source == entry.name) {
                for value in values_within(parameter.definition, container, node) {
                    includes.add(planner, include, value);
                }
            }
        }
        for ids in includes.targets.values_mut() {
            ids.sort_unstable();
            ids.dedup();
        }
        Ok(includes)
    }

    fn add(&mut self, planner: &Planner<'_>, include: &Include, value: IndexValue) {
        let IndexValue::Reference(reference) = value else { return };
        let local = reference.base.as_deref().is_none_or(|base| base == planner.table.base());
        let target = reference.target_type.as_deref().and_then(|target| planner.table.entry(target));
        if let (true, Some(target), Some(id)) = (local, target, reference.target_id)
            && include.target.is_none_or(|wanted| wanted == target.name)
        {
            match reference.target_version {
                // What is no number is no version of ours, and names nothing.
                Some(version) => self.versions.extend(version.parse().ok().map(|version| (target.name, id, version))),
                None => self.targets.entry(target.name).or_default().push(id),
            }
        }
    }

    /// The types whose access must be known to [`Includes::statement`].
    pub fn types(&self) -> impl Iterator<Item = &'static str> {
        let targets = self.targets.keys().copied().chain(self.versions.iter().map(|(of, ..)| *of));
        targets.chain(self.referring.iter().flat_map(|(referring, _)| referring).map(|(source, _)| *source))
    }

    pub fn versions(&self) -> impl Iterator<Item = (&'static str, &str, i64)> {
        self.versions.iter().map(|(of, id, version)| (*of, id.as_str(), *version))
    }

    /// At most [`MOST_INCLUDED`] and one more resources, in the order of their keys; none where there is nothing to
    /// include. `access` answers none for a type that the caller may not see at all.
    pub fn statement<'a>(
        &self,
        planner: &Planner<'_>,
        access: impl Fn(&'static str) -> Option<Access<'a>>,
    ) -> Option<SelectStatement> {
        let most = MOST_INCLUDED as u64 + 1;
        let mut parts = Vec::new();
        // Each part finds its keys by an index, within what may be seen of the types. What leads there has a name that no
        // condition on it has.
        let mut part = |types: &[&'static str], mut rows: SelectStatement, key: Expr, access: Access<'a>| {
            rows.expr_as(key.clone(), "key")
                .and_where_option(planner.boundary(types, access.boundary, &key))
                .limit(most);
            // SQLite takes no limit in a part of a union, but in a subquery of it.
            parts.push(Query::select().column(Asterisk).from_subquery(rows, "part").take());
        };
        for (target, ids) in &self.targets {
            let Some(access) = access(target) else { continue };
            let mut rows = Query::select();
            rows.from(planner.names.table_as(Resource::Table, "lead"))
                .and_where(Expr::col(("lead", Resource::Type)).eq(planner.number(target)))
                .and_where(planner.is_one_of(Expr::col(("lead", Resource::Id)), ids))
                .and_where(Expr::col(("lead", Resource::Deleted)).eq(false));
            part(&[*target], rows, Expr::col(("lead", Resource::Key)), access);
        }
        for (referring, hashes) in &self.referring {
            for (types, ids, access) in together(planner, referring, &access) {
                let mut rows = Query::select();
                rows.from(planner.names.table_as(IndexTable::IndexReference, "lead"))
                    .and_where(parameter_is("lead", &ids))
                    .and_where(one_of(planner.backend, Expr::col(("lead", Column::Value)), hashes));
                part(&types, rows, Expr::col(("lead", Column::Resource)), access);
            }
        }
        let union = parts.into_iter().reduce(|mut all, one| all.union(UnionType::Distinct, one).take())?;
        let mut page = Query::select();
        let key = Expr::col(("hit", "key"));
        page.expr_as(key.clone(), "key").distinct().from_subquery(union, "hit");
        page.order_by_expr(key, Order::Asc).limit(most);
        let oldest_first = false;
        Some(planner.with_bodies(page, &[], oldest_first))
    }
}

/// More parameters than these are asked for at once: a statement for each would be longer than a database takes.
const MOST_PARTS: usize = 16;

/// The types, their parameters, and what may be seen of them.
type Referring<'a> = (Vec<&'static str>, Vec<i32>, Access<'a>);

/// Each by itself; where they are many, together with those of which the same may be seen.
fn together<'a>(
    planner: &Planner<'_>,
    referring: &[Reference],
    access: impl Fn(&'static str) -> Option<Access<'a>>,
) -> Vec<Referring<'a>> {
    let mut all: Vec<Referring<'a>> = Vec::new();
    for (source, code) in referring {
        let (Some(parameter), Some(access)) = (planner.table.parameter(source, code), access(source)) else { continue };
        let same = |known: &&mut Referring<'a>| referring.len() > MOST_PARTS && *known.2.boundary == *access.boundary;
        match all.iter_mut().find(same) {
            Some((types, ids, _)) => {
                if !types.contains(source) {
                    types.push(source);
                }
                ids.push(parameter.id);
            }
            None => all.push((vec![source], vec![parameter.id], access)),
        }
    }
    all
}
