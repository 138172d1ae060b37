//! The CapabilityStatement.

use super::*;

#[tokio::test]
async fn the_statement_says_what_the_server_does() {
    let fixture = Fixture::new("").await;
    let answer = metadata::metadata(&fixture.service, &[]).await.unwrap();
    let mut statement = body_of(answer);
    let issues = crate::validate::validate(&SCHEMA, &statement);
    assert_eq!(issues, []);
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    assert_eq!(resources.len(), vesta_fhir::types::ResourceType::ALL.len());
    let names = |of: &str, member: &str, name: &str| {
        let resource = resources.iter().find(|resource| resource["type"] == of).unwrap();
        resource[member].as_array().unwrap().iter().any(|value| value == name || value["name"] == name)
    };
    assert!(names("Observation", "searchInclude", "Observation:subject"));
    assert!(names("Patient", "searchRevInclude", "Observation:subject"));
    assert!(names("CareTeam", "searchParam", "role"));
    // The whole is long: one type stands for all.
    let kept: Vec<Value> = resources.iter().filter(|resource| resource["type"] == "Endpoint").cloned().collect();
    statement["rest"][0]["resource"] = json!(kept);
    statement["date"] = json!("[date]");
    statement["software"]["version"] = json!("[version]");
    insta::assert_snapshot!(serde_json::to_string_pretty(&statement).unwrap());
}

#[tokio::test]
async fn it_is_made_once_and_knows_its_modes() {
    let fixture = Fixture::new("").await;
    let bytes_of = async |parameters: &[(&str, &str)]| {
        metadata::metadata(&fixture.service, &pairs(parameters)).await.map(|answer| answer.body.into_bytes())
    };
    let (first, second) = (bytes_of(&[]).await.unwrap(), bytes_of(&[("mode", "full")]).await.unwrap());
    assert_eq!(first.as_ptr(), second.as_ptr());
    assert_eq!(bytes_of(&[("mode", "x")]).await.unwrap_err().kind, Kind::Invalid);
    assert_eq!(bytes_of(&[("name", "x")]).await.unwrap_err().kind, Kind::Invalid);
}

/// <https://hl7.org/fhir/R4/terminologycapabilities.html>
#[tokio::test]
async fn the_terminology_statement_names_the_code_systems_that_are_carried() {
    let fixture = Fixture::new("").await;
    let answer = metadata::metadata(&fixture.service, &pairs(&[("mode", "terminology")])).await.unwrap();
    let statement = body_of(answer);
    assert_eq!(crate::validate::validate(&SCHEMA, &statement), []);
    let systems = statement["codeSystem"].as_array().unwrap();
    let uris: Vec<&str> = systems.iter().filter_map(|system| system["uri"].as_str()).collect();
    assert!(uris.len() > 1000 && uris.contains(&"http://hl7.org/fhir/administrative-gender"), "{}", uris.len());
    // Not carried: its content is not-present.
    assert!(!uris.contains(&"http://snomed.info/sct"));
}
