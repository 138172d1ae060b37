//! `GET [base]/{type}/{id}/_history`, `…/{type}/_history`, `…/_history`: <https://hl7.org/fhir/R4/http.html#history>

use serde_json::Value;

use super::patient;
use crate::harness::Client;

fn versions(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries
        .map(|entry| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!("{} {}", text(&entry["request"]["method"]), text(&entry["response"]["etag"]))
        })
        .collect()
}

fn three_versions(client: &Client) -> String {
    let id = client.create(&patient("One"));
    let mut next = patient("Two");
    next["id"] = id.clone().into();
    client.put(&format!("Patient/{id}"), &next).expect(200);
    client.delete(&format!("Patient/{id}"));
    id
}

on_both_databases! {
    /// "sorted with oldest versions last", and an entry without a resource for a deletion.
    fn the_history_of_a_resource_is_newest_first_with_its_deletion(world) {
        let client = world.client("user/*.cruds");
        let id = three_versions(&client);
        let bundle = client.get(&format!("Patient/{id}/_history")).expect(200).json();
        assert_eq!(bundle["type"], "history");
        assert_eq!(bundle["total"], 3);
        assert_eq!(versions(&bundle), ["DELETE W/\"3\"", "PUT W/\"2\"", "POST W/\"1\""]);
        assert!(bundle["entry"][0].get("resource").is_none());
        assert_eq!(bundle["entry"][2]["resource"]["name"][0]["family"], "One");
        client.get("Patient/never-there/_history").expect(404).issues();
    }

    fn the_histories_of_a_type_and_of_all_are_paged(world) {
        let client = world.client("user/*.cruds");
        three_versions(&client);
        client.create(&serde_json::json!({ "resourceType": "Organization", "name": "Clinic" }));
        for (path, expected) in [("Patient/_history?_count=2", 3), ("_history?_count=2", 4)] {
            let mut found = Vec::new();
            let mut next = Some(path.to_owned());
            while let Some(page) = next {
                let bundle = client.get(&page).expect(200).json();
                assert!(bundle["entry"].as_array().is_none_or(|entries| entries.len() <= 2), "{path}");
                found.extend(versions(&bundle));
                next = crate::harness::link(&bundle, "next");
            }
            assert_eq!(found.len(), expected, "{path}: {found:?}");
        }
    }

    /// `_since`: "only include resource versions that were created at or after the given instant in time".
    fn since_an_instant(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Since"));
        let first = client.get(&format!("Patient/{id}")).json()["meta"]["lastUpdated"].as_str().unwrap_or_default().to_owned();
        std::thread::sleep(std::time::Duration::from_millis(20));
        three_versions(&client);
        let since = |instant: &str| {
            let bundle = client.get(&format!("Patient/_history?_since={}", instant.replace('+', "%2B"))).expect(200);
            versions(&bundle.json()).len()
        };
        assert_eq!(since(&first), 4);
        assert_eq!(since("2099-01-01T00:00:00Z"), 0);
        client.get("Patient/_history?_since=yesterday").expect(400).issues();
    }

    /// `_at`: "only include resource versions that were current at some point during the time period specified".
    fn at_a_time(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("One"));
        let path = format!("Patient/{id}");
        let instant = || client.get(&path).expect(200).json()["meta"]["lastUpdated"].as_str().expect("an instant").to_owned();
        let first = instant();
        std::thread::sleep(std::time::Duration::from_millis(20));
        let mut next = patient("Two");
        next["id"] = id.clone().into();
        client.put(&path, &next).expect(200);
        let second = instant();
        std::thread::sleep(std::time::Duration::from_millis(20));
        client.delete(&path).expect(200);
        for scope in [format!("{path}/_history"), "Patient/_history".to_owned(), "_history".to_owned()] {
            let at = |time: &str| {
                let bundle = client.get(&format!("{scope}?_at={}&_total=accurate", time.replace('+', "%2B"))).expect(200).json();
                let found = versions(&bundle);
                assert_eq!(bundle["total"], found.len(), "{scope} {time}");
                found
            };
            assert_eq!(at(&first), ["POST W/\"1\""], "{scope}");
            assert_eq!(at(&second), ["PUT W/\"2\""], "{scope}");
            assert_eq!(at("2000").len(), 0, "{scope}");
            assert_eq!(at("2999"), ["DELETE W/\"3\""], "{scope}");
            assert_eq!(at(&second[..4]).len(), 3, "all were current in that year: {scope}");
        }
        // "See notes below on date/time search parameters": with their prefixes.
        let at = |time: &str| {
            let bundle = client.get(&format!("{path}/_history?_at={}", time.replace('+', "%2B"))).expect(200).json();
            versions(&bundle)
        };
        let (one, two, three) = ("POST W/\"1\"", "PUT W/\"2\"", "DELETE W/\"3\"");
        assert_eq!(at("ge2000"), [three, two, one]);
        assert_eq!(at("gt2998"), [three]);
        assert_eq!(at("sa2998"), [three]);
        assert_eq!(at(&format!("lt{second}")), [one]);
        assert_eq!(at(&format!("eb{second}")), [one]);
        assert_eq!(at(&format!("le{second}")), [two, one]);
        assert_eq!(at(&format!("eq{first}")), [one]);
        assert_eq!(at(&format!("ge{second}")), [three, two]);
        assert_eq!(at("le2000"), [""; 0]);
        client.get("Patient/_history?_at=ne2000").expect(400).issues();
        // "If _count has the value 0, this shall be treated the same as _summary=count".
        let counted = client.get(&format!("{path}/_history?_count=0")).expect(200).json();
        assert_eq!((&counted["total"], counted.get("entry")), (&3.into(), None));
        assert!(counted["link"].as_array().expect("links").iter().all(|link| link["relation"] != "next"));
        client.get("Patient/_history?_at=yesterday").expect(400).issues();
        client.get("Patient/_history?_at=2024&_since=2024-01-01T00:00:00Z").expect(400).issues();
    }

    /// A history of the system shows the types that the token may search, and passes over the others: 200, not 403.
    fn a_narrow_token_gets_the_shorter_history(world) {
        let all = world.client("user/*.cruds");
        let id = three_versions(&all);
        all.create(&serde_json::json!({ "resourceType": "Organization", "name": "Clinic" }));
        let narrow = world.client("user/Organization.rs");
        let bundle = narrow.get("_history?_total=accurate").expect(200).json();
        assert_eq!((versions(&bundle), &bundle["total"]), (vec!["POST W/\"1\"".to_owned()], &serde_json::json!(1)));
        narrow.get("Patient/_history").expect(403).issues();
        world.client("user/Organization.r").get("_history").expect(403).issues();
        // Of a patient's token the total is that of the versions it sees: its own, and the directory's.
        let other = all.create(&patient("Other"));
        let own = world.patient_client(&other, "patient/*.rs");
        for (path, total) in [("_history?_count=1&_total=accurate", 2), ("Patient/_history", 1)] {
            assert_eq!(own.get(path).expect(200).json()["total"], total, "{path}");
        }
        let deleted = world.patient_client(&id, "patient/*.rs");
        assert_eq!(deleted.get(&format!("Patient/{id}/_history")).expect(200).json()["total"], 3);
    }
}
