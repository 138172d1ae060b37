//! References that name a version, in searches. <https://hl7.org/fhir/R4/search.html#versions>

use vesta_runtime::search::{IndexValue, values};

use super::boundary;
use super::outcome::{Error, Issue, IssueType};
use super::service::{Request, Service};
use crate::access::Boundary;
use crate::search::{Search, Test};
use crate::store::{Found, Stored};

/// The version that a reference names, as far as it may be seen.
pub(super) async fn named(
    request: &Request<'_>,
    (of, id, version): (&str, &str, i64),
    granted: &Boundary,
) -> Result<Option<Stored>, Error> {
    let resource_type = request.service.resource_type(of)?;
    let stored = request.service.store.read_version(resource_type.number, id, version).await?;
    let Some(stored) = stored.filter(|stored| !stored.deleted) else { return Ok(None) };
    let is_shown = boundary::is_readable(request, resource_type, granted, &stored).await?;
    Ok(is_shown.then_some(stored))
}

/// "Servers SHOULD … return an OperationOutcome with a warning": a chain looks at what a resource is now, whichever version
/// of it is referred to.
pub(super) fn passed_over(service: &Service, search: &Search, page: &[Found]) -> Option<Issue> {
    let table = &service.parameters;
    let chains: Vec<&str> =
        search.criteria.iter().filter(|one| matches!(one.test, Test::Chain(_))).map(|one| one.code).collect();
    let names_versions = |found: &&Found| found.stored.body.windows(10).any(|text| text == b"/_history/");
    let is_passed_over = |found: &Found| {
        let resource = vesta_runtime::json::parse(&found.stored.body).ok()?;
        let (entry, node) = table.root(&resource)?;
        let named = chains.iter().filter_map(|code| table.parameter(entry.name, code)).find(|parameter| {
            values(parameter.definition, node)
                .iter()
                .any(|value| matches!(value, IndexValue::Reference(reference) if reference.target_version.is_some()))
        });
        named.map(|parameter| parameter.definition.code)
    };
    if chains.is_empty() {
        return None;
    }
    let code = page.iter().filter(names_versions).find_map(is_passed_over)?;
    let text = format!(
        "Some references of {code} name a version: the chain has looked at the current one. The version named is read at \
         its own address, or comes with _include."
    );
    Some(Issue::warning(IssueType::Incomplete, text))
}
