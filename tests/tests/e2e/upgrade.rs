//! A guide is updated: the parameters that are new, or whose expression changed, are indexed in the background, and a
//! search by one that is not complete is refused or named, never answered wrongly.

use std::time::Duration;

use serde_json::{Value, json};
use vesta_server::config::Config;

use crate::harness::{Client, World, matches, wait_until};

const RESOURCES: usize = 300;

fn only(config: &mut Config, version: &str) {
    config.guides = vec![format!("hl7.fhir.us.core@{version}").parse().expect("a guide")];
}

fn condition(patient: &str, number: usize) -> Value {
    json!({ "resourceType": "Condition", "subject": { "reference": format!("Patient/{patient}") },
        "extension": [{ "url": "http://hl7.org/fhir/StructureDefinition/condition-assertedDate",
            "valueDateTime": format!("20{:02}-03-04", number % 25) }],
        "code": { "text": format!("condition {number}") } })
}

fn strictly(client: &Client, search: &str) -> u16 {
    client.send("GET", search, &[("prefer", "handling=strict")], None).status
}

on_both_databases! {
    /// From US Core 6.1.0 alone to all three: `Condition.asserted-date` has another expression in 8.0.0.
    fn from_6_1_0_only_to_all_three(world) {
        world.restart(|config| only(config, "6.1.0"));
        let client = world.client("user/*.cruds");
        let patient = client.create(&json!({ "resourceType": "Patient" }));
        let entries: Vec<Value> = (0..RESOURCES)
            .map(|number| json!({ "resource": condition(&patient, number), "request": { "method": "POST", "url": "Condition" } }))
            .collect();
        client.post("", &json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries })).expect(200);
        let search = format!("Condition?patient={patient}&asserted-date=ge2020&_count=1000");
        let before = client.ids(&search);
        assert_eq!(before.len(), RESOURCES / 25 * 5);

        world.restart(|_| ());
        let client = world.client("user/*.cruds");
        // Written while it goes on, and counted once.
        let meanwhile = client.create(&condition(&patient, 24));
        wait_until("the parameter is indexed", Duration::from_secs(60), || match strictly(&client, &search) {
            200 => true,
            status => {
                assert_eq!(status, 400);
                // Under lenient handling it is named, and what is found is not bounded by it in silence. The server's new
                // port is another base, so that references are indexed anew too: one that may name a patient is refused.
                let answer = client.get(&search);
                let bundle = answer.json();
                let named = bundle.to_string();
                assert!(
                    match answer.status {
                        200 => matches(&bundle).count() == 0 || named.contains("asserted-date"),
                        status => status == 400 && named.contains("patient"),
                    },
                    "{bundle}"
                );
                false
            }
        });
        let mut expected = before;
        expected.push(meanwhile);
        let mut after = client.ids(&search);
        expected.sort();
        after.sort();
        assert_eq!(after, expected);
    }

    /// A parameter that only the older versions have comes and goes with them.
    fn a_parameter_that_was_not_there_is_indexed_from_what_is_stored(world) {
        world.restart(|config| only(config, "8.0.0"));
        let client = world.client("user/*.cruds");
        let identity = json!({ "resourceType": "Patient",
            "extension": [{ "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-genderIdentity",
                "valueCodeableConcept": { "coding": [{ "system": "http://snomed.info/sct", "code": "446141000124107" }] } }] });
        let id = client.create(&identity);
        client.create(&json!({ "resourceType": "Patient" }));
        let search = "Patient?gender-identity=446141000124107";
        assert_eq!(strictly(&client, search), 400, "8.0.0 has no such parameter");

        world.restart(|_| ());
        let client = world.client("user/*.cruds");
        wait_until("the parameter is indexed", Duration::from_secs(60), || strictly(&client, search) == 200);
        assert_eq!(client.ids(search), [id]);
    }

    /// A site says which versions of a guide it serves: those that its operator enabled.
    fn the_capability_statement_names_the_profiles_of_the_enabled_versions(world) {
        let versions = |world: &World| {
            let statement = world.anyone().get("metadata").expect(200).json();
            let text = statement["rest"][0]["resource"].to_string();
            ["6.1.0", "7.0.0", "8.0.0"].map(|version| text.contains(&format!("us-core-condition-encounter-diagnosis|{version}")))
        };
        world.restart(|config| only(config, "7.0.0"));
        assert_eq!(versions(world), [false, true, false]);
        world.restart(|_| ());
        assert_eq!(versions(world), [true, true, true]);
    }
}
