//! Faults of an authorization server, each with the test that catches it and with what that test says.

use serde_json::{Value, json};
use vesta_conformance::client::Server;
use vesta_conformance::party::{Given, Kind, Setup};
use vesta_conformance::run::{Options, Outcome, Tested};
use vesta_oauth::ClientState;

use super::proxy::Reply;
use super::relay::{Fault, Passing, Relayed};
use super::{kit, load, people};
use crate::harness::runtime;

type Named = (&'static str, (&'static str, &'static str), &'static str, Fault);

const SMART: &str = "smart";
const OPENID: &str = "openid";

fn as_asked(_: &mut Passing) {}
fn as_answered(_: &Passing, _: &mut Reply) {}

const fn asked(ask: fn(&mut Passing)) -> Fault {
    Fault { ask, answer: as_answered }
}

const fn answered(answer: fn(&Passing, &mut Reply)) -> Fault {
    Fault { ask: as_asked, answer }
}

fn set_authorize(passing: &mut Passing, name: &str, value: Option<&str>) {
    if passing.is_to("/authorize") {
        passing.set_parameter(name, value);
    }
}

fn forget(passing: &Passing, reply: &mut Reply, words: &str) {
    if passing.is_to("/token") && reply.refuses(words) {
        reply.give_tokens();
    }
}

fn edit_tokens(passing: &Passing, reply: &mut Reply, change: impl FnOnce(&mut Value)) {
    if passing.is_to("/token") && reply.status == 200 {
        reply.edit(change);
    }
}

fn remove(body: &mut Value, name: &str) {
    if let Some(members) = body.as_object_mut() {
        members.shift_remove(name);
    }
}

/// Without a parameter of the address.
fn without(url: &str, name: &str) -> String {
    let (place, query) = url.split_once('?').unwrap_or((url, ""));
    let kept = query.split('&').filter(|pair| !pair.starts_with(&format!("{name}=")));
    format!("{place}?{}", kept.collect::<Vec<_>>().join("&"))
}

#[rustfmt::skip]
const FAULTS: &[Named] = &[
    ("PKCE is not checked", (SMART, "token/wrong-verifier"), "there are tokens", answered(|passing, reply| forget(passing, reply, "code_verifier"))),
    ("the method plain is taken", (SMART, "authorization/plain"), "there is a code", asked(|passing| set_authorize(passing, "code_challenge_method", Some("S256")))),
    ("aud is not checked", (SMART, "authorization/wrong-aud"), "there is a code", asked(|passing| {
        let right = format!("http://{}/apis/default/fhir", passing.header("host").unwrap_or_default());
        set_authorize(passing, "aud", Some(&right));
    })),
    ("a code is good twice", (SMART, "token/code-again"), "there are tokens", answered(|passing, reply| forget(passing, reply, "used before"))),
    ("a secret is not checked", (SMART, "token/wrong-secret"), "there are tokens", answered(|passing, reply| if passing.is_to("/token") && reply.status >= 400 { reply.give_tokens() })),
    ("a refresh token stays the same", (SMART, "refresh/rotates"), "is not replaced", answered(|passing, reply| {
        let sent = passing.field("refresh_token");
        edit_tokens(passing, reply, |body| if let Some(sent) = sent { body["refresh_token"] = sent.into() });
    })),
    ("a refresh widens the scope", (SMART, "refresh/wider"), "there are tokens", answered(|passing, reply| forget(passing, reply, "was not granted"))),
    ("the state is lost", (SMART, "standalone-public/state"), "the state that comes back", answered(|_, reply| reply.edit_location(|url| without(url, "state")))),
    ("the issuer is missing", (SMART, "standalone-public/issuer"), "has no iss", answered(|_, reply| reply.edit_location(|url| without(url, "iss")))),
    ("the nonce is lost", (OPENID, "id-token/valid-public"), "nonce", asked(|passing| set_authorize(passing, "nonce", None))),
    ("the signature of an ID token is wrong", (OPENID, "id-token/valid-symmetric"), "ignature", answered(|passing, reply| edit_tokens(passing, reply, |body| {
        if let Some(token) = body["id_token"].as_str() {
            body["id_token"] = format!("{}AAAAAA", &token[..token.len() - 6]).into();
        }
    }))),
    ("the provider names another issuer", (OPENID, "discovery/issuer"), "issuer is", answered(|passing, reply| if passing.is_to("/openid-configuration") { reply.edit(|body| body["issuer"] = "https://evil.example".into()) })),
    ("a private key is published", (OPENID, "keys/keys"), "shows its private part", answered(|passing, reply| if passing.is_to("/jwk") { reply.edit(|body| body["keys"][0]["d"] = "x".into()) })),
    ("prompt=none shows a page", (OPENID, "authentication/prompt-none"), "a page was shown", asked(|passing| set_authorize(passing, "prompt", None))),
    ("userinfo is of somebody else", (OPENID, "userinfo/subject"), "is not the sub", answered(|passing, reply| if passing.is_to("/userinfo") { reply.edit(|body| body["sub"] = "x".into()) })),
    ("an inactive token is active", (SMART, "introspection/unknown"), "expected only active: false", answered(|passing, reply| if passing.is_to("/introspect") { reply.edit(|body| body["active"] = true.into()) })),
    ("introspection does not tell the context", (SMART, "introspection/context"), "stands in the token response", answered(|passing, reply| if passing.is_to("/introspect") { reply.edit(|body| remove(body, "patient")) })),
    ("a revoked token works", (SMART, "revocation/access-token"), "works after its revocation", answered(|passing, reply| if passing.path.contains("/fhir/") && reply.status == 401 { reply.status = 200 })),
    ("any origin may ask", (SMART, "cors/foreign"), "may ask, which nobody has registered", answered(|passing, reply| if let Some(origin) = passing.header("origin") { reply.header("access-control-allow-origin", origin) })),
    ("an app's origin may not ask", (SMART, "cors/token"), "Access-Control-Allow-Origin", answered(|_, reply| reply.headers.retain(|(name, _)| name != "access-control-allow-origin"))),
    ("tokens are kept on the way", (SMART, "standalone-public/headers"), "no-store", answered(|_, reply| reply.headers.retain(|(name, _)| name != "cache-control"))),
    ("another patient is in context", (SMART, "standalone-public/patient"), "expected demo-amelia-ortega", answered(|passing, reply| edit_tokens(passing, reply, |body| body["patient"] = "demo-walter-brandt".into()))),
    ("more is granted than was allowed", (SMART, "scopes/limited"), "the person allowed only", answered(|passing, reply| edit_tokens(passing, reply, |body| body["scope"] = format!("{} patient/Condition.rs", body["scope"].as_str().unwrap_or_default()).into()))),
    ("an app is sent to an address that is not registered", (SMART, "authorization/longer-redirect"), "not the app's", answered(|passing, reply| if passing.is_to("/authorize") && passing.path.contains("more") {
        reply.status = 303;
        reply.header("location", "https://conformance.example/callback/more?error=server_error");
    })),
    ("a service's token is good for long", (SMART, "backend-services/tokens"), "expected at most 300", answered(|passing, reply| edit_tokens(passing, reply, |body| body["expires_in"] = 3_600.into()))),
    ("an assertion is good for an hour", (SMART, "backend-services/too-long"), "there is a token", answered(|passing, reply| if passing.is_to("/token") && reply.status >= 400 { reply.give_tokens() })),
    ("plain is advertised", (SMART, "discovery/no-plain"), "names plain", answered(|passing, reply| if passing.is_to("/smart-configuration") { reply.edit(|body| body["code_challenge_methods_supported"] = json!(["S256", "plain"])) })),
];

/// Clients that are registered beforehand: a run for each fault would register too many.
fn registered(relayed: &Relayed, setup: &mut Setup) {
    const SCOPE: &str =
        "openid fhirUser profile launch launch/patient launch/encounter offline_access patient/*.rs user/*.rs";
    let site = runtime().block_on(relayed.world.sites().get("default")).expect("the site opens");
    let engine = runtime().block_on(site.authorization.engine()).expect("the authorization server opens");
    for (kind, method) in
        [(Kind::Public, "none"), (Kind::Symmetric, "client_secret_basic"), (Kind::Stranger, "client_secret_post")]
    {
        let metadata = json!({ "client_name": format!("{kind:?}"), "token_endpoint_auth_method": method, "scope": SCOPE,
            "redirect_uris": ["https://conformance.example/callback"], "initiate_login_uri": "https://conformance.example/launch" });
        let registered = runtime().block_on(engine.register_as(&metadata, Some(ClientState::Enabled)));
        let body = registered.expect("a client").body;
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let given = Given {
            client_id: text("client_id").expect("an id"),
            client_secret: text("client_secret"),
            private_key: None,
            kid: None,
        };
        setup.clients.insert(kind, given);
    }
}

#[test]
fn each_fault_of_the_authorization_server_is_caught_by_the_test_that_should() {
    let relayed = Relayed::new();
    load(&relayed.world);
    let mut setup = people(&relayed.world, None);
    registered(&relayed, &mut setup);
    let token = relayed.world.client("user/*.rs").token;
    let run = |fault: Fault, names: &[(&str, &str)]| -> Vec<Tested> {
        let _relay = relayed.with(fault);
        let server = Server::new(&format!("{}/apis/default/fhir", relayed.address), token.clone());
        let names = |of: fn(&(&str, &str)) -> String| names.iter().map(of).collect();
        let (suites, tests) = (names(|(suite, _)| (*suite).to_owned()), names(|(_, id)| (*id).to_owned()));
        kit().run(&server, Some(&setup), Options { suites, tests, workers: 2, mark: None })
    };
    let mut wrong = Vec::new();
    let all: Vec<(&str, &str)> = FAULTS.iter().map(|(_, caught_by, ..)| *caught_by).collect();
    // Without a fault all pass, through the relay too: so it is the fault that a test fails for.
    let good = run(Fault { ask: as_asked, answer: as_answered }, &all);
    for (_, (suite, id), ..) in FAULTS {
        let tested = good.iter().find(|tested| tested.suite == *suite && tested.id == *id);
        if tested.is_none_or(|tested| tested.outcome != Outcome::Passed) {
            wrong.push(format!("without a fault, {suite} {id} is {:?}", tested.map(|tested| &tested.outcome)));
        }
    }
    for (name, caught_by, says, fault) in FAULTS {
        let tested = run(*fault, &[*caught_by]);
        let tested = tested.into_iter().find(|tested| (tested.suite.as_str(), tested.id.as_str()) == *caught_by);
        match tested.map(|tested| tested.outcome) {
            Some(Outcome::Failed(problems)) if problems.iter().any(|problem| problem.contains(says)) => {}
            other => wrong.push(format!("{name}: {caught_by:?} is {other:?}, expected a failure that says `{says}`")),
        }
    }
    assert!(FAULTS.len() >= 25);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), FAULTS.len(), wrong.join("\n"));
}
