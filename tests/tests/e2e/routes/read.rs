//! `GET [base]/{type}/{id}` and `GET [base]/{type}/{id}/_history/{version}`

use super::{patient, weight};

on_both_databases! {
    /// <https://hl7.org/fhir/R4/http.html#read>: the ETag is the weak version, Last-Modified the time of the change.
    fn a_resource_is_read_with_its_version_and_time(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Read"));
        let answer = client.get(&format!("Patient/{id}")).expect(200);
        assert_eq!(answer.header("etag"), Some("W/\"1\""));
        assert!(answer.header("last-modified").is_some_and(|time| time.ends_with(" GMT")));
        assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("application/fhir+json")));
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()));
        let resource = answer.json();
        assert_eq!(resource["meta"]["versionId"], "1");
        assert_eq!(resource["name"][0]["family"], "Read");
    }

    /// <https://hl7.org/fhir/R4/datatypes.html#decimal>: "The precision of the decimal value has significance".
    fn a_decimal_comes_back_as_it_was_written(world) {
        let client = world.client("user/*.cruds");
        for written in ["71.50", "0.0", "1.50e3", "0.37762564763498496", "-0.10"] {
            let id = client.create(&weight("p", "2024-01-01", written));
            let body = client.get(&format!("Observation/{id}")).expect(200).body;
            let body = String::from_utf8(body).expect("UTF-8");
            let shown: serde_json::Number = serde_json::from_str(written).expect("a number");
            assert!(body.contains(&format!("\"value\":{shown},")), "{written}: {body}");
        }
    }

    /// <https://hl7.org/fhir/R4/http.html#cread>
    fn a_conditional_read_answers_304_while_nothing_changed(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Conditional"));
        let path = format!("Patient/{id}");
        let time = client.get(&path).expect(200).header("last-modified").expect("a time").to_owned();
        let answer = client.send("GET", &path, &[("if-none-match", "W/\"1\"")], None).expect(304);
        assert!(answer.body.is_empty());
        client.send("GET", &path, &[("if-modified-since", &time)], None).expect(304);
        client.send("GET", &path, &[("if-none-match", "W/\"2\"")], None).expect(200);
        client.send("GET", &path, &[("if-modified-since", "Sat, 01 Jan 2000 00:00:00 GMT")], None).expect(200);
    }

    /// <https://hl7.org/fhir/R4/http.html#vread>
    fn each_version_stays_readable_and_a_deleted_one_is_gone(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("First"));
        let mut second = patient("Second");
        second["id"] = id.clone().into();
        client.put(&format!("Patient/{id}"), &second).expect(200);
        client.delete(&format!("Patient/{id}"));
        let family = |version: u32| {
            client.get(&format!("Patient/{id}/_history/{version}")).expect(200).json()["name"][0]["family"].clone()
        };
        assert_eq!(family(1), "First");
        assert_eq!(family(2), "Second");
        client.get(&format!("Patient/{id}/_history/3")).expect(410).issues();
        client.get(&format!("Patient/{id}/_history/4")).expect(404).issues();
        client.get(&format!("Patient/{id}/_history/x")).expect(404).issues();
        client.get(&format!("Patient/{id}")).expect(410).issues();
    }

    /// RFC 9110, 9.3.2: HEAD is GET without the content.
    fn head_has_the_headers_and_no_body(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Head"));
        let answer = client.send("HEAD", &format!("Patient/{id}"), &[], None).expect(200);
        assert_eq!(answer.header("etag"), Some("W/\"1\""));
        assert!(answer.body.is_empty());
    }

    /// <https://hl7.org/fhir/R4/search.html#summary>: what is left out is said by the tag SUBSETTED.
    fn a_summary_or_some_elements_are_tagged_subsetted(world) {
        let client = world.client("user/*.cruds");
        let mut resource = patient("Summary");
        resource["maritalStatus"] = serde_json::json!({ "text": "married" });
        let id = client.create(&resource);
        for query in ["_summary=true", "_elements=name"] {
            let resource = client.get(&format!("Patient/{id}?{query}")).expect(200).json();
            assert_eq!(resource["name"][0]["family"], "Summary", "{query}");
            assert!(resource.get("maritalStatus").is_none(), "{query}");
            assert_eq!(resource["meta"]["tag"][0]["code"], "SUBSETTED", "{query}");
        }
    }
}
