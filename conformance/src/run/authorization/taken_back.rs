//! Tokens on their way: renewed, asked about, and taken back.

use serde_json::Value;

use super::flow::Launched;
use super::{Done, Introspect, Refresh, Revoke, Session, skip, wrong};
use crate::party::Kind;
use crate::party::client::{ASSERTION_TYPE, Assertion, Client};
use crate::party::relying::Grant;

fn grant(token: &str) -> Grant<'_> {
    Grant::Refresh { token, scope: None }
}

impl Session<'_> {
    /// New tokens for this refresh token.
    fn refreshed(&mut self, launched: &Launched, token: &str) -> Done<Launched> {
        let client = launched.back.client.clone();
        let (answer, tokens) = self.token(&client, grant(token), &Assertion::default(), &[])?;
        if answer.status() != 200 {
            let body = answer.json().unwrap_or_default();
            return wrong(format!("the refresh token is refused: status {} {}", answer.status(), body["error"]));
        }
        let body = answer.json()?;
        let back =
            super::flow::Back { client, asked: launched.back.asked.clone(), parameters: Vec::new(), launch: None };
        Ok(Launched { back, answer, body, tokens, exchanges: Vec::new() })
    }

    /// Whether the FHIR API lets this token at what it is for.
    fn works(&mut self, launched: &Launched, token: &str) -> Done<bool> {
        let Some(patient) = launched.text("patient") else { return wrong("the token response has no patient") };
        Ok(self.fhir_get(&format!("Patient/{patient}"), token)?.status() == 200)
    }

    fn refused(&mut self, client: &Client, grant: Grant<'_>, error: &str) -> Done<()> {
        let (answer, _) = self.token(client, grant, &Assertion::default(), &[])?;
        if answer.status() == 200 {
            return wrong("there are tokens");
        }
        self.oauth_error("the refresh", &answer, &[error.to_owned()]);
        self.not_stored("the refusal", &answer);
        Ok(())
    }
}

/// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#refresh-access-token>
pub(super) fn refresh(session: &mut Session<'_>, name: &str, does: Refresh, scope: Option<&str>) -> Done<()> {
    let launch = session.launch_named(name)?;
    let launched = session.launch_anew(&launch)?;
    let first = launched.refresh_token()?.to_owned();
    let client = launched.back.client.clone();
    match does {
        Refresh::Works => {
            let second = session.refreshed(&launched, &first)?;
            second.tokens()?;
            session.not_stored("the token response", &second.answer);
            for scope in second.scopes().iter().filter(|scope| !launched.scopes().contains(scope)) {
                session.problem(format!("{scope} is granted by the refresh, and was not before"));
            }
            if second.body["token_type"] != "Bearer" || second.body["expires_in"].as_u64().is_none() {
                session.problem("the token response has no token_type Bearer or no expires_in");
            }
            let token = second.access_token()?.to_owned();
            if !session.works(&launched, &token)? {
                session.problem("the new access token does not open the patient in context");
            }
            Ok(())
        }
        Refresh::Context => {
            let second = session.refreshed(&launched, &first)?;
            for name in ["patient", "encounter"] {
                if launched.text(name).is_some()
                    && second.body.get(name).is_some_and(|value| *value != launched.body[name])
                {
                    session.problem(format!("{name} is another than before"));
                }
            }
            if second.text("patient").is_none() {
                session.problem("the launch context is not told again");
            }
            Ok(())
        }
        Refresh::Rotates => {
            let second = session.refreshed(&launched, &first)?;
            match second.text("refresh_token") {
                Some(token) if token != first => {
                    let token = token.to_owned();
                    session.refreshed(&launched, &token).map(|_| ())
                }
                _ => wrong("the refresh token of a public client is not replaced by another"),
            }
        }
        Refresh::Replayed => {
            let second = session.refreshed(&launched, &first)?;
            session.refused(&client, grant(&first), "invalid_grant")?;
            let token = second.access_token()?.to_owned();
            if session.works(&launched, &token)? {
                session.problem("a refresh token was used twice, and what came of it still works");
            }
            Ok(())
        }
        Refresh::Narrower => {
            let scope = scope.unwrap_or_default();
            let (answer, tokens) = session.token(
                &client,
                Grant::Refresh { token: &first, scope: Some(scope) },
                &Assertion::default(),
                &[],
            )?;
            tokens.map_err(|error| format!("the refresh: {error}"))?;
            let body = answer.json()?;
            let granted: Vec<&str> = body["scope"].as_str().unwrap_or_default().split_ascii_whitespace().collect();
            for extra in
                granted.iter().filter(|granted| !scope.split_ascii_whitespace().any(|asked| asked == **granted))
            {
                session.problem(format!("{extra} is granted, and was not asked for"));
            }
            Ok(())
        }
        Refresh::Wider => {
            let wider = Grant::Refresh { token: &first, scope };
            session.refused(&client, wider, "invalid_scope")
        }
        Refresh::Unknown => session.refused(&client, grant("not-a-refresh-token"), "invalid_grant"),
        Refresh::OfAnother => {
            let stranger = session.shared.parties.client(session, Kind::Stranger)?;
            session.refused(&stranger, grant(&first), "invalid_grant")?;
            // And whose it is has it still.
            session.refreshed(&launched, &first).map(|_| ())
        }
        Refresh::Identity => {
            let second = session.refreshed(&launched, &first)?;
            if second.text("id_token").is_none() {
                // "Upon successful validation of the Refresh Token, the response body ... might not contain an id_token."
                return Ok(());
            }
            let discovered = session.shared.parties.discovered()?;
            let (before, _) = discovered.identity(&client, launched.identified()?, Some(&launched.back.asked.nonce))?;
            let (after, _) = discovered.identity(&client, second.identified()?, None)?;
            if before != after {
                session.problem("the id_token of the refresh is of another subject");
            }
            Ok(())
        }
    }
}

/// How a client says to an endpoint who it is.
fn credentials(session: &Session<'_>, client: &Client) -> Done<Vec<(String, String)>> {
    let mut pairs = vec![("client_id".to_owned(), client.id.clone())];
    pairs.extend(client.secret.clone().map(|secret| ("client_secret".to_owned(), secret)));
    if let Some(key) = &client.key {
        let audience = session.shared.parties.endpoint("token_endpoint")?;
        pairs.push(("client_assertion_type".to_owned(), ASSERTION_TYPE.to_owned()));
        pairs.push(("client_assertion".to_owned(), key.assertion(&client.id, &audience, &Assertion::default())?));
    }
    Ok(pairs)
}

fn about(session: &mut Session<'_>, client: &Client, token: &str) -> Done<Value> {
    let url = session.shared.parties.endpoint("introspection_endpoint")?;
    let mut pairs = credentials(session, client)?;
    pairs.push(("token".to_owned(), token.to_owned()));
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = session.form(&url, &[], &pairs)?;
    match answer.status() {
        200 => Ok(answer.json()?),
        status => wrong(format!("introspection: status {status}, expected 200")),
    }
}

/// <https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html>
pub(super) fn introspect(session: &mut Session<'_>, name: &str, asks: Introspect) -> Done<()> {
    let launched = session.launched(name)?;
    let launched = match launched.as_ref() {
        Ok(launched) => launched,
        Err(stop) => return Err(stop.clone()),
    };
    let client = launched.back.client.clone();
    let token = launched.access_token()?.to_owned();
    match asks {
        Introspect::Members => {
            let about = about(session, &client, &token)?;
            if about["active"] != true {
                session.problem(format!("active is {}, expected true", about["active"]));
            }
            if about["client_id"] != client.id.as_str() {
                session.problem("client_id is not the client's");
            }
            if about["scope"] != launched.body["scope"] {
                session.problem(format!("scope is {}, expected {}", about["scope"], launched.body["scope"]));
            }
            let now = crate::party::client::now();
            let lifetime = launched.body["expires_in"].as_i64().unwrap_or_default();
            match about["exp"].as_i64() {
                None => session.problem(format!("exp is {}, expected a time in seconds", about["exp"])),
                Some(exp) if exp < now || exp > now + lifetime + 60 => {
                    session.problem("exp is not the end of what expires_in says");
                }
                Some(_) => {}
            }
            Ok(())
        }
        Introspect::Context => {
            let about = about(session, &client, &token)?;
            for name in ["patient", "encounter", "need_patient_banner", "intent", "fhirContext"] {
                if let Some(told) = launched.body.get(name)
                    && about.get(name) != Some(told)
                {
                    session.problem(format!("{name} stands in the token response, and is {} here", about[name]));
                }
            }
            Ok(())
        }
        Introspect::Identity => {
            let about = about(session, &client, &token)?;
            let discovered = session.shared.parties.discovered()?;
            let nonce = Some(launched.back.asked.nonce.as_str());
            let (subject, claims) = discovered.identity(&client, launched.identified()?, nonce)?;
            let issuer = discovered.issuer();
            if about["iss"] != issuer || about["sub"] != subject.as_str() {
                session.problem("iss and sub are not those of the id_token");
            }
            if claims.fhir_user.is_some_and(|user| about["fhirUser"] != user.as_str()) {
                session.problem(format!("fhirUser is {}, and another in the id_token", about["fhirUser"]));
            }
            Ok(())
        }
        Introspect::Unknown => {
            // "only active: false": RFC 7662, 2.2.
            let about = about(session, &client, "not-a-token")?;
            if about == serde_json::json!({ "active": false }) {
                Ok(())
            } else {
                wrong(format!("the answer is {about}, expected only active: false"))
            }
        }
        Introspect::Nobody => {
            let url = session.shared.parties.endpoint("introspection_endpoint")?;
            let answer = session.form(&url, &[], &[("token", &token)])?;
            match answer.status() {
                400 | 401 | 403 => Ok(()),
                status => wrong(format!("who does not say who asks gets status {status}, expected 401")),
            }
        }
        Introspect::ByBearer => {
            let url = session.shared.parties.endpoint("introspection_endpoint")?;
            let bearer = format!("Bearer {token}");
            let answer = session.form(&url, &[("authorization", &bearer)], &[("token", &token)])?;
            if answer.status() == 200 && answer.json()?["active"] == true {
                Ok(())
            } else {
                wrong(format!("with an access token in the header: status {}, expected active: true", answer.status()))
            }
        }
    }
}

fn revoked(session: &mut Session<'_>, client: &Client, token: &str) -> Done<()> {
    let url = session.shared.parties.endpoint("revocation_endpoint")?;
    let mut pairs = credentials(session, client)?;
    pairs.push(("token".to_owned(), token.to_owned()));
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    match session.form(&url, &[], &pairs)?.status() {
        200 => Ok(()),
        status => wrong(format!("the revocation: status {status}, expected 200")),
    }
}

/// RFC 7009, 2.
pub(super) fn revoke(session: &mut Session<'_>, name: &str, does: Revoke) -> Done<()> {
    let launch = session.launch_named(name)?;
    let launched = session.launch_anew(&launch)?;
    let client = launched.back.client.clone();
    let token = launched.access_token()?.to_owned();
    if !session.works(&launched, &token)? {
        return wrong("the access token does not open the patient in context");
    }
    match does {
        Revoke::AccessToken => {
            revoked(session, &client, &token)?;
            if session.works(&launched, &token)? {
                session.problem("the access token works after its revocation");
            }
            Ok(())
        }
        Revoke::RefreshToken => {
            let refresh = launched.refresh_token()?.to_owned();
            revoked(session, &client, &refresh)?;
            session.refused(&client, grant(&refresh), "invalid_grant")?;
            // "SHOULD also invalidate all access tokens based on the same authorization grant": RFC 7009, 2.1.
            if session.works(&launched, &token)? {
                session.problem("the access token works after the revocation of its refresh token");
            }
            Ok(())
        }
        Revoke::Unknown => revoked(session, &client, "not-a-token"),
        Revoke::OfAnother => {
            let stranger = session.shared.parties.client(session, Kind::Stranger)?;
            let url = session.shared.parties.endpoint("revocation_endpoint")?;
            let mut pairs = credentials(session, &stranger)?;
            pairs.push(("token".to_owned(), token.clone()));
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            session.form(&url, &[], &pairs)?;
            if session.works(&launched, &token)? {
                Ok(())
            } else {
                wrong("another client's revocation has ended the token")
            }
        }
        Revoke::ByPerson => {
            let parties = &session.shared.parties;
            let Some(way) = &parties.setup()?.script.revoke else {
                return skip("the script has no way to take back what an app was granted");
            };
            let names = [
                ("client_id".to_owned(), client.id.clone()),
                ("client_name".to_owned(), launch.client.client_name().to_owned()),
            ];
            parties.go(session, &launch.person, way, None, &[], &names.into())?;
            if session.works(&launched, &token)? {
                session.problem("the access token works after the person took it back");
            }
            let refresh = launched.refresh_token()?.to_owned();
            session.refused(&client, grant(&refresh), "invalid_grant")
        }
    }
}
