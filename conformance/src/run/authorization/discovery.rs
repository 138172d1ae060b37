//! The documents that tell how to connect.

use serde_json::Value;
use url::Url;

use super::flow::Differently;
use super::{Document, Done, Ended, Form, Launch, Session, Stop, skip, wrong};
use crate::party::Kind;

/// Endpoints of whom a server may have several documents.
const ENDPOINTS: [&str; 10] = [
    "authorization_endpoint",
    "token_endpoint",
    "registration_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "management_endpoint",
    "userinfo_endpoint",
    "end_session_endpoint",
    "user_access_brand_bundle",
    "jwks_uri",
];

/// Where a document stands; the address of one that is not offered is not known.
fn address(session: &Session<'_>, document: Document) -> Done<String> {
    let base = &session.run.server.base;
    let issuer = || match session.shared.parties.discovered()?.endpoint("issuer") {
        Some(issuer) => Ok(issuer.trim_end_matches('/').to_owned()),
        None => skip("the smart-configuration names no issuer"),
    };
    Ok(match document {
        Document::SmartConfiguration => format!("{base}/.well-known/smart-configuration"),
        // "appending": OpenID Connect Discovery, 4.
        Document::OpenidConfiguration => format!("{}/.well-known/openid-configuration", issuer()?),
        // "inserting": RFC 8414, 3; RFC 9728, 3.
        Document::AuthorizationServer => inserted(&issuer()?, "oauth-authorization-server")?,
        Document::ProtectedResource => inserted(base, "oauth-protected-resource")?,
        Document::Jwks => session.shared.parties.endpoint("jwks_uri")?,
    })
}

/// `.well-known` between the host and the path.
fn inserted(url: &str, name: &str) -> Done<String> {
    let mut parsed = Url::parse(url).map_err(|error| Stop::Wrong(format!("{url}: {error}")))?;
    let path = parsed.path().trim_end_matches('/').to_owned();
    parsed.set_path(&format!("/.well-known/{name}{path}"));
    Ok(parsed.into())
}

fn read(session: &mut Session<'_>, document: Document) -> Done<Value> {
    let url = address(session, document)?;
    let answer = session.ask("GET", &url, &[("accept", "application/json")], None)?;
    if answer.status() != 200 {
        return wrong(format!("{url}: status {}, expected 200", answer.status()));
    }
    Ok(answer.json()?)
}

pub(super) fn served(session: &mut Session<'_>, document: Document, accept: Option<&str>) -> Done<()> {
    let url = address(session, document)?;
    let headers: Vec<(&str, &str)> = accept.map(|accept| ("accept", accept)).into_iter().collect();
    let answer = session.ask("GET", &url, &headers, None)?;
    if answer.status() != 200 {
        return wrong(format!("{url}: status {}, expected 200 for everybody", answer.status()));
    }
    let mime = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_json = mime == "application/json" || document == Document::Jwks && mime == "application/jwk-set+json";
    if !is_json {
        return wrong(format!("{url}: Content-Type is `{mime}`, expected application/json"));
    }
    match answer.json()? {
        Value::Object(_) => Ok(()),
        _ => wrong(format!("{url}: the document is no JSON object")),
    }
}

/// Whether a check is not for this server.
fn is_excused(session: &Session<'_>, when: Option<&str>) -> Done<bool> {
    match when {
        Some(capability) => Ok(!session.shared.parties.is_capable(capability)?),
        None => Ok(false),
    }
}

pub(super) fn member(
    session: &mut Session<'_>,
    document: Document,
    name: &str,
    form: Form,
    when: Option<&str>,
    optional: bool,
) -> Done<()> {
    if is_excused(session, when)? {
        return skip(format!("the server does not name the capability {}", when.unwrap_or_default()));
    }
    let body = read(session, document)?;
    let value = &body[name];
    if value.is_null() {
        return if optional { skip(format!("{name} is not there")) } else { wrong(format!("{name} is missing")) };
    }
    let is_url = |text: &str| Url::parse(text).is_ok_and(|url| url.has_host());
    let is_right = match form {
        Form::Url => value.as_str().is_some_and(is_url),
        Form::Text => value.as_str().is_some_and(|text| !text.is_empty()),
        Form::Texts => value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(Value::is_string)),
    };
    match (is_right, form) {
        (true, _) => Ok(()),
        (false, Form::Url) => wrong(format!("{name} is {value}, expected a whole address")),
        (false, Form::Text) => wrong(format!("{name} is {value}, expected a text")),
        (false, Form::Texts) => wrong(format!("{name} is {value}, expected an array of texts that is not empty")),
    }
}

fn texts(body: &Value, name: &str) -> Vec<String> {
    let items = body[name].as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

pub(super) fn holds(
    session: &mut Session<'_>,
    document: Document,
    name: &str,
    values: &[String],
    any: bool,
    when: Option<&str>,
) -> Done<()> {
    if is_excused(session, when)? {
        return skip(format!("the server does not name the capability {}", when.unwrap_or_default()));
    }
    let body = read(session, document)?;
    let found = texts(&body, name);
    let missing: Vec<&str> = values.iter().filter(|value| !found.contains(value)).map(String::as_str).collect();
    let is_right = if any { missing.len() < values.len() } else { missing.is_empty() };
    if is_right {
        Ok(())
    } else {
        wrong(format!("{name} does not name {}", missing.join(if any { " or " } else { ", " })))
    }
}

pub(super) fn lacks(session: &mut Session<'_>, document: Document, name: &str, value: &str) -> Done<()> {
    let body = read(session, document)?;
    if texts(&body, name).iter().any(|found| found == value) { wrong(format!("{name} names {value}")) } else { Ok(()) }
}

/// "All endpoint URLs in the response document SHALL be absolute URLs."
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known>
pub(super) fn absolute(session: &mut Session<'_>, document: Document) -> Done<()> {
    let body = read(session, document)?;
    for name in ENDPOINTS {
        if let Some(value) = body.get(name) {
            let is_whole = value.as_str().and_then(|text| Url::parse(text).ok()).is_some_and(|url| url.has_host());
            if !is_whole {
                session.problem(format!("{name} is {value}, expected a whole address"));
            }
        }
    }
    Ok(())
}

/// The document is of the issuer, or of the resource, that it was asked of, letter by letter; the other documents name the same.
pub(super) fn names_itself(session: &mut Session<'_>, document: Document) -> Done<()> {
    let body = read(session, document)?;
    let issuer = session.shared.parties.discovered()?.issuer().to_owned();
    let base = session.run.server.base.clone();
    match document {
        Document::ProtectedResource => {
            if body["resource"] != base.as_str() {
                session.problem(format!("resource is {}, expected {base}", body["resource"]));
            }
            if !texts(&body, "authorization_servers").contains(&issuer) {
                session.problem(format!("authorization_servers does not name the issuer {issuer}"));
            }
        }
        _ => {
            if body["issuer"] != issuer.as_str() {
                session.problem(format!("issuer is {}, expected {issuer}", body["issuer"]));
            }
            let smart = &session.shared.parties.discovered()?.smart;
            for name in ["authorization_endpoint", "token_endpoint", "jwks_uri", "registration_endpoint"] {
                let (one, other) = (&body[name], &smart[name]);
                if !one.is_null() && !other.is_null() && one != other {
                    session.problem(format!("{name} is {one}, and {other} in the smart-configuration"));
                }
            }
        }
    }
    Ok(())
}

/// "The EHR SHALL publish public keys as bare JWK keys".
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data>
pub(super) fn public_keys(session: &mut Session<'_>) -> Done<()> {
    let body = read(session, Document::Jwks)?;
    let keys = body["keys"].as_array().cloned().unwrap_or_default();
    if keys.is_empty() {
        return wrong("keys is empty");
    }
    for key in &keys {
        let needed: &[&str] = match key["kty"].as_str() {
            Some("RSA") => &["n", "e"],
            Some("EC") => &["crv", "x", "y"],
            Some("OKP") => &["crv", "x"],
            _ => &["kty"],
        };
        for name in needed.iter().filter(|name| !key[**name].is_string()) {
            session.problem(format!("a key has no {name}"));
        }
        // RFC 7518, 6.2.2, 6.3.2 and 6.4.1.
        for name in ["d", "p", "q", "dp", "dq", "qi", "k"].iter().filter(|name| key.get(**name).is_some()) {
            session.problem(format!("a key shows its private part: {name}"));
        }
        if keys.len() > 1 && !key["kid"].is_string() {
            // OpenID Connect Core, 10.1.
            session.problem("a key of several has no kid");
        }
    }
    if !keys.iter().any(|key| key["kty"] == "RSA") {
        session.problem("there is no RSA key, and ID tokens are signed with RS256");
    }
    Ok(())
}

/// A server whose clients have keys names RS384 or ES384, whichever it verifies.
pub(super) fn algorithms(session: &mut Session<'_>) -> Done<()> {
    if is_excused(session, Some("client-confidential-asymmetric"))? {
        return skip("the server has no clients with keys");
    }
    let body = read(session, Document::SmartConfiguration)?;
    let named = texts(&body, "token_endpoint_auth_signing_alg_values_supported");
    if !named.iter().any(|name| name == "RS384" || name == "ES384") {
        session.problem("token_endpoint_auth_signing_alg_values_supported names neither RS384 nor ES384");
    }
    if !texts(&body, "token_endpoint_auth_methods_supported").iter().any(|name| name == "private_key_jwt") {
        session.problem("token_endpoint_auth_methods_supported does not name private_key_jwt");
    }
    Ok(())
}

/// "The server SHALL support all scopes listed here": an app that registers for them may ask for each.
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#metadata>
pub(super) fn scopes_supported(session: &mut Session<'_>) -> Done<()> {
    let body = read(session, Document::SmartConfiguration)?;
    let scopes = texts(&body, "scopes_supported");
    if scopes.is_empty() {
        return skip("scopes_supported names none");
    }
    let is_of_apps =
        |scope: &&String| !scope.starts_with("system/") && *scope != "launch" && !scope.starts_with("user/");
    let asked: Vec<&str> = scopes.iter().filter(is_of_apps).map(String::as_str).collect();
    let setup = session.shared.parties.setup()?;
    let asked = asked.join(" ");
    let metadata = crate::party::client::Client::metadata(Kind::Public, setup, &asked, None);
    let body = session.shared.parties.registered(session, &metadata)?;
    let kept = body["scope"].as_str().unwrap_or(&asked).to_owned();
    for scope in asked.split_ascii_whitespace() {
        if !kept.split_ascii_whitespace().any(|known| known == scope) {
            session.problem(format!("a client cannot register for {scope}, which scopes_supported names"));
        }
    }
    // All at once: a server that knew one of them not would say invalid_scope.
    let id = body["client_id"].as_str().unwrap_or_default().to_owned();
    let launch = Launch {
        client: Kind::Public,
        person: "patient".to_owned(),
        from_record_system: false,
        scope: asked,
        granted: None,
    };
    let change = [("client_id".to_owned(), Some(id))].into();
    let differently = Differently { change, decision: Some("deny"), ..Differently::default() };
    if let Ended::Back(back) = session.authorize(&launch, differently)?
        && back.value("error").is_some_and(|error| error != "access_denied")
    {
        return wrong(format!("the scopes of scopes_supported are refused: {}", super::flow::said(&back)));
    }
    Ok(())
}
