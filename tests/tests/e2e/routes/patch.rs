//! `PATCH [base]/{type}/{id}`: <https://hl7.org/fhir/R4/http.html#patch>

use serde_json::{Value, json};

use super::patient;
use crate::harness::{Answer, Client};

const JSON_PATCH: (&str, &str) = ("content-type", "application/json-patch+json");

fn json_patch(client: &Client, path: &str, headers: &[(&str, &str)], patch: &Value) -> Answer {
    let headers: Vec<(&str, &str)> = headers.iter().copied().chain([JSON_PATCH]).collect();
    client.send("PATCH", path, &headers, Some(patch.to_string().as_bytes()))
}

on_both_databases! {
    fn both_patch_languages_make_the_next_version(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Patch"));
        let path = format!("Patient/{id}");
        let answer = json_patch(&client, &path, &[], &json!([{ "op": "add", "path": "/active", "value": true }])).expect(200);
        assert_eq!((answer.header("etag"), &answer.json()["active"]), (Some("W/\"2\""), &json!(true)));
        let fhirpath = json!({ "resourceType": "Parameters", "parameter": [{ "name": "operation", "part": [
            { "name": "type", "valueCode": "replace" }, { "name": "path", "valueString": "Patient.name[0].family" },
            { "name": "value", "valueString": "Patched" } ] }] });
        let body = fhirpath.to_string();
        client.send("PATCH", &path, &[("content-type", "application/fhir+json")], Some(body.as_bytes())).expect(200);
        assert_eq!(client.ids("Patient?family=patched"), [id], "the index is that of the new version");
    }

    fn what_cannot_be_patched_is_refused(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Refused"));
        let path = format!("Patient/{id}");
        let activate = json!([{ "op": "add", "path": "/active", "value": true }]);
        json_patch(&client, &path, &[("if-match", "W/\"7\"")], &activate).expect(412).issues();
        json_patch(&client, &path, &[("if-match", "W/\"1\"")], &activate).expect(200);
        json_patch(&client, "Patient/never-there", &[], &activate).expect(404).issues();
        json_patch(&client, &path, &[], &json!([{ "op": "remove", "path": "/photo" }])).expect(422).issues();
        json_patch(&client, &path, &[], &json!([{ "op": "replace", "path": "/active", "value": "x" }])).expect(422).issues();
        json_patch(&client, &path, &[], &json!({})).expect(400).issues();
        for kind in ["application/xml-patch+xml", "text/plain", "application/fhir+xml"] {
            client.send("PATCH", &path, &[("content-type", kind)], Some(b"x")).expect(415).issues();
        }
        client.delete(&path).expect(200);
        json_patch(&client, &path, &[], &activate).expect(410).issues();
    }

    /// Each patch is applied to the result of the one before it, however many come at once.
    fn of_concurrent_patches_none_is_lost(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&json!({ "resourceType": "Patient", "identifier": [{ "value": "0" }] }));
        std::thread::scope(|scope| {
            for writer in 1..=8 {
                let (client, id) = (&client, &id);
                scope.spawn(move || {
                    let patch = json!([{ "op": "add", "path": "/identifier/-", "value": { "value": writer.to_string() } }]);
                    json_patch(client, &format!("Patient/{id}"), &[], &patch).expect(200);
                });
            }
        });
        let stored = client.get(&format!("Patient/{id}")).expect(200).json();
        let mut values: Vec<&str> =
            stored["identifier"].as_array().expect("a list").iter().map(|one| one["value"].as_str().expect("a text")).collect();
        values.sort_unstable();
        assert_eq!(values, ["0", "1", "2", "3", "4", "5", "6", "7", "8"]);
        assert_eq!(stored["meta"]["versionId"], "9");
    }
}
