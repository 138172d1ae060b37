//! read, vread, create, update, delete and history.

use serde_json::json;

use super::*;

async fn create_patient(fixture: &Fixture, family: &str) -> String {
    let answer = create::create(&fixture.request(), "Patient", &bytes(&patient(family)), None).await.unwrap();
    body_of(answer)["id"].as_str().unwrap().to_owned()
}

/// "The server SHALL ignore the id … and SHALL populate the id, meta.versionId and meta.lastUpdated":
/// <https://hl7.org/fhir/R4/http.html#create>
#[tokio::test]
async fn create_gives_id_and_version_of_its_own_and_keeps_the_rest_as_written() {
    let fixture = Fixture::new("user/*.cruds").await;
    let body = br#"{"resourceType":"Observation","id":"mine","meta":{"versionId":"9","lastUpdated":"2000-01-01T00:00:00Z","source":"urn:a"},"status":"final","code":{"text":"a"},"valueQuantity":{"value":1.50}}"#;
    let answer = create::create(&fixture.request(), "Observation", body, None).await.unwrap();
    assert_eq!((answer.status(), answer.etag().as_deref()), (201, Some("W/\"1\"")));
    assert_eq!(answer.location.as_deref(), Some(&*format!("{BASE}/Observation/id-1/_history/1")));
    let created = body_of(answer);
    assert_eq!((&created["id"], &created["meta"]["versionId"]), (&json!("id-1"), &json!("1")));
    assert_eq!(created["meta"]["source"], "urn:a");
    assert_ne!(created["meta"]["lastUpdated"], "2000-01-01T00:00:00Z");
    assert!(created.to_string().contains("1.50"));
    let read = read::read(&fixture.request(), "Observation", "id-1", &ReadConditions::default(), &[]).await.unwrap();
    assert_eq!(body_of(read), created);
}

#[tokio::test]
async fn what_is_returned_follows_the_preference() {
    let mut fixture = Fixture::new("user/*.cruds").await;
    fixture.preferences.returning = Some(Return::Minimal);
    let answer = create::create(&fixture.request(), "Patient", &bytes(&patient("a")), None).await.unwrap();
    assert!(answer.body.is_empty() && answer.location.is_some());
    fixture.preferences.returning = Some(Return::OperationOutcome);
    let answer = create::create(&fixture.request(), "Patient", &bytes(&patient("a")), None).await.unwrap();
    assert_eq!(body_of(answer)["resourceType"], "OperationOutcome");
    // Who may only create is not shown what is stored.
    fixture.preferences.returning = None;
    let access = fixture.with_scopes("user/Patient.c");
    let request = Request { access: &access, ..fixture.request() };
    assert!(create::create(&request, "Patient", &bytes(&patient("a")), None).await.unwrap().body.is_empty());
}

#[tokio::test]
async fn a_wrong_body_is_refused_with_all_its_issues() {
    let fixture = Fixture::new("user/*.cruds").await;
    let refused = async |resource_type: &str, body: &[u8]| {
        create::create(&fixture.request(), resource_type, body, None).await.unwrap_err()
    };
    let error = refused("Patient", br#"{"resourceType":"Patient","nmae":1,"gender":"m"}"#).await;
    assert_eq!((error.kind, error.issues.len()), (Kind::Invalid, 2));
    assert_eq!(error.issues[1].expression, ["Patient.gender"]);
    let error = refused("Patient", b"{\"resourceType\":\n \"Patient\",}").await;
    assert!(error.to_string().contains("line 2"), "{error}");
    assert_eq!(refused("Patient", b"").await.kind, Kind::Invalid);
    let error = refused("Patient", br#"{"resourceType":"Observation"}"#).await;
    assert!(error.to_string().contains("the path names Patient"), "{error}");
    assert_eq!(refused("Foo", b"{}").await.kind, Kind::NotFound);
    assert_eq!(refused("HumanName", b"{}").await.kind, Kind::NotFound);
}

/// <https://hl7.org/fhir/R4/http.html#upsert>
#[tokio::test]
async fn an_update_creates_what_is_not_there_and_makes_a_version_of_what_is() {
    let fixture = Fixture::new("user/*.cruds").await;
    let body = |family: &str| bytes(&json!({ "resourceType": "Patient", "id": "p", "name": [{ "family": family }] }));
    let answer = update::update(&fixture.request(), "Patient", "p", &body("a"), ALWAYS).await.unwrap();
    assert_eq!((answer.status(), answer.version), (201, Some(1)));
    let answer = update::update(&fixture.request(), "Patient", "p", &body("b"), ALWAYS).await.unwrap();
    assert_eq!((answer.status(), answer.version), (200, Some(2)));
    // "The update interaction creates a new current version": also of the same content.
    let answer = update::update(&fixture.request(), "Patient", "p", &body("b"), if_match("W/\"2\"")).await.unwrap();
    assert_eq!((answer.status(), answer.version), (200, Some(3)));
    let old = read::vread(&fixture.request(), "Patient", "p", "1", &ReadConditions::default(), &[]).await.unwrap();
    assert_eq!(body_of(old)["name"][0]["family"], "a");
}

/// "If no id element is provided, or the id disagrees with the id in the URL, the server SHALL respond with an HTTP 400
/// error code": <https://hl7.org/fhir/R4/http.html#update>
#[tokio::test]
async fn an_update_names_the_same_id_twice() {
    let fixture = Fixture::new("user/*.cruds").await;
    for (id, body) in [
        ("p", json!({ "resourceType": "Patient" })),
        ("p", json!({ "resourceType": "Patient", "id": "q" })),
        ("a_b", json!({ "resourceType": "Patient", "id": "a_b" })),
    ] {
        let error = update::update(&fixture.request(), "Patient", id, &bytes(&body), ALWAYS).await.unwrap_err();
        assert_eq!(error.kind, Kind::Invalid, "{body}");
    }
}

/// <https://hl7.org/fhir/R4/http.html#concurrency>
#[tokio::test]
async fn if_match_guards_updates_and_deletes() {
    let fixture = Fixture::new("user/*.cruds").await;
    let id = create_patient(&fixture, "a").await;
    let body = bytes(&json!({ "resourceType": "Patient", "id": id }));
    let update = async |tag| update::update(&fixture.request(), "Patient", &id, &body, if_match(tag)).await;
    let error = update("W/\"2\"").await.unwrap_err();
    assert_eq!(error.kind, Kind::PreconditionFailed);
    assert!(error.to_string().contains("W/\"1\""), "{error}");
    assert_eq!(update("1").await.unwrap_err().kind, Kind::Invalid);
    assert_eq!(update("W/\"1\"").await.unwrap().version, Some(2));
    let delete = async |tag| delete::delete(&fixture.request(), "Patient", &id, if_match(tag)).await;
    assert_eq!(delete("W/\"1\"").await.unwrap_err().kind, Kind::PreconditionFailed);
    assert_eq!(delete("W/\"2\"").await.unwrap().status(), 200);
}

/// <https://hl7.org/fhir/R4/http.html#delete>
#[tokio::test]
async fn what_is_deleted_is_gone_and_its_versions_stay() {
    let mut fixture = Fixture::new("user/*.cruds").await;
    let id = create_patient(&fixture, "a").await;
    let answer = delete::delete(&fixture.request(), "Patient", &id, ALWAYS).await.unwrap();
    assert_eq!((answer.status(), answer.version), (200, Some(2)));
    assert_eq!(body_of(answer)["resourceType"], "OperationOutcome");
    let request = fixture.request();
    let gone = read::read(&request, "Patient", &id, &ReadConditions::default(), &[]).await.unwrap_err();
    assert_eq!(gone.kind, Kind::Gone);
    assert_eq!(
        read::vread(&request, "Patient", &id, "2", &ReadConditions::default(), &[]).await.unwrap_err().kind,
        Kind::Gone
    );
    assert_eq!(
        read::vread(&request, "Patient", &id, "1", &ReadConditions::default(), &[]).await.unwrap().status(),
        200
    );
    for version in ["3", "0", "01", "x"] {
        assert_eq!(
            read::vread(&request, "Patient", &id, version, &ReadConditions::default(), &[]).await.unwrap_err().kind,
            Kind::NotFound
        );
    }
    // No search finds it any more.
    for parameters in [&[][..], &[("_id", id.as_str())], &[("name", "a")]] {
        let found = body_of(search::search(&request, "Patient", &pairs(parameters)).await.unwrap());
        assert_eq!(entries(&found), Vec::<String>::new(), "{parameters:?}");
    }
    // Deleting again, and deleting what never was, is no error.
    assert_eq!(delete::delete(&request, "Patient", &id, ALWAYS).await.unwrap().status(), 200);
    assert_eq!(delete::delete(&request, "Patient", "never", ALWAYS).await.unwrap().version, None);
    fixture.preferences.returning = Some(Return::Minimal);
    assert_eq!(delete::delete(&fixture.request(), "Patient", &id, ALWAYS).await.unwrap().status(), 204);
    // An update brings it back, as a new version: 201.
    let body = bytes(&json!({ "resourceType": "Patient", "id": id }));
    assert_eq!(update::update(&fixture.request(), "Patient", &id, &body, ALWAYS).await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_read_says_not_found_not_modified_and_only_knows_its_own_parameters() {
    let fixture = Fixture::new("user/*.cruds").await;
    let id = create_patient(&fixture, "a").await;
    let request = fixture.request();
    let read = async |id: &str, conditions: ReadConditions<'static>, parameters: &[(&str, &str)]| {
        read::read(&request, "Patient", id, &conditions, &pairs(parameters)).await
    };
    let unconditional = ReadConditions::default();
    assert_eq!(read("other", unconditional, &[]).await.unwrap_err().kind, Kind::NotFound);
    let seen = ReadConditions { if_none_match: Some("W/\"1\""), if_modified_since: None };
    let answer = read(&id, seen, &[]).await.unwrap();
    assert_eq!((answer.status(), answer.body.len(), answer.version), (304, 0, Some(1)));
    let answer = read(&id, unconditional, &[("_elements", "birthDate")]).await.unwrap();
    assert_eq!(body_of(answer)["meta"]["tag"][0]["code"], "SUBSETTED");
    assert_eq!(read(&id, unconditional, &[("name", "a")]).await.unwrap_err().kind, Kind::Invalid);
    assert_eq!(read(&id, unconditional, &[("_summary", "count")]).await.unwrap_err().kind, Kind::Invalid);
}

#[tokio::test]
async fn each_interaction_needs_its_own_letter_of_the_scope() {
    let fixture = Fixture::new("user/*.cruds").await;
    let id = create_patient(&fixture, "a").await;
    let body = bytes(&json!({ "resourceType": "Patient", "id": id }));
    for (letter, scopes) in
        [("c", "user/Patient.ruds"), ("r", "user/Patient.cuds"), ("u", "user/Patient.crds"), ("d", "user/Patient.crus")]
    {
        let access = fixture.with_scopes(scopes);
        let request = Request { access: &access, ..fixture.request() };
        let refused = match letter {
            "c" => create::create(&request, "Patient", &bytes(&patient("b")), None).await,
            "r" => read::read(&request, "Patient", &id, &ReadConditions::default(), &[]).await,
            "u" => update::update(&request, "Patient", &id, &body, ALWAYS).await,
            _ => delete::delete(&request, "Patient", &id, ALWAYS).await,
        };
        let error = refused.unwrap_err();
        assert_eq!(error.kind, Kind::Forbidden);
        assert!(error.to_string().contains(&format!("user/Patient.{letter}")), "{error}");
        if letter == "r" {
            let refused = [
                read::vread(&request, "Patient", &id, "1", &ReadConditions::default(), &[]).await,
                history::instance(&request, "Patient", &id, &[]).await,
            ];
            assert!(refused.into_iter().all(|refused| refused.unwrap_err().kind == Kind::Forbidden));
        }
    }
    let access = fixture.with_scopes("user/*.crud");
    let request = Request { access: &access, ..fixture.request() };
    assert_eq!(history::type_level(&request, "Patient", &[]).await.unwrap_err().kind, Kind::Forbidden);
    assert_eq!(history::system(&request, &[]).await.unwrap_err().kind, Kind::Forbidden);
}

/// <https://hl7.org/fhir/R4/http.html#history>
#[tokio::test]
async fn a_history_shows_all_versions_newest_first_with_what_made_them() {
    let fixture = Fixture::new("user/*.cruds").await;
    let id = create_patient(&fixture, "a").await;
    let request = fixture.request();
    let body = bytes(&json!({ "resourceType": "Patient", "id": id }));
    update::update(&request, "Patient", &id, &body, ALWAYS).await.unwrap();
    delete::delete(&request, "Patient", &id, ALWAYS).await.unwrap();
    update::update(&request, "Patient", "new", &bytes(&json!({ "resourceType": "Patient", "id": "new" })), ALWAYS)
        .await
        .unwrap();
    let bundle = body_of(history::instance(&request, "Patient", &id, &[]).await.unwrap());
    insta::assert_snapshot!(redacted(bundle));
    let bundle = body_of(history::type_level(&request, "Patient", &[]).await.unwrap());
    assert_eq!(bundle["entry"].as_array().unwrap().len(), 4);
    assert_eq!(bundle["entry"][0]["response"]["status"], "201 Created");
    create::create(&request, "Basic", &bytes(&json!({ "resourceType": "Basic", "code": { "text": "a" } })), None)
        .await
        .unwrap();
    let bundle = body_of(history::system(&request, &[]).await.unwrap());
    assert_eq!(bundle["entry"][0]["resource"]["resourceType"], "Basic");
    assert_eq!(history::instance(&request, "Patient", "never", &[]).await.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test]
async fn a_history_is_paged_and_its_pages_stay_the_same_while_others_write() {
    let fixture = Fixture::new("user/*.cruds").await;
    let request = fixture.request();
    let mut made = Vec::new();
    for index in 0..5 {
        made.push(create_patient(&fixture, &format!("n{index}")).await);
    }
    made.reverse();
    let (mut seen, mut parameters) = (Vec::new(), pairs(&[("_count", "2")]));
    for page in 0..3 {
        let bundle = body_of(history::type_level(&request, "Patient", &parameters).await.unwrap());
        let entries = bundle["entry"].as_array().unwrap();
        seen.extend(entries.iter().map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned()));
        create_patient(&fixture, "meanwhile").await;
        let links = bundle["link"].as_array().unwrap();
        let next = links.iter().find(|link| link["relation"] == "next");
        assert_eq!(next.is_some(), page < 2);
        if let Some(next) = next {
            let url = next["url"].as_str().unwrap();
            assert!(url.starts_with(&format!("{BASE}/Patient/_history?_count=2&_cursor=")), "{url}");
            parameters = query::parse(url.split_once('?').unwrap().1);
        }
    }
    assert_eq!(seen, made);
    // A link of one history is none of another.
    let refused = history::system(&request, &parameters).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Invalid);
}

#[tokio::test]
async fn a_history_since_now_is_empty_and_unknown_parameters_are_refused() {
    let fixture = Fixture::new("user/*.cruds").await;
    let id = create_patient(&fixture, "a").await;
    let request = fixture.request();
    let since = pairs(&[("_since", "2999-01-01T00:00:00Z")]);
    let bundle = body_of(history::instance(&request, "Patient", &id, &since).await.unwrap());
    assert_eq!(bundle.get("entry"), None);
    for (name, value) in [("_since", "yesterday"), ("_count", "many"), ("name", "a")] {
        let refused = history::instance(&request, "Patient", &id, &pairs(&[(name, value)])).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Invalid, "{name}");
    }
    let early = history::type_level(&request, "Patient", &pairs(&[("_at", "2020")])).await.unwrap();
    assert_eq!(body_of(early).get("entry"), None, "nothing was current then");
}

/// A type of which the patient boundary gives nothing answers a patient's token as if nothing were there.
#[tokio::test]
async fn outside_the_patient_boundary_nothing_is_read_or_written() {
    let fixture = Fixture::new("user/*.cruds").await;
    let basic = json!({ "resourceType": "Basic", "code": { "text": "a" } });
    let answer = create::create(&fixture.request(), "Basic", &bytes(&basic), None).await.unwrap();
    let id = body_of(answer)["id"].as_str().unwrap().to_owned();
    delete::delete(&fixture.request(), "Basic", "gone", ALWAYS).await.unwrap();
    let access = AccessContext { patient: Some("p".to_owned()), ..fixture.with_scopes("patient/*.cruds") };
    let request = Request { access: &access, ..fixture.request() };
    let read = read::read(&request, "Basic", &id, &ReadConditions::default(), &[]).await;
    assert_eq!(read.unwrap_err().kind, Kind::NotFound);
    assert_eq!(
        read::vread(&request, "Basic", &id, "1", &ReadConditions::default(), &[]).await.unwrap_err().kind,
        Kind::NotFound
    );
    assert_eq!(history::instance(&request, "Basic", &id, &[]).await.unwrap_err().kind, Kind::NotFound);
    let all = body_of(history::type_level(&request, "Basic", &[]).await.unwrap());
    assert_eq!((all.get("entry"), &all["total"]), (None, &json!(0)));
    assert_eq!(create::create(&request, "Basic", &bytes(&basic), None).await.unwrap_err().kind, Kind::Forbidden);
    assert_eq!(delete::delete(&request, "Basic", &id, ALWAYS).await.unwrap_err().kind, Kind::Forbidden);
}
