//! References that name no type, where what matches is of several: `subject=1` with a Patient/1 and a Device/1, and
//! `subject.identifier=1` likewise. "Servers SHOULD fail a search where the logical id in a reference refers to more than one
//! matching resource across different types" (<https://hl7.org/fhir/R4/search.html#reference>), and should reject a chain
//! that leads to several (<https://hl7.org/fhir/R4/search.html#chaining>).
//!
//! What is told is told of what the token reaches: each type is asked for as the search itself is. Alternatives of `_filter` (`or`)
//! and searches of several types find what is of any type.

use vesta_runtime::search::Reference;

use super::conditional::Reader;
use super::outcome::{Error, Issue, IssueType, Kind};
use super::service::Service;
use crate::access::Boundary;
use crate::search::{Access, Criterion, Search, Test, ValueTest};
use crate::store::StoreError;

/// The types that a chain may lead to, each of which is asked for by itself. A chain through a reference to anything, which
/// leads to more, is followed to all of them.
const MOST_TYPES: usize = 16;

/// One of several types that may be meant, with the criterion that asks for it alone.
type Meaning = (&'static str, Criterion);

/// Whether the search leaves a type open anywhere, which few do.
pub(super) fn is_open(search: &Search) -> bool {
    search.criteria.iter().any(|criterion| match &criterion.test {
        Test::Any(tests) => without_type(tests).next().is_some(),
        Test::Chain(_) | Test::Referred { .. } => true,
        _ => false,
    })
}

/// Refuses the search where what matches is of several types and the client named none of them.
pub(super) async fn refuse(
    service: &Service,
    reader: Reader<'_>,
    search: &Search,
    granted: &Boundary,
) -> Result<(), StoreError> {
    let [_] = search.types[..] else { return Ok(()) };
    for (at, criterion) in search.criteria.iter().enumerate() {
        for meanings in meanings(service, criterion) {
            if !may_be_several(service, reader, search, &meanings).await? {
                continue;
            }
            let mut matching = Vec::new();
            for (target, alone) in meanings {
                let mut of_type = Search { sort: Vec::new(), ..search.clone() };
                of_type.criteria[at] = alone;
                if is_found(service, reader, &of_type, granted).await? {
                    matching.push(target);
                }
            }
            if matching.len() > 1 {
                return Err(StoreError::Refused(Box::new(ambiguous(criterion, &matching))));
            }
        }
        // What a chain or `_has` asks on its way may leave the type open as well.
        let steps = match &criterion.test {
            Test::Chain(targets) if targets.len() <= MOST_TYPES => {
                targets.iter().map(|(target, inner)| (*target, inner)).collect()
            }
            Test::Referred { source, criterion: inner, .. } => vec![(*source, &**inner)],
            _ => Vec::new(),
        };
        for (of, inner) in steps {
            let (step, boundary) = step(search, granted, of, inner);
            Box::pin(refuse(service, reader, &step, boundary)).await?;
        }
    }
    Ok(())
}

/// An id alone stands for one of each type that the parameter may point to.
fn without_type(tests: &[ValueTest]) -> impl Iterator<Item = &[Reference]> {
    tests.iter().filter_map(|test| match test {
        ValueTest::Reference(any) if any.len() > 1 => Some(any.as_slice()),
        _ => None,
    })
}

/// Of each value that names no type what it may mean; and what a chain may lead to.
fn meanings(service: &Service, criterion: &Criterion) -> Vec<Vec<Meaning>> {
    if criterion.negated {
        return Vec::new();
    }
    let alone = |test| Criterion { code: criterion.code, negated: false, test };
    match &criterion.test {
        Test::Any(tests) => {
            let of_each = without_type(tests).map(|any| {
                let meaning = any.iter().filter_map(|one| {
                    let target = service.parameters.entry(one.target_type.as_deref()?)?.name;
                    Some((target, alone(Test::Any(vec![ValueTest::Reference(vec![one.clone()])]))))
                });
                meaning.collect()
            });
            of_each.collect()
        }
        Test::Chain(targets) if (2..=MOST_TYPES).contains(&targets.len()) => {
            vec![targets.iter().map(|step| (step.0, alone(Test::Chain(vec![step.clone()])))).collect()]
        }
        _ => Vec::new(),
    }
}

/// Whether more than one of the types has what is meant, as few ids and names do: only then the search is asked for each.
async fn may_be_several(
    service: &Service,
    reader: Reader<'_>,
    search: &Search,
    meanings: &[Meaning],
) -> Result<bool, StoreError> {
    let id = meanings.iter().find_map(|(_, alone)| match &alone.test {
        Test::Any(tests) => match tests.as_slice() {
            [ValueTest::Reference(any)] => any.first()?.target_id.as_deref(),
            _ => None,
        },
        _ => None,
    });
    if let Some(id) = id {
        let types: Vec<&'static str> = meanings.iter().map(|(target, _)| *target).collect();
        let statement = service.planner().with_id(&types, id, 2);
        return Ok(reader.page(&statement, 0).await?.len() > 1);
    }
    let mut types = 0;
    for (_, alone) in meanings {
        let Test::Chain(targets) = &alone.test else { continue };
        for (target, inner) in targets {
            let (step, boundary) = step(search, &Boundary::Unrestricted, target, inner);
            types += usize::from(is_found(service, reader, &step, boundary).await?);
        }
        if types > 1 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is asked of the resources that a step leads to, and what of them may be seen.
fn step<'a>(search: &'a Search, granted: &'a Boundary, of: &'static str, inner: &Criterion) -> (Search, &'a Boundary) {
    let asked = Search { beyond: search.beyond.clone(), ..Search::of(vec![of], vec![inner.clone()]) };
    (asked, search.beyond.get(of).unwrap_or(granted))
}

async fn is_found(
    service: &Service,
    reader: Reader<'_>,
    search: &Search,
    boundary: &Boundary,
) -> Result<bool, StoreError> {
    let plan = service.planner().page(search, Access { boundary }, 1, None);
    let found = reader.page(&plan.statement, plan.sort_columns).await?;
    Ok(!plan.page(found).found.is_empty())
}

fn ambiguous(criterion: &Criterion, types: &[&str]) -> Error {
    let (code, first) = (criterion.code, types.first().copied().unwrap_or_default());
    let right = match criterion.test {
        Test::Chain(_) => format!("{code}:{first}.…"),
        _ => format!("{code}={first}/… or {code}:{first}=…"),
    };
    let text = format!(
        "What matches by `{code}` is of several types ({}): name the one that is meant, as in {right}.",
        types.join(", ")
    );
    Error::from_issue(Kind::Invalid, Issue::error(IssueType::MultipleMatches, text).of_parameter(code))
}
