//! `PUT [base]/{type}/{id}`: <https://hl7.org/fhir/R4/http.html#update>

use serde_json::{Value, json};

use super::patient;

fn with_id(mut resource: Value, id: &str) -> Value {
    resource["id"] = id.into();
    resource
}

on_both_databases! {
    fn an_update_makes_the_next_version(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Before"));
        let answer = client.put(&format!("Patient/{id}"), &with_id(patient("After"), &id)).expect(200);
        assert_eq!(answer.header("etag"), Some("W/\"2\""));
        assert_eq!(client.get(&format!("Patient/{id}")).json()["name"][0]["family"], "After");
        // The index is that of the new version.
        assert!(client.ids("Patient?family=before").is_empty());
        assert_eq!(client.ids("Patient?family=after"), [id]);
    }

    /// <https://hl7.org/fhir/R4/http.html#upsert>: 201, with the versioned Location.
    fn an_update_of_what_is_not_there_creates_it_at_that_id(world) {
        let client = world.client("user/*.cruds");
        let answer = client.put("Patient/my-own.id-1", &with_id(patient("Upsert"), "my-own.id-1")).expect(201);
        assert_eq!(
            answer.header("location"),
            Some(format!("{}/Patient/my-own.id-1/_history/1", client.base).as_str())
        );
        client.put("Patient/my-own.id-1", &with_id(patient("Again"), "my-own.id-1")).expect(200);
    }

    /// <https://hl7.org/fhir/R4/http.html#concurrency>: "If-Match" another version: 412.
    fn a_lost_update_is_prevented_by_if_match(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("One"));
        let put = |version: &str, family: &str| {
            let body = with_id(patient(family), &id).to_string();
            client.send("PUT", &format!("Patient/{id}"), &[("if-match", version)], Some(body.as_bytes()))
        };
        put("W/\"1\"", "Two").expect(200);
        put("W/\"1\"", "Three").expect(412).issues();
        put("W/\"2\"", "Three").expect(200);
        assert_eq!(client.get(&format!("Patient/{id}")).json()["name"][0]["family"], "Three");
    }

    /// "if no id is provided, or … disagrees with the URL, the server SHALL respond with 400".
    fn the_id_of_the_body_is_that_of_the_path(world) {
        let client = world.client("user/*.cruds");
        client.put("Patient/a", &with_id(patient("Id"), "b")).expect(400).issues();
        client.put("Patient/a", &patient("Id")).expect(400).issues();
        client.put("Patient/a%20b", &with_id(patient("Id"), "a b")).expect(400).issues();
    }

    fn what_was_deleted_can_come_back(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Gone"));
        client.delete(&format!("Patient/{id}"));
        let answer = client.put(&format!("Patient/{id}"), &with_id(patient("Back"), &id)).expect(201);
        assert_eq!(answer.header("etag"), Some("W/\"3\""));
        assert_eq!(client.ids("Patient?family=back"), [id]);
    }

    /// Of writers that all saw version 1, one wins.
    fn of_concurrent_updates_with_if_match_one_wins(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&json!({ "resourceType": "Patient" }));
        let won = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..8)
                .map(|writer| {
                    let (client, id) = (&client, &id);
                    scope.spawn(move || {
                        let body = with_id(patient(&format!("Writer{writer}")), id).to_string();
                        let path = format!("Patient/{id}");
                        client.send("PUT", &path, &[("if-match", "W/\"1\"")], Some(body.as_bytes())).status
                    })
                })
                .collect();
            writers.into_iter().map(|writer| writer.join().expect("a status")).collect::<Vec<_>>()
        });
        assert_eq!(won.iter().filter(|status| **status == 200).count(), 1, "{won:?}");
        assert!(won.iter().all(|status| [200, 412].contains(status)), "{won:?}");
    }
}
