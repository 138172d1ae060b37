//! HTTP: requests to the server under test, and what of them is kept for the report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// How long one answer may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// How long a server may keep it waiting for one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much of a body the report keeps, in bytes.
const KEPT: usize = 6_000;

/// A FHIR server, as one reaches it.
pub struct Server {
    /// `https://example.org/fhir`, without a slash at its end.
    pub base: String,
    token: Option<String>,
    agent: Agent,
}

/// A request and its answer, for the report: of long bodies the beginning.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub method: String,
    pub url: String,
    pub sent: Option<String>,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// The size of the whole body, in bytes.
    pub size: usize,
    pub took: Duration,
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) body: Vec<u8>,
}

/// What is sent with a request; the token goes along in any case.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sending<'a> {
    pub(crate) accept: Option<&'a str>,
    pub(crate) prefer: Option<&'a str>,
    /// A form, for a search by POST.
    pub(crate) form: Option<&'a str>,
}

impl Server {
    pub fn new(base: &str, token: Option<String>) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(TIME_LIMIT))
            .build()
            .into();
        Self { base: base.trim_end_matches('/').to_owned(), token, agent }
    }

    /// For whoever brings its own credentials. A connection each: one that the server is just closing would be taken for
    /// a lost answer, and what is good once cannot be sent twice.
    pub(crate) fn without_token(base: &str) -> Self {
        Self::trusting(base, None)
    }

    /// `authority`: certificates in PEM that are trusted in place of the public authorities'.
    pub(crate) fn trusting(base: &str, authority: Option<&str>) -> Self {
        let certificates = authority.map(|pem| {
            parse_pem(pem.as_bytes()).filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
        });
        let mut tls = TlsConfig::builder();
        if let Some(certificates) = certificates {
            tls = tls.root_certs(RootCerts::new_with_certs(&certificates.collect::<Vec<_>>()));
        }
        let agent = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(0)
            .timeout_global(Some(TIME_LIMIT))
            .build()
            .into();
        Self { base: base.trim_end_matches('/').to_owned(), token: None, agent }
    }

    /// A path below the base, or a whole URL.
    pub(crate) fn url(&self, path: &str) -> String {
        if path.starts_with("http://") || path.starts_with("https://") {
            path.to_owned()
        } else if path.is_empty() || path.starts_with('?') {
            format!("{}{path}", self.base)
        } else {
            format!("{}/{path}", self.base)
        }
    }

    /// Reads or searches; asks once more if the connection breaks, since that changes nothing at the server.
    pub(crate) fn send(&self, path: &str, sending: Sending<'_>) -> Result<Answer, String> {
        let method = if sending.form.is_some() { "POST" } else { "GET" };
        let mut headers = vec![("accept", sending.accept.unwrap_or("application/fhir+json"))];
        headers.extend(sending.prefer.map(|prefer| ("prefer", prefer)));
        headers.extend(sending.form.map(|_| ("content-type", "application/x-www-form-urlencoded")));
        self.request(method, path, &headers, sending.form)
            .or_else(|_| self.request(method, path, &headers, sending.form))
    }

    /// Any request, once; where the server asks for patience (429 with `Retry-After`: RFC 6585, 4), after that time again.
    pub(crate) fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Answer, String> {
        let url = self.url(path);
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.try_request(method, &url, headers, body);
            let answer = answer.map_err(|error| format!("{method} {url}: no answer: {error}"))?;
            let wait = answer.header("retry-after").filter(|_| answer.status() == 429);
            match wait.and_then(|wait| wait.parse().ok()).map(Duration::from_secs) {
                Some(wait) if Instant::now() + wait < until => std::thread::sleep(wait),
                _ => return Ok(answer),
            }
        }
    }

    fn try_request(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        sent: Option<&str>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // The token is for this server, not for whom its links may name.
        if let Some(token) = self.token.as_ref().filter(|_| url.starts_with(&self.base)) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let started = Instant::now();
        let mut response = match sent {
            Some(sent) => self.agent.run(request.body(sent)?)?,
            None => self.agent.run(request.body(())?)?,
        };
        let body = response.body_mut().with_config().limit(1 << 28).read_to_vec()?;
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let exchange = Exchange {
            method: method.to_owned(),
            url: url.to_owned(),
            sent: sent.map(|sent| sent[..sent.floor_char_boundary(KEPT)].to_owned()),
            status: response.status().as_u16(),
            headers: headers.collect(),
            body: String::from_utf8_lossy(&body[..body.len().min(KEPT)]).into_owned(),
            size: body.len(),
            took: started.elapsed(),
        };
        Ok(Answer { exchange: Arc::new(exchange), body })
    }
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.exchange.status
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.exchange.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| format!("the body is no JSON: {error}"))
    }
}
