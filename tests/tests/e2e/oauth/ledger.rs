//! The ledger of access of all that is no part of the FHIR API: every (method, path) of the router with each kind of
//! credentials that does not open it, and with the one that does. What each answers is checked in as a snapshot; what must
//! not be, whatever is checked in, is asserted beside it. The rows are `ledger_rows`'.

use std::cell::Cell;
use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::SignedDuration;
use serde_json::json;
use vesta_oauth::{Claims, NewToken, Role};
use vesta_server::site::issue;

use super::ledger_rows::{Body, ELSEWHERE, ROWS, Row};
use super::party::Party;
use super::{PASSWORD, add_user_at, api, practice};
use crate::harness::{Answer, Client, Database, World, runtime};

/// Whom a route is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    Anyone,
    /// A client with its secret.
    Client,
    /// An access token with the scopes.
    Bearer,
    /// The token of the client's registration.
    Registration,
    /// Somebody in a browser: a patient, a clinician, an administrator.
    Ann,
    Doctor,
    Administrator,
}

/// With what a request comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum With {
    Nothing,
    Expired,
    Revoked,
    /// A token of the same content, signed by another site of this server.
    OtherSites,
    IdToken,
    RefreshToken,
    /// Another client's secret; where a registration is asked for, its token.
    OtherClients,
    /// The session of a patient who has nothing to do with it, and its own form.
    OtherPersons,
    /// The session of the same name and password at another site.
    OtherSitesSession,
    SignedOut,
    /// The right session, with a form that is none of its own.
    Forged,
    Own,
}

const COLUMNS: [(With, &str); 12] = [
    (With::Nothing, "nothing"),
    (With::Expired, "expired"),
    (With::Revoked, "revoked"),
    (With::OtherSites, "other site"),
    (With::IdToken, "ID token"),
    (With::RefreshToken, "refresh"),
    (With::OtherClients, "client"),
    (With::OtherPersons, "person"),
    (With::OtherSitesSession, "session"),
    (With::SignedOut, "signed out"),
    (With::Forged, "forged"),
    (With::Own, "own"),
];

/// A browser's session.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) cookie: String,
    csrf: String,
}

struct Ledger<'a> {
    world: &'a World,
    http: Client,
    app: Party,
    other: Party,
    patient: String,
    /// Whom an administrator is to keep out.
    user: String,
    grant: String,
    access: String,
    refresh: String,
    id_token: String,
    expired: String,
    revoked: String,
    foreign: String,
    ann: Session,
    bob: Session,
    doctor: Session,
    administrator: Session,
    foreign_session: Session,
    signed_out: Session,
    /// A request of an app that waits for ann's consent, and one in which the doctor has to pick a patient.
    consent: String,
    picking: String,
    stylesheet: String,
    requests: Cell<u8>,
}

const SCOPE: &str = "openid profile fhirUser launch/patient offline_access patient/Patient.rs";

fn world() -> World {
    World::new(Database::Sqlite, |config| {
        // Each request is another address's: how often one may ask is another test's.
        config.behind_proxy = vec!["127.0.0.0/8".parse().expect("a network")];
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/src/site/brands.example.json");
        config.sites.values_mut().for_each(|site| site.brands = Some(file.into()));
    })
}

impl<'a> Ledger<'a> {
    fn new(world: &'a World) -> Ledger<'a> {
        let practice = practice(world);
        add_user_at("other", world, "ann", PASSWORD, Role::Administrator, "");
        add_user_at("default", world, "carol", PASSWORD, Role::Administrator, "");
        let register = |name: &str| {
            Party::register(
                world,
                &json!({ "client_name": name, "redirect_uris": ["https://app.example/callback"], "scope": SCOPE,
                    "initiate_login_uri": "https://app.example/launch", "token_endpoint_auth_method": "client_secret_post" }),
            )
        };
        let (app, other) = (register("An app"), register("Another"));
        let tokens = app.launch(world, "ann", SCOPE);
        let text = |name: &str| tokens[name].as_str().expect("a token").to_owned();
        let access = text("access_token");
        let claims: Claims = jsonwebtoken::dangerous::insecure_decode_claims(&access).expect("claims");
        let revoked = signed(world, "default", &claims, |token| token.id = "taken-back".to_owned());
        let secret = app.secret.clone().expect("a secret");
        let form = [("token", revoked.as_str()), ("client_id", &app.id), ("client_secret", &secret)];
        app.form("revoke", &form).expect(200);
        let http = Client { base: world.address(), token: None };
        let session = |site: &str, name: &str| log_in(&http, site, name);
        let (ann, doctor, gone) = (session("default", "ann"), session("default", "doctor"), session("default", "ann"));
        let headers = [("cookie", gone.cookie.as_str()), FORM];
        http.send("POST", "oauth2/default/sign-out", &headers, Some(format!("csrf={}", gone.csrf).as_bytes()))
            .expect(200);
        let begun = |session: &Session, scope: &str| {
            let answer =
                http.send("GET", &app.authorize_url(scope, &[]), &[("cookie", &session.cookie)], None).expect(303);
            let place = answer.header("location").expect("a page").to_owned();
            place.split_once("interaction=").expect("a request").1.to_owned()
        };
        let page = http.send("GET", "oauth2/default/login", &[], None).expect(200);
        let page = String::from_utf8(page.body).expect("text");
        let stylesheet = page.split("/assets/").nth(1).and_then(|rest| rest.split('"').next()).expect("a stylesheet");
        Ledger {
            world,
            patient: practice.ann,
            user: user_id(world, "carol"),
            grant: claims.grant.clone().expect("a grant"),
            expired: signed(world, "default", &claims, |token| token.lifetime = SignedDuration::from_mins(-10)),
            foreign: signed(world, "other", &claims, |_| ()),
            revoked,
            refresh: text("refresh_token"),
            id_token: text("id_token"),
            access,
            consent: begun(&ann, SCOPE),
            picking: begun(&doctor, SCOPE),
            bob: session("default", "bob"),
            administrator: session("default", "admin"),
            foreign_session: session("other", "ann"),
            signed_out: gone,
            stylesheet: stylesheet.to_owned(),
            requests: Cell::new(0),
            ann,
            doctor,
            http,
            app,
            other,
        }
    }

    fn session_of(&self, own: Own) -> Option<&Session> {
        match own {
            Own::Ann => Some(&self.ann),
            Own::Doctor => Some(&self.doctor),
            Own::Administrator => Some(&self.administrator),
            _ => None,
        }
    }

    fn filled(&self, row: &Row, text: &str) -> String {
        let request = if row.own == Own::Doctor { &self.picking } else { &self.consent };
        let words = [
            ("{client}", &self.app.id),
            ("{refresh}", &self.refresh),
            ("{access}", &self.access),
            ("{patient}", &self.patient),
            ("{user}", &self.user),
            ("{grant}", &self.grant),
            ("{request}", request),
            ("{stylesheet}", &self.stylesheet),
            ("{fhir}", &self.app.fhir),
        ];
        words.iter().fold(text.replace("{scope}", SCOPE), |text, (word, value)| text.replace(word, value))
    }

    fn path(&self, row: &Row) -> String {
        let path = row.path.replacen("/oauth2/", "/oauth2/default/", usize::from(row.path.starts_with("/oauth2/")));
        let path = path.replace(":site", "default").replace("{id}", row.open).replace("{name}", row.open);
        self.filled(row, path.trim_start_matches('/'))
    }

    fn ask(&self, row: &Row, with: With) -> Answer {
        let number = self.requests.get();
        self.requests.set(number.wrapping_add(1));
        let address = format!("198.51.100.{number}");
        let mut headers = vec![("x-forwarded-for", address.as_str())];
        let mut fields: Vec<(String, String)> = match row.body {
            Body::Form(form) => {
                form.iter().map(|(name, value)| ((*name).to_owned(), self.filled(row, value))).collect()
            }
            _ => Vec::new(),
        };
        let mut field = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
        let bearer = |token: &str| format!("Bearer {token}");
        let basic = |party: &Party| {
            let pair = format!("{}:{}", party.id, party.secret.as_deref().unwrap_or_default());
            format!("Basic {}", BASE64_STANDARD.encode(pair))
        };
        let (mut authorization, mut session) = (None, None);
        match with {
            With::Nothing => {}
            With::Expired => authorization = Some(bearer(&self.expired)),
            With::Revoked => authorization = Some(bearer(&self.revoked)),
            With::OtherSites => authorization = Some(bearer(&self.foreign)),
            With::IdToken => authorization = Some(bearer(&self.id_token)),
            With::RefreshToken => authorization = Some(bearer(&self.refresh)),
            With::OtherClients if row.own == Own::Registration => {
                authorization = Some(bearer(&self.other.registration_token));
            }
            With::OtherClients if row.own == Own::Client => {
                field("client_id", &self.other.id);
                field("client_secret", self.other.secret.as_deref().unwrap_or_default());
            }
            With::OtherClients => authorization = Some(basic(&self.other)),
            With::OtherPersons => session = Some((&self.bob, self.bob.csrf.as_str())),
            With::OtherSitesSession => session = Some((&self.foreign_session, self.foreign_session.csrf.as_str())),
            With::SignedOut => session = Some((&self.signed_out, self.signed_out.csrf.as_str())),
            With::Forged => session = self.session_of(row.own).map(|session| (session, self.bob.csrf.as_str())),
            With::Own => match row.own {
                Own::Anyone => {}
                Own::Client => {
                    field("client_id", &self.app.id);
                    field("client_secret", self.app.secret.as_deref().unwrap_or_default());
                }
                Own::Bearer => authorization = Some(bearer(&self.access)),
                Own::Registration => authorization = Some(bearer(&self.app.registration_token)),
                own => session = self.session_of(own).map(|session| (session, session.csrf.as_str())),
            },
        }
        if let Some(authorization) = &authorization {
            headers.push(("authorization", authorization));
        }
        if let Some((session, csrf)) = session {
            headers.push(("cookie", &session.cookie));
            if row.method == "POST" {
                field("csrf", csrf);
            }
        }
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&fields).finish();
        let path = self.path(row);
        match row.body {
            Body::Json(body) => {
                headers.push(("content-type", "application/json"));
                self.http.send(row.method, &path, &headers, Some(self.filled(row, body).as_bytes()))
            }
            _ if row.method == "GET" && !encoded.is_empty() => {
                self.http.send("GET", &format!("{path}?{encoded}"), &headers, None)
            }
            _ if row.method == "POST" => {
                headers.push(FORM);
                self.http.send("POST", &path, &headers, Some(encoded.as_bytes()))
            }
            _ => self.http.send(row.method, &path, &headers, None),
        }
    }

    /// Nobody whose it is not has changed anything: all that was good is good.
    fn assert_unchanged(&self) {
        api(self.world, &self.access).get("Patient").expect(200);
        let bearer = format!("Bearer {}", self.app.registration_token);
        let url = format!("{}/client/{}", self.app.issuer, self.app.id);
        let registration = self.app.get(&url, &[("authorization", &bearer)]).expect(200).json();
        assert_eq!(registration["client_name"], "An app");
        for session in [&self.ann, &self.doctor, &self.administrator] {
            self.app.get(&format!("{}/account", self.app.issuer), &[("cookie", &session.cookie)]).expect(200);
        }
        let people = format!("{}/users/{}", self.app.issuer, self.user);
        let page = self.app.get(&people, &[("cookie", &self.administrator.cookie)]).expect(200);
        assert!(String::from_utf8_lossy(&page.body).contains("Active"), "she may log in");
    }
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A token with these claims, of that site.
fn signed(world: &World, site: &str, claims: &Claims, change: impl FnOnce(&mut NewToken<'_>)) -> String {
    let sites = world.sites();
    let opened = runtime().block_on(sites.get(site)).expect("the site opens");
    let mut token = NewToken {
        issuer: &opened.addresses.issuer,
        audience: &opened.addresses.fhir_base,
        subject: &claims.sub,
        client_id: &claims.client_id,
        scope: &claims.scope,
        patient: claims.patient.as_deref(),
        encounter: None,
        fhir_user: claims.fhir_user.as_deref(),
        grant: claims.grant.as_deref(),
        roles: &[],
        now: sites.clock().now(),
        lifetime: SignedDuration::from_mins(30),
        id: sites.ids().next(),
    };
    change(&mut token);
    issue(sites.folder(), &opened.name, &token).expect("the token is signed")
}

/// The id of a user, as tokens and the log name them.
pub(super) fn user_id(world: &World, name: &str) -> String {
    let site = runtime().block_on(world.sites().get("default")).expect("the site opens");
    runtime().block_on(async {
        let engine = site.authorization.engine().await.expect("the authorization server opens");
        engine.user_by_name(name).await.expect("an answer").expect("a user").id
    })
}

pub(super) fn log_in(http: &Client, site: &str, name: &str) -> Session {
    let cookie = |answer: &Answer| {
        let set = answer.header("set-cookie").expect("a cookie");
        set.split(';').next().unwrap_or_default().to_owned()
    };
    let csrf = |answer: Answer| {
        let page = String::from_utf8(answer.body).expect("text");
        let value = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        value.expect("a form").to_owned()
    };
    let login = http.get(&format!("oauth2/{site}/login")).expect(200);
    let before = cookie(&login);
    let fields = [("username", name), ("password", PASSWORD), ("csrf", &csrf(login))];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let answer =
        http.send("POST", &format!("oauth2/{site}/login"), &[("cookie", &before), FORM], Some(body.as_bytes()));
    let cookie = cookie(&answer.expect(303));
    let account = http.send("GET", &format!("oauth2/{site}/account"), &[("cookie", &cookie)], None).expect(200);
    Session { csrf: csrf(account), cookie }
}

/// An answer in a word: the status, or where it leads.
fn shown(answer: &Answer) -> String {
    if answer.status == 303 {
        let place = answer.header("location").unwrap_or_default();
        let path = place.split('?').next().unwrap_or_default();
        let is_app = place.starts_with("https://app.example");
        let page = if is_app { "app" } else { path.split("/oauth2/default/").nth(1).unwrap_or(path) };
        // Ids are not the same each time.
        let page = page.split_once('/').map_or(page, |(first, rest)| if first == "smart" { rest } else { first });
        return format!("→{page}");
    }
    let is_inactive =
        serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok_and(|body| body == json!({ "active": false }));
    if is_inactive { "inactive".to_owned() } else { answer.status.to_string() }
}

/// What is answered with 200 to whose it is not, and tells or changes nothing of another's; each with its reason.
fn may_answer(row: &Row, with: With, answer: &str) -> bool {
    match row.path {
        // The way in is open; what is behind it is not.
        "/oauth2/authorize" | "/oauth2/login" | "/oauth2/provider/login" | "/oauth2/second-factor" => true,
        // "the response ... only active: false": RFC 7662, 2.2.
        "/oauth2/introspect" => with == With::OtherClients && answer == "inactive",
        // "invalid tokens do not cause an error response": RFC 7009, 2.2.
        "/oauth2/revoke" => with == With::OtherClients,
        // Whoever has no session is signed out; whoever has one is asked.
        "/oauth2/logout" => true,
        "/oauth2/sign-out" => true,
        // A person sees their own.
        "/oauth2/account" | "/oauth2/apps" => {
            with == With::OtherPersons || (with == With::Forged && row.method == "GET")
        }
        _ if with == With::Forged => row.method == "GET",
        _ => false,
    }
}

fn is_refused(answer: &str) -> bool {
    answer.starts_with('4') || ["→login", "→apps"].contains(&answer)
}

#[test]
fn every_route_beside_the_fhir_api_answers_each_kind_of_credentials_as_the_ledger_says() {
    let world = world();
    let ledger = Ledger::new(&world);
    let mut lines: Vec<String> = ROWS.iter().map(|row| format!("{:<7}{:<58}", row.method, row.path)).collect();
    for (with, name) in COLUMNS {
        if with == With::Own {
            ledger.assert_unchanged();
        }
        for (row, line) in ROWS.iter().zip(&mut lines) {
            let answer = ledger.ask(row, with);
            let said = shown(&answer);
            if with != With::Own && row.own != Own::Anyone {
                assert!(
                    is_refused(&said) || may_answer(row, with, &said),
                    "{} {} with {name}: {said}",
                    row.method,
                    row.path
                );
                if with != With::Forged {
                    let text = String::from_utf8_lossy(&answer.body);
                    for private in [&ledger.patient, &ledger.grant, &ledger.app.registration_token] {
                        assert!(!text.contains(private.as_str()), "{} {} with {name}: {text}", row.method, row.path);
                    }
                }
            }
            line.push_str(&format!("{said:<11} "));
        }
    }
    let head = COLUMNS.iter().map(|(_, name)| format!("{name:<12}")).collect::<String>();
    let table: Vec<String> = std::iter::once(format!("{:65}{head}", "")).chain(lines).collect();
    let table: Vec<&str> = table.iter().map(|line| line.trim_end()).collect();
    insta::assert_snapshot!(table.join("\n"));
}

/// The router's own paths, with every method.
#[test]
fn every_route_beside_the_fhir_api_is_in_the_ledger() {
    let world = world();
    let ledger = Ledger::new(&world);
    let paths: BTreeSet<&str> = vesta_server::http::paths(&world.sites()).into_iter().collect();
    let known: BTreeSet<(&str, &str)> = ROWS.iter().map(|row| (row.method, row.path)).collect();
    assert_eq!(known.len(), ROWS.len(), "a row stands twice");
    let mut found = BTreeSet::new();
    for path in paths.iter().filter(|path| !ELSEWHERE.contains(path)) {
        let open = ROWS.iter().find(|row| row.path == *path).map_or("", |row| row.open);
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let row = Row { method, path, open, own: Own::Anyone, body: Body::None };
            // 405: the path is there, and has no such method.
            if ![404, 405].contains(&ledger.ask(&row, With::Nothing).status) {
                found.insert((method, *path));
            }
        }
    }
    assert_eq!(found, known);
    for path in ELSEWHERE {
        assert!(paths.contains(path), "{path} is gone");
    }
}
