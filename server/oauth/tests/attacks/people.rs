//! Log-in: passwords, second factors, lockout, sessions. NIST SP 800-63B.

use jiff::SignedDuration;
use vesta_oauth::{ErrorCode, Kind, LoginError, NewUser, PasswordGrant, Role, check_strength};

use crate::world::{World, code_of};

const PASSWORD: &str = "correct horse battery staple";

async fn with_password(world: &World, name: &str, role: Role, own: &str) -> vesta_oauth::User {
    let new = NewUser { name, display_name: name, email: None, role, fhir_user: Some(own), password: Some(PASSWORD) };
    world.engine.add_user(&new).await.unwrap()
}

/// "Verifiers SHALL implement a rate-limiting mechanism": each wrong one beyond the first few doubles the wait.
#[tokio::test]
async fn passwords_that_are_guessed() {
    let world = World::new();
    let user = with_password(&world, "Doctor", Role::Staff, "Practitioner/1").await;
    let engine = &world.engine;
    assert_eq!(engine.check_password("doctor ", PASSWORD).await.unwrap().id, user.id);
    for _ in 0..5 {
        assert_eq!(engine.check_password("doctor", "wrong").await, Err(LoginError::Wrong));
    }
    // From here on not even the right one is looked at, under whatever spelling.
    assert_eq!(engine.check_password("DOCTOR", PASSWORD).await, Err(LoginError::Locked(30)));
    assert_eq!(engine.locked_until(&user).await, Ok(Some(world.now() + 30)), "administrators see it");
    world.tick(30);
    assert_eq!(engine.check_password("doctor", "wrong").await, Err(LoginError::Wrong));
    assert_eq!(engine.check_password("doctor", PASSWORD).await, Err(LoginError::Locked(60)));
    // An administrator lets the user in again.
    assert!(engine.unlock_user(&user.id).await.unwrap());
    assert_eq!(engine.locked_until(&user).await, Ok(None));
    engine.check_password("doctor", PASSWORD).await.unwrap();
    engine.set_user_enabled(&user.id, false).await.unwrap();
    assert_eq!(engine.check_password("doctor", PASSWORD).await, Err(LoginError::Wrong));
    // What was typed as a name may be a password: it is not kept as it is.
    assert!(
        !format!("{:?}", world.memory.dump().iter().filter(|record| record.kind == Kind::Attempts).collect::<Vec<_>>())
            .contains("doctor")
    );
}

/// A name that nobody has is answered as a wrong password, and is locked in the same way.
#[tokio::test]
async fn names_that_are_guessed() {
    let world = World::new();
    assert_eq!(world.engine.check_password("no\0body", "wrong").await, Err(LoginError::Wrong));
    for _ in 0..5 {
        assert_eq!(world.engine.check_password("nobody", "wrong").await, Err(LoginError::Wrong));
    }
    assert_eq!(world.engine.check_password("nobody", "wrong").await, Err(LoginError::Locked(30)));
}

#[test]
fn passwords_that_are_tried_first_are_refused() {
    for weak in [
        "short",
        "eleven char",
        "aaaaaaaaaaaaaaaa",
        "abcdefghijklmnop",
        "password1234567",
        "Password!2024",
        "PasswordPassword",
        "letmeinletmein!",
        "my name is patricia",
        "111111111111",
        "ababababababab",
    ] {
        assert_eq!(code_of(check_strength("patricia", weak)), ErrorCode::InvalidRequest, "{weak}");
    }
    assert_eq!(code_of(check_strength("x", &"long ones ".repeat(30))), ErrorCode::InvalidRequest);
    for good in [PASSWORD, "vier grüne Äpfel", "猫が四匹、犬が三匹、鳥が二羽いる"] {
        check_strength("patricia", good).unwrap();
    }
}

/// A second factor: "accept a given time-based OTP only once", and recovery codes once each.
#[tokio::test]
async fn second_factor() {
    let world = World::new();
    let user = world.user("doctor", Role::Staff, Some("Practitioner/1")).await;
    let engine = &world.engine;
    let (secret, url) = engine.new_totp(&user, "Vesta").unwrap();
    assert!(url.starts_with("otpauth://totp/"), "{url}");
    let code = |at: i64| {
        let secret = totp_rs::Secret::try_from_base32(&secret).unwrap();
        let totp = totp_rs::Builder::new()
            .with_secret(secret)
            .with_account_name("doctor".to_owned())
            .with_issuer(Some("Vesta".to_owned()))
            .build();
        totp.unwrap().generate(at.unsigned_abs()).to_string()
    };
    let far = code(world.now() - 3600);
    assert_eq!(
        code_of(engine.confirm_totp(&user.id, &secret, &far).await),
        ErrorCode::InvalidRequest,
        "a code of an hour ago"
    );
    assert!(!engine.user(&user.id).await.unwrap().unwrap().has_second_factor());
    let first = code(world.now());
    let recovery = engine.confirm_totp(&user.id, &secret, &first).await.unwrap();
    assert_eq!(
        engine.check_second_factor(&user.id, &first).await,
        Err(LoginError::WrongCode),
        "whoever looked on has nothing"
    );
    assert!(engine.user(&user.id).await.unwrap().unwrap().has_second_factor());
    world.tick(60);
    let good = code(world.now());
    assert_eq!(engine.check_second_factor(&user.id, &good).await.unwrap().id, user.id);
    assert_eq!(engine.check_second_factor(&user.id, &good).await, Err(LoginError::WrongCode), "used once");
    assert_eq!(engine.check_second_factor(&user.id, "").await, Err(LoginError::WrongCode));
    // As it was written down, in any case.
    assert_eq!(recovery.len(), 10);
    let typed = recovery[0].to_lowercase().replace('-', " ");
    engine.check_second_factor(&user.id, &typed).await.unwrap();
    assert_eq!(engine.check_second_factor(&user.id, &recovery[0]).await, Err(LoginError::WrongCode));
    let kept = format!("{:?}", world.memory.dump());
    assert!(recovery.iter().all(|code| !kept.contains(code) && !kept.contains(&code.replace('-', ""))));
    // Six digits are soon tried out: they are slowed down as passwords are.
    for _ in 0..4 {
        assert_eq!(engine.check_second_factor(&user.id, "000000").await, Err(LoginError::WrongCode));
    }
    assert_eq!(engine.check_second_factor(&user.id, &recovery[1]).await, Err(LoginError::Locked(30)));
    engine.reset_second_factor(&user.id).await.unwrap();
    assert!(!engine.user(&user.id).await.unwrap().unwrap().has_second_factor());
}

/// Session fixation: the secret that was known before log-in is worth nothing after it.
#[tokio::test]
async fn session_that_was_known_before_login() {
    let world = World::new();
    let user = world.patient().await;
    let before = world.engine.session(None).await.unwrap();
    let after = world.engine.log_in(&before.session, &user).await.unwrap();
    assert_ne!(before.secret, after.secret);
    assert_ne!(before.session.csrf, after.session.csrf);
    assert!(world.engine.existing_session(before.secret.as_deref()).await.unwrap().is_none());
    assert!(world.engine.existing_session(Some(&after.session.key)).await.unwrap().is_none(), "the hash is no secret");
    let found = world.engine.existing_session(after.secret.as_deref()).await.unwrap().unwrap();
    assert_eq!(found.user.as_deref(), Some(user.id.as_str()));
}

/// 45 CFR 164.312(a)(2)(iii): automatic logoff, and an end to each session.
#[tokio::test]
async fn session_left_alone() {
    let world = World::new();
    let user = world.patient().await;
    let before = world.engine.session(None).await.unwrap().session;
    let secret = world.engine.log_in(&before, &user).await.unwrap().secret;
    for _ in 0..51 {
        world.tick(14 * 60);
        assert!(world.engine.existing_session(secret.as_deref()).await.unwrap().is_some());
    }
    // Twelve hours, however busy.
    world.tick(6 * 60);
    assert!(world.engine.existing_session(secret.as_deref()).await.unwrap().is_none());
    let secret = world.engine.log_in(&before, &user).await.unwrap().secret;
    world.tick(15 * 60);
    assert!(world.engine.existing_session(secret.as_deref()).await.unwrap().is_none());
}

/// Whoever has the old password is out.
#[tokio::test]
async fn session_of_who_knows_the_old_password() {
    let world = World::new();
    let user = world.patient().await;
    let before = world.engine.session(None).await.unwrap().session;
    let (own, thief) =
        (world.engine.log_in(&before, &user).await.unwrap(), world.engine.log_in(&before, &user).await.unwrap());
    world.engine.set_password(&user.id, PASSWORD, Some(&own.session.key)).await.unwrap();
    assert!(world.engine.existing_session(own.secret.as_deref()).await.unwrap().is_some());
    assert!(world.engine.existing_session(thief.secret.as_deref()).await.unwrap().is_none());
    world.engine.set_user_enabled(&user.id, false).await.unwrap();
    assert!(world.engine.existing_session(own.secret.as_deref()).await.unwrap().is_none());
}

#[tokio::test]
async fn users_are_who_they_say() {
    let world = World::new();
    let add = async |name: &'static str, role, own| {
        let new = NewUser { name, display_name: name, email: None, role, fhir_user: own, password: None };
        world.engine.add_user(&new).await
    };
    add("ann", Role::Patient, Some("Patient/1")).await.unwrap();
    for (name, role, own) in [
        ("ANN", Role::Patient, Some("Patient/2")),
        ("", Role::Staff, None),
        ("bob", Role::Patient, None),
        ("bob", Role::Patient, Some("Practitioner/1")),
        ("bob", Role::Patient, Some("Patient/")),
        ("bob", Role::Patient, Some("Patient/1/_history/2")),
        ("bob", Role::Patient, Some("https://evil.example.org/Patient/1")),
        ("bob", Role::Staff, Some("Patient/1")),
        ("bob\n", Role::Administrator, Some("Patient/1")),
    ] {
        assert_eq!(code_of(add(name, role, own).await), ErrorCode::InvalidRequest, "{name} {own:?}");
    }
}

/// RFC 9700, 2.4: "MUST NOT be used"; where an operator turns it on all the same, it goes round nothing.
#[tokio::test]
async fn password_grant() {
    let scope = "openid patient/*.rs user/*.rs system/Patient.$export offline_access";
    let metadata = serde_json::json!({
        "jwks": crate::clients::rsa().jwks, "token_endpoint_auth_method": "client_secret_post", "grant_types": ["password"],
        "scope": scope,
    });
    let off = World::new();
    let app = off.client(metadata.clone()).await;
    with_password(&off, "ann", Role::Patient, "Patient/1").await;
    let ask = async |world: &World, app, name: &str, role: &str, scope: &str| {
        let pairs = [
            ("grant_type", "password"),
            ("username", name),
            ("password", PASSWORD),
            ("user_role", role),
            ("scope", scope),
        ];
        world.token(app, &pairs).await
    };
    assert_eq!(code_of(ask(&off, &app, "ann", "patient", "patient/*.rs").await), ErrorCode::UnsupportedGrantType);
    let world = World::with(|settings| settings.password_grant = PasswordGrant::Patients);
    let app = world.client(metadata).await;
    with_password(&world, "ann", Role::Patient, "Patient/1").await;
    with_password(&world, "doctor", Role::Staff, "Practitioner/1").await;
    for (name, role, scope, error) in [
        ("doctor", "users", "user/*.rs", ErrorCode::UnauthorizedClient),
        ("doctor", "patient", "patient/*.rs", ErrorCode::InvalidGrant),
        ("ann", "patient", "user/*.rs", ErrorCode::InvalidScope),
        ("ann", "patient", "system/Patient.$export", ErrorCode::InvalidScope),
        ("ann", "patient", "patient/*.cruds", ErrorCode::InvalidScope),
        ("ann", "patient", "", ErrorCode::InvalidRequest),
    ] {
        assert_eq!(code_of(ask(&world, &app, name, role, scope).await), error, "{name} {role} {scope}");
    }
    let tokens = ask(&world, &app, "ann", "patient", "openid patient/*.rs offline_access").await.unwrap();
    assert_eq!(tokens.context["patient"], "1");
    assert_eq!(tokens.refresh_token, None, "patients are not refreshed, as with OpenEMR");
}

/// Where staff has no passwords here, a right one opens nothing, by the page or by the password grant, until an operator
/// breaks the glass for an administrator.
#[tokio::test]
async fn staff_password_where_there_is_none() {
    let world = World::with(|settings| settings.staff_passwords = false);
    let engine = &world.engine;
    let staff = with_password(&world, "doctor", Role::Staff, "Practitioner/1").await;
    let administrator = with_password(&world, "admin", Role::Administrator, "").await;
    with_password(&world, "ann", Role::Patient, "Patient/1").await;
    engine.check_password("ann", PASSWORD).await.unwrap();
    for name in ["doctor", "admin"] {
        assert_eq!(engine.check_password(name, PASSWORD).await, Err(LoginError::Elsewhere));
        assert_eq!(engine.check_password(name, "wrong").await, Err(LoginError::Wrong), "it is told to no one else");
    }
    let hour = SignedDuration::from_hours(1);
    let broken = "quite another pass phrase";
    assert!(engine.break_glass(&staff.id, broken, hour).await.is_err());
    assert!(engine.break_glass(&administrator.id, broken, hour).await.unwrap());
    assert_eq!(engine.check_password("admin", PASSWORD).await, Err(LoginError::Wrong));
    engine.check_password("admin", broken).await.unwrap();
    world.tick(3600);
    assert_eq!(engine.check_password("admin", broken).await, Err(LoginError::Elsewhere));
}
