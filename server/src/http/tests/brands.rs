//! The user-access brands bundle. <https://hl7.org/fhir/smart-app-launch/STU2.2/brands.html>

use http::StatusCode;
use serde_json::{Value, json};

use super::{House, Sent};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/site/brands.example.json");

fn house(brands: &str) -> House {
    House::new(|config| config.sites.values_mut().for_each(|site| site.brands = Some(brands.into())))
}

async fn get(house: &House, path: &str, headers: &[&str]) -> (StatusCode, String, String, Vec<u8>) {
    let mut answer = house.send(None, &Sent { line: &format!("GET {path}"), headers, body: b"" }).await;
    let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
    let (etag, origin) = (header("etag"), header("access-control-allow-origin"));
    let status = answer.status();
    (status, etag, origin, answer.take_body().into_vec().await.unwrap())
}

/// "SHALL support Cross-Origin Resource Sharing (CORS) for all GET requests", "SHOULD include a weak `ETag` header", and
/// discovery names the bundle and the site's own brand in it.
#[tokio::test]
async fn brands_are_for_any_origin_and_kept_by_their_entity_tag() {
    let house = house(FILE);
    let path = "/apis/default/fhir/.well-known/smart-configuration";
    let (.., discovery) = get(&house, path, &[]).await;
    let discovery: Value = serde_json::from_slice(&discovery).unwrap();
    assert_eq!(discovery["user_access_brand_bundle"], "https://ehr.example.org/apis/default/brands");
    let own = json!({ "system": "urn:ietf:rfc:3986", "value": "https://goodhealth.example.org" });
    assert_eq!(discovery["user_access_brand_identifier"], own);

    let (status, etag, origin, body) = get(&house, "/apis/default/brands", &["origin: https://app.example.org"]).await;
    assert_eq!((status, origin.as_str()), (StatusCode::OK, "*"));
    assert!(etag.starts_with("W/\""), "{etag}");
    assert_eq!(body, std::fs::read(FILE).unwrap());

    let (status, again, _, body) =
        get(&house, "/apis/default/brands", &[&format!("if-none-match: W/\"other\", {etag}")]).await;
    assert_eq!((status, again, body.len()), (StatusCode::NOT_MODIFIED, etag, 0));
    let (status, ..) = get(&house, "/apis/default/brands", &["if-none-match: W/\"other\""]).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn without_brands_discovery_names_none() {
    let house = House::new(|_| {});
    let (.., discovery) = get(&house, "/apis/default/fhir/.well-known/smart-configuration", &[]).await;
    let discovery: Value = serde_json::from_slice(&discovery).unwrap();
    assert_eq!(discovery.get("user_access_brand_bundle"), None);
    assert_eq!(get(&house, "/apis/default/brands", &[]).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_site_with_brands_that_break_a_rule_is_not_opened_and_the_error_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("brands.json");
    std::fs::write(&file, r#"{ "resourceType": "Bundle", "type": "collection" }"#).unwrap();
    let house = house(&file.to_string_lossy());
    let error = house.sites.get("default").await.err().expect("refused").to_string();
    assert!(error.contains("sites.default.brands") && error.contains("Bundle.timestamp"), "{error}");
}
