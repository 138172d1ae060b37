//! Backend services. <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use vesta_oauth::ClientState;
use vesta_server::clock::Clock;

use super::api;
use super::party::Party;
use crate::harness::{World, runtime};

/// Seconds since 1970.
fn now() -> i64 {
    Clock::system().now().as_second()
}

/// A key of curve P-384, as the client has it and as it publishes it.
fn key() -> (EncodingKey, Value) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
    let point = pair.public_key_raw();
    let half = (point.len() - 1) / 2;
    let coordinate = |from: usize| URL_SAFE_NO_PAD.encode(&point[1 + from..1 + from + half]);
    let public = json!({ "kty": "EC", "crv": "P-384", "kid": "key-1", "alg": "ES384", "use": "sig", "x": coordinate(0), "y": coordinate(half) });
    (EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("a key"), public)
}

fn assertion(party: &Party, key: &EncodingKey, jti: &str, change: impl FnOnce(&mut Value)) -> String {
    let now = now();
    let mut claims = json!({ "iss": party.id, "sub": party.id, "aud": format!("{}/token", party.issuer), "exp": now + 240, "jti": jti });
    change(&mut claims);
    let mut header = Header::new(Algorithm::ES384);
    header.kid = Some("key-1".to_owned());
    jsonwebtoken::encode(&header, &claims, key).expect("an assertion")
}

fn ask(party: &Party, assertion: &str, scope: &str) -> crate::harness::Answer {
    party.token(&[
        ("grant_type", "client_credentials"),
        ("scope", scope),
        ("client_assertion_type", vesta_oauth::ASSERTION_TYPE),
        ("client_assertion", assertion),
    ])
}

pub(super) fn approve(world: &World, id: &str, state: ClientState) {
    let site = runtime().block_on(world.sites().get("default")).expect("the site opens");
    runtime().block_on(async {
        let engine = site.authorization.engine().await.expect("it opens");
        assert!(engine.set_client_state(id, state).await.expect("it is set"));
        site.authorization.follow(&site.verifier).await.expect("news");
    });
}

on_both_databases! {
    fn a_service_gets_tokens_of_five_minutes_with_its_key_and_only_with_it(world) {
        let (key, public) = key();
        let party = Party::register(world, &json!({ "client_name": "A service", "token_endpoint_auth_method": "private_key_jwt",
            "jwks": { "keys": [public] }, "grant_types": ["client_credentials"], "scope": "system/Patient.rs" }));
        world.client("user/*.cruds").create(&json!({ "resourceType": "Patient" }));
        // Who asks for system scopes waits for an administrator.
        let refused = ask(&party, &assertion(&party, &key, "1", |_| ()), "system/Patient.rs").expect(401).json();
        assert_eq!(refused["error"], "invalid_client");
        approve(world, &party.id, ClientState::Enabled);
        let answer = ask(&party, &assertion(&party, &key, "2", |_| ()), "system/Patient.rs").expect(200).json();
        assert!(answer["expires_in"].as_i64().expect("seconds") <= 300, "{answer}");
        assert!(answer.get("refresh_token").is_none());
        let token = answer["access_token"].as_str().expect("a token");
        assert_eq!(api(world, token).ids("Patient").len(), 1);
        // "jti ... has not been previously encountered"
        assert_eq!(ask(&party, &assertion(&party, &key, "2", |_| ()), "system/Patient.rs").expect(401).json()["error"], "invalid_client");
        for (what, scope, change) in [
            ("too long", "system/Patient.rs", (|claims| claims["exp"] = (now() + 900).into()) as fn(&mut Value)),
            ("expired", "system/Patient.rs", |claims| claims["exp"] = 1_000.into()),
            ("for another server", "system/Patient.rs", |claims| claims["aud"] = "https://elsewhere.example/token".into()),
            ("of two minds", "system/Patient.rs", |claims| claims["sub"] = "another".into()),
        ] {
            let wrong = assertion(&party, &key, what, change);
            assert_eq!(ask(&party, &wrong, scope).expect(401).json()["error"], "invalid_client", "{what}");
        }
        let (other, _) = self::key();
        assert_eq!(ask(&party, &assertion(&party, &other, "3", |_| ()), "system/Patient.rs").expect(401).json()["error"], "invalid_client");
        for scope in ["system/Observation.rs", "patient/Patient.rs", "user/Patient.rs"] {
            let answer = ask(&party, &assertion(&party, &key, scope, |_| ()), scope).expect(400).json();
            assert_eq!(answer["error"], "invalid_scope", "{scope}");
        }
        // Disabled, its tokens are good no more.
        approve(world, &party.id, ClientState::Disabled);
        api(world, token).get("Patient").expect(401);
    }
}
