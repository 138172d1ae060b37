//! From an authorization request to the tokens.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Done, Launch, Stop, skip, wrong};
use crate::client::{Answer, Exchange};
use crate::party::browser::{Browser, Landed};
use crate::party::client::{Assertion, Client};
use crate::party::page::Page;
use crate::party::redact;
use crate::party::relying::{Asked, Grant, Tokens};
use crate::party::script::{Names, Way};
use crate::run::session::Session;

/// What of a flow is another than it should be.
#[derive(Default)]
pub(super) struct Differently<'a> {
    pub(super) change: BTreeMap<String, Option<String>>,
    pub(super) scope: Option<&'a str>,
    /// `allow`, if nothing is said.
    pub(super) decision: Option<&'a str>,
    /// The authorization request is sent by POST.
    pub(super) by_post: bool,
    /// This value instead of a new launch.
    pub(super) launch: Option<&'a str>,
    /// In this browser instead of the person's.
    pub(super) browser: Option<&'a mut Browser>,
}

/// Where the browser came to.
pub(super) enum Ended {
    /// At the app.
    Back(Back),
    /// At a page that has no step in the script: the server shows it to the person.
    Page(Page),
}

/// What the app gets.
pub(super) struct Back {
    pub(super) client: Arc<Client>,
    pub(super) asked: Asked,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) launch: Option<String>,
}

/// A flow that has come to tokens.
pub(super) struct Launched {
    pub(super) back: Back,
    pub(super) answer: Answer,
    pub(super) body: Value,
    /// What openidconnect makes of it.
    pub(super) tokens: Result<Tokens, String>,
    pub(super) exchanges: Vec<Arc<Exchange>>,
}

impl Back {
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Launched {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.body[name].as_str()
    }

    pub(super) fn access_token(&self) -> Done<&str> {
        self.text("access_token").ok_or_else(|| Stop::Wrong("the token response has no access_token".to_owned()))
    }

    pub(super) fn refresh_token(&self) -> Done<&str> {
        self.text("refresh_token").ok_or_else(|| Stop::Wrong("the token response has no refresh_token".to_owned()))
    }

    pub(super) fn tokens(&self) -> Done<&Tokens> {
        self.tokens.as_ref().map_err(|error| Stop::Wrong(format!("the token response cannot be read: {error}")))
    }

    pub(super) fn scopes(&self) -> Vec<&str> {
        self.text("scope").unwrap_or_default().split_ascii_whitespace().collect()
    }
}

fn way<'w>(way: &'w Option<Way>, what: &str) -> Done<&'w Way> {
    let Some(way) = way else { return skip(format!("the script has no way to {what}")) };
    Ok(way)
}

impl Session<'_> {
    pub(super) fn launch_named(&self, name: &str) -> Done<Launch> {
        let found = self.test.suite.launches.get(name);
        found.cloned().ok_or_else(|| Stop::Wrong(format!("the suite has no launch {name}")))
    }

    /// The record system starts the app: the address to which it sends the browser.
    /// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch>
    pub(super) fn start_from_record_system(&mut self, launch: &Launch) -> Done<Vec<(String, String)>> {
        let parties = &self.shared.parties;
        let setup = parties.setup()?;
        let client = parties.client(self, launch.client)?;
        let names = Names::from([
            ("client_id".to_owned(), client.id.clone()),
            ("client_name".to_owned(), launch.client.client_name().to_owned()),
        ]);
        let ends = [setup.launch_uri().to_owned()];
        let way = way(&setup.script.launch, "start an app from the record system")?;
        match parties.go(self, &launch.person, way, None, &ends, &names)? {
            Landed::Away(url) => Ok(query(&url)),
            Landed::Page(page) => {
                wrong(format!("the app is not started: {} shows `{}`", redact::url(&page.url), page.words()))
            }
        }
    }

    /// Sends a person's browser to authorize, and goes with it until it is back at the app or stays at a page.
    pub(super) fn authorize(&mut self, launch: &Launch, differently: Differently<'_>) -> Done<Ended> {
        let parties = &self.shared.parties;
        let setup = parties.setup()?;
        let discovered = parties.discovered()?;
        let client = parties.client(self, launch.client)?;
        let mut changes = vec![("aud".to_owned(), Some(self.run.server.base.clone()))];
        let mut value = None;
        if let Some(given) = differently.launch {
            value = Some(given.to_owned());
        } else if launch.from_record_system {
            let started = self.start_from_record_system(launch)?;
            value = started.into_iter().find(|(name, _)| name == "launch").map(|(_, value)| value);
        }
        changes.extend(value.clone().map(|value| ("launch".to_owned(), Some(value))));
        for (name, value) in &differently.change {
            changes.retain(|(known, _)| known != name);
            changes.push((name.clone(), value.clone()));
        }
        let scope = differently.scope.unwrap_or(&launch.scope);
        let asked = discovered.authorization(&client, setup.redirect_uri(), scope, &changes)?;
        let mut ends = vec![setup.redirect_uri().to_owned()];
        ends.extend(differently.change.get("redirect_uri").cloned().flatten());
        let mut also = Names::from([("decision".to_owned(), differently.decision.unwrap_or("allow").to_owned())]);
        also.extend(launch.granted.clone().map(|granted| ("granted".to_owned(), granted)));
        let way = way(&setup.script.authorize, "authorize an app")?;
        let landed = match (differently.by_post, differently.browser) {
            (false, None) => parties.go(self, &launch.person, way, Some(&asked.url), &ends, &also)?,
            (by_post, browser) => {
                let mut own = parties.browser(&launch.person);
                let browser = browser.unwrap_or(&mut own);
                browser.leave_at(ends);
                let opened = match by_post {
                    true => {
                        let (place, _) = asked.url.split_once('?').unwrap_or((&asked.url, ""));
                        let pairs = query(&asked.url);
                        let pairs: Vec<(&str, &str)> =
                            pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                        browser.send_pairs(place, &pairs)
                    }
                    false => browser.open(&asked.url),
                };
                let names = parties.names(&launch.person, &also)?;
                let landed = opened.and_then(|opened| way.follow(browser, opened, None, &names));
                browser.take_exchanges().into_iter().for_each(|exchange| self.add_exchange(exchange));
                landed?
            }
        };
        Ok(match landed {
            Landed::Away(url) => Ended::Back(Back { client, asked, parameters: query(&url), launch: value }),
            Landed::Page(page) => Ended::Page(page),
        })
    }

    /// As [`Session::authorize`], where nothing is wrong: there is a code.
    pub(super) fn code(&mut self, launch: &Launch, differently: Differently<'_>) -> Done<(Back, String)> {
        match self.authorize(launch, differently)? {
            Ended::Page(page) => wrong(format!(
                "the browser stays at {}: status {}: `{}`",
                redact::url(&page.url),
                page.status,
                page.words()
            )),
            Ended::Back(back) => match back.value("code").map(str::to_owned) {
                Some(code) => Ok((back, code)),
                None => wrong(format!("there is no code: {}", said(&back))),
            },
        }
    }

    /// Asks the token endpoint as this client.
    pub(super) fn token(
        &mut self,
        client: &Client,
        grant: Grant<'_>,
        assertion: &Assertion,
        changes: &[(String, Option<String>)],
    ) -> Done<(Answer, Result<Tokens, String>)> {
        let parties = &self.shared.parties;
        let redirect_uri = parties.setup()?.redirect_uri();
        let discovered = parties.discovered()?;
        let (answer, tokens) = discovered.token(&parties.http, client, redirect_uri, grant, assertion, changes)?;
        self.note(&answer);
        Ok((answer, tokens))
    }

    /// All of it, anew: for checks that use the tokens up.
    pub(super) fn launch_anew(&mut self, launch: &Launch) -> Done<Launched> {
        self.launch_differently(launch, Differently::default())
    }

    pub(super) fn launch_differently(&mut self, launch: &Launch, differently: Differently<'_>) -> Done<Launched> {
        let (back, code) = self.code(launch, differently)?;
        let verifier = back.asked.verifier.clone();
        let grant = Grant::Code { code: &code, verifier: &verifier };
        let client = back.client.clone();
        let (answer, tokens) = self.token(&client, grant, &Assertion::default(), &[])?;
        if answer.status() != 200 {
            let body = answer.json().unwrap_or_default();
            return wrong(format!("the code is not exchanged: status {} {}", answer.status(), body["error"]));
        }
        let body = answer.json()?;
        Ok(Launched { back, answer, body, tokens, exchanges: Vec::new() })
    }

    /// The launch of this name, done once for all checks that look at it.
    pub(super) fn launched(&mut self, name: &str) -> Done<Arc<Done<Launched>>> {
        let launch = self.launch_named(name)?;
        let (shared, test) = (self.shared, self.test);
        let name = format!("{} {name}", test.suite.name);
        let launched = shared.parties.launched(&name, || {
            let mut session = Session::new(shared, test);
            let done = session.launch_anew(&launch);
            let (exchanges, _) = session.end();
            done.map(|launched| Launched { exchanges, ..launched })
        });
        if let Ok(launched) = launched.as_ref() {
            launched.exchanges.iter().for_each(|exchange| self.add_exchange(exchange.clone()));
        }
        Ok(launched)
    }
}

/// The parameters of an address.
pub(super) fn query(url: &str) -> Vec<(String, String)> {
    let (_, query) = url.split_once('?').unwrap_or((url, ""));
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The error with which the browser came back.
pub(super) fn said(back: &Back) -> String {
    let error = back.value("error").unwrap_or("no error either");
    back.value("error_description").map_or_else(|| error.to_owned(), |text| format!("{error}: {text}"))
}
