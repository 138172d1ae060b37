//! Pages of searches that look at the resources themselves: what the other criteria find is walked in bites, and each
//! resource is asked. A page then looks at a bounded number of resources, and its link goes on from there.

use super::{Access, Page, Plan, Planner, Position};
use crate::search::matching::is_found_by;
use crate::search::query::Search;
use crate::store::{Found, Store, StoreError};

/// As many resources are read at once.
const BITE: usize = 250;
/// As many are looked at for one page, or for a total.
const MOST_LOOKED_AT: usize = 5_000;

impl Position {
    pub fn at(found: &Found, forward: bool) -> Position {
        Position { values: found.sort.clone(), key: found.place.unwrap_or(found.stored.key), forward }
    }
}

impl Page {
    /// What a walk from a position kept, in its direction and one more than asked for where there is one; `rest` is where
    /// it broke off, if not all was looked at.
    pub fn walked(mut kept: Vec<Found>, rest: Option<Position>, count: usize, position: Option<Position>) -> Page {
        let forward = position.as_ref().is_none_or(|position| position.forward);
        let beyond = if kept.len() > count {
            kept.truncate(count);
            kept.last().map(|last| Position::at(last, forward))
        } else {
            rest
        };
        if !forward {
            kept.reverse();
        }
        // Where this page began lies the other direction, if anything is there at all.
        let back = |found: Option<&Found>| {
            let from = position.clone()?;
            Some(found.map_or(Position { forward: !forward, ..from }, |found| Position::at(found, !forward)))
        };
        if forward {
            Page { previous: back(kept.first()), next: beyond, found: kept }
        } else {
            Page { next: back(kept.last()), previous: beyond, found: kept }
        }
    }
}

async fn read(store: &Store, plan: &Plan<'_>) -> Result<Vec<Found>, StoreError> {
    store.page(&plan.statement, plan.sort_columns).await
}

impl Planner<'_> {
    /// A page of `count` resources.
    pub async fn find(
        &self,
        search: &Search,
        access: Access<'_>,
        count: usize,
        position: Option<Position>,
        store: &Store,
    ) -> Result<Page, StoreError> {
        if !search.looks_at_bodies() {
            let plan = self.page(search, access, count, position);
            return Ok(plan.page(read(store, &plan).await?));
        }
        // One more than asked for tells whether there is a next page.
        let (kept, rest) = self.look(search, access, count + 1, position.clone(), store).await?;
        Ok(Page::walked(kept, rest, count, position))
    }

    /// How many match; none where more would have to be looked at than is bearable.
    pub async fn look_and_count(
        &self,
        search: &Search,
        access: Access<'_>,
        store: &Store,
    ) -> Result<Option<u64>, StoreError> {
        let unordered = Search { sort: Vec::new(), ..search.clone() };
        let (kept, rest) = self.look(&unordered, access, usize::MAX, None, store).await?;
        Ok(rest.is_none().then_some(kept.len() as u64))
    }

    /// The first `most` that match, in the direction of the position, and where to go on from if not all were looked at.
    async fn look(
        &self,
        search: &Search,
        access: Access<'_>,
        most: usize,
        position: Option<Position>,
        store: &Store,
    ) -> Result<(Vec<Found>, Option<Position>), StoreError> {
        let forward = position.as_ref().is_none_or(|position| position.forward);
        let (mut kept, mut at, mut looked_at) = (Vec::new(), position, 0);
        let (others, of_bodies) = (search.without_bodies(), search.of_bodies());
        let sought = (&search.types[..], search.contained);
        loop {
            let plan = self.page(&others, access, BITE, at);
            let mut page = plan.page(read(store, &plan).await?);
            if !forward {
                page.found.reverse();
            }
            looked_at += page.found.len().max(1);
            for found in page.found {
                let is_it = vesta_runtime::json::parse(&found.stored.body)
                    .is_ok_and(|resource| is_found_by(sought, &of_bodies, self.table, &resource, &found));
                if is_it {
                    kept.push(found);
                    if kept.len() == most {
                        return Ok((kept, None));
                    }
                }
            }
            let rest = if forward { page.next } else { page.previous };
            if rest.is_none() || looked_at >= MOST_LOOKED_AT {
                return Ok((kept, rest));
            }
            at = rest;
        }
    }
}
