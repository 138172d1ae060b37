//! Staff who log in at an upstream OpenID provider, which is another Vesta: over TLS, by its own authority.
//! <https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth>

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use vesta_conformance::party::page::Page;
use vesta_oauth::{ClientState, Matching, Role};
use vesta_server::config::{Config, SiteName, Upstream};

use super::backend::approve;
use super::browser::{Browser, csrf};
use super::ledger::user_id;
use super::party::value;
use super::{PASSWORD, add_user, api, app};
use crate::harness::{Database, Postgres, World, free_port, matches, runtime, wait_until};

const SCOPE: &str = "openid fhirUser user/Patient.rs";

/// The hospital's provider, the record system whose staff it knows, and what a browser must trust.
struct Hospital {
    provider: World,
    records: World,
    authority: String,
}

impl Hospital {
    fn new(database: Database) -> Hospital {
        let provider = World::new(Database::Sqlite, |config| config.http = false);
        for (name, role) in [("okafor", Role::Staff), ("stranger", Role::Staff)] {
            add_user(&provider, name, PASSWORD, role, "");
        }
        let port = free_port();
        let callback = format!("http://localhost:{port}/oauth2/default/upstream/callback");
        let client = json!({ "client_name": "The record system", "token_endpoint_auth_method": "client_secret_basic",
            "redirect_uris": [callback], "scope": "openid profile email" });
        let registered = runtime().block_on(async {
            let site = provider.sites().get("default").await.expect("the site opens");
            let engine = site.authorization.engine().await.expect("the authorization server opens");
            engine.register_as(&client, Some(ClientState::Enabled)).await.expect("a client").body
        });
        let file = provider.data().join("tls/ca.pem");
        let authority = std::fs::read_to_string(&file).expect("the authority of the provider");
        let text = |name: &str| registered[name].as_str().expect("a text").to_owned();
        let upstream = Upstream {
            name: Some("Hospital account".to_owned()),
            issuer: Some(format!("{}/oauth2/default", provider.address()).parse().expect("an issuer")),
            client_id: Some(text("client_id")),
            client_secret: Some(text("client_secret").parse().expect("a secret")),
            matching: Some(Matching::PreferredUsername),
            networks: vec!["127.0.0.0/8".parse().expect("a network"), "::1/128".parse().expect("a network")],
            authority: Some(file),
            ..Upstream::default()
        };
        let records = World::new(database, |config: &mut Config| {
            config.listen.set_port(port);
            let site = config.sites.entry(SiteName::default()).or_default();
            site.upstream = upstream;
            site.no_staff_passwords = true;
        });
        for (name, role, record) in [
            ("okafor", Role::Staff, "Practitioner/1"),
            ("admin", Role::Administrator, ""),
            ("ann", Role::Patient, "Patient/1"),
        ] {
            add_user(&records, name, PASSWORD, role, record);
        }
        Hospital { provider, records, authority }
    }

    fn browser(&self) -> Browser {
        Browser::of_the_web(&self.authority, "https://app.example/")
    }

    /// From the record system's page to the provider's.
    fn to_provider(&self, browser: &mut Browser, login: &Page) -> Page {
        let there = login.link_with("/upstream").expect("a button").to_owned();
        let page = browser.get(&there).page();
        assert!(page.url.starts_with(&self.provider.address()), "{} {}", page.url, page.words());
        page
    }

    /// Logs in at the provider and lets the record system know who it is; the page behind.
    fn through_provider(&self, browser: &mut Browser, login: &Page, user: &str) -> Page {
        let asked = self.to_provider(browser, login);
        let consent = browser.send(&asked, &[("username", user), ("password", PASSWORD)]).page();
        self.consent(browser, consent)
    }

    fn consent(&self, browser: &mut Browser, page: Page) -> Page {
        if !page.url.starts_with(&self.provider.address()) {
            return page;
        }
        let offered = page.switches("scope");
        let mut fields = vec![("decision", "allow")];
        fields.extend(offered.iter().map(|scope| ("scope", scope.as_str())));
        browser.send(&page, &fields).page()
    }
}

fn staff_signs_in_at_the_provider_on_the_way_to_an_app(database: Database) {
    let hospital = Hospital::new(database);
    let records = &hospital.records;
    let party = app(records, SCOPE);
    approve(records, &party.id, ClientState::Enabled);
    let mut browser = hospital.browser();
    let login = browser.get(&party.authorize_url(SCOPE, &[])).page();
    assert!(login.words().contains("Staff sign in with Hospital account"), "{}", login.words());
    let consent = hospital.through_provider(&mut browser, &login, "okafor");
    assert!(consent.url.starts_with(&records.address()), "{} {}", consent.url, consent.words());
    let back = party.consent(&mut browser, &consent, None);
    let tokens = party.exchange(value(&back, "code").expect("a code")).expect(200).json();
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(text(&tokens, "id_token")).expect("claims");
    assert_eq!(claims["fhirUser"], format!("{}/Practitioner/1", party.fhir), "who it is here");
    api(records, text(&tokens, "access_token")).get("Patient").expect(200);

    // The log says who came in, and by whom.
    let auditor = records.client("system/AuditEvent.rs");
    let issuer = format!("{}/oauth2/default", hospital.provider.address());
    wait_until("the log-in is in the log", Duration::from_secs(10), || {
        let bundle = auditor.get("AuditEvent?subtype=110122&outcome=0").expect(200).json();
        matches(&bundle).any(|event| {
            let who = |agent: usize| &event["agent"][agent]["who"]["identifier"]["value"];
            who(0) == issuer.as_str() && *who(2) == claims["sub"]
        })
    });

    // The provider knows the browser, and asks all the same where the app wants to be sure.
    let again = browser.get(&party.authorize_url(SCOPE, &[("prompt", "login")])).page();
    let asked = hospital.to_provider(&mut browser, &again);
    assert!(asked.url.contains("/login"), "{} {}", asked.url, asked.words());
    let page = browser.send(&asked, &[("username", "okafor"), ("password", PASSWORD)]).page();
    let consent = hospital.consent(&mut browser, page);
    assert!(consent.url.contains("scope-authorize-confirm"), "{} {}", consent.url, consent.words());
}

fn who_is_nobody_here_is_told_what_to_do(database: Database) {
    let hospital = Hospital::new(database);
    let records = &hospital.records;
    let issuer = format!("{}/oauth2/default", records.address());
    let mut browser = hospital.browser();
    let login = browser.get(&format!("{issuer}/login?next=launcher")).page();
    let refused = hospital.through_provider(&mut browser, &login, "stranger");
    assert_eq!(refused.status, 403, "{}", refused.words());
    assert!(refused.words().contains("belongs to nobody here"), "{}", refused.words());
    assert!(refused.words().contains("vesta user link NAME --issuer"), "{}", refused.words());

    // Where staff has no passwords, a right one opens nothing; a patient's does.
    let mut browser = hospital.browser();
    let login = browser.get(&format!("{issuer}/login")).page();
    let refused = browser.send(&login, &[("username", "okafor"), ("password", PASSWORD)]).page();
    assert!(refused.words().contains("Staff sign in by the button below"), "{}", refused.words());
    let own = browser.send(&refused, &[("username", "ann"), ("password", PASSWORD)]).page();
    assert!(own.url.ends_with("/apps"), "{}", own.url);

    // An answer that nobody asked for, and one in another browser.
    let forged = hospital.browser().get(&format!("{issuer}/upstream/callback?code=x&state=y")).page();
    assert_eq!(forged.status, 400, "{}", forged.words());
    assert!(forged.words().contains("begun in another browser"), "{}", forged.words());
    let mut browser = hospital.browser();
    let login = browser.get(&format!("{issuer}/login?next=launcher")).page();
    let launcher = hospital.through_provider(&mut browser, &login, "okafor");
    assert!(launcher.url.ends_with("/launcher"), "{} {}", launcher.url, launcher.words());
}

/// What `vesta user link` does, on the People page, by what the refused person was told.
fn an_administrator_links_a_person_on_a_page(database: Database) {
    let hospital = Hospital::new(database);
    let records = &hospital.records;
    let issuer = format!("{}/oauth2/default", records.address());
    add_user(records, "moss", PASSWORD, Role::Staff, "Practitioner/2");
    let sign_in = || {
        let mut browser = hospital.browser();
        let login = browser.get(&format!("{issuer}/login?next=launcher")).page();
        let page = hospital.through_provider(&mut browser, &login, "stranger");
        (browser, page)
    };
    let refused = sign_in().1;
    let words = refused.words();
    let subject = words.split("--subject ").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a subject");
    let (admin, moss) = (user_id(records, "admin"), user_id(records, "moss"));
    let site = runtime().block_on(records.sites().get("default")).expect("the site opens");
    let engine = runtime().block_on(site.authorization.engine()).expect("it opens");
    runtime().block_on(engine.break_glass(&admin, PASSWORD, SignedDuration::from_hours(1))).expect("an administrator");
    let mut browser = hospital.browser();
    let login = browser.get(&format!("{issuer}/login")).page();
    browser.send(&login, &[("username", "admin"), ("password", PASSWORD)]).page();
    let mut act = |id: &str, fields: &[(&str, &str)]| {
        let url = format!("{issuer}/users/{id}");
        let csrf = csrf(&browser.get(&url).page());
        let fields: Vec<(&str, &str)> = fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        browser.post(&url, &fields).page()
    };
    assert!(act(&moss, &[("action", "link"), ("subject", " ")]).words().contains("Enter who the person is there"));
    let linked = act(&moss, &[("action", "link"), ("subject", subject)]);
    assert!(linked.words().contains("Saved.") && linked.words().contains(subject), "{}", linked.words());
    let taken = act(&admin, &[("action", "link"), ("subject", subject)]);
    assert!(taken.words().contains("linked to another user"), "{}", taken.words());
    let (mut own, launcher) = sign_in();
    assert!(launcher.url.ends_with("/launcher"), "{} {}", launcher.url, launcher.words());
    let unlinked = act(&moss, &[("action", "unlink")]);
    assert!(unlinked.words().contains("Not linked"), "{}", unlinked.words());
    assert!(own.get(&format!("{issuer}/launcher")).page().url.contains("/login"), "they are signed out");
    assert_eq!(sign_in().1.status, 403);
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().expect("a token")
}

/// On both databases: these worlds have settings of their own.
macro_rules! on_both {
    ($($behaviour:ident: $sqlite:ident, $postgresql:ident;)*) => { $(
        #[test]
        fn $sqlite() {
            $behaviour(Database::Sqlite);
        }

        #[test]
        fn $postgresql() {
            if let Some(database) = Postgres::create() {
                $behaviour(Database::Postgres(database));
            }
        }
    )* };
}

on_both! {
    staff_signs_in_at_the_provider_on_the_way_to_an_app: upstream_log_in_on_sqlite, upstream_log_in_on_postgresql;
    an_administrator_links_a_person_on_a_page: upstream_link_on_sqlite, upstream_link_on_postgresql;
    who_is_nobody_here_is_told_what_to_do: upstream_refusal_on_sqlite, upstream_refusal_on_postgresql;
}
