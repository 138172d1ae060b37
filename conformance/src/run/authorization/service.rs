//! Backend services. <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html>

use serde_json::Value;

use super::{Case, Done, Session, wrong};
use crate::party::Kind;
use crate::party::client::{Assertion, Client, now};
use crate::party::relying::Grant;

/// "the `expires_in` value SHOULD NOT exceed `300`"
const LONGEST: u64 = 300;

pub(super) fn gets_tokens(session: &mut Session<'_>, scope: &str) -> Done<()> {
    let client = session.shared.parties.client(session, Kind::Service)?;
    let (answer, tokens) = session.token(&client, Grant::ClientCredentials { scope }, &Assertion::default(), &[])?;
    tokens.map_err(|error| format!("the token response: {error}"))?;
    let body = answer.json()?;
    session.not_stored("the token response", &answer);
    if body["token_type"].as_str().is_none_or(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        session.problem(format!("token_type is {}, expected bearer", body["token_type"]));
    }
    match body["expires_in"].as_u64() {
        None => session.problem("expires_in is missing"),
        Some(seconds) if seconds > LONGEST => {
            session.problem(format!("expires_in is {seconds}, expected at most {LONGEST}"))
        }
        Some(_) => {}
    }
    let granted: Vec<&str> = body["scope"].as_str().unwrap_or_default().split_ascii_whitespace().collect();
    if granted.is_empty()
        || granted.iter().any(|granted| !scope.split_ascii_whitespace().any(|asked| asked == *granted))
    {
        session.problem(format!("scope is {}, expected what was asked for: {scope}", body["scope"]));
    }
    if body.get("refresh_token").is_some() {
        session.problem("there is a refresh_token");
    }
    let token = body["access_token"].as_str().unwrap_or_default();
    for scope in granted {
        let resource_type = scope.split(['/', '.']).nth(1).unwrap_or_default();
        let answer = session.fhir_get(&format!("{resource_type}?_count=1"), token)?;
        if answer.status() != 200 {
            session.problem(format!("{resource_type}: status {}, expected 200: the scope covers it", answer.status()));
        }
    }
    let status = session.fhir_get("Immunization?_count=1", token)?.status();
    if ![401, 403].contains(&status) {
        session.problem(format!("Immunization: status {status}, expected 403: no scope covers it"));
    }
    Ok(())
}

pub(super) fn gets_none(session: &mut Session<'_>, case: &Case) -> Done<()> {
    let Case::NotAService { scope, claims, change, kid, jku, forged, unsigned, again, errors } = case else {
        return wrong("this is another case");
    };
    let client = session.shared.parties.client(session, Kind::Service)?;
    let claims: Vec<(String, Value)> = claims.iter().map(|(name, value)| (name.clone(), timed(value))).collect();
    let mut assertion = Assertion { claims, kid: kid.clone(), jku: jku.clone(), forged: *forged, unsigned: *unsigned };
    let grant = Grant::ClientCredentials { scope };
    if *again {
        let jti = crate::party::client::new_id()?;
        assertion.claims.push(("jti".to_owned(), jti.into()));
        let (first, _) = session.token(&client, grant, &assertion, &[])?;
        if first.status() != 200 {
            return wrong(format!("the first time: status {}, expected 200", first.status()));
        }
    }
    let changes: Vec<(String, Option<String>)> =
        change.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let (answer, _) = session.token(&client, grant, &assertion, &changes)?;
    if answer.status() == 200 {
        return wrong("there is a token");
    }
    session.oauth_error("the token request", &answer, errors);
    session.not_stored("the refusal", &answer);
    Ok(())
}

/// `now+600` as a number of seconds; `null` leaves the claim out.
fn timed(value: &Value) -> Value {
    let seconds = value.as_str().and_then(|text| text.strip_prefix("now")).and_then(|text| text.parse::<i64>().ok());
    seconds.map_or_else(|| value.clone(), |seconds| (now() + seconds).into())
}

/// "FHIR authorization servers SHALL support registration of client JWKs using both of the following techniques": the
/// address of a set, or the set itself. That the set is fetched is for a client with an address of its own to see.
pub(super) fn registers_key_address(session: &mut Session<'_>) -> Done<()> {
    let setup = session.shared.parties.setup()?;
    let mut metadata = Client::metadata(Kind::Service, setup, "system/Patient.rs", None);
    let address = "https://conformance.example/jwks.json";
    metadata["jwks_uri"] = address.into();
    let body = session.shared.parties.registered(session, &metadata)?;
    if body["jwks_uri"] == address {
        Ok(())
    } else {
        wrong(format!("jwks_uri is {}, expected {address}", body["jwks_uri"]))
    }
}
