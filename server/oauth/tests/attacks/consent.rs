//! Between the request and the code: who may answer, what can be granted, and whose record it is.

use vesta_oauth::{ErrorCode, Parameters, Role, Step};

use crate::world::{World, code_of, holding, query, request};

const SCOPE: &str = "openid fhirUser launch/patient patient/*.rs offline_access";

/// The link to a consent page in another browser: nobody goes on with what was begun elsewhere.
#[tokio::test]
async fn interaction_of_another_browser() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let (victim, attacker) = (world.browser(&user).await, world.browser(&user).await);
    let id = world.begin(&request(&app, SCOPE), &attacker).await.unwrap();
    let approved = ["patient/*.rs".to_owned()];
    assert_eq!(code_of(world.engine.step(&id, &victim).await), ErrorCode::InvalidRequest);
    assert_eq!(code_of(world.engine.decide(&id, &victim, &approved).await), ErrorCode::InvalidRequest);
    assert_eq!(code_of(world.engine.deny(&id, &victim).await), ErrorCode::InvalidRequest);
    assert_eq!(code_of(world.engine.choose_patient(&id, &victim, "p1").await), ErrorCode::InvalidRequest);
    assert_eq!(code_of(world.engine.choose_encounter(&id, &victim, None).await), ErrorCode::InvalidRequest);
    // The session that is kept knows what was begun in it, without help.
    let kept = world.engine.storage().0.dump();
    let kept = kept.iter().find(|record| record.key == attacker.key).unwrap();
    assert!(kept.body.contains(&id));
}

#[tokio::test]
async fn consent_without_login() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let nobody = world.engine.session(None).await.unwrap().session;
    let id = world.begin(&request(&app, SCOPE), &nobody).await.unwrap();
    let nobody = holding(nobody, &id);
    let approved = ["patient/*.rs".to_owned()];
    assert!(matches!(world.engine.step(&id, &nobody).await.unwrap(), Step::Login { .. }));
    assert_eq!(code_of(world.engine.decide(&id, &nobody, &approved).await), ErrorCode::InvalidRequest);
    assert_eq!(code_of(world.engine.choose_patient(&id, &nobody, "p1").await), ErrorCode::LoginRequired);
    // The password alone, where a second factor is to come.
    let half = holding(world.engine.log_in_half(&nobody, &user).await.unwrap().session, &id);
    assert!(matches!(world.engine.step(&id, &half).await.unwrap(), Step::SecondFactor));
    assert_eq!(code_of(world.engine.decide(&id, &half, &approved).await), ErrorCode::InvalidRequest);
    assert_eq!(code_of(world.engine.choose_patient(&id, &half, "p1").await), ErrorCode::LoginRequired);
}

/// "what is granted": never more than was asked for, whatever the form says.
#[tokio::test]
async fn more_approved_than_asked() {
    let world = World::new();
    let app = world.public("openid launch/patient patient/*.cruds user/*.cruds offline_access").await;
    let user = world.patient().await;
    let session = world.browser(&user).await;
    let id = world.begin(&request(&app, "openid launch/patient patient/Observation.rs"), &session).await.unwrap();
    let session = holding(session, &id);
    for more in [
        "patient/*.rs",
        "patient/Observation.cruds",
        "patient/Condition.rs",
        "user/Observation.rs",
        "offline_access",
        "fhirUser",
    ] {
        let approved = ["openid".to_owned(), more.to_owned()];
        assert_eq!(code_of(world.engine.decide(&id, &session, &approved).await), ErrorCode::InvalidScope, "{more}");
    }
    let less = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs";
    let url = world.engine.decide(&id, &session, &[less.to_owned()]).await.unwrap();
    let tokens = world.exchange(&app, &query(&url, "code").unwrap()).await.unwrap();
    // What only says how the app was started stays; openid was not approved, so there is no ID token.
    assert_eq!(tokens.scope, format!("launch/patient {less}"));
    assert_eq!((tokens.id_token, tokens.refresh_token), (None, None));
}

/// The same answer twice, as by a double click or the browser's way back.
#[tokio::test]
async fn consent_given_twice() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let session = world.browser(&user).await;
    let id = world.begin(&request(&app, SCOPE), &session).await.unwrap();
    let session = holding(session, &id);
    let approved = ["patient/*.rs".to_owned()];
    let (one, other) =
        tokio::join!(world.engine.decide(&id, &session, &approved), world.engine.decide(&id, &session, &approved));
    assert!(one.is_ok() != other.is_ok());
    assert_eq!(code_of(world.engine.deny(&id, &session).await), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn nothing_approved_is_a_refusal() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let url = world.consent_to(&request(&app, SCOPE), &user, Some(&[])).await;
    assert_eq!(query(&url, "error").as_deref(), Some("access_denied"));
    assert_eq!(query(&url, "code"), None);
}

#[tokio::test]
async fn interaction_that_is_too_old() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let session = world.browser(&user).await;
    let id = world.begin(&request(&app, SCOPE), &session).await.unwrap();
    let session = holding(session, &id);
    world.tick(15 * 60);
    assert_eq!(code_of(world.engine.step(&id, &session).await), ErrorCode::InvalidRequest);
}

/// "a patient user never leaves their own boundary": neither by choosing nor by asking for `user/`.
#[tokio::test]
async fn patient_who_wants_another_record() {
    let world = World::new();
    let scope = "openid launch/patient patient/*.rs user/*.cruds user/DocumentReference.$docref";
    let uri = "http://smarthealthit.org/fhir/scopes/user/Patient.read";
    let app = world.public(&format!("{scope} {uri}")).await;
    let user = world.patient().await;
    let session = world.browser(&user).await;
    let id = world.begin(&request(&app, &format!("{scope} {uri}")), &session).await.unwrap();
    let session = holding(session, &id);
    assert_eq!(code_of(world.engine.choose_patient(&id, &session, "p2").await), ErrorCode::InvalidRequest);
    let Step::Consent(consent) = world.engine.step(&id, &session).await.unwrap() else { panic!() };
    assert_eq!(consent.patient.as_deref(), Some("p1"));
    let expected = [
        "openid",
        "launch/patient",
        "patient/*.rs",
        "patient/*.cruds",
        "patient/DocumentReference.$docref",
        "patient/Patient.read",
    ];
    assert_eq!(consent.scopes, expected);
    let refused = world.engine.decide(&id, &session, &["user/*.cruds".to_owned()]).await;
    assert_eq!(code_of(refused), ErrorCode::InvalidScope);
    let url = world.engine.decide(&id, &session, &consent.scopes).await.unwrap();
    let tokens = world.exchange(&app, &query(&url, "code").unwrap()).await.unwrap();
    assert!(!tokens.scope.contains("user/"), "{}", tokens.scope);
    assert_eq!(tokens.context["patient"], "p1");
}

/// patient/ scopes without a patient would be without a boundary.
#[tokio::test]
async fn patient_scope_without_a_patient() {
    let world = World::new();
    let app =
        world.public("openid patient/*.rs patient/DocumentReference.$docref launch/patient launch/encounter").await;
    let staff = world.staff().await;
    for scope in ["patient/Observation.rs", "launch/patient", "launch/encounter", "patient/DocumentReference.$docref"] {
        let session = world.browser(&staff).await;
        let id = world.begin(&request(&app, scope), &session).await.unwrap();
        let session = holding(session, &id);
        assert!(matches!(world.engine.step(&id, &session).await.unwrap(), Step::PickPatient { .. }), "{scope}");
        // Nothing can be granted over the picker.
        let refused = world.engine.decide(&id, &session, &[scope.to_owned()]).await;
        assert_eq!(code_of(refused), ErrorCode::InvalidRequest);
    }
}

/// Another patient after the encounter was chosen: the encounter is of the former.
#[tokio::test]
async fn encounter_of_another_patient() {
    let world = World::new();
    let scope = "launch/patient launch/encounter patient/*.rs";
    let app = world.public(scope).await;
    let staff = world.staff().await;
    let session = world.browser(&staff).await;
    let id = world.begin(&request(&app, scope), &session).await.unwrap();
    let session = holding(session, &id);
    world.engine.choose_patient(&id, &session, "p1").await.unwrap();
    world.engine.choose_encounter(&id, &session, Some("e1")).await.unwrap();
    world.engine.choose_patient(&id, &session, "p2").await.unwrap();
    let step = world.engine.step(&id, &session).await.unwrap();
    assert!(matches!(&step, Step::PickEncounter { patient, .. } if patient == "p2"), "{step:?}");
    world.engine.choose_encounter(&id, &session, None).await.unwrap();
    let Step::Consent(consent) = world.engine.step(&id, &session).await.unwrap() else { panic!() };
    assert_eq!((consent.patient.as_deref(), consent.encounter), (Some("p2"), None));
}

#[tokio::test]
async fn user_who_is_disabled_at_the_consent_page() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.user("leaving", Role::Patient, Some("Patient/p9")).await;
    let session = world.browser(&user).await;
    let id = world.begin(&request(&app, SCOPE), &session).await.unwrap();
    let session = holding(session, &id);
    world.engine.set_user_enabled(&user.id, false).await.unwrap();
    assert!(matches!(world.engine.step(&id, &session).await.unwrap(), Step::Login { .. }));
    assert!(world.engine.decide(&id, &session, &["patient/*.rs".to_owned()]).await.is_err());
}

/// One browser keeps a few requests under way; the oldest gives way, and none of another browser.
#[tokio::test]
async fn requests_without_end_do_not_fill_a_session() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let opened = world.engine.session(None).await.unwrap();
    let (secret, session) = (opened.secret.unwrap(), opened.session);
    for _ in 0..20 {
        world.begin(&request(&app, SCOPE), &session).await.unwrap();
    }
    let session = world.engine.existing_session(Some(&secret)).await.unwrap().unwrap();
    assert_eq!(session.interactions.len(), 10);
}

/// What a person revokes is gone at once, and gone for good: <https://www.healthit.gov/test-method/standardized-api-patient-and-population-services>
#[tokio::test]
async fn consent_revoked_then_token_used() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let tokens = world.tokens(&app, &user, SCOPE).await;
    let others = world.tokens(&app, &world.user("other", Role::Patient, Some("Patient/p2")).await, SCOPE).await;
    let grants = world.engine.grants_of_user(&user.id).await.unwrap();
    assert_eq!((grants.len(), grants[0].client.as_str()), (1, app.id()));
    assert!(world.engine.revoke_grant(&grants[0].id).await.unwrap());
    assert!(!world.is_active(&tokens.access_token).await);
    assert_eq!(code_of(world.refresh(&app, &tokens).await), ErrorCode::InvalidGrant);
    assert!(world.is_active(&others.access_token).await);
    assert!(world.engine.grants_of_user(&user.id).await.unwrap().is_empty());
}

/// A wrong CSRF token is no answer of the person's.
#[tokio::test]
async fn form_of_another_session() {
    let world = World::new();
    let user = world.patient().await;
    let (one, other) = (world.browser(&user).await, world.browser(&user).await);
    assert!(world.engine.is_own_form(&one, Some(&one.csrf)));
    for wrong in [Some(other.csrf.as_str()), Some(""), Some(&one.csrf[1..]), None] {
        assert!(!world.engine.is_own_form(&one, wrong));
    }
}

#[test]
fn parameter_that_is_there_twice() {
    let twice: Parameters = [("code", "1"), ("code", "1")].into_iter().collect();
    assert_eq!(code_of(twice.one("code").map(|_| ())), ErrorCode::InvalidRequest);
    let empty: Parameters = [("code", "")].into_iter().collect();
    assert_eq!(empty.one("code").unwrap(), None);
}
