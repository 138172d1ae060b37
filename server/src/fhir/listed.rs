//! `_list` of a history: "Only include resource versions that are referenced in the specified list (current list references
//! are allowed)". <https://hl7.org/fhir/R4/http.html#history>
//!
//! An entry that names a version stands for that one, and another for all versions of its resource. What a functional list
//! holds (`$current-problems`) is told by the record as it is now.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vesta_runtime::search::Reference;

use super::boundary;
use super::outcome::{Error, Issue, IssueType, Kind};
use super::preferences::Handling;
use super::reach;
use super::service::Request;
use crate::access::{Boundary, Permission};
use crate::search::{Access, Search, Test};
use crate::store::HistoryEntry;

/// A list of more is not looked up for one history.
const MOST: usize = 1_000;

/// The keys of the resources that are listed, each with the versions that are; none where all are.
pub(super) struct Listed(BTreeMap<i64, Option<BTreeSet<i64>>>);

impl Listed {
    /// `types` are those of the history.
    pub(super) async fn read(request: &Request<'_>, types: &[&'static str], list: &str) -> Result<Listed, Error> {
        if list.starts_with('$') {
            return Self::current(request, types, list).await;
        }
        let service = request.service;
        let of_list = service.resource_type("List")?;
        let granted = request.grant(of_list, Permission::Read)?;
        let id = list.strip_prefix("List/").unwrap_or(list);
        let mut listed = Listed(BTreeMap::new());
        let Some(stored) = service.store.read(of_list.number, id).await?.filter(|stored| !stored.deleted) else {
            return Ok(listed);
        };
        if !boundary::is_readable(request, of_list, &granted, &stored).await? {
            return Ok(listed);
        }
        let body: Value = vesta_runtime::json::parse(&stored.body)
            .map_err(|error| Error::new(Kind::Internal, "A stored resource cannot be read.").caused_by(error))?;
        let entries = body["entry"].as_array().map_or(&[][..], Vec::as_slice);
        if entries.len() > MOST {
            return Err(too_many());
        }
        let named = entries.iter().filter_map(|entry| Reference::parse(entry["item"]["reference"].as_str()?));
        for reference in named {
            let Some((of, id)) = types.iter().find_map(|of| Some((of, service.parameters.local_id(&reference, of)?)))
            else {
                continue;
            };
            let Some(stored) = service.store.read(service.resource_type(of)?.number, id).await? else { continue };
            match reference.target_version.as_deref().map(str::parse::<i64>) {
                None => {
                    listed.0.insert(stored.key, None);
                }
                Some(Ok(version)) => {
                    if let Some(versions) = listed.0.entry(stored.key).or_insert_with(|| Some(BTreeSet::new())) {
                        versions.insert(version);
                    }
                }
                // No version of this server has such a name.
                Some(Err(_)) => {}
            }
        }
        Ok(listed)
    }

    async fn current(request: &Request<'_>, types: &[&'static str], list: &str) -> Result<Listed, Error> {
        let service = request.service;
        let asked = [("_list".to_owned(), list.to_owned())];
        let mut listed = Listed(BTreeMap::new());
        let now = service.clock.now();
        let (all, _) = Search::parse(&service.parameters, None, &asked, Handling::Strict, now)?;
        let holds = |of: &&&'static str| {
            let typed = all
                .criteria
                .iter()
                .filter_map(|one| if let Test::Typed(parts) = &one.test { Some(parts) } else { None });
            typed.flatten().any(|(name, _)| name == *of)
        };
        for of in types.iter().filter(holds) {
            let mut search = Search { types: vec![*of], ..all.clone() };
            let Ok(granted) = request.grant(service.resource_type(of)?, Permission::Search) else { continue };
            reach::restrict(request, &mut search)?;
            let boundary: &Boundary = &granted;
            let plan = service.planner().page(&search, Access { boundary }, MOST, None);
            let page = plan.page(service.store.page(&plan.statement, plan.sort_columns).await?);
            if page.next.is_some() {
                return Err(too_many());
            }
            listed.0.extend(page.found.into_iter().map(|found| (found.stored.key, None)));
        }
        Ok(listed)
    }

    pub(super) fn keys(&self) -> Vec<i64> {
        self.0.keys().copied().collect()
    }

    pub(super) fn has(&self, entry: &HistoryEntry) -> bool {
        let versions = self.0.get(&entry.stored.key);
        versions.is_some_and(|versions| versions.as_ref().is_none_or(|some| some.contains(&entry.stored.version)))
    }
}

fn too_many() -> Error {
    let text = format!("`_list`: the history of more than {MOST} listed resources is not looked up at once.");
    Error::from_issue(Kind::Unprocessable, Issue::error(IssueType::TooCostly, text))
}
