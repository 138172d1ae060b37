//! AuditEvents, from the audit log: <https://hl7.org/fhir/R4/auditevent.html>

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::patient;
use crate::harness::{Client, encode, matches};

/// What the log has for a query, when it is complete: reads are written a moment after they are answered.
fn recorded(auditor: &Client, query: &str, count: usize) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let bundle = auditor.get(query).expect(200).json();
        let found: Vec<Value> = matches(&bundle).cloned().collect();
        if found.len() >= count || Instant::now() > until {
            assert_eq!(found.len(), count, "{query}: {bundle:#}");
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn codes(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["subtype"][0]["code"].as_str().expect("a code")).collect()
}

on_both_databases! {
    /// "The raw search request is base64 encoded and placed in the .entity[query].query element", with the client "as known by
    /// TCP connection information" and the token by its `jti`: IHE BALP, of a query and of the use of an access token.
    /// <https://profiles.ihe.net/ITI/BALP/StructureDefinition-IHE.BasicAudit.PatientQuery.html>
    fn a_search_is_told_as_it_was_asked_and_where_from_and_by_which_token(world) {
        let client = world.client("user/*.cruds");
        let auditor = world.client("system/AuditEvent.rs");
        let token = client.token.as_deref().expect("a token");
        let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(token).expect("claims");
        let policy = format!("urn:ietf:params:oauth:jti:{}", claims["jti"].as_str().expect("an id"));
        client.get("Patient?name=B%C3%BCrn&_count=5").expect(200);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        client.send("POST", "Patient/_search?_count=7", &form, Some(b"name=Ortega&access_token=a.b.c")).expect(200);
        client.post("", &json!({ "resourceType": "Bundle", "type": "batch",
            "entry": [{ "request": { "method": "GET", "url": "Patient?birthdate=1980-02-01" } }] })).expect(200);
        client.create(&patient("One"));
        let by = format!("AuditEvent?policy={}&_sort=date", encode(&policy));
        // Reads are queued, writes are not: the order is not theirs.
        let events = recorded(&auditor, &by, 5);
        let mut asked: Vec<String> = Vec::new();
        for event in &events {
            let client = &event["agent"][0];
            assert_eq!(client["network"]["type"], "2", "{event}");
            let address: std::net::IpAddr = client["network"]["address"].as_str().expect("an address").parse().expect("one");
            assert!(address.is_loopback(), "{event}");
            assert_eq!((&event["agent"][2]["name"], &event["agent"][2]["policy"]), (&json!("tester"), &json!([policy])), "{event}");
            assert!(!event.to_string().contains(token), "{event}");
            let entities = event["entity"].as_array().expect("entities");
            let query = entities.iter().find_map(|entity| entity["query"].as_str());
            asked.extend(query.map(|query| String::from_utf8(BASE64_STANDARD.decode(query).expect("base64")).expect("text")));
        }
        asked.sort();
        assert_eq!(asked, ["Patient/_search?_count=7&name=Ortega", "Patient?birthdate=1980-02-01", "Patient?name=B%C3%BCrn&_count=5"]);
    }

    /// 45 CFR 170.315(d)(3): the log can be sorted and filtered by who, when and whose record.
    fn what_is_done_with_a_record_is_found_by_its_patient(world) {
        let client = world.client("user/*.cruds");
        let auditor = world.client("system/AuditEvent.rs");
        let (one, other) = (client.create(&patient("One")), client.create(&patient("Other")));
        client.get(&format!("Patient/{one}")).expect(200);
        client.get(&format!("Patient/{other}")).expect(200);
        client.delete(&format!("Patient/{one}"));
        let events = recorded(&auditor, &format!("AuditEvent?patient={one}&_sort=date"), 3);
        assert_eq!(codes(&events), ["create", "read", "delete"]);
        let newest = recorded(&auditor, &format!("AuditEvent?patient={one}&action=R,D"), 2);
        assert_eq!(codes(&newest), ["delete", "read"]);
        let id = newest[0]["id"].as_str().expect("an id");
        let read = auditor.get(&format!("AuditEvent/{id}")).expect(200);
        assert_eq!((read.header("etag"), &read.json()), (Some("W/\"1\""), &newest[0]));
        auditor.get(&format!("AuditEvent/{id}/_history/1")).expect(200);
        auditor.get(&format!("AuditEvent/{id}/_history/2")).expect(404).issues();
        // Among several chains each place is found.
        let ids: Vec<&str> = events.iter().map(|event| event["id"].as_str().expect("an id")).collect();
        recorded(&auditor, &format!("AuditEvent?_id={}", ids.join(",")), 3);

        // Page by page, the same.
        let mut next = Some(format!("AuditEvent?patient={one},{other}&_count=2&_sort=date"));
        let mut seen = Vec::new();
        while let Some(query) = next {
            let bundle = auditor.get(&query).expect(200).json();
            seen.extend(matches(&bundle).map(|event| event["id"].clone()));
            next = bundle["link"].as_array().expect("links").iter().find(|link| link["relation"] == "next").map(|link| {
                let url = link["url"].as_str().expect("a URL");
                url[url.find("AuditEvent").expect("the type")..].to_owned()
            });
        }
        let all = recorded(&auditor, &format!("AuditEvent?patient={one},{other}&_sort=date"), 5);
        assert_eq!(seen, all.iter().map(|event| event["id"].clone()).collect::<Vec<_>>());
    }

    /// "405 Method not allowed" where no resource of a type is deleted: <https://hl7.org/fhir/R4/http.html#delete>
    fn nobody_writes_an_audit_event(world) {
        let client = world.client("system/*.cruds");
        let id = client.create(&patient("Kept"));
        let event = recorded(&client, &format!("AuditEvent?patient={id}"), 1).remove(0);
        let at = format!("AuditEvent/{}", event["id"].as_str().expect("an id"));
        let body = event.to_string().into_bytes();
        let json = [("content-type", "application/fhir+json")];
        let patch = [("content-type", "application/json-patch+json")];
        for (method, path, headers, body) in [
            ("POST", "AuditEvent", &json, Some(&body[..])),
            ("PUT", &at, &json, Some(&body[..])),
            ("PATCH", &at, &patch, Some(b"[{\"op\":\"remove\",\"path\":\"/entity\"}]".as_slice())),
            ("DELETE", &at, &json, None),
            ("DELETE", "AuditEvent?outcome=0", &json, None),
        ] {
            let refused = client.send(method, path, headers, body).expect(405);
            assert_eq!(refused.header("allow"), Some("GET, HEAD"), "{method} {path}");
            assert!(String::from_utf8_lossy(&refused.body).contains("nobody creates"), "{method} {path}");
        }
        assert_eq!(client.get(&at).expect(200).json(), event);
        // The refused attempts are in it as well.
        recorded(&client, "AuditEvent?outcome:not=0&action=C,U,D&entity-type=2", 5);
    }

    fn the_log_is_not_for_everybody(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Curious"));
        for client in [client, world.patient_client(&id, "patient/*.rs")] {
            for path in ["AuditEvent", "AuditEvent/0-1", "AuditEvent/0-1/_history", &format!("Patient/{id}/AuditEvent")] {
                let refused = client.get(path).expect(403);
                assert!(String::from_utf8_lossy(&refused.body).contains("administrators"), "{path}: {refused:?}");
            }
        }
    }
}
