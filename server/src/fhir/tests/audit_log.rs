//! Every interaction leaves an audit entry, the refused ones too.

use std::time::Duration;

use super::*;

/// What was recorded, as `action interaction outcome Type/id patient`; waits for the reads, which are written together.
async fn recorded(fixture: &Fixture, count: usize) -> Vec<String> {
    let service = &fixture.service;
    let mut found = Vec::new();
    for _ in 0..100 {
        found = service.store.audit_page(None, 100).await.unwrap();
        if found.len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let text = |entry: &crate::store::AuditEntry| {
        let name = entry.resource_type.and_then(|number| service.parameters.type_name(number)).unwrap_or("-");
        let id = entry.resource_id.as_deref().unwrap_or("-");
        let patient = entry.patient.as_deref().unwrap_or("-");
        let outcome = entry.outcome as i16;
        assert_eq!((&*entry.actor, &*entry.client, &*entry.request_id), ("tester", "client", "request-1"));
        format!("{} {} {outcome} {name}/{id} {patient}", entry.action.as_str(), entry.interaction)
    };
    let mut lines: Vec<String> = found.iter().map(|audited| text(&audited.entry)).collect();
    // A read is written a moment after a write that it came before.
    lines.sort();
    lines
}

#[tokio::test]
async fn interactions_are_recorded_with_how_they_ended() {
    let fixture = Fixture::new("user/*.cruds").await;
    let request = fixture.request();
    let unconditional = ReadConditions::default();
    fixture.put(observation("o", "p", "2024-01-01")).await;
    read::read(&request, "Observation", "o", &unconditional, &[]).await.unwrap();
    read::read(&request, "Patient", "never", &unconditional, &[]).await.unwrap_err();
    read::vread(&request, "Observation", "o", "1", &ReadConditions::default(), &[]).await.unwrap();
    create::create(&request, "Observation", b"{}", None).await.unwrap_err();
    search::search(&request, "Observation", &[]).await.unwrap();
    history::system(&request, &[]).await.unwrap();
    delete::delete(&request, "Observation", "o", ALWAYS).await.unwrap();
    let access = fixture.with_scopes("user/Patient.r");
    let narrow = Request { access: &access, ..request };
    update::update(&narrow, "Patient", "x", b"{}", ALWAYS).await.unwrap_err();
    let entry = json!([{ "resource": patient("a"), "request": { "method": "POST", "url": "Patient" } }]);
    fixture.bundle("transaction", entry.clone()).await.unwrap();
    fixture.bundle("batch", json!([{ "request": { "method": "GET", "url": "Patient/never" } }])).await.unwrap();
    fixture.bundle("collection", entry).await.unwrap_err();
    assert_eq!(
        recorded(&fixture, 14).await,
        [
            "C create 0 Patient/id-1 id-1",
            "C create 4 Observation/- -",
            "D delete 0 Observation/o -",
            "E batch 0 -/- -",
            "E batch 4 -/- -",
            "E history-system 0 -/- -",
            "E search-type 0 Observation/- -",
            "E transaction 0 -/- -",
            "R read 0 Observation/o -",
            "R read 4 Patient/never never",
            "R read 4 Patient/never never",
            "R vread 0 Observation/o -",
            "U update 0 Observation/o p",
            "U update 4 Patient/x x",
        ]
    );
}

/// App state is checked before it is passed on: one line each all the same.
#[tokio::test]
async fn what_is_done_with_app_state_is_recorded_once() {
    let fixture = Fixture::new("user/*.cruds").await;
    let request = fixture.request();
    let mut state = json!({ "resourceType": "Basic",
        "code": { "coding": [{ "system": "https://app.example.org", "code": "a" }] } });
    app_state::create(&request, &bytes(&state)).await.unwrap();
    state["id"] = "id-1".into();
    app_state::create(&request, &bytes(&state)).await.unwrap_err();
    app_state::update(&request, "id-1", &bytes(&state), if_match("W/\"1\"")).await.unwrap();
    app_state::update(&request, "id-1", &bytes(&state), ALWAYS).await.unwrap_err();
    let asked = [("code", "https://app.example.org|a"), ("subject:missing", "true")];
    let asked = asked.map(|(name, value)| (name.to_owned(), value.to_owned()));
    app_state::search(&request, &asked).await.unwrap();
    app_state::search(&request, &asked[..1]).await.unwrap_err();
    app_state::delete(&request, "id-1", if_match("W/\"2\"")).await.unwrap();
    app_state::delete(&request, "id-1", if_match("W/\"2\"")).await.unwrap_err();
    assert_eq!(
        recorded(&fixture, 8).await,
        [
            "C create 0 Basic/id-1 -",
            "C create 4 Basic/- -",
            "D delete 0 Basic/id-1 -",
            "D delete 4 Basic/id-1 -",
            "E search-type 0 Basic/- -",
            "E search-type 4 Basic/- -",
            "U update 0 Basic/id-1 -",
            "U update 4 Basic/id-1 -",
        ]
    );
}
