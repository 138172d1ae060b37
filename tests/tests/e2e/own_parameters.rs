//! Users' own search parameters, over HTTP: <https://hl7.org/fhir/R4/searchparameter.html>

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Client, Postgres, World, matches, wait_until};

const URL: &str = "http://example.org/fhir/SearchParameter/eye-colour";
const EYES: &str = "http://example.org/fhir/StructureDefinition/eye-colour";

/// By an extension, as sites have them.
fn parameter(code: &str, status: &str) -> Value {
    json!({
        "resourceType": "SearchParameter", "url": URL, "name": "EyeColour", "status": status,
        "description": "The colour of the eyes.", "code": code, "base": ["Patient"], "type": "token",
        "expression": format!("Patient.extension.where(url = '{EYES}').value.ofType(code)")
    })
}

fn patient(colour: &str) -> Value {
    json!({ "resourceType": "Patient", "extension": [{ "url": EYES, "valueCode": colour }] })
}

/// What the CapabilityStatement says of the parameter, if it lists it.
fn listed(client: &Client, of: &str, code: &str) -> Option<Value> {
    let statement = client.get("metadata").expect(200).json();
    let resources = statement["rest"][0]["resource"].as_array()?.iter();
    let resource = resources.clone().find(|resource| resource["type"] == of)?;
    resource["searchParam"].as_array()?.iter().find(|parameter| parameter["name"] == code).cloned()
}

fn wait_until_listed(client: &Client, of: &str, code: &str) {
    wait_until("the parameter is indexed", Duration::from_secs(60), || listed(client, of, code).is_some());
}

fn strict(client: &Client, search: &str) -> crate::harness::Answer {
    client.send("GET", search, &[("prefer", "handling=strict")], None)
}

on_both_databases! {
    fn one_that_is_posted_is_searched_by_when_all_is_indexed(world) {
        let client = world.client("user/*.cruds");
        let green = client.create(&patient("green"));
        client.create(&patient("blue"));
        let posted = client.post("SearchParameter", &parameter("eye-colour", "active")).expect(201).json();
        // What is stored is what is served: the status says whether the definition is ready, not whether this server is.
        assert_eq!(posted["status"], "active");
        wait_until_listed(&client, "Patient", "eye-colour");
        let described = listed(&client, "Patient", "eye-colour").expect("listed");
        assert_eq!(described, json!({ "name": "eye-colour", "definition": URL, "type": "token" }));
        let later = client.create(&patient("green"));
        let found = |query: &str| {
            let mut found = client.ids(query);
            found.sort();
            found
        };
        let mut both = vec![green.clone(), later.clone()];
        both.sort();
        assert_eq!(found("Patient?eye-colour=green"), both);
        assert_eq!(found("Patient?eye-colour=brown"), Vec::<String>::new());
        // In a conditional update, which decides inside the write.
        let update = client.put("Patient?eye-colour=blue", &patient("brown")).expect(200).json();
        assert_eq!(found("Patient?eye-colour=brown"), [update["id"].as_str().expect("an id")]);
        // In a transaction, beside what it is about.
        let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
            { "resource": { "resourceType": "Observation", "status": "final", "code": { "text": "x" },
                "subject": { "reference": "Patient?eye-colour=brown" } },
              "request": { "method": "POST", "url": "Observation" } }
        ] });
        client.post("", &bundle).expect(200);
        assert_eq!(client.ids("Observation?subject:Patient.eye-colour=brown").len(), 1);
        assert_eq!(client.ids("Patient?_has:Observation:patient:status=final&eye-colour=brown").len(), 1);
        // Another server's start knows of it.
        world.restart(|_| ());
        let client = world.client("user/*.cruds");
        assert_eq!(client.ids("Patient?eye-colour=green").len(), 2);
        assert!(listed(&client, "Patient", "eye-colour").is_some());
    }

    /// "Servers SHOULD … not return results for parameters they do not know": one that is retired or deleted is unknown
    /// from then on. <https://hl7.org/fhir/R4/search.html#errors>
    fn one_that_is_retired_or_deleted_is_unknown_at_once(world) {
        let client = world.client("user/*.cruds");
        client.create(&patient("green"));
        for end in ["retired", "deleted"] {
            let posted = client.post("SearchParameter", &parameter("eye-colour", "active")).expect(201).json();
            let path = format!("SearchParameter/{}", posted["id"].as_str().expect("an id"));
            wait_until_listed(&client, "Patient", "eye-colour");
            strict(&client, "Patient?eye-colour=green").expect(200);
            if end == "retired" {
                let mut retired = parameter("eye-colour", "retired");
                retired["id"] = posted["id"].clone();
                client.put(&path, &retired).expect(200);
            } else {
                client.delete(&path).expect(200);
            }
            let issues = strict(&client, "Patient?eye-colour=green").expect(400).issues().join("");
            assert!(issues.contains("no search parameter \"eye-colour\""), "{issues}");
            assert!(listed(&client, "Patient", "eye-colour").is_none());
        }
    }

    /// A draft is somebody's work: it is kept, and nothing is searched by it.
    fn a_draft_is_kept_and_not_used(world) {
        let client = world.client("user/*.cruds");
        let mut draft = parameter("eye-colour", "draft");
        draft["expression"] = json!("Patient.not yet");
        let draft = client.post("SearchParameter", &draft).expect(201).json();
        strict(&client, "Patient?eye-colour=green").expect(400);
        // What is wrong is told when it is to be used, and by $validate before.
        let mut active = parameter("eye-colour", "active");
        active["id"] = draft["id"].clone();
        active["expression"] = draft["expression"].clone();
        let path = format!("SearchParameter/{}", draft["id"].as_str().expect("an id"));
        let issues = client.put(&path, &active).expect(422).issues().join("");
        assert!(issues.contains("SearchParameter.expression: This is no FHIRPath"), "{issues}");
        let asked = json!({ "resourceType": "Parameters", "parameter": [{ "name": "resource", "resource": active }] });
        let issues = client.post("SearchParameter/$validate", &asked).expect(200).issues().join("");
        assert!(issues.contains("SearchParameter.expression: This is no FHIRPath"), "{issues}");
        active["expression"] = parameter("", "")["expression"].clone();
        client.put(&path, &active).expect(200);
        wait_until_listed(&client, "Patient", "eye-colour");
    }

    /// 422: "the server … could not process it", with the element at fault and what would be right.
    fn what_cannot_be_used_is_refused_and_changes_nothing(world) {
        let client = world.client("user/*.cruds");
        let mut wrong = parameter("eye-colour", "active");
        wrong["expression"] = json!("Patient.eyes.colour");
        let issues = client.post("SearchParameter", &wrong).expect(422).issues();
        assert!(issues[0].starts_with("value: SearchParameter.expression: In Patient, `Patient.eyes` selects nothing"), "{issues:?}");
        let taken = client.post("SearchParameter", &parameter("gender", "active")).expect(422).issues();
        assert!(taken[0].starts_with("duplicate: SearchParameter.code: Patient has a parameter of this code"), "{taken:?}");
        // Two at once of the same code, in one transaction and one after the other.
        let entry = |id: &str| {
            let mut resource = parameter("eye-colour", "active");
            resource["url"] = json!(format!("{URL}-{id}"));
            json!({ "resource": resource, "request": { "method": "POST", "url": "SearchParameter" } })
        };
        let twice = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [entry("a"), entry("b")] });
        let issues = client.post("", &twice).expect(422).issues();
        assert!(issues[0].contains("Take another code, or retire that one first"), "{issues:?}");
        assert_eq!(client.ids("SearchParameter"), Vec::<String>::new());
        let first = client.create(&parameter("eye-colour", "active"));
        client.post("SearchParameter", &entry("b")["resource"]).expect(422);
        assert_eq!(client.ids("SearchParameter"), std::slice::from_ref(&first));
        // In one transaction, one may take the other's place.
        let swap = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
            entry("b"), { "request": { "method": "DELETE", "url": format!("SearchParameter/{first}") } }
        ] });
        client.post("", &swap).expect(200);
        wait_until_listed(&client, "Patient", "eye-colour");
        assert_eq!(listed(&client, "Patient", "eye-colour").expect("listed")["definition"], format!("{URL}-b"));
    }

    /// Whoever may write SearchParameters decides what searches mean for all: no patient, and no scope.
    fn no_patient_writes_them_and_no_scope_is_decided_by_them(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("green"));
        let own = world.patient_client(&id, "patient/*.cruds");
        own.post("SearchParameter", &parameter("eye-colour", "active")).expect(403);
        let reader = world.client("user/SearchParameter.rs user/Patient.cruds");
        reader.post("SearchParameter", &parameter("eye-colour", "active")).expect(403);
        let writer = world.client("system/SearchParameter.c");
        writer.post("SearchParameter", &parameter("eye-colour", "active")).expect(201);
        wait_until_listed(&client, "Patient", "eye-colour");
        // A patient's own client may search by it, within its boundary.
        client.create(&patient("green"));
        assert_eq!(own.ids("Patient?eye-colour=green"), [id]);
        let narrow = world.client("user/Patient.rs?eye-colour=green");
        let issues = narrow.get("Patient").expect(403).issues().join("");
        assert!(issues.contains("parameters of the standard and of its guides"), "{issues}");
    }
}

/// Until all stored resources are indexed, a search by it says so, and the CapabilityStatement does not list it.
#[test]
fn until_all_is_indexed_a_search_by_it_says_so() {
    let world = World::on_sqlite();
    let client = world.client("user/*.cruds");
    let entries: Vec<Value> = (0..1_500)
        .map(|_| json!({ "resource": patient("green"), "request": { "method": "POST", "url": "Patient" } }))
        .collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
    client.post("", &bundle).expect(200);
    client.post("SearchParameter", &parameter("eye-colour", "active")).expect(201);
    let early = strict(&client, "Patient?eye-colour=green");
    if early.status == 400 {
        let issues = early.issues().join("");
        assert!(issues.contains("still being indexed by it (") && issues.contains("% are done)"), "{issues}");
    } else {
        // It was quicker than we: all or nothing.
        assert!(listed(&client, "Patient", "eye-colour").is_some());
    }
    wait_until_listed(&client, "Patient", "eye-colour");
    let health = Client { base: world.address(), token: None };
    let metrics = String::from_utf8(health.get("metrics").expect(200).body).expect("text");
    assert!(metrics.contains("vesta_reindex_parameters{site=\"default\",state=\"pending\"} 0"), "{metrics}");
    let bundle = strict(&client, "Patient?eye-colour=green&_summary=count").expect(200).json();
    assert_eq!(bundle["total"], 1_500);
}

/// Several processes on one PostgreSQL: whichever takes the parameter, no row is missed of what the other writes.
#[test]
fn no_process_misses_one_that_another_was_given() {
    let Some(postgres) = Postgres::create() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (_servers, [one, other]) = super::processes::two(folder.path(), Some(postgres.url.as_str()));
    let done = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writers: Vec<_> = [&one, &other]
            .map(|client| {
                let done = &done;
                scope.spawn(move || {
                    let mut count = 0;
                    while !done.load(Ordering::Acquire) {
                        client.create(&patient("green"));
                        count += 1;
                    }
                    count
                })
            })
            .into_iter()
            .collect();
        std::thread::sleep(Duration::from_millis(400));
        one.post("SearchParameter", &parameter("eye-colour", "active")).expect(201);
        for client in [&one, &other] {
            wait_until_listed(client, "Patient", "eye-colour");
        }
        std::thread::sleep(Duration::from_millis(400));
        done.store(true, Ordering::Release);
        writers.into_iter().map(|writer| writer.join().expect("a writer ends")).sum::<usize>()
    });
    for client in [&one, &other] {
        let bundle = strict(client, "Patient?eye-colour=green&_total=accurate").expect(200).json();
        assert_eq!(bundle["total"], written);
        assert!(matches(&bundle).count() > 0);
    }
    // And when it goes, both know within moments.
    let id = one.ids("SearchParameter").remove(0);
    other.delete(&format!("SearchParameter/{id}")).expect(200);
    for client in [&one, &other] {
        wait_until("the parameter is unknown", Duration::from_secs(10), || {
            strict(client, "Patient?eye-colour=green").status == 400
        });
    }
}
