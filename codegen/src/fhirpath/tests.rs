//! What expressions become, on a small set of types.

use quote::quote;
use serde_json::{Value, json};

use super::*;
use crate::digest::Structure;

/// A type with its elements: name, maximum, types.
fn structure(name: &str, kind: &str, base: &str, elements: &[(&str, &str, &[&str])]) -> Structure {
    let element = |(path, max, types): &(&str, &str, &[&str])| {
        let types: Vec<Value> = types.iter().map(|code| json!({ "code": code })).collect();
        json!({ "id": format!("{name}.{path}"), "min": 0, "max": max, "types": types })
    };
    let mut all = vec![json!({ "id": name, "min": 0, "max": "*" })];
    all.extend(elements.iter().map(element));
    let structure = json!({
        "url": format!("http://hl7.org/fhir/StructureDefinition/{name}"),
        "name": name,
        "kind": kind,
        "abstract": matches!(name, "Resource" | "Element"),
        "type": name,
        "baseDefinition": format!("http://hl7.org/fhir/StructureDefinition/{base}"),
        "derivation": "specialization",
        "elements": all,
    });
    serde_json::from_value(structure).expect("the digest's shape")
}

fn structures() -> Vec<Structure> {
    let extension: (&str, &str, &[&str]) = ("extension", "*", &["Extension"]);
    vec![
        structure("Element", "complex-type", "Base", &[extension]),
        structure("Resource", "resource", "Base", &[("id", "1", &["id"])]),
        structure("string", "primitive-type", "Element", &[extension, ("value", "1", &["string"])]),
        structure("code", "primitive-type", "string", &[extension]),
        structure("id", "primitive-type", "string", &[extension]),
        structure("boolean", "primitive-type", "Element", &[extension]),
        structure("dateTime", "primitive-type", "Element", &[extension]),
        structure(
            "Extension",
            "complex-type",
            "Element",
            &[extension, ("url", "1", &["string"]), ("value[x]", "1", &["string", "code", "Coding"])],
        ),
        structure("Coding", "complex-type", "Element", &[("system", "1", &["string"]), ("code", "1", &["code"])]),
        structure(
            "CodeableConcept",
            "complex-type",
            "Element",
            &[("coding", "*", &["Coding"]), ("text", "1", &["string"])],
        ),
        structure("Quantity", "complex-type", "Element", &[("code", "1", &["code"])]),
        structure("Reference", "complex-type", "Element", &[("reference", "1", &["string"]), ("type", "1", &["code"])]),
        structure(
            "ContactPoint",
            "complex-type",
            "Element",
            &[("system", "1", &["code"]), ("value", "1", &["string"])],
        ),
        structure(
            "Patient",
            "resource",
            "Resource",
            &[
                extension,
                ("telecom", "*", &["ContactPoint"]),
                ("deceased[x]", "1", &["boolean", "dateTime"]),
                ("generalPractitioner", "*", &["Reference"]),
            ],
        ),
        structure(
            "Observation",
            "resource",
            "Resource",
            &[
                ("code", "1", &["CodeableConcept"]),
                ("subject", "1", &["Reference"]),
                ("value[x]", "1", &["Quantity", "CodeableConcept", "string"]),
                ("component", "*", &["BackboneElement"]),
                ("component.code", "1", &["CodeableConcept"]),
                ("component.value[x]", "1", &["Quantity", "CodeableConcept", "string"]),
            ],
        ),
        structure(
            "Bundle",
            "resource",
            "Resource",
            &[("entry", "*", &["BackboneElement"]), ("entry.resource", "1", &["Resource"])],
        ),
    ]
}

/// The function body that an expression becomes, or why it becomes none.
fn compiled(expression: &str, type_id: &str) -> String {
    let structures = structures();
    let types = Types::from_structures(structures.iter());
    let uses = Uses::default();
    let compiler = Compiler::new(&types, &uses, quote!(crate));
    let resource_type = type_id.split('.').next().unwrap_or(type_id);
    let expression = vesta_runtime::fhirpath::parse(expression).expect(expression);
    match compiler.compile(&expression, type_id, resource_type) {
        Ok(compiled) => {
            let body = compiled.body;
            let file = syn::parse2(quote! { fn extract() { #body } }).expect("the compiler writes Rust");
            prettyplease::unparse(&file)
        }
        Err(error) => format!("refused: {error}"),
    }
}

/// Each case's title, expression and type, with what it becomes.
fn transcript(cases: &[(&str, &str, &str)]) -> String {
    let case = |(title, expression, type_id): &(&str, &str, &str)| {
        format!("# {title}\n{expression}\n\n{}\n", compiled(expression, type_id).trim_end())
    };
    cases.iter().map(case).collect::<Vec<_>>().join("\n")
}

/// One for each shape of the search expressions of R4 and US Core.
#[test]
fn expressions_become_loops() {
    insta::assert_snapshot!(transcript(&[
        ("a path is nested loops", "Observation.component.code", "Observation"),
        ("an abstract base serves its own elements", "Resource.id", "Resource"),
        ("a choice is resolved by as", "(Observation.value as CodeableConcept).text", "Observation"),
        ("a choice is resolved by the function as", "Observation.value.as(Quantity)", "Observation"),
        ("a choice with every type alike is one loop", "Observation.value", "Observation"),
        ("an element that some types of a choice have", "Patient.extension.value.code", "Patient"),
        ("where compares a text", "Patient.telecom.where(system='email')", "Patient"),
        (
            "a path goes on behind where",
            "Patient.extension.where(url = 'http://example.org/race').extension.value.code",
            "Patient"
        ),
        (
            "a reference is filtered by its target type",
            "Patient.generalPractitioner.where(resolve() is Observation)",
            "Patient"
        ),
        ("an extension by its url", "Patient.extension('http://example.org/race').value", "Patient"),
        (
            "a union drops what is equal",
            "Observation.value.as(string) | Observation.component.value.as(string)",
            "Observation"
        ),
        ("a union keeps what concerns the base", "Patient.telecom | Observation.code", "Observation"),
        ("an index takes one child", "Bundle.entry[0].resource", "Bundle"),
        ("a contained resource is narrowed", "Bundle.entry[0].resource.as(Patient).telecom", "Bundle"),
        ("an answer is selected", "Patient.deceased.exists() and Patient.deceased != false", "Patient"),
        ("not of an open answer", "(Patient.deceased = true).not()", "Patient"),
        ("existence by criteria", "Patient.telecom.exists(system = 'email' and value.exists())", "Patient"),
        ("a component starts at its focus", "code", "Observation.component"),
        ("the resource is at hand", "%resource.subject", "Observation.component"),
    ]));
}

/// What cannot be compiled is refused with the part and the reason.
#[test]
fn what_cannot_be_compiled_is_refused() {
    insta::assert_snapshot!(transcript(&[
        ("an element that does not exist", "Observation.component.nothing", "Observation"),
        ("a type that does not exist", "Observation.value.as(DateTime)", "Observation"),
        ("a type that the choice does not have", "Observation.value.as(Coding)", "Observation"),
        ("a function that is not compiled", "Observation.component.repeat(code)", "Observation"),
        ("an index over several parents", "Observation.component.code.coding[0]", "Observation"),
        ("an operator that is not compiled", "Patient.telecom.where(system > 'a')", "Patient"),
        ("another base", "Patient.telecom", "Observation"),
        ("is without resolve", "Observation.where(value is Quantity)", "Observation"),
    ]));
}
