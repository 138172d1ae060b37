//! Operations: what they take, by their definitions, and what they do.

use super::*;
use crate::fhir::operation::{self, Place};

impl Fixture {
    /// Invokes an operation: by GET, or by POST with a body.
    pub(super) async fn operation(
        &self,
        place: Place<'_>,
        name: &str,
        parameters: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Value, Error> {
        let found = operation::find(&self.service, name, place).expect("the operation is offered there");
        let body = body.map(|body| bytes(&body));
        let answer = operation::run(&self.request(), found, place, &pairs(parameters), body.as_deref()).await?;
        Ok(body_of(answer))
    }
}

fn parameters(given: Value) -> Option<Value> {
    Some(json!({ "resourceType": "Parameters", "parameter": given }))
}

fn texts(error: &Error) -> Vec<String> {
    error.issues.iter().map(|issue| format!("{}: {}", issue.expression.join(","), issue.diagnostics)).collect()
}

/// Names, cardinalities and types are those of the OperationDefinition.
#[tokio::test]
async fn what_is_no_parameter_of_the_definition_is_refused_and_the_right_ones_are_named() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.put(observation("o", "p", "2024-01-01")).await;
    let place = Place::Instance("Observation", "o");
    let cases = [
        ("meta-add", vec![], parameters(json!([]))),
        ("meta-add", vec![], parameters(json!([{ "name": "meta", "valueString": "x" }]))),
        ("meta-add", vec![], parameters(json!([{ "name": "meta", "valueMeta": { "tag": "x" } }]))),
        ("meta-add", vec![], parameters(json!([{ "name": "meta", "valueMeta": {} }, { "name": "meta", "valueMeta": {} }]))),
        ("meta-add", vec![], parameters(json!([{ "name": "_mode", "valueCode": "x" }]))),
        ("meta-add", vec![], Some(patient("No Parameters"))),
        ("meta", vec![("_since", "2024")], None),
        ("validate", vec![("mode", "no code at all ")], None),
    ];
    let mut refusals = Vec::new();
    for (name, query, body) in cases {
        let error = fixture.operation(place, name, &query, body).await.unwrap_err();
        assert_eq!(error.kind, Kind::Invalid, "{error}");
        refusals.push(format!("${name}: {}", texts(&error).join(" | ")));
    }
    insta::assert_snapshot!(refusals.join("\n"));
}

/// <https://hl7.org/fhir/R4/resource-operation-meta-add.html>: "executing this operation does not cause a new version
/// of the resource to be created. The meta is updated directly."
#[tokio::test]
async fn labels_are_added_and_taken_away_without_a_new_version() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.put(observation("o", "p", "2024-01-01")).await;
    let place = Place::Instance("Observation", "o");
    let tag = |code: &str| json!({ "system": "http://example.org/tags", "code": code, "display": code });
    let meta = |tags: Value| parameters(json!([{ "name": "meta", "valueMeta": { "tag": tags } }]));
    let added = fixture.operation(place, "meta-add", &[], meta(json!([tag("a"), tag("b")]))).await.unwrap();
    assert_eq!(added["parameter"][0]["valueMeta"]["tag"], json!([tag("a"), tag("b")]));
    // By system and code: the same label is there once, whatever it is called.
    let renamed = json!([{ "system": "http://example.org/tags", "code": "a" }]);
    fixture.operation(place, "meta-add", &[], meta(renamed.clone())).await.unwrap();
    let read = fixture.operation(place, "meta", &[], None).await.unwrap();
    let shown = &read["parameter"][0]["valueMeta"];
    assert_eq!((&shown["tag"], &shown["versionId"]), (&json!([tag("a"), tag("b")]), &json!("1")));
    let found = async |code: &str| {
        let query = pairs(&[("_tag", &format!("http://example.org/tags|{code}"))]);
        entries(&body_of(search::search(&fixture.request(), "Observation", &query).await.unwrap()))
    };
    assert_eq!(found("a").await, ["match Observation/o"]);
    let of_type = fixture.operation(Place::Type("Observation"), "meta", &[], None).await.unwrap();
    assert_eq!(of_type["parameter"][0]["valueMeta"], json!({ "tag": [tag("a"), tag("b")] }));
    fixture.operation(place, "meta-delete", &[], meta(renamed)).await.unwrap();
    assert_eq!(found("a").await, [""; 0]);
    assert_eq!(found("b").await, ["match Observation/o"]);
    let history = body_of(history::instance(&fixture.request(), "Observation", "o", &[]).await.unwrap());
    assert_eq!(history["entry"].as_array().unwrap().len(), 1);
    assert_eq!(fixture.service.store.check(|_| ()).await.unwrap().faults, Vec::<String>::new());
}

/// <https://hl7.org/fhir/R4/resource-operation-validate.html>: 200 whether or not the resource is valid.
#[tokio::test]
async fn validate_tells_what_is_wrong_and_writes_nothing() {
    let fixture = Fixture::new("user/*.cruds").await;
    let mut wrong = observation("o", "p", "2024-13-01");
    wrong["nmae"] = json!("x");
    let said = |outcome: &Value| {
        let issues = outcome["issue"].as_array().unwrap().iter();
        issues.map(|issue| format!("{} {}", issue["severity"], issue["expression"][0])).collect::<Vec<_>>()
    };
    for place in [Place::System, Place::Type("Observation")] {
        let outcome = fixture.operation(place, "validate", &[], Some(wrong.clone())).await.unwrap();
        assert_eq!(
            said(&outcome),
            ["\"error\" \"Observation.effective\"", "\"error\" \"Observation.nmae\""],
            "{outcome}"
        );
    }
    let right = parameters(json!([
        { "name": "resource", "resource": observation("o", "p", "2024-01-01") },
        { "name": "mode", "valueCode": "create" }
    ]));
    let outcome = fixture.operation(Place::Type("Observation"), "validate", &[], right).await.unwrap();
    assert_eq!(said(&outcome), ["\"information\" null"]);
    let query = [("profile", "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient")];
    let outcome =
        fixture.operation(Place::Type("Patient"), "validate", &query, Some(patient("A"))).await.unwrap();
    assert_eq!(outcome["issue"][0]["code"], "not-supported", "a profile that is not checked is not called right");
    // Nothing came to be.
    let error = fixture.operation(Place::Instance("Observation", "o"), "validate", &[], None).await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
    fixture.put(observation("o", "p", "2024-01-01")).await;
    let outcome = fixture.operation(Place::Instance("Observation", "o"), "validate", &[], None).await.unwrap();
    assert_eq!(said(&outcome), ["\"information\" null"]);
}

/// The list that the OpenAPI document is made from is the server's.
#[test]
fn the_openapi_document_lists_the_operations_that_are_offered() {
    let document: Value = serde_json::from_str(include_str!("../../../../generated/api/openapi/fhir.json")).unwrap();
    let listed = document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.contains('$'));
    let mut listed: Vec<String> = listed
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect();
    listed.sort();
    let mut offered = operation::places();
    offered.sort();
    assert_eq!(listed, offered);
}
