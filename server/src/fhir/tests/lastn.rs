//! `$lastn`, by its definition: <https://hl7.org/fhir/R4/observation-operation-lastn.html>

use super::*;
use crate::fhir::operation::Place;

/// An observation of these codings (`system|code`), or of a text.
fn of(id: &str, codings: &[&str], date: &str) -> Value {
    let mut observation = observation(id, "p", date);
    observation["code"] = match codings {
        [text] if !text.contains('|') => json!({ "text": text }),
        codings => {
            let coding = |text: &&str| {
                let (system, code) = text.split_once('|').unwrap();
                json!({ "system": system, "code": code })
            };
            json!({ "coding": codings.iter().map(coding).collect::<Vec<_>>() })
        }
    };
    observation["category"] = json!([{ "coding": [{ "code": "laboratory" }] }]);
    if date.is_empty() {
        observation.as_object_mut().unwrap().shift_remove("effectiveDateTime");
    }
    observation
}

async fn last(fixture: &Fixture, max: &str) -> Vec<String> {
    let query = [("patient", "p"), ("category", "laboratory"), ("max", max)];
    let bundle = fixture.operation(Place::Type("Observation"), "lastn", &query, None).await.unwrap();
    let mut found: Vec<String> =
        entries(&bundle).iter().map(|entry| entry.rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(bundle["total"], found.len());
    found.sort();
    found
}

/// "In case of a tie - when the effective times for >1 Observations are equal - both will be returned. … For example, 4
/// Observations instead of 3 if the 3rd and 4th most recent observation had the same effective time."
#[tokio::test]
async fn what_is_of_the_same_time_as_the_last_is_shown_with_it() {
    let fixture = Fixture::new("user/*.cruds").await;
    for (id, date) in [
        ("a", "2024-01-05"),
        ("b", "2024-01-04"),
        ("c", "2024-01-03T10:00:00Z"),
        ("d", "2024-01-03T12:00:00+02:00"),
        ("e", "2024-01-02"),
        // Without a time there is no tie.
        ("x", ""),
        ("y", ""),
    ] {
        fixture.put(of(id, &["s|1"], date)).await;
    }
    assert_eq!(last(&fixture, "1").await, ["a"]);
    assert_eq!(last(&fixture, "3").await, ["a", "b", "c", "d"]);
    assert_eq!(last(&fixture, "5").await, ["a", "b", "c", "d", "e"]);
    assert_eq!(last(&fixture, "6").await.len(), 6);
    // A positiveInt.
    let none = [("patient", "p"), ("category", "laboratory"), ("max", "0")];
    let refused = fixture.operation(Place::Type("Observation"), "lastn", &none, None).await;
    assert_eq!(refused.unwrap_err().kind, Kind::Invalid);
}

/// "Codes SHALL be considered equivalent if the `coding.value` *and* `coding.system` are the same. Text only codes SHALL be
/// treated and grouped based on the text. … the grouping by code SHALL follow the transitive property of equality": the
/// examples of the definition's table, and the latest of a group that a later look brings together.
#[tokio::test]
async fn groups_are_those_of_the_table_of_the_definition() {
    let codes: [(&[&[&str]], &[&str]); 6] = [
        (&[&["s|a"], &["s|b"], &["s|c"]], &["0", "1", "2"]),
        (&[&["s|a"], &["s|b"], &["s|a", "s|c"]], &["0", "1"]),
        (&[&["s|a"], &["s|b"], &["s|a", "s|b"]], &["0"]),
        (&[&["s|b"], &["s|a"], &["s|a", "s|b"]], &["0"]),
        (&[&["textM"], &["Text"], &["t e x t"]], &["0", "1", "2"]),
        (&[&["s|a"], &["t|a"], &["a"]], &["0", "1", "2"]),
    ];
    for (codings, expected) in codes {
        let fixture = Fixture::new("user/*.cruds").await;
        for (number, codings) in codings.iter().enumerate() {
            fixture.put(of(&number.to_string(), codings, &format!("2024-01-{:02}", 20 - number))).await;
        }
        assert_eq!(last(&fixture, "1").await, expected, "{codings:?}");
        assert_eq!(last(&fixture, "3").await, ["0", "1", "2"], "{codings:?}");
    }
}

/// "A `category` parameter and/or a search parameter that contains a code element in its FHIRPath expression (e.g., `code`
/// or `code-value-concept`)".
#[tokio::test]
async fn any_parameter_of_codes_says_which() {
    let fixture = Fixture::new("user/*.cruds").await;
    fixture.put(of("a", &["s|1"], "2024-01-05")).await;
    for which in ["category", "code", "combo-code", "code:text", "component-code"] {
        let query = [("patient", "p"), (which, "nothing")];
        let bundle = fixture.operation(Place::Type("Observation"), "lastn", &query, None).await.unwrap();
        assert_eq!(entries(&bundle), [""; 0], "{which}");
    }
    for wrong in [("date", "2024"), ("status", "final"), ("value-concept", "x")] {
        let refused = fixture.operation(Place::Type("Observation"), "lastn", &[("patient", "p"), wrong], None).await;
        assert_eq!(refused.unwrap_err().kind, Kind::Invalid, "{wrong:?}");
    }
}
