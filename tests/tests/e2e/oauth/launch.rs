//! Standalone and EHR launches, consent, refresh, and what the FHIR API makes of the tokens.

use std::time::Duration;

use serde_json::{Value, json};

use vesta_oauth::{Claims, ClientState};

use super::backend::approve;
use super::browser::{Browser, csrf};
use super::party::{Party, VERIFIER, value};
use super::{PASSWORD, api, app, practice};
use crate::harness::{Client, Database, World, matches, wait_until};

const SCOPE: &str = "openid fhirUser launch/patient offline_access patient/Patient.rs patient/Observation.rs";

/// `oauth.token_seconds` and its like reach what is given out.
#[test]
fn what_the_operator_sets_is_how_long_things_last() {
    let ten = jiff::SignedDuration::from_mins(10);
    let world = World::new(Database::Sqlite, |config| config.oauth.lifetimes.token = ten);
    practice(&world);
    let app = app(&world, SCOPE);
    let tokens = app.launch(&world, "ann", SCOPE);
    assert_eq!(tokens["expires_in"], 600);
    let claims: Claims =
        jsonwebtoken::dangerous::insecure_decode_claims(tokens["access_token"].as_str().expect("a token"))
            .expect("claims");
    assert_eq!(claims.exp - claims.iat, 600);
}

on_both_databases! {
    /// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-standalone-launch>
    fn a_patient_lets_an_app_at_their_own_record_and_no_other(world) {
        let practice = practice(world);
        let app = app(world, SCOPE);
        let tokens = app.launch(world, "ann", SCOPE);
        assert_eq!(tokens["patient"], practice.ann.as_str());
        assert_eq!(tokens["token_type"], "Bearer");
        assert_eq!(tokens["need_patient_banner"], true);
        assert_eq!(tokens["scope"], SCOPE);
        let fhir = api(world, tokens["access_token"].as_str().expect("a token"));
        fhir.get(&format!("Patient/{}", practice.ann)).expect(200);
        fhir.get(&format!("Patient/{}", practice.bob)).expect(404);
        assert_eq!(fhir.ids("Observation").len(), 2);
        fhir.get("Condition").expect(403);
        // The ID token is signed by a published key, and says whose it is.
        let id_token = tokens["id_token"].as_str().expect("an ID token");
        let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(id_token).expect("claims");
        assert_eq!(claims["iss"], app.issuer.as_str());
        assert_eq!(claims["aud"], json!([app.id]));
        assert_eq!(claims["nonce"], "a nonce");
        assert_eq!(claims["fhirUser"], format!("{}/Patient/{}", app.fhir, practice.ann));
        let set = app.get(&format!("{}/jwk", app.issuer), &[]).expect(200).json();
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(set).expect("keys");
        let kid = jsonwebtoken::decode_header(id_token).expect("a header").kid.expect("a key's id");
        let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&kid).expect("the key")).expect("a key");
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.set_audience(&[&app.id]);
        jsonwebtoken::decode::<Value>(id_token, &key, &validation).expect("a good signature");
        // Who it is can be asked too.
        let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap_or_default());
        let about = app.get(&format!("{}/userinfo", app.issuer), &[("authorization", &bearer)]).expect(200).json();
        assert_eq!(about["sub"], claims["sub"]);
    }

    /// OpenEMR's `patient/DocumentReference.$docref`: the references to the documents, and nothing else of them.
    fn the_scope_of_an_operation_grants_it_and_nothing_more(world) {
        let practice = practice(world);
        let client = world.client("user/*.cruds");
        let note = client.create(&json!({ "resourceType": "DocumentReference", "status": "current",
            "type": { "coding": [{ "system": "http://loinc.org", "code": "11506-3" }] },
            "subject": { "reference": format!("Patient/{}", practice.ann) }, "content": [{ "attachment": { "title": "a note" } }] }));
        let scope = "launch/patient patient/DocumentReference.$docref";
        let app = app(world, scope);
        let tokens = app.launch(world, "ann", scope);
        assert_eq!(tokens["scope"], scope);
        let fhir = api(world, tokens["access_token"].as_str().expect("a token"));
        let asked = |patient: &str| format!("DocumentReference/$docref?patient={patient}&type=http://loinc.org%7C11506-3");
        assert_eq!(fhir.ids(&asked(&practice.ann)), [note.as_str()]);
        for refused in [asked(&practice.bob), "DocumentReference".to_owned(), format!("DocumentReference/{note}"), format!("Patient/{}", practice.ann)] {
            assert_eq!(fhir.get(&refused).status, 403, "{refused}");
        }
    }

    /// "one switch per scope, sub-scopes offered singly": what is taken away at consent is not in the token.
    fn what_a_person_does_not_grant_is_not_to_be_had(world) {
        let practice = practice(world);
        let app = app(world, SCOPE);
        let mut browser = Browser::new(world);
        let page = app.log_in(&mut browser, &app.authorize_url(SCOPE, &[]), "ann").page();
        let vital_signs = page.switches("scope").into_iter().find(|scope| scope.ends_with("|vital-signs")).expect("a narrower scope");
        let back = app.consent(&mut browser, &page, Some(&["patient/Patient.rs", &vital_signs]));
        let tokens = app.exchange(value(&back, "code").expect("a code")).expect(200).json();
        assert_eq!(tokens["scope"], format!("launch/patient patient/Patient.rs {vital_signs}"));
        assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none(), "{tokens}");
        let fhir = api(world, tokens["access_token"].as_str().expect("a token"));
        assert_eq!(fhir.ids("Observation"), std::slice::from_ref(&practice.vital_sign));
        fhir.get(&format!("Observation/{}", practice.laboratory)).expect(404);
        // More than was asked for cannot be granted, whatever the form says.
        let mut browser = Browser::new(world);
        let page = app.log_in(&mut browser, &app.authorize_url("launch/patient patient/Patient.rs", &[]), "ann").page();
        let refused = browser.send(&page, &[("decision", "allow"), ("scope", "patient/*.cruds")]).page();
        assert_eq!(refused.status, 400, "{}", refused.words());
        // Denied, the app is told.
        let denied = browser.send(&page, &[("decision", "deny")]).away();
        assert_eq!(value(&app.back(&denied), "error"), Some("access_denied"));
    }

    /// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch>
    fn a_clinician_starts_an_app_for_a_patient_and_a_visit(world) {
        let practice = practice(world);
        let scope = "openid fhirUser launch patient/Patient.rs patient/Observation.rs";
        let app = Party::register(world, &json!({ "client_name": "EHR app", "redirect_uris": ["https://app.example/callback"],
            "initiate_login_uri": "https://app.example/launch", "scope": scope }));
        let mut browser = Browser::new(world);
        let launcher = app.log_in(&mut browser, &format!("{}/launcher", app.issuer), "doctor").page();
        let found = browser.send(&launcher, &[("name", "byrne"), ("birth-date", "1980-02-01")]).page();
        assert!(found.words().contains("Ann Byrne") && found.words().contains("Bob Byrne"), "{}", found.words());
        let apps = browser.send(&found, &[("patient", &practice.ann)]).page();
        let started = browser.send(&apps, &[("app", &app.id), ("encounter", &practice.encounter)]).away();
        let (place, query) = started.split_once('?').expect("parameters");
        assert_eq!(place, "https://app.example/launch");
        let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert_eq!(value(&parameters, "iss"), Some(app.fhir.as_str()));
        let launch = value(&parameters, "launch").expect("a launch");
        // The clinician is logged in: consent is what comes next.
        let url = app.authorize_url(scope, &[("launch", launch)]);
        let page = browser.get(&url).page();
        let back = app.consent(&mut browser, &page, None);
        let tokens = app.exchange(value(&back, "code").expect("a code")).expect(200).json();
        assert_eq!((&tokens["patient"], &tokens["encounter"]), (&json!(practice.ann), &json!(practice.encounter)));
        assert_eq!(api(world, tokens["access_token"].as_str().expect("a token")).ids("Patient"), std::slice::from_ref(&practice.ann));
        // "single use"
        let again = browser.get(&url).away();
        assert_eq!(value(&app.back(&again), "error"), Some("invalid_request"));
    }

    /// An administrator approves a confidential app for all staff: who starts it from the record is asked no more, and the
    /// log says so.
    fn an_app_that_is_approved_for_all_staff_is_started_without_a_question(world) {
        let practice = practice(world);
        let scope = "openid fhirUser launch offline_access user/Patient.rs";
        let app = Party::register(world, &json!({ "client_name": "House app", "redirect_uris": ["https://app.example/callback"],
            "token_endpoint_auth_method": "client_secret_post", "initiate_login_uri": "https://app.example/launch", "scope": scope }));
        approve(world, &app.id, ClientState::Enabled);
        let mut administrator = Browser::new(world);
        let page = app.log_in(&mut administrator, &format!("{}/clients?next=clients", app.issuer), "admin").page();
        assert!(page.url.ends_with("/clients"), "{}", page.url);
        let page = administrator.get(&format!("{}/clients/{}", app.issuer, app.id)).page();
        assert!(page.words().contains("Approve for all staff"), "{}", page.words());
        let form = page.form_with(&["action"]).expect("the buttons");
        let saved = administrator.post(&form.action, &[("csrf", &csrf(&page)), ("action", "skip-consent")]).page();
        assert!(saved.words().contains("Approved for all staff"), "{}", saved.words());
        let listed = administrator.get(&format!("{}/clients", app.issuer)).page();
        assert!(listed.words().contains("approved for all staff"), "{}", listed.words());

        let mut browser = Browser::new(world);
        let launcher = app.log_in(&mut browser, &format!("{}/launcher", app.issuer), "doctor").page();
        let found = browser.send(&launcher, &[("name", "byrne"), ("birth-date", "1980-02-01")]).page();
        let apps = browser.send(&found, &[("patient", &practice.ann)]).page();
        let started = browser.send(&apps, &[("app", &app.id), ("encounter", "")]).away();
        let parameters: Vec<(String, String)> = form_urlencoded::parse(started.split_once('?').expect("parameters").1.as_bytes()).into_owned().collect();
        let launch = value(&parameters, "launch").expect("a launch");
        let back = app.back(&browser.get(&app.authorize_url(scope, &[("launch", launch)])).away());
        let tokens = app.exchange(value(&back, "code").expect("a code")).expect(200).json();
        assert_eq!((&tokens["patient"], &tokens["scope"]), (&json!(practice.ann), &json!("openid fhirUser launch user/Patient.rs")));
        assert!(tokens.get("refresh_token").is_none(), "{tokens}");
        // Without a launch they are asked as ever.
        let alone = browser.get(&app.authorize_url("openid fhirUser user/Patient.rs", &[])).page();
        assert!(alone.url.contains("scope-authorize-confirm"), "{}", alone.url);

        let auditor = world.client("system/AuditEvent.rs");
        let skipped = |client: &Client| {
            let bundle = client.get(&format!("AuditEvent?subtype=110135&outcome=0&agent:identifier={}", app.id)).expect(200).json();
            matches(&bundle).count()
        };
        wait_until("what was not asked is in the log", Duration::from_secs(10), || skipped(&auditor) == 1);
    }

    /// The other way to the same: a record system of its own asks for the launch, as a client with a token of its user.
    fn another_record_system_starts_an_app_for_what_its_token_reaches(world) {
        let practice = practice(world);
        let scope = "user/Patient.rs user/Encounter.rs";
        let system = Party::register(world, &json!({ "client_name": "A record system", "redirect_uris": ["https://ehr.example/"], "scope": scope }));
        approve(world, &system.id, ClientState::Enabled);
        let app = app(world, "launch/patient patient/Patient.rs");
        let tokens = system.launch(world, "doctor", scope);
        let token = tokens["access_token"].as_str().expect("a token");
        let start = |patient: &str, encounter: &str| {
            let wanted = json!({ "client_id": app.id, "patient": patient, "encounter": encounter });
            system.send_json(&format!("{}/launch", app.issuer), token, &wanted)
        };
        let started = start(&practice.ann, &practice.encounter).expect(201).json();
        let url = started["launch_url"].as_str().expect("a URL");
        assert!(url.starts_with("https://app.example/launch?iss="), "{url}");
        // Ann's visit is none of Bob's, and nobody is nobody.
        start(&practice.bob, &practice.encounter).expect(400);
        start("nobody", &practice.encounter).expect(400);
        // A token that does not reach patients starts nothing for one.
        let narrow = system.launch(world, "doctor", "user/Encounter.rs");
        let wanted = json!({ "client_id": app.id, "patient": practice.ann });
        let narrow = narrow["access_token"].as_str().expect("a token");
        system.send_json(&format!("{}/launch", app.issuer), narrow, &wanted).expect(403);
    }

    fn staff_chooses_a_patient_for_an_app_that_stands_alone(world) {
        let practice = practice(world);
        let scope = "launch/patient launch/encounter patient/Observation.rs";
        let app = app(world, scope);
        let mut browser = Browser::new(world);
        let picker = app.log_in(&mut browser, &app.authorize_url(scope, &[]), "doctor").page();
        let found = browser.send(&picker, &[("name", "ann")]).page();
        let visits = browser.send(&found, &[("patient", &practice.ann)]).page();
        let page = browser.send(&visits, &[("encounter", &practice.encounter)]).page();
        let back = app.consent(&mut browser, &page, None);
        let tokens = app.exchange(value(&back, "code").expect("a code")).expect(200).json();
        assert_eq!((&tokens["patient"], &tokens["encounter"]), (&json!(practice.ann), &json!(practice.encounter)));
    }

    /// RFC 9700, 4.14.2; RFC 6749, 4.1.2.
    fn codes_and_refresh_tokens_are_good_once(world) {
        practice(world);
        let app = app(world, SCOPE);
        let mut browser = Browser::new(world);
        let page = app.log_in(&mut browser, &app.authorize_url(SCOPE, &[]), "ann").page();
        let back = app.consent(&mut browser, &page, None);
        let code = value(&back, "code").expect("a code");
        let wrong = app.token(&[("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &app.redirect_uri),
            ("code_verifier", &VERIFIER.replace('d', "e"))]);
        assert_eq!(wrong.expect(400).json()["error"], "invalid_grant");
        let first = app.exchange(code).expect(200).json();
        let text = |tokens: &Value, name: &str| tokens[name].as_str().expect("a token").to_owned();
        let second = app.refresh(&text(&first, "refresh_token")).expect(200).json();
        assert_eq!(second["patient"], first["patient"], "the context is kept");
        api(world, &text(&second, "access_token")).get("Patient").expect(200);
        // The first refresh token once more: somebody else has it, and all ends at once.
        assert_eq!(app.refresh(&text(&first, "refresh_token")).expect(400).json()["error"], "invalid_grant");
        api(world, &text(&second, "access_token")).get("Patient").expect(401);
        app.refresh(&text(&second, "refresh_token")).expect(400);
        // A code that is replayed takes with it what it was exchanged for.
        let page = browser.get(&app.authorize_url(SCOPE, &[])).page();
        let back = app.consent(&mut browser, &page, None);
        let code = value(&back, "code").expect("a code");
        let tokens = app.exchange(code).expect(200).json();
        app.exchange(code).expect(400);
        api(world, &text(&tokens, "access_token")).get("Patient").expect(401);
    }

    /// Errors before the client is known are shown, those behind it go back: nobody is sent to an address that was not
    /// registered, nor, without having logged in, to any (RFC 9700, 4.11.2); the page says where the way back leads.
    fn what_is_wrong_with_a_request_is_told_to_who_can_mend_it(world) {
        practice(world);
        let app = app(world, SCOPE);
        let (mut stranger, mut browser) = (Browser::new(world), Browser::new(world));
        app.log_in(&mut browser, &app.authorize_url(SCOPE, &[]), "ann").page();
        for (name, wrong) in [("redirect_uri", "https://app.example/callback/../evil"), ("redirect_uri", "https://app.example/callback?x=1"), ("client_id", "nobody")] {
            for browser in [&mut stranger, &mut browser] {
                let page = browser.get(&app.authorize_url(SCOPE, &[(name, wrong)])).page();
                assert_eq!((page.status, page.link_with("Go back")), (400, None), "{name}");
            }
        }
        for (name, wrong, error) in [
            ("aud", "https://elsewhere.example/fhir", "invalid_request"),
            ("aud", "", "invalid_request"),
            ("code_challenge", "", "invalid_request"),
            ("code_challenge_method", "plain", "invalid_request"),
            ("response_type", "token", "unsupported_response_type"),
            ("scope", "patient/Observation.rx", "invalid_scope"),
            ("scope", "user/Observation.rs", "invalid_scope"),
            ("prompt", "select", "invalid_request"),
            ("request", "x.y.z", "request_not_supported"),
        ] {
            let url = app.authorize_url(SCOPE, &[(name, wrong)]);
            let page = stranger.get(&url).page();
            assert_eq!(page.status, 400, "{name}={wrong}");
            let offered = page.link_with("Go back to").expect("a way back");
            for back in [offered, &browser.get(&url).away()] {
                assert_eq!(value(&app.back(back), "error"), Some(error), "{name}={wrong}");
            }
        }
        // "with the exception of the silent authentication use case"
        for (name, wrong, error) in [("state", "a state", "login_required"), ("aud", "https://elsewhere.example/fhir", "invalid_request")] {
            let away = stranger.get(&app.authorize_url(SCOPE, &[("prompt", "none"), (name, wrong)])).away();
            assert_eq!(value(&app.back(&away), "error"), Some(error), "{name}={wrong}");
        }
    }

    /// Neither the form of another session nor none at all is taken.
    fn a_form_without_the_sessions_token_changes_nothing(world) {
        practice(world);
        let app = app(world, SCOPE);
        let mut browser = Browser::new(world);
        let login = format!("{}/login", app.issuer);
        let set = app.get(&login, &[]).expect(200);
        let set = set.header("set-cookie").expect("a session");
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Lax"), "{set}");
        let refused = browser.post(&login, &[("username", "ann"), ("password", PASSWORD)]).page();
        assert_eq!(refused.status, 400, "{}", refused.words());
        let mut other = Browser::new(world);
        let page = other.get(&login).page();
        browser.get(&login).page();
        let refused = browser.send(&page, &[("username", "ann"), ("password", PASSWORD)]).page();
        assert_eq!(refused.status, 400);
    }
}
