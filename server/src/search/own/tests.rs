//! What is taken and what is refused, and what it then finds.

use serde_json::{Value, json};
use vesta_fhir::SCHEMA;
use vesta_runtime::search::{IndexValue, values};

use super::read::read;
use super::*;
use crate::search::tests::generated_table;

fn posted(base: &[&str], kind: &str, expression: &str) -> Value {
    json!({
        "resourceType": "SearchParameter", "url": "http://example.org/SearchParameter/own", "name": "Own",
        "status": "active", "description": "One of our own.", "code": "own", "base": base, "type": kind,
        "expression": expression
    })
}

fn found(resource: &Value) -> Result<Vec<(&'static str, &'static SearchParameter)>, Faults> {
    let table = generated_table();
    let standing = |of: &str| table.entry(of).map(|entry| (entry.name, entry.parameters.clone()));
    read(&SCHEMA, &standing, resource)
}

fn refused(resource: &Value) -> String {
    found(resource).expect_err("refused").to_string()
}

/// What the one parameter finds in a resource.
fn values_in(parameter: &Value, resource: &Value) -> Vec<IndexValue> {
    let found = found(parameter).expect("taken");
    let (_, definition) = found.iter().find(|(of, _)| *of == resource["resourceType"]).expect("of this type");
    let table = generated_table();
    let (_, node) = table.root(resource).expect("a resource");
    values(definition, node)
}

/// "A FHIRPath expression that returns a set of elements for the search parameter":
/// <https://hl7.org/fhir/R4/searchparameter-definitions.html#SearchParameter.expression>. One that can never find
/// anything, or something else than its type compares, is refused with the part at fault and what would be right.
#[test]
fn an_expression_that_finds_nothing_or_something_else_is_refused() {
    for (base, kind, expression, says) in [
        ("Patient", "string", "Patient.name.", "This is no FHIRPath"),
        ("Patient", "string", "Patient.nickname", "`nickname` is no element of Patient; it has id, meta"),
        ("Patient", "string", "Patient.name.where(usage = 'official').family", "`usage` is no element of HumanName"),
        ("Patient", "string", "Practitioner.name", "No part of it concerns Patient"),
        (
            "Patient",
            "date",
            "Patient.name.family",
            "In Patient it selects string, and a date parameter is of date, dateTime",
        ),
        ("Patient", "string", "Patient.name.family.lower()", "it selects String, and a string parameter is of string"),
        ("Observation", "quantity", "Observation.valueQuantity", "FHIRPath has `value.ofType(Quantity)`"),
        (
            "Observation",
            "quantity",
            "Observation.value.ofType(Reference)",
            "selects nothing: what it narrows is Quantity",
        ),
        ("Observation", "string", "Observation.subject.resolve().name.family", "use a chained search"),
        ("Observation", "token", "Observation.subject.where(resolve() is HumanName).exists()", "is no resource type"),
        ("Observation", "token", "Observation.effective.ofType(dateTime) > now()", "asks the clock"),
        ("Observation", "token", "Observation.code.memberOf('http://example.org/vs')", "more than the resource itself"),
        ("Patient", "token", "Patient.descendants().ofType(Coding)", "name the elements"),
        ("Patient", "string", "Patient.name.nickname()", "calls nickname(), which is no function of FHIRPath"),
        ("Patient", "string", "Patient.name.skip()", "wrong number of arguments: 0"),
        ("Patient", "string", "Patient.name.ofType(Human)", "names `Human`, which is no type of FHIR R4"),
        ("Patient", "string", "Patient.name.where(family = %secret)", "is not defined here"),
    ] {
        let text = refused(&posted(&[base], kind, expression));
        assert!(text.starts_with("SearchParameter.expression: ") && text.contains(says), "{expression}: {text}");
    }
}

#[test]
fn elements_that_are_missing_or_cannot_be_done_are_named_all_at_once() {
    let mut parameter = posted(&["Patient", "Pavement"], "special", "Patient.name");
    parameter["code"] = json!("a:b");
    parameter.as_object_mut().unwrap().remove("url");
    let Faults(faults) = found(&parameter).unwrap_err();
    let named: Vec<_> = faults.iter().map(|fault| fault.element.trim_start_matches("SearchParameter.")).collect();
    assert_eq!(named, ["url", "code", "type", "base[1]"]);
    let mut phonetic = posted(&["Patient"], "string", "Patient.name");
    phonetic["xpathUsage"] = json!("phonetic");
    assert!(refused(&phonetic).contains("`phonetic` is not done by this server"));
    phonetic.as_object_mut().unwrap().remove("expression");
    assert!(refused(&phonetic).contains("An active SearchParameter has an expression"));
}

/// A code means one thing on a type: the parameters of the standard stay what clients know them as.
#[test]
fn a_code_that_stands_is_refused_unless_it_is_the_same_definition() {
    let mut parameter = posted(&["Patient"], "string", "Patient.name.family");
    parameter["code"] = json!("family");
    let text = refused(&parameter);
    assert!(text.contains("SearchParameter.code") && text.contains("individual-family"), "{text}");
    // The very definition that the server has, as packages publish it for several bases: it adds nothing.
    parameter["url"] = json!("http://hl7.org/fhir/SearchParameter/individual-family");
    parameter["base"] = json!(["Patient", "Practitioner"]);
    parameter["expression"] = json!("Patient.name.family | Practitioner.name.family");
    assert_eq!(found(&parameter).unwrap().len(), 0);
    parameter["expression"] = json!("Patient.name.given | Practitioner.name.given");
    assert!(refused(&parameter).contains("stays as it is"));
}

#[test]
fn each_base_gets_its_part_and_abstract_ones_are_all_types_that_specialise_them() {
    let found_in = |base: &[&str], kind: &str, expression: &str| found(&posted(base, kind, expression)).unwrap();
    let both = found_in(&["Patient", "Practitioner"], "string", "Patient.name.text | Practitioner.name.text");
    let both: Vec<_> = both.iter().map(|(of, own)| (*of, own.expression)).collect();
    assert_eq!(both, [("Patient", "Patient.name.text"), ("Practitioner", "Practitioner.name.text")]);
    assert_eq!(found_in(&["Resource"], "uri", "Resource.implicitRules").len(), 146);
    let domain = found_in(&["DomainResource"], "uri", "DomainResource.extension.url");
    assert!(domain.len() > 130 && !domain.iter().any(|(of, _)| *of == "Binary"), "{}", domain.len());
}

/// "Types of resource (if a resource is referenced)": where they are not said, those of the element are meant.
#[test]
fn a_reference_points_to_what_its_element_may_point_to() {
    let targets = |expression: &str| found(&posted(&["Observation"], "reference", expression)).unwrap()[0].1.targets;
    assert_eq!(targets("Observation.subject"), ["Device", "Group", "Location", "Patient"]);
    assert_eq!(targets("Observation.subject.where(resolve() is Patient)"), ["Patient"]);
    assert!(targets("Observation.focus").is_empty());
    let mut said = posted(&["Observation"], "reference", "Observation.subject");
    said["target"] = json!(["Group"]);
    assert_eq!(found(&said).unwrap()[0].1.targets, ["Group"]);
}

/// The same text has the same definition, and the same hash over restarts: so nothing is indexed twice. Another text, or
/// another type of the values, has another.
#[test]
fn the_hash_follows_what_the_rows_depend_on() {
    let hash =
        |kind: &str, expression: &str| found(&posted(&["Patient"], kind, expression)).unwrap()[0].1.extractor_hash;
    assert_eq!(hash("string", "Patient.name.family"), hash("string", "Patient .name. family"));
    assert_ne!(hash("string", "Patient.name.family"), hash("string", "Patient.name.given"));
    assert_ne!(hash("token", "Patient.contact.name.family"), hash("string", "Patient.contact.name.family"));
    let again = |expression| found(&posted(&["Patient"], "string", expression)).unwrap()[0].1;
    assert!(std::ptr::eq(again("Patient.name.prefix"), again("Patient.name.prefix")));
    // Kept in databases: to change only together with VERSION.
    assert_eq!(hash("string", "Patient.name.family"), 8_025_418_533_514_955_071);
}

#[test]
fn what_is_selected_is_what_the_type_compares() {
    let patient = json!({
        "resourceType": "Patient", "active": true,
        "extension": [
            { "url": "http://example.org/eye", "valueCoding": { "system": "http://example.org/eyes", "code": "green" } },
            { "url": "http://example.org/eye", "valueString": "green" },
            { "url": "http://example.org/eye", "valueQuantity": { "value": 2 } }
        ],
        "name": [{ "use": "official", "family": "Ampère" }, { "use": "nickname", "family": "André" }]
    });
    let find = |kind: &str, expression: &str| values_in(&posted(&["Patient"], kind, expression), &patient);
    // Of the types that an element may have, those of the parameter.
    let eye = "Patient.extension('http://example.org/eye').value";
    assert_eq!(find("token", eye).len(), 2);
    assert_eq!(find("quantity", eye).len(), 1);
    assert_eq!(find("token", &format!("{eye}.ofType(Coding)")).len(), 1);
    let IndexValue::String { exact, .. } = &find("string", "Patient.name.where(use = 'official').family")[0] else {
        panic!("a string")
    };
    assert_eq!(exact, "Ampère");
    let boolean = |code: &str| vec![IndexValue::Token { system: None, code: Some(code.to_owned()), text: None }];
    assert_eq!(find("token", "Patient.name.exists(use = 'nickname') and Patient.active"), boolean("true"));
    assert_eq!(find("token", "Patient.name.count() > 2"), boolean("false"));
    // What has no value by FHIRPath's rules (one of several names) finds nothing, and breaks nothing.
    assert_eq!(find("string", "Patient.name.single().family"), Vec::new());
}

#[test]
fn a_composite_joins_parameters_of_one_value() {
    let mut parameter = posted(&["Observation"], "composite", "Observation.component");
    let component = |definition: &str, expression: &str| json!({ "definition": format!("http://hl7.org/fhir/SearchParameter/{definition}"), "expression": expression });
    assert!(refused(&parameter).contains("SearchParameter.component: A composite has components"));
    parameter["component"] =
        json!([component("clinical-code", "code"), component("Observation-value-date", "value.ofType(dateTime)")]);
    let observation = json!({
        "resourceType": "Observation", "component": [
            { "code": { "coding": [{ "code": "a" }] }, "valueDateTime": "2026-01-01" },
            { "code": { "coding": [{ "code": "b" }] }, "valueString": "none" }
        ]
    });
    assert_eq!(values_in(&parameter, &observation).len(), 1);
    parameter["component"][0]["definition"] = json!("http://example.org/unknown");
    assert!(refused(&parameter).contains("component[0].definition"));
    parameter["component"][0] = component("Observation-code-value-quantity", "code");
    assert!(refused(&parameter).contains("name parameters of one value"));
    parameter["component"][0] = component("clinical-code", "value.ofType(Quantity)");
    assert!(refused(&parameter).contains("component[0].expression: In Observation it selects Quantity"));
}
