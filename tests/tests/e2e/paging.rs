//! Paging while others write: "stable" means that a resource that is not written meanwhile appears exactly once.
//! <https://hl7.org/fhir/R4/http.html#paging>

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::harness::{Client, link, matches};

const STILL: usize = 120;

fn patient(id: &str, number: usize) -> Value {
    // Few values, so that many tie; some have none.
    let mut resource = json!({ "resourceType": "Patient", "id": id, "active": true,
        "name": [{ "family": format!("Family{}", number % 5) }] });
    if !number.is_multiple_of(7) {
        resource["birthDate"] = format!("19{:02}-01-01", number % 10 + 50).into();
    }
    resource
}

/// Creates, changes and deletes others of the same kind, all over the order.
fn disturb(client: &Client, stop: &AtomicBool) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let id = format!("moving-{}", number % 40);
        let path = format!("Patient/{id}");
        if number % 3 == 2 {
            client.delete(&path);
        } else {
            let answer = client.put(&path, &patient(&id, number));
            assert!([200, 201].contains(&answer.status), "{answer:?}");
        }
    }
}

on_both_databases! {
    fn what_is_not_written_meanwhile_appears_exactly_once(world) {
        let client = world.client("user/*.cruds");
        for number in 0..STILL {
            let id = format!("still-{number}");
            client.put(&format!("Patient/{id}"), &patient(&id, number)).expect(201);
        }
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| disturb(&client, &stop));
            for sort in ["", "&_sort=family", "&_sort=-family", "&_sort=birthdate", "&_sort=-birthdate", "&_sort=-_lastUpdated"] {
                let mut seen: BTreeMap<String, usize> = BTreeMap::new();
                let mut next = Some(format!("Patient?active=true&_count=7{sort}"));
                while let Some(page) = next {
                    let bundle = client.get(&page).expect(200).json();
                    for found in matches(&bundle) {
                        *seen.entry(found["id"].as_str().expect("an id").to_owned()).or_default() += 1;
                    }
                    next = link(&bundle, "next");
                }
                let still: Vec<_> = seen.iter().filter(|(id, _)| id.starts_with("still-")).collect();
                let twice: Vec<_> = still.iter().filter(|(_, count)| **count != 1).collect();
                if still.len() != STILL || !twice.is_empty() {
                    stop.store(true, Ordering::Relaxed);
                }
                assert_eq!(still.len(), STILL, "{sort}: some are missing");
                assert!(twice.is_empty(), "{sort}: {twice:?}");
            }
            stop.store(true, Ordering::Relaxed);
        });
    }

    /// A page link holds no names and dates that others could read, and access is applied anew on each page.
    fn a_page_link_is_sealed_and_gives_no_access_of_its_own(world) {
        let client = world.client("user/*.cruds");
        for number in 0..5 {
            let id = format!("sealed-{number}");
            let mut resource = patient(&id, number);
            resource["name"] = json!([{ "family": "Unmistakable" }]);
            client.put(&format!("Patient/{id}"), &resource).expect(201);
        }
        let bundle = client.get("Patient?_sort=family&_count=2").expect(200).json();
        let next = link(&bundle, "next").expect("a next page");
        assert!(!next.to_lowercase().contains("unmistakable"), "{next}");
        assert_eq!(world.anyone().get(&next).status, 401);
        assert_eq!(world.client("user/Observation.rs").get(&next).status, 403);
        let patient = world.patient_client("sealed-0", "patient/Patient.rs");
        let page = patient.get(&next).expect(200).json();
        assert!(matches(&page).all(|found| found["id"] == "sealed-0"), "{page}");
    }
}
