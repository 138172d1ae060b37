//! What is contained is found where its container may be seen, and comes as a part of it.
//! <https://hl7.org/fhir/R4/search.html#contained>

use super::*;

async fn prescriptions() -> Fixture {
    let fixture = Fixture::new("user/*.cruds").await;
    let amount: Value = serde_json::from_str("1.50").unwrap();
    for patient in ["mine", "theirs"] {
        fixture.put(json!({ "resourceType": "Patient", "id": patient })).await;
        fixture.put(json!({ "resourceType": "Organization", "id": format!("maker-{patient}") })).await;
        fixture
            .put(json!({
                "resourceType": "MedicationRequest", "id": patient, "status": "active", "intent": "order",
                "subject": { "reference": format!("Patient/{patient}") }, "medicationReference": { "reference": "#m" },
                "contained": [{
                    "resourceType": "Medication", "id": "m", "status": "active", "amount": { "numerator": { "value": amount } },
                    "manufacturer": { "reference": format!("Organization/maker-{patient}") }
                }]
            }))
            .await;
    }
    fixture
}

async fn find(fixture: &Fixture, access: &AccessContext, parameters: &[(&str, &str)]) -> Result<Value, Error> {
    let request = Request { access, ..fixture.request() };
    Ok(body_of(search::search(&request, "Medication", &pairs(parameters)).await?))
}

const CONTAINED: [(&str, &str); 2] = [("_contained", "true"), ("_containedType", "contained")];

#[tokio::test]
async fn the_container_decides_who_finds_what_it_contains() {
    let fixture = prescriptions().await;
    let of = |scopes: &str| AccessContext { patient: Some("mine".to_owned()), ..fixture.with_scopes(scopes) };
    for (scopes, expected) in [
        ("user/*.rs", vec!["match MedicationRequest/theirs", "match MedicationRequest/mine"]),
        (
            "user/Medication.rs user/MedicationRequest.r",
            vec!["match MedicationRequest/theirs", "match MedicationRequest/mine"],
        ),
        ("patient/*.rs", vec!["match MedicationRequest/mine"]),
        ("patient/Medication.rs patient/MedicationRequest.rs", vec!["match MedicationRequest/mine"]),
        // Medications are a directory, but not what stands in records that the token does not cover.
        ("patient/Medication.rs", vec![]),
        ("user/Medication.rs", vec![]),
        ("patient/Medication.rs patient/MedicationRequest.rs?status=stopped", vec![]),
        ("patient/Medication.rs patient/MedicationRequest.rs?status=active", vec!["match MedicationRequest/mine"]),
        ("patient/Medication.rs user/MedicationRequest.rs?intent=plan", vec![]),
    ] {
        for shape in
            [&[("_contained", "true")][..], &[("_contained", "both"), ("status", "active"), ("_total", "accurate")]]
        {
            let found = find(&fixture, &of(scopes), shape).await.unwrap();
            assert_eq!(entries(&found), expected, "{scopes} {shape:?}");
            if let Some(total) = found["total"].as_u64() {
                assert_eq!(total, expected.len() as u64, "{scopes}");
            }
        }
    }
    // Who may not search Medications does not do so by a way round.
    let refused = find(&fixture, &of("patient/MedicationRequest.rs"), &CONTAINED).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Forbidden);
}

#[tokio::test]
async fn what_is_contained_comes_with_the_address_of_its_container_and_is_as_it_stands_there() {
    let fixture = prescriptions().await;
    let parameters =
        [&CONTAINED[..], &[("_sort", "_id"), ("_include", "Medication:manufacturer"), ("_count", "1")]].concat();
    let found = find(&fixture, &fixture.access, &parameters).await.unwrap();
    assert_eq!(entries(&found), ["match Medication/m", "include Organization/maker-mine"]);
    assert_eq!(found["entry"][0]["fullUrl"], format!("{BASE}/MedicationRequest/mine#m"));
    assert_eq!(found["entry"][0]["resource"]["amount"]["numerator"]["value"].to_string(), "1.50");
    let next = parameters_of(&link(&found, "next").unwrap());
    let next = body_of(search::search(&fixture.request(), "Medication", &next).await.unwrap());
    assert_eq!(next["entry"][0]["fullUrl"], format!("{BASE}/MedicationRequest/theirs#m"));
    assert_eq!(link(&next, "next"), None);
    // Of containers, what they themselves refer to comes along.
    let parameters = [("_contained", "true"), ("_include", "MedicationRequest:subject"), ("_id", "m"), ("_count", "1")];
    let found = find(&fixture, &fixture.access, &parameters).await.unwrap();
    assert_eq!(entries(&found), ["match MedicationRequest/theirs", "include Patient/theirs"]);
    let parameters = [&CONTAINED[..], &[("_elements", "status"), ("_count", "1")]].concat();
    let found = find(&fixture, &fixture.access, &parameters).await.unwrap();
    let resource = &found["entry"][0]["resource"];
    assert_eq!((resource.get("amount"), resource["status"].as_str()), (None, Some("active")));
}

#[tokio::test]
async fn what_cannot_be_asked_of_what_is_contained_is_refused() {
    let fixture = prescriptions().await;
    for (name, value) in [
        ("_has:MedicationRequest:medication:status", "active"),
        ("_list", "1"),
        ("_text", "a"),
        ("_containedType", "neither"),
    ] {
        let refused = find(&fixture, &fixture.access, &[("_contained", "true"), (name, value)]).await;
        assert_eq!(refused.err().map(|error| error.kind), Some(Kind::Invalid), "{name}");
    }
    let refused = find(&fixture, &fixture.access, &[("_contained", "maybe")]).await;
    assert_eq!(refused.err().map(|error| error.kind), Some(Kind::Invalid));
    let within = ("Patient", "mine", "Condition");
    let error = search::compartment(&fixture.request(), within, &pairs(&CONTAINED)).await.err().unwrap();
    assert_eq!(error.kind, Kind::Invalid);
    let condition = "status=active&_contained=true";
    let created = create::create(
        &fixture.request(),
        "Medication",
        &bytes(&json!({ "resourceType": "Medication" })),
        Some(condition),
    )
    .await;
    assert_eq!(created.err().unwrap().kind, Kind::Invalid);
}
