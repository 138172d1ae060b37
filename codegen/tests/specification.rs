//! What `spec/` holds, read as the generator reads it.

mod common;

use vesta_codegen::digest::Package;

use common::SPECIFICATION;

fn us_core(version: &str) -> &'static Package {
    SPECIFICATION.guides().find(|guide| guide.name == "hl7.fhir.us.core" && guide.version == version).unwrap()
}

#[test]
fn r4_is_whole() {
    let core = SPECIFICATION.core();
    assert_eq!(core.search_parameters.len(), 1378);
    assert_eq!(core.compartments.len(), 5);
    // 650 published, less the one that is of 4.3.0.
    assert_eq!(core.structures.len(), 649);
}

/// A guide may not lose a binding unnoticed: the list of value sets that no package defines does not grow.
#[test]
fn unresolved_value_sets_do_not_grow() {
    for (version, published, after_fixups) in
        [("6.1.0", (1, 10), (1, 10)), ("7.0.0", (2, 17), (1, 17)), ("8.0.0", (8, 23), (5, 23))]
    {
        let locked = &SPECIFICATION.lock.get("hl7.fhir.us.core", version).unwrap().unresolved_value_sets;
        assert_eq!((locked.required.len(), locked.extensible.len()), published, "{version}, as published");
        let open = SPECIFICATION.unresolved(us_core(version));
        assert_eq!((open.required.len(), open.extensible.len()), after_fixups, "{version}, after fixups");
        assert!(open.required.iter().all(|url| locked.required.contains(url)));
    }
    let core = SPECIFICATION.unresolved(SPECIFICATION.core());
    assert!(core.required.len() <= 2 && core.extensible.len() <= 6, "{core:?}");
}

/// The three flags of <https://hl7.org/fhir/us/core/STU8/must-support.html>: on the element, as an additional USCDI
/// requirement, and on types and target profiles.
#[test]
fn all_three_kinds_of_must_support_are_kept() {
    let guide = us_core("8.0.0");
    let element = |profile: &str, id: &str| {
        guide.structures[profile].elements.iter().find(|element| element.id == id).unwrap().clone()
    };
    let recorder = element("us-core-allergyintolerance", "AllergyIntolerance.recorder");
    assert!(recorder.uscdi_requirement && !recorder.must_support);
    let member = element("us-core-careteam", "CareTeam.participant.member");
    let flagged: Vec<_> = member.types[0].target_profile.iter().filter(|target| target.must_support).collect();
    assert!(flagged.iter().any(|target| target.profile.ends_with("us-core-practitionerrole")), "{flagged:?}");
    assert!(flagged.len() < member.types[0].target_profile.len());
    let code = element("us-core-condition-problems-health-concerns", "Condition.code");
    assert_eq!(code.binding.unwrap().additional[0].purpose, "current");
}

/// <https://hl7.org/fhir/us/core/STU8/StructureDefinition-us-core-sex.html>: one canonical, two types.
#[test]
fn each_guide_version_keeps_its_own_definitions() {
    let types = ["6.1.0", "7.0.0", "8.0.0"].map(|version| {
        let sex = us_core(version).structures["us-core-sex"].elements.iter().find(|e| e.id == "Extension.value[x]");
        sex.unwrap().types[0].code.clone()
    });
    assert_eq!(types, ["code", "code", "Coding"]);
}

/// Expectations stand in the search parameters too.
/// <https://hl7.org/fhir/us/core/STU8/SearchParameter-us-core-practitionerrole-practitioner.html>
#[test]
fn search_parameters_keep_their_expectations() {
    use vesta_codegen::digest::Expectation::Shall;
    let parameter = &us_core("8.0.0").search_parameters["us-core-practitionerrole-practitioner"];
    let chains: Vec<_> = parameter.chain.iter().map(|chain| (chain.value.as_str(), chain.expectation)).collect();
    assert_eq!(chains, [("identifier", Some(Shall)), ("name", Some(Shall))]);
}
