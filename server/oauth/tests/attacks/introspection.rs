//! What is told of tokens, how they are revoked, who is logged in, and how one logs out.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use vesta_oauth::{ClientState, Credentials, ErrorCode, IdentityKey, Logout, Parameters, Role};

use crate::world::{App, BASE, ISSUER, World, code_of, rsa_pem};

const SCOPE: &str = "openid fhirUser profile launch/patient patient/*.rs offline_access";

async fn introspect(world: &World, app: &App, token: &str) -> Value {
    world.engine.introspect(&Credentials::default(), None, &app.form(&[("token", token)])).await.unwrap()
}

/// RFC 7662 with SMART's SHALLs: <https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html>
#[tokio::test]
async fn introspection_tells_what_smart_asks_for() {
    let world = World::new();
    let app = world.confidential(SCOPE).await;
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    let told = introspect(&world, &app, &tokens.access_token).await;
    assert_eq!(told["active"], true);
    assert_eq!(told["scope"], tokens.scope);
    assert_eq!(told["client_id"], app.id());
    assert_eq!(told["exp"], world.now() + 3600);
    assert_eq!((&told["iss"], &told["sub"]), (&json!(ISSUER), &json!(user.id)));
    assert_eq!(told["fhirUser"], format!("{BASE}/Patient/p1"));
    assert_eq!(told["patient"], "p1");
    assert_eq!(told["need_patient_banner"], true);
    let refresh = introspect(&world, &app, tokens.refresh_token.as_deref().unwrap()).await;
    assert_eq!((&refresh["active"], &refresh["scope"]), (&json!(true), &told["scope"]));
}

/// "only active: false": what is not good, or another's, is told nothing else of.
#[tokio::test]
async fn introspect_foreign_token() {
    let world = World::new();
    let (app, other) = (world.confidential(SCOPE).await, world.confidential(SCOPE).await);
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    let refresh = tokens.refresh_token.clone().unwrap();
    for token in [&tokens.access_token, &refresh, "made up"] {
        assert_eq!(introspect(&world, &other, token).await, json!({ "active": false }));
    }
    world.refresh(&app, &tokens).await.unwrap();
    assert_eq!(introspect(&world, &app, &refresh).await, json!({ "active": false }), "a used one");
    world.tick(3600);
    assert_eq!(introspect(&world, &app, &tokens.access_token).await, json!({ "active": false }));
}

/// RFC 7662, 2.1: "the endpoint MUST also require some form of authorization": token scanning.
#[tokio::test]
async fn introspection_by_anybody() {
    let world = World::new();
    let public = world.public(SCOPE).await;
    let user = world.patient().await;
    let tokens = world.tokens(&public, &user, SCOPE).await;
    let form = public.form(&[("token", &tokens.access_token)]);
    let none = Credentials::default();
    assert_eq!(code_of(world.engine.introspect(&none, None, &form).await), ErrorCode::InvalidClient);
    let bare: Parameters = [("token", tokens.access_token.as_str())].into_iter().collect();
    assert_eq!(code_of(world.engine.introspect(&none, None, &bare).await), ErrorCode::InvalidClient);
    assert_eq!(code_of(world.engine.introspect(&none, Some("made up"), &bare).await), ErrorCode::InvalidToken);
    // With a token of its own a public client may ask of its own.
    let told = world.engine.introspect(&none, Some(&tokens.access_token), &bare).await.unwrap();
    assert_eq!(told["active"], true);
}

/// RFC 7009, 2.2: "invalid tokens do not cause an error response".
#[tokio::test]
async fn revocation_by_a_client() {
    let world = World::new();
    let (app, other) = (world.confidential(SCOPE).await, world.confidential(SCOPE).await);
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    let refresh = tokens.refresh_token.clone().unwrap();
    // Another's: nothing is told, and nothing happens.
    for token in [&tokens.access_token, &refresh, "made up"] {
        world.engine.revoke(&other.client, &other.form(&[("token", token)])).await.unwrap();
    }
    assert!(world.is_active(&tokens.access_token).await);
    // The access token alone: the rest goes on.
    world.engine.revoke(&app.client, &app.form(&[("token", &tokens.access_token)])).await.unwrap();
    assert!(!world.is_active(&tokens.access_token).await);
    let again = world.refresh(&app, &tokens).await.unwrap();
    // The refresh token takes all with it, whatever the hint.
    let form = app.form(&[("token", again.refresh_token.as_deref().unwrap()), ("token_type_hint", "access_token")]);
    world.engine.revoke(&app.client, &form).await.unwrap();
    assert!(!world.is_active(&again.access_token).await);
    assert_eq!(code_of(world.refresh(&app, &again).await), ErrorCode::InvalidGrant);
    assert_eq!(code_of(world.engine.revoke(&app.client, &app.form(&[])).await), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn userinfo_tells_what_was_granted() {
    let world = World::new();
    let app = world.public("openid fhirUser profile email launch/patient patient/*.rs").await;
    let user = world.patient().await;
    let all = world.tokens(&app, &user, "openid fhirUser profile").await;
    let told = world.engine.userinfo(&all.access_token).await.unwrap();
    assert_eq!(
        told,
        json!({ "sub": user.id, "name": "patricia", "preferred_username": "patricia", "fhirUser": format!("{BASE}/Patient/p1") })
    );
    let only = world.tokens(&app, &user, "openid").await;
    assert_eq!(world.engine.userinfo(&only.access_token).await.unwrap(), json!({ "sub": user.id }));
    let without = world.tokens(&app, &user, "launch/patient patient/*.rs").await;
    assert_eq!(code_of(world.engine.userinfo(&without.access_token).await), ErrorCode::InsufficientScope);
    world.engine.set_user_enabled(&user.id, false).await.unwrap();
    assert_eq!(code_of(world.engine.userinfo(&all.access_token).await), ErrorCode::InvalidToken);
}

const GOODBYE: &str = "https://app.example.org/goodbye";

async fn logging_out(world: &World) -> App {
    world
        .client(json!({
            "token_endpoint_auth_method": "none", "redirect_uris": [crate::world::REDIRECT], "scope": SCOPE,
            "post_logout_redirect_uris": [GOODBYE],
        }))
        .await
}

fn form(pairs: &[(&str, &str)]) -> Parameters {
    pairs.iter().copied().collect()
}

/// <https://openid.net/specs/openid-connect-rpinitiated-1_0.html>
#[tokio::test]
async fn logout_goes_where_the_client_registered() {
    let world = World::new();
    let app = logging_out(&world).await;
    let user = world.patient().await;
    let token = world.tokens(&app, &user, SCOPE).await.id_token.unwrap();
    let session = world.browser(&user).await;
    // Long expired: "SHOULD accept ID Tokens when the RP identified by the ID Token's aud claim ... even when exp has passed".
    world.tick(24 * 3600);
    let asked = form(&[("id_token_hint", &token), ("post_logout_redirect_uri", GOODBYE), ("state", "a b")]);
    let logout = world.engine.read_logout(&asked, Some(&session)).await.unwrap();
    assert_eq!(logout, Logout { is_sure: true, redirect: Some(format!("{GOODBYE}?state=a+b")) });
    // Without a hint, or with another's, the person is asked.
    let asked = form(&[("client_id", app.id()), ("post_logout_redirect_uri", GOODBYE)]);
    let logout = world.engine.read_logout(&asked, Some(&session)).await.unwrap();
    assert_eq!(logout, Logout { is_sure: false, redirect: Some(GOODBYE.to_owned()) });
    let other = world.browser(&world.user("other", Role::Staff, None).await).await;
    let logout = world.engine.read_logout(&form(&[("id_token_hint", &token)]), Some(&other)).await.unwrap();
    assert_eq!(logout, Logout { is_sure: false, redirect: None });
    assert!(!world.engine.read_logout(&form(&[]), Some(&session)).await.unwrap().is_sure);
}

/// OpenEMR does not verify it.
#[tokio::test]
async fn id_token_hint_forged() {
    let world = World::new();
    let app = logging_out(&world).await;
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    let token = tokens.id_token.clone().unwrap();
    let session = world.browser(&user).await;
    let mut parts: Vec<&str> = token.split('.').collect();
    let none = crate::world::base64url(br#"{"alg":"none"}"#);
    let claims = json!({ "iss": ISSUER, "sub": user.id, "aud": app.id(), "exp": world.now() + 60, "iat": world.now() });
    let sign = |algorithm: Algorithm, kid: &str, key: &EncodingKey, claims: &Value| {
        let mut header = Header::new(algorithm);
        header.kid = Some(kid.to_owned());
        jsonwebtoken::encode(&header, claims, key).unwrap()
    };
    let kid = IdentityKey::from_pem(rsa_pem()).unwrap().id().to_owned();
    let own = EncodingKey::from_rsa_pem(rsa_pem().as_bytes()).unwrap();
    let stranger = IdentityKey::generate_pem().unwrap();
    let stranger = EncodingKey::from_rsa_pem(stranger.as_bytes()).unwrap();
    let mut elsewhere = claims.clone();
    elsewhere["iss"] = "https://evil.example.org".into();
    let public = serde_json::to_string(&world.engine.keys().published(world.engine.now())).unwrap();
    let unsigned = format!("{none}.{}.", parts[1]);
    parts[2] = "AAAA";
    for hint in [
        parts.join("."),
        unsigned,
        tokens.access_token.clone(),
        "made up".to_owned(),
        sign(Algorithm::RS256, &kid, &stranger, &claims),
        sign(Algorithm::RS256, "unknown", &own, &claims),
        sign(Algorithm::RS512, &kid, &own, &claims),
        sign(Algorithm::RS256, &kid, &own, &elsewhere),
        sign(Algorithm::HS256, &kid, &EncodingKey::from_secret(public.as_bytes()), &claims),
    ] {
        let asked = form(&[("id_token_hint", &hint), ("post_logout_redirect_uri", GOODBYE)]);
        assert_eq!(
            code_of(world.engine.read_logout(&asked, Some(&session)).await),
            ErrorCode::InvalidRequest,
            "{hint}"
        );
    }
    let asked = form(&[("id_token_hint", &sign(Algorithm::RS256, &kid, &own, &claims))]);
    assert!(
        world.engine.read_logout(&asked, Some(&session)).await.unwrap().is_sure,
        "the test itself signs as the server does"
    );
}

/// OpenEMR redirects wherever it is told.
#[tokio::test]
async fn logout_as_open_redirector() {
    let world = World::new();
    let app = logging_out(&world).await;
    let other = world.public(SCOPE).await;
    let user = world.patient().await;
    let token = world.tokens(&app, &user, SCOPE).await.id_token.unwrap();
    for asked in [
        form(&[("post_logout_redirect_uri", "https://evil.example.org")]),
        form(&[("post_logout_redirect_uri", GOODBYE)]),
        form(&[("id_token_hint", &token), ("post_logout_redirect_uri", "https://evil.example.org")]),
        form(&[("id_token_hint", &token), ("post_logout_redirect_uri", "https://app.example.org/goodbye/x")]),
        form(&[("id_token_hint", &token), ("post_logout_redirect_uri", crate::world::REDIRECT)]),
        form(&[("client_id", other.id()), ("post_logout_redirect_uri", GOODBYE)]),
        form(&[("client_id", other.id()), ("id_token_hint", &token), ("post_logout_redirect_uri", GOODBYE)]),
    ] {
        assert_eq!(code_of(world.engine.read_logout(&asked, None).await), ErrorCode::InvalidRequest, "{asked:?}");
    }
    let nobody = form(&[("client_id", "nobody"), ("post_logout_redirect_uri", GOODBYE)]);
    assert_eq!(code_of(world.engine.read_logout(&nobody, None).await), ErrorCode::InvalidClient);
    // Whom an administrator has thrown out, or never let in.
    let good = form(&[("client_id", app.id()), ("post_logout_redirect_uri", GOODBYE)]);
    world.engine.read_logout(&good, None).await.unwrap();
    for state in [ClientState::Disabled, ClientState::Pending] {
        world.engine.set_client_state(app.id(), state).await.unwrap();
        assert_eq!(code_of(world.engine.read_logout(&good, None).await), ErrorCode::InvalidClient, "{state:?}");
    }
}
