//! Where a search's chains and `_has` lead: only to what the token covers, and from the few to the many.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use vesta_runtime::search::{IndexValue, values};

use super::audit_log;
use super::outcome::{Error, Kind};
use super::service::{Request, Service};
use crate::access::Boundary;
use crate::search::{Access, Contained, Criterion, Search, Test};

/// Up to so many resources that `_has` asks for are looked up before the search: it then knows the ids it is to find.
const LOOKED_UP: usize = 500;

/// What a chain leads to is told of by what is found, so the token must cover it: at each step the chain keeps to what
/// the token reaches of that type.
pub(super) fn restrict(request: &Request<'_>, search: &mut Search) -> Result<(), Error> {
    for name in search.reached() {
        search.beyond.insert(name, request.reach(name)?);
    }
    if search.contained != Contained::False {
        search.containers = Some(containers(request));
    }
    Ok(())
}

/// What is contained is a part of its container: it is found where that may be seen, whatever of its own type may be.
/// <https://hl7.org/fhir/R4/search.html#contained>
fn containers(request: &Request<'_>) -> (Vec<&'static str>, Boundary) {
    let types = request.service.parameters.entries().map(|entry| entry.name).filter(|name| !audit_log::has(name));
    let grants: Vec<_> = types.filter_map(|name| Some((name, request.reach(name).ok()?))).collect();
    (grants.iter().map(|(name, _)| *name).collect(), Boundary::over(grants))
}

/// Takes the place of each `_has` by the ids that it means, where few resources refer: what is found costs as much as
/// they are, instead of a look at every resource of the type. <https://hl7.org/fhir/R4/search.html#has>
pub(super) async fn shorten(service: &Service, search: &mut Search, granted: &Boundary) -> Result<(), Error> {
    let [of] = search.types[..] else { return Ok(()) };
    let beyond = &search.beyond;
    for criterion in &mut search.criteria {
        if criterion.negated {
            continue;
        }
        let Test::Referred { source, code, criterion: inner } = &criterion.test else { continue };
        if let Some(ids) = Box::pin(referred(service, (source, code), inner, of, (granted, beyond))).await? {
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
    (granted, beyond): (&Boundary, &BTreeMap<&'static str, Boundary>),
) -> Result<Option<Vec<String>>, Error> {
    let boundary = beyond.get(source).unwrap_or(granted);
    let mut search = Search::of(vec![source], vec![criterion.clone()]);
    search.beyond = beyond.clone();
    shorten(service, &mut search, boundary).await?;
    let plan = service.planner().page(&search, Access { boundary }, LOOKED_UP, None);
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
