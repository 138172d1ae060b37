//! What lies above or below a resource in the hierarchy of its type: `Procedure?location:below=42` finds those in the
//! rooms of building 42 too. <https://hl7.org/fhir/R4/search.html#recursive>

use std::collections::BTreeSet;

use vesta_runtime::search::{IndexValue, Reference, values};

use super::outcome::{Error, Issue, IssueType, Kind};
use super::service::Request;
use crate::access::Boundary;
use crate::search::{Access, Criterion, Search, Test, ValueTest};
use crate::store::Stored;

/// So many resources may one modifier stand for.
const MOST: usize = 1_000;
/// As many are asked for at once.
const BITE: usize = 200;

/// The resource, and all that is above or below it by the reference `part_of`. Each step keeps to what the token reaches
/// of the type: what is found tells of it.
pub(super) async fn related(
    request: &Request<'_>,
    (of, part_of): (&'static str, &'static str),
    id: &str,
    below: bool,
) -> Result<Vec<(String, String)>, Error> {
    let boundary = request.reach(of)?;
    let mut known = BTreeSet::from([id.to_owned()]);
    let mut edge = vec![id.to_owned()];
    while !edge.is_empty() {
        let mut next = Vec::new();
        for ids in edge.chunks(BITE) {
            let found = step(request, (of, part_of), ids, below, &boundary).await?;
            // Nothing keeps a hierarchy from having a circle: what is known is not gone into again.
            next.extend(found.into_iter().filter(|one| known.insert(one.clone())));
        }
        if known.len() > MOST {
            let text = format!(
                "More than {MOST} resources of type {of} lie {} {of}/{id}: name one that has fewer.",
                if below { "below" } else { "above" }
            );
            return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::TooCostly, text)));
        }
        edge = next;
    }
    Ok(known.into_iter().map(|id| (of.to_owned(), id)).collect())
}

async fn step(
    request: &Request<'_>,
    (of, part_of): (&'static str, &'static str),
    ids: &[String],
    below: bool,
    boundary: &Boundary,
) -> Result<Vec<String>, Error> {
    let service = request.service;
    let (code, test) = match below {
        true => {
            let one = |id: &String| Reference {
                target_type: Some(of.to_owned()),
                target_id: Some(id.clone()),
                ..Reference::default()
            };
            (part_of, Test::Any(vec![ValueTest::Reference(ids.iter().map(one).collect())]))
        }
        false => ("_id", Test::Id(ids.to_vec())),
    };
    let search = Search::of(vec![of], vec![Criterion { code, negated: false, test }]);
    let plan = service.planner().page(&search, Access { boundary }, MOST + 1, None);
    let page = plan.page(service.store.page(&plan.statement, plan.sort_columns).await?);
    if below {
        return Ok(page.found.into_iter().map(|found| found.stored.id).collect());
    }
    let mut above = Vec::new();
    for found in &page.found {
        above.extend(targets(request, (of, part_of), &found.stored)?);
    }
    Ok(above)
}

/// The ids of what a resource is part of.
fn targets(request: &Request<'_>, (of, part_of): (&str, &str), stored: &Stored) -> Result<Vec<String>, Error> {
    let table = &request.service.parameters;
    let resource = vesta_runtime::json::parse(&stored.body)
        .map_err(|error| Error::new(Kind::Internal, "A stored resource cannot be read.").caused_by(error))?;
    let Some(((_, node), parameter)) = table.root(&resource).zip(table.parameter(of, part_of)) else {
        return Ok(Vec::new());
    };
    let local = |value| match value {
        IndexValue::Reference(reference) => table.local_id(&reference, of).map(str::to_owned),
        _ => None,
    };
    Ok(values(parameter.definition, node).into_iter().filter_map(local).collect())
}
