//! `POST [base]`: batch and transaction. <https://hl7.org/fhir/R4/http.html#transaction>

use serde_json::{Value, json};

use super::patient;

fn bundle(kind: &str, entries: &[Value]) -> Value {
    json!({ "resourceType": "Bundle", "type": kind, "entry": entries })
}

fn post(full_url: &str, resource: Value) -> Value {
    let resource_type = resource["resourceType"].clone();
    json!({ "fullUrl": full_url, "resource": resource, "request": { "method": "POST", "url": resource_type } })
}

fn statuses(answer: &Value) -> Vec<String> {
    let entries = answer["entry"].as_array().into_iter().flatten();
    entries.map(|entry| entry["response"]["status"].as_str().unwrap_or_default().chars().take(3).collect()).collect()
}

on_both_databases! {
    /// "references are … replaced", whatever the order of the entries.
    fn references_between_the_entries_of_a_transaction_are_resolved(world) {
        let client = world.client("user/*.cruds");
        let observation = json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
            "subject": { "reference": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a" } });
        let given = bundle("transaction", &[
            post("urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e059", observation),
            post("urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a", patient("Referred")),
        ]);
        let answer = client.post("", &given).expect(200).json();
        assert_eq!(answer["type"], "transaction-response");
        assert_eq!(statuses(&answer), ["201", "201"]);
        let location = |index: usize| {
            let location = answer["entry"][index]["response"]["location"].as_str().expect("a location");
            let relative = location.strip_prefix(&format!("{}/", client.base)).unwrap_or(location);
            relative.split("/_history").next().expect("a path").to_owned()
        };
        let stored = client.get(&location(0)).expect(200).json();
        assert_eq!(stored["subject"]["reference"], location(1));
        assert_eq!(client.ids(&format!("Observation?subject={}", location(1))).len(), 1);
    }

    fn a_transaction_is_all_or_nothing(world) {
        let client = world.client("user/*.cruds");
        let given = bundle("transaction", &[
            post("urn:uuid:1f4a1d9c-3a4e-4c0a-9d0b-9d1c7f3b3a01", patient("Half")),
            post("urn:uuid:1f4a1d9c-3a4e-4c0a-9d0b-9d1c7f3b3a02", json!({ "resourceType": "Patient", "gender": 7 })),
        ]);
        let issues = client.post("", &given).expect(400).issues();
        assert!(issues.iter().any(|issue| issue.contains("entry[1]")), "{issues:?}");
        assert!(client.ids("Patient?family=half").is_empty());
        // A version that is not current fails the whole, too.
        let id = client.create(&patient("Current"));
        let mut next = patient("Next");
        next["id"] = id.clone().into();
        let given = bundle("transaction", &[
            post("urn:uuid:1f4a1d9c-3a4e-4c0a-9d0b-9d1c7f3b3a03", patient("Half")),
            json!({ "resource": next, "request": { "method": "PUT", "url": format!("Patient/{id}"), "ifMatch": "W/\"9\"" } }),
        ]);
        let refused = client.post("", &given);
        assert!([409, 412].contains(&refused.status), "{refused:?}");
        assert!(client.ids("Patient?family=half").is_empty());
    }

    /// "the entries … processed independently": one that fails stops no other.
    fn the_entries_of_a_batch_are_independent(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Batch"));
        let given = bundle("batch", &[
            json!({ "request": { "method": "GET", "url": format!("Patient/{id}") } }),
            json!({ "request": { "method": "GET", "url": "Patient/never-there" } }),
            post("urn:uuid:1f4a1d9c-3a4e-4c0a-9d0b-9d1c7f3b3a01", json!({ "resourceType": "Patient", "gender": 7 })),
            post("urn:uuid:1f4a1d9c-3a4e-4c0a-9d0b-9d1c7f3b3a02", patient("Batch")),
            json!({ "request": { "method": "GET", "url": "Patient?family=batch" } }),
        ]);
        let answer = client.post("", &given).expect(200).json();
        assert_eq!(answer["type"], "batch-response");
        assert_eq!(statuses(&answer), ["200", "404", "400", "201", "200"]);
        assert_eq!(answer["entry"][0]["resource"]["id"], id);
        assert_eq!(answer["entry"][1]["response"]["outcome"]["resourceType"], "OperationOutcome");
        assert_eq!(answer["entry"][4]["resource"]["type"], "searchset");
    }

    /// <https://hl7.org/fhir/R4/http.html#trules>: conditional references are resolved, or the transaction fails.
    fn a_conditional_reference_finds_its_resource_or_the_transaction_fails(world) {
        let client = world.client("user/*.cruds");
        let mut given = patient("Known");
        given["identifier"] = json!([{ "system": "urn:test", "value": "known" }]);
        let id = client.create(&given);
        let observation = |identifier: &str| bundle("transaction", &[post(
            "urn:uuid:1f4a1d9c-3a4e-4c0a-9d0b-9d1c7f3b3a01",
            json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
                "subject": { "reference": format!("Patient?identifier=urn:test|{identifier}") } }),
        )]);
        client.post("", &observation("known")).expect(200);
        assert_eq!(client.ids(&format!("Observation?patient={id}")).len(), 1);
        let refused = client.post("", &observation("unknown"));
        assert!([400, 412].contains(&refused.status), "{refused:?}");
        refused.issues();
    }

    /// "The server SHALL replace all matching links in the bundle" (<https://hl7.org/fhir/R4/http.html#trules>): a
    /// condition that names another entry is one about what that comes to, so that a Bundle may be sent again.
    fn a_condition_may_name_another_entry(world) {
        let client = world.client("user/*.cruds");
        let [person, observation, encounter] = [1, 2, 3].map(|number| format!("urn:uuid:{}", uuid::Uuid::from_u128(number)));
        let of = |url: &str| json!({ "reference": url });
        let conditional = |full_url: &str, resource: &Value, condition: &str| {
            let mut entry = post(full_url, resource.clone());
            entry["request"]["ifNoneExist"] = condition.into();
            entry
        };
        let mut known = patient("Named");
        known["identifier"] = json!([{ "system": "urn:test", "value": "named" }]);
        let weight = json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
            "subject": of(&person), "encounter": of(&encounter) });
        let visit = json!({ "resourceType": "Encounter", "status": "finished", "class": { "code": "AMB" }, "subject": of(&person) });
        // Each names one behind it, and the second is an update.
        let given = bundle("transaction", &[
            conditional(&observation, &weight, &format!("encounter={encounter}")),
            json!({ "fullUrl": encounter, "resource": visit, "request": { "method": "PUT", "url": format!("Encounter?subject={person}") } }),
            conditional(&person, &known, "identifier=urn:test|named"),
        ]);
        let send = || {
            let answer = client.post("", &given).expect(200).json();
            let places = (0..3).map(|entry| answer["entry"][entry]["response"]["location"].as_str().unwrap_or_default().to_owned());
            let ids: Vec<String> = places.map(|place| place.split("/_history").next().unwrap_or_default().to_owned()).collect();
            (statuses(&answer), ids)
        };
        let (first, ids) = send();
        assert_eq!(first, ["201", "201", "201"]);
        assert_eq!(send(), (["200", "200", "200"].map(str::to_owned).to_vec(), ids));
        for (of, count) in [("Patient?identifier=urn:test|named", 1), ("Encounter?subject.identifier=urn:test|named", 1), ("Observation?subject.identifier=urn:test|named", 1)] {
            assert_eq!(client.ids(of).len(), count, "{of}");
        }
        // What is new has nothing yet.
        let again = bundle("transaction", &[
            post(&person, patient("New")),
            conditional(&observation, &json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
                "subject": of(&person) }), &format!("subject=Patient/nobody,{person}")),
        ]);
        assert_eq!(statuses(&client.post("", &again).expect(200).json()), ["201", "201"]);
        // Neither of two is known before the other.
        let circle = bundle("transaction", &[
            conditional(&observation, &weight, &format!("encounter={encounter}")),
            json!({ "fullUrl": encounter, "resource": visit, "request": { "method": "PUT", "url": format!("Encounter?reason-reference={observation}") } }),
        ]);
        let issues = client.post("", &circle).expect(400).issues();
        assert!(issues.iter().any(|issue| issue.contains("entry[") && issue.contains("in two transactions")), "{issues:?}");
    }

    /// Thousands of entries are one transaction.
    fn a_transaction_may_have_thousands_of_entries(world) {
        let client = world.client("user/*.cruds");
        let entries: Vec<Value> =
            (0..2000).map(|index| post(&format!("urn:uuid:{}", uuid::Uuid::from_u128(index)), patient("Many"))).collect();
        let answer = client.post("", &bundle("transaction", &entries)).expect(200).json();
        assert_eq!(answer["entry"].as_array().map(Vec::len), Some(2000));
        let count = client.get("Patient?family=many&_total=accurate&_count=1").expect(200).json();
        assert_eq!(count["total"], 2000);
    }

    fn a_dangling_uuid_is_refused_with_its_place(world) {
        let client = world.client("user/*.cruds");
        let given = bundle("transaction", &[post(
            "urn:uuid:1f4a1d9c-3a4e-4c0a-9d0b-9d1c7f3b3a01",
            json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
                "subject": { "reference": "urn:uuid:1f4a1d9c-3a4e-4c0a-9d0b-9d1c7f3b3aff" } }),
        )]);
        let issues = client.post("", &given).expect(400).issues();
        assert!(issues.iter().any(|issue| issue.contains("entry[0]")), "{issues:?}");
    }
}
