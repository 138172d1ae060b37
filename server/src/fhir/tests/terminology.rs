//! The modifiers that ask terminology: <https://hl7.org/fhir/R4/search.html#token>

use super::*;

async fn find(fixture: &Fixture, name: &str, parameters: &[(&str, &str)]) -> Result<Vec<String>, Error> {
    let answer = search::search(&fixture.request(), name, &pairs(parameters)).await?;
    let bundle = body_of(answer);
    let mut ids: Vec<String> = entries(&bundle).iter().map(|entry| entry.replace("match ", "")).collect();
    ids.sort();
    Ok(ids)
}

async fn filled() -> Fixture {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture
        .put(json!({
            "resourceType": "CodeSystem", "id": "pets", "url": "http://e.org/pets", "status": "active", "content": "complete",
            "concept": [{ "code": "mammal", "concept": [{ "code": "dog" }, { "code": "cat" }] }, { "code": "fish" }]
        }))
        .await;
    let set = |id: &str, include: Value| {
        json!({
            "resourceType": "ValueSet", "id": id, "url": format!("http://e.org/vs/{id}"), "status": "active",
            "compose": { "include": [include] }
        })
    };
    fixture.put(set("all", json!({ "system": "http://e.org/pets" }))).await;
    fixture.put(set("dogs", json!({ "system": "http://e.org/pets", "concept": [{ "code": "dog" }] }))).await;
    fixture.put(set("sct", json!({ "system": "http://snomed.info/sct" }))).await;
    for (id, gender) in [("p", Some("female")), ("q", None)] {
        let mut patient = json!({ "resourceType": "Patient", "id": id });
        if let Some(gender) = gender {
            patient["gender"] = json!(gender);
        }
        fixture.put(patient).await;
    }
    for (id, patient, system, code) in [
        ("dog", "p", "http://e.org/pets", "dog"),
        ("mammal", "p", "http://e.org/pets", "mammal"),
        ("fish", "q", "http://e.org/pets", "fish"),
        ("other", "q", "http://e.org/elsewhere", "dog"),
    ] {
        let mut observation = observation(id, patient, "2024-01-01");
        observation["code"] = json!({ "coding": [{ "system": system, "code": code }] });
        fixture.put(observation).await;
    }
    fixture
}

/// A type, the parameters of its search, and the ids found.
type Case = (&'static str, &'static [(&'static str, &'static str)], &'static [&'static str]);

#[tokio::test]
async fn tokens_are_found_by_value_set_and_by_hierarchy() {
    let fixture = filled().await;
    let cases: &[Case] = &[
        ("Observation", &[("code:in", "http://e.org/vs/all")], &["dog", "fish", "mammal"]),
        ("Observation", &[("code:in", "ValueSet/dogs")], &["dog"]),
        ("Observation", &[("code:in", "http://e.org/vs/dogs,http://e.org/vs/all")], &["dog", "fish", "mammal"]),
        ("Observation", &[("code:not-in", "http://e.org/vs/dogs")], &["fish", "mammal", "other"]),
        ("Observation", &[("code:below", "http://e.org/pets|mammal")], &["dog", "mammal"]),
        ("Observation", &[("code:above", "http://e.org/pets|dog")], &["dog", "mammal"]),
        ("Observation", &[("code:in", "http://e.org/vs/all"), ("patient", "q")], &["fish"]),
        (
            "Observation",
            &[("subject:Patient.gender:in", "http://hl7.org/fhir/ValueSet/administrative-gender")],
            &["dog", "mammal"],
        ),
        // The system of a `code` is implied: https://hl7.org/fhir/R4/search.html#token
        ("Patient", &[("gender:in", "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1")], &["p"]),
        // ":not-in", like ":not", finds what has no value too.
        ("Patient", &[("gender:not-in", "http://hl7.org/fhir/ValueSet/administrative-gender")], &["q"]),
        (
            "Observation",
            &[("status:in", "http://hl7.org/fhir/ValueSet/observation-status")],
            &["dog", "fish", "mammal", "other"],
        ),
    ];
    for (name, parameters, expected) in cases {
        let expected: Vec<String> = expected.iter().map(|id| format!("{name}/{id}")).collect();
        assert_eq!(find(&fixture, name, parameters).await.unwrap(), expected, "{parameters:?}");
    }
}

/// What was posted is asked anew when it has changed.
#[tokio::test]
async fn a_changed_value_set_counts_at_once() {
    let fixture = filled().await;
    let by_dogs = [("code:in", "http://e.org/vs/dogs")];
    assert_eq!(find(&fixture, "Observation", &by_dogs).await.unwrap(), ["Observation/dog"]);
    fixture
        .put(json!({
            "resourceType": "ValueSet", "id": "dogs", "url": "http://e.org/vs/dogs", "status": "active",
            "compose": { "include": [{ "system": "http://e.org/pets", "concept": [{ "code": "fish" }] }] }
        }))
        .await;
    assert_eq!(find(&fixture, "Observation", &by_dogs).await.unwrap(), ["Observation/fish"]);
    delete::delete(&fixture.request(), "ValueSet", "dogs", ALWAYS).await.unwrap();
    let gone = find(&fixture, "Observation", &by_dogs).await.unwrap_err();
    assert!(gone.to_string().contains("no ValueSet http://e.org/vs/dogs"), "{gone}");
}

#[tokio::test]
async fn what_terminology_cannot_answer_is_refused_with_the_reason() {
    let fixture = filled().await;
    let mut told = String::new();
    for (name, value) in [
        ("code:in", "http://e.org/vs/nowhere"),
        ("code:in", "http://e.org/vs/sct"),
        ("code:in", "dogs"),
        ("code:in", "ValueSet/nowhere"),
        ("code:below", "mammal"),
        ("code:below", "http://e.org/pets|bird"),
        ("code:above", "http://snomed.info/sct|1"),
        ("code:like", "x"),
    ] {
        let error = find(&fixture, "Observation", &[(name, value)]).await.unwrap_err();
        told += &format!("{name}={value}: {} {error}\n", error.kind.status());
    }
    insta::assert_snapshot!(told);
}

/// A token without ValueSet in its scopes may ask of the packages' value sets, not of those that users post.
#[tokio::test]
async fn a_token_that_may_not_read_value_sets_asks_of_packaged_ones() {
    let mut fixture = filled().await;
    fixture.access = fixture.with_scopes("user/Observation.rs user/Patient.rs");
    let packaged = [("status:in", "http://hl7.org/fhir/ValueSet/observation-status")];
    assert_eq!(find(&fixture, "Observation", &packaged).await.unwrap().len(), 4);
    for posted in ["http://e.org/vs/all", "ValueSet/all"] {
        assert!(find(&fixture, "Observation", &[("code:in", posted)]).await.is_err(), "{posted}");
    }
}
