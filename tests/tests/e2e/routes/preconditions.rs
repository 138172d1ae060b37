//! `If-Match`, `If-None-Match` and `If-Unmodified-Since` of writes: RFC 9110, 13.1, and
//! <https://hl7.org/fhir/R4/http.html#concurrency>. "An origin server MUST NOT perform the requested method" where one does
//! not hold.

use serde_json::{Value, json};

use crate::harness::{Answer, Client};

fn with_mrn(mrn: &str, id: Option<&str>) -> Value {
    let mut patient =
        json!({ "resourceType": "Patient", "identifier": [{ "system": "http://example.org/mrn", "value": mrn }] });
    if let Some(id) = id {
        patient["id"] = id.into();
    }
    patient
}

/// Each write of a Patient, by its id and by its identifier.
const WRITES: [(&str, bool); 6] =
    [("PUT", true), ("PUT", false), ("PATCH", true), ("PATCH", false), ("DELETE", true), ("DELETE", false)];

fn write(client: &Client, (method, by_id): (&str, bool), mrn: &str, id: &str, headers: &[(&str, &str)]) -> Answer {
    let path =
        if by_id { format!("Patient/{id}") } else { format!("Patient?identifier=http://example.org/mrn%7C{mrn}") };
    let body = match method {
        "PUT" => Some(with_mrn(mrn, by_id.then_some(id)).to_string()),
        "PATCH" => Some(json!([{ "op": "add", "path": "/active", "value": true }]).to_string()),
        _ => None,
    };
    let of_patch = ("content-type", "application/json-patch+json");
    let headers: Vec<(&str, &str)> = headers.iter().copied().chain((method == "PATCH").then_some(of_patch)).collect();
    client.send(method, &path, &headers, body.as_deref().map(str::as_bytes))
}

on_both_databases! {
    fn each_write_keeps_to_its_preconditions(world) {
        let client = world.client("user/*.cruds");
        let cases: [(&[(&str, &str)], u16); 13] = [
            (&[("if-match", "*")], 200),
            (&[("if-match", "W/\"1\"")], 200),
            (&[("if-match", "\"7\", W/\"1\"")], 200),
            (&[("if-match", "W/\"7\""), ("if-match", "W/\"1\"")], 200),
            (&[("if-match", "\"7\", W/\"8\"")], 412),
            (&[("if-match", "1")], 400),
            (&[("if-none-match", "*")], 412),
            (&[("if-none-match", "W/\"7\", W/\"1\"")], 412),
            (&[("if-none-match", "W/\"7\"")], 200),
            (&[("if-none-match", "1")], 400),
            (&[("if-unmodified-since", "Fri, 01 Jan 2100 00:00:00 GMT")], 200),
            (&[("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT")], 412),
            // "A recipient MUST ignore If-Unmodified-Since if the request contains an If-Match header field".
            (&[("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT"), ("if-match", "W/\"1\"")], 200),
        ];
        for (number, (headers, status)) in cases.iter().enumerate() {
            for (kind, way) in WRITES.iter().enumerate() {
                let mrn = format!("{number}-{kind}");
                let id = client.create(&with_mrn(&mrn, None));
                let answer = write(&client, *way, &mrn, &id, headers);
                assert_eq!(answer.status, *status, "{way:?} {headers:?} {}", answer.json());
                if *status != 200 {
                    answer.issues();
                    assert_eq!(client.get(&format!("Patient/{id}")).expect(200).header("etag"), Some("W/\"1\""));
                }
            }
        }
    }

    fn what_does_not_exist_matches_nothing(world) {
        let client = world.client("user/*.cruds");
        for way in WRITES.into_iter().filter(|(method, _)| *method != "PATCH") {
            for tags in ["*", "W/\"1\""] {
                write(&client, way, "none", "none", &[("if-match", tags)]).expect(412).issues();
            }
        }
        for (way, status) in [(("PUT", true), 201), (("PUT", false), 412)] {
            write(&client, way, "new", "new", &[("if-none-match", "*")]).expect(status);
            assert_eq!(client.ids("Patient?identifier=http://example.org/mrn%7Cnew"), ["new"], "one came to be");
        }
        client.delete("Patient/new").expect(200);
        // What was deleted is not there.
        write(&client, ("PUT", true), "new", "new", &[("if-match", "*")]).expect(412).issues();
        write(&client, ("PUT", true), "new", "new", &[("if-none-match", "*")]).expect(201);
    }

    /// Of many that would create at one id if none is there, one does.
    fn of_creates_at_one_id_one_wins(world) {
        let client = world.client("user/*.cruds");
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let send = || write(&client, ("PUT", true), "race", "race", &[("if-none-match", "*")]).status;
            let writers: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
            writers.into_iter().map(|writer| writer.join().expect("a status")).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 7, "{statuses:?}");
    }

    /// <https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.request.ifNoneMatch>
    fn entries_of_bundles_keep_to_theirs(world) {
        let client = world.client("user/*.cruds");
        for kind in ["batch", "transaction"] {
            let send = |conditions: Value| {
                let mut request = json!({ "method": "PUT", "url": format!("Patient/{kind}") });
                request.as_object_mut().expect("an object").extend(conditions.as_object().expect("an object").clone());
                let entry = json!({ "resource": with_mrn("x", Some(kind)), "request": request });
                let bundle = json!({ "resourceType": "Bundle", "type": kind, "entry": [entry] });
                let answer = client.send("POST", "", &[], Some(bundle.to_string().as_bytes()));
                match answer.json()["entry"][0]["response"]["status"].as_str() {
                    Some(status) => status[..3].parse().expect("a status"),
                    None => answer.status,
                }
            };
            assert_eq!(send(json!({ "ifMatch": "*" })), 412, "{kind}");
            assert_eq!(send(json!({ "ifNoneMatch": "*" })), 201, "{kind}");
            assert_eq!(send(json!({ "ifNoneMatch": "*" })), 412, "{kind}");
            assert_eq!(send(json!({ "ifMatch": "W/\"7\", W/\"1\"" })), 200, "{kind}");
            assert_eq!(send(json!({ "ifMatch": "W/\"7\"" })), 412, "{kind}");
            assert_eq!(send(json!({ "ifNoneExist": "identifier=x" })), 400, "{kind}");
        }
    }
}
