//! Binary: <https://hl7.org/fhir/R4/binary.html#rest>

use super::*;

#[tokio::test]
async fn content_goes_in_and_out_as_it_is() {
    let fixture = Fixture::new("user/*.cruds").await;
    let request = fixture.request();
    let content = [0_u8, 255, 13, 10, 200];
    let answer = binary::create(&request, "application/pdf", Some("Patient/p"), &content).await.unwrap();
    assert_eq!(answer.status(), 201);
    let resource = body_of(answer);
    assert_eq!(resource["contentType"], "application/pdf");
    assert_eq!(resource["securityContext"]["reference"], "Patient/p");
    let id = resource["id"].as_str().unwrap();
    let read =
        async |accept_fhir| binary::read(&request, id, accept_fhir, &ReadConditions::default(), &[]).await.unwrap();
    let raw = read(false).await;
    assert_eq!((raw.content_type, raw.version), (ContentType::Raw("application/pdf".to_owned()), Some(1)));
    assert_eq!(raw.body.into_bytes(), &content[..]);
    let as_resource = read(true).await;
    assert_eq!(as_resource.content_type, ContentType::FhirJson);
    assert_eq!(body_of(as_resource), resource);

    let answer =
        binary::update(&request, id, "text/plain; charset=utf-8", None, b"b", if_match("W/\"1\"")).await.unwrap();
    assert_eq!((answer.status(), answer.version), (200, Some(2)));
    let old = binary::vread(&request, id, "1", false, &ReadConditions::default(), &[]).await.unwrap();
    assert_eq!(old.body.into_bytes(), &content[..]);
    let conflict = binary::update(&request, id, "text/plain", None, b"b", if_match("W/\"1\"")).await.unwrap_err();
    assert_eq!(conflict.kind, Kind::PreconditionFailed);
}

#[tokio::test]
async fn content_has_a_type_and_is_not_empty() {
    let fixture = Fixture::new("user/*.cruds").await;
    let request = fixture.request();
    let refused = binary::create(&request, " ", None, b"a").await.unwrap_err();
    assert_eq!(refused.kind, Kind::UnsupportedMediaType);
    assert_eq!(binary::create(&request, "text/plain", None, b"").await.unwrap_err().kind, Kind::Invalid);
    fixture.put(json!({ "resourceType": "Binary", "id": "empty", "contentType": "text/plain" })).await;
    let raw = binary::read(&request, "empty", false, &ReadConditions::default(), &[]).await.unwrap_err();
    assert_eq!(raw.kind, Kind::NotFound);
}
