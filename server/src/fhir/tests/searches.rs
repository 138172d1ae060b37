//! Search sets: links, totals, modes, subsets and what was passed over.

use super::*;

pub(super) async fn find(fixture: &Fixture, name: &str, parameters: &[(&str, &str)]) -> Value {
    body_of(search::search(&fixture.request(), name, &pairs(parameters)).await.unwrap())
}

pub(super) async fn filled() -> Fixture {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture
        .put(json!({ "resourceType": "Patient", "id": "p", "name": [{ "family": "Doe" }], "gender": "female" }))
        .await;
    fixture.put(json!({ "resourceType": "Patient", "id": "q", "name": [{ "family": "Roe" }] })).await;
    for day in 1..=5 {
        fixture.put(observation(&format!("o{day}"), "p", &format!("2024-01-0{day}"))).await;
    }
    fixture.put(observation("other", "q", "2024-02-01")).await;
    fixture
}

#[tokio::test]
async fn a_search_set_has_links_modes_full_urls_and_the_stored_resources() {
    let fixture = filled().await;
    let bundle = find(&fixture, "Patient", &[("name", "doe"), ("gender", "female")]).await;
    insta::assert_snapshot!(redacted(bundle));
}

/// Total is told where it is asked for, and counts matches only: <https://hl7.org/fhir/R4/search.html#total>
#[tokio::test]
async fn a_total_is_counted_when_it_is_asked_for() {
    let fixture = filled().await;
    let by_patient = ("patient", "p");
    assert_eq!(find(&fixture, "Observation", &[by_patient]).await.get("total"), None);
    let asked = [by_patient, ("_total", "accurate"), ("_count", "2"), ("_include", "Observation:subject")];
    let bundle = find(&fixture, "Observation", &asked).await;
    assert_eq!((bundle["total"].to_string(), entries(&bundle).len()), ("5".to_owned(), 3));
    // A page that is the last but not the first is not all.
    let next = parameters_of(
        &link(&find(&fixture, "Observation", &[by_patient, ("_total", "accurate"), ("_count", "4")]).await, "next")
            .unwrap(),
    );
    let last = body_of(search::search(&fixture.request(), "Observation", &next).await.unwrap());
    assert_eq!((last["total"].to_string(), entries(&last).len()), ("5".to_owned(), 1));
    // The first may be, and has what matches by the way it was found.
    let whole = find(&fixture, "Observation", &[by_patient, ("_total", "accurate")]).await;
    assert_eq!((whole["total"].to_string(), entries(&whole).len()), ("5".to_owned(), 5));
    for only in [("_summary", "count"), ("_count", "0")] {
        let bundle = find(&fixture, "Observation", &[by_patient, only]).await;
        assert_eq!((bundle["total"].to_string(), bundle.get("entry")), ("5".to_owned(), None), "{only:?}");
    }
}

#[tokio::test]
async fn pages_are_linked_in_both_directions() {
    let fixture = filled().await;
    let bundle = find(&fixture, "Observation", &[("patient", "p"), ("_sort", "-date"), ("_count", "2")]).await;
    assert_eq!(entries(&bundle), ["match Observation/o5", "match Observation/o4"]);
    assert_eq!(link(&bundle, "self").unwrap(), format!("{BASE}/Observation?patient=p&_sort=-date&_count=2"));
    assert_eq!(link(&bundle, "previous"), None);
    let next = parameters_of(&link(&bundle, "next").unwrap());
    // A write in between neither repeats nor hides what was there.
    fixture.put(observation("o6", "p", "2024-01-06")).await;
    let second = body_of(search::search(&fixture.request(), "Observation", &next).await.unwrap());
    assert_eq!(entries(&second), ["match Observation/o3", "match Observation/o2"]);
    let third = parameters_of(&link(&second, "next").unwrap());
    let third = body_of(search::search(&fixture.request(), "Observation", &third).await.unwrap());
    assert_eq!((entries(&third), link(&third, "next")), (vec!["match Observation/o1".to_owned()], None));
    let back = parameters_of(&link(&third, "previous").unwrap());
    let back = body_of(search::search(&fixture.request(), "Observation", &back).await.unwrap());
    assert_eq!(entries(&back), entries(&second));
    let first = parameters_of(&link(&third, "first").unwrap());
    let first = body_of(search::search(&fixture.request(), "Observation", &first).await.unwrap());
    assert_eq!(entries(&first), ["match Observation/o6", "match Observation/o5"]);
    // A cursor belongs to its search.
    let cursor = next.iter().find(|(name, _)| name == "_cursor").unwrap().1.as_str();
    let other = pairs(&[("patient", "q"), ("_sort", "-date"), ("_cursor", cursor)]);
    let refused = search::search(&fixture.request(), "Observation", &other).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Invalid);
}

#[tokio::test]
async fn what_is_unknown_is_told_or_refused_and_never_passed_over_in_silence() {
    let mut fixture = filled().await;
    let bundle = find(&fixture, "Patient", &[("name", "doe"), ("colour", "red")]).await;
    assert_eq!(link(&bundle, "self").unwrap(), format!("{BASE}/Patient?name=doe"));
    assert_eq!(entries(&bundle)[0], "match Patient/p");
    let outcome = &bundle["entry"][1];
    assert_eq!(
        (&outcome["search"]["mode"], &outcome["resource"]["resourceType"]),
        (&json!("outcome"), &json!("OperationOutcome"))
    );
    let diagnostics = outcome["resource"]["issue"][0]["diagnostics"].as_str().unwrap();
    assert!(diagnostics.contains("colour"), "{diagnostics}");
    let only_total = find(&fixture, "Patient", &[("colour", "red"), ("_summary", "count")]).await;
    assert_eq!(only_total["entry"][0]["search"]["mode"], "outcome");
    fixture.preferences.handling = Handling::Strict;
    let refused = search::search(&fixture.request(), "Patient", &pairs(&[("colour", "red"), ("birthdate", "x")])).await;
    let refused = refused.unwrap_err();
    assert_eq!((refused.kind, refused.issues.len()), (Kind::Invalid, 2));
    assert_eq!(search::search(&fixture.request(), "Foo", &[]).await.unwrap_err().kind, Kind::NotFound);
}

/// <https://hl7.org/fhir/R4/search.html#summary>
#[tokio::test]
async fn subsets_are_tagged() {
    let fixture = filled().await;
    let bundle = find(&fixture, "Patient", &[("_id", "p"), ("_elements", "gender")]).await;
    let resource = &bundle["entry"][0]["resource"];
    assert_eq!((resource.get("name"), &resource["gender"]), (None, &json!("female")));
    assert_eq!(resource["meta"]["tag"][0]["code"], "SUBSETTED");
    let refused = search::search(&fixture.request(), "Patient", &pairs(&[("_elements", "colour")])).await;
    assert_eq!(refused.unwrap_err().kind, Kind::Invalid);
}

#[tokio::test]
async fn a_search_of_the_system_shows_of_each_type_what_the_token_grants_of_it() {
    let fixture = filled().await;
    let search = async |scopes: &str, types: &str| {
        let access = AccessContext { patient: Some("p".to_owned()), ..fixture.with_scopes(scopes) };
        let request = Request { access: &access, ..fixture.request() };
        let found = search::system(&request, &pairs(&[("_type", types), ("_id", "p,o1,other")])).await;
        let mut found = entries(&body_of(found.unwrap()));
        found.sort();
        found
    };
    let (own, other, patient) = ("match Observation/o1", "match Observation/other", "match Patient/p");
    let types = "Patient,Observation";
    assert_eq!(search("patient/*.rs", types).await, [own, patient]);
    assert_eq!(search("user/*.rs", types).await, [own, other, patient]);
    assert_eq!(search("patient/Patient.rs user/Observation.rs", types).await, [own, other, patient]);
    assert_eq!(search("user/Patient.rs patient/Observation.rs", types).await, [own, patient]);
    assert_eq!(search("user/Patient.rs?_id=q user/Observation.rs?_id=other", types).await, [other]);
    assert_eq!(search("patient/Observation.rs user/Practitioner.rs", "Observation,Practitioner").await, [own]);
}

#[tokio::test]
async fn a_search_of_the_system_keeps_to_the_types_of_the_token() {
    let fixture = filled().await;
    let all = body_of(search::system(&fixture.request(), &pairs(&[("_id", "p,o1")])).await.unwrap());
    let mut found = entries(&all);
    found.sort();
    assert_eq!(found, ["match Observation/o1", "match Patient/p"]);
    let access = fixture.with_scopes("user/Observation.rs");
    let request = Request { access: &access, ..fixture.request() };
    let own = body_of(search::system(&request, &pairs(&[("_id", "p,o1")])).await.unwrap());
    assert_eq!(entries(&own), ["match Observation/o1", "outcome OperationOutcome/request-1"]);
    let named = search::system(&request, &pairs(&[("_type", "Patient,Observation")])).await;
    assert_eq!(named.unwrap_err().kind, Kind::Forbidden);
    let access = fixture.with_scopes("user/*.r");
    let request = Request { access: &access, ..fixture.request() };
    assert_eq!(search::system(&request, &[]).await.unwrap_err().kind, Kind::Forbidden);
    assert_eq!(search::search(&request, "Patient", &[]).await.unwrap_err().kind, Kind::Forbidden);
}

/// What a chain leads to must be covered by the token too: by what it finds it tells of it.
#[tokio::test]
async fn a_chain_and_has_need_the_scopes_of_what_they_lead_to() {
    let fixture = filled().await;
    let narrow = fixture.with_scopes("user/Patient.rs user/Encounter.rs");
    let request = Request { access: &narrow, ..fixture.request() };
    for query in ["_has:Observation:subject:status", "_has:Encounter:subject:_has:Observation:encounter:status"] {
        let refused = search::search(&request, "Patient", &pairs(&[(query, "final")])).await.expect_err(query);
        assert_eq!(refused.kind, Kind::Forbidden, "{query}");
        assert!(refused.to_string().contains("Observation"), "{refused}");
    }
    assert!(search::search(&request, "Patient", &pairs(&[("_has:Encounter:subject:status", "planned")])).await.is_ok());
}

/// <https://hl7.org/fhir/R4/search.html#has>, where few refer and where many do.
#[tokio::test]
async fn has_finds_what_others_refer_to() {
    let fixture = filled().await;
    let asked = ("_has:Observation:subject:date", "ge2024-02");
    assert_eq!(entries(&find(&fixture, "Patient", &[asked]).await), ["match Patient/q"]);
    let both = [asked, ("name", "doe")];
    assert!(entries(&find(&fixture, "Patient", &both).await).is_empty());
    let paged = [("_has:Observation:subject:date", "ge2024"), ("_count", "1")];
    let next = parameters_of(&link(&find(&fixture, "Patient", &paged).await, "next").unwrap());
    assert!(search::search(&fixture.request(), "Patient", &next).await.is_ok());
    let many: Vec<Value> = (0..600)
        .map(|at| {
            let id = format!("m{at}");
            let request = json!({ "method": "PUT", "url": format!("Observation/{id}") });
            json!({ "resource": observation(&id, "q", "2024-03-01"), "request": request })
        })
        .collect();
    fixture.bundle("transaction", json!(many)).await.unwrap();
    let bundle = find(&fixture, "Patient", &[asked]).await;
    assert_eq!(entries(&bundle), ["match Patient/q"]);
    assert_eq!(link(&bundle, "self").unwrap(), format!("{BASE}/Patient?_has%3AObservation%3Asubject%3Adate=ge2024-02"));
    // Another walk has another order: a link of the one before is refused, and does not begin anew.
    let refused = search::search(&fixture.request(), "Patient", &next).await.expect_err("another walk");
    assert_eq!(refused.kind, Kind::Invalid, "{refused}");
}

/// "Retrieve … all the resources in the compartment": <https://hl7.org/fhir/R4/search.html#searchcontexts>. A patient who
/// is performer is in the compartment by that, and outside the patient boundary.
#[tokio::test]
async fn a_compartment_is_searched_by_its_definition() {
    let fixture = filled().await;
    let mut performed = observation("performed", "q", "2024-05-01");
    performed["performer"] = json!([{ "reference": "Patient/p" }]);
    fixture.put(performed).await;
    let visit = json!({ "resourceType": "Encounter", "id": "e", "status": "planned", "class": { "code": "AMB" },
        "subject": { "reference": "Patient/p" }, "participant": [{ "individual": { "reference": "Practitioner/d" } }] });
    fixture.put(visit).await;
    let find = async |access: &AccessContext, (owner, id, member), parameters: &[(&str, &str)]| {
        let request = Request { access, ..fixture.request() };
        let found = search::compartment(&request, (owner, id, member), &pairs(parameters)).await;
        found.map(|answer| {
            let mut found = entries(&body_of(answer));
            found.sort();
            found
        })
    };
    let all = &fixture.access;
    let recent = [("date", "ge2024-01-05")];
    let found = find(all, ("Patient", "p", "Observation"), &recent).await.unwrap();
    assert_eq!(found, ["match Observation/o5", "match Observation/performed"]);
    let found = find(all, ("Patient", "p", "*"), &[("_type", "Patient,Encounter")]).await.unwrap();
    assert_eq!(found, ["match Encounter/e", "match Patient/p"]);
    assert_eq!(find(all, ("Patient", "p", "*"), &[]).await.unwrap().len(), 8);
    let found = find(all, ("Practitioner", "d", "Encounter"), &[]).await.unwrap();
    assert_eq!(found, ["match Encounter/e"]);
    assert_eq!(find(all, ("Practitioner", "d", "*"), &[]).await.unwrap(), found);
    assert!(find(all, ("Patient", "nobody", "*"), &[]).await.unwrap().is_empty());
    // Within the boundary of a patient's token, in both of its forms.
    let own = AccessContext { patient: Some("p".to_owned()), ..fixture.with_scopes("patient/*.rs") };
    assert_eq!(find(&own, ("Patient", "p", "Observation"), &recent).await.unwrap(), ["match Observation/o5"]);
    assert!(find(&own, ("Patient", "q", "Observation"), &recent).await.unwrap().is_empty());
    assert!(
        find(&own, ("Patient", "q", "*"), &[]).await.unwrap().iter().all(|found| !found.contains("Observation/other"))
    );
    for (owner, member) in [("Observation", "Patient"), ("Patient", "Practitioner"), ("Patient", "Nothing")] {
        assert_eq!(find(all, (owner, "p", member), &[]).await.unwrap_err().kind, Kind::NotFound, "{owner} {member}");
    }
    let narrow = fixture.with_scopes("user/Patient.rs");
    assert_eq!(find(&narrow, ("Patient", "p", "Observation"), &[]).await.unwrap_err().kind, Kind::Forbidden);
    let found = find(&narrow, ("Patient", "p", "*"), &[]).await.unwrap();
    // That not all types were searched is told.
    assert_eq!(found, ["match Patient/p", "outcome OperationOutcome/request-1"]);
}

/// <https://hl7.org/fhir/R4/search.html#list>
#[tokio::test]
async fn a_list_is_searched_by_its_entries() {
    let fixture = filled().await;
    let entry = |id: &str| json!({ "item": { "reference": format!("Observation/{id}") } });
    let list = json!({ "resourceType": "List", "id": "l", "status": "current", "mode": "working",
        "subject": { "reference": "Patient/p" }, "entry": [entry("o1"), entry("o3"), entry("gone")] });
    fixture.put(list).await;
    let found = find(&fixture, "Observation", &[("_list", "l"), ("_sort", "date")]).await;
    assert_eq!(entries(&found), ["match Observation/o1", "match Observation/o3"]);
    assert!(entries(&find(&fixture, "Observation", &[("_list", "nothing")]).await).is_empty());
    assert!(entries(&find(&fixture, "Patient", &[("_list", "l")]).await).is_empty());

    // In a filter and at the end of a chain as by itself.
    let listed = find(&fixture, "Observation", &[("_filter", "_list eq l and date ge 1900"), ("_sort", "date")]).await;
    assert_eq!(entries(&listed), entries(&found));
    let all = entries(&find(&fixture, "Observation", &[]).await).len();
    let others = find(&fixture, "Observation", &[("_filter", "not (_list eq l)")]).await;
    assert_eq!(entries(&others).len(), all - 2);
    fixture
        .put(json!({ "resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": { "text": "r" },
            "result": [{ "reference": "Observation/o1" }] }))
        .await;
    for (query, expected) in [
        (("result._list", "l"), 1),
        (("result:Observation._list", "nothing"), 0),
        (("result._filter", "_list eq l and status eq final"), 1),
        (("result._filter", "not (_list eq l)"), 0),
    ] {
        assert_eq!(entries(&find(&fixture, "DiagnosticReport", &[query]).await).len(), expected, "{query:?}");
    }
}

/// `GET [base]/AllergyIntolerance?patient=42&_list=$current-allergies`: <https://hl7.org/fhir/R4/search.html#list>
#[tokio::test]
async fn a_functional_list_is_told_by_the_record() {
    let fixture = filled().await;
    let coded = |system: &str, code: &str| json!({ "coding": [{ "system": format!("http://terminology.hl7.org/CodeSystem/{system}"), "code": code }] });
    let patient = json!({ "reference": "Patient/p" });
    for (id, status, category) in [
        ("now", "active", "problem-list-item"),
        ("again", "recurrence", "problem-list-item"),
        ("over", "resolved", "problem-list-item"),
        ("visit", "active", "encounter-diagnosis"),
    ] {
        fixture
            .put(json!({ "resourceType": "Condition", "id": id, "subject": patient, "clinicalStatus": coded("condition-clinical", status),
                "category": [coded("condition-category", category)] }))
            .await;
    }
    fixture
        .put(json!({ "resourceType": "Condition", "id": "refuted", "subject": patient,
            "clinicalStatus": coded("condition-clinical", "active"), "category": [coded("condition-category", "problem-list-item")],
            "verificationStatus": coded("condition-ver-status", "refuted") }))
        .await;
    for (id, category, status) in
        [("nuts", "food", "active"), ("penicillin", "medication", "active"), ("past", "medication", "inactive")]
    {
        fixture
            .put(json!({ "resourceType": "AllergyIntolerance", "id": id, "patient": patient, "category": [category],
                "clinicalStatus": coded("allergyintolerance-clinical", status) }))
            .await;
    }
    for (id, status, intent) in
        [("taken", "active", "order"), ("proposed", "active", "proposal"), ("stopped", "stopped", "order")]
    {
        fixture
            .put(json!({ "resourceType": "MedicationRequest", "id": id, "status": status, "intent": intent,
                "subject": patient, "medicationCodeableConcept": { "text": "x" } }))
            .await;
    }
    for (of, list, expected) in [
        ("Condition", "$current-problems", &["again", "now"][..]),
        ("AllergyIntolerance", "$current-allergies", &["nuts", "penicillin"]),
        ("AllergyIntolerance", "$current-drug-allergies", &["penicillin"]),
        ("MedicationRequest", "$current-medications", &["taken"]),
        ("Observation", "$current-medications", &[]),
    ] {
        let found = find(&fixture, of, &[("patient", "p"), ("_list", list), ("_sort", "_id")]).await;
        let expected: Vec<String> = expected.iter().map(|id| format!("match {of}/{id}")).collect();
        assert_eq!(entries(&found), expected, "{of}?_list={list}");
    }
}

#[tokio::test]
async fn a_search_is_explained_to_operators_only() {
    let fixture = filled().await;
    let asked = pairs(&[("patient", "p"), ("code:text", "word"), ("__explain", "")]);
    let refused = search::search(&fixture.request(), "Observation", &asked).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Forbidden);
    assert!(format!("{refused:?}").contains("system/Observation.s"), "{refused:?}");
    let access = fixture.with_scopes("system/Observation.s system/Location.s");
    let request = Request { access: &access, ..fixture.request() };
    let explained = body_of(search::search(&request, "Observation", &asked).await.unwrap());
    let parameters = explained["parameter"].as_array().unwrap();
    let purposes = |parameters: &[Value]| -> Vec<Value> {
        parameters.iter().map(|one| one["part"][0]["valueCode"].clone()).collect()
    };
    assert_eq!(purposes(parameters), [json!("page"), json!("total")]);
    let by_text = pairs(&[("patient", "p"), ("_sort", "code"), ("__explain", "")]);
    let by_text = body_of(search::search(&request, "Observation", &by_text).await.unwrap());
    let noted = purposes(by_text["parameter"].as_array().unwrap());
    assert_eq!(noted, [json!("page"), json!("total"), Value::Null], "and a note that the server puts it in order");
    let newest = pairs(&[("_sort", "-date"), ("__explain", "")]);
    let newest = body_of(search::search(&request, "Observation", &newest).await.unwrap());
    let noted = purposes(newest["parameter"].as_array().unwrap());
    assert_eq!(noted, [json!("page-in-order"), json!("page"), json!("total"), Value::Null]);
    assert!(parameters[0]["part"][1]["valueString"].as_str().unwrap().starts_with("SELECT"), "{explained}");
    assert!(crate::validate::validate(&SCHEMA, &explained).is_empty(), "{explained}");
    // A search of more types than the scope has.
    let access = fixture.with_scopes("system/Observation.s user/*.s");
    let request = Request { access: &access, ..fixture.request() };
    assert_eq!(search::system(&request, &pairs(&[("__explain", "")])).await.unwrap_err().kind, Kind::Forbidden);
}

/// What a key follows is told of by the order, so the token must cover it.
#[tokio::test]
async fn a_chained_key_of_the_order_is_read_within_the_token() {
    let fixture = filled().await;
    let sorted = [("_sort", "-patient.family,date")];
    let found = entries(&find(&fixture, "Observation", &sorted).await);
    assert_eq!((found[0].as_str(), found[1].as_str()), ("match Observation/other", "match Observation/o1"));
    let access = fixture.with_scopes("user/Observation.s");
    let request = Request { access: &access, ..fixture.request() };
    let refused = search::search(&request, "Observation", &pairs(&sorted)).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Forbidden);
}

/// Words are indexed, and what has no rows is looked at: <https://hl7.org/fhir/R4/search.html#content>, <https://hl7.org/fhir/R4/location.html#search>
#[tokio::test]
async fn words_distances_and_composites_of_two_ranges_are_found() {
    let fixture = Fixture::new("user/*.cruds").await;
    let place = |id: &str, latitude: f64, longitude: f64| {
        json!({ "resourceType": "Location", "id": id, "position": { "latitude": latitude, "longitude": longitude },
            "text": { "status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">Clinic <b>{id}</b></div>") } })
    };
    fixture.put(place("paris", 48.8566, 2.3522)).await;
    fixture.put(place("london", 51.5074, -0.1278)).await;
    fixture.put(json!({ "resourceType": "Location", "id": "nowhere", "description": "a Clinic by the sea" })).await;
    let window = |id: &str, start: u32, end: u32| {
        json!({ "resourceType": "MolecularSequence", "id": id, "coordinateSystem": 0,
            "referenceSeq": { "chromosome": { "coding": [{ "code": "1" }] }, "windowStart": start, "windowEnd": end } })
    };
    fixture.put(window("w1", 100, 200)).await;
    fixture.put(window("w2", 300, 400)).await;
    for (of, query, expected) in [
        ("Location", ("near", "48.9|2.3|20|km"), vec!["paris"]),
        ("Location", ("near", "48.9|2.3|400|km"), vec!["london", "paris"]),
        ("Location", ("near", "0|0"), vec![]),
        ("Location", ("_text", "clinic"), vec!["london", "paris"]),
        ("Location", ("_text", "clinic London"), vec!["london"]),
        ("Location", ("_content", "clinic"), vec!["london", "nowhere", "paris"]),
        ("Location", ("_content", "sea OR paris"), vec!["nowhere", "paris"]),
        ("Location", ("_content", "clinic and (sea OR paris)"), vec!["nowhere", "paris"]),
        ("Location", ("_text:missing", "true"), vec!["nowhere"]),
        ("MolecularSequence", ("chromosome-window-coordinate", "1$lt250$gt150"), vec!["w1"]),
        ("MolecularSequence", ("chromosome-window-coordinate", "1$gt0$gt0"), vec!["w1", "w2"]),
        ("MolecularSequence", ("chromosome-window-coordinate:missing", "true"), vec![]),
    ] {
        for count in ["1", "50"] {
            let mut asked = pairs(&[query, ("_count", count), ("_total", "accurate")]);
            let mut ids = Vec::new();
            loop {
                let bundle = body_of(search::search(&fixture.request(), of, &asked).await.unwrap());
                assert_eq!(bundle["total"].to_string(), expected.len().to_string(), "{query:?}");
                ids.extend(entries(&bundle).iter().map(|entry| entry.rsplit('/').next().unwrap().to_owned()));
                let Some(next) = link(&bundle, "next") else { break };
                asked = parameters_of(&next);
            }
            ids.sort();
            assert_eq!(ids, expected, "{of}?{query:?} by {count}");
        }
    }
}

/// "Not only all Procedures that occurred at location 42, but also any procedures that occurred in locations that were part
/// of location 42": <https://hl7.org/fhir/R4/search.html#recursive>
#[tokio::test]
async fn above_and_below_a_resource_lies_what_is_part_of_it() {
    let fixture = Fixture::new("user/*.cruds").await;
    // A circle, too: nothing keeps it away.
    for (id, part_of) in [("site", "ward"), ("house", "site"), ("ward", "house"), ("room", "ward"), ("other", "else")] {
        let part_of = json!({ "reference": format!("Location/{part_of}") });
        fixture.put(json!({ "resourceType": "Location", "id": id, "partOf": part_of })).await;
    }
    for (id, location) in [("p1", "house"), ("p2", "room"), ("p3", "other"), ("p4", "else")] {
        fixture
            .put(json!({ "resourceType": "Procedure", "id": id, "status": "completed", "subject": { "reference": "Patient/p" },
                "location": { "reference": format!("Location/{location}") } }))
            .await;
    }
    for (of, name, value, expected) in [
        ("Procedure", "location:below", "house", vec!["p1", "p2"]),
        ("Procedure", "location:below", "Location/room", vec!["p2"]),
        ("Procedure", "location:below", "other,room", vec!["p2", "p3"]),
        ("Procedure", "location:above", "room", vec!["p1", "p2"]),
        ("Procedure", "location:above", "other", vec!["p3", "p4"]),
        ("Procedure", "location:below", "nowhere", vec![]),
        ("Location", "partof:below", "ward", vec!["house", "room", "site", "ward"]),
        ("Location", "_has:Procedure:location:location:below", "other", vec!["other"]),
    ] {
        for count in ["1", "50"] {
            let mut asked = pairs(&[(name, value), ("_count", count), ("_sort", "_id"), ("_total", "accurate")]);
            let mut ids = Vec::new();
            loop {
                let bundle = body_of(search::search(&fixture.request(), of, &asked).await.unwrap());
                assert_eq!(bundle["total"].to_string(), expected.len().to_string(), "{name}={value}");
                ids.extend(entries(&bundle).iter().map(|entry| entry.rsplit('/').next().unwrap().to_owned()));
                let Some(next) = link(&bundle, "next") else { break };
                asked = parameters_of(&next);
            }
            assert_eq!(ids, expected, "{of}?{name}={value} by {count}");
        }
    }
    for (of, name, value) in [
        ("Procedure", "subject:below", "Patient/p"),
        ("Procedure", "location:below", "http://example.org/fhir/Location/1"),
        ("Procedure", "instantiates-canonical:above", "http://example.org/plan|1"),
    ] {
        let refused = search::search(&fixture.request(), of, &pairs(&[(name, value)])).await.unwrap_err();
        let text = format!("{refused:?}");
        assert!(refused.kind == Kind::Invalid && text.contains("Encounter, Location, Organization"), "{text}");
    }
    // What is found tells of the Locations, so the token must cover them.
    let access = fixture.with_scopes("user/Procedure.rs");
    let request = Request { access: &access, ..fixture.request() };
    let refused = search::search(&request, "Procedure", &pairs(&[("location:below", "house")])).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Forbidden);
}
