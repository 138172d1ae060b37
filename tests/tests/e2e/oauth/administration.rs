//! What administrators do in a browser: people, and the apps and services.

use serde_json::json;
use vesta_conformance::party::page::Page;

use super::browser::{Browser, csrf};
use super::party::{Party, value};
use super::{PASSWORD, api, app, practice};
use crate::harness::World;

const SCOPE: &str = "launch/patient offline_access user/Patient.rs";

pub(super) struct Administrator<'a> {
    app: &'a Party,
    browser: Browser,
}

impl Administrator<'_> {
    pub(super) fn new<'a>(world: &World, app: &'a Party) -> Administrator<'a> {
        let mut browser = Browser::new(world);
        app.log_in(&mut browser, &format!("{}/clients", app.issuer), "admin").page();
        Administrator { app, browser }
    }

    fn page(&mut self, path: &str) -> Page {
        self.browser.get(&format!("{}/{path}", self.app.issuer)).page()
    }

    /// Presses a button of a page.
    pub(super) fn act(&mut self, path: &str, also: &[(&str, &str)]) -> Page {
        let page = self.page(path);
        let csrf = csrf(&page);
        let fields: Vec<(&str, &str)> = [("csrf", csrf.as_str())].into_iter().chain(also.iter().copied()).collect();
        self.browser.post(&format!("{}/{path}", self.app.issuer), &fields).page()
    }
}

/// Whether this person can sign in with this password.
fn can_sign_in(world: &World, app: &Party, user: &str, password: &str) -> bool {
    let mut browser = Browser::new(world);
    let page = app.log_in_with(&mut browser, &format!("{}/account", app.issuer), user, password).page();
    page.url.ends_with("/account")
}

/// The secret that a page shows once.
fn secret(page: &Page) -> String {
    let shown = page.text.split("<code class=\"secret\">").nth(1).and_then(|rest| rest.split('<').next());
    shown.expect("a secret").to_owned()
}

on_both_databases! {
    fn administrators_add_people_keep_them_out_and_let_them_in_again(world) {
        practice(world);
        let app = app(world, "launch/patient patient/Patient.rs");
        let mut admin = Administrator::new(world, &app);
        let fresh = "three plain words here";
        let new = |role: &str, record: &str, password: &str| {
            [("username", "eve"), ("name", "Eve Moss"), ("role", role), ("record", record), ("new-password", password)].map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        for (fields, said) in [
            (new("", "", fresh), "Choose what the person is here"),
            (new("staff", "Practitioner/p9", "too short"), "at least 12 characters"),
            (new("patient", "", fresh), "Patient/"),
        ] {
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let page = admin.act("users/new", &fields);
            assert!(page.words().contains(said), "{said}: {}", page.words());
            assert!(!page.text.contains(fresh), "a password stands in the page");
        }
        let fields = new("staff", "Practitioner/p9", fresh);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let added = admin.act("users/new", &fields);
        assert!(added.words().contains("Saved.") && added.words().contains("Eve Moss"), "{}", added.words());
        let eve = added.url.split("/oauth2/default/").nth(1).and_then(|path| path.split('?').next()).expect("a path").to_owned();
        assert!(admin.page("users?name=moss").words().contains("Eve Moss"));
        assert!(!admin.page("users?name=moss").words().contains("Okafor"));

        // Kept out: the session ends, and there is no other.
        let mut browser = Browser::new(world);
        let account = format!("{}/account", app.issuer);
        app.log_in_with(&mut browser, &account, "eve", fresh).page();
        let disabled = admin.act(&eve, &[("action", "disable")]);
        assert!(disabled.words().contains("Disabled"), "{}", disabled.words());
        assert!(browser.get(&account).page().url.contains("/login"));
        assert!(!can_sign_in(world, &app, "eve", fresh));
        admin.act(&eve, &[("action", "enable")]);
        assert!(can_sign_in(world, &app, "eve", fresh));
        // A new password is shown once, and the old one is worth nothing.
        let shown = secret(&admin.act(&eve, &[("action", "reset-password")]));
        assert!(!admin.page(&eve).text.contains(&shown));
        assert!(can_sign_in(world, &app, "eve", &shown) && !can_sign_in(world, &app, "eve", fresh));
        // Nobody shuts themselves out.
        let people = admin.page("users?name=admin");
        let ids = people.text.split("/users/").skip(1).filter_map(|rest| rest.split('"').next());
        let own = ids.filter(|id| *id != "new").map(|id| format!("users/{id}")).next().expect("a person");
        let refused = admin.act(&own, &[("action", "disable")]);
        assert!(refused.status == 400 && refused.words().contains("another administrator"), "{}", refused.words());
        // Without a form of the page nothing is changed.
        let forged = admin.browser.post(&format!("{}/{eve}", app.issuer), &[("csrf", "guessed"), ("action", "disable")]).page();
        assert_eq!(forged.status, 400);
        assert!(can_sign_in(world, &app, "eve", &shown));
    }

    /// "client management for administrators (approve, disable, revoke, see tokens)".
    fn administrators_approve_apps_see_what_they_hold_and_take_it_back(world) {
        let practice = practice(world);
        let metadata = json!({ "client_name": "Ward round", "redirect_uris": ["https://app.example/callback"], "scope": SCOPE,
            "token_endpoint_auth_method": "client_secret_post" });
        let app = Party::register(world, &metadata);
        let mut admin = Administrator::new(world, &app);
        let path = format!("clients/{}", app.id);
        // What asks for more than one's own record waits.
        let waits = Browser::new(world).get(&app.authorize_url(SCOPE, &[])).page();
        assert_eq!(waits.status, 400, "{}", waits.words());
        assert!(admin.page("clients?state=pending").words().contains("Ward round"));
        let approved = admin.act(&path, &[("action", "approve")]);
        assert!(approved.words().contains("Enabled"), "{}", approved.words());
        assert!(!admin.page("clients?state=pending").words().contains("Ward round"));

        let launch = || {
            let mut browser = Browser::new(world);
            let picker = app.log_in(&mut browser, &app.authorize_url(SCOPE, &[]), "doctor").page();
            let found = browser.send(&picker, &[("name", "ann")]).page();
            let page = browser.send(&found, &[("patient", &practice.ann)]).page();
            let back = app.consent(&mut browser, &page, None);
            app.exchange(value(&back, "code").expect("a code")).expect(200).json()
        };
        let token = |tokens: &serde_json::Value| tokens["access_token"].as_str().expect("a token").to_owned();
        let tokens = launch();
        let fhir = api(world, &token(&tokens));
        fhir.get("Patient").expect(200);
        // What it holds, and of whom.
        let detail = admin.page(&path);
        assert!(detail.words().contains("doctor") && detail.words().contains("Patient/"), "{}", detail.words());
        let facts = admin.act("clients/token", &[("token", &token(&tokens))]);
        assert!(facts.words().contains("Ward round") && facts.words().contains("Active"), "{}", facts.words());
        assert!(admin.act("clients/token", &[("token", "nonsense")]).words().contains("no access token of this site"));
        let claims: vesta_oauth::Claims = jsonwebtoken::dangerous::insecure_decode_claims(token(&tokens)).expect("claims");
        let revoked = admin.act(&path, &[("action", "revoke-grant"), ("grant", &claims.grant.expect("a grant"))]);
        assert!(revoked.words().contains("Nobody, so far."), "{}", revoked.words());
        fhir.get("Patient").expect(401);
        assert!(admin.act("clients/token", &[("token", &token(&tokens))]).words().contains("Revoked"));

        // A new secret ends the old one.
        let shown = secret(&admin.act(&path, &[("action", "rotate-secret")]));
        assert!(!admin.page(&path).text.contains(&shown));
        let refresh = |secret: &str, token: &serde_json::Value| {
            let token = token["refresh_token"].as_str().expect("a token");
            let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", &app.id), ("client_secret", secret)];
            app.form("token", &form).status
        };
        let old = app.secret.clone().expect("a secret");
        assert_eq!((refresh(&old, &tokens), refresh(&shown, &tokens)), (401, 400), "the secret, and then the grant");
        // PKCE: one confidential client may be exempt, and it is said.
        let without = app.authorize_url(SCOPE, &[("code_challenge", ""), ("code_challenge_method", "")]);
        let is_refused = || {
            let page = Browser::new(world).get(&without).page();
            page.link_with("Go back to").is_some_and(|back| back.contains("error=invalid_request"))
        };
        assert!(is_refused());
        assert!(admin.act(&path, &[("action", "exempt-pkce")]).words().contains("Exempt from PKCE."));
        assert!(Browser::new(world).get(&without).page().url.contains("/login"));
        admin.act(&path, &[("action", "require-pkce")]);
        assert!(is_refused());

        // Disabled, and deleted once it was asked.
        let disabled = admin.act(&path, &[("action", "disable")]);
        assert!(disabled.words().contains("Disabled"), "{}", disabled.words());
        assert_eq!(refresh(&shown, &tokens), 401);
        assert_eq!(Browser::new(world).get(&app.authorize_url(SCOPE, &[])).page().status, 400);
        let question = admin.act(&path, &[("action", "delete")]);
        assert!(question.words().contains("Delete Ward round?"), "{}", question.words());
        assert!(admin.page("clients").words().contains("Ward round"));
        let deleted = admin.browser.send(&question, &[]).page();
        assert!(deleted.words().contains("Deleted.") && !deleted.words().contains("Ward round"), "{}", deleted.words());
    }

    /// Not for staff or patients, whatever they send: the ledger has each route, this what they are told.
    fn who_is_no_administrator_is_told_so(world) {
        practice(world);
        let app = app(world, "launch/patient patient/Patient.rs");
        for user in ["doctor", "ann"] {
            let mut browser = Browser::new(world);
            let account = app.log_in(&mut browser, &format!("{}/account", app.issuer), user).page();
            let id = app.id.clone();
            for path in ["clients".to_owned(), format!("clients/{id}"), "clients/token".to_owned(), "users".to_owned(), "users/new".to_owned()] {
                let url = format!("{}/{path}", app.issuer);
                let shown = browser.get(&url).page();
                assert!(shown.status == 403 && shown.words().contains("for administrators"), "{user} {path}: {}", shown.words());
                if path != "clients" {
                    let sent = browser.post(&url, &[("csrf", &csrf(&account)), ("action", "disable")]).page();
                    assert_eq!(sent.status, 403, "{user} {path}");
                }
            }
        }
        assert!(can_sign_in(world, &app, "ann", PASSWORD));
    }
}
