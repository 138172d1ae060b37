//! The documents that tell how to connect: all that they name is there. Who may ask across origins.

use serde_json::{Value, json};

use super::party::Party;
use super::{app, practice};
use crate::harness::World;

#[test]
fn all_that_discovery_names_works() {
    let world = World::on_sqlite();
    practice(&world);
    let app = app(&world, "openid launch/patient patient/*.rs");
    let at = |path: &str| app.get(&format!("{}{path}", world.address()), &[]).expect(200);
    let openid = at("/oauth2/default/.well-known/openid-configuration");
    for same in [
        "/oauth2/default/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/oauth2/default",
        "/.well-known/openid-configuration/oauth2/default",
    ] {
        assert_eq!(at(same).json(), openid.json(), "{same}");
    }
    let smart = at("/apis/default/fhir/.well-known/smart-configuration");
    // "always application/json whatever Accept says"
    assert_eq!(smart.header("content-type"), Some("application/json"));
    let resource = at("/.well-known/oauth-protected-resource/apis/default/fhir").json();
    assert_eq!(resource["authorization_servers"], json!([app.issuer]));
    for document in [openid.json(), smart.json()] {
        assert_eq!(document["issuer"], app.issuer.as_str());
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        let endpoints = document.as_object().expect("an object").iter();
        for (name, url) in endpoints.filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri") {
            let answer = app.get(url.as_str().expect("a URL"), &[]);
            assert!(![404, 500, 501].contains(&answer.status), "{name}: {}", answer.status);
        }
        let scopes = document["scopes_supported"].as_array().expect("scopes");
        for scope in scopes.iter().filter_map(Value::as_str) {
            vesta_oauth::read_scope(scope).unwrap_or_else(|error| panic!("{scope}: {error}"));
        }
    }
    let smart_document = smart.json();
    let associated = &smart_document["associated_endpoints"][0];
    assert_eq!(associated["capabilities"], json!(["smart-app-state"]));
    let base = format!("{}/apis/default/app-state", world.address());
    assert_eq!(associated["url"], base.as_str());
    let state = format!("{base}/Basic?code=https://app.example%7Ca&subject:missing=true");
    assert_eq!(app.get(&state, &[]).status, 401);
    // All its scopes but those of services can be registered at once.
    let scopes: Vec<String> = smart.json()["scopes_supported"]
        .as_array()
        .expect("scopes")
        .iter()
        .filter_map(|scope| scope.as_str().map(str::to_owned))
        .filter(|scope| !scope.starts_with("system/"))
        .collect();
    Party::register(&world, &json!({ "redirect_uris": ["https://app.example/callback"], "scope": scopes.join(" ") }));
    insta::assert_json_snapshot!(smart.json(), {
        ".**" => insta::dynamic_redaction(|value, _| match value.as_str() {
            Some(text) if text.starts_with("http://localhost") => {
                let path = text.splitn(4, '/').nth(3).unwrap_or_default();
                format!("[server]/{path}").into()
            }
            _ => value,
        }),
        ".associated_endpoints[].url" => "[app state]",
        ".scopes_supported" => "[scopes]"
    });
}

/// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support>
#[test]
fn origins_of_registered_apps_may_ask_and_others_only_how_to_connect() {
    let world = World::on_sqlite();
    let app = app(&world, "openid launch/patient patient/*.rs");
    let preflight = |path: &str, origin: &str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "authorization"),
        ];
        let answer = app.send("OPTIONS", &format!("{}{path}", world.address()), &headers).expect(204);
        assert!(answer.header("access-control-allow-credentials").is_none());
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    let (own, foreign) = ("https://app.example", "https://evil.example");
    for path in ["/oauth2/default/token", "/apis/default/fhir/Patient", "/apis/default/fhir/Patient/1"] {
        assert_eq!(preflight(path, own).as_deref(), Some(own), "{path}");
        assert_eq!(preflight(path, foreign), None, "{path}");
    }
    for path in [
        "/apis/default/fhir/metadata",
        "/apis/default/fhir/.well-known/smart-configuration",
        "/oauth2/default/.well-known/openid-configuration",
        "/oauth2/default/jwk",
    ] {
        let url = format!("{}{path}", world.address());
        let answer = app.get(&url, &[("origin", foreign)]).expect(200);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
    // The answer itself can be read too, the refusals among them.
    let answer = app.get(&format!("{}/apis/default/fhir/Patient", world.address()), &[("origin", own)]).expect(401);
    assert_eq!(answer.header("access-control-allow-origin"), Some(own));
    let answer = app.get(&format!("{}/apis/default/fhir/Patient", world.address()), &[("origin", foreign)]).expect(401);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}
