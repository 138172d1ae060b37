//! The parts of a Bundle's life that need no store.

use serde_json::{Value, json};
use vesta_fhir::SCHEMA;

use super::entry::{BundleType, Method, Target, parse, target};
use super::links::Targets;
use super::{conditional_references, entry};
use crate::fhir::outcome::Kind;

const BASE: &str = "https://example.org/apis/default/fhir";

#[test]
fn request_urls_are_relative_to_the_base() {
    let ok = |url: &str| target(&SCHEMA, BASE, url).unwrap();
    let text = str::to_owned;
    assert_eq!(ok("Patient"), Target::Type(text("Patient"), vec![]));
    assert_eq!(ok("/Patient/1"), Target::Instance(text("Patient"), text("1"), vec![]));
    assert_eq!(ok(&format!("{BASE}/Patient/1")), Target::Instance(text("Patient"), text("1"), vec![]));
    assert_eq!(ok("Patient/1/_history/2"), Target::Version(text("Patient"), text("1"), text("2"), vec![]));
    assert_eq!(
        ok("Patient?identifier=http%3A%2F%2Fa%7Cb&_count=1"),
        Target::Type(text("Patient"), vec![(text("identifier"), text("http://a|b")), (text("_count"), text("1"))])
    );
    let everything = |id: Option<&str>, parameters| Target::Operation {
        resource_type: Some(text("Patient")),
        id: id.map(text),
        version: None,
        name: text("everything"),
        parameters,
    };
    assert_eq!(ok("Patient/$everything"), everything(None, vec![]));
    assert_eq!(ok("Patient/1/$everything?_count=1"), everything(Some("1"), vec![(text("_count"), text("1"))]));
    let meta = Target::Operation {
        resource_type: Some(text("Patient")),
        id: Some(text("1")),
        version: Some(text("2")),
        name: text("meta"),
        parameters: vec![],
    };
    assert_eq!(ok("Patient/1/_history/2/$meta"), meta);
    assert_eq!(ok("Patient/_search?name=a"), Target::Search(Some(text("Patient")), vec![(text("name"), text("a"))]));
    assert_eq!(ok("metadata"), Target::Metadata(vec![]));
    assert_eq!(ok("_history?_count=1"), Target::SystemHistory(vec![(text("_count"), text("1"))]));
    assert_eq!(ok("Patient/1/_history"), Target::InstanceHistory(text("Patient"), text("1"), vec![]));
    assert_eq!(ok(""), Target::System(vec![]));
    let compartment = |member| Target::Compartment(text("Patient"), text("1"), text(member), vec![]);
    assert_eq!(ok("Patient/1/Observation"), compartment("Observation"));
    assert_eq!(ok("Patient/1/*"), compartment("*"));
    // The answer stands in the Bundle, and has its format.
    assert_eq!(ok("Patient/1?_format=json&_pretty=true"), Target::Instance(text("Patient"), text("1"), vec![]));
    assert!(target(&SCHEMA, BASE, "Patient/1?_format=xml").is_err());
    for wrong in ["https://elsewhere.org/fhir/Patient", "Foo", "Foo/1", "Patient/1/2/3", &format!("{BASE}x/Patient")] {
        assert!(target(&SCHEMA, BASE, wrong).is_err(), "{wrong}");
    }
}

#[test]
fn each_entry_that_is_wrong_names_its_place() {
    let bundle = json!({
        "resourceType": "Bundle", "type": "batch", "entry": [
            { "request": { "method": "GET", "url": "Patient/1" } },
            {},
            { "request": { "method": "FETCH", "url": "Patient/1" } },
            { "request": { "method": "PUT", "url": "Patient/1" } },
            { "request": { "method": "PATCH", "url": "Patient/1" } },
            { "request": { "method": "POST", "url": "Foo" }, "resource": {} },
            { "request": { "method": "DELETE", "url": "Patient" } },
            { "request": { "method": "PUT", "url": "Patient/$match" }, "resource": {} },
            "text",
            { "request": { "method": "POST", "url": "Patient/_search?name=a" }, "resource": {} },
            { "request": { "method": "GET", "url": "Patient/_search?name=a" } },
            { "request": { "method": "GET", "url": "Patient", "ifmatch": "W/\"1\"" } },
            { "request": { "method": "GET", "url": "Patient" }, "resourse": {} },
            { "request": { "method": "GET", "url": "Patient" }, "modifierExtension": [{ "url": "http://e" }] },
            { "request": { "method": "PUT", "url": "Patient/1", "ifNoneExist": "identifier=1" }, "resource": {} },
            { "request": { "method": "POST", "url": "Patient", "ifMatch": "W/\"1\"" }, "resource": {} },
            { "request": { "method": "POST", "url": "Patient", "ifNoneMatch": "*" }, "resource": {} },
            { "request": { "method": "DELETE", "url": "Patient/1", "ifModifiedSince": "2026-01-01T00:00:00Z" } }
        ]
    });
    let (bundle_type, entries) = parse(&SCHEMA, BASE, bundle).unwrap();
    assert_eq!(bundle_type, BundleType::Batch);
    assert_eq!(entries[0].as_ref().unwrap().method, Method::Get);
    let found: Vec<_> = entries[1..]
        .iter()
        .map(|entry| {
            let error = entry.as_ref().unwrap_err();
            (error.kind, error.issues[0].expression[0].as_str())
        })
        .collect();
    assert_eq!(
        found,
        [
            (Kind::Invalid, "Bundle.entry[1].request"),
            (Kind::Invalid, "Bundle.entry[2].request.method"),
            (Kind::Invalid, "Bundle.entry[3].resource"),
            (Kind::Invalid, "Bundle.entry[4].resource"),
            (Kind::NotFound, "Bundle.entry[5].request.url"),
            (Kind::Invalid, "Bundle.entry[6].request.url"),
            (Kind::Invalid, "Bundle.entry[7].request.url"),
            (Kind::Invalid, "Bundle.entry[8]"),
            (Kind::Invalid, "Bundle.entry[9].resource"),
            (Kind::Invalid, "Bundle.entry[10].request.url"),
            (Kind::Invalid, "Bundle.entry[11].request.ifmatch"),
            (Kind::Invalid, "Bundle.entry[12].resourse"),
            (Kind::NotSupported, "Bundle.entry[13].modifierExtension"),
            (Kind::Invalid, "Bundle.entry[14].request.ifNoneExist"),
            (Kind::Invalid, "Bundle.entry[15].request.ifMatch"),
            (Kind::Invalid, "Bundle.entry[16].request.ifNoneMatch"),
            (Kind::Invalid, "Bundle.entry[17].request.ifModifiedSince"),
        ]
    );
}

#[test]
fn only_batches_and_transactions_are_processed() {
    for (bundle, place) in [
        (json!({ "resourceType": "Patient" }), None),
        (json!([]), None),
        (json!({ "resourceType": "Bundle", "type": "collection" }), Some("Bundle.type")),
        (json!({ "resourceType": "Bundle", "type": "history", "entry": {} }), Some("Bundle.entry")),
        (json!({ "resourceType": "Bundle" }), Some("Bundle.type")),
        (json!({ "resourceType": "Bundle", "type": "batch", "entry": {} }), Some("Bundle.entry")),
        (json!({ "resourceType": "Bundle", "type": "batch", "entries": [] }), Some("Bundle.entries")),
    ] {
        let error = parse(&SCHEMA, BASE, bundle).unwrap_err();
        assert_eq!(error.kind, Kind::Invalid);
        assert_eq!(error.issues[0].expression.first().map(String::as_str), place);
    }
    assert_eq!(entry::place(3), "Bundle.entry[3]");
}

fn targets() -> Targets {
    let mut targets = Targets::default();
    targets.insert("urn:uuid:a", "Patient/1".to_owned());
    targets.insert("urn:uuid:b", "Binary/2".to_owned());
    targets.insert("https://source.org/fhir/Encounter/9", "Encounter/3".to_owned());
    targets
}

/// References, uri, url, oid, uuid and the links of narratives are replaced; canonical, string and extension urls stay.
/// <https://hl7.org/fhir/R4/http.html#trules>
#[test]
fn all_matching_links_are_replaced() {
    let mut resource = json!({
        "resourceType": "DocumentReference",
        "text": { "status": "additional", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"urn:uuid:a\">urn:uuid:a</a><img src='urn:uuid:b' alt=\"urn:uuid:b\"/></div>" },
        "contained": [{ "resourceType": "Observation", "id": "o", "subject": { "reference": "urn:uuid:a" } }],
        "extension": [
            { "url": "urn:uuid:a", "valueUri": "urn:uuid:a" },
            { "url": "http://e", "valueCanonical": "urn:uuid:a" },
            { "url": "http://e", "valueString": "urn:uuid:a" },
            { "url": "http://e", "valueReference": { "reference": "urn:uuid:a#part" } }
        ],
        "_status": { "extension": [{ "url": "http://e", "valueReference": { "reference": "urn:uuid:a" } }] },
        "identifier": [{ "system": "urn:ietf:rfc:3986", "value": "urn:uuid:a" }],
        "subject": { "reference": "urn:uuid:a" },
        "content": [{ "attachment": { "url": "urn:uuid:b" } }],
        "context": { "encounter": [{ "reference": "Encounter/9" }, { "reference": "Encounter/8" }, { "reference": "#o" }] }
    });
    let dangling = targets().rewrite(&SCHEMA, &mut resource, Some("https://source.org/fhir/DocumentReference/5"));
    assert_eq!(dangling, Vec::<String>::new());
    assert_eq!(
        resource,
        json!({
            "resourceType": "DocumentReference",
            "text": { "status": "additional", "div": "<div xmlns=\"http://www.w3.org/1999/xhtml\"><a href=\"Patient/1\">urn:uuid:a</a><img src='Binary/2' alt=\"urn:uuid:b\"/></div>" },
            "contained": [{ "resourceType": "Observation", "id": "o", "subject": { "reference": "Patient/1" } }],
            "extension": [
                { "url": "urn:uuid:a", "valueUri": "Patient/1" },
                { "url": "http://e", "valueCanonical": "urn:uuid:a" },
                { "url": "http://e", "valueString": "urn:uuid:a" },
                { "url": "http://e", "valueReference": { "reference": "Patient/1#part" } }
            ],
            "_status": { "extension": [{ "url": "http://e", "valueReference": { "reference": "Patient/1" } }] },
            "identifier": [{ "system": "urn:ietf:rfc:3986", "value": "urn:uuid:a" }],
            "subject": { "reference": "Patient/1" },
            "content": [{ "attachment": { "url": "Binary/2" } }],
            "context": { "encounter": [{ "reference": "Encounter/3" }, { "reference": "Encounter/8" }, { "reference": "#o" }] }
        })
    );
}

/// "… and <a href="" & <img src="" in the narrative": with its fragment, in tags alone, however the text around goes on.
/// <https://hl7.org/fhir/R4/http.html#trules>
#[test]
fn links_of_the_narrative_are_found_in_its_tags() {
    for (text, expected) in [
        ("don't <a href=\"urn:uuid:a\">x</a>", "don't <a href=\"Patient/1\">x</a>"),
        ("\" <img alt='>' src = 'urn:uuid:b'/>", "\" <img alt='>' src = 'Binary/2'/>"),
        ("<a title=\"it's\" href=\"urn:uuid:a#part\">x</a>", "<a title=\"it's\" href=\"Patient/1#part\">x</a>"),
        ("<!-- don't <b> --><a href='urn:uuid:a'>x</a>", "<!-- don't <b> --><a href='Patient/1'>x</a>"),
        ("<a data-href=\"urn:uuid:a\">href=\"urn:uuid:a\"</a>", "<a data-href=\"urn:uuid:a\">href=\"urn:uuid:a\"</a>"),
        ("<a href=\"urn:uuid:a\"é", "<a href=\"Patient/1\"é"),
        ("<a href=\"urn:uuid:a", "<a href=\"urn:uuid:a"),
    ] {
        let mut resource = json!({ "resourceType": "Basic", "text": { "status": "generated", "div": text } });
        targets().rewrite(&SCHEMA, &mut resource, None);
        assert_eq!(resource["text"]["div"], expected);
    }
}

#[test]
fn a_relative_reference_is_of_the_base_of_its_own_entry() {
    let rewrite = |full_url: Option<&str>| {
        let mut resource = json!({ "resourceType": "Observation", "encounter": { "reference": "Encounter/9" } });
        targets().rewrite(&SCHEMA, &mut resource, full_url);
        resource["encounter"]["reference"].as_str().unwrap().to_owned()
    };
    assert_eq!(rewrite(Some("https://source.org/fhir/Observation/1")), "Encounter/3");
    assert_eq!(rewrite(Some("https://other.org/fhir/Observation/1")), "Encounter/9");
    assert_eq!(rewrite(Some("urn:uuid:x")), "Encounter/9");
    assert_eq!(rewrite(None), "Encounter/9");
}

/// "Version-specific references should remain as version-specific references after the references have been updated":
/// <https://hl7.org/fhir/R4/http.html#trules>
#[test]
fn a_reference_to_a_version_stays_one() {
    let mut targets = targets();
    targets.insert_new("https://source.org/fhir/Patient/n", "Patient/7".to_owned());
    targets.insert_new("urn:uuid:n", "Patient/8".to_owned());
    let rewrite = |reference: &str| {
        let mut resource = json!({ "resourceType": "Observation", "subject": { "reference": reference } });
        let dangling = targets.rewrite(&SCHEMA, &mut resource, Some("https://source.org/fhir/Observation/1"));
        (resource["subject"]["reference"].as_str().unwrap().to_owned(), dangling.len())
    };
    for (reference, expected, dangling) in [
        ("Patient/n/_history/4", "Patient/7/_history/1", 0),
        ("https://source.org/fhir/Patient/n/_history/4", "Patient/7/_history/1", 0),
        ("urn:uuid:n/_history/1", "Patient/8/_history/1", 0),
        // Which version an update makes is not known yet: its older ones may be meant.
        ("Encounter/9/_history/2", "Encounter/9/_history/2", 0),
        ("urn:uuid:a/_history/1", "urn:uuid:a/_history/1", 1),
    ] {
        assert_eq!(rewrite(reference), (expected.to_owned(), dangling), "{reference}");
    }
}

#[test]
fn references_that_no_entry_has_are_told() {
    let mut resource = json!({ "resourceType": "Observation", "subject": { "reference": "urn:uuid:zz" } });
    assert_eq!(targets().rewrite(&SCHEMA, &mut resource, None), ["urn:uuid:zz"]);
}

#[test]
fn conditional_references_are_found_and_replaced() {
    let mut resource = json!({
        "resourceType": "Observation",
        "subject": { "reference": "Patient?identifier=http://a|b" },
        "performer": [{ "reference": "Practitioner/1?" }, { "reference": "https://a/b?c=d" }, { "reference": "Practitioner?identifier=x" }]
    });
    let mut found = Vec::new();
    conditional_references::collect(&SCHEMA, &mut resource, &mut found);
    assert_eq!(found, ["Patient?identifier=http://a|b", "Practitioner?identifier=x"]);
    let literal = [(found[0].clone(), "Patient/1".to_owned())].into();
    conditional_references::replace(&SCHEMA, &mut resource, &literal);
    assert_eq!(resource["subject"]["reference"], Value::from("Patient/1"));
    assert_eq!(resource["performer"][2]["reference"], Value::from("Practitioner?identifier=x"));
}
