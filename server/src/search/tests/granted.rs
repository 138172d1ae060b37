//! What a token with constrained scopes finds is what memory lets through of everything: for random scopes and
//! queries, on both databases, over chains, `_has`, includes and totals as well.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::cases::{Corpus, is_inside};
use super::*;
use crate::access::{AccessContext, Asked, Level, Scope, parse_scopes};

const SCOPES: [&str; 24] = [
    "patient/Observation.rs",
    "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
    "patient/Observation.rs?category=vital-signs",
    "patient/Observation.rs?status:not=final",
    "patient/Observation.r?code=85354-9",
    "user/Observation.rs?code=http://loinc.org|2339-0",
    "user/Observation.rs?value-quantity=gt1",
    "user/Observation.s?date=ge2024-03-01&status=final",
    "user/Observation.rs?_filter=status%20eq%20final%20and%20not%20(code%20eq%202339-0)",
    "user/Observation.rs?nothing=of-this-name",
    "patient/*.rs",
    "patient/*.rs?_tag=demo",
    "user/*.rs?_id=p1,o1,e2,t2",
    "user/Patient.rs?gender=female",
    "user/Patient.rs",
    "patient/Patient.rs?name=angstrom",
    "patient/Provenance.rs",
    "user/Provenance.rs",
    "patient/Binary.rs",
    "patient/DocumentReference.rs?_id=other",
    "patient/DiagnosticReport.rs?_id=dr1",
    "user/Practitioner.rs?name=careful",
    "patient/Encounter.rs?class=IMP",
    "user/Encounter.r",
];

const QUERIES: [(Option<&str>, &str); 21] = [
    (Some("Observation"), ""),
    (Some("Observation"), "status=final"),
    (Some("Observation"), "code=2339-0,85354-9"),
    (Some("Observation"), "patient=p1&_sort=-date"),
    (Some("Observation"), "category=laboratory"),
    (Some("Observation"), "_id=o1,o3,o4"),
    (Some("Observation"), "date=ge2024"),
    (Some("Observation"), "patient.gender=male,female"),
    (Some("Observation"), "subject:Patient.name=smi,ang"),
    (Some("Observation"), "performer:Practitioner.name=care"),
    (Some("Observation"), "_has:Provenance:target:_id=t1,t2"),
    (Some("Observation"), "subject:Patient._has:Encounter:patient:class=IMP"),
    (Some("Patient"), ""),
    (Some("Patient"), "_has:Observation:patient:code=2339-0"),
    (Some("Patient"), "_has:Observation:patient:status:not=final"),
    (Some("Provenance"), ""),
    (Some("Binary"), ""),
    (Some("DiagnosticReport"), ""),
    (None, ""),
    (None, "_type=Observation,Patient,Provenance"),
    (None, "_tag=demo"),
];

fn covers(scope: &Scope, of: &str, searches: bool) -> bool {
    let letter = if searches { scope.permissions.search } else { scope.permissions.search || scope.permissions.read };
    letter && scope.resource_type.as_deref().is_none_or(|covered| covered == of)
}

/// By the words of the guide: a scope's level says whose, its constraint which.
fn grants(table: &ParameterTable, all: &[Value], scope: &Scope, resource: &Value, searches: bool) -> bool {
    let of = resource["resourceType"].as_str().expect("a type");
    let is_met = || match Search::parse(table, Some(of), &scope.constraint, Handling::Strict, now()) {
        Ok((search, _)) => search.matches(table, resource),
        Err(_) => false,
    };
    covers(scope, of, searches)
        && (scope.level != Level::Patient || is_inside(table, all, resource, "p1"))
        && (scope.constraint.is_empty() || is_met())
}

/// What the scopes show of the corpus. A Provenance or Binary lies with records that are themselves shown, where the
/// token covers a part of their type.
fn shown(table: &ParameterTable, all: &[Value], scopes: &[Scope], searches: bool) -> Vec<Value> {
    let reached = |resource: &Value| scopes.iter().any(|scope| grants(table, all, scope, resource, false));
    let leads = |resource: &&Value| {
        let of = resource["resourceType"].as_str().expect("a type");
        let is_part = scopes.iter().any(|scope| covers(scope, of, false) && !scope.constraint.is_empty());
        matches!(of, "Provenance" | "Binary") || !is_part || reached(resource)
    };
    let leading: Vec<Value> = all.iter().filter(leads).cloned().collect();
    let is_shown = |resource: &&Value| {
        let follows = matches!(resource["resourceType"].as_str(), Some("Provenance" | "Binary"));
        let (within, resource) = match leading.iter().find(|one| *one == *resource) {
            Some(same) if follows => (&leading[..], same),
            _ => (all, *resource),
        };
        scopes.iter().any(|scope| grants(table, within, scope, resource, searches))
    };
    all.iter().filter(is_shown).cloned().collect()
}

fn ids<'a>(resources: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let mut ids: Vec<String> = resources.map(|one| one["id"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids
}

async fn compare(fixture: &Fixture, all: &[Value], scopes: &str, (of, query): (Option<&str>, &str)) {
    let table = &fixture.table;
    let context = AccessContext {
        patient: Some("p1".to_owned()),
        scopes: parse_scopes(scopes).expect("scopes"),
        ..AccessContext::default()
    };
    let asked = Asked { parameters: table, now: now() };
    let mut search = parse(table, of, query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let grants = search.types.iter().filter_map(|of| {
        let granted = context.grant(asked, of, crate::access::Permission::Search);
        Some((*of, granted.ok()?))
    });
    let grants: Vec<(&'static str, Boundary)> = grants.collect();
    let searched = shown(table, all, &context.scopes, true);
    let shows = |of: &str| searched.iter().any(|one| one["resourceType"] == of);
    if let Some(of) = search.types.iter().find(|of| grants.iter().all(|(granted, _)| granted != *of)) {
        assert!(!shows(of), "{scopes} refuse {of} and show some");
    }
    search.types = grants.iter().map(|(of, _)| *of).collect();
    if search.types.is_empty() {
        return;
    }
    for name in search.reached() {
        // Refused as a whole: the token covers none of what the chain leads to.
        let Ok(reached) = context.reach(asked, name) else { return };
        search.beyond.insert(name, reached);
    }
    let boundary = Boundary::over(grants);
    let reached = shown(table, all, &context.scopes, false);
    let around = Corpus { seen: reached.iter().collect() };
    let expected = ids(searched.iter().filter(|one| search.matches_among(table, one, &around)));
    let mut found = fixture.find(&search, &boundary, 3).await;
    found.sort();
    assert_eq!(found, expected, "{of:?}?{query} for {scopes}");
    assert_eq!(fixture.count(&search, &boundary).await, expected.len() as i64, "{of:?}?{query} for {scopes}");
    if of == Some("Observation") {
        let including = "_include=Observation:subject&_include=Observation:performer&_revinclude=Provenance:target";
        let including = parse(table, of, including).expect("a query");
        let page = fixture.page(&search, &boundary, 100, None).await;
        let planner = fixture.planner();
        let includes = Includes::of(&planner, &including, &page.found).expect("JSON");
        let boundaries: BTreeMap<&str, Boundary> =
            includes.types().filter_map(|of| Some((of, context.reach(asked, of).ok()?))).collect();
        let statement = includes.statement(&planner, |of| Some(Access { boundary: boundaries.get(of)? }));
        let mut included = Vec::new();
        if let Some(statement) = statement {
            let rows = fixture.store.page(&statement, 0).await.expect("included");
            included.extend(rows.into_iter().map(|found| found.stored.id));
        }
        included.sort();
        let refers = |from: &Value, to: &Value, name: &str, versions: bool| {
            let of = format!("{}/{}", to["resourceType"].as_str().unwrap_or(""), to["id"].as_str().unwrap_or(""));
            let each = from[name].as_array().map_or(std::slice::from_ref(&from[name]), Vec::as_slice);
            let is_it = |text: &str| text == of || (versions && text.starts_with(&format!("{of}/")));
            each.iter().any(|one| one["reference"].as_str().is_some_and(is_it))
        };
        let hits: Vec<&Value> = all.iter().filter(|one| expected.iter().any(|id| one["id"] == *id)).collect();
        let is_included = |one: &&Value| {
            hits.iter().any(|hit| {
                let provenance = one["resourceType"] == "Provenance" && refers(one, hit, "target", true);
                // A version that is named comes by itself, and not with the statement.
                provenance || refers(hit, one, "subject", false) || refers(hit, one, "performer", false)
            })
        };
        assert_eq!(included, ids(reached.iter().filter(is_included)), "{query} and includes for {scopes}");
    }
}

fn agree(fixture: impl AsyncFn() -> Option<Fixture>, cases: u32) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let Some(fixture) = runtime.block_on(fixture()) else { return };
    let corpus = corpus();
    runtime.block_on(fixture.put(&corpus));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let scopes = prop::collection::vec(prop::sample::select(&SCOPES[..]), 1..5);
    let result = runner.run(&(scopes, prop::sample::select(&QUERIES[..])), |(scopes, query)| {
        runtime.block_on(compare(&fixture, &corpus, &scopes.join(" "), query));
        Ok(())
    });
    runtime.block_on(fixture.store.close());
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn sqlite_shows_what_memory_lets_through() {
    agree(async || Some(Fixture::sqlite().await), 400);
}

#[test]
fn postgres_shows_what_memory_lets_through() {
    agree(async || Fixture::postgres("granted").await, 150);
}

/// `location` is a URI of a document, and a reference of an encounter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_code_of_several_kinds_is_asked_in_each_ones_own_rows() {
    let fixture = Fixture::generated().await;
    let located = serde_json::json!({ "resourceType": "Encounter", "id": "located", "status": "finished",
        "class": { "code": "AMB" }, "location": [{ "location": { "reference": "Location/1" } }] });
    let document = serde_json::json!({ "resourceType": "DocumentReference", "id": "document", "status": "current",
        "content": [{ "attachment": { "url": "http://example.org/note" } }] });
    let bare = serde_json::json!({ "resourceType": "Encounter", "id": "bare", "status": "finished",
        "class": { "code": "AMB" } });
    fixture.put(&[located, document, bare]).await;
    for (missing, expected) in [("true", &["bare"][..]), ("false", &["document", "located"])] {
        let context = AccessContext {
            scopes: parse_scopes(&format!("user/*.rs?location:missing={missing}")).expect("scopes"),
            ..AccessContext::default()
        };
        let asked = Asked { parameters: &fixture.table, now: now() };
        let search = parse(&fixture.table, None, "_type=Encounter,DocumentReference").expect("a query");
        let grants = search.types.iter().map(|of| (*of, context.reach(asked, of).expect("granted")));
        let mut found = fixture.find(&search, &Boundary::over(grants.collect()), 10).await;
        found.sort();
        assert_eq!(found, expected, "{missing}");
    }
}
