//! What the reader makes of the digests.

use serde_json::json;
use vesta_conformance::guide::Membership;

use super::{GUIDES, US_CORE, us_core};

#[test]
fn every_locked_guide_is_there_with_its_profiles() {
    let guides: Vec<_> = GUIDES.all().collect();
    let locked = GUIDES.specification().lock.packages.len();
    assert_eq!(guides.len(), locked - 1, "all but R4 itself");
    // How many profiles on resources each version publishes.
    for (version, count) in [("6.1.0", 49), ("7.0.0", 52), ("8.0.0", 54)] {
        assert_eq!(us_core(version).profiles().len(), count, "{version}");
    }
}

/// House rule for <https://hl7.org/fhir/R4/resource.html#Meta>: without a version the newest is meant.
#[test]
fn a_claim_without_version_means_the_newest() {
    let claimed = |claim: String| GUIDES.claimed(&claim).map(|profile| profile.canonical());
    let newest = GUIDES.all().next_back().unwrap().version();
    assert_eq!(claimed(format!("{US_CORE}/us-core-patient")), Some(format!("{US_CORE}/us-core-patient|{newest}")));
    assert_eq!(claimed(format!("{US_CORE}/us-core-patient|6.1.0")), Some(format!("{US_CORE}/us-core-patient|6.1.0")));
    assert_eq!(claimed(format!("{US_CORE}/us-core-patient|1.0.0")), None);

    let old = us_core("6.1.0").profile(&format!("{US_CORE}/us-core-patient")).unwrap();
    let claims = |claim: String| old.is_claimed_by(&json!({"meta": {"profile": [claim]}}));
    assert!(claims(format!("{US_CORE}/us-core-patient|6.1.0")));
    assert!(!claims(format!("{US_CORE}/us-core-patient")));
}

/// <https://hl7.org/fhir/us/core/STU8/must-support.html>: the element's flag, the extension, the types' and targets' flags.
#[test]
fn must_support_is_read_in_all_its_forms() {
    let guide = us_core("8.0.0");
    let find = |profile: &str, path: &[&str]| {
        let root = guide.profile(&format!("{US_CORE}/{profile}")).unwrap().root();
        path.iter().fold(root, |place, name| place.children().find(|child| child.element().name() == *name).unwrap())
    };
    assert!(find("us-core-patient", &["name", "family"]).element().must_support);
    assert!(find("us-core-allergyintolerance", &["recorder"]).element().uscdi_requirement);
    let value = find("us-core-observation-lab", &["value[x]"]);
    let flagged = value.types().iter().filter(|one| one.must_support).map(|one| one.name());
    assert_eq!(flagged.collect::<Vec<_>>(), ["Quantity", "CodeableConcept", "string"]);
    let member = find("us-core-careteam", &["participant", "member"]);
    assert_eq!(member.types()[0].target_profile.iter().filter(|target| target.must_support).count(), 3);
    let component = find("us-core-blood-pressure", &["component"]);
    let slices = component.slices().filter_map(|slice| slice.element().slice_name.clone());
    assert_eq!(slices.collect::<Vec<_>>(), ["systolic", "diastolic"]);
}

/// <https://hl7.org/fhir/R4/valueset.html#compositions>: what the packages do not hold is neither in nor out.
#[test]
fn membership_has_three_answers() {
    let guide = us_core("8.0.0");
    let gender = |code| guide.membership("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1", None, code, false);
    assert_eq!((gender("female"), gender("f")), (Membership::In, Membership::Out));
    let omb = "http://cts.nlm.nih.gov/fhir/ValueSet/2.16.840.1.113883.4.642.2.575";
    let race = |system, code| guide.membership(omb, system, code, true);
    assert_eq!(race(Some("urn:oid:2.16.840.1.113883.6.238"), "2106-3"), Membership::In);
    assert_eq!(race(Some("http://e.org"), "2106-3"), Membership::Out);
    assert_eq!(race(None, "2106-3"), Membership::Out, "a code without a system is in no value set");
    let absent = "http://e.org/ValueSet/absent";
    assert_eq!(guide.membership(absent, None, "a", false), Membership::Unknown);
    // All of a code system that is in no package.
    let types = "http://hl7.org/fhir/ValueSet/mimetypes|4.0.1";
    assert_eq!(guide.membership(types, None, "text/plain", false), Membership::Unknown);
}

/// <https://hl7.org/fhir/us/core/STU8/CapabilityStatement-us-core-server.html>
#[test]
fn search_parameters_are_those_that_the_guide_names() {
    let guide = us_core("8.0.0");
    let url = |resource_type, code| guide.search_parameter_of(resource_type, code).map(|found| found.url.as_str());
    let own = "http://hl7.org/fhir/us/core/SearchParameter/us-core-goal-description";
    assert_eq!(url("Goal", "description"), Some(own));
    assert!(url("Goal", "_lastUpdated").is_some(), "of Resource, and so of every type");
    assert_eq!(url("Goal", "absent"), None);
}
