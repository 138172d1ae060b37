//! Binary, raw in and out: <https://hl7.org/fhir/R4/binary.html#rest>

use serde_json::json;

on_both_databases! {
    fn content_goes_in_and_comes_out_in_its_own_type(world) {
        let client = world.client("user/*.cruds");
        let content = b"%PDF-1.7 \x00\xff not text";
        let created = client.send("POST", "Binary", &[("content-type", "application/pdf")], Some(content)).expect(201);
        let location = created.header("location").expect("a location").to_owned();
        let path = location.split("/_history").next().expect("a path").to_owned();
        let raw = client.send("GET", &path, &[("accept", "application/pdf")], None).expect(200);
        assert_eq!(raw.body, content);
        assert_eq!(raw.header("content-type"), Some("application/pdf"));
        // The same as a resource, where a FHIR type is asked for.
        let resource = client.send("GET", &path, &[("accept", "application/fhir+json")], None).expect(200).json();
        assert_eq!(resource["contentType"], "application/pdf");
        assert!(resource["data"].is_string());
    }

    fn a_binary_resource_is_served_raw_too(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&json!({ "resourceType": "Binary", "contentType": "text/plain", "data": "aGVsbG8=" }));
        let raw = client.send("GET", &format!("Binary/{id}"), &[("accept", "*/*")], None).expect(200);
        assert_eq!(raw.body, b"hello");
    }
}
