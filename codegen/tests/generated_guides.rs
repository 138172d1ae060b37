//! The generated guides against what US Core says in words.

use vesta_codegen::digest::{CORE, Lock};
use vesta_guides::guides::{GUIDES, get};
use vesta_runtime::guide::Expectation::{May, Shall, Should};
use vesta_runtime::guide::{Guide, ProfileElement};
use vesta_runtime::schema::Strength;

const STRUCTURES: &str = "http://hl7.org/fhir/us/core/StructureDefinition";

fn us_core(version: &str) -> &'static Guide {
    get("hl7.fhir.us.core", version).unwrap()
}

fn element(version: &str, profile: &str, id: &str) -> &'static ProfileElement {
    let profile = us_core(version).profile(&format!("{STRUCTURES}/{profile}")).unwrap();
    profile.element(id).unwrap_or_else(|| panic!("{} says nothing of {id}", profile.url))
}

#[test]
fn there_is_one_guide_for_each_locked_version_the_newest_last() {
    let lock: Lock = toml::from_str(include_str!("../../spec/lock.toml")).unwrap();
    let locked = lock.packages.iter().filter(|package| package.name != CORE);
    let mut locked: Vec<_> = locked.map(|package| (package.name.as_str(), package.version.as_str())).collect();
    let generated: Vec<_> = GUIDES.iter().map(|guide| (guide.name, guide.version)).collect();
    let of_us_core = generated.iter().filter(|(name, _)| *name == "hl7.fhir.us.core").map(|(_, version)| *version);
    assert!(of_us_core.is_sorted_by_key(|version| version.split('.').next().unwrap().parse::<u32>().unwrap()));
    locked.sort_by_key(|guide| generated.iter().position(|other| other == guide));
    assert_eq!(generated, locked);
    for guide in GUIDES {
        assert!(guide.profiles.is_sorted_by(|a, b| a.url < b.url));
        assert!(guide.search_parameters.is_sorted_by(|a, b| a.url < b.url));
        assert!(guide.value_sets.is_sorted_by(|a, b| a.url < b.url));
        assert!(
            guide.server.is_none_or(|server| server.resources.is_sorted_by(|a, b| a.resource_type < b.resource_type))
        );
    }
}

#[test]
fn a_profile_is_found_by_its_canonical_in_the_guides_own_version_only() {
    let url = format!("{STRUCTURES}/us-core-patient");
    let patient = us_core("8.0.0").profile(&url).unwrap();
    assert_eq!(patient.canonical(), format!("{url}|8.0.0"));
    assert!(us_core("8.0.0").profile(&format!("{url}|8.0.0")).is_some());
    assert!(us_core("8.0.0").profile(&format!("{url}|7.0.0")).is_none());
}

/// <https://hl7.org/fhir/us/core/STU8/must-support.html>
#[test]
fn must_support_is_kept_on_elements_types_and_targets() {
    assert!(element("8.0.0", "us-core-patient", "Patient.name.family").must_support);
    let recorder = element("8.0.0", "us-core-allergyintolerance", "AllergyIntolerance.recorder");
    assert!(recorder.uscdi_requirement && !recorder.must_support && recorder.is_to_be_supported());
    let member = element("8.0.0", "us-core-careteam", "CareTeam.participant.member");
    let flagged = member.types[0].targets.iter().filter(|target| target.must_support);
    let flagged: Vec<_> = flagged.map(|target| target.profile.rsplit('/').next().unwrap()).collect();
    assert_eq!(flagged, ["us-core-practitioner", "us-core-practitionerrole", "us-core-relatedperson"]);
    let onset = element("8.0.0", "us-core-condition-problems-health-concerns", "Condition.onset[x]");
    let flagged: Vec<_> = onset.types.iter().filter(|t| t.must_support).map(|t| t.code).collect();
    assert_eq!(flagged, ["dateTime"]);
}

#[test]
fn slices_patterns_and_bindings_are_kept() {
    let component = element("8.0.0", "us-core-blood-pressure", "Observation.component");
    assert_eq!(component.slicing.as_ref().unwrap().discriminators[0].path, "code");
    let code = element("8.0.0", "us-core-blood-pressure", "Observation.component:systolic.code");
    assert_eq!(code.path(), "Observation.component.code");
    let pattern: serde_json::Value = serde_json::from_str(code.pattern.unwrap()).unwrap();
    assert_eq!(pattern["coding"][0]["code"], "8480-6");
    let code = element("8.0.0", "us-core-condition-problems-health-concerns", "Condition.code");
    let binding = code.binding.as_ref().unwrap();
    assert_eq!((binding.strength, binding.additional[0].0), (Strength::Preferred, "current"));
    let race = element("8.0.0", "us-core-race", "Extension.extension:ombCategory.value[x]");
    let codes = us_core("8.0.0").value_set(race.binding.as_ref().unwrap().value_set).unwrap();
    assert!(codes.contains("urn:oid:2.16.840.1.113883.6.238", "2106-3"));
    assert!(!codes.contains("urn:oid:2.16.840.1.113883.6.238", "2106-4"));
}

#[test]
fn only_what_a_profile_adds_is_in_it() {
    let patient = us_core("8.0.0").profile(&format!("{STRUCTURES}/us-core-patient")).unwrap();
    assert!(patient.element("Patient.photo").is_none() && patient.element("Patient.id").is_none());
    let keys: Vec<_> = patient.constraints.iter().map(|constraint| constraint.key).collect();
    assert!(!keys.contains(&"ele-1") && !keys.contains(&"dom-2"), "{keys:?}");
}

/// New parameters need extractors of their own; all others are served by R4's.
/// <https://hl7.org/fhir/us/core/STU8/search-parameters-and-operations.html>
#[test]
fn six_search_parameters_are_the_guides_own() {
    let own = us_core("8.0.0").search_parameters.iter().filter(|parameter| parameter.is_own());
    let own: Vec<_> = own.map(|parameter| format!("{} {}", parameter.bases[0], parameter.code)).collect();
    let expected = [
        "CareTeam role",
        "Condition asserted-date",
        "Encounter discharge-disposition",
        "Patient ethnicity",
        "Goal description",
        "Patient race",
    ];
    assert_eq!(own, expected);
}

/// <https://hl7.org/fhir/us/core/STU8/CapabilityStatement-us-core-server.html>
#[test]
fn the_servers_expectations_are_kept() {
    let server = us_core("8.0.0").server.unwrap();
    assert_eq!(server.url, "http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server");
    let observation = server.resource("Observation").unwrap();
    let by_category = observation.combinations.iter().find(|c| c.required == ["patient", "category"]).unwrap();
    assert_eq!(by_category.expectation, Some(Shall));
    let by_date = observation.combinations.iter().find(|c| c.required == ["patient", "code", "date"]).unwrap();
    assert_eq!(by_date.expectation, Some(Should));
    assert!(observation.rev_includes.iter().any(|include| include.value == "Provenance:target" && include.is(Shall)));
    let date = us_core("8.0.0").search_parameters.iter().find(|p| p.url.ends_with("us-core-observation-date")).unwrap();
    let shall: Vec<_> = date.comparators.iter().filter(|c| c.is(Shall)).map(|c| c.value).collect();
    assert_eq!(shall, ["gt", "ge", "lt", "le"]);
    assert!(date.multiple_or.unwrap().is(May));
}

/// `supportedProfile` is versioned, as the same URL is another profile in another version of the guide.
#[test]
fn supported_profiles_name_their_version() {
    for guide in GUIDES {
        for resource in guide.server.unwrap().resources {
            for profile in resource.supported_profiles {
                let own = profile.value.starts_with("http://hl7.org/fhir/us/core/");
                assert!(!own || guide.profile(profile.value).is_some(), "{}: {}", guide.version, profile.value);
                assert!(!own || profile.value.ends_with(guide.version));
            }
        }
    }
}
