//! A token with patient scopes sees and changes that patient's records only, whatever the interaction.

use super::*;

/// Two patients with an Observation each; what `mine` may reach, and what not.
pub(super) async fn two_patients() -> (Fixture, AccessContext) {
    let fixture = Fixture::new("user/*.cruds").await;
    for id in ["mine", "theirs"] {
        fixture.put(json!({ "resourceType": "Patient", "id": id })).await;
        fixture.put(observation(&format!("of-{id}"), id, "2024-01-01")).await;
        fixture
            .put(json!({
                "resourceType": "Provenance", "id": format!("about-{id}"), "recorded": "2024-01-01T00:00:00Z",
                "target": [{ "reference": format!("Observation/of-{id}") }], "agent": [{ "who": { "reference": "Practitioner/doc" } }]
            }))
            .await;
        fixture
            .put(json!({
                "resourceType": "Binary", "id": format!("context-{id}"), "contentType": "text/plain", "data": "YQ==",
                "securityContext": { "reference": format!("Patient/{id}") }
            }))
            .await;
        fixture.put(json!({ "resourceType": "Binary", "id": format!("note-{id}"), "contentType": "text/plain", "data": "YQ==" })).await;
        fixture
            .put(json!({
                "resourceType": "DocumentReference", "id": format!("doc-{id}"), "status": "current",
                "subject": { "reference": format!("Patient/{id}") }, "content": [{ "attachment": { "url": format!("Binary/note-{id}") } }]
            }))
            .await;
        for name in ["report", "absolute"] {
            fixture.put(json!({ "resourceType": "Binary", "id": format!("{name}-{id}"), "contentType": "text/plain", "data": "YQ==" })).await;
        }
        fixture
            .put(json!({
                "resourceType": "DiagnosticReport", "id": format!("report-{id}"), "status": "final", "code": { "text": "x" },
                "subject": { "reference": format!("Patient/{id}") },
                "presentedForm": [{ "url": format!("Binary/report-{id}") }, { "url": format!("{BASE}/Binary/absolute-{id}") }]
            }))
            .await;
        // The patients stand behind an Observation that shares its protection.
        fixture
            .put(json!({
                "resourceType": "Binary", "id": format!("proxied-{id}"), "contentType": "text/plain", "data": "YQ==",
                "securityContext": { "reference": format!("Observation/of-{id}") }
            }))
            .await;
    }
    // Named in a record of mine, and under the protection of one of theirs, or of what is not there.
    for (id, context) in [("guarded", "Observation/of-theirs"), ("astray", "Observation/none")] {
        fixture
            .put(json!({
                "resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "YQ==",
                "securityContext": { "reference": context }
            }))
            .await;
        fixture
            .put(json!({
                "resourceType": "DiagnosticReport", "id": format!("naming-{id}"), "status": "final", "code": { "text": "x" },
                "subject": { "reference": "Patient/mine" }, "presentedForm": [{ "url": format!("Binary/{id}") }]
            }))
            .await;
    }
    fixture.put(json!({ "resourceType": "Practitioner", "id": "doc" })).await;
    let access = AccessContext { patient: Some("mine".to_owned()), ..fixture.with_scopes("patient/*.cruds") };
    (fixture, access)
}

const INSIDE: [&str; 13] = [
    "Patient/mine",
    "Observation/of-mine",
    "Provenance/about-mine",
    "Binary/context-mine",
    "Binary/note-mine",
    "DocumentReference/doc-mine",
    "Practitioner/doc",
    "DiagnosticReport/report-mine",
    "Binary/report-mine",
    "Binary/absolute-mine",
    "Binary/proxied-mine",
    "DiagnosticReport/naming-guarded",
    "DiagnosticReport/naming-astray",
];
const OUTSIDE: [&str; 12] = [
    "Patient/theirs",
    "Observation/of-theirs",
    "Provenance/about-theirs",
    "Binary/context-theirs",
    "Binary/note-theirs",
    "DocumentReference/doc-theirs",
    "DiagnosticReport/report-theirs",
    "Binary/report-theirs",
    "Binary/absolute-theirs",
    "Binary/proxied-theirs",
    "Binary/guarded",
    "Binary/astray",
];

#[tokio::test]
async fn single_resources_and_their_histories() {
    let (fixture, access) = two_patients().await;
    let request = Request { access: &access, ..fixture.request() };
    for (references, is_inside) in [(&INSIDE[..], true), (&OUTSIDE[..], false)] {
        for reference in references {
            let (name, id) = reference.split_once('/').unwrap();
            let answers = [
                read::read(&request, name, id, &ReadConditions::default(), &[]).await,
                read::vread(&request, name, id, "1", &ReadConditions::default(), &[]).await,
                history::instance(&request, name, id, &[]).await,
            ];
            for answer in answers {
                match answer {
                    Ok(_) => assert!(is_inside, "{reference} is seen"),
                    Err(error) => {
                        assert!(!is_inside, "{reference} is not seen: {error}");
                        assert_eq!(error.kind, Kind::NotFound);
                    }
                }
            }
            let found = body_of(search::search(&request, name, &pairs(&[("_id", id)])).await.unwrap());
            assert_eq!(entries(&found).len(), usize::from(is_inside), "{reference}");
        }
    }
}

#[tokio::test]
async fn searches_totals_includes_and_histories_of_types() {
    let (fixture, access) = two_patients().await;
    let request = Request { access: &access, ..fixture.request() };
    let find = async |name: &str, parameters: &[(&str, &str)]| {
        body_of(search::search(&request, name, &pairs(parameters)).await.unwrap())
    };
    assert_eq!(entries(&find("Observation", &[]).await), ["match Observation/of-mine"]);
    assert_eq!(entries(&find("Observation", &[("patient", "theirs")]).await), Vec::<String>::new());
    assert_eq!(find("Observation", &[("_summary", "count")]).await["total"].to_string(), "1");
    let included =
        find("Patient", &[("_revinclude", "Observation:subject"), ("_revinclude", "Provenance:target")]).await;
    assert_eq!(entries(&included), ["match Patient/mine", "include Observation/of-mine"]);
    // An Observation of mine that refers to another patient's.
    let mut linked = observation("linked", "mine", "2024-01-02");
    linked["hasMember"] = json!([{ "reference": "Observation/of-theirs" }]);
    fixture.put(linked).await;
    let included = find("Observation", &[("_id", "linked"), ("_include", "Observation:has-member")]).await;
    assert_eq!(entries(&included), ["match Observation/linked"]);
    let all = body_of(history::type_level(&request, "Observation", &[]).await.unwrap());
    assert_eq!(entries(&all), [" Observation/linked", " Observation/of-mine"]);
    let system = entries(&body_of(history::system(&request, &[]).await.unwrap()));
    for reference in INSIDE {
        assert!(system.contains(&format!(" {reference}")), "{reference}: {system:?}");
    }
    assert_eq!(system.len(), INSIDE.len() + 1);
}

/// `patient/*.rs`: "Permission to read and search any resource for the current patient"
/// (<https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>). What lies outside must not be told by
/// whether a chain to it matches either (<https://hl7.org/fhir/R4/search.html#chaining>).
#[tokio::test]
async fn a_chain_does_not_tell_what_lies_outside() {
    let (fixture, access) = two_patients().await;
    for whose in ["mine", "theirs"] {
        fixture
            .put(json!({
                "resourceType": "RelatedPerson", "id": format!("kin-of-{whose}"), "name": [{ "family": "Kin" }],
                "patient": { "reference": format!("Patient/{whose}") }
            }))
            .await;
        // My own record, that names another patient and that patient's kin.
        let mut named = observation(&format!("names-{whose}"), "mine", "2024-01-02");
        named["performer"] = json!([
            { "reference": format!("Patient/{whose}") }, { "reference": format!("RelatedPerson/kin-of-{whose}") }
        ]);
        fixture.put(named).await;
    }
    for (chain, value) in [("performer:Patient._id", "mine,theirs"), ("performer:RelatedPerson.name", "kin")] {
        let find = async |access: &AccessContext| {
            let request = Request { access, ..fixture.request() };
            let found = search::search(&request, "Observation", &pairs(&[(chain, value), ("_sort", "_id")])).await;
            entries(&body_of(found.unwrap()))
        };
        assert_eq!(find(&access).await, ["match Observation/names-mine"], "{chain}");
        let all = ["match Observation/names-mine", "match Observation/names-theirs"];
        assert_eq!(find(&fixture.access).await, all, "{chain}");
    }
}

#[tokio::test]
async fn the_new_body_and_what_stood_there_must_both_be_inside() {
    let (fixture, access) = two_patients().await;
    // Provenance refers to what is deleted here.
    let fixture = fixture.with_rules(WriteRules { delete_referenced: true, ..WriteRules::default() }).await;
    let request = Request { access: &access, ..fixture.request() };
    let update = async |resource: Value| {
        let (name, id) = (resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        update::update(&request, name, id, &bytes(&resource), ALWAYS).await
    };
    assert!(update(observation("of-mine", "mine", "2025-01-01")).await.is_ok());
    assert!(update(observation("new", "mine", "2025-01-01")).await.is_ok());
    // Mine becomes theirs; theirs becomes mine; theirs stays theirs.
    for refused in [("of-mine", "theirs"), ("of-theirs", "mine"), ("of-theirs", "theirs"), ("new-2", "theirs")] {
        let error = update(observation(refused.0, refused.1, "2025-01-01")).await.unwrap_err();
        assert_eq!(error.kind, Kind::Forbidden, "{refused:?}");
    }
    assert_eq!(update(json!({ "resourceType": "Practitioner", "id": "doc" })).await.unwrap_err().kind, Kind::Forbidden);
    for (id, allowed) in [("of-theirs", false), ("of-mine", true)] {
        assert_eq!(delete::delete(&request, "Observation", id, ALWAYS).await.is_ok(), allowed, "{id}");
    }
    let provenance = |targets: &[&str]| {
        let targets: Vec<Value> = targets.iter().map(|reference| json!({ "reference": reference })).collect();
        json!({
            "resourceType": "Provenance", "recorded": "2024-01-01T00:00:00Z", "target": targets,
            "agent": [{ "who": { "reference": "Patient/mine" } }]
        })
    };
    for (targets, allowed) in [
        (&["Observation/new"][..], true),
        (&["Observation/of-theirs"][..], false),
        (&["Observation/new", "Observation/of-theirs"][..], false),
        (&["Practitioner/doc"][..], false),
    ] {
        let created = create::create(&request, "Provenance", &bytes(&provenance(targets)), None).await;
        assert_eq!(created.is_ok(), allowed, "{targets:?}");
    }
}

/// What was mine and is deleted is gone; what was theirs never was there.
#[tokio::test]
async fn deletions_answer_by_what_stood_before() {
    let (fixture, access) = two_patients().await;
    // Provenance refers to what is deleted here.
    let fixture = fixture.with_rules(WriteRules { delete_referenced: true, ..WriteRules::default() }).await;
    for id in ["of-mine", "of-theirs"] {
        delete::delete(&fixture.request(), "Observation", id, ALWAYS).await.unwrap();
    }
    let request = Request { access: &access, ..fixture.request() };
    for (id, kind) in [("of-mine", Kind::Gone), ("of-theirs", Kind::NotFound)] {
        let read = read::read(&request, "Observation", id, &ReadConditions::default(), &[]).await;
        assert_eq!(read.unwrap_err().kind, kind, "{id}");
    }
}

#[tokio::test]
async fn transactions_keep_to_it_too() {
    let (fixture, access) = two_patients().await;
    let request = Request { access: &access, ..fixture.request() };
    let send = async |resources: &[Value]| {
        let entry: Vec<Value> = resources
            .iter()
            .map(|resource| {
                let name = resource["resourceType"].as_str().unwrap();
                let url = resource["id"].as_str().map_or(name.to_owned(), |id| format!("{name}/{id}"));
                let method = if url == name { "POST" } else { "PUT" };
                json!({ "fullUrl": resource["fullUrl"], "resource": resource["resource"].as_object().map_or(resource.clone(), |inner| Value::Object(inner.clone())), "request": { "method": method, "url": url } })
            })
            .collect();
        bundle::bundle(&request, &bytes(&json!({ "resourceType": "Bundle", "type": "transaction", "entry": entry })))
            .await
    };
    assert!(send(&[observation("of-mine", "mine", "2025-01-01")]).await.is_ok());
    for (id, patient) in [("of-theirs", "mine"), ("of-theirs", "theirs"), ("fresh", "theirs")] {
        let error = send(&[observation("of-mine", "mine", "2025-01-01"), observation(id, patient, "2025-01-01")]).await;
        let error = error.unwrap_err();
        assert_eq!((error.kind, error.issues[0].expression[0].as_str()), (Kind::Forbidden, "Bundle.entry[1]"), "{id}");
    }
    // A Provenance may target what is written beside it.
    let provenance = json!({
        "resourceType": "Provenance", "id": "beside", "recorded": "2024-01-01T00:00:00Z",
        "target": [{ "reference": "Observation/fresh" }], "agent": [{ "who": { "reference": "Patient/mine" } }]
    });
    assert!(send(&[provenance, observation("fresh", "mine", "2025-01-01")]).await.is_ok());
}
