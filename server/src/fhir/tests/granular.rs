//! Scopes for a part of a type, in every interaction: `patient/Observation.cruds?category=laboratory`.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters>

use super::*;
use crate::fhir::operation::Place;
use crate::fhir::patch::{PatchFormat, PatchTarget};

const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";

fn of_category(id: &str, patient: &str, category: &str) -> Value {
    let mut resource = observation(id, patient, "2024-01-01");
    resource["category"] = json!([{ "coding": [{ "system": CATEGORY, "code": category }] }]);
    resource["encounter"] = json!({ "reference": "Encounter/e" });
    resource
}

/// A patient's laboratory results and vital signs, what refers to them, and another patient's.
async fn filled() -> Fixture {
    let fixture = Fixture::new("user/*.cruds").await;
    for patient in ["p", "q"] {
        fixture.put(json!({ "resourceType": "Patient", "id": patient, "name": [{ "family": "Doe" }] })).await;
    }
    let subject = json!({ "reference": "Patient/p" });
    fixture
        .put(json!({ "resourceType": "Encounter", "id": "e", "status": "finished", "class": { "code": "AMB" },
            "subject": subject }))
        .await;
    fixture.put(of_category("vital", "p", "vital-signs")).await;
    let mut lab = of_category("lab", "p", "laboratory");
    lab["hasMember"] = json!([{ "reference": "Observation/vital" }]);
    fixture.put(lab).await;
    fixture.put(of_category("theirs", "q", "laboratory")).await;
    // What was a result becomes a vital sign.
    fixture.put(of_category("turned", "p", "laboratory")).await;
    fixture.put(of_category("turned", "p", "vital-signs")).await;
    for (id, category) in [("gone-lab", "laboratory"), ("gone-vital", "vital-signs")] {
        fixture.put(of_category(id, "p", category)).await;
        delete::delete(&fixture.request(), "Observation", id, ALWAYS).await.unwrap();
    }
    for (id, target) in [("about-lab", "lab"), ("about-vital", "vital")] {
        fixture
            .put(json!({ "resourceType": "Provenance", "id": id, "recorded": "2024-01-01T10:00:00Z",
                "target": [{ "reference": format!("Observation/{target}") }], "agent": [{ "who": { "display": "x" } }] }))
            .await;
    }
    for (id, result) in [("of-lab", "lab"), ("of-vital", "vital")] {
        fixture
            .put(json!({ "resourceType": "DiagnosticReport", "id": id, "status": "final", "code": { "text": "x" },
                "subject": subject, "result": [{ "reference": format!("Observation/{result}") }] }))
            .await;
        fixture
            .put(json!({ "resourceType": "List", "id": id, "status": "current", "mode": "working", "subject": subject,
                "entry": [{ "item": { "reference": format!("Observation/{result}") } }] }))
            .await;
    }
    for (id, code) in [("letter", "a"), ("note", "b")] {
        fixture.put(json!({ "resourceType": "Binary", "id": id, "contentType": "text/plain", "data": "AA==" })).await;
        fixture
            .put(json!({ "resourceType": "DocumentReference", "id": id, "status": "current", "subject": subject,
                "type": { "coding": [{ "system": "http://loinc.org", "code": code }] },
                "content": [{ "attachment": { "url": format!("Binary/{id}") } }] }))
            .await;
    }
    fixture
        .put(json!({ "resourceType": "Composition", "id": "c", "status": "final", "type": { "text": "x" },
            "subject": subject, "date": "2024-01-01", "author": [{ "display": "x" }], "title": "x",
            "section": [{ "entry": [{ "reference": "Observation/lab" }, { "reference": "Observation/vital" }] }] }))
        .await;
    fixture
}

const LAB: &str =
    "patient/Observation.cruds?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory";

impl Fixture {
    fn of_patient(&self, scopes: &str) -> AccessContext {
        AccessContext { patient: Some("p".to_owned()), ..self.with_scopes(scopes) }
    }

    fn asked<'a>(&'a self, access: &'a AccessContext) -> Request<'a> {
        Request { access, ..self.request() }
    }
}

fn kind<T>(result: Result<T, Error>) -> Option<Kind> {
    result.err().map(|error| error.kind)
}

fn ids(bundle: &Value) -> Vec<String> {
    let mut ids: Vec<String> =
        entries(bundle).iter().filter_map(|entry| entry.rsplit_once('/')).map(|(_, id)| id.to_owned()).collect();
    ids.retain(|id| id != "request-1");
    ids.sort();
    ids
}

#[tokio::test]
async fn what_lies_outside_reads_as_what_is_not_there() {
    let fixture = filled().await;
    let access = fixture.of_patient(LAB);
    let request = fixture.asked(&access);
    let read = async |id: &str| read::read(&request, "Observation", id, &ReadConditions::default(), &[]).await;
    let vread = async |id: &str, version: &str| {
        read::vread(&request, "Observation", id, version, &ReadConditions::default(), &[]).await
    };
    assert_eq!(kind(read("lab").await), None);
    assert_eq!(kind(read("gone-lab").await), Some(Kind::Gone));
    let absent = read("nowhere").await.unwrap_err();
    for id in ["vital", "turned", "theirs", "gone-vital"] {
        let refused = read(id).await.unwrap_err();
        assert_eq!((refused.kind, &refused.issues), (absent.kind, &absent.issues), "{id}");
    }
    // Each version by what it was.
    assert_eq!(kind(vread("turned", "1").await), None);
    assert_eq!(kind(vread("turned", "2").await), Some(Kind::NotFound));
    assert_eq!(kind(vread("gone-lab", "2").await), Some(Kind::Gone));
    assert_eq!(kind(vread("gone-vital", "2").await), Some(Kind::NotFound));
}

#[tokio::test]
async fn histories_show_the_versions_inside() {
    let fixture = filled().await;
    let access = fixture.of_patient(LAB);
    let request = fixture.asked(&access);
    let versions = |bundle: &Value| -> Vec<String> {
        let each = bundle["entry"].as_array().into_iter().flatten();
        let shown = each.map(|entry| {
            let id = entry["fullUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            format!("{id} {}", entry["response"]["etag"].as_str().unwrap())
        });
        shown.collect()
    };
    let of = body_of(history::instance(&request, "Observation", "turned", &[]).await.unwrap());
    assert_eq!(versions(&of), ["turned W/\"1\""]);
    assert_eq!(kind(history::instance(&request, "Observation", "vital", &[]).await), Some(Kind::NotFound));
    let expected = ["gone-lab W/\"2\"", "gone-lab W/\"1\"", "turned W/\"1\"", "lab W/\"1\""];
    let of_type =
        body_of(history::type_level(&request, "Observation", &pairs(&[("_total", "accurate")])).await.unwrap());
    assert_eq!(versions(&of_type), expected);
    assert_eq!(of_type["total"].to_string(), "4");
    let of_all = body_of(history::system(&request, &[]).await.unwrap());
    assert_eq!(versions(&of_all), expected);
}

#[tokio::test]
async fn searches_find_what_lies_inside() {
    let fixture = filled().await;
    let access =
        fixture.of_patient(&format!("{LAB} patient/Patient.rs patient/DiagnosticReport.rs patient/Provenance.rs"));
    let request = fixture.asked(&access);
    let find = async |name: &str, parameters: &[(&str, &str)]| {
        body_of(search::search(&request, name, &pairs(parameters)).await.unwrap())
    };
    let counted = find("Observation", &[("_total", "accurate")]).await;
    assert_eq!((ids(&counted), counted["total"].to_string()), (vec!["lab".to_owned()], "1".to_owned()));
    let only = find("Observation", &[("_summary", "count")]).await;
    assert_eq!(only["total"].to_string(), "1");
    for (name, parameters, expected) in [
        ("Observation", &[("_id", "lab,vital,theirs,turned")][..], &["lab"][..]),
        ("Observation", &[("category", "vital-signs")], &[]),
        ("Observation", &[("code:text", "x")], &[]),
        ("Observation", &[("encounter", "Encounter/e"), ("_sort", "-date")], &["lab"]),
        // What is included needs its own grant.
        ("Observation", &[("_include", "Observation:has-member")], &["lab"]),
        ("Observation", &[("_include", "Observation:subject")], &["lab", "p"]),
        ("Observation", &[("_include", "Observation:encounter")], &["lab"]),
        ("Patient", &[("_id", "p"), ("_revinclude", "Observation:subject")], &["lab", "p"]),
        ("DiagnosticReport", &[("_include", "DiagnosticReport:result")], &["lab", "of-lab", "of-vital"]),
        (
            "DiagnosticReport",
            &[("_include", "DiagnosticReport:result"), ("_include:iterate", "Observation:has-member")],
            &["lab", "of-lab", "of-vital"],
        ),
        ("Observation", &[("_revinclude", "Provenance:target")], &["about-lab", "lab"]),
        ("Provenance", &[], &["about-lab"]),
        // What a chain or _has leads to tells of itself only where it lies inside.
        ("DiagnosticReport", &[("result.code", "8867-4")], &["of-lab"]),
        ("DiagnosticReport", &[("result:Observation._id", "vital")], &[]),
        ("Patient", &[("_has:Observation:patient:category", "laboratory")], &["p"]),
        ("Patient", &[("_has:Observation:patient:category", "vital-signs")], &[]),
        ("Patient", &[("_has:Observation:patient:_id", "vital")], &[]),
        ("Patient", &[("_filter", "_has:Observation:patient:_id eq vital")], &[]),
    ] {
        assert_eq!(ids(&find(name, parameters).await), expected, "{name}?{parameters:?}");
    }
    let compartment =
        async |member: &str| body_of(search::compartment(&request, ("Patient", "p", member), &[]).await.unwrap());
    assert_eq!(ids(&compartment("Observation").await), ["lab"]);
    assert_eq!(ids(&compartment("*").await), ["lab", "of-lab", "of-vital", "p"]);
    let system = body_of(search::system(&request, &pairs(&[("_total", "accurate")])).await.unwrap());
    assert_eq!(ids(&system), ["about-lab", "lab", "of-lab", "of-vital", "p"]);
    assert_eq!(system["total"].to_string(), "5");
    let listed = fixture.of_patient("patient/Observation.rs patient/List.rs?_id=of-lab");
    for (list, expected) in [("of-lab", &["lab"][..]), ("of-vital", &[])] {
        let found = search::search(&fixture.asked(&listed), "Observation", &pairs(&[("_list", list)])).await;
        assert_eq!(ids(&body_of(found.unwrap())), expected, "{list}");
    }
}

#[tokio::test]
async fn scopes_of_a_patient_and_of_the_user_are_a_union_of_both() {
    let fixture = filled().await;
    let access = fixture.of_patient("patient/Observation.rs?category=laboratory user/Observation.r?_id=vital");
    let request = fixture.asked(&access);
    let found = body_of(search::search(&request, "Observation", &[]).await.unwrap());
    assert_eq!(ids(&found), ["lab"]);
    for (id, expected) in
        [("lab", None), ("vital", None), ("turned", Some(Kind::NotFound)), ("theirs", Some(Kind::NotFound))]
    {
        let read = read::read(&request, "Observation", id, &ReadConditions::default(), &[]).await;
        assert_eq!(kind(read), expected, "{id}");
    }
    let undecided = fixture.of_patient("patient/Observation.rs?colour=red");
    let refused = search::search(&fixture.asked(&undecided), "Observation", &[]).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Forbidden);
    assert!(refused.to_string().contains("has no search parameter \"colour\""), "{refused}");
}

#[tokio::test]
async fn writes_keep_inside_before_and_after() {
    let fixture = filled().await;
    let access = fixture.of_patient(LAB);
    let request = fixture.asked(&access);
    let create = async |category: &str| {
        let body = bytes(&of_category("any", "p", category));
        kind(create::create(&request, "Observation", &body, None).await)
    };
    assert_eq!(create("laboratory").await, None);
    assert_eq!(create("vital-signs").await, Some(Kind::Forbidden));
    let theirs = bytes(&of_category("any", "q", "laboratory"));
    assert_eq!(kind(create::create(&request, "Observation", &theirs, None).await), Some(Kind::Forbidden));
    let update = async |id: &str, category: &str| {
        let body = bytes(&of_category(id, "p", category));
        kind(update::update(&request, "Observation", id, &body, ALWAYS).await)
    };
    assert_eq!(update("lab", "laboratory").await, None);
    assert_eq!(update("lab", "vital-signs").await, Some(Kind::Forbidden));
    assert_eq!(update("vital", "laboratory").await, Some(Kind::Forbidden));
    assert_eq!(update("new", "laboratory").await, None);
    assert_eq!(update("newer", "vital-signs").await, Some(Kind::Forbidden));
    let patch = async |id: &str, operation: Value| {
        let body = bytes(&json!([operation]));
        kind(patch::patch(&request, "Observation", PatchTarget::Id(id), PatchFormat::Json, &body, ALWAYS).await)
    };
    let amend = json!({ "op": "replace", "path": "/status", "value": "amended" });
    let turn = json!({ "op": "replace", "path": "/category/0/coding/0/code", "value": "vital-signs" });
    assert_eq!(patch("lab", amend.clone()).await, None);
    assert_eq!(patch("lab", turn).await, Some(Kind::Forbidden));
    assert_eq!(patch("vital", amend).await, Some(Kind::Forbidden));
    let delete = async |id: &str| kind(delete::delete(&request, "Observation", id, ALWAYS).await);
    assert_eq!(delete("vital").await, Some(Kind::Forbidden));
    assert_eq!(delete("new").await, None);
    let stored = read::read(&fixture.request(), "Observation", "vital", &ReadConditions::default(), &[]).await.unwrap();
    assert_eq!(stored.version, Some(1));
}

#[tokio::test]
async fn conditions_look_for_matches_inside() {
    let fixture = filled().await;
    let access = fixture.of_patient(LAB);
    let request = fixture.asked(&access);
    let lab = bytes(&json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
        "category": [{ "coding": [{ "system": CATEGORY, "code": "laboratory" }] }], "subject": { "reference": "Patient/p" } }));
    let by_id = |id| [("_id".to_owned(), id)];
    // What lies outside is no match, and is not given away.
    let answer = create::create(&request, "Observation", &lab, Some("_id=vital")).await.unwrap();
    assert_eq!(answer.kind, AnswerKind::Created);
    let answer = create::create(&request, "Observation", &lab, Some("_id=lab")).await.unwrap();
    assert_eq!(answer.kind, AnswerKind::Unchanged);
    let answer = update::conditional(&request, "Observation", &by_id("vital".to_owned()), &lab, ALWAYS).await.unwrap();
    assert_eq!(answer.kind, AnswerKind::Created);
    let named = bytes(&of_category("vital", "p", "laboratory"));
    let refused = update::conditional(&request, "Observation", &by_id("vital".to_owned()), &named, ALWAYS).await;
    assert_eq!(kind(refused), Some(Kind::Forbidden));
    let amend = bytes(&json!([{ "op": "replace", "path": "/status", "value": "amended" }]));
    let condition = by_id("vital".to_owned());
    let target = PatchTarget::Condition(&condition);
    let patched = patch::patch(&request, "Observation", target, PatchFormat::Json, &amend, ALWAYS).await;
    assert_eq!(kind(patched), Some(Kind::NotFound));
    delete::conditional(&request, "Observation", &by_id("vital".to_owned()), ALWAYS).await.unwrap();
    let stored = read::read(&fixture.request(), "Observation", "vital", &ReadConditions::default(), &[]).await.unwrap();
    assert_eq!(stored.version, Some(1));
}

/// A condition that matches tells of what it matches: a token that may write more than it may read learns nothing more.
#[tokio::test]
async fn conditions_tell_nothing_of_what_may_not_be_read() {
    let fixture = filled().await;
    let access = fixture.of_patient("patient/Observation.cud patient/Observation.rs?category=laboratory");
    let request = fixture.asked(&access);
    let body = bytes(&json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
        "subject": { "reference": "Patient/p" } }));
    for (id, expected) in [("lab", AnswerKind::Unchanged), ("vital", AnswerKind::Created)] {
        let answer = create::create(&request, "Observation", &body, Some(&format!("_id={id}"))).await.unwrap();
        assert_eq!(answer.kind, expected, "{id}");
    }
}

#[tokio::test]
async fn entries_of_bundles_keep_inside() {
    let mut fixture = filled().await;
    fixture.access = fixture.of_patient(&format!("{LAB} patient/DiagnosticReport.c patient/DocumentReference.c"));
    let put = |id: &str, category: &str| {
        json!({ "resource": of_category(id, "p", category),
            "request": { "method": "PUT", "url": format!("Observation/{id}") } })
    };
    let get = |url: &str| json!({ "request": { "method": "GET", "url": url } });
    let report = |reference: &str| {
        json!({ "resource": { "resourceType": "DiagnosticReport", "status": "final", "code": { "text": "x" },
            "subject": { "reference": "Patient/p" }, "result": [{ "reference": reference }] },
            "request": { "method": "POST", "url": "DiagnosticReport" } })
    };
    let delete = json!({ "request": { "method": "DELETE", "url": "Observation/vital" } });
    let batch = [
        put("lab", "laboratory"),
        put("lab", "vital-signs"),
        put("vital", "laboratory"),
        get("Observation/lab"),
        get("Observation/vital"),
        get("Observation?_summary=count"),
        delete.clone(),
    ];
    let answer = fixture.bundle("batch", json!(batch)).await.unwrap();
    let status = |entry: &Value| entry["response"]["status"].as_str().unwrap()[..3].to_owned();
    let statuses: Vec<String> = answer["entry"].as_array().unwrap().iter().map(status).collect();
    assert_eq!(statuses, ["200", "403", "403", "200", "404", "200", "403"]);
    assert_eq!(answer["entry"][5]["resource"]["total"].to_string(), "1");
    for (refused, expected) in [
        (put("lab", "vital-signs"), Kind::Forbidden),
        (put("vital", "laboratory"), Kind::Forbidden),
        (delete, Kind::Forbidden),
        (get("Observation/vital"), Kind::NotFound),
        // A conditional reference finds what the token may search for.
        (report("Observation?category=vital-signs"), Kind::Invalid),
    ] {
        let result = fixture.bundle("transaction", json!([refused])).await;
        assert_eq!(kind(result), Some(expected));
    }
    fixture.bundle("transaction", json!([report("Observation?category=laboratory")])).await.unwrap();
}

#[tokio::test]
async fn operations_show_and_change_what_lies_inside() {
    let fixture = filled().await;
    let access = fixture.of_patient(&format!("{LAB} patient/Patient.rs patient/Encounter.rs patient/Composition.rs"));
    let request = fixture.asked(&access);
    let run = async |name: &str, place: Place<'_>, parameters: &[(&str, &str)], body: Option<Value>| {
        let found = operation::find(&fixture.service, name, place).expect("offered");
        let body = body.map(|body| bytes(&body));
        operation::run(&request, found, place, &pairs(parameters), body.as_deref()).await
    };
    let shown = async |name: &str, place: Place<'_>, parameters: &[(&str, &str)]| {
        body_of(run(name, place, parameters, None).await.unwrap())
    };
    let everything = shown("everything", Place::Instance("Patient", "p"), &[]).await;
    assert_eq!(ids(&everything), ["c", "e", "lab", "p"]);
    let own = shown("everything", Place::Type("Patient"), &[("_type", "Observation")]).await;
    assert_eq!(ids(&own), ["lab"]);
    let encounter = shown("everything", Place::Instance("Encounter", "e"), &[]).await;
    assert_eq!(ids(&encounter), ["e", "lab", "p"]);
    let last = shown("lastn", Place::Type("Observation"), &[("patient", "p"), ("code", "8867-4"), ("max", "9")]).await;
    assert_eq!(ids(&last), ["lab"]);
    let document = shown("document", Place::Instance("Composition", "c"), &[]).await;
    let text = document.to_string();
    assert!(text.contains("/Observation/lab\"") && !text.contains("/Observation/vital\""), "{text}");
    let validated = run("validate", Place::Instance("Observation", "vital"), &[], None).await;
    assert_eq!(kind(validated), Some(Kind::NotFound));
    for name in ["meta-add", "meta-delete"] {
        let tag = json!({ "tag": [{ "system": "http://example.org/tags", "code": "mine" }] });
        let body = json!({ "resourceType": "Parameters", "parameter": [{ "name": "meta", "valueMeta": tag }] });
        let place = Place::Instance("Observation", "vital");
        assert_eq!(kind(run(name, place, &[], Some(body.clone())).await), Some(Kind::NotFound), "{name}");
        let place = Place::Instance("Observation", "lab");
        assert_eq!(kind(run(name, place, &[], Some(body)).await), None, "{name}");
    }
    assert_eq!(kind(run("meta", Place::Instance("Observation", "vital"), &[], None).await), Some(Kind::NotFound));
    let tagged = |id: &str, category: &str| {
        let mut resource = of_category(id, "p", category);
        resource["meta"] = json!({ "tag": [{ "system": "http://example.org/tags", "code": id }] });
        resource
    };
    fixture.put(tagged("lab", "laboratory")).await;
    fixture.put(tagged("vital", "vital-signs")).await;
    for place in [Place::Type("Observation"), Place::System] {
        let labels = shown("meta", place, &[]).await.to_string();
        assert!(labels.contains("\"lab\"") && !labels.contains("\"vital\""), "{labels}");
    }
}

/// By the tag that `$meta-delete` takes away a resource would leave what the token reaches.
#[tokio::test]
async fn labels_are_changed_within_what_the_scope_grants() {
    let fixture = filled().await;
    let mut tagged = of_category("lab", "p", "laboratory");
    tagged["meta"] = json!({ "tag": [{ "system": "http://example.org/tags", "code": "mine" }] });
    fixture.put(tagged).await;
    let access = fixture.of_patient("patient/Observation.ru?_tag=http://example.org/tags|mine");
    let change = async |place: Place<'_>, code: &str| {
        let found = operation::find(&fixture.service, "meta-delete", place).expect("offered");
        let tag = json!({ "tag": [{ "system": "http://example.org/tags", "code": code }] });
        let body = json!({ "resourceType": "Parameters", "parameter": [{ "name": "meta", "valueMeta": tag }] });
        kind(operation::run(&fixture.asked(&access), found, place, &[], Some(&bytes(&body))).await)
    };
    let place = Place::Instance("Observation", "lab");
    assert_eq!(change(place, "other").await, None);
    assert_eq!(change(place, "mine").await, Some(Kind::Forbidden));
    // A version is granted by what it says itself: the first was not tagged.
    let version = |version| Place::Version("Observation", "lab", version);
    assert_eq!(change(version("1"), "other").await, Some(Kind::NotFound));
    assert_eq!(change(version("2"), "mine").await, Some(Kind::Forbidden));
    assert_eq!(change(version("2"), "other").await, None);
}

/// A Binary without a security context lies where the records do that name it: with documents of which the token covers
/// a part, in that part.
#[tokio::test]
async fn attachments_go_with_the_documents_that_are_granted() {
    let fixture = filled().await;
    let access = fixture.of_patient("patient/Binary.rs patient/DocumentReference.cruds?type=http://loinc.org|a");
    let request = fixture.asked(&access);
    let read = async |id: &str| kind(read::read(&request, "Binary", id, &ReadConditions::default(), &[]).await);
    assert_eq!((read("letter").await, read("note").await), (None, Some(Kind::NotFound)));
    let found = body_of(search::search(&request, "Binary", &[]).await.unwrap());
    assert_eq!(ids(&found), ["letter"]);
    // Nor does a new document bring an attachment in that the token does not reach.
    let naming = |id: &str| {
        bytes(
            &json!({ "resourceType": "DocumentReference", "status": "current", "subject": { "reference": "Patient/p" },
            "type": { "coding": [{ "system": "http://loinc.org", "code": "a" }] },
            "content": [{ "attachment": { "url": format!("Binary/{id}") } }] }),
        )
    };
    let create = async |id: &str| kind(create::create(&request, "DocumentReference", &naming(id), None).await);
    assert_eq!((create("letter").await, create("note").await), (None, Some(Kind::Forbidden)));
    assert_eq!(read("note").await, Some(Kind::NotFound));
    let whole = fixture.of_patient("patient/Binary.rs patient/DocumentReference.rs");
    let read = read::read(&fixture.asked(&whole), "Binary", "note", &ReadConditions::default(), &[]).await;
    assert_eq!(kind(read), None);
}

/// Provenance lies with its targets.
#[tokio::test]
async fn provenance_is_read_with_its_targets_that_are_granted() {
    let fixture = filled().await;
    let access = fixture.of_patient(&format!("{LAB} patient/Provenance.crs"));
    let request = fixture.asked(&access);
    let read = async |id: &str| kind(read::read(&request, "Provenance", id, &ReadConditions::default(), &[]).await);
    assert_eq!((read("about-lab").await, read("about-vital").await), (None, Some(Kind::NotFound)));
    let of = |target: &str| {
        bytes(&json!({ "resourceType": "Provenance", "recorded": "2024-01-01T10:00:00Z",
            "target": [{ "reference": format!("Observation/{target}") }], "agent": [{ "who": { "display": "x" } }] }))
    };
    let create = async |target: &str| kind(create::create(&request, "Provenance", &of(target), None).await);
    assert_eq!((create("lab").await, create("vital").await), (None, Some(Kind::Forbidden)));
}

/// A token may change more than it may read: what it may not read is not shown for the change either.
#[tokio::test]
async fn a_write_shows_what_may_be_read() {
    let fixture = filled().await;
    let access = fixture.of_patient("patient/Observation.u patient/Observation.r?category=laboratory");
    let mut request = fixture.asked(&access);
    request.preferences.returning = Some(Return::Representation);
    let amend = bytes(&json!([{ "op": "replace", "path": "/status", "value": "amended" }]));
    for (id, is_shown) in [("lab", true), ("vital", false)] {
        let answer =
            patch::patch(&request, "Observation", PatchTarget::Id(id), PatchFormat::Json, &amend, ALWAYS).await;
        assert_eq!(body_of(answer.unwrap()).is_object(), is_shown, "{id}");
    }
}

/// A value set that comes with the request does not bring in the codes of one that the token does not reach.
#[tokio::test]
async fn what_is_sent_draws_on_what_is_granted() {
    let fixture = filled().await;
    for name in ["shown", "hidden"] {
        fixture
            .put(json!({ "resourceType": "ValueSet", "id": name, "status": "active", "url": format!("http://example.org/{name}"),
                "compose": { "include": [{ "system": "http://example.org/codes", "concept": [{ "code": name }] }] } }))
            .await;
    }
    let access = fixture.of_patient("user/ValueSet.rs?url=http://example.org/shown");
    let place = Place::Type("ValueSet");
    let found = operation::find(&fixture.service, "expand", place).expect("offered");
    for (name, is_shown) in [("shown", true), ("hidden", false)] {
        let sent = json!({ "resourceType": "ValueSet", "status": "active",
            "compose": { "include": [{ "valueSet": [format!("http://example.org/{name}")] }] } });
        let body = json!({ "resourceType": "Parameters", "parameter": [{ "name": "valueSet", "resource": sent }] });
        let by_body = operation::run(&fixture.asked(&access), found, place, &[], Some(&bytes(&body))).await;
        assert_eq!(by_body.is_ok(), is_shown, "{name}");
        let by_url = pairs(&[("url", &format!("http://example.org/{name}"))]);
        let by_url = operation::run(&fixture.asked(&access), found, place, &by_url, None).await;
        assert_eq!(by_url.is_ok(), is_shown, "{name}");
    }
}

/// `openid fhirUser` is "Permission to retrieve information about the current logged-in user".
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#quick-start>
#[tokio::test]
async fn who_is_logged_in_reads_their_own_resource() {
    let fixture = filled().await;
    for id in ["me", "colleague"] {
        fixture.put(json!({ "resourceType": "Practitioner", "id": id, "name": [{ "family": "Doe" }] })).await;
    }
    let access = AccessContext {
        fhir_user: Some(format!("{BASE}/Practitioner/me")),
        ..fixture.of_patient("patient/Observation.rs")
    };
    let request = fixture.asked(&access);
    let read = async |id: &str| kind(read::read(&request, "Practitioner", id, &ReadConditions::default(), &[]).await);
    assert_eq!((read("me").await, read("colleague").await), (None, Some(Kind::NotFound)));
    assert_eq!(kind(history::instance(&request, "Practitioner", "me", &[]).await), None);
    assert_eq!(kind(search::search(&request, "Practitioner", &[]).await), Some(Kind::Forbidden));
}
