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

macro_rules! becomes {
    ($($name:ident: $expression:literal on $type_id:literal;)*) => {
        $(#[test]
        fn $name() {
            let rust = compiled($expression, $type_id);
            insta::with_settings!({ description => $expression, omit_expression => true }, {
                insta::assert_snapshot!(rust);
            });
        })*
    };
}

// One for each shape of the search expressions of R4 and US Core.
becomes! {
    a_path_is_nested_loops: "Observation.component.code" on "Observation";
    an_abstract_base_serves_its_own_elements: "Resource.id" on "Resource";
    a_choice_is_resolved_by_as: "(Observation.value as CodeableConcept).text" on "Observation";
    a_choice_is_resolved_by_the_function_as: "Observation.value.as(Quantity)" on "Observation";
    a_choice_with_every_type_alike_is_one_loop: "Observation.value" on "Observation";
    an_element_that_some_types_of_a_choice_have: "Patient.extension.value.code" on "Patient";
    where_compares_a_text: "Patient.telecom.where(system='email')" on "Patient";
    a_path_goes_on_behind_where: "Patient.extension.where(url = 'http://example.org/race').extension.value.code" on "Patient";
    a_reference_is_filtered_by_its_target_type: "Patient.generalPractitioner.where(resolve() is Observation)" on "Patient";
    an_extension_by_its_url: "Patient.extension('http://example.org/race').value" on "Patient";
    a_union_drops_what_is_equal: "Observation.value.as(string) | Observation.component.value.as(string)" on "Observation";
    a_union_keeps_what_concerns_the_base: "Patient.telecom | Observation.code" on "Observation";
    an_index_takes_one_child: "Bundle.entry[0].resource" on "Bundle";
    a_contained_resource_is_narrowed: "Bundle.entry[0].resource.as(Patient).telecom" on "Bundle";
    an_answer_is_selected: "Patient.deceased.exists() and Patient.deceased != false" on "Patient";
    not_of_an_open_answer: "(Patient.deceased = true).not()" on "Patient";
    existence_by_criteria: "Patient.telecom.exists(system = 'email' and value.exists())" on "Patient";
    a_component_starts_at_its_focus: "code" on "Observation.component";
    the_resource_is_at_hand: "%resource.subject" on "Observation.component";
}

// What cannot be compiled is refused with the part and the reason.
becomes! {
    an_element_that_does_not_exist: "Observation.component.nothing" on "Observation";
    a_type_that_does_not_exist: "Observation.value.as(DateTime)" on "Observation";
    a_type_that_the_choice_does_not_have: "Observation.value.as(Coding)" on "Observation";
    a_function_that_is_not_compiled: "Observation.component.repeat(code)" on "Observation";
    an_index_over_several_parents: "Observation.component.code.coding[0]" on "Observation";
    an_operator_that_is_not_compiled: "Patient.telecom.where(system > 'a')" on "Patient";
    another_base: "Patient.telecom" on "Observation";
    is_without_resolve: "Observation.where(value is Quantity)" on "Observation";
}
