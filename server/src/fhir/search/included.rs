//! What `_include` and `_revinclude` bring along with a page. <https://hl7.org/fhir/R4/search.html#include>

use std::collections::{BTreeMap, HashSet};

use super::SearchSet;
use crate::access::{AccessError, Boundary};
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::fhir::versions;
use crate::search::{Access, Includes, MOST_INCLUDED, Page, Search};
use crate::store::{Found, Stored};

/// Of more types than these it is told how many are left out: `_revinclude=*` may mean nearly all.
const MOST_TOLD: usize = 8;

impl SearchSet<'_> {
    /// What `_include` and `_revinclude` add to the page, each within what the token covers.
    pub(super) async fn included(&mut self, page: &Page) -> Result<Vec<Stored>, Error> {
        if self.search.includes.is_empty() || page.found.is_empty() {
            return Ok(Vec::new());
        }
        // "A resource is in a search set once": what matches is not included again, nor what is included.
        let itself = page.found.iter().filter(|found| found.contained_at().is_none());
        let place = |stored: &Stored| (stored.key, stored.version);
        let mut known: HashSet<(i64, i64)> = itself.map(|found| place(&found.stored)).collect();
        let mut refused = BTreeMap::new();
        let mut round = Search { includes: self.search.includes.clone(), ..Search::of(Vec::new(), Vec::new()) };
        let mut last = self.include_round(&round, &page.found, &mut refused).await?;
        let mut included: Vec<Stored> = Vec::new();
        loop {
            last.retain(|found| known.insert(place(&found.stored)));
            included.extend(last.iter().map(|found| found.stored.clone()));
            // "The inclusion process should be repeated for included resources" of these alone.
            round.includes.retain(|include| include.iterate);
            if round.includes.is_empty() || last.is_empty() || included.len() > MOST_INCLUDED {
                break;
            }
            last = self.include_round(&round, &last, &mut refused).await?;
        }
        if refused.len() > MOST_TOLD {
            let text = format!("Resources of {} types are not included: the token does not cover them.", refused.len());
            self.issues.push(Issue::warning(IssueType::Suppressed, text));
        } else {
            for (name, why) in refused {
                let text = format!("Resources of type {name} are not included: {why}.");
                self.issues.push(Issue::warning(IssueType::Suppressed, text));
            }
        }
        if included.len() > MOST_INCLUDED {
            included.truncate(MOST_INCLUDED);
            self.issues.push(Issue::warning(
                IssueType::TooCostly,
                format!("More than {MOST_INCLUDED} resources would be included with this page: the rest is left out. Ask for smaller pages with `_count`."),
            ));
        }
        Ok(included)
    }

    /// What one step from these resources leads to; `refused` learns the types that the token does not cover.
    async fn include_round(
        &self,
        round: &Search,
        from: &[Found],
        refused: &mut BTreeMap<&'static str, AccessError>,
    ) -> Result<Vec<Found>, Error> {
        let service = self.request.service;
        let planner = service.planner();
        let includes = Includes::of(&planner, round, from)
            .map_err(|error| Error::new(Kind::Internal, "A stored resource cannot be read.").caused_by(error))?;
        let mut boundaries: BTreeMap<&'static str, Boundary> = BTreeMap::new();
        for name in includes.types() {
            if !boundaries.contains_key(name) && !refused.contains_key(name) {
                match self.request.reach(name) {
                    Ok(boundary) => drop(boundaries.insert(name, boundary)),
                    Err(why) => drop(refused.insert(name, why)),
                }
            }
        }
        let statement = includes.statement(&planner, |name| boundaries.get(name).map(|boundary| Access { boundary }));
        let mut found = match statement {
            Some(statement) => service.store.page(&statement, 0).await?,
            None => Vec::new(),
        };
        for named in includes.versions().take(MOST_INCLUDED) {
            let Some(boundary) = boundaries.get(named.0) else { continue };
            found.extend(
                versions::named(self.request, named, boundary).await?.map(|stored| Found::of(stored, Vec::new())),
            );
        }
        Ok(found)
    }
}
