//! What is seen, and that it is missed as soon as it is gone.

use serde_json::{Value, json};
use vesta_conformance::coverage::{Counting, Data, of_profile};
use vesta_conformance::item::remove;
use vesta_conformance::resources::Resources;

use super::us_core;

const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition";

fn resources(version: &str) -> Vec<Value> {
    let claims = |profile: &str| json!({"profile": [format!("{US_CORE}/{profile}|{version}")]});
    let pressure = |id: &str, systolic: Value| {
        json!({"resourceType": "Observation", "id": id, "meta": claims("us-core-blood-pressure"), "status": "final",
            "subject": {"reference": "Patient/p"}, "component": [
            {"code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]}, "valueQuantity": systolic},
            {"code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]},
             "dataAbsentReason": {"text": "cuff slipped"}}]})
    };
    vec![
        json!({"resourceType": "Patient", "id": "p", "meta": claims("us-core-patient"), "name": [{"family": "A"}],
            "identifier": [{"system": "s", "value": "v"}]}),
        pressure("one", json!({"value": 120, "unit": "mmHg"})),
        pressure("two", json!({"value": 118})),
    ]
}

/// The labels of what a version's profile wants of these resources and does not see.
fn lacking(version: &str, profile: &str, resources: &[Value], counting: Counting) -> Vec<String> {
    let profile = us_core(version).profile(&format!("{US_CORE}/{profile}")).unwrap();
    let resources = Resources::new(resources);
    let coverage = Data::new(&resources).coverage(of_profile(profile), counting);
    coverage.lacking.iter().map(|wanted| wanted.element.clone()).collect()
}

#[test]
fn what_any_resource_shows_is_seen_and_in_a_slice_only_there() {
    let resources = resources("8.0.0");
    let lacking = lacking("8.0.0", "us-core-blood-pressure", &resources, Counting::Claimed);
    for seen in ["Observation.component:systolic.value[x].unit", "Observation.component:diastolic.dataAbsentReason"] {
        assert!(!lacking.iter().any(|label| label == seen), "{seen}");
    }
    for missed in ["Observation.component:systolic.dataAbsentReason", "Observation.component:diastolic.value[x]"] {
        assert!(lacking.iter().any(|label| label == missed), "{missed} in {lacking:?}");
    }
}

/// Every place that shows something has to go, in every resource, before it is missed; and then it is.
#[test]
fn what_is_taken_out_everywhere_is_lacking() {
    let mut changed = resources("8.0.0");
    let unit = "Observation.component:systolic.value[x].unit".to_owned();
    let subject = "Observation.subject".to_owned();
    remove(&mut changed[1], "/component/0/valueQuantity/unit");
    let found = lacking("8.0.0", "us-core-blood-pressure", &changed, Counting::Claimed);
    assert!(found.contains(&unit));
    remove(&mut changed[1], "/subject");
    assert!(!lacking("8.0.0", "us-core-blood-pressure", &changed, Counting::Claimed).contains(&subject));
    remove(&mut changed[2], "/subject");
    assert!(lacking("8.0.0", "us-core-blood-pressure", &changed, Counting::Claimed).contains(&subject));
}

/// A target counts that claims the profile of the same version, or keeps its rules.
#[test]
fn a_target_is_of_the_profile_that_is_wanted() {
    let lacks_target = |resources: &[Value]| {
        let profile = us_core("8.0.0").profile(&format!("{US_CORE}/us-core-blood-pressure")).unwrap();
        let resources = Resources::new(resources);
        let coverage = Data::new(&resources).coverage(of_profile(profile), Counting::Claimed);
        coverage.lacking.iter().any(|wanted| wanted.to_string().contains("Observation.subject to"))
    };
    let mut changed = resources("8.0.0");
    assert!(!lacks_target(&changed));
    remove(&mut changed[0], "/meta");
    assert!(!lacks_target(&changed), "the patient keeps the rules without claiming the profile");
    remove(&mut changed[0], "/identifier");
    assert!(lacks_target(&changed), "the patient keeps them no longer");
}

#[test]
fn a_resource_counts_for_the_version_that_it_claims() {
    let old = resources("6.1.0");
    let counted = lacking("6.1.0", "us-core-patient", &old, Counting::Claimed);
    let uncounted = lacking("8.0.0", "us-core-patient", &old, Counting::Claimed);
    assert!(counted.len() < uncounted.len());
    assert!(uncounted.contains(&"Patient.name.family".to_owned()));
    // Data of others is judged by what it keeps.
    assert!(!lacking("8.0.0", "us-core-patient", &old, Counting::Kept).contains(&"Patient.name.family".to_owned()));
}
