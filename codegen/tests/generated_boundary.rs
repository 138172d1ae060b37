//! The patient boundary, type by type.

use vesta_guides::boundary::PATIENT;
use vesta_runtime::boundary::BoundaryRule::{
    self, BinaryContext, Directory, Itself, Outside, Parameters, ProvenanceTarget,
};

fn rule(resource_type: &str) -> BoundaryRule {
    PATIENT.get(resource_type).unwrap().rule
}

#[test]
fn there_is_an_entry_for_every_resource_type() {
    let types = vesta_fhir::types::ResourceType::ALL.iter().map(|resource_type| resource_type.as_str());
    assert!(PATIENT.types.iter().map(|entry| entry.resource_type).eq(types));
}

/// The compartment also admits records in which the patient is performer, author, payor …: those are other people's.
#[test]
fn only_the_subject_side_of_the_compartment_is_inside() {
    assert_eq!(rule("Observation"), Parameters(&["subject", "patient"]));
    assert_eq!(rule("Coverage"), Parameters(&["beneficiary", "patient"]));
    assert_eq!(rule("ExplanationOfBenefit"), Parameters(&["patient"]));
    assert_eq!(rule("Composition"), Parameters(&["subject"]));
    for entry in PATIENT.types {
        let Parameters(inside) = entry.rule else { continue };
        for code in inside {
            let others = ["performer", "author", "asserter", "recorder", "participant", "subscriber", "payor", "payee"];
            assert!(!others.contains(code), "{}: {code}", entry.resource_type);
            assert!(entry.bit(code).is_some(), "{}: {code} has no bit", entry.resource_type);
        }
    }
}

/// <https://hl7.org/fhir/us/core/STU8/CapabilityStatement-us-core-server.html> requires what R4's compartment lacks.
#[test]
fn what_us_core_needs_beside_the_compartment_is_inside() {
    assert_eq!(rule("Device"), Parameters(&["patient"]));
    assert_eq!(rule("Patient"), Itself);
    assert_eq!(rule("Provenance"), ProvenanceTarget);
    assert_eq!(rule("Binary"), BinaryContext);
    for name in ["Practitioner", "PractitionerRole", "Organization", "Location", "Endpoint", "Medication"] {
        assert_eq!(rule(name), Directory, "{name}");
    }
    for name in ["HealthcareService", "Questionnaire", "ValueSet"] {
        assert_eq!(rule(name), Directory, "{name}");
    }
    for name in ["Group", "Task", "Substance", "StructureDefinition", "Subscription"] {
        assert_eq!(rule(name), Outside, "{name}");
    }
}

/// The bits are stored: this list may grow at the ends of its lines, and changes nowhere else.
#[test]
fn bit_numbers_do_not_change() {
    let lines: Vec<_> = PATIENT
        .types
        .iter()
        .filter(|entry| !entry.parameters.is_empty())
        .map(|entry| {
            let date = entry.date.unwrap_or("-");
            format!("{} mask {:b} date {date}: {}", entry.resource_type, entry.mask(), entry.parameters.join(" "))
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
