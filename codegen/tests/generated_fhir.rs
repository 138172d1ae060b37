//! The generated tables of R4 against what the specification says in words.

use std::str::FromStr;

use vesta_fhir::SCHEMA;
use vesta_fhir::types::ResourceType;
use vesta_runtime::schema::{ElementDefinition, Kind, Strength, TypeDefinition};

fn type_of(name: &str) -> &'static TypeDefinition {
    SCHEMA.get(name).unwrap_or_else(|| panic!("no type {name}"))
}

fn element(type_name: &str, name: &str) -> &'static ElementDefinition {
    type_of(type_name).element(name).unwrap_or_else(|| panic!("{type_name} has no {name}"))
}

#[test]
fn the_schema_is_sorted_and_every_type_is_found() {
    assert!(SCHEMA.types.is_sorted_by(|a, b| a.name < b.name));
    let count = |kind| SCHEMA.types.iter().filter(|definition| definition.kind == kind).count();
    // <https://hl7.org/fhir/R4/resourcelist.html>: 146, with Resource and DomainResource; primitives with xhtml.
    assert_eq!((count(Kind::Resource), count(Kind::Primitive)), (148, 20));
    for definition in SCHEMA.types {
        assert!(std::ptr::eq(type_of(definition.name), *definition));
    }
    assert!(SCHEMA.resource("Resource").is_none(), "abstract");
    assert!(SCHEMA.get("SubscriptionStatus").is_none(), "of a later release");
}

/// <https://hl7.org/fhir/R4/resourcelist.html>
#[test]
fn resource_types_have_stable_numbers() {
    assert_eq!(ResourceType::ALL.len(), 146);
    for (number, &resource_type) in (0..).zip(ResourceType::ALL) {
        assert_eq!(resource_type.as_u16(), number);
        assert_eq!(ResourceType::from_u16(number), Some(resource_type));
        assert_eq!(ResourceType::from_str(resource_type.as_str()), Some(resource_type));
        assert!(SCHEMA.resource(resource_type.as_str()).is_some());
    }
    assert_eq!(ResourceType::from_u16(146), None);
    assert_eq!(ResourceType::Patient.to_string(), "Patient");
    let error = <ResourceType as FromStr>::from_str("patient").unwrap_err().to_string();
    assert_eq!(error, "\"patient\" is not a resource type of FHIR R4");
    // Numbers are stored: these stand for all.
    assert_eq!((ResourceType::Account.as_u16(), ResourceType::VisionPrescription.as_u16()), (0, 145));
}

/// <https://hl7.org/fhir/R4/formats.html#choice>
#[test]
fn a_choice_is_one_element_with_a_property_for_each_type() {
    let value = element("Observation", "value");
    assert!(value.is_choice);
    let properties: Vec<_> = value.types.iter().map(|t| t.property).collect();
    assert_eq!(properties[..3], ["valueQuantity", "valueCodeableConcept", "valueString"]);
    assert_eq!(properties.len(), 11);
    let (found, as_type) = type_of("Observation").property("valueQuantity").unwrap();
    assert_eq!((found.name, as_type.definition.name), ("value", "Quantity"));
    // <https://hl7.org/fhir/R4/datatypes.html#open>: every data type.
    assert_eq!(element("Extension", "value").types.len(), 50);
}

/// <https://hl7.org/fhir/R4/elementdefinition.html#ElementDefinition.contentReference>
#[test]
fn a_content_reference_is_the_referenced_type() {
    let definition = element("Observation.component", "referenceRange").types[0].definition;
    assert!(std::ptr::eq(definition, type_of("Observation.referenceRange")));
    assert_eq!(definition.kind, Kind::Backbone);
    let nested = element("Questionnaire.item", "item").types[0].definition;
    assert!(std::ptr::eq(nested, type_of("Questionnaire.item")));
}

/// <https://hl7.org/fhir/R4/element.html#id>, <https://hl7.org/fhir/R4/resource.html#id>
#[test]
fn ids_of_resources_are_id_and_ids_of_elements_are_string() {
    for definition in SCHEMA.types {
        let id = definition.element("id").unwrap_or_else(|| panic!("{} has no id", definition.name));
        let expected = if definition.kind == Kind::Resource { "id" } else { "string" };
        assert_eq!(id.types[0].definition.name, expected, "{}", definition.name);
    }
    assert_eq!(element("Extension", "url").types[0].definition.name, "uri");
    assert_eq!(element("Reference", "type").types[0].definition.name, "uri");
    assert_eq!(element("Narrative", "div").types[0].definition.name, "xhtml");
}

/// <https://hl7.org/fhir/R4/datatypes.html#primitive>
#[test]
fn the_value_of_a_primitive_is_no_child() {
    for definition in SCHEMA.types.iter().filter(|definition| definition.kind == Kind::Primitive) {
        assert!(definition.element("value").is_none(), "{}", definition.name);
        assert!(definition.is_a("Element"));
    }
    assert!(type_of("code").is_a("string") && type_of("Age").is_a("Quantity"));
    assert!(type_of("Observation.component").is_a("BackboneElement"));
    assert!(type_of("Patient").is_a("DomainResource") && !type_of("Bundle").is_a("DomainResource"));
}

/// <https://hl7.org/fhir/R4/patient.html>, <https://hl7.org/fhir/R4/observation.html>
#[test]
fn cardinalities_flags_and_targets_are_the_specifications() {
    let status = element("Observation", "status");
    assert_eq!((status.min, status.max), (1, 1));
    assert!(status.is_summary && status.is_modifier);
    assert_eq!(element("Patient", "name").max, u32::MAX);
    assert_eq!(element("Patient", "communication").types[0].definition.name, "Patient.communication");
    assert_eq!(element("Patient", "managingOrganization").types[0].targets, ["Organization"]);
    assert!(element("Provenance", "target").types[0].targets.is_empty(), "any resource");
    assert_eq!(element("DomainResource", "contained").types[0].definition.name, "Resource");
    assert_eq!(element("Bundle.entry", "resource").types[0].definition.name, "Resource");
    let maximum = element("Patient", "contact").types[0].definition.element("name").unwrap().max;
    assert_eq!(maximum, 1);
}

/// <https://hl7.org/fhir/R4/terminologies.html#code>
#[test]
fn required_bindings_of_codes_have_their_codes() {
    let gender = element("Patient", "gender").binding.unwrap();
    assert_eq!(gender.strength, Strength::Required);
    assert_eq!(gender.codes.unwrap(), ["female", "male", "other", "unknown"]);
    // Not closed: MIME types.
    assert!(element("Attachment", "contentType").binding.unwrap().codes.is_none());
    // A system of 148 codes, listed by reference.
    let types = element("CompartmentDefinition.resource", "code").binding.unwrap();
    assert_eq!(types.codes.unwrap().len(), 148);
    for definition in SCHEMA.types {
        for element in definition.elements {
            let Some(codes) = element.binding.and_then(|binding| binding.codes) else { continue };
            assert!(codes.is_sorted() && !codes.is_empty(), "{}.{}", definition.name, element.name);
            assert_eq!(element.types[0].definition.name, "code");
        }
    }
}

/// <https://hl7.org/fhir/R4/compartmentdefinition-patient.html>
#[test]
fn compartments_are_the_specifications() {
    use vesta_fhir::compartments;
    assert_eq!(compartments::COMPARTMENTS.len(), 5);
    assert_eq!(compartments::PATIENT.len(), 66);
    assert_eq!(compartments::PATIENT.iter().filter(|(_, parameters)| parameters.len() > 1).count(), 23);
    let observation = compartments::PATIENT.iter().find(|(name, _)| *name == "Observation").unwrap();
    assert_eq!(observation.1, ["subject", "performer"]);
    assert!(compartments::get("Encounter").unwrap().iter().any(|(name, _)| *name == "Condition"));
    assert!(compartments::get("Organization").is_none());
}
