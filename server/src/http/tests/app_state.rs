//! App state. <https://hl7.org/fhir/smart-app-launch/STU2.2/app-state.html>

use serde_json::{Value, json};

use super::{House, JSON, Sent};

const BASE: &str = "/apis/default/app-state/Basic";
const PATIENT: &str = "https://ehr.example.org/apis/default/fhir/Patient/a";
const OTHER: &str = "https://ehr.example.org/apis/default/fhir/Patient/b";

fn state(subject: &str, code: &str, value: &str) -> Value {
    json!({
        "resourceType": "Basic",
        "subject": { "reference": subject },
        "code": { "coding": [{ "system": "https://app.example.org", "code": code }] },
        "extension": [{ "url": "https://app.example.org/preferences", "valueString": value }],
    })
}

/// Status, entity tag and body.
async fn send(house: &House, token: &str, line: &str, if_match: Option<&str>, body: &Value) -> (u16, String, Value) {
    let if_match = if_match.map(|tag| format!("if-match: {tag}"));
    let headers: Vec<&str> = [JSON].into_iter().chain(if_match.as_deref()).collect();
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let mut answer = house.send(Some(token), &Sent { line, headers: &headers, body: &body }).await;
    let etag = answer.header("etag").unwrap_or_default().to_owned();
    let bytes = answer.take_body().into_vec().await.unwrap();
    (answer.status().as_u16(), etag, serde_json::from_slice(&bytes).unwrap_or_default())
}

async fn house() -> (House, String) {
    let house = House::new(|_| {});
    let token = house.token("system/*.cruds", None);
    for id in ["a", "b"] {
        let patient = json!({ "resourceType": "Patient", "id": id });
        assert_eq!(send(&house, &token, &format!("PUT Patient/{id}"), None, &patient).await.0, 201);
    }
    (house, token)
}

/// The five interactions, with "`PUT /Basic/[id]` requiring the presence of `If-Match` to prevent contention".
#[tokio::test]
async fn state_is_created_found_changed_and_deleted_by_who_knows_its_version() {
    let (house, token) = house().await;
    let preferences = state(PATIENT, "preferences", "dark");
    let (status, etag, created) = send(&house, &token, &format!("POST {BASE}"), None, &preferences).await;
    assert_eq!((status, etag.as_str()), (201, "W/\"1\""));
    let id = created["id"].as_str().unwrap().to_owned();
    assert_eq!((&created["meta"]["versionId"], &created["extension"]), (&json!("1"), &preferences["extension"]));

    let query = format!("GET {BASE}?code=https://app.example.org|preferences&subject={PATIENT}").replace('|', "%7C");
    let (status, _, found) = send(&house, &token, &query, None, &Value::Null).await;
    assert_eq!((status, &found["entry"][0]["resource"]["id"]), (200, &json!(id)));
    let everyones = format!("GET {BASE}?code=https://app.example.org%7Cpreferences&subject:missing=true");
    assert_eq!(send(&house, &token, &everyones, None, &Value::Null).await.2.get("entry"), None);

    let put = format!("PUT {BASE}/{id}");
    let mut changed = state(PATIENT, "preferences", "light");
    changed["id"] = id.as_str().into();
    assert_eq!(send(&house, &token, &put, None, &changed).await.0, 412);
    assert_eq!(send(&house, &token, &put, Some("W/\"7\""), &changed).await.0, 412);
    let (status, etag, kept) = send(&house, &token, &put, Some("W/\"1\""), &changed).await;
    assert_eq!((status, etag.as_str(), &kept["extension"]), (200, "W/\"2\"", &changed["extension"]));

    // "... or if the `Basic.subject` or `Basic.code` does not match previously-persisted value"
    for mut other in [state(OTHER, "preferences", "x"), state(PATIENT, "keys", "x")] {
        other["id"] = id.as_str().into();
        assert_eq!(send(&house, &token, &put, Some("W/\"2\""), &other).await.0, 412);
    }

    let delete = format!("DELETE {BASE}/{id}");
    assert_eq!(send(&house, &token, &delete, None, &Value::Null).await.0, 412);
    assert_eq!(send(&house, &token, &delete, Some("W/\"1\""), &Value::Null).await.0, 412);
    assert_eq!(send(&house, &token, &delete, Some("W/\"2\""), &Value::Null).await.0, 200);
    // "Servers SHALL process any subsequent requests about this `Basic.id` as a failed precondition."
    for version in ["W/\"2\"", "W/\"3\""] {
        assert_eq!(send(&house, &token, &put, Some(version), &changed).await.0, 412, "{version}");
        assert_eq!(send(&house, &token, &delete, Some(version), &Value::Null).await.0, 412, "{version}");
    }
}

#[tokio::test]
async fn what_is_no_state_is_refused_with_what_would_be_right() {
    let (house, token) = house().await;
    let mut with_id = state(PATIENT, "a", "x");
    with_id["id"] = "mine".into();
    let mut two_codes = state(PATIENT, "a", "x");
    let second = json!({ "system": "https://app.example.org", "code": "b" });
    two_codes["code"]["coding"].as_array_mut().unwrap().push(second);
    let mut other_value = state(PATIENT, "a", "x");
    other_value["extension"][0] = json!({ "url": "https://app.example.org/n", "valueInteger": 1 });
    let relative = state("Patient/a", "a", "x");
    let elsewhere = state("https://other.example.org/fhir/Patient/a", "a", "x");
    let of_a_group = state(&PATIENT.replace("Patient", "Group"), "a", "x");
    for wrong in [with_id, two_codes, other_value, relative, elsewhere, of_a_group] {
        let (status, _, told) = send(&house, &token, &format!("POST {BASE}"), None, &wrong).await;
        assert_eq!((status, &told["resourceType"]), (400, &json!("OperationOutcome")), "{wrong}");
    }
    let large = state(PATIENT, "a", &"x".repeat(300_000));
    assert_eq!(send(&house, &token, &format!("POST {BASE}"), None, &large).await.0, 413);
    for query in ["", "?code=https://app.example.org%7Ca", "?subject:missing=true", "?code=a&subject:missing=true"] {
        assert_eq!(send(&house, &token, &format!("GET {BASE}{query}"), None, &Value::Null).await.0, 400, "{query}");
    }
    for line in ["GET /apis/default/app-state/Patient", "GET /apis/default/app-state/metadata"] {
        assert_eq!(send(&house, &token, line, None, &Value::Null).await.0, 404, "{line}");
    }
}

/// "The EHR SHALL enforce access controls": the scopes and the boundary are those of the FHIR API.
#[tokio::test]
async fn state_is_for_whom_the_token_covers_it() {
    let (house, _) = house().await;
    let scope = "patient/Basic.cuds?code=https://app.example.org|preferences";
    let token = house.token(scope, Some("a"));
    let post = format!("POST {BASE}");
    let (status, _, created) = send(&house, &token, &post, None, &state(PATIENT, "preferences", "x")).await;
    assert_eq!(status, 201);
    assert_eq!(send(&house, &token, &post, None, &state(PATIENT, "keys", "x")).await.0, 403);
    assert_eq!(send(&house, &token, &post, None, &state(OTHER, "preferences", "x")).await.0, 403);
    let mut everyones = state(PATIENT, "preferences", "x");
    everyones.as_object_mut().unwrap().remove("subject");
    assert_eq!(send(&house, &token, &post, None, &everyones).await.0, 403);
    // The ledger of this base: every route, without a token, with one for other types, and with another patient's.
    let of_other_types = house.token("patient/Observation.cruds", Some("a"));
    let of_another = house.token("patient/Basic.cruds", Some("b"));
    let id = created["id"].as_str().unwrap();
    let mut body = state(PATIENT, "preferences", "y");
    body["id"] = id.into();
    for (line, body) in [
        (format!("GET {BASE}?code=https://app.example.org%7Cpreferences&subject={PATIENT}"), Value::Null),
        (post, state(PATIENT, "preferences", "y")),
        (format!("PUT {BASE}/{id}"), body),
        (format!("DELETE {BASE}/{id}"), Value::Null),
    ] {
        let bytes = body.to_string().into_bytes();
        let sent = Sent { line: &line, headers: &[JSON], body: &bytes };
        assert_eq!(house.send(None, &sent).await.status(), 401, "{line}");
        let one = Some("W/\"1\"");
        assert_eq!(send(&house, &of_other_types, &line, one, &body).await.0, 403, "{line}");
        let (status, _, told) = send(&house, &of_another, &line, one, &body).await;
        let is_nothing = status == 200 && told["resourceType"] == "Bundle" && told.get("entry").is_none();
        assert!(is_nothing || [403, 404].contains(&status), "{line}: {status} {told}");
    }
    let query = format!("GET {BASE}?code=https://app.example.org%7Cpreferences&subject={PATIENT}");
    let (.., kept) = send(&house, &token, &query, None, &Value::Null).await;
    assert_eq!(kept["entry"][0]["resource"]["extension"][0]["valueString"], "x");
}
