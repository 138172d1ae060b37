//! `$name` operations, over HTTP on both databases. What each rule says is tested beside the operations.

use serde_json::{Value, json};

use super::{patient, weight};
use crate::harness::{Client, link, matches};

/// A patient with an encounter, weights, an attachment and a Provenance, and the patient's general practitioner.
fn chart(client: &Client) -> String {
    let practitioner = client.create(&json!({ "resourceType": "Practitioner", "name": [{ "family": "Doctor" }] }));
    let mut person = patient("Chart");
    person["generalPractitioner"] = json!([{ "reference": format!("Practitioner/{practitioner}") }]);
    let id = client.create(&person);
    let subject = json!({ "reference": format!("Patient/{id}") });
    for (date, value) in [("2022-01-01", "70.1"), ("2023-01-01", "71.20"), ("2024-01-01", "72")] {
        client.create(&weight(&id, date, value));
    }
    client.create(
        &json!({ "resourceType": "Encounter", "status": "finished", "class": { "code": "AMB" }, "subject": subject }),
    );
    let binary = client.create(&json!({ "resourceType": "Binary", "contentType": "text/plain", "data": "YQ==" }));
    let document = client
        .create(&json!({ "resourceType": "DocumentReference", "status": "current", "subject": subject,
        "content": [{ "attachment": { "url": format!("Binary/{binary}") } }] }));
    client.create(&json!({ "resourceType": "Provenance", "recorded": "2024-01-01T00:00:00Z",
        "target": [{ "reference": format!("DocumentReference/{document}") }],
        "agent": [{ "who": { "reference": format!("Practitioner/{practitioner}") } }] }));
    id
}

/// How many resources of each type a Bundle has, with their mode.
fn counted(bundle: &Value) -> Vec<String> {
    let mut found: Vec<String> = bundle["entry"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!("{} {}", text(&entry["search"]["mode"]), text(&entry["resource"]["resourceType"]))
        })
        .collect();
    found.sort();
    found
}

on_both_databases! {
    /// <https://hl7.org/fhir/R4/operation-patient-everything.html>
    fn everything_is_the_whole_record_page_by_page(world) {
        let client = world.client("user/*.cruds");
        let id = chart(&client);
        chart(&client);
        let all = ["include Binary", "include Practitioner", "include Provenance", "match DocumentReference", "match Encounter",
            "match Observation", "match Observation", "match Observation", "match Patient"];
        let of_user = client.get(&format!("Patient/{id}/$everything")).expect(200).json();
        assert_eq!(counted(&of_user), all);
        let own = world.patient_client(&id, "patient/*.rs");
        assert_eq!(counted(&own.get("Patient/$everything").expect(200).json()), all);
        let mut next = Some(format!("Patient/{id}/$everything?_count=2"));
        let mut found = Vec::new();
        while let Some(page) = next {
            let bundle = own.get(&page).expect(200).json();
            found.extend(matches(&bundle).map(|resource| resource["id"].as_str().expect("an id").to_owned()));
            next = link(&bundle, "next");
        }
        let distinct: std::collections::BTreeSet<&String> = found.iter().collect();
        assert_eq!((found.len(), distinct.len()), (6, 6));
        let dated = client.get(&format!("Patient/{id}/$everything?start=2023&end=2023-06&_type=Observation")).expect(200);
        assert_eq!(counted(&dated.json()), ["match Observation"]);
        let since = client.get(&format!("Patient/{id}/$everything?_since=2999-01-01T00:00:00Z")).expect(200).json();
        assert_eq!(counted(&since), [""; 0]);
        client.get(&format!("Patient/{id}/$everything?_typ=Observation")).expect(400).issues();
        client.get("Patient/never-there/$everything").expect(404).issues();
    }

    fn labels_are_changed_in_place(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Labelled"));
        let tag = json!({ "tag": [{ "system": "http://example.org/tags", "code": "vip" }] });
        let body = json!({ "resourceType": "Parameters", "parameter": [{ "name": "meta", "valueMeta": tag }] });
        let answer = client.post(&format!("Patient/{id}/$meta-add"), &body).expect(200).json();
        assert_eq!(answer["parameter"][0]["valueMeta"]["tag"], tag["tag"]);
        assert_eq!(client.ids("Patient?_tag=vip"), std::slice::from_ref(&id));
        for path in ["$meta", "Patient/$meta"] {
            let shown = client.get(path).expect(200).json();
            assert_eq!(shown["parameter"][0]["valueMeta"]["tag"], tag["tag"], "{path}");
        }
        // Labels are no new version, and what is stored is what is served.
        let read = client.get(&format!("Patient/{id}")).expect(200);
        assert_eq!((read.header("etag"), &read.json()["meta"]["tag"]), (Some("W/\"1\""), &tag["tag"]));
        client.post(&format!("Patient/{id}/$meta-delete"), &body).expect(200);
        assert!(client.ids("Patient?_tag=vip").is_empty());
        client.get(&format!("Patient/{id}/$meta-add")).expect(405);
    }

    /// "this operation (and other meta operations) can be performed on a historical version of a resource":
    /// <https://hl7.org/fhir/R4/resource-operation-meta.html>
    fn labels_of_a_superseded_version_change_without_a_new_one(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("First"));
        let mut second = patient("Second");
        second["id"] = json!(id);
        client.put(&format!("Patient/{id}"), &second).expect(200);
        let tag = json!({ "tag": [{ "system": "http://example.org/tags", "code": "late" }] });
        let body = json!({ "resourceType": "Parameters", "parameter": [{ "name": "meta", "valueMeta": tag }] });
        let first = format!("Patient/{id}/_history/1");
        let before = client.get(&first).expect(200).json();
        client.post(&format!("{first}/$meta-add"), &body).expect(200);
        let shown = client.get(&format!("{first}/$meta")).expect(200).json();
        assert_eq!(shown["parameter"][0]["valueMeta"]["tag"], tag["tag"]);
        let mut labelled = before.clone();
        labelled["meta"]["tag"] = tag["tag"].clone();
        assert_eq!(client.get(&first).expect(200).json(), labelled);
        // The current version is as it was.
        let current = client.get(&format!("Patient/{id}")).expect(200);
        assert_eq!((current.header("etag"), current.json()["meta"].get("tag")), (Some("W/\"2\""), None));
        assert!(client.ids("Patient?_tag=late").is_empty());
        let batch = json!({ "resourceType": "Bundle", "type": "batch", "entry": [
            { "request": { "method": "POST", "url": format!("{first}/$meta-delete") }, "resource": body } ] });
        let answer = client.post("", &batch).expect(200).json();
        assert_eq!(answer["entry"][0]["response"]["status"], "200 OK", "{answer}");
        assert_eq!(client.get(&first).expect(200).json(), before);
        client.get(&format!("{first}/$meta-add")).expect(405);
        client.get(&format!("Patient/{id}/_history/3/$meta")).expect(404).issues();
        client.get(&format!("{first}/$everything")).expect(404).issues();
    }

    fn lastn_docref_and_validate_answer(world) {
        let client = world.client("user/*.cruds");
        let id = chart(&client);
        let lastn = client.get(&format!("Observation/$lastn?patient={id}&category=vital-signs&max=2")).expect(200).json();
        let values: Vec<&Value> = matches(&lastn).map(|found| &found["valueQuantity"]["value"]).collect();
        assert_eq!(values.iter().map(ToString::to_string).collect::<Vec<_>>(), ["72", "71.20"]);
        let own = world.patient_client(&id, "patient/*.rs");
        let body = json!({ "resourceType": "Parameters", "parameter": [{ "name": "patient", "valueId": id }] });
        let docref = own.post("DocumentReference/$docref", &body).expect(200).json();
        assert_eq!(matches(&docref).next().expect("the summary")["type"]["coding"][0]["code"], "34133-9");
        let outcome = client.post("Patient/$validate", &json!({ "resourceType": "Patient", "birthDate": "1980-13" })).expect(200);
        assert_eq!(outcome.issues().len(), 1);
        client.get("Patient/$validate").expect(405);
        // In a batch, too.
        let batch = json!({ "resourceType": "Bundle", "type": "batch", "entry": [
            { "request": { "method": "GET", "url": format!("Patient/{id}/$everything?_type=Encounter") } },
            { "request": { "method": "GET", "url": "Patient/$nothing" } } ] });
        let answer = client.post("", &batch).expect(200).json();
        assert_eq!(counted(&answer["entry"][0]["resource"]), ["match Encounter"]);
        assert_eq!(answer["entry"][1]["response"]["status"], "404 Not Found");
    }
}
