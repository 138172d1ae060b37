//! One sound resource a profile, and a table of ways to break it: each is found by its rule, at its place.

use serde_json::{Value, json};
use vesta_conformance::item::remove;
use vesta_conformance::profile::{Finding, Rule, check, check_claims, check_within};
use vesta_conformance::resources::Resources;

use super::{GUIDES, US_CORE, us_core};

fn sound(name: &str) -> (Value, String) {
    let (text, profile) = match name {
        "patient" => (include_str!("data/patient.json"), "us-core-patient"),
        "blood-pressure" => (include_str!("data/blood-pressure.json"), "us-core-blood-pressure"),
        "smoking-status" => (include_str!("data/smoking-status.json"), "us-core-smokingstatus"),
        "pregnancy" => (include_str!("data/pregnancy.json"), "us-core-observation-pregnancystatus"),
        "provenance" => (include_str!("data/provenance.json"), "us-core-provenance"),
        other => panic!("no resource {other}"),
    };
    (serde_json::from_str(text).unwrap(), format!("{US_CORE}/{profile}"))
}

fn errors(resource: &Value, profile: &str) -> Vec<Finding> {
    let profile = us_core("8.0.0").profile(profile).unwrap();
    check(resource, profile).into_iter().filter(Finding::is_error).collect()
}

#[test]
fn what_keeps_its_profile_has_no_finding() {
    for name in ["patient", "blood-pressure", "smoking-status", "pregnancy", "provenance"] {
        let (resource, profile) = sound(name);
        let errors = errors(&resource, &profile);
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

/// What to do to a resource: take something out, or put something in its place (or at the end of a list, `/-`).
enum Change {
    Out,
    In(Value),
}

fn changed(resource: &Value, pointer: &str, change: Change) -> Value {
    let mut resource = resource.clone();
    match change {
        Change::Out => remove(&mut resource, pointer),
        Change::In(value) => {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            match resource.pointer_mut(parent).unwrap() {
                Value::Object(members) => drop(members.insert(name.to_owned(), value)),
                Value::Array(items) if name == "-" => items.push(value),
                Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
                other => panic!("{other} has no parts"),
            }
        }
    }
    resource
}

#[test]
fn each_broken_rule_is_found_at_its_place() {
    use Change::{In, Out};
    use Rule::*;
    let coding = |system: &str, code: &str| json!({"coding": [{"system": system, "code": code}]});
    let loinc = |code: &str| coding("http://loinc.org", code);
    let birth_sex = json!({"url": format!("{US_CORE}/us-core-birthsex"), "valueCode": "X"});
    let adherence = json!({"url": format!("{US_CORE}/us-core-medication-adherence")});
    let cases = [
        // https://hl7.org/fhir/R4/conformance-rules.html#cardinality
        ("patient", "/name", Out, Cardinality, "Patient"),
        ("patient", "/identifier/0/value", Out, Cardinality, "Patient.identifier[0]"),
        ("patient", "/name/0/period", In(json!([{}, {}])), Cardinality, "Patient.name[0]"),
        ("patient", "/species", In(json!("cat")), UnknownElement, "Patient"),
        ("patient", "/name/0/first", In(json!("A")), UnknownElement, "Patient.name[0]"),
        ("patient", "/contact/0/name/first", In(json!("A")), UnknownElement, "Patient.contact[0].name"),
        ("patient", "/contained/0/gender", In(json!("f")), Binding, "Patient.contained[0].gender"),
        ("patient", "/contained/0/resourceType", In(json!("Cat")), Type, "Patient.contained[0]"),
        // https://hl7.org/fhir/R4/datatypes.html#primitive
        ("patient", "/birthDate", In(json!("20.2.1987")), Type, "Patient.birthDate"),
        ("patient", "/birthDate", In(json!(1987)), Type, "Patient.birthDate"),
        ("patient", "/active", In(json!("true")), Type, "Patient.active"),
        ("patient", "/name/0", In(json!("Amelia")), Type, "Patient.name[0]"),
        ("patient", "/deceasedString", In(json!("no")), Type, "Patient"),
        ("patient", "/photo", In(json!([{"data": "AAA"}])), Type, "Patient.photo[0].data"),
        // https://hl7.org/fhir/R4/terminologies.html#required
        ("patient", "/gender", In(json!("f")), Binding, "Patient.gender"),
        (
            "patient",
            "/extension/0/extension/0/valueCoding/code",
            In(json!("white")),
            Binding,
            "Patient.extension[0].extension[0].valueCoding",
        ),
        // https://hl7.org/fhir/R4/defining-extensions.html
        ("patient", "/extension/0/extension/1", Out, Cardinality, "Patient.extension[0]"),
        ("patient", "/extension/0/valueString", In(json!("White")), Cardinality, "Patient.extension[0]"),
        ("patient", "/extension/-", In(birth_sex.clone()), Binding, "Patient.extension[1].valueCode"),
        ("patient", "/name/0/extension", In(json!([birth_sex])), ExtensionContext, "Patient.name[0].extension[0]"),
        ("patient", "/extension/-", In(adherence), ExtensionContext, "Patient.extension[1]"),
        (
            "patient",
            "/_birthDate/extension/0/valueDateTime",
            In(json!("7:15")),
            Type,
            "Patient.birthDate.extension[0].valueDateTime",
        ),
        // https://hl7.org/fhir/R4/references.html
        (
            "patient",
            "/generalPractitioner/0/reference",
            In(json!("Device/d")),
            ReferenceTarget,
            "Patient.generalPractitioner[0]",
        ),
        (
            "patient",
            "/generalPractitioner/0/reference",
            In(json!("#other")),
            ReferenceTarget,
            "Patient.generalPractitioner[0]",
        ),
        (
            "provenance",
            "/agent/0/who/reference",
            In(json!("https://e.org/Location/l")),
            ReferenceTarget,
            "Provenance.agent[0].who",
        ),
        // https://hl7.org/fhir/R4/profiling.html#slicing
        ("blood-pressure", "/component/0", Out, Cardinality, "Observation"),
        ("blood-pressure", "/component/2/code", In(loinc("8480-6")), Cardinality, "Observation"),
        (
            "blood-pressure",
            "/component/1/valueQuantity/code",
            In(json!("mmHg")),
            FixedValue,
            "Observation.component[1].valueQuantity.code",
        ),
        ("blood-pressure", "/category/0/coding/0/code", In(json!("laboratory")), Cardinality, "Observation"),
        ("blood-pressure", "/code", In(loinc("8867-4")), Pattern, "Observation.code"),
        ("pregnancy", "/valueQuantity", In(json!({"value": 1})), Type, "Observation"),
        ("pregnancy", "/effectiveDateTime", Out, Cardinality, "Observation"),
        ("smoking-status", "/category/0", In(json!({"text": "social"})), Cardinality, "Observation"),
        ("smoking-status", "/status", In(json!("done")), Binding, "Observation.status"),
        ("smoking-status", "/effectiveDateTime", Out, Cardinality, "Observation"),
        ("smoking-status", "/resourceType", In(json!("Patient")), Profile, "Patient"),
    ];
    let mut missed = Vec::new();
    for (name, pointer, change, rule, location) in cases {
        let (resource, profile) = sound(name);
        let errors = errors(&changed(&resource, pointer, change), &profile);
        let found = errors.iter().any(|error| error.rule == rule && error.location == location);
        if !found {
            missed.push(format!("{name} {pointer}: expected {rule:?} at {location}, found {errors:#?}"));
        }
        assert!(errors.iter().all(|error| error.profile == format!("{profile}|8.0.0")));
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// <https://hl7.org/fhir/us/core/STU8/StructureDefinition-us-core-sex.html>: one address, another type in each version.
#[test]
fn an_extension_is_judged_by_the_version_that_is_claimed() {
    let (mut resource, _) = sound("patient");
    let sex = json!({"url": format!("{US_CORE}/us-core-sex"), "valueCode": "248152002"});
    resource["extension"].as_array_mut().unwrap().push(sex);
    resource["meta"] = json!({"profile": [format!("{US_CORE}/us-core-patient|6.1.0")]});
    let errors = |resource: &Value| check_claims(resource, &GUIDES, None).into_iter().filter(Finding::is_error).count();
    assert_eq!(errors(&resource), 0);
    resource["meta"] = json!({"profile": [format!("{US_CORE}/us-core-patient|8.0.0")]});
    assert!(errors(&resource) > 0);
    resource["meta"] = json!({});
    assert_eq!(errors(&resource), 0, "without a claim, R4's own rules");
    resource["meta"] = json!({"profile": ["http://e.org/unheard"]});
    let found = check_claims(&resource, &GUIDES, None);
    assert!(found.iter().any(|finding| finding.rule == Rule::NotChecked && finding.profile == "http://e.org/unheard"));
}

/// What the packages leave open is named and is no error.
#[test]
fn what_cannot_be_decided_is_said() {
    let (resource, profile) = sound("patient");
    let open = json!({"url": "http://e.org/unheard", "valueString": "a"});
    let resource = changed(&resource, "/extension/-", Change::In(open));
    let found = check(&resource, us_core("8.0.0").profile(&profile).unwrap());
    let open: Vec<_> = found.iter().filter(|finding| finding.location == "Patient.extension[1]").collect();
    assert!(matches!(open.as_slice(), [finding] if finding.rule == Rule::NotChecked), "{found:?}");
}

/// <https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.type.targetProfile>
#[test]
fn a_reference_resolves_to_what_keeps_a_target_profile() {
    let (provenance, profile) = sound("provenance");
    let (patient, _) = sound("patient");
    let practitioner = json!({"resourceType": "Practitioner", "id": "dr", "name": [{"family": "A"}],
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1144221847"}]});
    let clinic = json!({"resourceType": "Organization", "id": "clinic", "active": true, "name": "Clinic"});
    let within = |resources: &[&Value]| {
        let resources = Resources::new(resources.iter().copied());
        let found = check_within(&provenance, us_core("8.0.0").profile(&profile).unwrap(), &resources);
        found.into_iter().filter(Finding::is_error).map(|f| format!("{} {}", f.location, f.message)).collect::<Vec<_>>()
    };
    assert_eq!(within(&[&patient, &practitioner, &clinic]), [""; 0]);
    let lost = within(&[&patient, &practitioner]);
    assert!(lost.iter().any(|error| error.contains("Organization/clinic does not resolve")), "{lost:?}");
    let nameless = changed(&clinic, "/name", Change::Out);
    let wrong = within(&[&patient, &practitioner, &nameless]);
    assert!(wrong.iter().any(|error| error.contains("Organization/clinic keeps the rules of none of")), "{wrong:?}");
}
