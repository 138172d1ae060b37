//! What the emitters write, as snapshots: some types of R4, and a small definition that has each shape.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vesta_codegen::digest::{CORE, Package, Specification};
use vesta_codegen::emit::{codes, models};

use crate::common::SPECIFICATION as R4;

/// From the line that starts an item to the brace that ends it.
fn item<'a>(text: &'a str, start: &str) -> &'a str {
    let from = text.find(start).unwrap_or_else(|| panic!("no {start}"));
    let length = text[from..].find("\n}\n").expect("an end");
    &text[from..from + length + 3]
}

#[test]
fn quantity() {
    insta::assert_snapshot!(models::emit_type(&R4, "Quantity").unwrap().text);
}

#[test]
fn patient_contact() {
    let text = models::emit_type(&R4, "Patient").unwrap().text;
    insta::assert_snapshot!(item(&text, "pub struct PatientContact {"));
}

#[test]
fn the_value_of_an_observation() {
    let text = models::emit_type(&R4, "Observation").unwrap().text;
    let parts = ["pub enum ObservationValue {", "impl Choice for ObservationValue {"].map(|start| item(&text, start));
    insta::assert_snapshot!(parts.join("\n"));
}

#[test]
fn a_code_enum() {
    let files = codes::emit(&R4).unwrap();
    let file = files.iter().find(|file| file.path.ends_with("codes/quantity_comparator.rs")).unwrap();
    insta::assert_snapshot!(file.text);
}

/// <https://hl7.org/fhir/R4/valueset-mimetypes.html> has codes that no package lists.
#[test]
fn a_code_of_an_open_value_set_is_text() {
    let enums = codes::enums(&R4);
    assert!(!enums.contains_key("http://hl7.org/fhir/ValueSet/mimetypes"));
    assert_eq!(enums["http://hl7.org/fhir/ValueSet/claim-use"].name, "ClaimUse", "its own name, Use, says too little");
    let text = models::emit_type(&R4, "Attachment").unwrap().text;
    assert!(text.contains("pub content_type: Primitive<String>"), "{text}");
}

fn element(id: &str, cardinality: &str, more: Value) -> Value {
    let (min, max) = cardinality.split_once("..").unwrap();
    let mut element = json!({"id": id, "min": min.parse::<u32>().unwrap(), "max": max});
    for (name, value) in more.as_object().unwrap() {
        element[name] = value.clone();
    }
    element
}

fn types(names: &[&str]) -> Value {
    json!({ "types": names.iter().map(|name| json!({"code": name})).collect::<Vec<_>>() })
}

fn identifier() -> Value {
    json!({"types": [{"code": "http://hl7.org/fhirpath/System.String", "fhirType": "string"}]})
}

fn structure(name: &str, kind: &str, elements: Vec<Value>) -> (String, String) {
    let definition = json!({
        "url": format!("http://hl7.org/fhir/StructureDefinition/{name}"), "name": name, "kind": kind, "type": name,
        "derivation": "specialization", "elements": elements,
    });
    (format!("StructureDefinition/{name}.json"), definition.to_string())
}

fn specification(structures: impl IntoIterator<Item = (String, String)>) -> Specification {
    let mut files: BTreeMap<String, String> = structures.into_iter().collect();
    let codes = json!([
        {"code": "half-hitch"}, {"code": "8", "display": "Figure of eight"}, {"code": "self"}, {"code": "1.1"},
    ]);
    let url = "http://hl7.org/fhir/knot";
    let system = json!({"url": url, "name": "Knot", "content": "complete", "concepts": codes});
    let set_url = "http://hl7.org/fhir/ValueSet/knot-kind";
    let set = json!({"url": set_url, "name": "KnotKind", "include": [{ "system": url }]});
    files.insert("CodeSystem/knot.json".into(), system.to_string());
    files.insert("ValueSet/knot-kind.json".into(), set.to_string());
    Specification { packages: vec![Package::parse(CORE, "4.0.1", &files).unwrap()], ..Specification::default() }
}

/// Nested elements, a choice, shared content, codes, repeating primitives, and a type that contains itself.
fn rope() -> Specification {
    let kind = json!({
        "types": [{"code": "code"}],
        "binding": {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/knot-kind|4.0.1"},
    });
    let rope = json!([{"profile": "http://hl7.org/fhir/StructureDefinition/Rope"}]);
    let link = json!({"types": [{"code": "Link", "targetProfile": rope}]});
    let rope = vec![
        element("Rope", "0..*", json!({})),
        element("Rope.id", "0..1", identifier()),
        element("Rope.contained", "0..*", types(&["Resource"])),
        element("Rope.label", "0..*", types(&["string"])),
        element("Rope.type", "1..1", kind),
        element("Rope.made[x]", "0..1", types(&["dateTime", "Link", "boolean"])),
        element("Rope.strand", "1..*", types(&["BackboneElement"])),
        element("Rope.strand.id", "0..1", identifier()),
        element("Rope.strand.load", "0..1", types(&["decimal"])),
        element("Rope.strand.strand", "0..*", json!({"contentReference": "#Rope.strand"})),
        element("Rope.tiedTo", "0..1", link),
    ];
    let link = vec![
        element("Link", "0..*", json!({})),
        element("Link.id", "0..1", identifier()),
        element("Link.next", "0..1", types(&["Link"])),
    ];
    specification([structure("Rope", "resource", rope), structure("Link", "complex-type", link)])
}

#[test]
fn every_shape() {
    let files = models::emit(&rope()).unwrap();
    let text = |name: &str| files.iter().find(|file| file.path.ends_with(name)).unwrap().text.clone();
    insta::assert_snapshot!([text("models/rope.rs"), text("models/link.rs")].join("\n"));
    let codes = codes::emit(&rope()).unwrap();
    insta::assert_snapshot!("every_shape_of_code", item(&codes[0].text, "pub enum KnotKind {"));
}

#[test]
fn what_cannot_be_modelled_is_named() {
    let refused = |more: Value, cardinality: &str, id: &str| {
        let elements = vec![element("Rope", "0..*", json!({})), element(id, cardinality, more)];
        models::emit(&specification([structure("Rope", "resource", elements)])).unwrap_err().to_string()
    };
    insta::assert_snapshot!(
        [
            refused(types(&["Strand"]), "0..1", "Rope.strand"),
            refused(types(&["string", "boolean"]), "0..1", "Rope.strand"),
            refused(types(&["string"]), "0..*", "Rope.strand[x]"),
        ]
        .join("\n"),
        @r#"
    Rope.strand has the type "Strand", which R4 does not define
    Rope.strand has 2 types, and is no choice
    Rope.strand[x] is a choice that repeats: R4 has none
    "#
    );
}
