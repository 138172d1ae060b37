//! A client of the API: a token, and requests that say what they expect.

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

/// A client with a base address and, mostly, a token.
#[derive(Clone)]
pub(crate) struct Client {
    /// `http://127.0.0.1:1234/apis/default/fhir`
    pub(crate) base: String,
    pub(crate) token: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

fn agent() -> &'static Agent {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| {
        Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // A connection each: one that the server is just closing would be taken for a lost answer.
            .max_idle_connections(0)
            .timeout_global(Some(Duration::from_secs(120)))
            .build()
            .into()
    })
}

impl Client {
    /// Sends a request; a path that is no URL is one below the base. No answer is an error.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer, ureq::Error> {
        let url = match path {
            path if path.starts_with("http") => path.to_owned(),
            "" => self.base.clone(),
            path if path.starts_with('?') => format!("{}{path}", self.base),
            path => format!("{}/{path}", self.base),
        };
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = self.token.as_ref().filter(|_| headers.iter().all(|(name, _)| *name != "authorization")) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = match body {
            Some(body) => {
                if headers.iter().all(|(name, _)| *name != "content-type") {
                    request = request.header("content-type", "application/fhir+json");
                }
                agent().run(request.body(body)?)?
            }
            None => agent().run(request.body(())?)?,
        };
        let body = response.body_mut().with_config().limit(1 << 30).read_to_vec()?;
        Ok(Answer { status: response.status().as_u16(), headers: response.headers().clone(), body })
    }

    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        self.try_send(method, path, headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], None)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, resource: &Value) -> Answer {
        self.send("POST", path, &[], Some(resource.to_string().as_bytes()))
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, resource: &Value) -> Answer {
        self.send("PUT", path, &[], Some(resource.to_string().as_bytes()))
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], None)
    }

    /// Creates the resource; returns its id.
    #[track_caller]
    pub(crate) fn create(&self, resource: &Value) -> String {
        let answer = self.post(resource["resourceType"].as_str().expect("a resource"), resource).expect(201);
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// The ids of a search's matches, over all its pages.
    #[track_caller]
    pub(crate) fn ids(&self, search: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut next = Some(search.to_owned());
        while let Some(page) = next {
            let bundle = self.get(&page).expect(200).json();
            found.extend(matches(&bundle).map(|resource| resource["id"].as_str().expect("an id").to_owned()));
            next = link(&bundle, "next");
        }
        found
    }
}

/// A name or value of a query, percent-encoded.
pub(crate) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The resources that matched; not the included ones.
pub(crate) fn matches(bundle: &Value) -> impl Iterator<Item = &Value> {
    let entries = bundle["entry"].as_array().into_iter().flatten();
    entries.filter(|entry| entry["search"]["mode"] == "match").map(|entry| &entry["resource"])
}

/// The Bundle's link of that relation.
pub(crate) fn link(bundle: &Value, relation: &str) -> Option<String> {
    let links = bundle["link"].as_array().into_iter().flatten();
    links.filter(|link| link["relation"] == relation).find_map(|link| link["url"].as_str().map(str::to_owned))
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "the answer is {}", String::from_utf8_lossy(&self.body));
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The issues of the OperationOutcome, as `code: expression: text`; every refusal has one.
    #[track_caller]
    pub(crate) fn issues(&self) -> Vec<String> {
        let outcome = self.json();
        assert_eq!(outcome["resourceType"], "OperationOutcome", "{outcome}");
        let issues = outcome["issue"].as_array().expect("issues");
        assert!(!issues.is_empty(), "{outcome}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let shown = issues.iter().map(|issue| {
            let says = text(&issue["details"]["text"]) + &text(&issue["diagnostics"]);
            format!("{}: {}: {says}", text(&issue["code"]), text(&issue["expression"][0]))
        });
        shown.collect()
    }
}
