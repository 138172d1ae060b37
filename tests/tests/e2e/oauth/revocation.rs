//! Taking back: by the app (RFC 7009), by the person, by signing out. And asking what a token is (RFC 7662).

use serde_json::{Value, json};

use super::browser::Browser;
use super::party::{Party, value};
use super::{api, app, practice};

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().expect("a token")
}

const SCOPE: &str = "openid profile launch/patient offline_access patient/Patient.rs";

on_both_databases! {
    /// "Revoke takes effect at once": the next request of the app is refused.
    fn a_person_takes_back_what_an_app_was_granted(world) {
        practice(world);
        let app = app(world, SCOPE);
        let tokens = app.launch(world, "ann", SCOPE);
        let fhir = api(world, text(&tokens, "access_token"));
        fhir.get("Patient").expect(200);
        let mut browser = Browser::new(world);
        let apps = app.log_in(&mut browser, &format!("{}/apps", app.issuer), "ann").page();
        assert!(apps.words().contains("An app"), "{}", apps.words());
        let revoke = apps.link_with("/apps/").expect("a link");
        let asked = browser.get(revoke).page();
        // Another person does not reach it.
        let mut other = Browser::new(world);
        app.log_in(&mut other, &format!("{}/apps", app.issuer), "bob").page();
        assert!(!other.get(revoke).page().words().contains("An app"));
        fhir.get("Patient").expect(200);
        let after = browser.send(&asked, &[]).page();
        assert!(after.words().contains("No app has access"), "{}", after.words());
        fhir.get("Patient").expect(401);
        app.refresh(text(&tokens, "refresh_token")).expect(400);
    }

    fn an_app_gives_its_tokens_back_and_can_ask_what_they_are(world) {
        let practice = practice(world);
        // One with a secret may ask.
        let app = Party::register(world, &json!({ "client_name": "An app", "redirect_uris": ["https://app.example/callback"], "scope": SCOPE }));
        let tokens = app.launch(world, "ann", SCOPE);
        let ask = |party: &Party, token: &str| {
            let secret = party.secret.as_deref().expect("a secret");
            party.form("introspect", &[("token", token), ("client_id", &party.id), ("client_secret", secret)]).expect(200).json()
        };
        let about = ask(&app, text(&tokens, "access_token"));
        assert_eq!(about["active"], true);
        assert_eq!((&about["client_id"], &about["scope"], &about["patient"]), (&json!(app.id), &json!(SCOPE), &json!(practice.ann)));
        let about = ask(&app, text(&tokens, "refresh_token"));
        assert_eq!(about["active"], true);
        // "only active: false", to others and of what is not there.
        let stranger = Party::register(world, &json!({ "client_name": "Another", "redirect_uris": ["https://other.example/"], "scope": SCOPE }));
        for (party, token) in [(&stranger, text(&tokens, "access_token")), (&stranger, text(&tokens, "refresh_token")), (&app, "nonsense")] {
            assert_eq!(ask(party, token), json!({ "active": false }));
        }
        assert_eq!(app.form("introspect", &[("token", "x"), ("client_id", &app.id), ("client_secret", "wrong")]).status, 401);
        // A stranger's revocation does nothing, and says so of nothing.
        let revoke = |party: &Party, token: &str| {
            let secret = party.secret.as_deref().expect("a secret");
            party.form("revoke", &[("token", token), ("client_id", &party.id), ("client_secret", secret)]).expect(200);
        };
        revoke(&stranger, text(&tokens, "access_token"));
        revoke(&app, "nonsense");
        let fhir = api(world, text(&tokens, "access_token"));
        fhir.get("Patient").expect(200);
        revoke(&app, text(&tokens, "access_token"));
        fhir.get("Patient").expect(401);
        assert_eq!(ask(&app, text(&tokens, "access_token")), json!({ "active": false }));
        let second = app.refresh(text(&tokens, "refresh_token")).expect(200).json();
        revoke(&app, text(&second, "refresh_token"));
        api(world, text(&second, "access_token")).get("Patient").expect(401);
        app.refresh(text(&second, "refresh_token")).expect(400);
    }

    /// `online_access` ends with the session; `offline_access` does not.
    fn signing_out_ends_what_was_granted_for_as_long_as_somebody_is_there(world) {
        practice(world);
        let scope = "openid launch/patient online_access patient/Patient.rs";
        let app = app(world, scope);
        let mut browser = Browser::new(world);
        let page = app.log_in(&mut browser, &app.authorize_url(scope, &[]), "ann").page();
        let back = app.consent(&mut browser, &page, None);
        let tokens = app.exchange(value(&back, "code").expect("a code")).expect(200).json();
        let tokens = app.refresh(text(&tokens, "refresh_token")).expect(200).json();
        let url = format!("{}/logout?id_token_hint={}&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye&state=x", app.issuer, text(&tokens, "id_token"));
        assert_eq!(browser.get(&url).away(), "https://app.example/bye?state=x");
        api(world, text(&tokens, "access_token")).get("Patient").expect(401);
        app.refresh(text(&tokens, "refresh_token")).expect(400);
        // An address that was not registered is not gone to.
        let url = format!("{}/logout?client_id={}&post_logout_redirect_uri=https%3A%2F%2Fevil.example%2F", app.issuer, app.id);
        assert_eq!(browser.get(&url).page().status, 400);
    }
}
