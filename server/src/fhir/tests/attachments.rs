//! With patient scopes a record does not bring a Binary inside the boundary that lies outside.
//!
//! "Vesta's patient boundary is its own table: … Binary by its `securityContext` or by the resource that refers to it"
//! (the first rule of the project's standards; <https://hl7.org/fhir/R4/binary.html#security-context>). So whoever may
//! write the resource that refers could read any Binary, were it not for these refusals.

use super::patient_boundary::two_patients;
use super::*;

fn document(id: &str, url: &str) -> Value {
    json!({
        "resourceType": "DocumentReference", "id": id, "status": "current", "subject": { "reference": "Patient/mine" },
        "content": [{ "attachment": { "url": "https://elsewhere.example/Binary/note-theirs" } }, { "attachment": { "url": url } }]
    })
}

fn report(id: &str, url: &str) -> Value {
    json!({
        "resourceType": "DiagnosticReport", "id": id, "status": "final", "code": { "text": "x" },
        "subject": { "reference": "Patient/mine" }, "presentedForm": [{ "contentType": "text/plain" }, { "url": url }]
    })
}

const PLACES: [&str; 2] = ["DocumentReference.content[1].attachment.url", "DiagnosticReport.presentedForm[1].url"];

#[tokio::test]
async fn a_record_names_only_binaries_that_its_token_reaches() {
    let (fixture, access) = two_patients().await;
    fixture.put(json!({ "resourceType": "Binary", "id": "gone", "contentType": "text/plain", "data": "YQ==" })).await;
    delete::delete(&fixture.request(), "Binary", "gone", ALWAYS).await.unwrap();
    // What is written below takes the place of the records that name these two.
    fixture.put(document("keeps", "Binary/note-mine")).await;
    fixture.put(report("keeps", &format!("{BASE}/Binary/absolute-mine"))).await;
    let request = Request { access: &access, ..fixture.request() };
    let write = async |resource: &Value, stands: bool| {
        let name = resource["resourceType"].as_str().unwrap();
        match stands {
            true => update::update(&request, name, resource["id"].as_str().unwrap(), &bytes(resource), ALWAYS).await,
            false => create::create(&request, name, &bytes(resource), None).await,
        }
    };
    let allowed = ["Binary/note-mine", "Binary/context-mine", "Binary/proxied-mine", "Binary/absolute-mine/_history/1"];
    let refused = ["note-theirs", "report-theirs", "context-theirs", "guarded", "none", "gone"];
    for stands in [false, true] {
        for url in allowed.into_iter().chain(["https://elsewhere.example/fhir/Binary/note-theirs"]) {
            for resource in [document("doc-mine", url), report("report-mine", url)] {
                assert!(write(&resource, stands).await.is_ok(), "{url}, {stands}");
            }
        }
        for id in refused {
            for url in ["", &format!("{BASE}/")].map(|start| format!("{start}Binary/{id}")) {
                for end in ["", "/_history/1", "#a", "|1"] {
                    let url = format!("{url}{end}");
                    for (resource, place) in
                        [document("doc-mine", &url), report("report-mine", &url)].iter().zip(PLACES)
                    {
                        let error = write(resource, stands).await.unwrap_err();
                        assert_eq!(error.kind, Kind::Forbidden, "{url}");
                        assert_eq!((error.issues.len(), &error.issues[0].expression), (1, &vec![place.to_owned()]));
                    }
                }
            }
        }
    }
    for id in refused {
        let read = read::read(&request, "Binary", id, &ReadConditions::default(), &[]).await;
        assert_eq!(read.unwrap_err().kind, Kind::NotFound, "{id}");
    }
    // A clinician's token writes as before.
    fixture.put(document("by-user", "Binary/note-theirs")).await;
}

#[tokio::test]
async fn bundles_keep_to_it_and_may_bring_their_own_binary() {
    let (fixture, access) = two_patients().await;
    let request = Request { access: &access, ..fixture.request() };
    let send = async |kind: &str, resource: &Value, binary: Option<&Value>| {
        let name = resource["resourceType"].as_str().unwrap();
        let mut entry = vec![json!({ "resource": resource, "request": { "method": "POST", "url": name } })];
        entry.extend(binary.map(|binary| {
            let (method, url) = match binary["id"].as_str() {
                Some(id) => ("PUT", format!("Binary/{id}")),
                None => ("POST", "Binary".to_owned()),
            };
            json!({
                "fullUrl": "urn:uuid:5f8f9c3e-9c5b-4f6e-8a51-0d2a3b4c5d6e", "resource": binary,
                "request": { "method": method, "url": url }
            })
        }));
        bundle::bundle(&request, &bytes(&json!({ "resourceType": "Bundle", "type": kind, "entry": entry }))).await
    };
    let own = |id: Option<&str>| {
        let mut binary = json!({
            "resourceType": "Binary", "contentType": "text/plain", "data": "YQ==",
            "securityContext": { "reference": "Patient/mine" }
        });
        if let Some(id) = id {
            binary["id"] = json!(id);
        }
        binary
    };
    let own_url = "urn:uuid:5f8f9c3e-9c5b-4f6e-8a51-0d2a3b4c5d6e";
    for (resource, place) in [document, report].iter().zip(PLACES) {
        assert!(send("transaction", &resource("a", own_url), Some(&own(None))).await.is_ok());
        let fresh = format!("fresh-{}", resource("a", "")["resourceType"].as_str().unwrap());
        let url = format!("Binary/{fresh}");
        assert!(send("transaction", &resource("a", &url), None).await.is_err());
        assert!(send("transaction", &resource("a", &url), Some(&own(Some(&fresh)))).await.is_ok());
        assert!(send("transaction", &resource("a", "Binary/note-mine"), None).await.is_ok());
        // Written beside it, and still another's.
        for binary in [None, Some(own(None)), Some(own(Some("note-theirs")))] {
            let refused = send("transaction", &resource("a", "Binary/note-theirs"), binary.as_ref()).await;
            let error = refused.unwrap_err();
            assert_eq!(error.kind, Kind::Forbidden);
            let (_, inner) = place.split_once('.').unwrap();
            assert_eq!(error.issues[0].expression, [format!("Bundle.entry[0].resource.{inner}")]);
        }
        let batch = body_of(send("batch", &resource("a", "Binary/note-theirs"), None).await.unwrap());
        let response = &batch["entry"][0]["response"];
        assert!(response["status"].as_str().unwrap().starts_with("403"), "{response}");
    }
    let read = read::read(&request, "Binary", "note-theirs", &ReadConditions::default(), &[]).await;
    assert_eq!(read.unwrap_err().kind, Kind::NotFound);
}
