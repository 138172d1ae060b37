//! Batches and transactions, conditional creates and references.

use super::*;

fn post(full_url: &str, resource: Value) -> Value {
    let url = resource["resourceType"].clone();
    json!({ "fullUrl": full_url, "resource": resource, "request": { "method": "POST", "url": url } })
}

fn put(resource: Value) -> Value {
    let url = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
    json!({ "resource": resource, "request": { "method": "PUT", "url": url } })
}

fn simple(method: &str, url: &str) -> Value {
    json!({ "request": { "method": method, "url": url } })
}

fn observation_of(reference: &str) -> Value {
    json!({ "resourceType": "Observation", "status": "final", "code": { "text": "a" }, "subject": { "reference": reference } })
}

fn identified(value: &str) -> Value {
    json!({ "resourceType": "Patient", "identifier": [{ "system": "http://example.org/mrn", "value": value }] })
}

fn statuses(bundle: &Value) -> Vec<&str> {
    bundle["entry"].as_array().unwrap().iter().map(|entry| entry["response"]["status"].as_str().unwrap()).collect()
}

async fn count(fixture: &Fixture, name: &str) -> u64 {
    let answer = search::search(&fixture.request(), name, &pairs(&[("_summary", "count")])).await.unwrap();
    body_of(answer)["total"].as_u64().unwrap()
}

async fn stored(fixture: &Fixture, reference: &str) -> Value {
    let (name, id) = reference.split_once('/').unwrap();
    body_of(read::read(&fixture.request(), name, id, &ReadConditions::default(), &[]).await.unwrap())
}

#[tokio::test]
async fn a_batch_does_each_entry_for_itself_and_answers_in_order() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.put(json!({ "resourceType": "Patient", "id": "p" })).await;
    let bundle = fixture
        .bundle(
            "batch",
            json!([
                simple("GET", "Patient/p"),
                post("urn:uuid:a", json!({ "resourceType": "Patient", "nmae": 1 })),
                post("urn:uuid:b", patient("b")),
                put(json!({ "resourceType": "Patient", "id": "new" })),
                simple("GET", "Patient/never"),
                simple("DELETE", "Patient/p"),
                simple("GET", "Patient?_id=zz"),
                simple("PATCH", "Patient/p"),
                {}
            ]),
        )
        .await
        .unwrap();
    assert_eq!(bundle["type"], "batch-response");
    assert_eq!(
        statuses(&bundle),
        [
            "200 OK",
            "400 Bad Request",
            "201 Created",
            "201 Created",
            "404 Not Found",
            "204 No Content",
            "200 OK",
            "400 Bad Request",
            "400 Bad Request"
        ]
    );
    let entries = bundle["entry"].as_array().unwrap();
    assert_eq!(entries[0]["resource"]["id"], "p");
    let issue = &entries[1]["response"]["outcome"]["issue"][0];
    assert_eq!(issue["expression"][0], "Bundle.entry[1].resource.nmae");
    assert_eq!(entries[3]["response"]["location"], format!("{BASE}/Patient/new/_history/1"));
    assert_eq!(entries[3]["response"]["etag"], "W/\"1\"");
    assert_eq!(entries[3].get("resource"), None);
    assert_eq!(entries[6]["resource"]["type"], "searchset");
}

/// <https://hl7.org/fhir/R4/http.html#trules>
#[tokio::test]
async fn a_transaction_gives_ids_and_rewrites_the_links_between_its_entries() {
    let mut fixture = Fixture::new("user/*.cruds").await;
    fixture.preferences.returning = Some(Return::Representation);
    let bundle = fixture
        .bundle(
            "transaction",
            json!([
                simple("GET", "Observation?patient=Patient/id-2"),
                post("urn:uuid:o", observation_of("urn:uuid:p")),
                post("urn:uuid:p", patient("a")),
                put(json!({ "resourceType": "Observation", "id": "x", "status": "final", "code": { "text": "a" }, "hasMember": [{ "reference": "urn:uuid:o" }] })),
            ]),
        )
        .await
        .unwrap();
    assert_eq!(bundle["type"], "transaction-response");
    assert_eq!(statuses(&bundle), ["200 OK", "201 Created", "201 Created", "201 Created"]);
    let patient = bundle["entry"][2]["resource"]["id"].as_str().unwrap();
    assert_eq!(bundle["entry"][1]["resource"]["subject"]["reference"], format!("Patient/{patient}"));
    let observation = bundle["entry"][1]["resource"]["id"].as_str().unwrap();
    assert_eq!(
        stored(&fixture, "Observation/x").await["hasMember"][0]["reference"],
        format!("Observation/{observation}")
    );
    // Reads come last, and see what was written.
    assert_eq!(bundle["entry"][0]["resource"]["entry"][0]["resource"]["id"], observation);
    // Its rows were made of the rewritten resource.
    let found = pairs(&[("patient", patient)]);
    let found = body_of(search::search(&fixture.request(), "Observation", &found).await.unwrap());
    assert_eq!(entries(&found), [format!("match Observation/{observation}")]);
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_names_the_entries_that_fail() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.put(json!({ "resourceType": "Patient", "id": "p" })).await;
    let good = || post("urn:uuid:good", patient("good"));
    let changed = |tag: &str| {
        let mut entry = put(json!({ "resourceType": "Patient", "id": "p", "active": true }));
        entry["request"]["ifMatch"] = json!(tag);
        entry
    };
    for (wrong, kind, place) in [
        (
            json!([post("urn:uuid:a", json!({ "resourceType": "Patient", "nmae": 1 }))]),
            Kind::Invalid,
            "Bundle.entry[1].resource.nmae",
        ),
        (json!([changed("W/\"7\"")]), Kind::PreconditionFailed, "Bundle.entry[1]"),
        (json!([simple("GET", "Patient/never")]), Kind::NotFound, "Bundle.entry[1]"),
        (json!([simple("GET", "Patient?birthdate=x")]), Kind::Invalid, "Bundle.entry[1]"),
        (json!([post("urn:uuid:a", observation_of("urn:uuid:zz"))]), Kind::Invalid, "Bundle.entry[1]"),
        (json!([post("urn:uuid:good", patient("b"))]), Kind::Invalid, "Bundle.entry[1]"),
        (
            json!([changed("W/\"1\""), put(json!({ "resourceType": "Patient", "id": "p" }))]),
            Kind::Invalid,
            "Bundle.entry[2]",
        ),
        (json!([simple("PATCH", "Patient/p")]), Kind::Invalid, "Bundle.entry[1].resource"),
        (json!([post("urn:uuid:a", observation_of("Patient?identifier=none"))]), Kind::Invalid, "Bundle.entry[1]"),
    ] {
        let mut all = vec![good()];
        all.extend(wrong.as_array().unwrap().iter().cloned());
        let error = fixture.bundle("transaction", json!(all)).await.unwrap_err();
        assert_eq!((error.kind, error.issues[0].expression[0].as_str()), (kind, place), "{wrong} {error}");
    }
    assert_eq!((count(&fixture, "Patient").await, count(&fixture, "Observation").await), (1, 0));
    assert_eq!(stored(&fixture, "Patient/p").await["meta"]["versionId"], "1");
    // All that is wrong is told at once.
    let wrong = || post("urn:uuid:a", json!({ "resourceType": "Patient", "nmae": 1 }));
    let mut second = wrong();
    second["fullUrl"] = json!("urn:uuid:b");
    let error = fixture.bundle("transaction", json!([wrong(), second])).await.unwrap_err();
    assert_eq!(error.issues.len(), 2);
}

#[tokio::test]
async fn deletes_come_before_creates_and_creates_before_updates() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.put(json!({ "resourceType": "Patient", "id": "old", "identifier": [{ "system": "http://example.org/mrn", "value": "1" }] })).await;
    let mut create = post("urn:uuid:a", identified("1"));
    create["request"]["ifNoneExist"] = json!("identifier=http://example.org/mrn|2");
    let bundle = fixture.bundle("transaction", json!([create, simple("DELETE", "Patient/old")])).await.unwrap();
    assert_eq!(statuses(&bundle), ["201 Created", "204 No Content"]);
    assert_eq!(count(&fixture, "Patient").await, 1);
}

/// <https://hl7.org/fhir/R4/http.html#ccreate>
#[tokio::test]
async fn a_conditional_create_makes_one_resource_however_often_it_is_sent() {
    let fixture = Fixture::new("user/*.cruds").await;
    let create = async |value: &str, condition: &str| {
        create::create(&fixture.request(), "Patient", &bytes(&identified(value)), Some(condition)).await
    };
    let condition = "identifier=http://example.org/mrn|1";
    let first = create("1", condition).await.unwrap();
    assert_eq!(first.status(), 201);
    let with_mark = format!("?{condition}");
    let (left, right) = tokio::join!(create("1", condition), create("1", &with_mark));
    for again in [left.unwrap(), right.unwrap()] {
        assert_eq!((again.status(), again.kind, again.version), (200, AnswerKind::Unchanged, Some(1)));
        assert_eq!(again.location, first.location);
    }
    let (left, right) = tokio::join!(create("2", "identifier=2"), create("2", "identifier=2"));
    let mut both = [left.unwrap().status(), right.unwrap().status()];
    both.sort_unstable();
    assert_eq!(both, [200, 201]);
    create("1", "identifier=3").await.unwrap();
    assert_eq!(create("1", condition).await.unwrap_err().kind, Kind::MultipleMatches);
    for unclear in ["", "colour=red", "_count=1"] {
        assert_eq!(create("1", unclear).await.unwrap_err().kind, Kind::Invalid, "{unclear}");
    }
}

/// Conditional references are resolved against the server and the transaction itself, and have to match one.
#[tokio::test]
async fn conditional_references_become_literal_ones() {
    let fixture = Fixture::new("user/*.cruds").await;
    let mut known = identified("1");
    known["id"] = json!("known");
    fixture.put(known).await;
    let by = |value: &str| format!("Patient?identifier=http://example.org/mrn|{value}");
    let bundle = fixture
        .bundle(
            "transaction",
            json!([
                post("urn:uuid:a", observation_of(&by("1"))),
                post("urn:uuid:b", observation_of(&by("2"))),
                post("urn:uuid:c", identified("2")),
            ]),
        )
        .await
        .unwrap();
    let location = |index: usize| {
        let url = bundle["entry"][index]["response"]["location"].as_str().unwrap().strip_prefix(BASE).unwrap();
        url[1..].split("/_history").next().unwrap().to_owned()
    };
    assert_eq!(stored(&fixture, &location(0)).await["subject"]["reference"], "Patient/known");
    assert_eq!(stored(&fixture, &location(1)).await["subject"]["reference"], location(2));
    // What is deleted in the same transaction is no match; several are none either.
    let gone = json!([post("urn:uuid:a", observation_of(&by("1"))), simple("DELETE", "Patient/known")]);
    assert_eq!(fixture.bundle("transaction", gone).await.unwrap_err().kind, Kind::Invalid);
    fixture.put(json!({ "resourceType": "Patient", "id": "twin", "identifier": [{ "value": "1", "system": "http://example.org/mrn" }] })).await;
    let error = fixture
        .bundle("transaction", json!([simple("GET", "Patient/known"), post("urn:uuid:a", observation_of(&by("1")))]))
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.issues[0].expression[0].as_str()), (Kind::MultipleMatches, "Bundle.entry[1]"));
    // Not where the token may not search.
    let access = fixture.with_scopes("user/Observation.cruds");
    let request = Request { access: &access, ..fixture.request() };
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [post("urn:uuid:a", observation_of(&by("2")))] });
    assert_eq!(bundle::bundle(&request, &bytes(&bundle)).await.unwrap_err().kind, Kind::Forbidden);
}

#[tokio::test]
async fn references_to_a_conditional_create_lead_to_what_was_there() {
    let fixture = Fixture::new("user/*.cruds").await;
    let mut known = identified("1");
    known["id"] = json!("known");
    fixture.put(known).await;
    let mut create = post("urn:uuid:p", identified("1"));
    create["request"]["ifNoneExist"] = json!("identifier=http://example.org/mrn|1");
    let bundle =
        fixture.bundle("transaction", json!([create, post("urn:uuid:o", observation_of("urn:uuid:p"))])).await.unwrap();
    assert_eq!(statuses(&bundle), ["200 OK", "201 Created"]);
    let found = pairs(&[("patient", "known")]);
    let found = body_of(search::search(&fixture.request(), "Observation", &found).await.unwrap());
    assert_eq!(entries(&found).len(), 1);
    assert_eq!(count(&fixture, "Patient").await, 1);
}

/// What the transaction itself deleted is no match any more; what it created before is one.
#[tokio::test]
async fn a_conditional_create_in_a_transaction_sees_the_entries_before_it() {
    let fixture = Fixture::new("user/*.cruds").await;
    let mut known = identified("1");
    known["id"] = json!("known");
    fixture.put(known).await;
    let create = |full_url: &str, value: &str| {
        let mut entry = post(full_url, identified(value));
        entry["request"]["ifNoneExist"] = json!(format!("identifier=http://example.org/mrn|{value}"));
        entry
    };
    let bundle = fixture
        .bundle("transaction", json!([create("urn:uuid:a", "1"), simple("DELETE", "Patient/known")]))
        .await
        .unwrap();
    assert_eq!(statuses(&bundle), ["201 Created", "204 No Content"]);
    let twice =
        json!([create("urn:uuid:a", "2"), create("urn:uuid:b", "2"), post("urn:uuid:o", observation_of("urn:uuid:b"))]);
    let bundle = fixture.bundle("transaction", twice).await.unwrap();
    assert_eq!(statuses(&bundle), ["201 Created", "200 OK", "201 Created"]);
    assert_eq!(bundle["entry"][0]["response"]["location"], bundle["entry"][1]["response"]["location"]);
    assert_eq!(count(&fixture, "Patient").await, 2);
    // "Multiple matches: The server returns a 412 Precondition Failed error": https://hl7.org/fhir/R4/http.html#ccreate
    let same = json!([post("urn:uuid:a", identified("2")), create("urn:uuid:b", "2")]);
    let error = fixture.bundle("transaction", same).await.unwrap_err();
    assert_eq!((error.kind, error.issues[0].expression[0].as_str()), (Kind::MultipleMatches, "Bundle.entry[1]"));
    assert_eq!(count(&fixture, "Patient").await, 2);
}

#[tokio::test]
async fn each_entry_needs_its_own_scope() {
    let fixture = Fixture::new("user/*.cruds").await;
    let access = fixture.with_scopes("user/Patient.cruds user/Observation.rs");
    let request = Request { access: &access, ..fixture.request() };
    let send = async |bundle_type: &str| {
        // "References within a Bundle.entry.resource to another Bundle.entry.resource that is being created within the
        // batch are considered to be non-conformant." <https://hl7.org/fhir/R4/http.html#brules>
        let subject = if bundle_type == "batch" { "Patient/elsewhere" } else { "urn:uuid:p" };
        let entry = [post("urn:uuid:p", patient("a")), post("urn:uuid:o", observation_of(subject))];
        let bundle = json!({ "resourceType": "Bundle", "type": bundle_type, "entry": entry });
        bundle::bundle(&request, &bytes(&bundle)).await
    };
    let error = send("transaction").await.unwrap_err();
    assert_eq!((error.kind, error.issues[0].expression[0].as_str()), (Kind::Forbidden, "Bundle.entry[1]"));
    assert_eq!(count(&fixture, "Patient").await, 0);
    let bundle = body_of(send("batch").await.unwrap());
    assert_eq!(statuses(&bundle), ["201 Created", "403 Forbidden"]);
}

#[tokio::test]
async fn thousands_of_entries_are_one_transaction() {
    let fixture = Fixture::new("user/*.cruds").await;
    let mut all = vec![post("urn:uuid:p", patient("a"))];
    all.extend((0..2_600).map(|index| post(&format!("urn:uuid:{index}"), observation_of("urn:uuid:p"))));
    let bundle = fixture.bundle("transaction", json!(all)).await.unwrap();
    assert_eq!(bundle["entry"].as_array().unwrap().len(), 2_601);
    assert_eq!(count(&fixture, "Observation").await, 2_600);
}

#[tokio::test]
async fn an_empty_bundle_is_answered_empty() {
    let fixture = Fixture::new("user/*.cruds").await;
    for bundle_type in ["batch", "transaction"] {
        let bundle = fixture.bundle(bundle_type, json!([])).await.unwrap();
        assert_eq!((&bundle["type"], bundle.get("entry")), (&json!(format!("{bundle_type}-response")), None));
    }
}

/// "Servers SHOULD accept a history bundle - this makes it possible to replicate data from one server to another":
/// <https://hl7.org/fhir/R4/http.html#other-bundles>
#[tokio::test]
async fn a_history_of_another_server_happens_again() {
    let (there, here) = (Fixture::new("user/*.cruds").await, Fixture::new("user/*.cruds").await);
    let created = body_of(create::create(&there.request(), "Patient", &bytes(&patient("One")), None).await.unwrap());
    let id = created["id"].as_str().unwrap();
    let mut second = patient("Two");
    second["id"] = id.into();
    there.put(second).await;
    there.put(observation("o", id, "2024-01-01")).await;
    delete::delete(&there.request(), "Observation", "o", ALWAYS).await.unwrap();
    let history = async |fixture: &Fixture| {
        let bundle = body_of(history::system(&fixture.request(), &[]).await.unwrap());
        let entries = bundle["entry"].as_array().unwrap();
        let short = entries.iter().map(|entry| {
            let resource = &entry["resource"];
            format!("{} {} {}", entry["response"]["etag"], resource["resourceType"], resource["name"][0]["family"])
        });
        (short.collect::<Vec<_>>(), bundle)
    };
    let (told, bundle) = history(&there).await;
    assert_eq!(told.len(), 4);
    let answer = here.bundle("history", bundle["entry"].clone()).await.unwrap();
    assert_eq!(answer["type"], "batch-response");
    assert_eq!(statuses(&answer), ["204 No Content", "201 Created", "200 OK", "201 Created"]);
    assert_eq!(history(&here).await.0, told);
    let read = read::read(&here.request(), "Patient", id, &ReadConditions::default(), &[]).await.unwrap();
    assert_eq!(body_of(read)["name"][0]["family"], "Two");
    // An entry that tells of no change is refused for itself.
    for (wrong, place) in [
        (json!({ "request": { "method": "GET", "url": "Patient/x" } }), "request.method"),
        (json!({ "request": { "method": "POST", "url": "Patient" }, "resource": patient("x") }), "resource.id"),
        (json!({ "request": { "method": "PUT", "url": "Patient/x" } }), "resource"),
        (json!({ "request": { "method": "DELETE", "url": "Patient?name=x" } }), "request.url"),
    ] {
        let answer = here.bundle("history", json!([wrong])).await.unwrap();
        assert_eq!(statuses(&answer), ["400 Bad Request"]);
        assert_eq!(
            answer["entry"][0]["response"]["outcome"]["issue"][0]["expression"][0],
            format!("Bundle.entry[0].{place}")
        );
    }
}

/// "Either succeed or fail as a whole": a read of what the same transaction deletes can only fail.
/// <https://hl7.org/fhir/R4/http.html#transaction>
#[tokio::test]
async fn a_transaction_that_reads_what_it_deletes_is_refused() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.put(json!({ "resourceType": "Patient", "id": "p" })).await;
    let entries = json!([
        { "request": { "method": "GET", "url": "Patient/p" } },
        { "request": { "method": "DELETE", "url": "Patient/p" } }
    ]);
    let error = fixture.bundle("transaction", entries).await.unwrap_err();
    assert_eq!((error.kind, error.issues[0].expression[0].as_str()), (Kind::Invalid, "Bundle.entry[0]"));
    let entries = json!([
        { "request": { "method": "GET", "url": "Patient/p/_history" } },
        { "request": { "method": "DELETE", "url": "Patient/p" } }
    ]);
    let answer = fixture.bundle("transaction", entries).await.unwrap();
    assert_eq!(answer["entry"][0]["resource"]["total"], 2, "{answer}");
}
