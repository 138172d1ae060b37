//! Conditional interactions by many clients at once: <https://hl7.org/fhir/R4/http.html#cond-update>. What each rule says
//! alone is tested beside the interactions; here it is that no two of them see the same state and both act on it.

use serde_json::{Value, json};

use crate::harness::{Answer, Client};

const CLIENTS: usize = 8;

fn with_mrn(mrn: &str, family: &str) -> Value {
    json!({ "resourceType": "Patient", "identifier": [{ "system": "http://example.org/mrn", "value": mrn }],
        "name": [{ "family": family }] })
}

/// The statuses of the same request sent by many at once.
fn at_once(send: impl Fn(usize) -> Answer + Sync) -> Vec<u16> {
    let send = &send;
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || send(number).status)).collect();
        clients.into_iter().map(|client| client.join().expect("a status")).collect()
    })
}

fn count(statuses: &[u16], status: u16) -> usize {
    statuses.iter().filter(|found| **found == status).count()
}

fn put(client: &Client, path: &str, body: &Value) -> Answer {
    client.send("PUT", path, &[], Some(body.to_string().as_bytes()))
}

on_both_databases! {
    fn of_conditional_updates_at_once_one_creates_and_the_others_update(world) {
        let client = world.client("user/*.cruds");
        for mrn in ["a", "b", "c"] {
            let query = format!("Patient?identifier=http://example.org/mrn%7C{mrn}");
            let statuses = at_once(|number| put(&client, &query, &with_mrn(mrn, &format!("F{number}"))));
            assert_eq!((count(&statuses, 201), count(&statuses, 200)), (1, CLIENTS - 1), "{statuses:?}");
            let ids = client.ids(&query);
            assert_eq!(ids.len(), 1, "one resource");
            let stored = client.get(&format!("Patient/{}", ids[0])).expect(200).json();
            assert_eq!(stored["meta"]["versionId"], CLIENTS.to_string(), "no update was lost");
        }
    }

    /// Creates and updates by the same condition, mixed.
    fn conditional_creates_and_updates_make_one_resource(world) {
        let client = world.client("user/*.cruds");
        let query = "identifier=http://example.org/mrn%7Cmixed";
        let statuses = at_once(|number| match number % 2 {
            0 => put(&client, &format!("Patient?{query}"), &with_mrn("mixed", "Put")),
            _ => {
                let body = with_mrn("mixed", "Post").to_string();
                client.send("POST", "Patient", &[("if-none-exist", query)], Some(body.as_bytes()))
            }
        });
        assert_eq!((count(&statuses, 201), count(&statuses, 200)), (1, CLIENTS - 1), "{statuses:?}");
        assert_eq!(client.ids(&format!("Patient?{query}")).len(), 1);
    }

    fn of_conditional_updates_with_if_match_one_wins(world) {
        let client = world.client("user/*.cruds");
        client.create(&with_mrn("match", "One"));
        let query = "Patient?identifier=http://example.org/mrn%7Cmatch";
        let statuses = at_once(|number| {
            let body = with_mrn("match", &format!("F{number}")).to_string();
            client.send("PUT", query, &[("if-match", "W/\"1\"")], Some(body.as_bytes()))
        });
        assert_eq!((count(&statuses, 200), count(&statuses, 412)), (1, CLIENTS - 1), "{statuses:?}");
    }

    fn of_conditional_deletes_at_once_one_deletes(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&with_mrn("gone", "Gone"));
        let query = "Patient?identifier=http://example.org/mrn%7Cgone";
        let statuses = at_once(|_| client.delete(query));
        assert_eq!(count(&statuses, 200), CLIENTS, "{statuses:?}");
        client.get(&format!("Patient/{id}")).expect(410).issues();
        let history = client.get(&format!("Patient/{id}/_history")).expect(200).json();
        assert_eq!(history["total"], 2, "created once, deleted once");
    }

    /// <https://hl7.org/fhir/R4/http.html#delete>: a server may keep referential integrity; it is the default here.
    fn what_is_referred_to_is_not_deleted(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&with_mrn("kept", "Kept"));
        let observation = client.create(&json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
            "subject": { "reference": format!("Patient/{id}") } }));
        let issues = client.delete(&format!("Patient/{id}")).expect(409).issues();
        assert!(issues[0].contains("Observation"), "{issues:?}");
        client.delete("Patient?identifier=http://example.org/mrn%7Ckept").expect(409).issues();
        client.get(&format!("Patient/{id}")).expect(200);
        client.delete(&format!("Observation/{observation}")).expect(200);
        client.delete(&format!("Patient/{id}")).expect(200);
    }
}
