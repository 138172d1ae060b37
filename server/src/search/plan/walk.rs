//! Pages as they are read, and pages of a walk that looks at each of what it meets and may break off, as that of the
//! audit log does.

use super::{Access, Page, Planner, Position};
use crate::search::query::Search;
use crate::store::{Found, Store, StoreError};

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
        if let Some(unordered) = self.without_order(search, access) {
            let from = (count, position.as_ref());
            if let Some(page) = self.ordered(&unordered, &search.sort, access, from, store).await? {
                return Ok(page);
            }
        }
        if let Some(in_order) = self.in_order(search, access)
            && let Some(page) = in_order.page(count, position.as_ref(), store).await?
        {
            return Ok(page);
        }
        let plan = self.page(search, access, count, position);
        Ok(plan.page(store.page(&plan.statement, plan.sort_columns).await?))
    }
}
