//! Where a search's chains and `_has` lead: only to what the token covers, and from the few to the many.

use std::collections::BTreeSet;

use serde_json::Value;
use vesta_runtime::search::{IndexValue, values};

use super::outcome::{Error, Kind};
use super::service::{Request, Service};
use crate::access::{Boundary, Permission};
use crate::search::{Access, Criterion, Search, Test};

/// Up to so many resources that `_has` asks for are looked up before the search: it then knows the ids it is to find.
const LOOKED_UP: usize = 500;

/// What a chain leads to is told of by what is found, so the token must cover it. Where it covers less of that than of
/// the types searched, chains keep to the lesser.
pub(super) fn restrict(request: &Request<'_>, search: &mut Search, granted: &Boundary) -> Result<(), Error> {
    for name in search.reached() {
        let access = request.access;
        let boundary = access
            .grant(name, Permission::Search)
            .or_else(|refused| access.grant(name, Permission::Read).map_err(|_| refused))?;
        if boundary != Boundary::Unrestricted && *granted == Boundary::Unrestricted {
            search.beyond = Some(boundary);
        }
    }
    Ok(())
}

/// Takes the place of each `_has` by the ids that it means, where few resources refer: what is found costs as much as
/// they are, instead of a look at every resource of the type. <https://hl7.org/fhir/R4/search.html#has>
pub(super) async fn shorten(service: &Service, search: &mut Search, granted: &Boundary) -> Result<(), Error> {
    let [of] = search.types[..] else { return Ok(()) };
    let boundary = search.beyond.clone().unwrap_or_else(|| granted.clone());
    for criterion in &mut search.criteria {
        if criterion.negated {
            continue;
        }
        let Test::Referred { source, code, criterion: inner } = &criterion.test else { continue };
        if let Some(ids) = Box::pin(referred(service, (source, code), inner, of, &boundary)).await? {
            *criterion = Criterion { code: "_id", negated: false, test: Test::Id(ids) };
        }
    }
    Ok(())
}

/// The ids of the resources of type `of` that `source` refers to; none where more than a few do.
async fn referred(
    service: &Service,
    (source, code): (&'static str, &'static str),
    criterion: &Criterion,
    of: &'static str,
    boundary: &Boundary,
) -> Result<Option<Vec<String>>, Error> {
    let mut search = Search::of(vec![source], vec![criterion.clone()]);
    shorten(service, &mut search, boundary).await?;
    let plan = service.planner().page(&search, Access { boundary, scopes: &[] }, LOOKED_UP, None);
    let page = plan.page(service.store.page(&plan.statement, plan.sort_columns).await?);
    if page.next.is_some() {
        return Ok(None);
    }
    let table = &service.parameters;
    let mut ids = BTreeSet::new();
    for found in &page.found {
        let resource: Value = vesta_runtime::json::parse(&found.stored.body)
            .map_err(|error| Error::new(Kind::Internal, "A stored resource cannot be read.").caused_by(error))?;
        let Some(((_, node), parameter)) = table.root(&resource).zip(table.parameter(source, code)) else { continue };
        ids.extend(values(parameter.definition, node).into_iter().filter_map(|value| match value {
            IndexValue::Reference(reference) => table.local_id(&reference, of).map(str::to_owned),
            _ => None,
        }));
    }
    Ok(Some(ids.into_iter().collect()))
}
