//! Dynamic registration: who gets in at once, who waits, and what nobody may register.

use serde_json::{Value, json};
use vesta_oauth::{ClientState, ErrorCode};

use crate::world::{ISSUER, REDIRECT, World, code_of};

fn app(changes: Value) -> Value {
    let mut metadata = json!({
        "client_name": "An app", "token_endpoint_auth_method": "none", "redirect_uris": [REDIRECT],
        "scope": "openid launch/patient patient/*.rs",
    });
    for (name, value) in changes.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    metadata
}

/// OpenEMR's rule, and the ONC's: patients' apps at once, all that reaches further after a look.
#[tokio::test]
async fn who_is_enabled_at_once_and_who_waits() {
    let world = World::new();
    let keys = crate::clients::rsa().jwks;
    let backend = |scope: &str| json!({ "jwks": keys, "scope": scope });
    let confidential =
        |scope: &str| app(json!({ "token_endpoint_auth_method": "client_secret_basic", "scope": scope }));
    for (metadata, state) in [
        (app(json!({})), ClientState::Enabled),
        (
            app(json!({ "scope": "openid offline_access patient/Observation.rs?category=laboratory" })),
            ClientState::Enabled,
        ),
        (confidential("openid launch/patient patient/*.cruds"), ClientState::Enabled),
        (confidential("openid user/*.rs"), ClientState::Pending),
        (confidential("openid user/DocumentReference.$docref"), ClientState::Pending),
        (app(json!({ "scope": "openid user/Patient.r" })), ClientState::Pending),
        (app(json!({ "scope": "openid launch patient/*.rs" })), ClientState::Pending),
        (backend("system/*.rs"), ClientState::Pending),
        (backend("system/Patient.$export"), ClientState::Pending),
        (backend("system/*.$bulkdata-status"), ClientState::Pending),
    ] {
        let registered = world.engine.register(&metadata).await.unwrap();
        assert_eq!(registered.client.state, state, "{metadata}");
    }
    let strict = World::with(|settings| settings.manual_approval = true);
    assert_eq!(strict.engine.register(&app(json!({}))).await.unwrap().client.state, ClientState::Pending);
    let closed = World::with(|settings| settings.registration = false);
    assert_eq!(code_of(closed.engine.register(&app(json!({}))).await), ErrorCode::AccessDenied);
}

#[tokio::test]
async fn what_nobody_may_register() {
    let world = World::new();
    let keys = crate::clients::rsa().jwks;
    let mut private = keys.clone();
    private["keys"][0]["d"] = "c2VjcmV0".into();
    let mut nameless = keys.clone();
    nameless["keys"][0].as_object_mut().unwrap().remove("kid");
    let small = json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "kid": "1" }] });
    use ErrorCode::{InvalidClientMetadata as Metadata, InvalidRedirectUri as Redirect, InvalidScope as Scope};
    for (changes, error) in [
        (json!({ "redirect_uris": [] }), Redirect),
        (json!({ "redirect_uris": "https://app.example.org" }), Metadata),
        (json!({ "scope": "everything" }), Scope),
        (json!({ "scope": "system/*.rs" }), Metadata),
        (json!({ "scope": "system/Patient.$export" }), Metadata),
        (json!({ "token_endpoint_auth_method": "client_secret_jwt" }), Metadata),
        (json!({ "token_endpoint_auth_method": "private_key_jwt" }), Metadata),
        (json!({ "jwks": private }), Metadata),
        (json!({ "jwks": small }), Metadata),
        (json!({ "jwks": keys, "jwks_uri": "https://app.example.org/jwks" }), Metadata),
        (json!({ "jwks_uri": "http://app.example.org/jwks" }), Metadata),
        (json!({ "jwks_uri": "https://user:password@app.example.org/jwks" }), Metadata),
        (json!({ "software_statement": "eyJ" }), Metadata),
        (json!({ "request_uris": ["https://app.example.org/r"] }), Metadata),
        (json!({ "sector_identifier_uri": "https://app.example.org/s" }), Metadata),
        (json!({ "grant_types": ["implicit"] }), Metadata),
        (json!({ "grant_types": ["client_credentials"] }), Metadata),
        (json!({ "response_types": ["code", "token"] }), Metadata),
        (json!({ "subject_type": "pairwise" }), Metadata),
        (json!({ "id_token_signed_response_alg": "none" }), Metadata),
        (json!({ "logo_uri": "javascript:alert(1)" }), Metadata),
        (json!({ "client_uri": "http://app.example.org" }), Metadata),
        (json!({ "client_name": "x".repeat(201) }), Metadata),
        (json!({ "client_name": 7 }), Metadata),
        // People consent to what they read.
        (json!({ "client_name": "Ward \u{202e}ecivres latipsoh" }), Metadata),
        (json!({ "client_name": "Hospital\u{200b}Service" }), Metadata),
        (json!({ "client_name": "Hospital\nService" }), Metadata),
        (json!({ "contacts": "a@example.org" }), Metadata),
        (json!({ "contacts": [{ "email": "a@example.org" }] }), Metadata),
        (json!({ "response_types": "token" }), Metadata),
        (json!({ "default_max_age": -1 }), Metadata),
        (json!({ "default_max_age": "60" }), Metadata),
        (json!({ "require_auth_time": "yes" }), Metadata),
        (json!({ "jwks": nameless }), Metadata),
        (json!({ "initiate_login_uri": "javascript:alert(1)" }), Redirect),
        (json!({ "post_logout_redirect_uris": ["http://app.example.org"] }), Redirect),
    ] {
        assert_eq!(code_of(world.engine.register(&app(changes.clone())).await), error, "{changes}");
    }
    for body in [json!([]), json!("x"), json!(null)] {
        assert_eq!(code_of(world.engine.register(&body).await), Metadata);
    }
}

/// RFC 9700, 2.1 and RFC 8252, 7: where a code may be sent.
#[tokio::test]
async fn redirect_uris_that_could_leak_a_code() {
    let world = World::new();
    for (uri, web, native) in [
        ("https://app.example.org/cb", true, true),
        ("https://app.example.org/cb?x=1", true, true),
        ("http://127.0.0.1/cb", true, true),
        ("http://[::1]:8000/cb", true, true),
        ("http://localhost:8000/cb", true, true),
        ("com.example.app:/cb", true, true),
        ("myapp://cb", false, true),
        ("http://app.example.org/cb", false, false),
        ("http://127.0.0.1.evil.org/cb", false, false),
        ("http://localhost.evil.org/cb", false, false),
        ("https://app.example.org/cb#x", false, false),
        ("https://app.example.org/cb#", false, false),
        ("https://*.example.org/cb", false, false),
        ("https://user@app.example.org/cb", false, false),
        ("https://app.example.org/c b", false, false),
        ("https://app.example.org\\cb", false, false),
        ("javascript:alert(1)", false, false),
        ("data:text/html,x", false, false),
        ("file:///etc/passwd", false, false),
        ("/cb", false, false),
        ("", false, false),
    ] {
        for (kind, good) in [("web", web), ("native", native)] {
            let metadata = app(json!({ "redirect_uris": [uri], "application_type": kind }));
            let registered = world.engine.register(&metadata).await;
            assert_eq!(registered.is_ok(), good, "{kind} {uri}: {registered:?}");
        }
    }
}

/// RFC 7591, 3.2.1, and OpenEMR's `client_role`.
#[tokio::test]
async fn registration_tells_the_secret_once() {
    let world = World::new();
    let metadata = app(json!({
        "application_type": "private", "token_endpoint_auth_method": "client_secret_post", "contacts": ["a@example.org"],
        "initiate_login_uri": "https://app.example.org/launch", "unknown": "passed over",
    }));
    let registered = world.engine.register(&metadata).await.unwrap();
    let token = registered.body["registration_access_token"].as_str().unwrap().to_owned();
    let id = registered.client.id.clone();
    insta::assert_json_snapshot!(registered.body, {
        ".client_id" => "[id]", ".client_secret" => "[secret]", ".registration_access_token" => "[token]",
        ".registration_client_uri" => "[uri]", ".client_id_issued_at" => "[time]", ".client_secret_expires_at" => "[never]",
    });
    assert_eq!(
        (&registered.body["client_id_issued_at"], &registered.body["client_secret_expires_at"]),
        (&json!(world.now()), &json!(0))
    );
    assert_eq!(registered.body["registration_client_uri"], format!("{ISSUER}/client/{id}"));
    let read = world.engine.read_registration(&id, Some(&token)).await.unwrap();
    assert_eq!(read.body.get("client_secret"), None);
    // "registration_access_token: REQUIRED": RFC 7592, 3.
    assert_eq!(read.body["registration_access_token"], token);
    assert_eq!(read.body["contacts"], json!(["a@example.org"]));
}

/// RFC 7592: a client manages itself, and nobody else does.
#[tokio::test]
async fn registration_of_another_client() {
    let world = World::new();
    let (one, other) = (world.public("openid patient/*.rs").await, world.public("openid patient/*.rs").await);
    let (own, foreign) = (one.registration_token.as_deref(), other.registration_token.as_deref());
    let body = |id: &str, changes: Value| {
        let mut metadata = app(changes);
        metadata["client_id"] = id.into();
        metadata
    };
    for token in [foreign, None, Some("")] {
        assert_eq!(code_of(world.engine.read_registration(one.id(), token).await), ErrorCode::InvalidToken);
        let update = world.engine.update_registration(one.id(), token, &body(one.id(), json!({}))).await;
        assert_eq!(code_of(update), ErrorCode::InvalidToken);
        assert_eq!(code_of(world.engine.delete_registration(one.id(), token).await), ErrorCode::InvalidToken);
    }
    assert_eq!(code_of(world.engine.read_registration("nobody", own).await), ErrorCode::InvalidToken);
    let mismatched = world.engine.update_registration(one.id(), own, &body(other.id(), json!({}))).await;
    assert_eq!(code_of(mismatched), ErrorCode::InvalidRequest);
    let updated = world.engine.update_registration(one.id(), own, &body(one.id(), json!({}))).await.unwrap();
    assert_eq!(updated.body["registration_access_token"].as_str(), own);
    let user = world.patient().await;
    let tokens = world.tokens(&one, &user, "openid patient/*.rs").await;
    world.engine.delete_registration(one.id(), own).await.unwrap();
    assert!(!world.is_active(&tokens.access_token).await);
    assert_eq!(code_of(world.engine.read_registration(one.id(), own).await), ErrorCode::InvalidToken);
}

/// An app that was let in for little cannot make itself one for much.
#[tokio::test]
async fn registration_updated_to_more() {
    let world = World::new();
    let registered = world.client(app(json!({}))).await;
    let token = registered.registration_token.as_deref();
    let update = async |scope: &str| {
        let mut metadata = app(json!({ "scope": scope, "client_name": "Renamed" }));
        metadata["client_id"] = registered.id().into();
        world.engine.update_registration(registered.id(), token, &metadata).await.unwrap().client
    };
    let client = update("openid launch/patient patient/Observation.rs").await;
    assert_eq!((client.state, client.name.as_str()), (ClientState::Enabled, "Renamed"));
    for more in ["openid user/*.cruds", "openid user/DocumentReference.$docref", "openid launch patient/*.rs"] {
        assert_eq!(update(more).await.state, ClientState::Pending, "{more}");
        world.engine.set_client_state(registered.id(), ClientState::Enabled).await.unwrap();
        update("openid").await;
    }
    world.engine.set_client_state(registered.id(), ClientState::Disabled).await.unwrap();
    assert_eq!(update("openid").await.state, ClientState::Disabled, "nobody enables themselves");
}

/// Whoever has stolen the registration access token of an approved client cannot put themselves in its place.
#[tokio::test]
async fn registration_of_an_approved_client_taken_over() {
    let world = World::new();
    let approved = json!({ "scope": "openid user/*.rs", "token_endpoint_auth_method": "client_secret_basic" });
    let registered = world.client(app(approved.clone())).await;
    let token = registered.registration_token.as_deref();
    let mut keys = crate::clients::rsa().jwks;
    keys["keys"][0]["kid"] = "thief".into();
    let update = async |changes: Value| {
        let mut metadata = app(approved.clone());
        metadata["client_id"] = registered.id().into();
        for (name, value) in changes.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        let updated = world.engine.update_registration(registered.id(), token, &metadata).await.unwrap();
        world.engine.set_client_state(registered.id(), ClientState::Enabled).await.unwrap();
        updated.client.state
    };
    assert_eq!(update(json!({ "contacts": ["b@example.org"], "scope": "openid" })).await, ClientState::Enabled);
    update(json!({})).await;
    for changes in [
        json!({ "redirect_uris": [REDIRECT, "https://thief.example.org/cb"] }),
        json!({ "client_name": "The hospital's own" }),
        json!({ "initiate_login_uri": "https://thief.example.org/launch" }),
        json!({ "jwks": keys }),
        json!({ "jwks_uri": "https://thief.example.org/jwks" }),
    ] {
        assert_eq!(update(changes.clone()).await, ClientState::Pending, "{changes}");
        update(json!({})).await;
    }
}

/// What people granted to the app that was approved is not the other's that it has made itself.
#[tokio::test]
async fn tokens_kept_by_a_client_that_became_another() {
    let world = World::new();
    let registered = world.client(app(json!({ "scope": "openid launch/patient patient/*.rs" }))).await;
    let tokens = world.tokens(&registered, &world.patient().await, "openid launch/patient patient/*.rs").await;
    assert!(world.is_active(&tokens.access_token).await);
    let mut metadata =
        app(json!({ "scope": "openid launch/patient patient/*.rs user/*.rs", "client_name": "Another" }));
    metadata["client_id"] = registered.id().into();
    let token = registered.registration_token.as_deref();
    let updated = world.engine.update_registration(registered.id(), token, &metadata).await.unwrap();
    assert_eq!(updated.client.state, ClientState::Pending);
    world.engine.set_client_state(registered.id(), ClientState::Enabled).await.unwrap();
    assert!(!world.is_active(&tokens.access_token).await);
}

/// An update at the moment at which an administrator disables the client does not enable it again.
#[tokio::test]
async fn registration_race_with_an_administrator() {
    let world = World::new();
    let registered = world.client(app(json!({}))).await;
    let mut metadata = app(json!({}));
    metadata["client_id"] = registered.id().into();
    let (updated, disabled) = tokio::join!(
        world.engine.update_registration(registered.id(), registered.registration_token.as_deref(), &metadata),
        world.engine.set_client_state(registered.id(), ClientState::Disabled),
    );
    assert!(updated.is_ok() && disabled.unwrap());
    let client = world.engine.client(registered.id()).await.unwrap().unwrap();
    assert_eq!(client.state, ClientState::Disabled);
}

/// "The client MUST NOT be allowed to overwrite its existing client secret with its own chosen value": RFC 7592, 2.2.
#[tokio::test]
async fn secret_of_the_clients_own_choice() {
    let world = World::new();
    let app = world.confidential("openid patient/*.rs").await;
    let update = async |secret: &str| {
        let metadata = json!({
            "client_id": app.id(), "client_secret": secret, "redirect_uris": [REDIRECT],
            "token_endpoint_auth_method": "client_secret_post",
        });
        world.engine.update_registration(app.id(), app.registration_token.as_deref(), &metadata).await
    };
    assert_eq!(code_of(update("chosen").await), ErrorCode::InvalidClientMetadata);
    update(app.secret.as_deref().unwrap()).await.unwrap();
}

/// RFC 7591, 2.1: a client without an authorization code has no response type.
#[tokio::test]
async fn backend_service_is_told_of_no_response_type() {
    let world = World::new();
    let metadata = json!({ "jwks": crate::clients::rsa().jwks, "scope": "system/*.rs" });
    let body = world.engine.register(&metadata).await.unwrap().body;
    assert_eq!((&body["grant_types"], &body["response_types"]), (&json!(["client_credentials"]), &json!([])));
}
