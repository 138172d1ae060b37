//! What a launch has come to, looked at from one side a check.

use openidconnect::{OAuth2TokenResponse, TokenResponse};
use serde_json::Value;

use super::flow::{Differently, Launched, said};
use super::{Aspect, Done, Session, Stop, identity, skip, wrong};
use crate::party::relying::Tokens;

/// More resources than this are not looked at.
const SEEN: &str = "_count=50";

pub(super) fn look(session: &mut Session<'_>, name: &str, aspect: Aspect) -> Done<()> {
    let launched = session.launched(name)?;
    let launched = match launched.as_ref() {
        Ok(launched) => launched,
        Err(stop) => return Err(stop.clone()),
    };
    match aspect {
        Aspect::Back => back(session, launched),
        Aspect::BackIssuer => back_issuer(session, launched),
        Aspect::Tokens => tokens(session, launched),
        Aspect::Headers => {
            session.not_stored("the token response", &launched.answer);
            if launched.answer.header("pragma") != Some("no-cache") {
                session.problem("the token response: no Pragma: no-cache");
            }
            let mime = launched.answer.header("content-type").unwrap_or_default();
            if mime.split(';').next().map(str::trim) != Some("application/json") {
                session.problem(format!("the token response's Content-Type is `{mime}`, expected application/json"));
            }
            Ok(())
        }
        Aspect::WholeScope => whole_scope(session, launched, name),
        Aspect::PartOfScope => part_of_scope(session, launched, name),
        Aspect::Patient => context(session, launched, name, "patient"),
        Aspect::Encounter => context(session, launched, name, "encounter"),
        Aspect::Banner => match &launched.body["need_patient_banner"] {
            Value::Bool(_) => Ok(()),
            other => wrong(format!("need_patient_banner is {other}, expected true or false")),
        },
        Aspect::Style => style(session, launched),
        Aspect::Data => data(session, launched),
        Aspect::NoOtherData => no_other_data(session, launched),
        Aspect::Constrained => constrained(session, launched),
        Aspect::NoOtherPatient => no_other_patient(session, launched),
        Aspect::NoRefreshToken => match launched.text("refresh_token") {
            None => Ok(()),
            Some(_) => wrong("there is a refresh_token, which nobody asked for"),
        },
        Aspect::RefreshToken => launched.refresh_token().map(|_| ()),
        Aspect::IdToken => identity::id_token(session, launched),
        Aspect::NoIdToken => match launched.text("id_token") {
            None => Ok(()),
            Some(_) => wrong("there is an id_token without the scope openid"),
        },
        Aspect::FhirUser => identity::fhir_user(session, launched),
        Aspect::Subject => identity::subject(session, launched),
        Aspect::UserInfo => identity::user_info(session, launched),
    }
}

/// "state ... the authorization server includes this value when redirecting": RFC 6749, 4.1.2.
fn back(session: &mut Session<'_>, launched: &Launched) -> Done<()> {
    let back = &launched.back;
    if back.value("state") != Some(&back.asked.state) {
        session.problem("the state that comes back is not the one that was sent");
    }
    if back.value("error").is_some() {
        session.problem("an error stands beside the code");
    }
    Ok(())
}

/// RFC 9207, 2.3.
fn back_issuer(session: &mut Session<'_>, launched: &Launched) -> Done<()> {
    let issuer = session.shared.parties.discovered()?.issuer();
    match launched.back.value("iss") {
        None => wrong("the response has no iss"),
        Some(iss) if iss != issuer => wrong(format!("iss is {iss}, expected {issuer}")),
        Some(_) => Ok(()),
    }
}

/// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token>
fn tokens(session: &mut Session<'_>, launched: &Launched) -> Done<()> {
    launched.tokens()?;
    let body = &launched.body;
    if !body["access_token"].is_string() {
        session.problem("access_token is missing");
    }
    if body["token_type"] != "Bearer" {
        session.problem(format!("token_type is {}, expected \"Bearer\"", body["token_type"]));
    }
    if !body["scope"].is_string() {
        session.problem("scope is missing");
    }
    if body["expires_in"].as_u64().is_none_or(|seconds| seconds == 0) {
        session.problem(format!("expires_in is {}, expected a number of seconds", body["expires_in"]));
    }
    Ok(())
}

fn whole_scope(session: &mut Session<'_>, launched: &Launched, name: &str) -> Done<()> {
    let launch = session.launch_named(name)?;
    let granted = launched.scopes();
    let missing: Vec<&str> = launch.scope.split_ascii_whitespace().filter(|scope| !granted.contains(scope)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        wrong(format!("scope does not name {}, which was allowed", missing.join(" ")))
    }
}

/// What the person took away is not there.
fn part_of_scope(session: &mut Session<'_>, launched: &Launched, name: &str) -> Done<()> {
    let launch = session.launch_named(name)?;
    let allowed = launch.granted.unwrap_or_default();
    let allowed: Vec<&str> = allowed.split_ascii_whitespace().collect();
    let granted = launched.scopes();
    for scope in granted.iter().filter(|scope| scope.contains('/') && !scope.starts_with("launch")) {
        if !allowed.contains(scope) {
            session.problem(format!("{scope} is granted, and the person allowed only {}", allowed.join(" ")));
        }
    }
    for scope in allowed.iter().filter(|scope| !granted.contains(scope)) {
        session.problem(format!("{scope} is not granted, and the person allowed it"));
    }
    Ok(())
}

/// The patient or the encounter in context is the one that was chosen, and can be read.
fn context(session: &mut Session<'_>, launched: &Launched, name: &str, what: &str) -> Done<()> {
    let launch = session.launch_named(name)?;
    let Some(id) = launched.text(what) else { return wrong(format!("the token response has no {what}")) };
    let chosen = session.shared.parties.person(&launch.person)?.get(what).cloned();
    if chosen.as_deref().is_some_and(|chosen| chosen != id) {
        session.problem(format!("{what} is {id}, expected {}", chosen.unwrap_or_default()));
    }
    let resource_type = if what == "patient" { "Patient" } else { "Encounter" };
    let answer = session.fhir_get(&format!("{resource_type}/{id}"), launched.access_token()?)?;
    if answer.status() != 200 {
        session.problem(format!("{resource_type} in context: status {}, expected 200", answer.status()));
    }
    Ok(())
}

/// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#styling>
fn style(session: &mut Session<'_>, launched: &Launched) -> Done<()> {
    let Some(url) = launched.text("smart_style_url") else { return skip("there is no smart_style_url") };
    let answer = session.ask("GET", url, &[("origin", "https://conformance.example")], None)?;
    if answer.status() != 200 || !answer.json().is_ok_and(|body| body.is_object()) {
        session.problem(format!("{url}: status {}, expected a JSON object", answer.status()));
    }
    if answer.header("access-control-allow-origin").is_none() {
        session.problem(format!("{url}: an app in a browser cannot read it: no Access-Control-Allow-Origin"));
    }
    Ok(())
}

/// Types that the granted scopes name, and one that they do not.
fn granted_types(launched: &Launched) -> Vec<String> {
    let scopes = launched.scopes();
    let named = scopes.iter().filter_map(|scope| scope.strip_prefix("patient/").or(scope.strip_prefix("user/")));
    let named = named.filter_map(|scope| scope.split_once('.')).map(|(resource_type, _)| resource_type.to_owned());
    named.collect()
}

fn search(session: &Session<'_>, launched: &Launched, resource_type: &str) -> Done<String> {
    let patient = launched.text("patient");
    let patient = patient.or(session.run.data.patients().first().map(String::as_str));
    let Some(patient) = patient else { return skip("there is no patient to ask for") };
    Ok(match resource_type {
        "Patient" => format!("Patient?_id={patient}&{SEEN}"),
        _ => format!("{resource_type}?patient={patient}&{SEEN}"),
    })
}

/// The access token opens what its scope says.
fn data(session: &mut Session<'_>, launched: &Launched) -> Done<()> {
    let types = granted_types(launched);
    if types.is_empty() {
        return skip("no scope names a type of resource");
    }
    for resource_type in types.iter().map(|name| if name == "*" { "Observation" } else { name.as_str() }) {
        let path = search(session, launched, resource_type)?;
        let answer = session.fhir_get(&path, launched.access_token()?)?;
        let body = answer.json().unwrap_or_default();
        if answer.status() != 200 {
            session.problem(format!("{resource_type}: status {}, expected 200: the scope covers it", answer.status()));
        } else if body["entry"].as_array().is_none_or(Vec::is_empty) {
            session.problem(format!("{resource_type}: nothing is returned for the patient in context"));
        }
    }
    Ok(())
}

/// "that its scope covers the requested resource".
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#access-fhir-api>
fn no_other_data(session: &mut Session<'_>, launched: &Launched) -> Done<()> {
    let types = granted_types(launched);
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    let other = ["Condition", "Immunization", "Procedure"].into_iter().find(|name| !types.contains(name));
    let Some(other) = other.filter(|_| !types.contains(&"*")) else { return skip("the scopes cover every type") };
    let answer = session.fhir_get(&search(session, launched, other)?, launched.access_token()?)?;
    match answer.status() {
        401 | 403 => Ok(()),
        status => wrong(format!("{other}: status {status}, expected 403: no scope covers it")),
    }
}

/// `patient/Observation.rs?category=…`: all that is found meets the constraint, and something is.
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters>
fn constrained(session: &mut Session<'_>, launched: &Launched) -> Done<()> {
    let scopes = launched.scopes();
    let narrow = scopes.iter().filter_map(|scope| scope.split_once("?category="));
    let mut is_judged = false;
    for (scope, category) in narrow {
        let resource_type = scope.split(['/', '.']).nth(1).unwrap_or_default();
        let (system, code) = category.split_once('|').unwrap_or(("", category));
        let path = search(session, launched, resource_type)?;
        let answer = session.fhir_get(&path, launched.access_token()?)?;
        let body = answer.json()?;
        let entries = body["entry"].as_array().cloned().unwrap_or_default();
        let found = entries.iter().filter(|entry| entry["search"]["mode"] == "match").map(|entry| &entry["resource"]);
        let mut number = 0;
        for resource in found {
            number += 1;
            let codings = resource["category"].as_array().into_iter().flatten();
            let mut codings = codings.flat_map(|concept| concept["coding"].as_array().into_iter().flatten());
            if !codings.any(|coding| coding["system"] == system && coding["code"] == code) {
                session.problem(format!("{resource_type}: one is returned that is not of the category {code}"));
            }
        }
        if number == 0 {
            session.problem(format!("{resource_type}: none of the category {code} is returned"));
        }
        is_judged = true;
    }
    if is_judged { Ok(()) } else { wrong("no constrained scope is granted") }
}

/// A token for one patient does not open another's record.
fn no_other_patient(session: &mut Session<'_>, launched: &Launched) -> Done<()> {
    let Some(own) = launched.text("patient") else { return wrong("the token response has no patient") };
    let other = session.run.data.patients().iter().find(|id| *id != own);
    let Some(other) = other else { return skip("there is no other patient: name one with --patient") };
    let answer = session.fhir_get(&format!("Patient/{other}"), launched.access_token()?)?;
    match answer.status() {
        401 | 403 | 404 => Ok(()),
        status => wrong(format!("the record of another patient: status {status}, expected 403 or 404")),
    }
}

/// The record system's address for the app: `iss` and `launch`.
pub(super) fn launch_url(session: &mut Session<'_>, name: &str) -> Done<()> {
    let launch = session.launch_named(name)?;
    let parameters = session.start_from_record_system(&launch)?;
    let value = |name: &str| parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let base = session.run.server.base.clone();
    if value("iss").map(|iss| iss.trim_end_matches('/')) != Some(base.as_str()) {
        session.problem(format!("iss is {:?}, expected the FHIR server {base}", value("iss")));
    }
    if value("launch").is_none_or(str::is_empty) {
        session.problem("there is no launch");
    }
    Ok(())
}

/// "Authorization Servers SHALL support the use of the HTTP GET and POST methods at the Authorization Endpoint."
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#request-4>
pub(super) fn by_post(session: &mut Session<'_>, name: &str) -> Done<()> {
    let launch = session.launch_named(name)?;
    let launched = session.launch_differently(&launch, Differently { by_post: true, ..Differently::default() })?;
    match launched.text("access_token") {
        Some(_) => Ok(()),
        None => wrong(format!("there is no token: {}", said(&launched.back))),
    }
}

impl Launched {
    /// Both at once.
    pub(super) fn identified(&self) -> Done<&Tokens> {
        let tokens = self.tokens()?;
        if tokens.id_token().is_none() || tokens.access_token().secret().is_empty() {
            return Err(Stop::Wrong("the token response has no id_token".to_owned()));
        }
        Ok(tokens)
    }
}
