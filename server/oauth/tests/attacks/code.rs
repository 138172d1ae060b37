//! Authorization codes: good once, for a minute, for who asked for them.

use vesta_oauth::{Credentials, ErrorCode, Kind, Parameters};

use crate::world::{REDIRECT, VERIFIER, World, code_of, query, request};

const SCOPE: &str = "openid fhirUser launch/patient patient/*.rs offline_access";

#[tokio::test]
async fn code_replayed_by_other_client() {
    let world = World::new();
    let (app, other) = (world.public(SCOPE).await, world.confidential(SCOPE).await);
    let user = world.patient().await;
    let code = world.code(&app, &user, SCOPE).await;
    assert_eq!(code_of(world.exchange(&other, &code).await), ErrorCode::InvalidGrant);
    // The rightful client still gets what is its own.
    let tokens = world.exchange(&app, &code).await.unwrap();
    assert_eq!(code_of(world.exchange(&other, &code).await), ErrorCode::InvalidGrant);
    assert!(world.is_active(&tokens.access_token).await, "nobody else's replay takes it away");
}

/// "the authorization server MUST deny the request and SHOULD revoke (when possible) all tokens previously issued based on
/// that authorization code": <https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2>
#[tokio::test]
async fn code_replayed_revokes_its_tokens() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let code = world.code(&app, &user, SCOPE).await;
    let tokens = world.exchange(&app, &code).await.unwrap();
    assert!(world.is_active(&tokens.access_token).await);
    let feed = world.engine.storage().0.clone();
    // Long after the code itself has expired, as long as its tokens live.
    world.tick(1_800);
    assert_eq!(code_of(world.exchange(&app, &code).await), ErrorCode::InvalidGrant);
    assert!(!world.is_active(&tokens.access_token).await);
    assert_eq!(code_of(world.refresh(&app, &tokens).await), ErrorCode::InvalidGrant);
    use vesta_oauth::Storage as _;
    assert_eq!(feed.revoked_since(0).await.unwrap().len(), 1, "every process learns of it");
}

/// The same code at the same moment, in two processes: at most one has tokens, and they are not good for long.
#[tokio::test]
async fn code_race_two_writers() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let code = world.code(&app, &user, SCOPE).await;
    let (one, other) = tokio::join!(world.exchange(&app, &code), world.exchange(&app, &code));
    assert!(one.is_err() || other.is_err());
    for tokens in [one, other].into_iter().flatten() {
        assert!(!world.is_active(&tokens.access_token).await);
        assert!(world.refresh(&app, &tokens).await.is_err());
    }
}

#[tokio::test]
async fn expired_code() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let (early, late) = (world.code(&app, &user, SCOPE).await, world.code(&app, &user, SCOPE).await);
    world.tick(59);
    world.exchange(&app, &early).await.unwrap();
    world.tick(1);
    assert_eq!(code_of(world.exchange(&app, &late).await), ErrorCode::InvalidGrant);
}

#[tokio::test]
async fn redirect_uri_swapped_at_the_exchange() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let code = world.code(&app, &user, SCOPE).await;
    let exchange = async |redirect: Option<&str>| {
        let mut pairs =
            vec![("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", VERIFIER)];
        pairs.extend(redirect.map(|uri| ("redirect_uri", uri)));
        world.token(&app, &pairs).await
    };
    assert_eq!(code_of(exchange(None).await), ErrorCode::InvalidRequest);
    assert_eq!(code_of(exchange(Some("https://app.example.org/callback/")).await), ErrorCode::InvalidGrant);
    exchange(Some(REDIRECT)).await.unwrap();
}

#[tokio::test]
async fn verifier_that_is_wrong() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let code = world.code(&app, &user, SCOPE).await;
    let challenge = crate::world::challenge();
    let exchange = async |verifier: Option<&str>| {
        let mut pairs = vec![("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
        pairs.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        world.token(&app, &pairs).await
    };
    // Without, empty, the challenge itself (that would be plain), and near ones.
    for wrong in
        [None, Some(""), Some(challenge.as_str()), Some(&VERIFIER[1..]), Some("short"), Some(&*"v".repeat(129))]
    {
        assert_eq!(code_of(exchange(wrong).await), ErrorCode::InvalidGrant, "{wrong:?}");
    }
    exchange(Some(VERIFIER)).await.unwrap();
}

/// "refuse a token request with a verifier if the code had no challenge": <https://www.rfc-editor.org/rfc/rfc9700#section-4.8.2>
#[tokio::test]
async fn verifier_without_challenge() {
    let world = World::new();
    let app = world.confidential(SCOPE).await;
    world.engine.set_pkce_exempt(app.id(), true).await.unwrap();
    let user = world.patient().await;
    let without = request(&app, SCOPE).without("code_challenge").without("code_challenge_method");
    let code = query(&world.consent(&without, &user).await, "code").unwrap();
    assert_eq!(code_of(world.exchange(&app, &code).await), ErrorCode::InvalidGrant);
    let pairs = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
    world.token(&app, &pairs).await.unwrap();
}

/// An attacker strips the challenge from the request of a client that is let off: its code comes back with a verifier, or with none
/// where one was asked for.
#[tokio::test]
async fn pkce_downgrade() {
    let world = World::new();
    let app = world.confidential(SCOPE).await;
    world.engine.set_pkce_exempt(app.id(), true).await.unwrap();
    let user = world.patient().await;
    let code = world.code(&app, &user, SCOPE).await;
    let pairs = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", REDIRECT)];
    assert_eq!(code_of(world.token(&app, &pairs).await), ErrorCode::InvalidGrant);
    world.exchange(&app, &code).await.unwrap();
}

#[tokio::test]
async fn code_of_a_user_who_is_gone() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let code = world.code(&app, &user, SCOPE).await;
    world.engine.set_user_enabled(&user.id, false).await.unwrap();
    assert_eq!(code_of(world.exchange(&app, &code).await), ErrorCode::InvalidGrant);
}

/// An administrator disables the user or the client while the code is exchanged, at whatever moment: nothing good is left.
#[tokio::test]
async fn exchange_race_with_an_administrator() {
    for (of_user, late) in (0..24).flat_map(|late| [(true, late), (false, late)]) {
        let world = World::new();
        let app = world.confidential(SCOPE).await;
        let user = world.patient().await;
        let code = world.code(&app, &user, SCOPE).await;
        let disable = async {
            for _ in 0..late {
                tokio::task::yield_now().await;
            }
            match of_user {
                true => world.engine.set_user_enabled(&user.id, false).await,
                false => world.engine.set_client_state(app.id(), vesta_oauth::ClientState::Disabled).await,
            }
        };
        let (exchanged, disabled) = tokio::join!(world.exchange(&app, &code), disable);
        assert!(disabled.unwrap());
        assert!(world.engine.grants_of_user(&user.id).await.unwrap().is_empty(), "{of_user} {late}");
        if let Ok(tokens) = exchanged {
            assert!(!world.is_active(&tokens.access_token).await, "{of_user} {late}");
        }
    }
}

#[tokio::test]
async fn grant_type_that_was_not_registered() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    for (grant, error) in [
        ("client_credentials", ErrorCode::UnauthorizedClient),
        ("password", ErrorCode::UnauthorizedClient),
        ("implicit", ErrorCode::UnsupportedGrantType),
        ("", ErrorCode::InvalidRequest),
    ] {
        assert_eq!(code_of(world.token(&app, &[("grant_type", grant)]).await), error, "{grant}");
    }
    let twice: Parameters = [("client_id", app.id()), ("client_id", app.id())].into_iter().collect();
    assert_eq!(code_of(world.engine.authenticate(&Credentials::default(), &twice).await), ErrorCode::InvalidRequest);
}

/// Whoever reads the database cannot use what is in it: secrets, codes, refresh tokens, sessions and launches are hashes.
#[tokio::test]
async fn database_that_is_stolen() {
    let world = World::new();
    let app = world.confidential(SCOPE).await;
    let user = world.patient().await;
    let opened = world.engine.session(None).await.unwrap();
    let code = world.code(&app, &user, SCOPE).await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    let launch = world.engine.create_launch_value(&user, &app.client, Default::default()).await.unwrap();
    let kept = world.memory.dump();
    for kind in [Kind::Client, Kind::User, Kind::Session, Kind::Code, Kind::Grant, Kind::RefreshToken, Kind::Launch] {
        assert!(kept.iter().any(|record| record.kind == kind), "{kind:?}");
    }
    let text = format!("{kept:?}");
    for secret in [
        app.secret.as_deref().unwrap(),
        app.registration_token.as_deref().unwrap(),
        opened.secret.as_deref().unwrap(),
        &code,
        tokens.refresh_token.as_deref().unwrap(),
        &tokens.access_token,
        tokens.id_token.as_deref().unwrap(),
        &launch,
    ] {
        assert!(!text.contains(secret));
    }
}
