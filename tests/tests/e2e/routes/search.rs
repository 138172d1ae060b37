//! `GET [base]/{type}?…` and `POST [base]/{type}/_search`: <https://hl7.org/fhir/R4/search.html>. What each parameter
//! finds is checked on the published samples, in `real_input`; here stands how a search is asked and answered.

use serde_json::json;

use super::{patient, weight};
use crate::harness::{Client, link, matches};

/// Two patients, with three and one weights.
fn weights(client: &Client) -> (String, String) {
    let (ann, bea) = (client.create(&patient("Ann")), client.create(&patient("Bea")));
    for (who, date, value) in
        [(&ann, "2021-01-05", "70.0"), (&ann, "2022-01-05", "71.50"), (&ann, "2023", "72"), (&bea, "2022-06-01", "55")]
    {
        client.create(&weight(who, date, value));
    }
    (ann, bea)
}

on_both_databases! {
    /// "self … contains the parameters that were actually used".
    fn a_searchset_says_what_was_searched_and_where_its_entries_are(world) {
        let client = world.client("user/*.cruds");
        let (ann, _) = weights(&client);
        let bundle = client.get(&format!("Observation?patient={ann}&code=29463-7&_count=2")).expect(200).json();
        assert_eq!((&bundle["resourceType"], &bundle["type"]), (&json!("Bundle"), &json!("searchset")));
        let own = link(&bundle, "self").expect("a link to itself");
        assert!(own.starts_with(&format!("{}/Observation?", client.base)) && own.contains("code=29463-7"), "{own}");
        for entry in bundle["entry"].as_array().expect("entries") {
            let id = entry["resource"]["id"].as_str().expect("an id");
            assert_eq!(entry["fullUrl"], format!("{}/Observation/{id}", client.base));
            assert_eq!(entry["search"]["mode"], "match");
        }
    }

    fn pages_go_forth_and_back(world) {
        let client = world.client("user/*.cruds");
        let (ann, _) = weights(&client);
        let first = client.get(&format!("Observation?patient={ann}&_sort=date&_count=2")).expect(200).json();
        assert_eq!(matches(&first).count(), 2);
        assert_eq!(link(&first, "previous"), None);
        let second = client.get(&link(&first, "next").expect("a next page")).expect(200).json();
        assert_eq!(matches(&second).count(), 1);
        assert_eq!(link(&second, "next"), None);
        let back = client.get(&link(&second, "previous").expect("a previous page")).expect(200).json();
        let ids = |bundle: &serde_json::Value| matches(bundle).map(|one| one["id"].clone()).collect::<Vec<_>>();
        assert_eq!(ids(&back), ids(&first));
        let start = client.get(&link(&second, "first").expect("a first page")).expect(200).json();
        assert_eq!(ids(&start), ids(&first));
        // A cursor that was tampered with is refused.
        let next = link(&first, "next").expect("a next page");
        let bent = format!("{}AA", &next[..next.len() - 2]);
        assert_eq!(client.get(&bent).status, 400);
    }

    fn sorting_is_by_the_values_and_what_has_none_comes_last(world) {
        let client = world.client("user/*.cruds");
        let (ann, _) = weights(&client);
        let undated = json!({ "resourceType": "Observation", "status": "final", "code": { "text": "undated" },
            "subject": { "reference": format!("Patient/{ann}") } });
        let undated = client.create(&undated);
        let dates = |sort: &str| {
            let bundle = client.get(&format!("Observation?patient={ann}&_sort={sort}")).expect(200).json();
            matches(&bundle).map(|one| one["effectiveDateTime"].as_str().unwrap_or("none").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(dates("date"), ["2021-01-05", "2022-01-05", "2023", "none"]);
        assert_eq!(dates("-date"), ["2023", "2022-01-05", "2021-01-05", "none"]);
        assert!(client.ids("Observation?date:missing=true").contains(&undated));
    }

    /// <https://hl7.org/fhir/R4/search.html#errors>: what is unknown is never silently ignored.
    fn an_unknown_parameter_is_named_or_refused(world) {
        let client = world.client("user/*.cruds");
        weights(&client);
        let strict = [("prefer", "handling=strict")];
        let issues = client.send("GET", "Patient?colour=red", &strict, None).expect(400).issues();
        assert!(issues[0].contains("colour"), "{issues:?}");
        let lenient = client.send("GET", "Patient?colour=red&family=ann", &[("prefer", "handling=lenient")], None);
        let bundle = lenient.expect(200).json();
        let outcome = bundle["entry"].as_array().into_iter().flatten().find(|entry| entry["search"]["mode"] == "outcome");
        assert!(outcome.is_some_and(|entry| entry["resource"].to_string().contains("colour")), "{bundle}");
        assert!(!link(&bundle, "self").expect("a link").contains("colour"));
        assert_eq!(matches(&bundle).count(), 1);
        for wrong in ["Patient?birthdate=soon", "Observation?date=gt", "Patient?family:nonsense=a", "Observation?value-quantity=x"] {
            client.send("GET", wrong, &strict, None).expect(400).issues();
        }
    }

    /// "servers SHALL support both GET and POST".
    fn a_form_asks_the_same_and_adds_to_the_query(world) {
        let client = world.client("user/*.cruds");
        let (ann, _) = weights(&client);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let body = format!("patient={ann}&date=ge2022");
        let bundle = client.send("POST", "Observation/_search?code=29463-7", &form, Some(body.as_bytes())).expect(200).json();
        assert_eq!(matches(&bundle).count(), 2);
    }

    /// <https://hl7.org/fhir/R4/search.html#include>
    fn included_resources_are_no_matches(world) {
        let client = world.client("user/*.cruds");
        let (ann, _) = weights(&client);
        let modes = |search: &str| {
            let bundle = client.get(search).expect(200).json();
            let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
            let count = |mode: &str, kind: &str| {
                let of_kind = entries.iter().filter(|entry| entry["resource"]["resourceType"] == kind);
                of_kind.filter(|entry| entry["search"]["mode"] == mode).count()
            };
            (count("match", "Observation"), count("include", "Patient"), count("match", "Patient"), count("include", "Observation"))
        };
        assert_eq!(modes(&format!("Observation?patient={ann}&_include=Observation:patient")), (3, 1, 0, 0));
        assert_eq!(modes("Patient?family=ann&_revinclude=Observation:subject"), (0, 0, 1, 3));
    }

    /// <https://hl7.org/fhir/R4/search.html#total>: matches only.
    fn the_total_counts_matches(world) {
        let client = world.client("user/*.cruds");
        weights(&client);
        let total = |search: &str| client.get(search).expect(200).json()["total"].clone();
        assert_eq!(total("Observation?_total=accurate&_count=1&_include=Observation:patient"), 4);
        assert_eq!(total("Observation?_summary=count"), 4);
        assert_eq!(total("Observation?_total=none&_count=1"), json!(null));
        let counted = client.get("Observation?_summary=count").expect(200).json();
        assert_eq!(counted["entry"].as_array().map_or(0, Vec::len), 0);
    }

    /// A comma is an OR, a parameter given twice an AND.
    fn or_and_and(world) {
        let client = world.client("user/*.cruds");
        let (ann, bea) = weights(&client);
        assert_eq!(client.ids(&format!("Observation?patient={ann},{bea}")).len(), 4);
        assert_eq!(client.ids("Observation?date=ge2022&date=le2022").len(), 2);
        assert!(client.ids(&format!("Observation?patient={ann}&patient={bea}")).is_empty());
    }

    /// `PractitionerRole?practitioner.identifier=` is a SHALL of US Core.
    /// <https://hl7.org/fhir/us/core/STU8/CapabilityStatement-us-core-server.html>
    fn the_chaining_that_us_core_requires(world) {
        let client = world.client("user/*.cruds");
        let practitioner = json!({ "resourceType": "Practitioner", "name": [{ "family": "Chain" }],
            "identifier": [{ "system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893" }] });
        let practitioner = client.create(&practitioner);
        let role = client.create(&json!({ "resourceType": "PractitionerRole",
            "practitioner": { "reference": format!("Practitioner/{practitioner}") } }));
        client.create(&json!({ "resourceType": "PractitionerRole" }));
        for chain in ["practitioner.identifier=http://hl7.org/fhir/sid/us-npi|1234567893", "practitioner.name=chain"] {
            assert_eq!(client.ids(&format!("PractitionerRole?{chain}")), std::slice::from_ref(&role), "{chain}");
        }
        assert!(client.ids("PractitionerRole?practitioner.name=unchained").is_empty());
    }

    /// What `meta.lastUpdated` says finds the resource again.
    fn by_the_time_of_the_last_change(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Time"));
        let at = client.get(&format!("Patient/{id}")).json()["meta"]["lastUpdated"].as_str().expect("a time").to_owned();
        assert_eq!(client.ids(&format!("Patient?_lastUpdated={at}")), std::slice::from_ref(&id));
        assert_eq!(client.ids(&format!("Patient?_lastUpdated=ge{at}")), [id]);
        assert!(client.ids("Patient?_lastUpdated=lt2001").is_empty());
    }
}
