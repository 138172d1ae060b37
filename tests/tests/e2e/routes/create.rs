//! `POST [base]/{type}`: <https://hl7.org/fhir/R4/http.html#create>

use serde_json::json;

use super::patient;

on_both_databases! {
    fn the_location_names_the_new_version_and_the_servers_id_counts(world) {
        let client = world.client("user/*.cruds");
        let mut given = patient("Create");
        given["id"] = "own".into();
        given["meta"] = json!({ "versionId": "7", "lastUpdated": "2001-01-01T00:00:00Z", "tag": [{ "code": "kept" }] });
        let answer = client.post("Patient", &given).expect(201);
        let resource = answer.json();
        let id = resource["id"].as_str().expect("an id");
        assert_ne!(id, "own");
        assert_eq!(answer.header("location"), Some(format!("{}/Patient/{id}/_history/1", client.base).as_str()));
        assert_eq!(answer.header("etag"), Some("W/\"1\""));
        assert_eq!(resource["meta"]["versionId"], "1");
        assert_eq!(resource["meta"]["tag"][0]["code"], "kept");
        assert_ne!(resource["meta"]["lastUpdated"], "2001-01-01T00:00:00Z");
    }

    /// <https://hl7.org/fhir/R4/http.html#return>
    fn the_client_chooses_what_is_returned(world) {
        let client = world.client("user/*.cruds");
        let body = patient("Prefer").to_string();
        let post = |prefer: &str| client.send("POST", "Patient", &[("prefer", prefer)], Some(body.as_bytes())).expect(201);
        assert!(post("return=minimal").body.is_empty());
        assert_eq!(post("return=representation").json()["resourceType"], "Patient");
        assert_eq!(post("return=OperationOutcome").json()["resourceType"], "OperationOutcome");
    }

    /// <https://hl7.org/fhir/R4/http.html#ccreate>
    fn a_conditional_create_makes_one_and_finds_it_again(world) {
        let client = world.client("user/*.cruds");
        let mut given = patient("Once");
        given["identifier"] = json!([{ "system": "urn:test", "value": "once" }]);
        let body = given.to_string();
        let post = |condition: &str| {
            client.send("POST", "Patient", &[("if-none-exist", condition)], Some(body.as_bytes()))
        };
        let first = post("identifier=urn:test|once").expect(201).json()["id"].clone();
        let again = post("identifier=urn:test|once").expect(200);
        assert!(again.header("location").is_some_and(|url| url.contains(first.as_str().expect("an id"))));
        assert_eq!(client.ids("Patient?identifier=urn:test|once").len(), 1);
        client.create(&given);
        post("identifier=urn:test|once").expect(412).issues();
    }

    /// Every issue at once, each with its place. <https://hl7.org/fhir/R4/operationoutcome.html>
    fn all_that_is_wrong_is_told_at_once(world) {
        let client = world.client("user/*.cruds");
        let wrong = json!({ "resourceType": "Patient", "gender": "unknowable", "birthDate": "1990-13-01",
            "name": [{ "family": 7 }], "nickname": "x" });
        let issues = client.post("Patient", &wrong).expect(400).issues();
        for place in ["Patient.gender", "Patient.birthDate", "Patient.name[0].family", "nickname"] {
            assert!(issues.iter().any(|issue| issue.contains(place)), "{place} is not in {issues:#?}");
        }
        // Patient data do not stand in errors.
        assert!(issues.iter().all(|issue| !issue.contains("unknowable") && !issue.contains("1990-13-01")), "{issues:#?}");
    }

    /// <https://hl7.org/fhir/R4/json.html>: property names are unique.
    fn a_property_given_twice_is_refused(world) {
        let client = world.client("user/*.cruds");
        let body = br#"{"resourceType":"Patient","active":true,"active":false}"#;
        client.send("POST", "Patient", &[], Some(body)).expect(400).issues();
    }

    fn the_type_of_the_body_is_that_of_the_path(world) {
        let client = world.client("user/*.cruds");
        client.post("Observation", &patient("Wrong")).expect(400).issues();
        client.post("Patients", &patient("Wrong")).expect(404).issues();
    }

    /// RFC 9110, 8.4: a body may come compressed, and the answer go so.
    fn bodies_are_compressed_both_ways(world) {
        use std::io::Write;
        let client = world.client("user/*.cruds");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let mut given = patient("Compressed");
        given["text"] = json!({ "status": "generated",
            "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", "long ".repeat(1000)) });
        encoder.write_all(given.to_string().as_bytes()).expect("compresses");
        let body = encoder.finish().expect("compresses");
        let headers = [("content-encoding", "gzip"), ("content-type", "application/fhir+json")];
        let created = client.send("POST", "Patient", &headers, Some(&body)).expect(201).json();
        let path = format!("Patient/{}", created["id"].as_str().expect("an id"));
        // The client's library asks for gzip and unpacks it.
        assert_eq!(client.get(&path).expect(200).json()["text"], given["text"]);
        let plain = client.send("GET", &path, &[("accept-encoding", "identity")], None).expect(200);
        assert_eq!(plain.header("content-encoding"), None);
        client.send("POST", "Patient", &[("content-encoding", "br")], Some(&body)).expect(415).issues();
    }
}
