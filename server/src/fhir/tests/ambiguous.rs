//! References without a type that may mean several.

use super::*;
use crate::fhir::operation::Place;

async fn filled() -> Fixture {
    let fixture = Fixture::new("user/*.cruds").await;
    let identifier = json!([{ "system": "urn:made-up", "value": "1" }]);
    for of in ["Patient", "Device", "Group"] {
        let mut resource = json!({ "resourceType": of, "id": "1", "identifier": identifier });
        if of == "Group" {
            resource["type"] = json!("person");
            resource["actual"] = json!(true);
        }
        fixture.put(resource).await;
    }
    fixture.put(observation("of-patient", "1", "2024-01-01")).await;
    let mut of_device = observation("of-device", "1", "2024-01-02");
    of_device["subject"] = json!({ "reference": "Device/1" });
    fixture.put(of_device).await;
    fixture
}

async fn find(fixture: &Fixture, parameters: &[(&str, &str)]) -> Result<Vec<String>, Error> {
    Ok(entries(&body_of(search::search(&fixture.request(), "Observation", &pairs(parameters)).await?)))
}

/// "Servers SHOULD fail a search where the logical id in a reference refers to more than one matching resource across
/// different types": <https://hl7.org/fhir/R4/search.html#reference>; chains likewise:
/// <https://hl7.org/fhir/R4/search.html#chaining>
#[tokio::test]
async fn what_means_several_types_is_refused_and_told_how_to_name_one() {
    let fixture = filled().await;
    let named = "name the one that is meant, as in";
    for (name, right) in [
        ("subject", format!("{named} subject=Device/… or subject:Device=….")),
        ("subject.identifier", format!("{named} subject:Device.….")),
        ("has-member:Observation.subject", format!("{named} subject=Device/… or subject:Device=….")),
    ] {
        let error = find(&fixture, &[(name, "1")]).await.unwrap_err();
        assert_eq!((error.kind, error.issues[0].code), (Kind::Invalid, IssueType::MultipleMatches), "{name}");
        let text = error.to_string();
        assert!(text.contains("`subject` is of several types (Device, Patient)") && text.ends_with(&right), "{text}");
    }
}

/// Of whom the latest is asked must be clear.
#[tokio::test]
async fn the_latest_of_a_patient_is_not_mixed_with_a_devices() {
    let fixture = filled().await;
    let lastn = async |subject: &str| {
        let asked = [("subject", subject), ("code:missing", "false")];
        fixture.operation(Place::Type("Observation"), "lastn", &asked, None).await
    };
    assert_eq!(lastn("1").await.unwrap_err().issues[0].code, IssueType::MultipleMatches);
    assert_eq!(entries(&lastn("Patient/1").await.unwrap()), ["match Observation/of-patient"]);
}

/// What else is asked may tell which is meant.
#[tokio::test]
async fn what_means_one_type_only_is_found() {
    let fixture = filled().await;
    assert_eq!(find(&fixture, &[("subject", "Patient/1")]).await.unwrap(), ["match Observation/of-patient"]);
    assert_eq!(find(&fixture, &[("subject:Device", "1")]).await.unwrap(), ["match Observation/of-device"]);
    assert_eq!(find(&fixture, &[("patient", "1")]).await.unwrap(), ["match Observation/of-patient"]);
    let on_a_day = [("subject", "1"), ("date", "2024-01-02")];
    assert_eq!(find(&fixture, &on_a_day).await.unwrap(), ["match Observation/of-device"]);
    let on_a_day = [("subject.identifier", "1"), ("date", "2024-01-01")];
    assert_eq!(find(&fixture, &on_a_day).await.unwrap(), ["match Observation/of-patient"]);
    assert_eq!(find(&fixture, &[("subject", "2")]).await.unwrap(), Vec::<String>::new());
}

/// That there is a device's of the same id is told to nobody who may not see it.
#[tokio::test]
async fn who_may_see_one_of_them_only_is_not_told_of_the_other() {
    let mut fixture = filled().await;
    fixture.access = AccessContext { patient: Some("1".to_owned()), ..fixture.with_scopes("patient/*.rs") };
    assert_eq!(find(&fixture, &[("subject", "1")]).await.unwrap(), ["match Observation/of-patient"]);
    assert_eq!(find(&fixture, &[("subject.identifier", "1")]).await.unwrap(), ["match Observation/of-patient"]);
}

/// A delete of all that match deletes none by accident.
#[tokio::test]
async fn a_conditional_delete_keeps_what_it_may_not_mean() {
    let multiple = WriteRules { conditional_delete_multiple: true, ..WriteRules::default() };
    let fixture = filled().await.with_rules(multiple).await;
    let delete = async |subject: &str| {
        delete::conditional(&fixture.request(), "Observation", &pairs(&[("subject", subject)]), ALWAYS).await
    };
    let error = delete("1").await.unwrap_err();
    assert_eq!((error.kind, error.issues[0].code), (Kind::Invalid, IssueType::MultipleMatches));
    assert_eq!(find(&fixture, &[]).await.unwrap().len(), 2);
    delete("Device/1").await.unwrap();
    assert_eq!(find(&fixture, &[]).await.unwrap(), ["match Observation/of-patient"]);
}
