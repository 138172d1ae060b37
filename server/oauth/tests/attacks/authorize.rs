//! Authorization requests: who is believed, who is redirected where, and what is refused.

use serde_json::json;
use vesta_oauth::{ClientState, ErrorCode, Refusal, Role, Session, Step};

use crate::world::{App, BASE, ISSUER, REDIRECT, World, holding, query, redirected, request, shown};

const SCOPE: &str = "openid fhirUser launch/patient patient/*.rs offline_access";

async fn begin(world: &World, request: &crate::world::Request) -> Result<String, Refusal> {
    let session = world.engine.session(None).await.unwrap().session;
    world.begin(request, &session).await
}

/// "The authorization server MUST always authenticate the user first and, with the exception of the silent authentication
/// use case, prompt the user for credentials when needed, before redirecting the user": RFC 9700, 4.11.2.
#[tokio::test]
async fn open_redirect_by_an_erroneous_request_of_a_self_registered_client() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let wrong = request(&app, SCOPE).set("response_type", "token");
    let offered = begin(&world, &wrong).await;
    assert!(
        matches!(&offered, Err(Refusal::Offer { error, back })
            if error.code == ErrorCode::UnsupportedResponseType && back.starts_with(REDIRECT)),
        "{offered:?}"
    );
    let user = world.patient().await;
    let sent = world.begin(&wrong, &world.browser(&user).await).await;
    assert!(matches!(sent, Err(Refusal::Redirect(_))), "{sent:?}");
    let silent = begin(&world, &wrong.set("prompt", "none")).await;
    assert!(matches!(silent, Err(Refusal::Redirect(_))), "{silent:?}");
}

async fn with_redirect(world: &World, uri: &str) -> App {
    world
        .client(json!({
            "application_type": "native", "token_endpoint_auth_method": "none",
            "redirect_uris": [uri], "scope": SCOPE,
        }))
        .await
}

/// "The authorization server ... MUST NOT automatically redirect the user agent to the invalid redirection URI": RFC 6749, 4.1.2.1.
#[tokio::test]
async fn open_redirector() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let request = request(&app, SCOPE);
    assert_eq!(shown(begin(&world, &request.clone().set("client_id", "nobody")).await), ErrorCode::InvalidClient);
    assert_eq!(shown(begin(&world, &request.clone().set("client_id", "a\0b")).await), ErrorCode::InvalidClient);
    assert_eq!(shown(begin(&world, &request.clone().without("client_id")).await), ErrorCode::InvalidRequest);
    assert_eq!(shown(begin(&world, &request.clone().without("redirect_uri")).await), ErrorCode::InvalidRequest);
    let other = request.clone().set("redirect_uri", "https://evil.example.org/callback");
    assert_eq!(shown(begin(&world, &other).await), ErrorCode::InvalidRequest);
    // Of two, neither is believed.
    let both = request.clone().add("redirect_uri", "https://evil.example.org/callback");
    assert_eq!(shown(begin(&world, &both).await), ErrorCode::InvalidRequest);
    let both = request.add("client_id", "nobody");
    assert_eq!(shown(begin(&world, &both).await), ErrorCode::InvalidRequest);
}

/// "exact string matching": <https://www.rfc-editor.org/rfc/rfc9700#section-2.1>
#[tokio::test]
async fn redirect_uri_prefix_match() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    for near in [
        "https://app.example.org/callback/",
        "https://app.example.org/callback/../evil",
        "https://app.example.org/callback?x=1",
        "https://app.example.org/callback#x",
        "https://app.example.org/call",
        "https://app.example.org:443/callback",
        "https://APP.example.org/callback",
        "https://app.example.org/%63allback",
        "https://app.example.org.evil.org/callback",
        "https://app.example.org@evil.org/callback",
        "https://evil.org\\@app.example.org/callback",
        "http://app.example.org/callback",
        "https://app.example.org/callback ",
    ] {
        let refused = begin(&world, &request(&app, SCOPE).set("redirect_uri", near)).await;
        assert_eq!(shown(refused), ErrorCode::InvalidRequest, "{near}");
    }
    begin(&world, &request(&app, SCOPE)).await.unwrap();
}

/// "The authorization server MUST allow any port to be specified at the time of the request for loopback IP redirect URIs":
/// <https://www.rfc-editor.org/rfc/rfc8252#section-7.3>
#[tokio::test]
async fn loopback_port_rule() {
    let world = World::new();
    for (registered, asked, good) in [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", true),
        ("http://127.0.0.1:4000/cb", "http://127.0.0.1:51004/cb", true),
        ("http://127.0.0.1:4000/cb", "http://127.0.0.1/cb", true),
        ("http://[::1]/cb", "http://[::1]:51004/cb", true),
        ("http://127.0.0.1/cb", "http://[::1]:51004/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb/x", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/x/../cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb#x", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004@evil.org/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil.org/cb", false),
        ("http://127.0.0.1/cb", "http://127.0.0.1:99999/cb", false),
        ("http://127.0.0.1/cb", "http://127.1:51004/cb", false),
        ("http://127.0.0.1/cb", "https://127.0.0.1:51004/cb", false),
        // A name may be made to mean another machine.
        ("http://localhost:4000/cb", "http://localhost:51004/cb", false),
        ("http://localhost:4000/cb", "http://localhost:4000/cb", true),
        ("https://127.0.0.1/cb", "https://127.0.0.1:51004/cb", false),
    ] {
        let app = with_redirect(&world, registered).await;
        let begun = begin(&world, &request(&app, SCOPE).set("redirect_uri", asked)).await;
        assert_eq!(begun.is_ok(), good, "{registered} {asked}: {begun:?}");
    }
}

/// "code_challenge_methods_supported containing S256 and never plain".
#[tokio::test]
async fn pkce_plain_refused() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let plain = request(&app, SCOPE).set("code_challenge_method", "plain");
    assert_eq!(redirected(begin(&world, &plain).await), "invalid_request");
    // RFC 7636, 4.3: without a method, plain is meant.
    let unsaid = request(&app, SCOPE).without("code_challenge_method");
    assert_eq!(redirected(begin(&world, &unsaid).await), "invalid_request");
    for broken in ["short", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", &"a".repeat(128)] {
        let broken = request(&app, SCOPE).set("code_challenge", broken);
        assert_eq!(redirected(begin(&world, &broken).await), "invalid_request");
    }
}

/// "Require PKCE for every client", but for a confidential one that an administrator has exempted.
#[tokio::test]
async fn request_without_pkce() {
    let world = World::new();
    for app in [world.public(SCOPE).await, world.confidential(SCOPE).await] {
        let without = request(&app, SCOPE).without("code_challenge").without("code_challenge_method");
        assert_eq!(redirected(begin(&world, &without).await), "invalid_request");
        let exempted = world.engine.set_pkce_exempt(app.id(), true).await;
        if app.client.is_public() {
            assert_eq!(exempted.unwrap_err().code, ErrorCode::InvalidRequest);
        } else {
            assert!(exempted.unwrap());
            begin(&world, &without).await.unwrap();
        }
    }
}

/// "aud ... prevent leaking a genuine bearer token to a counterfeit resource server":
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code>
#[tokio::test]
async fn aud_of_another_server() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    for other in [
        "https://evil.example.org/fhir",
        "https://ehr.example.org/apis/other/fhir",
        "https://ehr.example.org/apis/default/fhir/Patient",
        "https://ehr.example.org/apis/default",
        ISSUER,
    ] {
        let refused = begin(&world, &request(&app, SCOPE).set("aud", other)).await;
        assert_eq!(redirected(refused), "invalid_request", "{other}");
    }
    assert_eq!(redirected(begin(&world, &request(&app, SCOPE).without("aud")).await), "invalid_request");
    let second = request(&app, SCOPE).add("resource", "https://evil.example.org/fhir");
    assert_eq!(redirected(begin(&world, &second).await), "invalid_request");
    begin(&world, &request(&app, SCOPE).set("aud", &format!("{BASE}/"))).await.unwrap();
    // OpenID Connect alone knows no aud: there are no data to be had with it.
    begin(&world, &request(&app, "openid fhirUser").without("aud")).await.unwrap();
}

/// RFC 9207: the issuer stands in each answer, so that a client of several servers knows whose it is.
#[tokio::test]
async fn mixed_up_issuer() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let url = world.consent(&request(&app, SCOPE), &user).await;
    assert_eq!(query(&url, "iss").as_deref(), Some(ISSUER));
    assert_eq!(query(&url, "state").as_deref(), Some("state-1"));
    let session = world.browser(&user).await;
    let id = world.begin(&request(&app, SCOPE), &session).await.unwrap();
    let session = holding(session, &id);
    let denied = world.engine.deny(&id, &session).await.unwrap();
    assert_eq!(query(&denied, "iss").as_deref(), Some(ISSUER));
    assert_eq!(query(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(query(&denied, "state").as_deref(), Some("state-1"));
}

#[tokio::test]
async fn state_comes_back_as_it_was_and_is_never_dropped() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let hostile = "a&code=stolen#x ü\r\nLocation: https://evil.org";
    let url = world.consent(&request(&app, SCOPE).set("state", hostile), &user).await;
    assert_eq!(query(&url, "state").as_deref(), Some(hostile));
    assert!(!url.contains(['\r', '\n', ' ', '#']), "{url}");
    let long = request(&app, SCOPE).set("state", &"s".repeat(5_000));
    assert_eq!(redirected(begin(&world, &long).await), "invalid_request");
}

/// The query of a registered redirect URI stays: RFC 6749, 3.1.2.
#[tokio::test]
async fn redirect_uri_keeps_its_query() {
    let world = World::new();
    let app = with_redirect(&world, "com.example.app:/cb?tenant=a%20b").await;
    let user = world.patient().await;
    let url = world.consent(&request(&app, SCOPE).set("redirect_uri", "com.example.app:/cb?tenant=a%20b"), &user).await;
    assert!(url.starts_with("com.example.app:/cb?tenant=a%20b&code="), "{url}");
}

#[tokio::test]
async fn what_is_not_supported_is_said_in_the_standards_words() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_type", "", "invalid_request"),
        ("response_mode", "fragment", "invalid_request"),
        ("request", "eyJhbGciOiJub25lIn0.e30.", "request_not_supported"),
        ("request_uri", "https://evil.example.org/request", "request_uri_not_supported"),
        ("registration", "{}", "registration_not_supported"),
        ("id_token_hint", "made up", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("prompt", "everything", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("max_age", "soon", "invalid_request"),
        ("scope", "", "invalid_scope"),
        ("scope", "  ", "invalid_scope"),
        ("scope", "patient/Nothing.rs", "invalid_scope"),
        ("scope", "patient/Observation.sr", "invalid_scope"),
    ] {
        let refused = begin(&world, &request(&app, SCOPE).set(name, value)).await;
        assert_eq!(redirected(refused), error, "{name}={value}");
    }
    for twice in [
        "scope",
        "state",
        "aud",
        "response_type",
        "code_challenge",
        "prompt",
        "nonce",
        "id_token_hint",
        "launch",
        "max_age",
    ] {
        let refused = begin(&world, &request(&app, SCOPE).add(twice, "x").add(twice, "x")).await;
        assert_eq!(redirected(refused), "invalid_request", "{twice}");
    }
}

#[tokio::test]
async fn scope_that_was_not_registered() {
    let world = World::new();
    let app = world.public("openid launch/patient patient/Observation.rs").await;
    for wider in [
        "patient/*.rs",
        "patient/Condition.rs",
        "patient/Observation.cruds",
        "user/Observation.rs",
        "offline_access",
        "patient/Observation.$docref",
    ] {
        assert_eq!(redirected(begin(&world, &request(&app, wider)).await), "invalid_scope", "{wider}");
    }
    begin(&world, &request(&app, "patient/Observation.r?category=laboratory")).await.unwrap();
}

/// What runs without anybody is not for a person to give: neither by letters nor by an operation's name.
#[tokio::test]
async fn system_scope_in_a_browser() {
    let world = World::new();
    let scope = "openid patient/*.rs system/*.rs system/Patient.$export";
    let key = crate::clients::rsa();
    let app = world
        .client(json!({
            "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks, "redirect_uris": [REDIRECT], "scope": scope,
        }))
        .await;
    for system in ["system/*.rs", "system/Patient.r", "system/Patient.$export"] {
        assert_eq!(redirected(begin(&world, &request(&app, system)).await), "invalid_scope", "{system}");
    }
}

#[tokio::test]
async fn disabled_client() {
    let world = World::new();
    let app = world.confidential(SCOPE).await;
    let user = world.patient().await;
    let code = world.code(&app, &user, SCOPE).await;
    let before = world.tokens(&app, &user, SCOPE).await;
    let session = world.browser(&user).await;
    let id = world.begin(&request(&app, SCOPE), &session).await.unwrap();
    let session = holding(session, &id);
    for state in [ClientState::Disabled, ClientState::Pending] {
        world.engine.set_client_state(app.id(), state).await.unwrap();
        assert_eq!(shown(begin(&world, &request(&app, SCOPE)).await), ErrorCode::InvalidClient);
        assert_eq!(world.exchange(&app, &code).await.unwrap_err().code, ErrorCode::InvalidClient);
        assert_eq!(world.refresh(&app, &before).await.unwrap_err().code, ErrorCode::InvalidClient);
        // Who is at the consent page by now gets no further.
        assert_eq!(world.engine.step(&id, &session).await.unwrap_err().code, ErrorCode::InvalidClient);
        let approved = ["patient/*.rs".to_owned()];
        assert!(world.engine.decide(&id, &session, &approved).await.is_err());
        assert!(!world.is_active(&before.access_token).await);
    }
    world.engine.set_client_state(app.id(), ClientState::Enabled).await.unwrap();
    // What was revoked stays so.
    assert!(!world.is_active(&before.access_token).await);
    assert_eq!(world.refresh(&app, &before).await.unwrap_err().code, ErrorCode::InvalidGrant);
}

/// <https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest>: "none ... MUST NOT display any authentication or consent user
/// interface pages".
#[tokio::test]
async fn prompt_none_without_login() {
    let world = World::new();
    let app = world.confidential(SCOPE).await;
    let user = world.patient().await;
    let none = request(&app, SCOPE).set("prompt", "none");
    let session = world.engine.session(None).await.unwrap().session;
    let error = |step: Step| match step {
        Step::Redirect(url) => {
            query(&url, "error").unwrap_or_else(|| query(&url, "code").map_or_else(String::new, |_| "code".to_owned()))
        }
        other => panic!("{other:?}"),
    };
    let step = async |session: &Session| {
        let id = world.begin(&none, session).await.unwrap();
        let session = holding(session.clone(), &id);
        error(world.engine.step(&id, &session).await.unwrap())
    };
    assert_eq!(step(&session).await, "login_required");
    // Half a log-in is none.
    let half = world.engine.log_in_half(&session, &user).await.unwrap().session;
    assert_eq!(step(&half).await, "login_required");
    let session = world.browser(&user).await;
    assert_eq!(step(&session).await, "consent_required");
    world.tokens(&app, &user, SCOPE).await;
    assert_eq!(step(&session).await, "code");
    // More than was granted.
    let staff = world.staff().await;
    let session = world.browser(&staff).await;
    assert_eq!(step(&session).await, "interaction_required");
}

/// "the client ... could be impersonated": RFC 8252, 8.6. A client without a secret is never let through unasked.
#[tokio::test]
async fn prompt_none_of_a_public_client() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    world.tokens(&app, &user, SCOPE).await;
    let url = world.consent(&request(&app, SCOPE).set("prompt", "none"), &user).await;
    assert_eq!(query(&url, "error").as_deref(), Some("consent_required"));
}

/// prompt=login and max_age ask for a log-in after the request, or a late one.
#[tokio::test]
async fn old_login_is_not_taken_for_a_new_one() {
    let world = World::new();
    let app = world.confidential(SCOPE).await;
    let user = world.patient().await;
    let session = world.browser(&user).await;
    for (after, name, value, asks) in [
        // In the same second: a clock of seconds does not tell that the log-in came before.
        (0, "prompt", "login", true),
        (0, "prompt", "select_account", true),
        (0, "max_age", "0", true),
        (0, "max_age", "1", false),
        (100, "prompt", "login", true),
        (0, "prompt", "select_account", true),
        (0, "prompt", "consent", false),
        (0, "max_age", "99", true),
        (0, "max_age", "0", true),
        (0, "max_age", "100", false),
    ] {
        world.tick(after);
        let id = world.begin(&request(&app, SCOPE).set(name, value), &session).await.unwrap();
        let of = |session: &Session| holding(session.clone(), &id);
        let step = world.engine.step(&id, &of(&session)).await.unwrap();
        assert_eq!(matches!(step, Step::Login { .. }), asks, "{name}={value}");
        // Once done, it is enough: nobody is asked twice.
        let again = world.browser(&user).await;
        let step = world.engine.step(&id, &of(&again)).await.unwrap();
        assert!(matches!(step, Step::Consent(_)), "{name}={value}: {step:?}");
    }
}

/// "The Authorization Server MUST NOT reply with an ID Token or Access Token for a different user, even if they have an
/// active session": <https://openid.net/specs/openid-connect-core-1_0.html#AuthRequestValidation>
#[tokio::test]
async fn id_token_hint_of_another_user() {
    let world = World::new();
    let app = world.confidential(SCOPE).await;
    let (user, other) = (world.patient().await, world.user("other", Role::Patient, Some("Patient/p2")).await);
    let hint = world.tokens(&app, &user, SCOPE).await.id_token.unwrap();
    world.tokens(&app, &other, SCOPE).await;
    let step = async |request: &crate::world::Request, before: &Session, now: &Session| {
        let id = world.begin(request, before).await.unwrap();
        world.engine.step(&id, &holding(now.clone(), &id)).await.unwrap()
    };
    let error = |step: Step| match step {
        Step::Redirect(url) => query(&url, "error"),
        other => panic!("{other:?}"),
    };
    let hinted = request(&app, SCOPE).set("id_token_hint", &hint);
    let silent = hinted.clone().set("prompt", "none");
    let (own, foreign) = (world.browser(&user).await, world.browser(&other).await);
    assert_eq!(error(step(&silent, &own, &own).await), None, "it is the user");
    assert!(matches!(step(&hinted, &own, &own).await, Step::Consent(_)));
    assert_eq!(error(step(&silent, &foreign, &foreign).await).as_deref(), Some("login_required"));
    // Whoever else is there may make room for the right one, once.
    assert!(matches!(step(&hinted, &foreign, &foreign).await, Step::Login { .. }));
    assert!(matches!(step(&hinted, &foreign, &own).await, Step::Consent(_)));
    let again = world.browser(&other).await;
    assert_eq!(error(step(&hinted, &foreign, &again).await).as_deref(), Some("login_required"));
}

/// "default_max_age ... the End-User MUST be actively authenticated if the End-User was authenticated longer ago":
/// <https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata>
#[tokio::test]
async fn default_max_age_of_the_client_is_kept_to() {
    let world = World::new();
    let app = world
        .client(json!({
            "token_endpoint_auth_method": "client_secret_post", "redirect_uris": [REDIRECT], "scope": SCOPE,
            "default_max_age": 60,
        }))
        .await;
    let session = world.browser(&world.patient().await).await;
    world.tick(61);
    let asks = async |request: &crate::world::Request| {
        let id = world.begin(request, &session).await.unwrap();
        matches!(world.engine.step(&id, &holding(session.clone(), &id)).await.unwrap(), Step::Login { .. })
    };
    let request = request(&app, SCOPE);
    assert!(asks(&request).await);
    // "The max_age request parameter overrides this default value."
    assert!(!asks(&request.set("max_age", "100")).await);
}

/// Each scope that is asked for is compared with each that is registered: neither may go on without end.
#[tokio::test]
async fn scopes_without_end() {
    let world = World::new();
    let many = |number: usize| {
        let named = (0..number).map(|at| format!("patient/Observation.r?code={at}"));
        named.collect::<Vec<_>>().join(" ")
    };
    let metadata = |scope: &str| json!({ "redirect_uris": [REDIRECT], "scope": scope });
    let refused = world.engine.register(&metadata(&many(1_001))).await;
    assert_eq!(refused.unwrap_err().code, ErrorCode::InvalidScope);
    let app = world.public("patient/*.rs").await;
    assert_eq!(redirected(begin(&world, &request(&app, &many(1_001))).await), "invalid_scope");
    world.engine.register(&metadata(&many(1_000))).await.unwrap();
    begin(&world, &request(&app, &many(1_000))).await.unwrap();
}
