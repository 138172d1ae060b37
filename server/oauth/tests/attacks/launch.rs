//! Launches from the record system: opaque, good once, for one user and one app.

use serde_json::json;
use vesta_oauth::{ErrorCode, LaunchContext, Role, Session, Step};

use crate::world::{App, BASE, World, code_of, holding, query, redirected, request};

const SCOPE: &str = "openid fhirUser launch patient/*.rs offline_access";

async fn launched(world: &World, app: &App, user: &vesta_oauth::User) -> String {
    world.engine.create_launch_value(user, &app.client, context()).await.unwrap()
}

fn context() -> LaunchContext {
    LaunchContext {
        patient: Some("p7".to_owned()),
        encounter: Some("e7".to_owned()),
        fhir_context: vec![json!({ "reference": "ImagingStudy/123" })],
        intent: Some("reconcile-medications".to_owned()),
        tenant: Some("clinic-a".to_owned()),
        need_patient_banner: Some(false),
    }
}

/// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch>
#[tokio::test]
async fn ehr_launch_tells_the_app_what_it_was_started_for() {
    let world = World::new();
    let app = world
        .client(json!({
            "token_endpoint_auth_method": "none", "redirect_uris": [crate::world::REDIRECT], "scope": SCOPE,
            "initiate_login_uri": "https://app.example.org/launch?v=2",
        }))
        .await;
    let staff = world.staff().await;
    let url = world.engine.create_launch(&staff, &app.client, context()).await.unwrap();
    assert!(url.starts_with("https://app.example.org/launch?v=2&"), "{url}");
    assert_eq!(query(&url, "iss").as_deref(), Some(BASE));
    let launch = query(&url, "launch").unwrap();
    let url = world.consent(&request(&app, SCOPE).set("launch", &launch), &staff).await;
    let tokens = world.exchange(&app, &query(&url, "code").unwrap()).await.unwrap();
    insta::assert_json_snapshot!(tokens.context);
}

#[tokio::test]
async fn launch_used_twice() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let staff = world.staff().await;
    let launch = launched(&world, &app, &staff).await;
    let request = request(&app, SCOPE).set("launch", &launch);
    // Two requests with the same launch under way: one comes to an end.
    let session = world.browser(&staff).await;
    let early = world.begin(&request, &session).await.unwrap();
    assert!(query(&world.consent(&request, &staff).await, "code").is_some());
    assert_eq!(redirected(world.begin(&request, &session).await), "invalid_request");
    let session = holding(session, &early);
    let refused = world.engine.decide(&early, &session, &["patient/*.rs".to_owned()]).await;
    assert_eq!(code_of(refused), ErrorCode::InvalidRequest);
}

#[tokio::test]
async fn launch_of_another_client() {
    let world = World::new();
    let (app, other) = (world.public(SCOPE).await, world.public(SCOPE).await);
    let staff = world.staff().await;
    let launch = launched(&world, &app, &staff).await;
    let session = world.browser(&staff).await;
    let stolen = request(&other, SCOPE).set("launch", &launch);
    assert_eq!(redirected(world.begin(&stolen, &session).await), "invalid_request");
    world.begin(&request(&app, SCOPE).set("launch", &launch), &session).await.unwrap();
}

/// The launch is of the clinician who started it: nobody else gets its patient.
#[tokio::test]
async fn launch_of_another_user() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let staff = world.staff().await;
    for other in [
        world.user("nurse", Role::Staff, Some("Practitioner/n1")).await,
        world.user("curious", Role::Patient, Some("Patient/p2")).await,
    ] {
        let launch = launched(&world, &app, &staff).await;
        let url = world.consent(&request(&app, SCOPE).set("launch", &launch), &other).await;
        assert_eq!(query(&url, "error").as_deref(), Some("access_denied"));
    }
}

#[tokio::test]
async fn launch_that_is_forged_old_or_missing() {
    let world = World::new();
    let app = world.public("launch launch/patient patient/*.rs").await;
    let staff = world.staff().await;
    let session = world.browser(&staff).await;
    let launch = launched(&world, &app, &staff).await;
    let with = |launch: &str, scope: &str| request(&app, scope).set("launch", launch);
    for (launch, scope) in
        [("made-up", "launch patient/*.rs"), (&launch, "launch/patient patient/*.rs"), ("", "launch patient/*.rs")]
    {
        assert_eq!(
            redirected(world.begin(&with(launch, scope), &session).await),
            "invalid_request",
            "{launch} {scope}"
        );
    }
    world.tick(300);
    assert_eq!(redirected(world.begin(&with(&launch, "launch patient/*.rs"), &session).await), "invalid_request");
}

/// A launch is good for minutes; whoever came with it in time may log in at leisure.
#[tokio::test]
async fn launch_that_came_in_time() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let staff = world.staff().await;
    let launch = launched(&world, &app, &staff).await;
    let session = world.browser(&staff).await;
    world.tick(299);
    let id = world.begin(&request(&app, SCOPE).set("launch", &launch), &session).await.unwrap();
    world.tick(600);
    let session = holding(session, &id);
    assert!(world.engine.decide(&id, &session, &["patient/*.rs".to_owned()]).await.is_ok());
}

/// What the launch was for stands firm.
#[tokio::test]
async fn launch_for_one_patient_used_for_another() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let staff = world.staff().await;
    let launch = launched(&world, &app, &staff).await;
    let session = world.browser(&staff).await;
    let id = world.begin(&request(&app, SCOPE).set("launch", &launch), &session).await.unwrap();
    let session = holding(session, &id);
    assert_eq!(code_of(world.engine.choose_patient(&id, &session, "p8").await), ErrorCode::InvalidRequest);
    world.engine.choose_encounter(&id, &session, Some("e8")).await.unwrap();
    let Step::Consent(consent) = world.engine.step(&id, &session).await.unwrap() else { panic!() };
    assert_eq!((consent.patient.as_deref(), consent.encounter.as_deref()), (Some("p7"), Some("e7")));
}

/// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#fhir-context>
#[tokio::test]
async fn fhir_context_is_as_smart_has_it() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let staff = world.staff().await;
    for (object, good) in [
        (json!({ "reference": "ImagingStudy/1" }), true),
        (json!({ "canonical": "http://example.org/Questionnaire/1|2" }), true),
        (json!({ "identifier": { "system": "urn:x", "value": "1" }, "type": "Procedure" }), true),
        (json!({ "reference": "Patient/2", "role": "http://example.org/roles/sibling" }), true),
        (json!({ "reference": "Patient/2" }), false),
        (json!({ "reference": "Patient/2", "role": "launch" }), false),
        (json!({ "reference": "Encounter/2" }), false),
        (json!({ "reference": "https://other.example.org/fhir/Patient/2" }), false),
        (json!({ "reference": "ImagingStudy/1", "role": "" }), false),
        (json!({ "role": "launch" }), false),
        (json!("ImagingStudy/1"), false),
    ] {
        let context = LaunchContext { fhir_context: vec![object.clone()], ..LaunchContext::default() };
        let made = world.engine.create_launch_value(&staff, &app.client, context).await;
        assert_eq!(made.is_ok(), good, "{object}");
    }
}

#[tokio::test]
async fn patient_who_launches_for_another_record() {
    let world = World::new();
    let app = world.public(SCOPE).await;
    let user = world.patient().await;
    let made = world.engine.create_launch_value(&user, &app.client, context()).await;
    assert_eq!(code_of(made), ErrorCode::InvalidRequest);
    // Without a patient, it is their own.
    let launch = world.engine.create_launch_value(&user, &app.client, LaunchContext::default()).await.unwrap();
    let url = world.consent(&request(&app, SCOPE).set("launch", &launch), &user).await;
    let tokens = world.exchange(&app, &query(&url, "code").unwrap()).await.unwrap();
    assert_eq!(tokens.context["patient"], "p1");
}

/// A confidential app that an administrator has approved for all staff.
async fn approved(world: &World, scope: &str) -> App {
    let app = world.confidential(scope).await;
    assert!(world.engine.set_skips_launch_consent(app.id(), true).await.unwrap());
    app
}

/// The next step of a request by who has just logged in.
async fn next(world: &World, request: &crate::world::Request, user: &vesta_oauth::User) -> (String, Session, Step) {
    let session = world.browser(user).await;
    let id = world.begin(request, &session).await.unwrap();
    let session = holding(session, &id);
    let step = world.engine.step(&id, &session).await.unwrap();
    (id, session, step)
}

/// Staff start an approved app from the record, and it gets what it asks for, but not months of access.
#[tokio::test]
async fn offline_access_is_not_given_unasked() {
    let world = World::new();
    let app = approved(&world, SCOPE).await;
    let staff = world.staff().await;
    let launch = launched(&world, &app, &staff).await;
    let (id, session, step) = next(&world, &request(&app, SCOPE).set("launch", &launch), &staff).await;
    assert!(matches!(step, Step::Approved { patient: Some(patient), .. } if patient == "p7"));
    let url = world.engine.grant_approved(&id, &session).await.unwrap();
    let tokens = world.exchange(&app, &query(&url, "code").unwrap()).await.unwrap();
    assert_eq!(tokens.scope, "openid fhirUser launch patient/*.rs");
    assert_eq!(tokens.refresh_token, None);
    assert_eq!(tokens.context["patient"], "p7");
    // The answer is used up, and the launch is.
    assert_eq!(code_of(world.engine.grant_approved(&id, &session).await), ErrorCode::InvalidRequest);
}

/// Approval is for the record's own launch: without one, or where the app itself wants it, staff are asked.
#[tokio::test]
async fn approval_outside_of_a_launch() {
    let world = World::new();
    let scope = "openid fhirUser launch user/*.rs";
    let app = approved(&world, scope).await;
    let staff = world.staff().await;
    let alone = request(&app, "openid fhirUser user/*.rs");
    let (id, session, step) = next(&world, &alone, &staff).await;
    assert!(matches!(step, Step::Consent(_)));
    assert_eq!(code_of(world.engine.grant_approved(&id, &session).await), ErrorCode::InvalidRequest);
    let (id, session, step) = next(&world, &alone.set("prompt", "none"), &staff).await;
    assert!(matches!(step, Step::Redirect(url) if query(&url, "error").as_deref() == Some("consent_required")));
    assert_eq!(code_of(world.engine.grant_approved(&id, &session).await), ErrorCode::InvalidRequest);
    let launch = launched(&world, &app, &staff).await;
    let asking = request(&app, scope).set("launch", &launch).set("prompt", "consent");
    assert!(matches!(next(&world, &asking, &staff).await.2, Step::Consent(_)));
}

/// Nobody decides for patients, whatever started the app.
#[tokio::test]
async fn approval_for_a_patient() {
    let world = World::new();
    let app = approved(&world, SCOPE).await;
    let patient = world.patient().await;
    let context = LaunchContext { patient: Some("p1".to_owned()), ..LaunchContext::default() };
    let launch = world.engine.create_launch_value(&patient, &app.client, context).await.unwrap();
    let (id, session, step) = next(&world, &request(&app, SCOPE).set("launch", &launch), &patient).await;
    assert!(matches!(step, Step::Consent(_)));
    assert_eq!(code_of(world.engine.grant_approved(&id, &session).await), ErrorCode::InvalidRequest);
}

/// Who is not logged in, or must show it anew, is asked who they are; a launch of somebody else is no approval.
#[tokio::test]
async fn approval_without_a_log_in() {
    let world = World::new();
    let app = approved(&world, SCOPE).await;
    let staff = world.staff().await;
    let launch = launched(&world, &app, &staff).await;
    let asking = request(&app, SCOPE).set("launch", &launch);
    let session = world.engine.session(None).await.unwrap().session;
    let id = world.begin(&asking, &session).await.unwrap();
    let session = holding(session, &id);
    assert!(matches!(world.engine.step(&id, &session).await.unwrap(), Step::Login { .. }));
    assert_eq!(code_of(world.engine.grant_approved(&id, &session).await), ErrorCode::InvalidRequest);
    let anew = next(&world, &asking.set("prompt", "login"), &staff).await;
    assert!(matches!(anew.2, Step::Login { .. }));
    let other = world.user("another doctor", Role::Staff, Some("Practitioner/d2")).await;
    let launch = launched(&world, &app, &staff).await;
    let (_, _, step) = next(&world, &request(&app, SCOPE).set("launch", &launch), &other).await;
    assert!(matches!(step, Step::Redirect(url) if query(&url, "error").as_deref() == Some("access_denied")));
}

/// An app cannot approve itself, a public one is never approved (RFC 8252, 8.6), and one that changes what it is, or asks for
/// more, has lost it.
#[tokio::test]
async fn approval_by_the_client_itself() {
    let world = World::new();
    let public = world.public(SCOPE).await;
    assert_eq!(code_of(world.engine.set_skips_launch_consent(public.id(), true).await), ErrorCode::InvalidRequest);
    let metadata = |scope: &str| {
        json!({ "token_endpoint_auth_method": "client_secret_post", "redirect_uris": [crate::world::REDIRECT],
            "scope": scope, "skips_launch_consent": true })
    };
    let app = world.client(metadata(SCOPE)).await;
    assert!(!app.client.skips_launch_consent);
    world.engine.set_skips_launch_consent(app.id(), true).await.unwrap();
    for (scope, keeps) in [(SCOPE.to_owned(), true), (format!("{SCOPE} patient/*.cruds"), false)] {
        let mut update = metadata(&scope);
        update["client_id"] = app.id().into();
        let token = app.registration_token.as_deref();
        world.engine.update_registration(app.id(), token, &update).await.unwrap();
        assert_eq!(world.engine.client(app.id()).await.unwrap().unwrap().skips_launch_consent, keeps, "{scope}");
    }
}
