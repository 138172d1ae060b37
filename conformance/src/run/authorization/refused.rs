//! What must not be granted: requests, codes and tokens that are not in order.

use std::collections::BTreeMap;

use super::flow::{Differently, Ended, said};
use super::{Case, Done, Session, Token, skip, wrong};
use crate::party::client::Assertion;
use crate::party::redact;
use crate::party::relying::Grant;

pub(super) fn not_authorized(
    session: &mut Session<'_>,
    name: &str,
    change: &BTreeMap<String, Option<String>>,
    errors: &[String],
    shown: bool,
) -> Done<()> {
    let launch = session.launch_named(name)?;
    let differently = Differently { change: change.clone(), ..Differently::default() };
    match session.authorize(&launch, differently)? {
        // Shown to the person: the app learns nothing, and gets nothing.
        Ended::Page(page) if page.status < 400 => {
            wrong(format!("the request is not refused: {} shows `{}`", redact::url(&page.url), page.words()))
        }
        Ended::Page(_) => Ok(()),
        Ended::Back(back) if back.value("code").is_some() => wrong("there is a code"),
        Ended::Back(back) if shown => {
            wrong(format!("the browser is sent to an address that is not the app's: {}", said(&back)))
        }
        Ended::Back(back) => {
            if !errors.iter().any(|error| back.value("error") == Some(error)) {
                session.problem(format!("the error is {}, expected {}", said(&back), errors.join(" or ")));
            }
            if back.value("state") != Some(&back.asked.state) {
                // RFC 6749, 4.1.2.1.
                session.problem("the state does not come back with the error");
            }
            Ok(())
        }
    }
}

/// RFC 6749, 4.1.2.1.
pub(super) fn denied(session: &mut Session<'_>, name: &str) -> Done<()> {
    let launch = session.launch_named(name)?;
    match session.authorize(&launch, Differently { decision: Some("deny"), ..Differently::default() })? {
        Ended::Page(page) => wrong(format!("the app is not told: {} is shown", redact::url(&page.url))),
        Ended::Back(back) if back.value("error") != Some("access_denied") => {
            wrong(format!("the error is {}, expected access_denied", said(&back)))
        }
        Ended::Back(back) if back.value("state") != Some(&back.asked.state) => {
            wrong("the state does not come back with the error")
        }
        Ended::Back(_) => Ok(()),
    }
}

/// The value of a launch is good for one authorization.
pub(super) fn launch_twice(session: &mut Session<'_>, name: &str) -> Done<()> {
    let launch = session.launch_named(name)?;
    let (first, _) = session.code(&launch, Differently::default())?;
    let Some(value) = first.launch.clone() else { return skip("the app was not started from the record system") };
    match session.authorize(&launch, Differently { launch: Some(&value), ..Differently::default() })? {
        Ended::Back(back) if back.value("code").is_some() => wrong("there is a second code for one launch"),
        _ => Ok(()),
    }
}

pub(super) fn not_exchanged(session: &mut Session<'_>, case: &Case) -> Done<()> {
    let Case::NotExchanged { launch, change, errors, by, wrong_secret, forged_assertion, again } = case else {
        return wrong("this is another case");
    };
    let launch = session.launch_named(launch)?;
    let (back, code) = session.code(&launch, Differently::default())?;
    let client = match by {
        Some(kind) => session.shared.parties.client(session, *kind)?,
        None => back.client.clone(),
    };
    let mut asking = client.as_ref().clone();
    if *wrong_secret {
        asking.secret = Some("not-the-secret-of-this-client".to_owned());
    }
    let assertion = Assertion { forged: *forged_assertion, ..Assertion::default() };
    let verifier = back.asked.verifier.clone();
    let grant = Grant::Code { code: &code, verifier: &verifier };
    let first = if *again { Some(session.token(&asking, grant, &assertion, &[])?.0) } else { None };
    let changes: Vec<(String, Option<String>)> =
        change.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let (answer, _) = session.token(&asking, grant, &assertion, &changes)?;
    if answer.status() == 200 {
        return wrong("there are tokens");
    }
    session.oauth_error("the token request", &answer, errors);
    session.not_stored("the refusal", &answer);
    // "SHOULD revoke (when possible) all tokens previously issued based on that authorization code": RFC 6749, 4.1.2.
    if let Some(first) = first {
        let token = first.json()?["access_token"].as_str().unwrap_or_default().to_owned();
        let path = format!(
            "Patient/{}",
            session.shared.parties.person(&launch.person)?.get("patient").cloned().unwrap_or_default()
        );
        let status = session.fhir_get(&path, &token)?.status();
        if status != 401 {
            session.problem(format!("what the code was exchanged for still works: status {status}, expected 401"));
        }
    }
    Ok(())
}

/// RFC 6750, 3 and 3.1.
pub(super) fn access(session: &mut Session<'_>, token: Token) -> Done<()> {
    let patient = session.run.data.patients().first().cloned();
    let Some(patient) = patient else { return skip("there is no patient: name one with --patient") };
    let url = session.run.server.url(&format!("Patient/{patient}"));
    without_access(session, &url, token)
}

pub(super) fn without_access(session: &mut Session<'_>, url: &str, token: Token) -> Done<()> {
    let bearer = match token {
        Token::Missing => None,
        Token::Malformed => Some("Bearer not-a-token".to_owned()),
        Token::Changed => {
            let launched = session.launched("standalone")?;
            let Ok(launched) = launched.as_ref() else { return skip("there is no token to change") };
            let token = launched.access_token()?;
            // Another character in the middle: of a signed token the claims, or the signature.
            let at = token.len() * 2 / 3;
            let other = if token[at..].starts_with('A') { "B" } else { "A" };
            Some(format!("Bearer {}{other}{}", &token[..at], &token[at + 1..]))
        }
    };
    let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    let answer = session.ask("GET", url, &headers, None)?;
    if answer.status() != 401 {
        session.problem(format!("status {}, expected 401", answer.status()));
    }
    let asks = answer.header("www-authenticate").unwrap_or_default();
    if !asks.to_ascii_lowercase().starts_with("bearer") {
        session.problem(format!("WWW-Authenticate is `{asks}`, expected Bearer"));
    }
    if bearer.is_some() && !asks.contains("invalid_token") {
        session.problem(format!("WWW-Authenticate is `{asks}`, expected error=\"invalid_token\""));
    }
    Ok(())
}
