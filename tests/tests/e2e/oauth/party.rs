//! A relying party: it registers, sends people to authorize, and exchanges what comes back.

use serde_json::Value;
use vesta_conformance::party::page::Page;

use super::PASSWORD;
use super::browser::{Browser, Landed};
use crate::harness::{Answer, Client, World};

#[derive(Clone)]
pub(super) struct Party {
    http: Client,
    pub(super) issuer: String,
    pub(super) fhir: String,
    pub(super) id: String,
    pub(super) secret: Option<String>,
    /// Reads and changes the registration: RFC 7592.
    pub(super) registration_token: String,
    pub(super) redirect_uri: String,
}

/// A verifier and its challenge, which belong together: RFC 7636, appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

impl Party {
    pub(super) fn register(world: &World, metadata: &Value) -> Party {
        Party::register_at(&world.address(), metadata)
    }

    pub(super) fn register_at(address: &str, metadata: &Value) -> Party {
        let http = Client { base: address.to_owned(), token: None };
        let issuer = format!("{address}/oauth2/default");
        let answer = http.send(
            "POST",
            &format!("{issuer}/registration"),
            &[("content-type", "application/json")],
            Some(metadata.to_string().as_bytes()),
        );
        let registration = answer.expect(201).json();
        Party {
            id: registration["client_id"].as_str().expect("an id").to_owned(),
            secret: registration["client_secret"].as_str().map(str::to_owned),
            registration_token: registration["registration_access_token"].as_str().unwrap_or_default().to_owned(),
            redirect_uri: metadata["redirect_uris"][0].as_str().unwrap_or_default().to_owned(),
            fhir: format!("{address}/apis/default/fhir"),
            issuer,
            http,
        }
    }

    /// Where the browser is sent; `also` overrides.
    pub(super) fn authorize_url(&self, scope: &str, also: &[(&str, &str)]) -> String {
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", self.id.as_str()),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("scope", scope),
            ("state", "a state"),
            ("aud", self.fhir.as_str()),
            ("nonce", "a nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in also {
            parameters.retain(|(known, _)| known != name);
            if !value.is_empty() {
                parameters.push((name, value));
            }
        }
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        format!("{}/authorize?{query}", self.issuer)
    }

    /// Logs in on the way; the page behind.
    pub(super) fn log_in(&self, browser: &mut Browser, url: &str, user: &str) -> Landed {
        self.log_in_with(browser, url, user, PASSWORD)
    }

    pub(super) fn log_in_with(&self, browser: &mut Browser, url: &str, user: &str, password: &str) -> Landed {
        let login = browser.get(url).page();
        assert!(login.url.contains("/login"), "{} {}", login.url, login.words());
        browser.send(&login, &[("username", user), ("password", password)])
    }

    /// Grants all that is asked for; the parameters that come back.
    pub(super) fn consent(&self, browser: &mut Browser, page: &Page, only: Option<&[&str]>) -> Vec<(String, String)> {
        assert!(page.url.contains("scope-authorize-confirm"), "{} {}", page.url, page.words());
        let offered = page.switches("scope");
        let approved: Vec<&str> = match only {
            Some(only) => only.to_vec(),
            None => offered.iter().map(String::as_str).collect(),
        };
        let mut fields = vec![("decision", "allow")];
        fields.extend(approved.iter().map(|scope| ("scope", *scope)));
        self.back(&browser.send(page, &fields).away())
    }

    /// What the redirect back says.
    pub(super) fn back(&self, url: &str) -> Vec<(String, String)> {
        let (place, query) = url.split_once('?').expect("parameters");
        assert_eq!(place, self.redirect_uri);
        let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        // RFC 9207
        assert_eq!(value(&parameters, "iss"), Some(self.issuer.as_str()));
        assert_eq!(value(&parameters, "state"), Some("a state"));
        parameters
    }

    pub(super) fn token(&self, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        match &self.secret {
            Some(secret) => fields.extend([("client_id", self.id.as_str()), ("client_secret", secret)]),
            None if fields.iter().any(|(name, _)| *name == "client_assertion") => {}
            None => fields.push(("client_id", &self.id)),
        }
        self.form("token", &fields)
    }

    pub(super) fn exchange(&self, code: &str) -> Answer {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", VERIFIER),
        ])
    }

    pub(super) fn refresh(&self, token: &str) -> Answer {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    pub(super) fn form(&self, endpoint: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let url = format!("{}/{endpoint}", self.issuer);
        let answer = self.http.send(
            "POST",
            &url,
            &[("content-type", "application/x-www-form-urlencoded")],
            Some(body.as_bytes()),
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{endpoint}");
        answer
    }

    pub(super) fn send_json(&self, url: &str, token: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.http.send("POST", url, &headers, Some(body.to_string().as_bytes()))
    }

    pub(super) fn get(&self, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.http.send("GET", url, headers, None)
    }

    pub(super) fn send(&self, method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
        self.http.send(method, url, headers, None)
    }

    /// All of it: from the browser to the token response.
    pub(super) fn launch(&self, world: &World, user: &str, scope: &str) -> Value {
        let mut browser = Browser::new(world);
        let page = self.log_in(&mut browser, &self.authorize_url(scope, &[]), user).page();
        let back = self.consent(&mut browser, &page, None);
        self.exchange(value(&back, "code").expect("a code")).expect(200).json()
    }
}

pub(super) fn value<'a>(parameters: &'a [(String, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}
