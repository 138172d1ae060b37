//! The granular scopes of US Core, over HTTP: <https://hl7.org/fhir/us/core/STU8/scopes.html#granular-scopes>

use serde_json::{Value, json};

use crate::harness::{Client, Token, World, matches};

const OBSERVATION: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const CONDITION: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const CORE_CONDITION: &str = "http://hl7.org/fhir/us/core/CodeSystem/condition-category";
const CORE: &str = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category";
const NOTE: &str = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category";

/// Type, and the category that a scope for a part of it names.
const GRANULAR: [(&str, &str, &str); 9] = [
    ("Condition", CONDITION, "encounter-diagnosis"),
    ("Condition", CONDITION, "problem-list-item"),
    ("Condition", CORE_CONDITION, "health-concern"),
    ("Observation", OBSERVATION, "laboratory"),
    ("Observation", OBSERVATION, "vital-signs"),
    ("Observation", OBSERVATION, "social-history"),
    ("Observation", OBSERVATION, "survey"),
    ("Observation", CORE, "sdoh"),
    ("DocumentReference", NOTE, "clinical-note"),
];

fn resource(patient: &str, (of, system, code): (&str, &str, &str)) -> Value {
    let mut resource = json!({ "resourceType": of, "subject": { "reference": format!("Patient/{patient}") },
        "category": [{ "coding": [{ "system": system, "code": code }] }] });
    match of {
        "Condition" => resource["code"] = json!({ "text": code }),
        "Observation" => {
            resource["status"] = "final".into();
            resource["code"] = json!({ "text": code });
        }
        _ => {
            resource["status"] = "current".into();
            resource["content"] = json!([{ "attachment": { "url": "https://example.org/note" } }]);
        }
    }
    resource
}

fn scope(level: &str, letters: &str, (of, system, code): (&str, &str, &str)) -> String {
    format!("{level}/{of}.{letters}?category={system}|{code}")
}

/// A patient with a record of each category, and their ids.
fn records(world: &World) -> (String, Vec<String>) {
    let client = world.client("user/*.cruds");
    let patient = client.create(&json!({ "resourceType": "Patient", "name": [{ "family": "Own" }] }));
    let ids = GRANULAR.iter().map(|one| client.create(&resource(&patient, *one))).collect();
    (patient, ids)
}

fn found(client: &Client, query: &str) -> Vec<String> {
    let mut ids = client.ids(query);
    ids.sort();
    ids
}

on_both_databases! {
    fn each_granular_scope_shows_its_category_and_no_other(world) {
        let (patient, ids) = records(world);
        for level in ["patient", "user", "system"] {
            for (granted, own) in GRANULAR.iter().zip(&ids) {
                let client = world.patient_client(&patient, &scope(level, "rs", *granted));
                assert_eq!(found(&client, granted.0), std::slice::from_ref(own), "{level} {granted:?}");
                for (one, id) in GRANULAR.iter().zip(&ids) {
                    let expected = match one {
                        one if one == granted => 200,
                        (of, ..) if *of == granted.0 => 404,
                        _ => 403,
                    };
                    for path in ["", "/_history", "/_history/1"] {
                        let status = client.get(&format!("{}/{id}{path}", one.0)).status;
                        assert_eq!(status, expected, "{level} {granted:?} reads {one:?}{path}");
                    }
                }
            }
        }
    }

    /// "A granular scope grants every resource that matches it": several on a type are a union, and one without a
    /// category beside them grants the type.
    fn granular_scopes_are_a_union(world) {
        let (patient, ids) = records(world);
        let all = [scope("patient", "rs", GRANULAR[3]), scope("patient", "rs", GRANULAR[7])];
        let client = world.patient_client(&patient, &all.join(" "));
        let mut expected = vec![ids[3].clone(), ids[7].clone()];
        expected.sort();
        assert_eq!(found(&client, "Observation"), expected);
        assert_eq!(found(&client, &format!("Observation?category={CORE}|sdoh")), [ids[7].clone()]);
        assert!(found(&client, "Observation?category=survey").is_empty());
        let counted = client.get("Observation?_total=accurate&_count=1").expect(200).json();
        assert_eq!((counted["total"].as_u64(), matches(&counted).count()), (Some(2), 1));
        let lifted = world.patient_client(&patient, &format!("{} patient/Observation.rs", all[0]));
        assert_eq!(lifted.ids("Observation").len(), 5);
    }

    /// <https://hl7.org/fhir/us/core/STU8/writing-vital-signs.html>: `.c` and `.u?category=…|vital-signs`.
    fn patients_write_their_vital_signs(world) {
        let (patient, ids) = records(world);
        let letters = scope("patient", "cru", GRANULAR[4]);
        let client = world.patient_client(&patient, &letters);
        let vital = resource(&patient, GRANULAR[4]);
        let id = client.create(&vital);
        client.post("Observation", &resource(&patient, GRANULAR[3])).expect(403);
        let mut changed = vital.clone();
        changed["id"] = id.clone().into();
        changed["status"] = "amended".into();
        client.put(&format!("Observation/{id}"), &changed).expect(200);
        changed["category"] = resource(&patient, GRANULAR[3])["category"].clone();
        client.put(&format!("Observation/{id}"), &changed).expect(403);
        let mut taken = vital;
        taken["id"] = ids[3].clone().into();
        client.put(&format!("Observation/{}", ids[3]), &taken).expect(403);
        client.delete(&format!("Observation/{id}")).expect(403);
    }

    /// What cannot be decided grants nothing, and says why; what cannot be read makes the token worthless.
    fn a_scope_that_is_not_understood_grants_nothing(world) {
        let (patient, _) = records(world);
        let client = world.patient_client(&patient, "patient/Observation.rs?colour=red");
        let refused = client.get("Observation").expect(403);
        assert!(refused.issues().iter().any(|issue| issue.to_string().contains("no search parameter")), "{refused:?}");
        let client = world.patient_client(&patient, "patient/Observation.rs?category");
        let refused = client.get("Observation").expect(401);
        assert!(refused.issues().iter().any(|issue| issue.contains("name=value")), "{refused:?}");
    }

    /// "Permission to retrieve information about the current logged-in user": only where the token has both scopes.
    /// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#quick-start>
    fn who_is_logged_in_reads_their_own_resource(world) {
        let all = world.client("user/*.cruds");
        let practitioner = || all.create(&json!({ "resourceType": "Practitioner", "name": [{ "family": "Doe" }] }));
        let (own, colleague) = (practitioner(), practitioner());
        let user = format!("{}/Practitioner/{own}", all.base);
        let token = |scope| Token { scope, patient: Some("1"), fhir_user: Some(&user), ..Token::default() };
        let client = world.client_with(&token("openid fhirUser patient/Observation.rs"));
        client.get(&format!("Practitioner/{own}")).expect(200);
        client.get(&format!("Practitioner/{colleague}")).expect(404);
        client.get("Practitioner").expect(403);
        client.delete(&format!("Practitioner/{own}")).expect(403);
        let client = world.client_with(&token("fhirUser patient/Observation.rs"));
        client.get(&format!("Practitioner/{own}")).expect(403);
    }
}
