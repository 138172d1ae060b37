//! What apps in a browser may ask from a page of another origin.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support>

use url::Url;

use super::{Done, Origin, Session, skip, wrong};
use crate::party::Kind;

const FOREIGN: &str = "https://nobody-has-registered.example";

pub(super) fn asks(session: &mut Session<'_>, of: Origin) -> Done<()> {
    let base = session.run.server.base.clone();
    match of {
        Origin::Public => {
            for path in [".well-known/smart-configuration", "metadata"] {
                let url = format!("{base}/{path}");
                let answer = session.ask("GET", &url, &[("origin", FOREIGN)], None)?;
                let allowed = answer.header("access-control-allow-origin");
                if ![Some("*"), Some(FOREIGN)].contains(&allowed) {
                    session.problem(format!("{path}: Access-Control-Allow-Origin is {allowed:?}, expected any origin"));
                }
            }
            Ok(())
        }
        Origin::Token => {
            let url = session.shared.parties.endpoint("token_endpoint")?;
            let own = own(session)?;
            preflight(session, &url, "POST", "content-type", &own)?;
            // The answer itself can be read, a refusal too.
            let client = session.shared.parties.client(session, Kind::Public)?;
            let pairs = [("grant_type", "authorization_code"), ("client_id", client.id.as_str()), ("code", "none")];
            let answer = session.form(&url, &[("origin", &own)], &pairs)?;
            allowed(session, "the token endpoint's answer", answer.header("access-control-allow-origin"), &own);
            Ok(())
        }
        Origin::Fhir => {
            let own = own(session)?;
            preflight(session, &format!("{base}/Patient"), "GET", "authorization", &own)?;
            let answer = session.ask("GET", &format!("{base}/Patient"), &[("origin", &own)], None)?;
            allowed(session, "the FHIR API's answer", answer.header("access-control-allow-origin"), &own);
            Ok(())
        }
        Origin::Foreign => {
            // What anybody's page may read of the token endpoint, with the person's cookies even, is no app's business.
            let url = session.shared.parties.endpoint("token_endpoint")?;
            for url in [url, format!("{base}/Patient")] {
                let headers = [
                    ("origin", FOREIGN),
                    ("access-control-request-method", "POST"),
                    ("access-control-request-headers", "authorization"),
                ];
                let answer = session.ask("OPTIONS", &url, &headers, None)?;
                let credentials = answer.header("access-control-allow-credentials");
                match answer.header("access-control-allow-origin") {
                    Some(FOREIGN) => session.problem(format!("{url}: {FOREIGN} may ask, which nobody has registered")),
                    Some(_) if credentials == Some("true") => {
                        session.problem(format!("{url}: anybody may ask with cookies"))
                    }
                    _ => {}
                }
            }
            Ok(())
        }
    }
}

/// The origin of the apps that are registered here.
fn own(session: &mut Session<'_>) -> Done<String> {
    // Registered, so that the server knows its origin.
    session.shared.parties.client(session, Kind::Public)?;
    let url = session.shared.parties.setup()?.redirect_uri();
    match Url::parse(url) {
        Ok(url) => Ok(url.origin().ascii_serialization()),
        Err(error) => skip(format!("{url}: {error}")),
    }
}

/// <https://fetch.spec.whatwg.org/#cors-preflight-fetch>
fn preflight(session: &mut Session<'_>, url: &str, method: &str, header: &str, own: &str) -> Done<()> {
    let headers =
        [("origin", own), ("access-control-request-method", method), ("access-control-request-headers", header)];
    let answer = session.ask("OPTIONS", url, &headers, None)?;
    if !(200..300).contains(&answer.status()) {
        return wrong(format!("{url}: the preflight is answered with {}, expected 200 or 204", answer.status()));
    }
    allowed(session, "the preflight", answer.header("access-control-allow-origin"), own);
    let names = |name: &str, value: &str| {
        let listed = answer.header(name).unwrap_or_default().to_ascii_lowercase();
        listed.split(',').map(str::trim).any(|item| item == value || item == "*" && value != "authorization")
    };
    // GET and POST are allowed in any case: <https://fetch.spec.whatwg.org/#cors-safelisted-method>
    if !names("access-control-allow-headers", header) {
        session.problem(format!("{url}: Access-Control-Allow-Headers does not name {header}"));
    }
    Ok(())
}

fn allowed(session: &mut Session<'_>, what: &str, said: Option<&str>, own: &str) {
    if said != Some(own) && said != Some("*") {
        session.problem(format!("{what}: Access-Control-Allow-Origin is {said:?}, expected {own}"));
    }
}
