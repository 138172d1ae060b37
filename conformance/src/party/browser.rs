//! A browser without scripts: it keeps cookies, follows redirects, and sends forms as they stand in the page.

use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;

use super::page::{Form, Page};
use super::redact;
use crate::client::{Answer, Exchange, Server};

/// How often it lets itself be sent on from one address to the next.
const REDIRECTS: usize = 20;

/// Somebody's browser. A copy goes on from where the original stands.
#[derive(Clone)]
pub struct Browser {
    http: Arc<Server>,
    leaves: Leaves,
    /// By host, then by name.
    cookies: BTreeMap<String, BTreeMap<String, String>>,
    /// What it has asked and been answered since it was last asked.
    exchanges: Vec<Arc<Exchange>>,
}

/// Where it stops: at an app, which nobody serves.
#[derive(Debug, Clone)]
pub enum Leaves {
    /// Outside of this address.
    Server(String),
    /// At addresses that begin with one of these.
    At(Vec<String>),
}

/// Where a chain of redirects ended.
#[derive(Debug, Clone)]
pub enum Landed {
    Page(Page),
    /// At an app.
    Away(String),
}

impl Browser {
    pub fn new(leaves: Leaves) -> Browser {
        let http = Arc::new(Server::without_token(""));
        Browser { http, leaves, cookies: BTreeMap::new(), exchanges: Vec::new() }
    }

    /// In place of the public authorities', it trusts the certificates of this PEM.
    pub fn trusting(leaves: Leaves, authority: &str) -> Browser {
        Browser { http: Arc::new(Server::trusting("", Some(authority))), ..Browser::new(leaves) }
    }

    /// Stops at these addresses from now on.
    pub fn leave_at(&mut self, places: Vec<String>) {
        self.leaves = Leaves::At(places);
    }

    pub fn open(&mut self, url: &str) -> Result<Landed, String> {
        self.go("GET", url, None)
    }

    /// Sends a form with these pairs.
    pub fn submit(&mut self, form: &Form, pairs: &[(String, String)]) -> Result<Landed, String> {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        match form.is_post {
            true => self.go("POST", &form.action, Some(encoded)),
            false => {
                let address = form.action.split('?').next().unwrap_or_default();
                self.go("GET", &format!("{address}?{encoded}"), None)
            }
        }
    }

    /// A form of one's own making.
    pub fn send_pairs(&mut self, url: &str, pairs: &[(&str, &str)]) -> Result<Landed, String> {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.go("POST", url, Some(encoded))
    }

    /// What was asked and answered since the last call.
    pub(crate) fn take_exchanges(&mut self) -> Vec<Arc<Exchange>> {
        std::mem::take(&mut self.exchanges)
    }

    fn is_away(&self, url: &str) -> bool {
        match &self.leaves {
            Leaves::Server(address) => !url.starts_with(address.as_str()),
            Leaves::At(places) => places.iter().any(|place| url.starts_with(place.as_str())),
        }
    }

    fn go(&mut self, method: &str, url: &str, body: Option<String>) -> Result<Landed, String> {
        let (mut method, mut url, mut body) = (method.to_owned(), url.to_owned(), body);
        for _ in 0..REDIRECTS {
            let parsed = Url::parse(&url).map_err(|error| format!("{}: {error}", redact::url(&url)))?;
            let host = parsed.host_str().unwrap_or_default().to_owned();
            let cookies = self.cookies.entry(host.clone()).or_default();
            let cookies: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let cookies = cookies.join("; ");
            let mut headers = vec![("accept", "text/html,application/xhtml+xml")];
            if body.is_some() {
                headers.push(("content-type", "application/x-www-form-urlencoded"));
            }
            if !cookies.is_empty() {
                headers.push(("cookie", &cookies));
            }
            let answer = self.http.request(&method, &url, &headers, body.as_deref())?;
            self.exchanges.push(redact::exchange(&answer.exchange));
            self.keep_cookies(&host, &answer);
            let location = answer.header("location").filter(|_| (300..400).contains(&answer.status()));
            let Some(location) = location else {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                return Ok(Landed::Page(Page::read(&url, answer.status(), text)));
            };
            let next = parsed.join(location).map_err(|error| format!("the redirect leads nowhere: {error}"))?;
            // As it was sent, where it is a whole address: a parser would write it in a form of its own.
            let next = if location.contains("://") { location.to_owned() } else { next.into() };
            if self.is_away(&next) {
                return Ok(Landed::Away(next));
            }
            if !matches!(answer.status(), 307 | 308) {
                (method, body) = ("GET".to_owned(), None);
            }
            url = next;
        }
        Err(format!("redirected without end to {}", redact::url(&url)))
    }

    fn keep_cookies(&mut self, host: &str, answer: &Answer) {
        let set = answer.exchange.headers.iter().filter(|(name, _)| name == "set-cookie");
        for (_, cookie) in set {
            let mut parts = cookie.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let ends = parts.any(|part| part.eq_ignore_ascii_case("max-age=0"));
            let kept = self.cookies.entry(host.to_owned()).or_default();
            match ends {
                true => kept.remove(name),
                false => kept.insert(name.to_owned(), value.to_owned()),
            };
        }
    }
}
