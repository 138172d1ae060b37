//! Users' own parameters are searched by as any: SQL, memory and the parameter of the standard with the same expression
//! find the same.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vesta_runtime::search::{SearchParameterType as Kind, values};

use super::differential::compare_of;
use super::*;

/// A SearchParameter that says what the standard's says, under a code of its own.
fn twin(of: &str, parameter: &vesta_runtime::search::SearchParameter) -> Value {
    let kind = format!("{:?}", parameter.kind).to_lowercase();
    let (id, url) = (format!("{of}-{}", parameter.code.trim_start_matches('_')), parameter.url);
    let components: Vec<Value> = parameter
        .components
        .iter()
        .map(|part| json!({ "definition": part.definition, "expression": part.expression }))
        .collect();
    let mut twin = json!({
        "resourceType": "SearchParameter", "id": id, "url": format!("http://example.org/SearchParameter/{id}"),
        "name": "Twin", "status": "active", "description": format!("As {url}."), "code": format!("own-{}", parameter.code),
        "base": [of], "type": kind, "expression": parameter.expression
    });
    if !components.is_empty() {
        twin["component"] = json!(components);
    }
    if !parameter.targets.is_empty() {
        twin["target"] = json!(parameter.targets);
    }
    twin
}

fn twins(table: &ParameterTable, names: &BTreeSet<&str>) -> Vec<Value> {
    let of = |name: &str| {
        let taken = |parameter: &&Parameter| !NOT_TAKEN.contains(&parameter.definition.url) && !parameter.is_own();
        let is_told = |parameter: &&Parameter| parameter.is_in_tables() && parameter.definition.kind != Kind::Special;
        let parameters = table.parameters(name).filter(is_told).filter(taken);
        parameters.map(|parameter| twin(name, parameter.definition)).collect::<Vec<_>>()
    };
    names.iter().flat_map(|name| of(name)).collect()
}

/// What R4 says and this server does not take from a user: a resource in a Bundle as a reference to it, and a composite
/// whose components have each other's expression.
const NOT_TAKEN: [&str; 3] = [
    "http://hl7.org/fhir/SearchParameter/Bundle-composition",
    "http://hl7.org/fhir/SearchParameter/Bundle-message",
    "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship",
];

/// What R4 and US Core search by can be said by a user too.
#[test]
fn every_expression_of_the_standard_is_taken() {
    let table = generated_table();
    let names = table.entries().map(|entry| entry.name).collect();
    let mut refused = Vec::new();
    for twin in twins(&table, &names) {
        if let Err(faults) = crate::search::own::check(&SCHEMA, &table, &twin) {
            refused.push(format!("{}: {faults}", twin["description"]));
        }
    }
    assert_eq!(refused, Vec::<String>::new());
}

async fn twins_find_the_same(mut fixture: Fixture) {
    let resources = corpus();
    fixture.put(&resources).await;
    let names: BTreeSet<&str> = resources.iter().filter_map(|resource| resource["resourceType"].as_str()).collect();
    let twins = twins(&fixture.table, &names);
    // Half of the resources are there before, half come by the rows of a table that knows nothing of the twins.
    fixture.put(&twins).await;
    let later = resources.iter().map(|resource| {
        let mut later = resource.clone();
        later["id"] = json!(format!("{}-later", resource["id"].as_str().expect("an id")));
        later
    });
    let later: Vec<Value> = later.collect();
    fixture.put(&later).await;
    let before = std::mem::replace(&mut fixture.table, fixture.store.table().expect("a table"));
    let is_pending = |name: &str, code: &str| !fixture.table.is_indexed(name, code);
    assert!(
        twins.iter().all(|twin| {
            is_pending(twin["base"][0].as_str().expect("a base"), twin["code"].as_str().expect("a code"))
        })
    );
    while !fixture.store.reindex_bite(50).await.expect("a bite").is_complete() {}
    assert!(fixture.store.check(|_| ()).await.expect("checked").faults.is_empty());

    let all: Vec<Value> = resources.into_iter().chain(later).collect();
    let asked = compare_of(&fixture, &all, 3, &|parameter| parameter.is_own()).await;
    assert!(asked > 1_000, "{asked}");

    let mut compared = 0;
    for resource in &all {
        let (entry, node) = fixture.table.root(resource).expect("a resource");
        for parameter in before.parameters(entry.name).filter(|parameter| parameter.is_in_tables()) {
            if NOT_TAKEN.contains(&parameter.definition.url) {
                continue;
            }
            let twin =
                fixture.table.parameter(entry.name, &format!("own-{}", parameter.definition.code)).expect("a twin");
            let (one, other) = (values(parameter.definition, node), values(twin.definition, node));
            assert_eq!(one, other, "{}", parameter.definition.url);
            compared += one.len();
        }
    }
    assert!(compared > 300, "{compared}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twins_find_the_same_on_sqlite() {
    twins_find_the_same(Fixture::generated().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twins_find_the_same_on_postgres() {
    if let Some(fixture) = Fixture::generated_on_postgres("own").await {
        twins_find_the_same(fixture).await;
    }
}

/// In chains, `_has`, includes, orders, `_filter` and beside others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_stand_wherever_a_parameter_may() {
    let mut fixture = Fixture::generated().await;
    let own = |code: &str, of: &str, kind: Kind, expression: &str| {
        json!({
            "resourceType": "SearchParameter", "id": code, "url": format!("http://example.org/{code}"), "name": "Own",
            "status": "active", "description": "Our own.", "code": code, "base": [of],
            "type": format!("{kind:?}").to_lowercase(), "expression": expression
        })
    };
    let observation = |id: &str, patient: &str, number: &str, focus: &str| {
        vesta_runtime::json::parse(
            format!(
                r#"{{"resourceType": "Observation", "id": "{id}", "status": "final", "code": {{"text": "x"}},
                 "subject": {{"reference": "Patient/{patient}"}}, "focus": [{{"reference": "{focus}"}}],
                 "extension": [{{"url": "http://example.org/rank", "valueDecimal": {number}}}]}}"#
            )
            .as_bytes(),
        )
        .expect("JSON")
    };
    fixture
        .put(&[
            json!({ "resourceType": "Patient", "id": "a", "name": [{ "text": "Ada the first" }], "maritalStatus": { "text": "m" } }),
            json!({ "resourceType": "Patient", "id": "b", "name": [{ "text": "Bob" }] }),
            observation("one", "a", "3", "Patient/b"),
            observation("two", "b", "1", "Patient/a"),
            observation("three", "a", "2", "Device/d"),
            own("full-name", "Patient", Kind::String, "Patient.name.text"),
            own("about", "Observation", Kind::Reference, "Observation.focus"),
            own("rank", "Observation", Kind::Number, "Observation.extension('http://example.org/rank').value"),
            own("married", "Patient", Kind::Token, "Patient.maritalStatus.exists()"),
        ])
        .await;
    while !fixture.store.reindex_bite(50).await.expect("a bite").is_complete() {}
    fixture.table = fixture.store.table().expect("a table");
    for (of, query, expected) in [
        ("Patient", "full-name=ada", vec!["a"]),
        ("Patient", "full-name:contains=FIRST", vec!["a"]),
        ("Patient", "married=true", vec!["a"]),
        ("Patient", "married:not=true", vec!["b"]),
        ("Observation", "rank=gt1", vec!["one", "three"]),
        ("Observation", "rank:missing=true", vec![]),
        ("Observation", "about=Patient/a", vec!["two"]),
        ("Observation", "about:Patient.full-name=bob", vec!["one"]),
        ("Observation", "subject:Patient.full-name=bob", vec!["two"]),
        ("Patient", "_has:Observation:about:rank=3", vec!["b"]),
        ("Patient", "_has:Observation:subject:rank=lt2", vec!["b"]),
        ("Observation", "_filter=rank gt 1 and about re Patient/b", vec!["one"]),
        ("Observation", "_sort=rank", vec!["two", "three", "one"]),
        ("Observation", "_sort=-rank", vec!["one", "three", "two"]),
    ] {
        let search = parse(&fixture.table, Some(of), query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let mut found = fixture.find(&search, &Boundary::Unrestricted, 2).await;
        if search.sort.is_empty() {
            found.sort_unstable();
        }
        let mut expected = expected;
        if search.sort.is_empty() {
            expected.sort_unstable();
        }
        assert_eq!(found, expected, "{of}?{query}");
    }
}

/// Parts of any kind may be joined, and more than one of them be no equality: "a composite search parameter … pairs of
/// values". <https://hl7.org/fhir/R4/search.html#composite>
async fn composites_of_several_ranges(mut fixture: Fixture) {
    let composite = |code: &str, of: &str, expression: &str, parts: &[(&str, &str)]| {
        let parts = parts.iter().map(|(definition, expression)| {
            json!({ "definition": format!("http://hl7.org/fhir/SearchParameter/{definition}"), "expression": expression })
        });
        json!({
            "resourceType": "SearchParameter", "id": code, "url": format!("http://example.org/{code}"), "name": "Own",
            "status": "active", "description": "Our own.", "code": code, "base": [of], "type": "composite",
            "expression": expression, "component": parts.collect::<Vec<_>>()
        })
    };
    let observation = |id: &str, date: &str, value: u32| {
        json!({ "resourceType": "Observation", "id": id, "status": "final", "code": { "coding": [{ "code": "x" }] },
            "effectiveDateTime": date, "valueQuantity": { "value": value, "unit": "milligram", "code": "mg",
                "system": "http://unitsofmeasure.org" } })
    };
    let patient = |id: &str, names: &[(&str, &str)]| {
        let names = names.iter().map(|(given, family)| json!({ "given": [given], "family": family }));
        json!({ "resourceType": "Patient", "id": id, "name": names.collect::<Vec<_>>() })
    };
    let resources = [
        observation("one", "2024-01-01", 10),
        observation("two", "2024-02-01", 20),
        observation("three", "2025-01-01", 20),
        patient("a", &[("Ada", "Byron"), ("Augusta", "King")]),
        patient("b", &[("Ada", "King")]),
    ];
    fixture.put(&resources).await;
    fixture
        .put(&[
            composite(
                "code-date-value",
                "Observation",
                "Observation",
                &[("clinical-code", "code"), ("clinical-date", "effective"), ("Observation-value-quantity", "value")],
            ),
            composite(
                "whole-name",
                "Patient",
                "Patient.name",
                &[("individual-given", "given"), ("individual-family", "family")],
            ),
        ])
        .await;
    while !fixture.store.reindex_bite(50).await.expect("a bite").is_complete() {}
    fixture.table = fixture.store.table().expect("a table");
    for (of, query, expected) in [
        ("Observation", "code-date-value=x$2024$gt15", vec!["two"]),
        ("Observation", "code-date-value=x$ge2024$20|http://unitsofmeasure.org|mg", vec!["three", "two"]),
        ("Observation", "code-date-value=x$ge2024$0.02||milligram", vec![]),
        ("Observation", "code-date-value=x$ge2024$0.02|http://unitsofmeasure.org|g", vec!["three", "two"]),
        ("Observation", "code-date-value=x$lt2024-02$20||milligram,x$gt2024$20||milligram", vec!["three"]),
        ("Observation", "code-date-value=y$2024$10", vec![]),
        // Both of one name, not of two.
        ("Patient", "whole-name=ada$king", vec!["b"]),
        ("Patient", "whole-name=a$king", vec!["a", "b"]),
        ("Patient", "whole-name:missing=true", vec![]),
        ("Patient", "_filter=not (whole-name eq ada$king)", vec!["a"]),
    ] {
        let search = parse(&fixture.table, Some(of), query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let mut found = fixture.find(&search, &Boundary::Unrestricted, 2).await;
        found.sort_unstable();
        assert_eq!(found, expected, "{of}?{query}");
        let matching = resources.iter().filter(|one| search.matches(&fixture.table, one));
        let mut matching: Vec<&str> = matching.filter_map(|one| one["id"].as_str()).collect();
        matching.sort_unstable();
        assert_eq!(matching, expected, "{of}?{query} in memory");
    }
    let asked = compare_of(&fixture, &resources, 3, &|parameter| parameter.is_own()).await;
    assert!(asked > 20, "{asked}");
    assert!(fixture.store.check(|_| ()).await.expect("checked").faults.is_empty());

    // Six texts do not fit into one row.
    let name = ("individual-given", "given");
    let wide = composite("wide", "Patient", "Patient.name", &[name; 6]);
    let faults = crate::search::own::check(&SCHEMA, &fixture.table, &wide).expect_err("too wide").to_string();
    assert!(faults.contains("one row"), "{faults}");
    let wide = composite("wide", "Patient", "Patient.name", &[name; 5]);
    assert!(crate::search::own::check(&SCHEMA, &fixture.table, &wide).is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn composites_of_several_ranges_on_sqlite() {
    composites_of_several_ranges(Fixture::generated().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn composites_of_several_ranges_on_postgres() {
    if let Some(fixture) = Fixture::generated_on_postgres("several").await {
        composites_of_several_ranges(fixture).await;
    }
}
