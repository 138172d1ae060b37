//! Operations: what they take, by their definitions, and what they do.

use super::*;
use crate::access::{AccessContext, parse_operations};
use crate::fhir::operation::{self, Place};

impl Fixture {
    /// Invokes an operation: by GET, or by POST with a body.
    pub(super) async fn operation(
        &self,
        place: Place<'_>,
        name: &str,
        parameters: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Value, Error> {
        let found = operation::find(&self.service, name, place).expect("the operation is offered there");
        let body = body.map(|body| bytes(&body));
        let answer = operation::run(&self.request(), found, place, &pairs(parameters), body.as_deref()).await?;
        Ok(body_of(answer))
    }
}

fn parameters(given: Value) -> Option<Value> {
    Some(json!({ "resourceType": "Parameters", "parameter": given }))
}

fn texts(error: &Error) -> Vec<String> {
    error.issues.iter().map(|issue| format!("{}: {}", issue.expression.join(","), issue.diagnostics)).collect()
}

/// Names, cardinalities and types are those of the OperationDefinition.
#[tokio::test]
async fn what_is_no_parameter_of_the_definition_is_refused_and_the_right_ones_are_named() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.put(observation("o", "p", "2024-01-01")).await;
    let place = Place::Instance("Observation", "o");
    let cases = [
        ("meta-add", vec![], parameters(json!([]))),
        ("meta-add", vec![], parameters(json!([{ "name": "meta", "valueString": "x" }]))),
        ("meta-add", vec![], parameters(json!([{ "name": "meta", "valueMeta": { "tag": "x" } }]))),
        (
            "meta-add",
            vec![],
            parameters(json!([{ "name": "meta", "valueMeta": {} }, { "name": "meta", "valueMeta": {} }])),
        ),
        ("meta-add", vec![], parameters(json!([{ "name": "_mode", "valueCode": "x" }]))),
        ("meta-add", vec![], Some(patient("No Parameters"))),
        ("meta", vec![("_since", "2024")], None),
        ("validate", vec![("mode", "no code at all ")], None),
    ];
    let mut refusals = Vec::new();
    for (name, query, body) in cases {
        let error = fixture.operation(place, name, &query, body).await.unwrap_err();
        assert_eq!(error.kind, Kind::Invalid, "{error}");
        refusals.push(format!("${name}: {}", texts(&error).join(" | ")));
    }
    insta::assert_snapshot!(refusals.join("\n"));
}

/// <https://hl7.org/fhir/R4/resource-operation-meta-add.html>: "executing this operation does not cause a new version
/// of the resource to be created. The meta is updated directly."
#[tokio::test]
async fn labels_are_added_and_taken_away_without_a_new_version() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.put(observation("o", "p", "2024-01-01")).await;
    let place = Place::Instance("Observation", "o");
    let tag = |code: &str| json!({ "system": "http://example.org/tags", "code": code, "display": code });
    let meta = |tags: Value| parameters(json!([{ "name": "meta", "valueMeta": { "tag": tags } }]));
    let added = fixture.operation(place, "meta-add", &[], meta(json!([tag("a"), tag("b")]))).await.unwrap();
    assert_eq!(added["parameter"][0]["valueMeta"]["tag"], json!([tag("a"), tag("b")]));
    // By system and code: the same label is there once, whatever it is called.
    let renamed = json!([{ "system": "http://example.org/tags", "code": "a" }]);
    fixture.operation(place, "meta-add", &[], meta(renamed.clone())).await.unwrap();
    let read = fixture.operation(place, "meta", &[], None).await.unwrap();
    let shown = &read["parameter"][0]["valueMeta"];
    assert_eq!((&shown["tag"], &shown["versionId"]), (&json!([tag("a"), tag("b")]), &json!("1")));
    let found = async |code: &str| {
        let query = pairs(&[("_tag", &format!("http://example.org/tags|{code}"))]);
        entries(&body_of(search::search(&fixture.request(), "Observation", &query).await.unwrap()))
    };
    assert_eq!(found("a").await, ["match Observation/o"]);
    let of_type = fixture.operation(Place::Type("Observation"), "meta", &[], None).await.unwrap();
    assert_eq!(of_type["parameter"][0]["valueMeta"], json!({ "tag": [tag("a"), tag("b")] }));
    fixture.operation(place, "meta-delete", &[], meta(renamed)).await.unwrap();
    assert_eq!(found("a").await, [""; 0]);
    assert_eq!(found("b").await, ["match Observation/o"]);
    let history = body_of(history::instance(&fixture.request(), "Observation", "o", &[]).await.unwrap());
    assert_eq!(history["entry"].as_array().unwrap().len(), 1);
    assert_eq!(fixture.service.store.check(|_| ()).await.unwrap().faults, Vec::<String>::new());
}

/// "Also, as a special case, this operation (and other meta operations) can be performed on a historical version of a
/// resource": <https://hl7.org/fhir/R4/resource-operation-meta.html>
#[tokio::test]
async fn labels_of_a_superseded_version_are_shown_and_changed_and_those_of_the_current_one_stay() {
    let fixture = Fixture::new("user/*.cruds").await;
    let labels = |codes: &[&str]| {
        Value::from_iter(codes.iter().map(|code| json!({ "system": "http://example.org/tags", "code": code })))
    };
    let tagged = |code: &str| {
        let mut resource = observation("o", "p", "2024-01-01");
        resource["meta"] = json!({ "tag": labels(&[code]) });
        resource
    };
    fixture.put(tagged("first")).await;
    fixture.put(tagged("second")).await;
    let meta = |codes: &[&str]| parameters(json!([{ "name": "meta", "valueMeta": { "tag": labels(codes) } }]));
    let version = |version| Place::Version("Observation", "o", version);
    let tags = |answer: &Value| answer["parameter"][0]["valueMeta"]["tag"].clone();
    let shown = async |place| tags(&fixture.operation(place, "meta", &[], None).await.unwrap());
    assert_eq!(shown(version("1")).await, labels(&["first"]));
    let number = fixture.service.parameters.entry("Observation").unwrap().number;
    let stored = async || fixture.service.store.read_version(number, "o", 1).await.unwrap().unwrap();
    let before = stored().await;

    let added = fixture.operation(version("1"), "meta-add", &[], meta(&["late"])).await.unwrap();
    assert_eq!(tags(&added), labels(&["first", "late"]));
    fixture.operation(version("1"), "meta-delete", &[], meta(&["first"])).await.unwrap();
    assert_eq!(shown(version("1")).await, labels(&["late"]));
    assert_eq!(shown(Place::Instance("Observation", "o")).await, labels(&["second"]));
    let after = stored().await;
    assert_eq!((after.version, after.last_updated), (1, before.last_updated));

    // The current version may be named too, and is found by its new labels.
    fixture.operation(version("2"), "meta-add", &[], meta(&["now"])).await.unwrap();
    assert_eq!(shown(Place::Instance("Observation", "o")).await, labels(&["second", "now"]));
    let found = async |code: &str| {
        let query = pairs(&[("_tag", code)]);
        entries(&body_of(search::search(&fixture.request(), "Observation", &query).await.unwrap()))
    };
    assert_eq!((found("now").await, found("late").await), (vec!["match Observation/o".to_owned()], vec![]));

    for missing in ["3", "0", "x"] {
        for (name, body) in [("meta", None), ("meta-add", meta(&["a"]))] {
            let refused = fixture.operation(version(missing), name, &[], body).await.unwrap_err();
            assert_eq!(refused.kind, Kind::NotFound, "{name} on version {missing}");
        }
    }
    assert_eq!(fixture.service.store.check(|_| ()).await.unwrap().faults, Vec::<String>::new());
}

/// <https://hl7.org/fhir/R4/resource-operation-validate.html>: 200 whether or not the resource is valid.
#[tokio::test]
async fn validate_tells_what_is_wrong_and_writes_nothing() {
    let fixture = Fixture::new("user/*.cruds").await;
    let mut wrong = observation("o", "p", "2024-13-01");
    wrong["nmae"] = json!("x");
    let said = |outcome: &Value| {
        let issues = outcome["issue"].as_array().unwrap().iter();
        issues.map(|issue| format!("{} {}", issue["severity"], issue["expression"][0])).collect::<Vec<_>>()
    };
    for place in [Place::System, Place::Type("Observation")] {
        let outcome = fixture.operation(place, "validate", &[], Some(wrong.clone())).await.unwrap();
        assert_eq!(
            said(&outcome),
            ["\"error\" \"Observation.effective\"", "\"error\" \"Observation.nmae\""],
            "{outcome}"
        );
    }
    let right = parameters(json!([
        { "name": "resource", "resource": observation("o", "p", "2024-01-01") },
        { "name": "mode", "valueCode": "create" }
    ]));
    let outcome = fixture.operation(Place::Type("Observation"), "validate", &[], right).await.unwrap();
    assert_eq!(said(&outcome), ["\"information\" null"]);
    let query = [("profile", "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient")];
    let outcome = fixture.operation(Place::Type("Patient"), "validate", &query, Some(patient("A"))).await.unwrap();
    assert_eq!(outcome["issue"][0]["code"], "not-supported", "a profile that is not checked is not called right");
    // "Modes update and delete can only be used when the operation is invoked at the resource instance level."
    for mode in ["update", "delete"] {
        for place in [Place::System, Place::Type("Observation")] {
            let refused =
                fixture.operation(place, "validate", &[("mode", mode)], Some(observation("o", "p", "2024"))).await;
            assert_eq!(refused.unwrap_err().kind, Kind::Invalid, "{mode}");
        }
    }
    // Nothing came to be.
    let error = fixture.operation(Place::Instance("Observation", "o"), "validate", &[], None).await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound);
    fixture.put(observation("o", "p", "2024-01-01")).await;
    let outcome = fixture.operation(Place::Instance("Observation", "o"), "validate", &[], None).await.unwrap();
    assert_eq!(said(&outcome), ["\"information\" null"]);
}

/// "mode=delete": whether a delete would be taken.
#[tokio::test]
async fn validate_tells_what_would_hold_a_delete_back() {
    let fixture = chart().await;
    let validate = async |id: &str| {
        let query = [("mode", "delete")];
        let outcome = fixture.operation(Place::Instance("Patient", id), "validate", &query, None).await.unwrap();
        outcome["issue"][0]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(validate("p").await, "conflict");
    fixture.put(json!({ "resourceType": "Patient", "id": "alone" })).await;
    assert_eq!(validate("alone").await, "informational");
}

/// The list that the OpenAPI document is made from is the server's.
#[test]
fn the_openapi_document_lists_the_operations_that_are_offered() {
    let document: Value = serde_json::from_str(include_str!("../../../../generated/api/openapi/fhir.json")).unwrap();
    let listed = document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.contains('$'));
    let mut listed: Vec<String> = listed
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect();
    listed.sort();
    let mut offered = operation::places();
    offered.sort();
    assert_eq!(listed, offered);
}

fn coded(id: &str, code: &str, date: &str) -> Value {
    let mut observation = observation(id, "p", date);
    observation["code"]["coding"] = json!([{ "system": "http://loinc.org", "code": code }]);
    observation["category"] = json!([{ "coding": [{ "code": "laboratory" }] }]);
    observation
}

/// A patient with a record, and another with one.
async fn chart() -> Fixture {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.put(json!({ "resourceType": "Organization", "id": "org", "name": "Clinic" })).await;
    fixture.put(json!({ "resourceType": "Practitioner", "id": "doc" })).await;
    for id in ["p", "q"] {
        let organization = json!({ "reference": "Organization/org" });
        fixture.put(json!({ "resourceType": "Patient", "id": id, "managingOrganization": organization })).await;
    }
    let subject = json!({ "reference": "Patient/p" });
    fixture
        .put(json!({ "resourceType": "Encounter", "id": "e", "status": "finished", "class": { "code": "AMB" },
            "subject": subject, "participant": [{ "individual": { "reference": "Practitioner/doc" } }] }))
        .await;
    for (id, code, date) in [("o1", "1", "2023-01-01"), ("o2", "1", "2024-01-01"), ("o3", "2", "2022-06-01")] {
        let mut observation = coded(id, code, date);
        if id == "o2" {
            observation["encounter"] = json!({ "reference": "Encounter/e" });
        }
        fixture.put(observation).await;
    }
    fixture.put(observation("foreign", "q", "2024-01-01")).await;
    fixture.put(json!({ "resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "YQ==" })).await;
    fixture
        .put(json!({ "resourceType": "DocumentReference", "id": "d", "status": "current", "subject": subject,
            "type": { "coding": [{ "system": "http://loinc.org", "code": "11506-3" }] }, "date": "2024-01-01T00:00:00Z",
            "content": [{ "attachment": { "url": "Binary/b" } }] }))
        .await;
    fixture
        .put(json!({ "resourceType": "Provenance", "id": "prov", "target": [{ "reference": "Observation/o1" }],
            "recorded": "2024-01-01T00:00:00Z", "agent": [{ "who": { "reference": "Practitioner/doc" } }] }))
        .await;
    fixture
}

fn sorted(bundle: &Value) -> Vec<String> {
    let mut all = entries(bundle);
    all.sort();
    all
}

/// <https://hl7.org/fhir/R4/operation-patient-everything.html>
#[tokio::test]
async fn everything_of_a_patient_is_the_record_and_what_it_refers_to() {
    let fixture = chart().await;
    let place = Place::Instance("Patient", "p");
    let everything = async |query: &[(&str, &str)]| fixture.operation(place, "everything", query, None).await.unwrap();
    let all = [
        "include Binary/b",
        "include Organization/org",
        "include Practitioner/doc",
        "include Provenance/prov",
        "match DocumentReference/d",
        "match Encounter/e",
        "match Observation/o1",
        "match Observation/o2",
        "match Observation/o3",
        "match Patient/p",
    ];
    assert_eq!(sorted(&everything(&[]).await), all);
    // Page by page the same matches, each once.
    let (mut found, mut query) = (Vec::new(), pairs(&[("_count", "2")]));
    loop {
        let asked: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let page = everything(&asked).await;
        let matches: Vec<String> = entries(&page).into_iter().filter(|entry| entry.starts_with("match")).collect();
        assert!(matches.len() <= 2);
        found.extend(matches);
        let Some(next) = link(&page, "next") else { break };
        query = parameters_of(&next);
    }
    found.sort();
    assert_eq!(found, all[4..]);
    // By type; what is named comes along, too.
    let some = everything(&[("_type", "Observation,Provenance")]).await;
    assert_eq!(
        sorted(&some),
        ["include Provenance/prov", "match Observation/o1", "match Observation/o2", "match Observation/o3"]
    );
    // Also what is there because others refer to it, or it to them, alone.
    for (name, expected) in [("Practitioner", "Practitioner/doc"), ("Organization", "Organization/org")] {
        assert_eq!(sorted(&everything(&[("_type", name)]).await), [format!("include {expected}")]);
    }
    for wrong in [("_count", "0"), ("_count", "-1"), ("_offset", "1"), ("_type", "Nothing")] {
        let refused = fixture.operation(Place::Instance("Patient", "p"), "everything", &[wrong], None).await;
        assert_eq!(refused.unwrap_err().kind.status(), 400, "{wrong:?}");
    }
    let backwards = [("start", "2024"), ("end", "2023")];
    let refused = fixture.operation(Place::Instance("Patient", "p"), "everything", &backwards, None).await;
    assert_eq!(refused.unwrap_err().kind, Kind::Invalid);
    // By the clinically relevant date; what has none is always there.
    let dated =
        sorted(&everything(&[("_type", "Observation,Patient"), ("start", "2023"), ("end", "2023-12-31")]).await);
    assert_eq!(dated, ["match Observation/o1", "match Patient/p"]);
    let later = [("_since", "2999-01-01T00:00:00Z")];
    assert_eq!(sorted(&everything(&later).await), [""; 0]);
}

#[tokio::test]
async fn everything_keeps_to_what_the_token_covers() {
    let fixture = chart().await;
    let with = async |access: AccessContext| {
        let request = Request { access: &access, ..fixture.request() };
        let found = operation::find(&fixture.service, "everything", Place::Instance("Patient", "p")).unwrap();
        operation::run(&request, found, Place::Instance("Patient", "p"), &[], None).await.map(body_of)
    };
    let own = AccessContext { patient: Some("p".to_owned()), ..fixture.with_scopes("patient/*.rs") };
    let other = AccessContext { patient: Some("q".to_owned()), ..own.clone() };
    let narrow = AccessContext {
        patient: Some("p".to_owned()),
        ..fixture.with_scopes("patient/Patient.r patient/Observation.rs")
    };
    assert_eq!(with(other).await.unwrap_err().kind, Kind::NotFound);
    assert!(sorted(&with(own).await.unwrap()).contains(&"include Provenance/prov".to_owned()));
    let seen = sorted(&with(narrow).await.unwrap());
    assert_eq!(
        seen[..4],
        ["match Observation/o1", "match Observation/o2", "match Observation/o3", "match Patient/p"].map(str::to_owned)
    );
    assert!(seen[4].starts_with("outcome OperationOutcome"), "{seen:?}");
    assert_eq!(with(fixture.with_scopes("user/Observation.rs")).await.unwrap_err().kind, Kind::Forbidden);
    // A patient's token need not say whose record it wants.
    let access = AccessContext { patient: Some("q".to_owned()), ..fixture.with_scopes("patient/*.rs") };
    let request = Request { access: &access, ..fixture.request() };
    let found = operation::find(&fixture.service, "everything", Place::Type("Patient")).unwrap();
    let bundle = body_of(operation::run(&request, found, Place::Type("Patient"), &[], None).await.unwrap());
    assert_eq!(sorted(&bundle), ["include Organization/org", "match Observation/foreign", "match Patient/q"]);
}

/// <https://hl7.org/fhir/R4/operation-encounter-everything.html>
#[tokio::test]
async fn everything_of_an_encounter_is_its_compartment() {
    let fixture = chart().await;
    let bundle = fixture.operation(Place::Instance("Encounter", "e"), "everything", &[], None).await.unwrap();
    assert_eq!(
        sorted(&bundle),
        ["include Patient/p", "include Practitioner/doc", "match Encounter/e", "match Observation/o2"]
    );
    let of_type = [("_type", "Patient")];
    let bundle = fixture.operation(Place::Instance("Encounter", "e"), "everything", &of_type, None).await.unwrap();
    assert_eq!(sorted(&bundle), ["include Patient/p"]);
}

/// "The server SHOULD return all resources … referenced by the standard extension for associating an encounter":
/// <https://hl7.org/fhir/R4/operation-encounter-everything.html>
#[tokio::test]
async fn everything_of_an_encounter_has_the_encounters_that_are_associated_with_it() {
    let fixture = chart().await;
    let encounter = |id: &str, patient: &str, within: &str| {
        json!({ "resourceType": "Encounter", "id": id, "status": "finished", "subject": { "reference": format!("Patient/{patient}") },
            "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB" },
            "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter",
                "valueReference": { "reference": format!("Encounter/{within}") } }] })
    };
    for (id, patient, within) in [("within", "p", "e"), ("elsewhere", "p", "other"), ("of-another", "q", "e")] {
        fixture.put(encounter(id, patient, within)).await;
    }
    let of_type = [("_type", "Encounter")];
    let bundle = fixture.operation(Place::Instance("Encounter", "e"), "everything", &of_type, None).await.unwrap();
    assert_eq!(sorted(&bundle), ["match Encounter/e", "match Encounter/within"]);
}

/// <https://hl7.org/fhir/R4/observation-operation-lastn.html>
#[tokio::test]
async fn lastn_gives_the_latest_of_each_code() {
    let fixture = chart().await;
    let lastn = async |query: &[(&str, &str)]| {
        fixture.operation(Place::Type("Observation"), "lastn", query, None).await.map(|bundle| entries(&bundle))
    };
    let of = [("patient", "p"), ("category", "laboratory")];
    assert_eq!(lastn(&of).await.unwrap(), ["match Observation/o2", "match Observation/o3"]);
    let two = [of[0], of[1], ("max", "2")];
    assert_eq!(lastn(&two).await.unwrap(), ["match Observation/o2", "match Observation/o1", "match Observation/o3"]);
    // An observation coded twice shows both codes to be one kind.
    let mut both = coded("o4", "2", "2025-01-01");
    both["code"]["coding"] =
        json!([{ "system": "http://loinc.org", "code": "1" }, { "system": "http://loinc.org", "code": "2" }]);
    fixture.put(both).await;
    assert_eq!(lastn(&of).await.unwrap(), ["match Observation/o4"]);
    for wrong in [vec![("patient", "p")], vec![("category", "laboratory")], vec![of[0], of[1], ("max", "0")]] {
        assert_eq!(lastn(&wrong).await.unwrap_err().kind, Kind::Invalid, "{wrong:?}");
    }
}

/// <https://hl7.org/fhir/R4/composition-operation-document.html>
#[tokio::test]
async fn a_document_has_the_composition_first_and_what_it_refers_to() {
    let fixture = chart().await;
    fixture
        .put(json!({ "resourceType": "Composition", "id": "c", "status": "final", "type": { "text": "note" },
            "subject": { "reference": "Patient/p" }, "date": "2024-01-01", "title": "Note",
            "author": [{ "reference": "Practitioner/doc" }],
            "section": [{ "title": "Results", "entry": [{ "reference": "Observation/o1" }] }] }))
        .await;
    let place = Place::Instance("Composition", "c");
    let bundle = fixture.operation(place, "document", &[], None).await.unwrap();
    assert_eq!(crate::validate::validate(&SCHEMA, &bundle), []);
    let urls: Vec<_> =
        bundle["entry"].as_array().unwrap().iter().map(|entry| entry["fullUrl"].as_str().unwrap()).collect();
    let expected = ["Composition/c", "Patient/p", "Practitioner/doc", "Observation/o1"];
    assert_eq!(urls, expected.map(|url| format!("{BASE}/{url}")));
    assert_eq!(bundle["type"], "document");
    let persist = [("persist", "true")];
    let refused = fixture.operation(place, "document", &persist, None).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Invalid, "GET stores nothing");
    // "The id parameter SHALL NOT be used if the operation is requested on a particular composition".
    let refused = fixture.operation(place, "document", &[("id", "c")], None).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Invalid);
    for id in ["c", "Composition/c", &format!("{BASE}/Composition/c")] {
        let bundle = fixture.operation(Place::Type("Composition"), "document", &[("id", id)], None).await.unwrap();
        assert_eq!(bundle["entry"][0]["fullUrl"], urls[0], "{id}");
    }
    for id in ["https://elsewhere.example/fhir/Composition/c", "Patient/p"] {
        let refused = fixture.operation(Place::Type("Composition"), "document", &[("id", id)], None).await;
        assert_eq!(refused.unwrap_err().kind, Kind::Invalid, "{id}");
    }
    let stored =
        fixture.operation(place, "document", &[], parameters(json!([{ "name": "persist", "valueBoolean": true }])));
    let id = stored.await.unwrap()["id"].as_str().unwrap().to_owned();
    read::read(&fixture.request(), "Bundle", &id, &ReadConditions::default(), &[]).await.unwrap();
    // What it stores would stay where the rest of a transaction fails.
    let entry = |method: &str| json!([{ "request": { "method": method, "url": "Composition/c/$document" } }]);
    assert_eq!(fixture.bundle("transaction", entry("POST")).await.unwrap_err().kind, Kind::NotSupported);
    for (bundle_type, method) in [("transaction", "GET"), ("batch", "POST")] {
        let answer = fixture.bundle(bundle_type, entry(method)).await.unwrap();
        assert_eq!(answer["entry"][0]["resource"]["type"], "document");
    }
    // Stored or not, it is what the operation returns.
    let stores = json!([{ "request": { "method": "POST", "url": "Composition/c/$document?persist=true" } }]);
    let answer = fixture.bundle("batch", stores).await.unwrap();
    assert_eq!(answer["entry"][0]["resource"]["type"], "document");
    assert!(answer["entry"][0]["response"]["location"].as_str().unwrap().contains("/Bundle/"));
}

/// A scope that names the operation grants it "and nothing more": not the documents, and of the summary only what else is granted.
#[tokio::test]
async fn the_scope_of_docref_gives_references_and_nothing_that_they_lead_to() {
    let fixture = chart().await;
    let access = |operations: &str, scopes: &str, patient: &str| AccessContext {
        operations: parse_operations(operations),
        patient: Some(patient.to_owned()),
        ..fixture.with_scopes(scopes)
    };
    let place = Place::Type("DocumentReference");
    let found = operation::find(&fixture.service, "docref", place).expect("the operation is offered there");
    let docref = async |access: &AccessContext, of: &str, query: &[(&str, &str)]| {
        let query: Vec<_> = [("patient", of)].into_iter().chain(query.iter().copied()).collect();
        let request = Request { access, ..fixture.request() };
        operation::run(&request, found, place, &pairs(&query), None).await.map(body_of)
    };
    let note = ("type", "http://loinc.org|11506-3");
    for scope in ["patient/DocumentReference.$docref", "user/DocumentReference.$docref", "system/*.$docref"] {
        let only = access(scope, "", "p");
        assert_eq!(entries(&docref(&only, "p", &[note]).await.unwrap()), ["match DocumentReference/d"], "{scope}");
        assert_eq!(docref(&only, "p", &[]).await.unwrap()["total"], 0, "{scope}: a summary would tell of the patient");
        let request = Request { access: &only, ..fixture.request() };
        assert!(search::search(&request, "DocumentReference", &[]).await.is_err(), "{scope}");
        assert!(
            read::read(&request, "DocumentReference", "d", &ReadConditions::default(), &[]).await.is_err(),
            "{scope}"
        );
    }
    // Another patient's, another operation's, and another type's grant nothing.
    for other in [
        access("patient/DocumentReference.$docref", "", "q"),
        access("patient/DocumentReference.$export patient/Patient.$docref", "", "p"),
    ] {
        assert_eq!(docref(&other, "p", &[note]).await.unwrap_err().kind, Kind::Forbidden);
    }
    // With what else is granted, and no more of it.
    let more = access("patient/DocumentReference.$docref", "patient/Patient.r patient/Observation.rs", "p");
    let bundle = docref(&more, "p", &[]).await.unwrap();
    let data = bundle["entry"][0]["resource"]["content"][0]["attachment"]["data"].as_str().unwrap();
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
    let summary = vesta_runtime::json::parse(&text).unwrap();
    let types: std::collections::BTreeSet<_> = summary["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["resource"]["resourceType"].as_str().unwrap())
        .collect();
    assert_eq!(types.into_iter().collect::<Vec<_>>(), ["Composition", "Observation", "Patient"]);
}

/// <https://hl7.org/fhir/us/core/STU8/OperationDefinition-docref.html>
#[tokio::test]
async fn docref_finds_documents_and_makes_the_summary() {
    let fixture = chart().await;
    let docref =
        async |query: &[(&str, &str)]| fixture.operation(Place::Type("DocumentReference"), "docref", query, None).await;
    // Without `type` the current summary.
    let bundle = docref(&[("patient", "p")]).await.unwrap();
    let reference = &bundle["entry"][0]["resource"];
    assert_eq!((bundle["total"].as_u64(), &reference["type"]["coding"][0]["code"]), (Some(1), &json!("34133-9")));
    assert_eq!(crate::validate::validate(&SCHEMA, reference), []);
    let data = reference["content"][0]["attachment"]["data"].as_str().unwrap();
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
    let summary = vesta_runtime::json::parse(&text).unwrap();
    assert_eq!(crate::validate::validate(&SCHEMA, &summary), []);
    assert_eq!(summary["entry"][0]["resource"]["resourceType"], "Composition");
    let sections = summary["entry"][0]["resource"]["section"].as_array().unwrap();
    let results = sections.iter().find(|section| section["title"] == "Results").unwrap();
    assert_eq!(results["entry"].as_array().unwrap().len(), 3);
    // Every entry that a section names is in the document.
    let urls: Vec<_> =
        summary["entry"].as_array().unwrap().iter().map(|entry| entry["fullUrl"].as_str().unwrap()).collect();
    for entry in sections.iter().flat_map(|section| section["entry"].as_array().into_iter().flatten()) {
        let url = format!("{BASE}/{}", entry["reference"].as_str().unwrap());
        assert!(urls.contains(&url.as_str()), "{url}");
    }
    let ids = async |query: &[(&str, &str)]| entries(&docref(query).await.unwrap());
    let note = ("type", "http://loinc.org|11506-3");
    assert_eq!(ids(&[("patient", "p"), note]).await, ["match DocumentReference/d"]);
    let several = ("type", "http://loinc.org|18842-5,http://loinc.org|11506-3");
    assert_eq!(ids(&[("patient", "p"), several]).await, ["match DocumentReference/d"]);
    // "on-demand": only what can be generated.
    assert_eq!(ids(&[("patient", "p"), note, ("on-demand", "true")]).await, [""; 0]);
    assert_eq!(ids(&[("patient", "p"), ("on-demand", "true")]).await.len(), 1);
    assert_eq!(ids(&[("patient", "p"), ("end", "2020")]).await, [""; 0], "the summary is of today");
    let posted = parameters(json!([
        { "name": "patient", "valueId": "p" },
        { "name": "type", "valueCoding": { "system": "http://loinc.org", "code": "11506-3" } }
    ]));
    let posted = fixture.operation(Place::Type("DocumentReference"), "docref", &[], posted).await.unwrap();
    assert_eq!(entries(&posted), ["match DocumentReference/d"]);
    assert_eq!(docref(&[]).await.unwrap_err().kind, Kind::Invalid, "`patient` is 1..1");
    assert_eq!(docref(&[("patient", "never")]).await.unwrap_err().kind, Kind::NotFound);
}
