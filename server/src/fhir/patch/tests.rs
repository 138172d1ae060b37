//! The two patch languages: cases with what they give, and that no patch makes the server fall.

use proptest::prelude::*;
use serde_json::json;
use vesta_fhir::SCHEMA;

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn patient() -> Value {
    json!({
        "resourceType": "Patient", "id": "p", "active": true,
        "identifier": [{ "system": "a", "value": "1" }, { "system": "b", "value": "2" }],
        "name": [{ "family": "Ortega", "given": ["Amelia", "Rosa"], "_given": [null, { "id": "g" }] }],
        "birthDate": "1980-01-02", "_birthDate": { "extension": [{ "url": "http://example.org/x", "valueString": "x" }] },
        "contact": [{ "name": { "text": "mother" } }]
    })
}

fn json_patch(resource: &Value, patch: Value) -> Result<Value, Error> {
    let patch = Patch::parse(PatchFormat::Json, &SCHEMA, patch.to_string().as_bytes())?;
    patch.apply(&SCHEMA, resource, NOW)
}

fn fhirpath_patch(resource: &Value, operations: Value) -> Result<Value, Error> {
    let parts = |operation: &Value| {
        let parts = operation.as_object().unwrap().iter().map(|(name, value)| match name.as_str() {
            // `value` is given as the part has it: `{"valueX": …}` or `{"part": […]}`.
            "value" => {
                let mut part = json!({ "name": "value" });
                part.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
                part
            }
            "index" | "source" | "destination" => json!({ "name": name, "valueInteger": value }),
            "type" => json!({ "name": name, "valueCode": value }),
            _ => json!({ "name": name, "valueString": value }),
        });
        json!({ "name": "operation", "part": parts.collect::<Vec<_>>() })
    };
    let parameter: Vec<Value> = operations.as_array().unwrap().iter().map(parts).collect();
    let patch = json!({ "resourceType": "Parameters", "parameter": parameter });
    let patch = Patch::parse(PatchFormat::FhirPath, &SCHEMA, patch.to_string().as_bytes())?;
    patch.apply(&SCHEMA, resource, NOW)
}

/// RFC 6902, section 4 and appendix A, on a Patient.
#[test]
fn json_patch_does_what_the_rfc_says() {
    let good = [
        (json!([{ "op": "add", "path": "/gender", "value": "female" }]), "/gender", json!("female")),
        (
            json!([{ "op": "add", "path": "/name/0/given/1", "value": "Ana" }]),
            "/name/0/given",
            json!(["Amelia", "Ana", "Rosa"]),
        ),
        (json!([{ "op": "add", "path": "/name/0/given/-", "value": "Ana" }]), "/name/0/given/2", json!("Ana")),
        (json!([{ "op": "remove", "path": "/identifier/0" }]), "/identifier", json!([{ "system": "b", "value": "2" }])),
        (json!([{ "op": "replace", "path": "/active", "value": false }]), "/active", json!(false)),
        (
            json!([{ "op": "move", "from": "/identifier/1", "path": "/identifier/0" }]),
            "/identifier/0/value",
            json!("2"),
        ),
        (
            json!([{ "op": "copy", "from": "/name/0/family", "path": "/contact/0/name/family" }]),
            "/contact/0/name/family",
            json!("Ortega"),
        ),
        (
            json!([{ "op": "test", "path": "/name/0", "value": { "given": ["Amelia", "Rosa"], "_given": [null, { "id": "g" }], "family": "Ortega" } }]),
            "/active",
            json!(true),
        ),
    ];
    for (patch, pointer, expected) in good {
        let patched = json_patch(&patient(), patch.clone()).unwrap_or_else(|error| panic!("{patch}: {error}"));
        assert_eq!(patched.pointer(pointer), Some(&expected), "{patch}");
    }
    // The order of what stays is kept.
    let removed = json_patch(&patient(), json!([{ "op": "remove", "path": "/active" }])).unwrap();
    assert_eq!(removed.as_object().unwrap().keys().nth(2).map(String::as_str), Some("identifier"));
}

#[test]
fn decimals_keep_their_digits_and_are_compared_by_value() {
    let observation: Value =
        vesta_runtime::json::parse(br#"{"resourceType":"Observation","id":"o","valueQuantity":{"value":1.50}}"#)
            .unwrap();
    let patch = br#"[{"op":"test","path":"/valueQuantity/value","value":1.5},
        {"op":"add","path":"/component","value":[{"valueQuantity":{"value":2.500}}]}]"#;
    let patch = Patch::parse(PatchFormat::Json, &SCHEMA, patch).unwrap();
    let patched = patch.apply(&SCHEMA, &observation, NOW).unwrap().to_string();
    assert!(patched.contains("1.50") && patched.contains("2.500"), "{patched}");
}

#[test]
fn what_cannot_be_applied_is_told_apart_from_what_is_no_patch() {
    let mut told = Vec::new();
    for patch in [
        json!([{ "op": "test", "path": "/active", "value": false }]),
        json!([{ "op": "test", "path": "/nothing", "value": false }]),
        json!([{ "op": "remove", "path": "/gender" }]),
        json!([{ "op": "replace", "path": "/identifier/2", "value": {} }]),
        json!([{ "op": "replace", "path": "/identifier/01", "value": {} }]),
        json!([{ "op": "add", "path": "/identifier/3", "value": {} }]),
        json!([{ "op": "add", "path": "/active/x", "value": 1 }]),
        json!([{ "op": "add", "path": "", "value": {} }]),
        json!([{ "op": "move", "from": "/name", "path": "/name/0/period" }]),
        json!([{ "op": "replace", "path": "/id", "value": "other" }]),
        json!({ "op": "remove", "path": "/active" }),
        json!([{ "op": "delete", "path": "/active" }]),
        json!([{ "op": "add", "path": "/active" }]),
        json!([{ "op": "add", "path": "active", "value": 1 }]),
        json!([{ "op": "add", "path": "/a~2", "value": 1 }]),
        json!([{ "op": "copy", "path": "/active" }]),
        json!(["remove"]),
    ] {
        let error = json_patch(&patient(), patch.clone()).unwrap_err();
        told.push(format!("{} {error} {patch}", error.kind.status()));
    }
    insta::assert_snapshot!(told.join("\n"));
}

/// <https://hl7.org/fhir/R4/fhirpatch.html>
#[test]
fn fhirpath_patch_does_what_the_standard_says() {
    let good = [
        (
            json!([{ "type": "add", "path": "Patient", "name": "gender", "value": { "valueCode": "female" } }]),
            "/gender",
            json!("female"),
        ),
        (
            json!([{ "type": "add", "path": "Patient", "name": "identifier", "value": { "valueIdentifier": { "value": "3" } } }]),
            "/identifier/2",
            json!({ "value": "3" }),
        ),
        (
            json!([{ "type": "add", "path": "Patient.contact[0]", "name": "gender", "value": { "valueCode": "female" } }]),
            "/contact/0/gender",
            json!("female"),
        ),
        // An anonymous type, by its parts.
        (
            json!([{ "type": "add", "path": "Patient", "name": "contact", "value": { "part": [
                { "name": "name", "valueHumanName": { "text": "father" } },
                { "name": "telecom", "valueContactPoint": { "value": "1" } },
                { "name": "telecom", "valueContactPoint": { "value": "2" } } ] } }]),
            "/contact/1",
            json!({ "name": { "text": "father" }, "telecom": [{ "value": "1" }, { "value": "2" }] }),
        ),
        (
            json!([{ "type": "insert", "path": "Patient.identifier", "index": 1, "value": { "valueIdentifier": { "value": "x" } } }]),
            "/identifier/1",
            json!({ "value": "x" }),
        ),
        (
            json!([{ "type": "insert", "path": "Patient.address", "index": 0, "value": { "valueAddress": { "city": "x" } } }]),
            "/address",
            json!([{ "city": "x" }]),
        ),
        (
            json!([{ "type": "delete", "path": "Patient.identifier.where(system = 'a')" }]),
            "/identifier",
            json!([{ "system": "b", "value": "2" }]),
        ),
        (
            json!([{ "type": "delete", "path": "Patient.identifier[0].value" }]),
            "/identifier/0",
            json!({ "system": "a" }),
        ),
        (json!([{ "type": "delete", "path": "Patient.photo" }]), "/active", json!(true)),
        (
            json!([{ "type": "replace", "path": "Patient.birthDate", "value": { "valueDate": "1999-09-09" } }]),
            "/birthDate",
            json!("1999-09-09"),
        ),
        (
            json!([{ "type": "replace", "path": "Patient.name.given[0]", "value": { "valueString": "Ana" } }]),
            "/name/0/given",
            json!(["Ana", "Rosa"]),
        ),
        (
            json!([{ "type": "move", "path": "Patient.name.given", "source": 0, "destination": 1 }]),
            "/name/0",
            json!({ "family": "Ortega", "given": ["Rosa", "Amelia"], "_given": [{ "id": "g" }, null] }),
        ),
        // Each operation sees what those before it did.
        (
            json!([
                { "type": "delete", "path": "Patient.identifier[0]" },
                { "type": "delete", "path": "Patient.identifier[0]" },
                { "type": "add", "path": "Patient", "name": "deceased", "value": { "valueBoolean": true } },
                { "type": "replace", "path": "Patient.deceased", "value": { "valueDateTime": "2020" } }
            ]),
            "/deceasedDateTime",
            json!("2020"),
        ),
    ];
    for (patch, pointer, expected) in good {
        let patched = fhirpath_patch(&patient(), patch.clone()).unwrap_or_else(|error| panic!("{patch}: {error}"));
        assert_eq!(patched.pointer(pointer), Some(&expected), "{patch}: {patched}");
        if pointer == "/birthDate" {
            assert_eq!(patched.get("_birthDate"), None, "the extensions belong to the value that went");
        }
        if pointer == "/deceasedDateTime" {
            assert_eq!((patched.get("identifier"), patched.get("deceasedBoolean")), (None, None));
        }
    }
}

#[test]
fn what_fhirpath_patch_refuses() {
    let mut told = Vec::new();
    for patch in [
        json!([{ "type": "delete", "path": "Patient.identifier" }]),
        json!([{ "type": "replace", "path": "Patient.photo", "value": { "valueString": "x" } }]),
        json!([{ "type": "replace", "path": "Patient.active.not()", "value": { "valueBoolean": false } }]),
        json!([{ "type": "replace", "path": "Patient", "value": { "valueBoolean": false } }]),
        json!([{ "type": "add", "path": "Patient", "name": "active", "value": { "valueBoolean": false } }]),
        json!([{ "type": "add", "path": "Patient", "name": "nmae", "value": { "valueBoolean": false } }]),
        json!([{ "type": "add", "path": "Patient", "name": "deceased", "value": { "valueString": "x" } }]),
        json!([{ "type": "insert", "path": "Patient.identifier", "index": 3, "value": { "valueIdentifier": {} } }]),
        json!([{ "type": "insert", "path": "Patient.active", "index": 0, "value": { "valueBoolean": true } }]),
        json!([{ "type": "move", "path": "Patient.identifier", "source": 0, "destination": 2 }]),
        json!([{ "type": "add", "path": "Patient.name.given", "name": "x", "value": { "valueString": "x" } }]),
        json!([{ "type": "delete", "path": "Patient.(" }]),
        json!([{ "type": "drop", "path": "Patient.active" }]),
        json!([{ "type": "replace", "path": "Patient.active" }]),
        json!([{ "path": "Patient.active" }]),
        json!([{ "type": "delete", "path": "Patient.id" }]),
    ] {
        let error = fhirpath_patch(&patient(), patch.clone()).unwrap_err();
        told.push(format!("{} {error} {patch}", error.kind.status()));
    }
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_generated_narrative_does_not_outlive_what_it_tells() {
    let mut resource = patient();
    resource["text"] = json!({ "status": "generated", "div": "<div>active</div>" });
    let change = json!([{ "op": "replace", "path": "/active", "value": false }]);
    assert_eq!(json_patch(&resource, change.clone()).unwrap().get("text"), None);
    let label = json!([{ "op": "add", "path": "/meta", "value": { "tag": [{ "code": "x" }] } }]);
    assert!(json_patch(&resource, label).unwrap().get("text").is_some());
    let both = json!([{ "op": "replace", "path": "/active", "value": false },
        { "op": "replace", "path": "/text/div", "value": "<div>not active</div>" }]);
    assert_eq!(json_patch(&resource, both).unwrap()["text"]["div"], "<div>not active</div>");
    resource["text"]["status"] = json!("additional");
    assert!(json_patch(&resource, change).unwrap().get("text").is_some());
}

/// Copies of copies would double the resource each time.
#[test]
fn a_patch_cannot_grow_without_end() {
    let copy = json!({ "op": "copy", "from": "/contact", "path": "/contact/-" });
    let error = json_patch(&patient(), Value::Array(vec![copy; 60])).unwrap_err();
    assert_eq!(error.kind, Kind::Unprocessable, "{error}");
    let many = Value::Array(vec![json!({ "op": "test", "path": "/active", "value": true }); MOST_OPERATIONS + 1]);
    assert_eq!(json_patch(&patient(), many).unwrap_err().kind, Kind::TooLarge);
}

/// Nor nest without end: what walks a resource has a stack that ends.
#[test]
fn a_patch_nests_no_deeper_than_a_body_may_be() {
    let levels = 60;
    let wrapping = format!("{}{{}}{}", "{\"y\":".repeat(levels), "}".repeat(levels));
    let wrapping: Value = serde_json::from_str(&wrapping).unwrap();
    let inside = format!("{}/x", "/y".repeat(levels + 1));
    let mut operations = vec![json!({ "op": "add", "path": "/x", "value": {} })];
    for _ in 0..1_000 {
        operations.push(json!({ "op": "add", "path": "/y", "value": wrapping }));
        operations.push(json!({ "op": "move", "from": "/x", "path": inside }));
        operations.push(json!({ "op": "move", "from": "/y", "path": "/x" }));
    }
    let moved = json_patch(&patient(), Value::Array(operations)).unwrap_err();
    let into_itself = json!({ "op": "copy", "from": "/contact", "path": "/contact/0/x" });
    let copied = json_patch(&patient(), Value::Array(vec![into_itself; 200])).unwrap_err();
    let deeper = json!({ "type": "add", "path": "Patient.repeat(extension).where(extension.empty())", "name": "extension",
        "value": { "part": [{ "name": "url", "valueUri": "http://example.org/x" }] } });
    let first = json!({ "type": "add", "path": "Patient", "name": "extension",
        "value": { "part": [{ "name": "url", "valueUri": "http://example.org/x" }] } });
    let added = fhirpath_patch(&patient(), Value::Array([vec![first], vec![deeper; 500]].concat())).unwrap_err();
    for error in [moved, copied, added] {
        assert_eq!(error.kind, Kind::Unprocessable, "{error}");
        assert!(error.to_string().contains("more than 100 deep"), "{error}");
    }
    // As deep as a body may be: two levels of the patch's own stand around the value, one of the resource.
    let value: Value = serde_json::from_str(&format!("{}1{}", "[".repeat(98), "]".repeat(98))).unwrap();
    let least = json!([{ "op": "add", "path": "/x", "value": value }, { "op": "add", "path": "/y", "value": [] },
        { "op": "move", "from": "/x", "path": "/y/0" }]);
    let patched = json_patch(&patient(), least).unwrap();
    assert!(parse_json(patched.to_string().as_bytes()).is_ok());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z/~0-9.]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec(("(op|path|from|value|name|part|valueString|[a-z]{1,4})", inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_makes_a_patch_fall(value in any_json(), text in ".{0,40}") {
        for format in [PatchFormat::Json, PatchFormat::FhirPath] {
            let _ = Patch::parse(format, &SCHEMA, text.as_bytes());
            if let Ok(patch) = Patch::parse(format, &SCHEMA, value.to_string().as_bytes()) {
                let _ = patch.apply(&SCHEMA, &patient(), NOW);
            }
        }
    }

    #[test]
    fn no_operation_makes_a_json_patch_fall(
        operations in prop::collection::vec(
            ("(add|remove|replace|move|copy|test)",
             "(/(name|identifier|given|contact|active|0|1|-|family|~0|x)){0,4}",
             "(/(name|identifier|given|contact|active|0|1|-|family)){0,4}", any_json()), 0..6)
    ) {
        let patch: Vec<Value> = operations.into_iter()
            .map(|(op, path, from, value)| json!({ "op": op, "path": path, "from": from, "value": value })).collect();
        if let Ok(patched) = json_patch(&patient(), Value::Array(patch)) {
            prop_assert_eq!(&patched["id"], "p");
        }
    }

    #[test]
    fn no_operation_makes_a_fhirpath_patch_fall(
        operations in prop::collection::vec(
            ("(add|insert|delete|replace|move)",
             "Patient(\\.(name|identifier|given|contact|active|family|birthDate|where\\(true\\)|first\\(\\)|extension)){0,3}",
             "(name|identifier|deceased|active|x)", 0..3_i32, 0..3_i32, "(valueString|valueBoolean|valueIdentifier)"), 0..4)
    ) {
        let operations: Vec<Value> = operations.into_iter().map(|(kind, path, name, index, other, property)| {
            let value = match property.as_str() {
                "valueString" => json!("x"),
                "valueBoolean" => json!(true),
                _ => json!({ "value": "x" }),
            };
            json!({ "type": kind, "path": path, "name": name, "index": index, "source": index,
                "destination": other, "value": { property: value } })
        }).collect();
        if let Ok(patched) = fhirpath_patch(&patient(), Value::Array(operations)) {
            prop_assert_eq!(&patched["id"], "p");
        }
    }
}
