//! What the documents promise: what works, and nothing else.

use openidconnect::core::CoreProviderMetadata;
use serde_json::{Value, json};
use vesta_oauth::{PasswordGrant, read_scope};

use crate::world::{BASE, ISSUER, REDIRECT, World};

const NONE: [&str; 0] = [];
const GRANULAR: [&str; 1] =
    ["Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"];

fn without_scopes(mut document: Value) -> Value {
    document["scopes_supported"] = json!("[scopes]");
    document
}

/// <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#metadata>
#[tokio::test]
async fn smart_configuration_has_what_smart_requires() {
    let world = World::new();
    let document = world.engine.smart_configuration(&GRANULAR);
    insta::assert_json_snapshot!(without_scopes(document.clone()));
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]), "never plain");
    for (name, value) in document.as_object().unwrap() {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            assert!(value.as_str().unwrap().starts_with(&format!("{ISSUER}/")), "{name}: absolute, and of this site");
        }
    }
}

/// <https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata>: read by a relying party of another make.
#[tokio::test]
async fn provider_metadata_is_read_by_a_relying_party() {
    let world = World::new();
    let document = world.engine.provider_metadata(&GRANULAR).unwrap();
    insta::assert_json_snapshot!(without_scopes(document.clone()));
    let metadata: CoreProviderMetadata = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(metadata.issuer().as_str(), ISSUER);
    assert_eq!(metadata.id_token_signing_alg_values_supported().len(), 1);
    // Both documents say the same of the same.
    let smart = world.engine.smart_configuration(&GRANULAR);
    for (name, value) in smart.as_object().unwrap() {
        if let Some(other) = document.get(name) {
            assert_eq!(other, value, "{name}");
        }
    }
}

/// "scopes_supported ... all listed must work": each is understood, and can be registered and asked for.
#[tokio::test]
async fn scopes_that_are_promised() {
    let world = World::new();
    let document = world.engine.smart_configuration(&GRANULAR);
    let scopes: Vec<&str> = document["scopes_supported"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for scope in &scopes {
        read_scope(scope).unwrap();
    }
    assert!(scopes.contains(&format!("patient/{}", GRANULAR[0]).as_str()));
    let keys = crate::clients::rsa().jwks;
    let metadata = json!({ "jwks": keys, "redirect_uris": [REDIRECT], "scope": scopes.join(" ") });
    world.engine.register(&metadata).await.unwrap();
}

#[tokio::test]
async fn what_is_switched_off_is_not_promised() {
    let world = World::with(|settings| {
        settings.registration = false;
        settings.system_scopes = false;
    });
    for document in [world.engine.smart_configuration(&NONE), world.engine.provider_metadata(&NONE).unwrap()] {
        assert_eq!(document.get("registration_endpoint"), None);
        assert_eq!(document["grant_types_supported"], json!(["authorization_code", "refresh_token"]));
        let scopes = document["scopes_supported"].to_string();
        assert!(!scopes.contains("system/"));
    }
    let world = World::with(|settings| settings.password_grant = PasswordGrant::Users);
    let grants = world.engine.smart_configuration(&NONE)["grant_types_supported"].to_string();
    assert!(grants.contains("password") && grants.contains("client_credentials"));
}

/// RFC 9728.
#[tokio::test]
async fn protected_resource_names_its_authorization_server() {
    let world = World::new();
    let document = world.engine.protected_resource_metadata(&NONE);
    assert_eq!((&document["resource"], &document["authorization_servers"]), (&json!(BASE), &json!([ISSUER])));
    assert_eq!(document["bearer_methods_supported"], json!(["header"]), "no tokens in URLs");
}

/// "registered origin(s) -> token endpoint and FHIR API": those of the redirect URIs, and of private schemes none.
#[tokio::test]
async fn origins_of_a_client() {
    let world = World::new();
    let app = world
        .client(json!({
            "token_endpoint_auth_method": "none", "scope": "openid",
            "redirect_uris": ["https://app.example.org:8443/cb", "com.example.app:/cb", "http://127.0.0.1/cb"],
        }))
        .await;
    let origins: Vec<String> = app.client.origins().collect();
    assert_eq!(origins, ["https://app.example.org:8443", "http://127.0.0.1"]);
}
