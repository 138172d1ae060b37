//! What is said of scopes, to a patient and to the staff.

#[path = "pages/fixtures/scope.rs"]
mod scope;

use std::path::Path;

use scope::scope;
use vesta_pages::words::{Reader, Scope, other};

fn said(scopes: &[&str], reader: Reader) -> String {
    let said = |text: &&str| format!("{text}\n    [{}] {}\n", scope(text).group().title(), scope(text).words(reader));
    scopes.iter().map(said).collect()
}

/// Those that a server of US Core supports, and the parts by which it supports granular scopes.
/// <https://hl7.org/fhir/us/core/STU8/scopes.html>
const US_CORE: [&str; 44] = [
    "patient/AllergyIntolerance.rs",
    "patient/CarePlan.rs",
    "patient/CareTeam.rs",
    "patient/Condition.rs",
    "patient/Condition.rs?category=http://hl7.org/fhir/us/core/CodeSystem/condition-category|health-concern",
    "patient/Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|encounter-diagnosis",
    "patient/Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|problem-list-item",
    "patient/Coverage.rs",
    "patient/Device.rs",
    "patient/DiagnosticReport.rs",
    "patient/DiagnosticReport.rs?category=http://loinc.org|LP29684-5",
    "patient/DiagnosticReport.rs?category=http://loinc.org|LP29708-2",
    "patient/DiagnosticReport.rs?category=http://loinc.org|LP7839-6",
    "patient/DiagnosticReport.rs?category=http://terminology.hl7.org/CodeSystem/v2-0074|LAB",
    "patient/DocumentReference.rs",
    "patient/DocumentReference.rs?category=http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category|clinical-note",
    "patient/Encounter.rs",
    "patient/Goal.rs",
    "patient/Immunization.rs",
    "patient/Location.rs",
    "patient/Media.rs",
    "patient/Medication.rs",
    "patient/MedicationDispense.rs",
    "patient/MedicationRequest.rs",
    "patient/Observation.rs",
    "patient/Observation.rs?category=http://hl7.org/fhir/us/core/CodeSystem/us-core-category|care-experience-preference",
    "patient/Observation.rs?category=http://hl7.org/fhir/us/core/CodeSystem/us-core-category|sdoh",
    "patient/Observation.rs?category=http://hl7.org/fhir/us/core/CodeSystem/us-core-category|treatment-intervention-preference",
    "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|imaging",
    "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
    "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|procedure",
    "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|social-history",
    "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|survey",
    "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs",
    "patient/Organization.rs",
    "patient/Patient.rs",
    "patient/Practitioner.rs",
    "patient/PractitionerRole.rs",
    "patient/Procedure.rs",
    "patient/Provenance.rs",
    "patient/QuestionnaireResponse.rs",
    "patient/RelatedPerson.rs",
    "patient/ServiceRequest.rs",
    "patient/Specimen.rs",
];

#[test]
fn scopes_of_us_core_in_words_for_patients() {
    insta::assert_snapshot!(said(&US_CORE, Reader::Patient));
}

#[test]
fn every_scope_of_us_core_has_its_own_words() {
    let mut words: Vec<String> = US_CORE.iter().map(|text| scope(text).words(Reader::Patient)).collect();
    assert!(words.iter().all(|words| !words.contains("only those with") && !words.contains("of the kind")));
    words.sort();
    words.dedup();
    assert_eq!(words.len(), US_CORE.len());
}

#[test]
fn scopes_in_words_for_the_staff() {
    insta::assert_snapshot!(said(
        &[
            "patient/Observation.rs",
            "patient/*.rs",
            "user/Observation.cruds",
            "user/Practitioner.cu",
            "user/*.cruds",
            "system/Observation.rs",
            "system/*.rs",
            "system/Patient.$export",
            "system/Group.$export",
            "system/*.$export",
            "system/*.$bulkdata-status",
            "patient/DocumentReference.$docref",
            "system/Patient.$match",
        ],
        Reader::Staff
    ));
}

#[test]
fn what_cannot_be_said_in_words_is_shown_as_it_is() {
    insta::assert_snapshot!(said(
        &[
            "patient/Observation.rs?category=laboratory,vital-signs",
            "patient/Observation.rs?category=laboratory&date=ge2026-01-01",
            "patient/Observation.rs?category=laboratory,http://example.org/kinds|own",
            "patient/Observation.rs?category=http://example.org/kinds|laboratory",
            "patient/Observation.rs?code=http://loinc.org|8302-2&status=final",
            "patient/MolecularSequence.rs",
            "patient/*.r?_tag=shared",
            "user/Observation.s",
            "user/Observation.d",
        ],
        Reader::Patient
    ));
}

#[test]
fn narrower_scopes_are_parts_of_the_wider_one() {
    let mut parts = String::new();
    for text in
        ["patient/Observation.rs", "patient/Condition.cruds", "patient/Goal.rs", "user/*.rs", "system/Patient.$export"]
    {
        let narrower = scope(text).narrower();
        parts.push_str(&format!("{text}\n"));
        parts.extend(narrower.iter().map(|part| format!("    {part}\n")));
    }
    insta::assert_snapshot!(parts);
}

#[test]
fn a_scope_is_written_as_it_was_asked_for_and_one_of_ours_in_the_letters_of_smart_2() {
    for text in US_CORE {
        assert_eq!(Scope { text: None, ..scope(text) }.to_string(), text);
    }
    let of_smart_1 = Scope { text: Some("patient/Condition.read".into()), ..scope("patient/Condition.rs") };
    assert_eq!(of_smart_1.to_string(), "patient/Condition.read");
    assert!(of_smart_1.narrower()[0].to_string().starts_with("patient/Condition.rs?category="));
}

#[test]
fn what_says_nothing_of_records_in_words() {
    let scopes = [
        "openid",
        "fhirUser",
        "profile",
        "email",
        "launch",
        "launch/patient",
        "offline_access",
        "online_access",
        "api:fhir",
        "system/Patient.$export",
        "smart/orchestrate_launch",
    ];
    let said = |scope: &&str| format!("{scope}: {:?}\n", other(scope, Reader::Staff));
    insta::assert_snapshot!(scopes.iter().map(said).collect::<String>());
}

/// "scopes_supported ... granular": <https://hl7.org/fhir/us/core/STU8/scopes.html#the-us-core-scopes>. The guide's table is on its
/// pages only; that each is a category of the guide's is in its package: some value set or profile has the code of that system.
#[test]
fn the_granular_scopes_are_categories_of_the_guide() {
    let granular = vesta_pages::words::granular();
    assert_eq!(granular.len(), 9);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec/hl7.fhir.us.core/8.0.0");
    let mut texts = Vec::new();
    for kind in ["ValueSet", "CodeSystem", "StructureDefinition"] {
        for file in std::fs::read_dir(folder.join(kind)).unwrap() {
            texts.push(std::fs::read_to_string(file.unwrap().path()).unwrap());
        }
    }
    for scope in granular {
        let (_, category) = scope.split_once("?category=").unwrap();
        let (system, code) = category.split_once('|').unwrap();
        let quoted = |text: &str| format!("\"{text}\"");
        let is_named = |text: &String| text.contains(&quoted(system)) && text.contains(&quoted(code));
        assert!(texts.iter().any(is_named), "{scope}");
    }
}
