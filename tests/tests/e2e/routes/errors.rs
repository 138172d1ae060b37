//! What is refused, whatever the interaction: each with an OperationOutcome, and the id of the request in it.

use super::patient;

/// Method, path, headers, body, and the status that is due.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Option<&'a [u8]>, u16);

on_both_databases! {
    fn every_refusal_is_an_operation_outcome_with_the_requests_id(world) {
        let client = world.client("user/*.cruds");
        let cases: [Case<'_>; 9] = [
            ("GET", "Nonsense/1", &[], None, 404),
            ("GET", "Patient/never-there", &[], None, 404),
            ("GET", "Patient/1/2/3/4", &[], None, 404),
            ("PATCH", "metadata", &[("content-type", "application/json")], Some(b"[]"), 405),
            ("POST", "Patient", &[("content-type", "text/plain")], Some(b"x"), 415),
            ("POST", "Patient", &[], Some(b"{\"resourceType\":\n \"Patient\",,}"), 400),
            ("POST", "Patient", &[], Some(b"\xff\xfe"), 400),
            ("POST", "Patient", &[], Some(b""), 400),
            ("GET", "Patient", &[("accept", "application/fhir+xml")], None, 406),
        ];
        for (method, path, headers, body, status) in cases {
            let answer = client.send(method, path, headers, body);
            assert_eq!(answer.status, status, "{method} {path}: {}", String::from_utf8_lossy(&answer.body));
            answer.issues();
            let id = answer.header("x-request-id").expect("a request id").to_owned();
            assert!(String::from_utf8_lossy(&answer.body).contains(&id), "{method} {path} does not name {id}");
        }
    }

    /// "For HTTP errors, will be "http." + the parameter name": <https://hl7.org/fhir/R4/operationoutcome-definitions.html#OperationOutcome.issue.location>
    fn a_wrong_parameter_is_named_by_its_place(world) {
        let client = world.client("user/*.cruds");
        for (path, expected) in [
            ("Patient?birthdate=yesterday", Some("http.birthdate")),
            ("Observation?subject:Patient.birthdate=yesterday", Some("http.subject")),
            ("Patient?_summary=some", Some("http._summary")),
            ("Patient/_history?_since=2024", Some("http._since")),
            // What is no name of the standard's may be anything, and is not said again.
            ("Patient?Jane%20Smith=1", None),
        ] {
            let answer = client.send("GET", path, &[("prefer", "handling=strict")], None).expect(400).json();
            assert_eq!(answer["issue"][0]["location"][0].as_str(), expected, "{path}: {answer}");
        }
    }

    fn malformed_json_is_named_by_line_and_column(world) {
        let client = world.client("user/*.cruds");
        let issues = client.send("POST", "Patient", &[], Some(b"{\n  \"resourceType\" \"Patient\"\n}")).expect(400).issues();
        assert!(issues[0].contains("line 2"), "{issues:?}");
    }

    /// RFC 9110, 15.5.6: a 405 names the methods that are allowed.
    fn a_405_names_what_is_allowed(world) {
        let client = world.client("user/*.cruds");
        let answer = client.send("POST", "Patient/1", &[], Some(b"{}")).expect(405);
        assert!(answer.header("allow").is_some_and(|allow| allow.contains("PATCH")), "{answer:?}");
    }

    /// XML is for later: what is sent so is a 415, what is asked for so a 406, and both say it.
    fn xml_is_refused_by_name(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Xml"));
        let xml = [("content-type", "application/fhir+xml")];
        let body: Option<&[u8]> = Some(b"<Patient xmlns=\"http://hl7.org/fhir\"/>");
        let path = format!("Patient/{id}");
        for answer in [
            client.send("POST", "Patient", &xml, body).expect(415),
            client.send("PUT", &path, &xml, body).expect(415),
            client.send("PATCH", &path, &xml, body).expect(415),
            client.send("POST", "Patient/$validate", &xml, body).expect(415),
            client.get(&format!("{path}?_format=xml")).expect(406),
            client.get("Patient?_format=application/fhir%2Bxml").expect(406),
            client.send("GET", "metadata", &[("accept", "application/fhir+xml")], None).expect(406),
        ] {
            assert!(answer.issues()[0].contains("XML is not supported"), "{answer:?}");
        }
    }

    fn the_client_may_name_the_request(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Named"));
        let answer = client.send("GET", &format!("Patient/{id}"), &[("x-request-id", "my-request-1")], None).expect(200);
        assert_eq!(answer.header("x-request-id"), Some("my-request-1"));
    }
}

/// A body beyond the limit is refused before it is read to its end.
#[test]
fn a_body_that_is_too_large_is_a_413() {
    let world = crate::harness::World::new(crate::harness::Database::Sqlite, |config| config.limits.body_bytes = 4096);
    let client = world.client("user/*.cruds");
    let mut large = patient("Large");
    large["text"] = serde_json::json!({ "status": "generated", "div": "x".repeat(10_000) });
    client.post("Patient", &large).expect(413).issues();
    client.post("Patient", &patient("Small")).expect(201);
}
