//! What comes along with what is found.

use super::searches::{filled, find};
use super::*;

#[tokio::test]
async fn includes_stand_beside_the_matches_and_keep_to_the_scopes() {
    let fixture = filled().await;
    let parameters = [("_id", "o1"), ("_include", "Observation:subject")];
    let bundle = find(&fixture, "Observation", &parameters).await;
    assert_eq!(entries(&bundle), ["match Observation/o1", "include Patient/p"]);
    let bundle = find(&fixture, "Patient", &[("_id", "q"), ("_revinclude", "Observation:subject")]).await;
    assert_eq!(entries(&bundle), ["match Patient/q", "include Observation/other"]);
    // bdl-7 of https://hl7.org/fhir/R4/bundle.html: "FullUrl must be unique in a bundle". What matches is not included.
    let mut member = observation("o1", "p", "2024-01-01");
    member["hasMember"] = json!([{ "reference": "Observation/o2" }, { "reference": "Observation/o3" }]);
    fixture.put(member).await;
    let with_members = [("_id", "o1,o2"), ("_sort", "_id"), ("_include", "Observation:has-member")];
    let bundle = find(&fixture, "Observation", &with_members).await;
    assert_eq!(entries(&bundle), ["match Observation/o1", "match Observation/o2", "include Observation/o3"]);
    let access = fixture.with_scopes("user/Observation.rs");
    let request = Request { access: &access, ..fixture.request() };
    let bundle = body_of(search::search(&request, "Observation", &pairs(&parameters)).await.unwrap());
    assert_eq!(entries(&bundle), ["match Observation/o1", "outcome OperationOutcome/request-1"]);
    assert_eq!(bundle["entry"][1]["resource"]["issue"][0]["code"], "suppressed");
}

/// <https://hl7.org/fhir/R4/search.html#include>: what is included may lead further, round in a circle too.
#[tokio::test]
async fn includes_iterate_and_end() {
    let fixture = Fixture::new("user/*.cruds").await;
    for (id, of) in [("a", "b"), ("b", "c"), ("c", "a")] {
        fixture.put(json!({ "resourceType": "Organization", "id": id, "partOf": { "reference": format!("Organization/{of}") } })).await;
    }
    fixture
        .put(json!({ "resourceType": "Patient", "id": "p", "managingOrganization": { "reference": "Organization/a" } }))
        .await;
    fixture.put(observation("o", "p", "2024-01-01")).await;
    let asked = async |includes: &[(&str, &str)]| {
        let mut asked = vec![("_id", "o")];
        asked.extend(includes);
        let mut found = entries(&find(&fixture, "Observation", &asked).await);
        found.sort();
        found
    };
    let (patient, organization) = (("_include", "Observation:subject"), ("_include:iterate", "Patient:organization"));
    assert_eq!(asked(&[patient]).await, ["include Patient/p", "match Observation/o"]);
    assert_eq!(asked(&[("_include", "*")]).await, ["include Patient/p", "match Observation/o"]);
    assert_eq!(asked(&[organization]).await, ["match Observation/o"]);
    let two = ["include Organization/a", "include Patient/p", "match Observation/o"];
    assert_eq!(asked(&[patient, organization]).await, two);
    let all = asked(&[patient, organization, ("_include:iterate", "Organization:partof")]).await;
    assert_eq!(all.iter().filter(|found| found.starts_with("include Organization")).count(), 3);
    // Back along references as well.
    let found = entries(
        &find(
            &fixture,
            "Organization",
            &[("_id", "a"), ("_revinclude", "Patient:organization"), ("_revinclude:iterate", "Observation:subject")],
        )
        .await,
    );
    assert_eq!(found, ["match Organization/a", "include Patient/p", "include Observation/o"]);
}

/// "Both _include and _revinclude use the wildcard "*"": whatever refers to what matches, of whichever type, and as far as the
/// token covers it. <https://hl7.org/fhir/R4/search.html#revinclude>
#[tokio::test]
async fn all_that_refers_comes_along_within_the_scopes() {
    let fixture = filled().await;
    let reference = |to: &str| json!({ "reference": to });
    fixture
        .put(json!({ "resourceType": "Provenance", "id": "about-o1", "target": [reference("Observation/o1")],
            "recorded": "2024-01-01T00:00:00Z", "agent": [{ "who": reference("Patient/q") }] }))
        .await;
    fixture
        .put(json!({ "resourceType": "Group", "id": "g", "type": "person", "actual": true,
            "member": [{ "entity": reference("Patient/q") }, { "entity": reference("Patient/q") }] }))
        .await;
    let sorted = |bundle: &Value| {
        let mut found = entries(bundle);
        found.sort();
        found
    };
    let all = [("_id", "q"), ("_revinclude", "*")];
    let bundle = find(&fixture, "Patient", &all).await;
    let wanted = ["include Group/g", "include Observation/other", "include Provenance/about-o1", "match Patient/q"];
    assert_eq!(sorted(&bundle), wanted);
    // Of the audit log, in which much is named, nobody asked.
    assert!(!entries(&bundle).iter().any(|entry| entry.starts_with("outcome")), "{bundle}");
    let again = [("_id", "p"), ("_revinclude", "Observation:subject"), ("_revinclude:iterate", "*")];
    let found = sorted(&find(&fixture, "Patient", &again).await);
    assert_eq!(found.iter().filter(|one| one.starts_with("include Observation")).count(), 5);
    assert!(found.contains(&"include Provenance/about-o1".to_owned()), "{found:?}");
    // Many types are not covered, which is told in one sentence.
    let access = fixture.with_scopes("user/Observation.rs user/Patient.rs");
    let request = Request { access: &access, ..fixture.request() };
    let bundle = body_of(search::search(&request, "Patient", &pairs(&all)).await.unwrap());
    assert_eq!(sorted(&bundle), ["include Observation/other", "match Patient/q", "outcome OperationOutcome/request-1"]);
    let issues = bundle["entry"].as_array().unwrap().last().unwrap()["resource"]["issue"].as_array().unwrap();
    assert_eq!((issues.len(), &issues[0]["code"]), (1, &json!("suppressed")));
    // A patient's token brings along what is that patient's.
    let own = AccessContext { patient: Some("p".to_owned()), ..fixture.with_scopes("patient/*.rs") };
    let request = Request { access: &own, ..fixture.request() };
    let bundle = body_of(search::search(&request, "Patient", &pairs(&[("_revinclude", "*")])).await.unwrap());
    assert_eq!(sorted(&bundle).len(), 6, "the patient and five observations: {bundle}");
}
