//! Two processes on one PostgreSQL: what is revoked through one is refused by the other, whoever revokes it. Each reads the feed of
//! revocations every second.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::browser::Browser;
use super::party::{Party, value};
use crate::harness::{Balancer, Client, Postgres, vesta};
use crate::processes::two_at;

const SCOPE: &str = "openid launch/patient offline_access patient/Patient.rs";

/// A poll each second, and a machine that has other work too. The feed is read sooner than this or never.
const SOON: Duration = Duration::from_secs(4);

fn add(folder: &Path, database: Option<&str>, name: &str, role: &str, record: &str) -> String {
    let mut arguments = vec!["user", "add", name, "--role", role];
    if !record.is_empty() {
        arguments.extend(["--record", record]);
    }
    let output = vesta(folder, database, &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a password").trim().to_owned()
}

fn text<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name].as_str().expect("a token")
}

#[test]
fn what_is_revoked_through_one_process_is_refused_by_the_other() {
    let Some(postgres) = Postgres::create() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (path, database) = (folder.path(), Some(postgres.url.as_str()));
    // All that people and apps send goes to the first process, unless it is switched.
    let balancer = Balancer::new();
    let (servers, clients) = two_at(path, database, &balancer.address);
    let [first, second] = servers.each_ref().map(|server| server.address.clone());
    balancer.send_to(&first);
    let ann = clients[0].create(&json!({ "resourceType": "Patient", "name": [{ "family": "Byrne" }] }));
    let password = add(path, database, "ann", "patient", &format!("Patient/{ann}"));
    let administrator = add(path, database, "admin", "administrator", "");
    let metadata = json!({ "client_name": "An app", "redirect_uris": ["https://app.example/callback"], "scope": SCOPE,
        "token_endpoint_auth_method": "client_secret_post" });
    let app = Party::register_at(&balancer.address, &metadata);
    let launch = || {
        let mut browser = Browser::at(&balancer.address);
        let page = app.log_in_with(&mut browser, &app.authorize_url(SCOPE, &[]), "ann", &password).page();
        let back = app.consent(&mut browser, &page, None);
        app.exchange(value(&back, "code").expect("a code")).expect(200).json()
    };
    // Each process by itself.
    let status = |process: &str, tokens: &Value| {
        let token = Some(text(tokens, "access_token").to_owned());
        Client { base: format!("{process}/apis/default/fhir"), token }.get("Patient").status
    };
    let refused_soon = |process: &str, tokens: &Value, by: &str| {
        let began = Instant::now();
        while status(process, tokens) != 401 {
            assert!(began.elapsed() < SOON, "what was revoked by {by} is good after {:?}", began.elapsed());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let granted: Vec<Value> = (0..4).map(|_| launch()).collect();
    let [by_app, by_person, by_tool, by_state] = granted.as_slice() else { panic!("four grants") };
    for tokens in &granted {
        // Remembered as good by both: the feed must reach what is remembered too.
        assert_eq!((status(&first, tokens), status(&second, tokens)), (200, 200));
    }

    let secret = app.secret.as_deref().expect("a secret");
    let form = [("token", text(by_app, "access_token")), ("client_id", &app.id), ("client_secret", secret)];
    app.form("revoke", &form).expect(200);
    assert_eq!(status(&first, by_app), 401, "at once where it was revoked");
    refused_soon(&second, by_app, "the app");

    // The person, through the other process: the first of the apps with access that is not gone.
    balancer.send_to(&second);
    let mut browser = Browser::at(&balancer.address);
    let mut apps = app.log_in_with(&mut browser, &format!("{}/apps", app.issuer), "ann", &password).page();
    let claims: vesta_oauth::Claims =
        jsonwebtoken::dangerous::insecure_decode_claims(text(by_person, "access_token")).expect("claims");
    let grant = format!("/apps/{}", claims.grant.expect("a grant"));
    let asked = browser.get(apps.link_with(&grant).expect("a link")).page();
    apps = browser.send(&asked, &[]).page();
    assert!(apps.link_with(&grant).is_none(), "{}", apps.words());
    assert_eq!(status(&second, by_person), 401);
    refused_soon(&first, by_person, "the person");
    assert_eq!(app.refresh(text(by_person, "refresh_token")).status, 400);

    // An administrator: one token, then all that the app holds.
    let mut browser = Browser::at(&balancer.address);
    let clients_page = format!("{}/clients", app.issuer);
    app.log_in_with(&mut browser, &clients_page, "admin", &administrator).page();
    let tool = browser.get(&format!("{clients_page}/token")).page();
    let facts = browser.send(&tool, &[("token", text(by_tool, "access_token"))]).page();
    let revoked = browser.press(&facts, &["action", "token"], &[], None).page();
    assert!(revoked.words().contains("Revoked"), "{}", revoked.words());
    assert_eq!(status(&second, by_tool), 401);
    refused_soon(&first, by_tool, "an administrator with the token");
    assert_eq!(status(&first, by_state), 200);
    let detail = browser.get(&format!("{clients_page}/{}", app.id)).page();
    let disabled = browser.press(&detail, &["csrf", "action"], &[], Some(("action", "disable"))).page();
    assert!(disabled.words().contains("Disabled"), "{}", disabled.words());
    assert_eq!(status(&second, by_state), 401);
    refused_soon(&first, by_state, "an administrator who disabled the app");
    balancer.send_to(&first);
    assert_eq!(app.refresh(text(by_state, "refresh_token")).status, 401);
}
