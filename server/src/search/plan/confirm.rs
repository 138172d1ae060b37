//! Equality is found by hashes, so a hit is looked at once more: two values may have one hash. Nearly always the text that
//! was asked for stands in the body, which is quickly seen; if not, the resource is read and compared in memory.

use memchr::memmem::Finder;

use crate::search::matching::is_found_by;
use crate::search::query::{Contained, Criterion, Search, Test, ValueTest};
use crate::search::table::ParameterTable;
use crate::store::Found;

/// A criterion that was decided by hashes.
#[derive(Debug)]
pub(super) struct Hashed {
    criterion: Criterion,
    /// One of these stands in a body that was rightly found.
    texts: Vec<Finder<'static>>,
}

pub(super) fn hashed(search: &Search) -> Vec<Hashed> {
    search
        .criteria
        .iter()
        .filter(|criterion| !criterion.negated)
        .filter_map(|criterion| {
            let Test::Any(tests) = &criterion.test else { return None };
            let texts: Vec<Finder<'static>> =
                tests.iter().flat_map(texts).map(|text| Finder::new(&text).into_owned()).collect();
            (!texts.is_empty()).then(|| Hashed { criterion: criterion.clone(), texts })
        })
        .collect()
}

fn texts(test: &ValueTest) -> Vec<String> {
    match test {
        ValueTest::Token { system, code } => code.iter().chain(system).take(1).cloned().collect(),
        ValueTest::IdentifierOfType { value, .. } | ValueTest::ReferenceIdentifier { value, .. } => vec![value.clone()],
        ValueTest::Reference(references) => {
            references.iter().filter_map(|one| one.target_id.clone().or_else(|| one.url.clone())).collect()
        }
        ValueTest::CanonicalBelow { url, .. } => vec![url.clone()],
        ValueTest::TokenText(start) | ValueTest::MediaBelow(start) | ValueTest::CodeText(start) => vec![start.clone()],
        ValueTest::Composite(parts) => parts.iter().map(texts).find(|texts| !texts.is_empty()).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Whether it was rightly found by a search for these.
pub(super) fn confirms(
    hashed: &[Hashed],
    table: &ParameterTable,
    sought: (&[&'static str], Contained),
    found: &Found,
) -> bool {
    let body = &found.stored.body;
    hashed.iter().all(|one| {
        one.texts.iter().any(|wanted| wanted.find(body).is_some())
            || vesta_runtime::json::parse(body)
                .is_ok_and(|resource| is_found_by(sought, &[&one.criterion], table, &resource, found))
    })
}
