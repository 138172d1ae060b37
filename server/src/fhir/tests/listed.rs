//! `_list` of a history: "Only include resource versions that are referenced in the specified list (current list references
//! are allowed)". <https://hl7.org/fhir/R4/http.html#history>

use super::*;

/// `Patient/a v2` of each entry.
fn versions(bundle: &Value) -> Vec<String> {
    let name = |entry: &Value| {
        let url = entry["fullUrl"].as_str().unwrap().rsplit('/').take(2).collect::<Vec<_>>();
        let etag = entry["response"]["etag"].as_str().unwrap();
        format!("{}/{} v{}", url[1], url[0], etag.trim_start_matches("W/\"").trim_end_matches('"'))
    };
    bundle["entry"].as_array().into_iter().flatten().map(name).collect()
}

async fn filled() -> Fixture {
    let fixture = Fixture::new("user/*.cruds").await;
    for family in ["one", "two"] {
        for id in ["a", "b", "c"] {
            fixture.put(json!({ "resourceType": "Patient", "id": id, "name": [{ "family": family }] })).await;
        }
    }
    fixture.put(observation("o", "a", "2024-01-01")).await;
    let item = |reference: String| json!({ "item": { "reference": reference } });
    let entries = [
        "Patient/a/_history/1".into(),
        "Patient/b".into(),
        "Observation/o".into(),
        format!("{BASE}/Patient/c/_history/9"),
    ];
    fixture
        .put(json!({ "resourceType": "List", "id": "l", "status": "current", "mode": "working",
            "subject": { "reference": "Patient/a" }, "entry": entries.map(item) }))
        .await;
    fixture
}

#[tokio::test]
async fn a_history_shows_the_versions_that_a_list_names() {
    let fixture = filled().await;
    let request = fixture.request();
    let listed = pairs(&[("_list", "l"), ("_total", "accurate")]);
    let of_type = body_of(history::type_level(&request, "Patient", &listed).await.unwrap());
    assert_eq!(versions(&of_type), ["Patient/b v2", "Patient/b v1", "Patient/a v1"]);
    assert_eq!(of_type["total"], 3);
    let of_system = body_of(history::system(&request, &listed).await.unwrap());
    assert_eq!(versions(&of_system), ["Observation/o v1", "Patient/b v2", "Patient/b v1", "Patient/a v1"]);
    let of_one = body_of(history::instance(&request, "Patient", "a", &listed).await.unwrap());
    assert_eq!(versions(&of_one), ["Patient/a v1"]);
    // What is not listed has an empty history here, and what is not there none.
    let unlisted = history::instance(&request, "Patient", "c", &listed).await.unwrap();
    assert_eq!(versions(&body_of(unlisted)), Vec::<String>::new());
    assert_eq!(history::instance(&request, "Patient", "never", &listed).await.unwrap_err().kind, Kind::NotFound);
    let no_list = history::type_level(&request, "Patient", &pairs(&[("_list", "never")])).await.unwrap();
    assert_eq!(versions(&body_of(no_list)), Vec::<String>::new());

    // By pages, to each of which the list belongs; and together with the other parameters.
    let (mut seen, mut asked) = (Vec::new(), pairs(&[("_list", "List/l"), ("_count", "1")]));
    loop {
        let page = body_of(history::type_level(&request, "Patient", &asked).await.unwrap());
        seen.extend(versions(&page));
        let Some(next) = link(&page, "next") else { break };
        asked = parameters_of(&next);
    }
    assert_eq!(seen, versions(&of_type));
    let later = pairs(&[("_list", "l"), ("_since", "2999-01-01T00:00:00Z")]);
    assert!(versions(&body_of(history::system(&request, &later).await.unwrap())).is_empty());
}

#[tokio::test]
async fn a_list_of_a_history_is_read_within_the_token() {
    let fixture = filled().await;
    let asked = pairs(&[("_list", "l")]);
    let access = fixture.with_scopes("user/Patient.rs");
    let request = Request { access: &access, ..fixture.request() };
    let refused = history::type_level(&request, "Patient", &asked).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Forbidden, "the token does not cover List");
    let of = |patient: &str, scopes: &str| AccessContext {
        patient: Some(patient.to_owned()),
        ..fixture.with_scopes(scopes)
    };
    // The List is a's: b's token sees as little of it as if it were not there, though b is named.
    let access = of("b", "patient/*.rs");
    let request = Request { access: &access, ..fixture.request() };
    assert!(versions(&body_of(history::type_level(&request, "Patient", &asked).await.unwrap())).is_empty());
    let access = of("a", "patient/*.rs");
    let request = Request { access: &access, ..fixture.request() };
    let own = body_of(history::type_level(&request, "Patient", &asked).await.unwrap());
    assert_eq!(versions(&own), ["Patient/a v1"], "b is another's record");
}

/// "(current list references are allowed)"
#[tokio::test]
async fn a_functional_list_chooses_what_the_record_holds_now() {
    let fixture = Fixture::new("user/*.cruds").await;
    let problem = |id: &str, status: &str| {
        json!({ "resourceType": "Condition", "id": id, "subject": { "reference": "Patient/p" },
            "clinicalStatus": { "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": status }] },
            "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/condition-category",
                "code": "problem-list-item" }] }] })
    };
    for (id, status) in [("now", "resolved"), ("now", "active"), ("then", "active"), ("then", "resolved")] {
        fixture.put(problem(id, status)).await;
    }
    let request = fixture.request();
    let current = pairs(&[("_list", "$current-problems")]);
    let found = body_of(history::type_level(&request, "Condition", &current).await.unwrap());
    assert_eq!(versions(&found), ["Condition/now v2", "Condition/now v1"]);
    let unknown = history::type_level(&request, "Condition", &pairs(&[("_list", "$nonesuch")])).await.unwrap_err();
    assert_eq!(unknown.kind, Kind::Invalid, "{unknown:?}");
}
