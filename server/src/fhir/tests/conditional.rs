//! Conditional update, patch and delete, and deletes of what others refer to.

use super::*;
use crate::fhir::patch::{PatchFormat, PatchTarget};

fn with_mrn(family: &str, mrn: &str) -> Value {
    json!({ "resourceType": "Patient", "identifier": [{ "system": "http://a", "value": mrn }], "name": [{ "family": family }] })
}

fn mrn(value: &str) -> Vec<(String, String)> {
    pairs(&[("identifier", &format!("http://a|{value}"))])
}

impl Fixture {
    async fn update_matching(&self, condition: &[(String, String)], resource: Value) -> Result<Answer, Error> {
        update::conditional(&self.request(), "Patient", condition, &bytes(&resource), ALWAYS).await
    }

    async fn patch(&self, target: PatchTarget<'_>, patch: Value, tags: Option<&str>) -> Result<Answer, Error> {
        let body = bytes(&patch);
        let conditions = WriteConditions { if_match: tags, ..ALWAYS };
        patch::patch(&self.request(), "Patient", target, PatchFormat::Json, &body, conditions).await
    }
}

/// <https://hl7.org/fhir/R4/http.html#cond-update>, one case a rule.
#[tokio::test]
async fn a_conditional_update_follows_the_table_of_the_standard() {
    let fixture = Fixture::new("user/*.cruds").await;
    // "No matches, no id provided: The server creates the resource."
    let created = fixture.update_matching(&mrn("1"), with_mrn("A", "1")).await.unwrap();
    assert_eq!((created.kind, created.version), (AnswerKind::Created, Some(1)));
    let id = body_of(created)["id"].as_str().unwrap().to_owned();
    // "One Match, no resource id provided …: The server performs the update against the matching resource."
    let updated = fixture.update_matching(&mrn("1"), with_mrn("B", "1")).await.unwrap();
    assert_eq!((updated.kind, updated.version), (AnswerKind::Updated, Some(2)));
    let mut named = with_mrn("C", "1");
    named["id"] = json!(id);
    // "… OR (resource id provided and it matches the found resource)".
    assert_eq!(fixture.update_matching(&mrn("1"), named.clone()).await.unwrap().version, Some(3));
    // "One Match, resource id provided but does not match resource found: The server returns a 400 Bad Request".
    named["id"] = json!("other");
    assert_eq!(fixture.update_matching(&mrn("1"), named.clone()).await.unwrap_err().kind, Kind::Invalid);
    // "No matches, id provided: The server treats the interaction as an Update as Create interaction".
    named["identifier"][0]["value"] = json!("2");
    let created = fixture.update_matching(&mrn("2"), named.clone()).await.unwrap();
    assert_eq!(created.location.unwrap(), format!("{BASE}/Patient/other/_history/1"));
    // Under an id that is taken by what does not match, nothing is written.
    named["identifier"][0]["value"] = json!("3");
    assert_eq!(fixture.update_matching(&mrn("3"), named).await.unwrap_err().kind, Kind::Conflict);
    // "Multiple matches: The server returns a 412 Precondition Failed error".
    let all = pairs(&[("identifier", "http://a|1,http://a|2")]);
    assert_eq!(fixture.update_matching(&all, with_mrn("D", "1")).await.unwrap_err().kind, Kind::MultipleMatches);
    // A condition is needed, and what shapes results is none.
    for wrong in [pairs(&[]), pairs(&[("identifier", "x"), ("_count", "1")]), pairs(&[("nmae", "x")])] {
        assert_eq!(fixture.update_matching(&wrong, with_mrn("E", "9")).await.unwrap_err().kind, Kind::Invalid);
    }
}

/// A condition is a search like any: by a place, or along a reference to one.
#[tokio::test]
async fn a_condition_may_ask_for_what_is_near() {
    let fixture = Fixture::new("user/*.cruds").await;
    let clinic = |status: &str| json!({ "resourceType": "Location", "status": status, "position": { "latitude": 42.25, "longitude": -83.69 } });
    let update = async |of: &str, condition: &[(&str, &str)], resource: Value| {
        update::conditional(&fixture.request(), of, &pairs(condition), &bytes(&resource), ALWAYS).await
    };
    let near = [("near", "42.25|-83.69|1|km")];
    let created = update("Location", &near, clinic("active")).await.unwrap();
    assert_eq!(created.kind, AnswerKind::Created);
    assert_eq!(update("Location", &near, clinic("inactive")).await.unwrap().version, Some(2));
    assert_eq!(update("Location", &[("near", "0|0")], clinic("active")).await.unwrap().kind, AnswerKind::Created);
    let id = body_of(created)["id"].as_str().unwrap().to_owned();
    let visit = |status: &str| {
        json!({ "resourceType": "Encounter", "status": status, "class": { "code": "AMB" },
            "location": [{ "location": { "reference": format!("Location/{id}") } }] })
    };
    let there = [("location.near", "42.26|-83.69|5|km"), ("location.status", "inactive")];
    assert_eq!(update("Encounter", &there, visit("planned")).await.unwrap().kind, AnswerKind::Created);
    assert_eq!(update("Encounter", &there, visit("finished")).await.unwrap().version, Some(2));
}

#[tokio::test]
async fn if_match_counts_in_conditional_updates_and_patches() {
    let fixture = Fixture::new("user/*.cruds").await;
    let request = fixture.request();
    let update = async |tags| {
        let body = bytes(&with_mrn("A", "1"));
        update::conditional(&request, "Patient", &mrn("1"), &body, if_match(tags)).await.map(|answer| answer.version)
    };
    assert_eq!(update("W/\"1\"").await.unwrap_err().kind, Kind::PreconditionFailed, "there is none to match");
    fixture.update_matching(&mrn("1"), with_mrn("A", "1")).await.unwrap();
    assert_eq!(update("W/\"1\"").await.unwrap(), Some(2));
    assert_eq!(update("W/\"1\"").await.unwrap_err().kind, Kind::PreconditionFailed);
    let activate = json!([{ "op": "add", "path": "/active", "value": true }]);
    let target = mrn("1");
    let target = PatchTarget::Condition(&target);
    assert_eq!(
        fixture.patch(target, activate.clone(), Some("W/\"1\"")).await.unwrap_err().kind,
        Kind::PreconditionFailed
    );
    assert_eq!(fixture.patch(target, activate.clone(), Some("W/\"2\"")).await.unwrap().version, Some(3));
    assert_eq!(fixture.patch(PatchTarget::Id("none"), activate.clone(), None).await.unwrap_err().kind, Kind::NotFound);
    let none = mrn("none");
    assert_eq!(fixture.patch(PatchTarget::Condition(&none), activate, None).await.unwrap_err().kind, Kind::NotFound);
}

/// <https://hl7.org/fhir/R4/http.html#patch>: the result is a resource like any other.
#[tokio::test]
async fn a_patch_is_checked_as_an_update_is() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.put(json!({ "resourceType": "Patient", "id": "p", "active": true })).await;
    let target = PatchTarget::Id("p");
    let wrong = json!([{ "op": "replace", "path": "/active", "value": "yes" }]);
    let error = fixture.patch(target, wrong, None).await.unwrap_err();
    assert_eq!((error.kind, error.issues[0].expression[0].as_str()), (Kind::Unprocessable, "Patient.active"));
    let version = json!([{ "op": "replace", "path": "/meta/versionId", "value": "77" }]);
    let answer = fixture.patch(target, version, None).await.unwrap();
    assert_eq!(body_of(answer)["meta"]["versionId"], "2", "the version is the server's");
    // A patient's token patches that patient's records, and does not hand them over.
    fixture.put(observation("o", "p", "2024-01-01")).await;
    let own = AccessContext { patient: Some("p".to_owned()), ..fixture.with_scopes("patient/*.cruds") };
    let other = AccessContext { patient: Some("q".to_owned()), ..own.clone() };
    let patch = async |access: &AccessContext, value: Value| {
        let request = Request { access, ..fixture.request() };
        let body = bytes(&json!([value]));
        patch::patch(&request, "Observation", PatchTarget::Id("o"), PatchFormat::Json, &body, ALWAYS).await
    };
    let test = json!({ "op": "test", "path": "/status", "value": "nothing" });
    assert_eq!(patch(&other, test).await.unwrap_err().kind, Kind::Forbidden, "it tells nothing of what stands there");
    let hand_over = json!({ "op": "replace", "path": "/subject/reference", "value": "Patient/q" });
    assert_eq!(patch(&own, hand_over).await.unwrap_err().kind, Kind::Forbidden);
    let amend = json!({ "op": "replace", "path": "/status", "value": "amended" });
    assert_eq!(patch(&own, amend).await.unwrap().version, Some(2));
}

/// <https://hl7.org/fhir/R4/http.html#cdelete>
#[tokio::test]
async fn a_conditional_delete_deletes_one_or_by_the_sites_setting_all() {
    let fixture = Fixture::new("user/*.cruds").await;
    for (id, name) in [("1", "A"), ("2", "A"), ("3", "B")] {
        let mut patient = patient(name);
        patient["id"] = json!(id);
        fixture.put(patient).await;
    }
    let delete = async |fixture: &Fixture, family: &str| {
        let answer = delete::conditional(&fixture.request(), "Patient", &pairs(&[("family", family)]), ALWAYS).await?;
        assert_eq!(answer.kind, AnswerKind::Deleted);
        Ok::<_, Error>(body_of(answer)["issue"][0]["diagnostics"].as_str().unwrap().to_owned())
    };
    let count = async |fixture: &Fixture| {
        let found = search::search(&fixture.request(), "Patient", &[]).await.unwrap();
        entries(&body_of(found)).len()
    };
    assert_eq!(delete(&fixture, "A").await.unwrap_err().kind, Kind::MultipleMatches);
    assert_eq!(delete(&fixture, "none").await.unwrap(), "No resource matches: nothing was deleted.");
    assert_eq!(count(&fixture).await, 3);
    assert_eq!(delete(&fixture, "B").await.unwrap(), "The resource that matches was deleted.");
    let multiple = WriteRules { conditional_delete_multiple: true, ..WriteRules::default() };
    let fixture = fixture.with_rules(multiple).await;
    assert_eq!(delete(&fixture, "A").await.unwrap(), "The 2 resources that match were deleted.");
    assert_eq!(count(&fixture).await, 0);
}

#[tokio::test]
async fn what_others_refer_to_is_deleted_only_with_them_or_by_the_sites_setting() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.put(json!({ "resourceType": "Patient", "id": "p" })).await;
    fixture.put(json!({ "resourceType": "Patient", "id": "q" })).await;
    fixture.put(observation("o", "p", "2024-01-01")).await;
    let delete = async |fixture: &Fixture, name: &str, id: &str| {
        delete::delete(&fixture.request(), name, id, ALWAYS).await.map(|answer| answer.kind)
    };
    let error = delete(&fixture, "Patient", "p").await.unwrap_err();
    assert_eq!(error.kind, Kind::Conflict);
    assert!(error.to_string().contains("of type Observation"), "{error}");
    let entry = |method: &str, url: &str| json!({ "request": { "method": method, "url": url } });
    let error = fixture.bundle("transaction", json!([entry("DELETE", "Patient/p")])).await.unwrap_err();
    assert_eq!((error.kind, error.issues[0].expression[0].as_str()), (Kind::Conflict, "Bundle.entry[0]"));
    // What the same transaction changes to refer elsewhere does not hold it back; what it makes refer here does.
    let put = |patient: &str| {
        json!({ "resource": observation("o", patient, "2024-01-01"),
        "request": { "method": "PUT", "url": "Observation/o" } })
    };
    fixture.bundle("transaction", json!([entry("DELETE", "Patient/p"), put("p")])).await.unwrap_err();
    fixture.bundle("transaction", json!([entry("DELETE", "Patient/p"), put("q")])).await.unwrap();
    assert_eq!(delete(&fixture, "Patient", "q").await.unwrap_err().kind, Kind::Conflict);
    fixture
        .bundle("transaction", json!([entry("DELETE", "Patient/q"), entry("DELETE", "Observation/o")]))
        .await
        .unwrap();
    fixture.put(json!({ "resourceType": "Patient", "id": "p" })).await;
    fixture.put(observation("o", "p", "2024-01-01")).await;
    let fixture = fixture.with_rules(WriteRules { delete_referenced: true, ..WriteRules::default() }).await;
    assert_eq!(delete(&fixture, "Patient", "p").await.unwrap(), AnswerKind::Deleted);
}

/// <https://hl7.org/fhir/R4/binary.html#security-context>
#[tokio::test]
async fn the_id_of_a_deleted_binary_comes_back_with_a_security_context_only() {
    let fixture = Fixture::new("user/*.cruds").await;
    let binary = |context: Option<&str>| {
        let mut binary = json!({ "resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "YQ==" });
        if let Some(context) = context {
            binary["securityContext"] = json!({ "reference": context });
        }
        bytes(&binary)
    };
    let request = fixture.request();
    update::update(&request, "Binary", "b", &binary(None), ALWAYS).await.unwrap();
    update::update(&request, "Binary", "b", &binary(None), ALWAYS).await.unwrap();
    delete::delete(&request, "Binary", "b", ALWAYS).await.unwrap();
    let error = update::update(&request, "Binary", "b", &binary(None), ALWAYS).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unprocessable);
    update::update(&request, "Binary", "b", &binary(Some("Patient/p")), ALWAYS).await.unwrap();
}

/// <https://hl7.org/fhir/R4/http.html#trules>: conditional interactions and patches in a transaction.
#[tokio::test]
async fn a_transaction_takes_conditional_interactions_and_patches() {
    let fixture = Fixture::new("user/*.cruds").await;
    for (id, value) in [("one", "1"), ("two", "2"), ("three", "3")] {
        let mut patient = with_mrn(id, value);
        patient["id"] = json!(id);
        fixture.put(patient).await;
    }
    let json_patch = |patch: Value| {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
        json!({ "resourceType": "Binary", "contentType": "application/json-patch+json", "data": data })
    };
    let entries = json!([
        { "resource": with_mrn("Updated", "1"), "fullUrl": "urn:uuid:1a1a1a1a-0000-4000-8000-000000000001",
          "request": { "method": "PUT", "url": "Patient?identifier=http://a|1" } },
        { "resource": with_mrn("New", "4"), "request": { "method": "PUT", "url": "Patient?identifier=http://a|4" } },
        { "resource": json_patch(json!([{ "op": "add", "path": "/active", "value": true }])),
          "request": { "method": "PATCH", "url": "Patient/two", "ifMatch": "W/\"1\"" } },
        { "request": { "method": "DELETE", "url": "Patient?identifier=http://a|3" } },
        { "resource": { "resourceType": "Observation", "status": "final", "code": { "text": "x" },
            "subject": { "reference": "urn:uuid:1a1a1a1a-0000-4000-8000-000000000001" } },
          "request": { "method": "POST", "url": "Observation" } },
        { "request": { "method": "POST", "url": "Patient/_search?family=updated" } },
        { "request": { "method": "GET", "url": "Patient/two/$meta" } }
    ]);
    let response = fixture.bundle("transaction", entries).await.unwrap();
    let statuses: Vec<_> =
        response["entry"].as_array().unwrap().iter().map(|entry| &entry["response"]["status"]).collect();
    assert_eq!(
        statuses,
        ["200 OK", "201 Created", "200 OK", "204 No Content", "201 Created", "200 OK", "200 OK"],
        "{response}"
    );
    let found = &response["entry"][5]["resource"]["entry"][0]["resource"];
    assert_eq!((&found["id"], &found["name"][0]["family"]), (&json!("one"), &json!("Updated")));
    let read = async |id: &str| read::read(&fixture.request(), "Patient", id, &ReadConditions::default(), &[]).await;
    assert_eq!(body_of(read("two").await.unwrap())["active"], true);
    assert_eq!(read("three").await.unwrap_err().kind, Kind::Gone);
    let observations = body_of(
        search::search(&fixture.request(), "Observation", &pairs(&[("subject", "Patient/one")])).await.unwrap(),
    );
    assert_eq!(observations["entry"].as_array().unwrap().len(), 1, "links lead to what the condition matched");
    // One that fails is the error of all, and is named.
    for (entry, kind) in [
        (
            json!({ "resource": json_patch(json!([{ "op": "remove", "path": "/photo" }])),
            "request": { "method": "PATCH", "url": "Patient/one" } }),
            Kind::Unprocessable,
        ),
        (
            json!({ "resource": json_patch(json!([])), "request": { "method": "PATCH", "url": "Patient/never" } }),
            Kind::NotFound,
        ),
        (
            json!({ "resource": with_mrn("A", "1"),
            "request": { "method": "PUT", "url": "Patient?identifier=http://a|1,http://a|2" } }),
            Kind::MultipleMatches,
        ),
        (
            json!({ "request": { "method": "DELETE", "url": "Patient?identifier=http://a|1,http://a|2" } }),
            Kind::MultipleMatches,
        ),
        (
            json!({ "resource": with_mrn("A", "2"), "request": { "method": "PUT", "url": "Patient?identifier=http://a|2" } }),
            Kind::Invalid,
        ),
    ] {
        let other = json!({ "resource": json_patch(json!([{ "op": "add", "path": "/gender", "value": "male" }])),
            "request": { "method": "PATCH", "url": "Patient/two" } });
        let error = fixture.bundle("transaction", json!([other, entry.clone()])).await.unwrap_err();
        assert_eq!(error.kind, kind, "{entry}: {error}");
        assert!(error.issues[0].expression[0].starts_with("Bundle.entry["), "{error:?}");
    }
    assert_eq!(body_of(read("two").await.unwrap())["gender"], Value::Null);
}

/// A condition tells by its matches, as a search does: its chains lead only to what the token covers.
#[tokio::test]
async fn a_chain_in_a_condition_needs_the_scopes_of_what_it_leads_to() {
    let fixture = Fixture::new("user/*.cruds").await;
    let condition = pairs(&[("general-practitioner:Practitioner.name", "x")]);
    let access = fixture.with_scopes("user/Patient.cud");
    let request = Request { access: &access, ..fixture.request() };
    let body = bytes(&patient("A"));
    let updated = update::conditional(&request, "Patient", &condition, &body, ALWAYS).await;
    assert_eq!(updated.unwrap_err().kind, Kind::Forbidden);
    let created = create::create(&request, "Patient", &body, Some("general-practitioner:Practitioner.name=x")).await;
    assert_eq!(created.unwrap_err().kind, Kind::Forbidden);
    let deleted = delete::conditional(&request, "Patient", &condition, ALWAYS).await;
    assert_eq!(deleted.unwrap_err().kind, Kind::Forbidden);
}

/// What stands beside a code is indexed, and decides conditions too.
#[tokio::test]
async fn a_condition_may_ask_for_the_text_beside_a_code() {
    let fixture = Fixture::new("user/*.cruds").await;
    let basic = |text: &str| json!({ "resourceType": "Basic", "code": { "text": text } });
    for (text, condition, status) in [
        ("First of all", "code:text=first", 201),
        ("Second", "code:text=FIRST of", 200),
        ("Third", "code:text=of all", 201),
    ] {
        let made = create::create(&fixture.request(), "Basic", &bytes(&basic(text)), Some(condition)).await.unwrap();
        assert_eq!(made.status(), status, "{condition}");
    }
}
