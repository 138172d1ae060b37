//! OpenID Connect: who is logged in.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::flow::{Differently, Ended, Launched, said};
use super::{Done, Prompt, Session, Token, skip, wrong};
use crate::party::browser::{Browser, Leaves};
use crate::party::redact;

/// Signed by a published key with RS256, of this issuer, for this client, not expired, with the nonce of the request.
/// <https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation>
pub(super) fn id_token(session: &mut Session<'_>, launched: &Launched) -> Done<()> {
    let tokens = launched.identified()?;
    let discovered = session.shared.parties.discovered()?;
    discovered.identity(&launched.back.client, tokens, Some(&launched.back.asked.nonce))?;
    let claims = unverified(launched, 1)?;
    for name in ["iss", "sub", "aud", "exp", "iat"].into_iter().filter(|name| claims[*name].is_null()) {
        session.problem(format!("the id_token has no {name}"));
    }
    // "MUST NOT exceed 255 ASCII characters in length": OpenID Connect Core, 2.
    if claims["sub"].as_str().is_none_or(|sub| sub.is_empty() || sub.len() > 255 || !sub.is_ascii()) {
        session.problem("sub is no text of at most 255 ASCII characters");
    }
    let header = unverified(launched, 0)?;
    if header["alg"] != "RS256" {
        session.problem(format!("the id_token is signed with {}, expected RS256", header["alg"]));
    }
    Ok(())
}

/// A part of the ID token: its header, or its claims.
fn unverified(launched: &Launched, part: usize) -> Done<Value> {
    let token = launched.text("id_token").unwrap_or_default();
    let part = token.split('.').nth(part).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    match part.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        Some(value) => Ok(value),
        None => wrong("the id_token is no JWT"),
    }
}

/// "fhirUser ... the URL of a FHIR resource": Patient, Practitioner, PractitionerRole, RelatedPerson or Person, that can be read.
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data>
pub(super) fn fhir_user(session: &mut Session<'_>, launched: &Launched) -> Done<()> {
    let discovered = session.shared.parties.discovered()?;
    let nonce = Some(launched.back.asked.nonce.as_str());
    let (_, claims) = discovered.identity(&launched.back.client, launched.identified()?, nonce)?;
    let Some(url) = claims.fhir_user else { return wrong("the id_token has no fhirUser") };
    let mut parts = url.rsplit('/');
    let (id, resource_type) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if !["Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person"].contains(&resource_type)
        || id.is_empty()
    {
        session.problem(format!("fhirUser is {url}, expected the address of a person"));
    }
    if !url.contains("://") {
        session.problem(format!("fhirUser is {url}, expected a whole address"));
    }
    let answer = session.fhir_get(&url, launched.access_token()?)?;
    if answer.status() != 200 || answer.json()?["resourceType"] != resource_type {
        session.problem(format!(
            "fhirUser {url}: status {}, expected to be read with the scope fhirUser",
            answer.status()
        ));
    }
    Ok(())
}

/// The same person is the same subject to each client: "public" subjects; and the access token's is that, where it tells.
pub(super) fn subject(session: &mut Session<'_>, launched: &Launched) -> Done<()> {
    let claims = unverified(launched, 1)?;
    let url = session.shared.parties.endpoint("userinfo_endpoint")?;
    let about = who(session, &url, launched.access_token()?)?;
    // "The sub Claim in the UserInfo Response MUST be verified to exactly match": OpenID Connect Core, 5.3.2.
    if about["sub"] != claims["sub"] {
        session.problem("the sub of userinfo is not the sub of the id_token");
    }
    Ok(())
}

pub(super) fn user_info(session: &mut Session<'_>, launched: &Launched) -> Done<()> {
    let url = session.shared.parties.endpoint("userinfo_endpoint")?;
    let about = who(session, &url, launched.access_token()?)?;
    if !about["sub"].is_string() {
        session.problem("userinfo has no sub");
    }
    // By POST too: OpenID Connect Core, 5.3.1.
    let bearer = format!("Bearer {}", launched.access_token()?);
    let answer = session.form(&url, &[("authorization", &bearer)], &[])?;
    if answer.status() != 200 || answer.json()? != about {
        session.problem(format!("userinfo by POST: status {}, expected what GET answers", answer.status()));
    }
    Ok(())
}

fn who(session: &mut Session<'_>, url: &str, token: &str) -> Done<Value> {
    let bearer = format!("Bearer {token}");
    let answer = session.ask("GET", url, &[("authorization", &bearer), ("accept", "application/json")], None)?;
    match answer.status() {
        200 => Ok(answer.json()?),
        status => wrong(format!("userinfo: status {status}, expected 200")),
    }
}

/// RFC 6750, 3: refused, and told how to ask.
pub(super) fn no_user_info(session: &mut Session<'_>, token: Token) -> Done<()> {
    let url = session.shared.parties.endpoint("userinfo_endpoint")?;
    super::refused::without_access(session, &url, token)
}

/// <https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest>
pub(super) fn prompt(session: &mut Session<'_>, name: &str, does: Prompt) -> Done<()> {
    let launch = session.launch_named(name)?;
    match does {
        Prompt::NoneLoggedOut => {
            let mut nobody = Browser::new(Leaves::At(Vec::new()));
            let change = [("prompt".to_owned(), Some("none".to_owned()))].into();
            let differently = Differently { change, browser: Some(&mut nobody), ..Differently::default() };
            match session.authorize(&launch, differently)? {
                Ended::Page(page) => wrong(format!("prompt=none shows a page: {}", redact::url(&page.url))),
                Ended::Back(back) if back.value("code").is_some() => {
                    wrong("somebody who was not logged in gets a code: a page was shown")
                }
                Ended::Back(back) => match back.value("error") {
                    Some("login_required" | "interaction_required") => Ok(()),
                    _ => wrong(format!("the error is {}, expected login_required", said(&back))),
                },
            }
        }
        Prompt::Login => {
            let (mut somebody, url) = logged_in(session, name)?;
            let landed = somebody.open(&url)?;
            match landed {
                crate::party::browser::Landed::Page(page) if asks_for_password(&page.text) => Ok(()),
                _ => wrong("prompt=login does not ask for a log-in anew"),
            }
        }
        Prompt::MaxAge => {
            let change = [("max_age".to_owned(), Some("36000".to_owned()))].into();
            let launched = session.launch_differently(&launch, Differently { change, ..Differently::default() })?;
            let claims = unverified(&launched, 1)?;
            // "When max_age is used, the ID Token returned MUST include an auth_time Claim Value."
            if claims["auth_time"].as_i64().is_some() {
                Ok(())
            } else {
                wrong("the id_token has no auth_time, and max_age was sent")
            }
        }
    }
}

fn asks_for_password(text: &str) -> bool {
    text.contains("type=\"password\"") || text.contains("type=password") || text.contains("type='password'")
}

/// A browser in which the launch's person is logged in, and the address with `prompt=login`.
fn logged_in(session: &mut Session<'_>, name: &str) -> Done<(Browser, String)> {
    let launch = session.launch_named(name)?;
    // Through the whole way once, so that somebody is logged in.
    let (back, _) = session.code(&launch, Differently::default())?;
    let parties = &session.shared.parties;
    let setup = parties.setup()?;
    if setup.script.authorize.as_ref().is_some_and(|way| !way.command.is_empty()) {
        return skip("a command logs in: nobody stays logged in here");
    }
    let changes =
        [("aud".to_owned(), Some(session.run.server.base.clone())), ("prompt".to_owned(), Some("login".to_owned()))];
    let asked = parties.discovered()?.authorization(&back.client, setup.redirect_uri(), &launch.scope, &changes)?;
    let mut browser = parties.browser(&launch.person);
    browser.leave_at(vec![setup.redirect_uri().to_owned()]);
    Ok((browser, asked.url))
}
