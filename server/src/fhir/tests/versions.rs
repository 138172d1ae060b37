//! References that name a version. <https://hl7.org/fhir/R4/search.html#versions>

use super::*;

#[tokio::test]
async fn include_brings_the_version_that_is_named_and_a_chain_says_that_it_looks_at_the_current_one() {
    let fixture = Fixture::new("user/*.cruds").await;
    for family in ["Before", "After"] {
        fixture.put(json!({ "resourceType": "Patient", "id": "p", "name": [{ "family": family }] })).await;
    }
    let observation = |id: &str, reference: &str| {
        json!({ "resourceType": "Observation", "id": id, "status": "final", "code": { "text": id },
            "subject": { "reference": reference } })
    };
    for (id, reference) in [("old", "Patient/p/_history/1"), ("none", "Patient/p/_history/7"), ("now", "Patient/p")] {
        fixture.put(observation(id, reference)).await;
    }
    let find = async |access: &AccessContext, parameters: &[(&str, &str)]| {
        let request = Request { access, ..fixture.request() };
        body_of(search::search(&request, "Observation", &pairs(parameters)).await.unwrap())
    };
    let included = |bundle: &Value| -> Vec<String> {
        let entries = bundle["entry"].as_array().into_iter().flatten();
        let included = entries.filter(|entry| entry["search"]["mode"] == "include");
        included.map(|entry| entry["resource"]["name"][0]["family"].as_str().unwrap().to_owned()).collect()
    };
    let access = &fixture.access;
    for (id, expected) in
        [("old", &["Before"][..]), ("none", &[]), ("now", &["After"]), ("old,now", &["After", "Before"])]
    {
        let found = find(access, &[("_id", id), ("_include", "Observation:subject")]).await;
        assert_eq!(included(&found), expected, "{id}");
    }
    // A version is seen by whom the record is.
    let mine = |patient: &str| AccessContext {
        patient: Some(patient.to_owned()),
        ..fixture.with_scopes("patient/Patient.rs user/Observation.rs")
    };
    let asked = [("_id", "old"), ("_include", "Observation:subject")];
    assert_eq!(included(&find(&mine("p"), &asked).await), ["Before"]);
    assert!(included(&find(&mine("q"), &asked).await).is_empty());

    let warns = |bundle: &Value| entries(bundle).iter().any(|entry| entry.starts_with("outcome OperationOutcome"));
    assert!(warns(&find(access, &[("subject:Patient.family", "After"), ("_id", "old")]).await));
    assert!(!warns(&find(access, &[("subject:Patient.family", "After"), ("_id", "now")]).await));
    assert!(!warns(&find(access, &[("_id", "old")]).await));
}
