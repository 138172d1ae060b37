//! Refreshing: rotation, families, and what a refresh cannot do.

use vesta_oauth::{ErrorCode, TokenResponse};

use crate::world::{App, World, code_of};

const SCOPE: &str = "openid fhirUser launch/patient patient/*.rs offline_access";

async fn refresh(
    world: &World,
    app: &App,
    token: &TokenResponse,
    scope: &str,
) -> Result<TokenResponse, vesta_oauth::OAuthError> {
    let token = token.refresh_token.as_deref().unwrap();
    world.token(app, &[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)]).await
}

/// "the authorization server ... revoke the active refresh token": <https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2>
#[tokio::test]
async fn refresh_reuse_revokes_family() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let first = world.tokens(&app, &user, SCOPE).await;
    let second = world.refresh(&app, &first).await.unwrap();
    let third = world.refresh(&app, &second).await.unwrap();
    assert_ne!(second.refresh_token, third.refresh_token);
    // The thief comes with the stolen one.
    assert_eq!(code_of(world.refresh(&app, &first).await), ErrorCode::InvalidGrant);
    for tokens in [&first, &second, &third] {
        assert!(!world.is_active(&tokens.access_token).await);
        assert_eq!(code_of(world.refresh(&app, tokens).await), ErrorCode::InvalidGrant);
    }
    assert!(world.engine.grants_of_user(&user.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn refresh_race_two_writers() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let first = world.tokens(&app, &user, SCOPE).await;
    let (one, other) = tokio::join!(world.refresh(&app, &first), world.refresh(&app, &first));
    assert!(one.is_err() || other.is_err());
    for tokens in [one, other].into_iter().flatten() {
        assert!(!world.is_active(&tokens.access_token).await);
        assert!(world.refresh(&app, &tokens).await.is_err());
    }
}

#[tokio::test]
async fn refresh_token_of_another_client() {
    let world = World::new();
    let (app, other) = (world.public(SCOPE).await, world.confidential(SCOPE).await);
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    assert_eq!(code_of(world.refresh(&other, &tokens).await), ErrorCode::InvalidGrant);
    world.refresh(&app, &tokens).await.unwrap();
}

/// A confidential client's refresh token is worth nothing without its secret.
#[tokio::test]
async fn refresh_without_the_secret() {
    let world = World::new();
    let mut app = world.confidential(SCOPE).await;
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    let secret = app.secret.take();
    assert_eq!(code_of(world.refresh(&app, &tokens).await), ErrorCode::InvalidClient);
    app.secret = secret;
    world.refresh(&app, &tokens).await.unwrap();
}

/// "The requested scope MUST NOT include any scope not originally granted by the resource owner": RFC 6749, 6.
#[tokio::test]
async fn scope_widened_on_refresh() {
    let world = World::new();
    let app = world.public("openid fhirUser launch/patient patient/*.cruds user/*.rs offline_access").await;
    let user = world.patient().await;
    let granted =
        "openid launch/patient patient/Observation.rs patient/Condition.rs?category=problem-list-item offline_access";
    let tokens = world.tokens(&app, &user, granted).await;
    for wider in [
        "patient/*.rs",
        "patient/Observation.cruds",
        "patient/Condition.rs",
        "patient/Condition.rs?category=encounter-diagnosis",
        "user/Observation.rs",
        "fhirUser",
        "patient/Observation.rs patient/Patient.r",
    ] {
        assert_eq!(code_of(refresh(&world, &app, &tokens, wider).await), ErrorCode::InvalidScope, "{wider}");
    }
    assert_eq!(code_of(refresh(&world, &app, &tokens, " ").await), ErrorCode::InvalidScope);
    // A refusal for the scope does not use the token up.
    let narrower = "patient/Observation.r?category=laboratory";
    let narrow = refresh(&world, &app, &tokens, narrower).await.unwrap();
    assert_eq!((narrow.scope.as_str(), narrow.id_token.is_none()), (narrower, true));
    // "the refresh token issued ... scope identical": the next may have it all again.
    let again = world.refresh(&app, &narrow).await.unwrap();
    assert_eq!(again.scope, granted);
}

/// "launch context kept": SMART's parameters come with each refresh.
#[tokio::test]
async fn refreshed_token_keeps_its_patient() {
    let world = World::new();
    let scope = "openid launch/patient launch/encounter patient/*.rs offline_access";
    let app = world.public(scope).await;
    let staff = world.staff().await;
    let tokens = world.tokens(&app, &staff, scope).await;
    let again = world.refresh(&app, &tokens).await.unwrap();
    assert_eq!(again.context, tokens.context);
    assert_eq!(again.context["patient"], "p1");
    assert_eq!(again.context["encounter"], "e1");
}

/// "valid for at least three months", renewed with each use: 45 CFR 170.315(g)(10)(v)(A)(1)(iii).
#[tokio::test]
async fn offline_access_lasts_three_months_and_is_renewed() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let day = 24 * 3600;
    let mut tokens = world.tokens(&app, &user, SCOPE).await;
    for _ in 0..3 {
        world.tick(92 * day);
        tokens = world.refresh(&app, &tokens).await.unwrap();
        assert!(world.is_active(&tokens.access_token).await);
    }
    world.tick(101 * day);
    assert_eq!(code_of(world.refresh(&app, &tokens).await), ErrorCode::InvalidGrant);
}

/// online_access: "for as long as the end-user remains online".
#[tokio::test]
async fn online_access_ends_with_the_session() {
    let world = World::new();
    let scope = "openid launch/patient patient/*.rs online_access";
    let app = world.public(scope).await;
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, scope).await;
    let tokens = world.refresh(&app, &tokens).await.unwrap();
    let grant = world.engine.grants_of_user(&user.id).await.unwrap().remove(0);
    world.engine.end_session(grant.session.as_deref().unwrap()).await.unwrap();
    assert!(!world.is_active(&tokens.access_token).await);
    assert_eq!(code_of(world.refresh(&app, &tokens).await), ErrorCode::InvalidGrant);
}

/// "usable for as long as the end-user remains online": an app that refreshes when its tokens are over goes on, and one that
/// rests for as long as a session may is out, with what it had.
#[tokio::test]
async fn online_access_ends_when_nobody_is_there() {
    let world = World::new();
    let scope = "openid launch/patient patient/*.rs online_access";
    let app = world.public(scope).await;
    let user = world.patient().await;
    let mut tokens = world.tokens(&app, &user, scope).await;
    for _ in 0..10 {
        world.tick(tokens.expires_in);
        assert!(!world.is_active(&tokens.access_token).await);
        tokens = world.refresh(&app, &tokens).await.unwrap();
    }
    world.tick(15 * 60);
    assert!(!world.is_active(&tokens.access_token).await);
    assert_eq!(code_of(world.refresh(&app, &tokens).await), ErrorCode::InvalidGrant);
    // The clock of the pages is the same.
    let tokens = world.tokens(&app, &user, scope).await;
    world.tick(15 * 60);
    assert_eq!(code_of(world.refresh(&app, &tokens).await), ErrorCode::InvalidGrant);
}

/// And with the session's absolute end, however much is done: no token of it is good for longer.
#[tokio::test]
async fn online_access_ends_with_the_sessions_last_hour() {
    let world = World::new();
    let scope = "openid launch/patient patient/*.rs online_access";
    let app = world.public(scope).await;
    let user = world.patient().await;
    let began = world.now();
    let mut tokens = world.tokens(&app, &user, scope).await;
    loop {
        world.tick(400);
        match world.refresh(&app, &tokens).await {
            Ok(fresh) => tokens = fresh,
            Err(error) => {
                assert_eq!(error.code, ErrorCode::InvalidGrant);
                break;
            }
        }
        assert!(world.now() + tokens.expires_in <= began + 12 * 3600, "a token outlives the session");
    }
    assert!(world.now() - began >= 12 * 3600, "it ended after {} seconds", world.now() - began);
    assert!(!world.is_active(&tokens.access_token).await);
}

#[tokio::test]
async fn refresh_token_that_nobody_asked_for() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, "openid launch/patient patient/*.rs").await;
    assert_eq!(tokens.refresh_token, None);
}

#[tokio::test]
async fn refresh_for_a_user_who_is_gone() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    world.engine.set_user_enabled(&user.id, false).await.unwrap();
    assert!(!world.is_active(&tokens.access_token).await);
    assert_eq!(code_of(world.refresh(&app, &tokens).await), ErrorCode::InvalidGrant);
    world.engine.set_user_enabled(&user.id, true).await.unwrap();
    assert_eq!(code_of(world.refresh(&app, &tokens).await), ErrorCode::InvalidGrant);
}
