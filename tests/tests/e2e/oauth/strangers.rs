//! What pages of other sites, and people who are nobody here, send the authorization server.

use serde_json::json;

use super::ledger::log_in;
use super::party::Party;
use super::{app, practice};
use crate::harness::{Answer, Client, World};

const SCOPE: &str = "openid launch/patient patient/*.rs";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The query of the authorization request is the form of the same by POST.
fn authorization(app: &Party) -> String {
    app.authorize_url(SCOPE, &[]).split_once('?').expect("a query").1.to_owned()
}

fn location(answer: &Answer) -> &str {
    answer.header("location").expect("a place")
}

on_both_databases! {
    /// A cookie that is `SameSite=Lax` does not come with what another site's page sends by POST, and comes with a GET:
    /// <https://www.rfc-editor.org/rfc/rfc6265#section-5.2> and its successor, 5.6.7.1. "authorization servers SHALL support" POST:
    /// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code>
    fn post_from_another_site_does_not_take_the_session_away(world) {
        practice(world);
        let app = app(world, SCOPE);
        let http = Client { base: world.address(), token: None };
        let session = log_in(&http, "default", "ann");
        let cookie = ("cookie", session.cookie.as_str());
        let form = authorization(&app);
        let by_post = http.send("POST", "oauth2/default/authorize", &[FORM], Some(form.as_bytes())).expect(303);
        assert_eq!(by_post.header("set-cookie"), None, "the browser's own session would be gone");
        assert_eq!(location(&by_post), app.authorize_url(SCOPE, &[]));
        let by_get = http.send("GET", location(&by_post), &[cookie], None).expect(303);
        assert!(location(&by_get).contains("scope-authorize-confirm"), "whoever is signed in is known: {}", location(&by_get));
        // From a page of this site, or of an app on it, it comes with the POST.
        let own = http.send("POST", "oauth2/default/authorize", &[FORM, cookie], Some(form.as_bytes())).expect(303);
        assert!(location(&own).contains("scope-authorize-confirm"), "{}", location(&own));
        // What is too long for an address goes its way by POST.
        let long = format!("{form}&ui_locales={}", "x".repeat(7_000));
        let long = http.send("POST", "oauth2/default/authorize", &[FORM], Some(long.as_bytes())).expect(303);
        assert!(location(&long).contains("/login"), "{}", location(&long));
    }

    /// "Cross-site request forgery": nobody is signed out by a page that they look at.
    /// <https://openid.net/specs/openid-connect-rpinitiated-1_0.html#RPLogout>
    fn logout_forged_by_another_site(world) {
        practice(world);
        let app = app(world, SCOPE);
        let http = Client { base: world.address(), token: None };
        let session = log_in(&http, "default", "ann");
        let cookie = ("cookie", session.cookie.as_str());
        let goodbye = format!("client_id={}&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye", app.id);
        let is_signed_in = || http.send("GET", "oauth2/default/account", &[cookie], None).status == 200;
        for form in ["", &goodbye] {
            let by_post = http.send("POST", "oauth2/default/logout", &[FORM], Some(form.as_bytes())).expect(303);
            assert_eq!(by_post.header("set-cookie"), None);
            // It comes again by GET, with the cookie, and the person is asked.
            let asked = http.send("GET", location(&by_post), &[cookie], None).expect(200);
            assert!(String::from_utf8_lossy(&asked.body).contains("Sign out?"));
            assert!(is_signed_in());
        }
        // A form without the session's token does nothing, and takes nothing from the browser.
        let forged = http.send("POST", "oauth2/default/sign-out", &[FORM], Some(b"csrf=guessed")).expect(400);
        assert_eq!(forged.header("set-cookie"), None);
        let forged = http.send("POST", "oauth2/default/sign-out", &[FORM, cookie], Some(b"csrf=guessed")).expect(400);
        assert_eq!(forged.header("set-cookie"), None);
        assert!(is_signed_in());
        // Where nobody is signed in nothing is made of it but the way back.
        let nobody = http.get(&format!("oauth2/default/logout?{goodbye}")).expect(303);
        assert_eq!((location(&nobody), nobody.header("set-cookie")), ("https://app.example/bye", None));
    }

    /// "with a content type of application/json": RFC 7591, 3.1. A page elsewhere can send a form and no JSON unasked.
    fn registration_that_is_no_json(world) {
        let http = Client { base: world.address(), token: None };
        let metadata = json!({ "redirect_uris": ["https://app.example/callback"], "scope": SCOPE }).to_string();
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
            let headers = [("content-type", kind)];
            let refused = http.send("POST", "oauth2/default/registration", &headers, Some(metadata.as_bytes())).expect(400);
            assert_eq!(refused.json()["error"], "invalid_client_metadata", "{kind}");
        }
        let headers = [("content-type", "application/json; charset=utf-8")];
        http.send("POST", "oauth2/default/registration", &headers, Some(metadata.as_bytes())).expect(201);
    }
}

/// "If the request lacks any authentication information ... the resource server SHOULD NOT include an error code": RFC 6750, 3.1.
#[test]
fn who_brings_no_token_is_told_of_no_error() {
    let world = World::on_sqlite();
    let http = Client { base: world.address(), token: None };
    for (method, path) in
        [("GET", "oauth2/default/userinfo"), ("POST", "oauth2/default/launch"), ("GET", "apis/default/fhir/Patient")]
    {
        let challenge = |token: &[(&str, &str)]| {
            let answer = http.send(method, path, token, None).expect(401);
            answer.header("www-authenticate").expect("a challenge").to_owned()
        };
        let bare = challenge(&[]);
        assert!(bare.starts_with("Bearer") && !bare.contains("error"), "{path}: {bare}");
        let bad = challenge(&[("authorization", "Bearer made.up.token")]);
        assert!(bad.contains("error=\"invalid_token\""), "{path}: {bad}");
    }
}
