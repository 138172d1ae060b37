//! An HTTP proxy before a server, which may change what is asked and what is answered.

use std::convert::Infallible;
use std::net::Ipv4Addr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::{Client, runtime};

/// What a client asks, as the server gets it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Below the FHIR base: `Patient`, `Patient/1`, `Patient/_search`.
    pub(super) path: String,
    /// Of the URL, or of a form.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) headers: Vec<(String, String)>,
    /// What is no form.
    pub(super) body: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// A change: of the request on its way in, and of the answer on its way out.
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) ask: fn(&mut Asked),
    /// Gets the request as the client sent it.
    pub(super) answer: fn(&Asked, &mut Reply, &Upstream),
}

/// The server behind.
#[derive(Clone)]
pub(super) struct Upstream {
    /// `http://localhost:1234`
    address: String,
    /// Of the FHIR API: `/apis/default/fhir`
    path: String,
    /// As clients know it.
    proxy: String,
    token: String,
}

/// A running proxy; it ends when this is dropped.
pub(super) struct Proxy {
    pub(super) base: String,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Before the server that the client talks to.
    pub(super) fn start(client: &Client, change: Change) -> Self {
        let listener = runtime().block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let proxy = format!("http://localhost:{}", listener.local_addr().expect("its address").port());
        let at = client.base.find("/apis/").expect("the path of the API");
        let (address, path) = (client.base[..at].to_owned(), client.base[at..].to_owned());
        let base = format!("{proxy}{path}");
        let token = client.token.clone().unwrap_or_default();
        let upstream = Upstream { address, path, proxy, token };
        let task = runtime().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let upstream = upstream.clone();
                let service = service_fn(move |request| handle(request, upstream.clone(), change));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { base, task }
    }
}

async fn handle(
    request: hyper::Request<Incoming>,
    upstream: Upstream,
    change: Change,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let path = head.uri.path().strip_prefix(&upstream.path).unwrap_or_default().trim_start_matches('/').to_owned();
    let is_form =
        head.headers.get("content-type").is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form"));
    let own = |text: String| text.replace(&upstream.proxy, &upstream.address);
    let (form, body) = match is_form {
        true => (body, None),
        false if body.is_empty() => (body, None),
        false => (Bytes::new(), Some(own(String::from_utf8_lossy(&body).into_owned()))),
    };
    let pairs = [head.uri.query().unwrap_or_default().as_bytes(), &form];
    let parameters = pairs.into_iter().flat_map(|text| form_urlencoded::parse(text).into_owned());
    let parameters = parameters.map(|(name, value)| (name, own(value))).collect();
    let kept = [
        "accept",
        "accept-encoding",
        "authorization",
        "content-type",
        "if-match",
        "if-none-exist",
        "if-none-match",
        "prefer",
    ];
    let headers =
        kept.into_iter().filter_map(|name| Some((name.to_owned(), head.headers.get(name)?.to_str().ok()?.to_owned())));
    let asked = Asked { method: head.method.to_string(), path, parameters, headers: headers.collect(), body };
    // The harness's client blocks.
    let reply = tokio::task::spawn_blocking(move || {
        let mut changed = asked.clone();
        (change.ask)(&mut changed);
        let mut reply = upstream.send(&changed);
        (change.answer)(&asked, &mut reply, &upstream);
        reply
    });
    Ok(reply.await.expect("the change does not panic").into_response())
}

impl Upstream {
    /// What a change sends along when it asks for itself.
    pub(super) fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Passes it on; the server's address becomes the proxy's in what comes back.
    pub(super) fn send(&self, asked: &Asked) -> Reply {
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(&asked.parameters).finish();
        let mut headers: Vec<(&str, &str)> =
            asked.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let client = Client { base: format!("{}{}", self.address, self.path), token: None };
        let query = if encoded.is_empty() { String::new() } else { format!("?{encoded}") };
        let answer = if asked.path.ends_with("_search") && asked.body.is_none() {
            headers.retain(|(name, _)| *name != "content-type");
            headers.push(("content-type", "application/x-www-form-urlencoded"));
            client.send("POST", &asked.path, &headers, Some(encoded.as_bytes()))
        } else {
            let body = asked.body.as_ref().map(String::as_bytes);
            client.send(&asked.method, &format!("{}{query}", asked.path), &headers, body)
        };
        let kept = ["content-type", "etag", "last-modified", "location", "www-authenticate"];
        let kept = kept.into_iter().filter_map(|name| Some((name.to_owned(), answer.header(name)?.to_owned())));
        let kept = kept.map(|(name, value)| (name, value.replace(&self.address, &self.proxy)));
        let body = match String::from_utf8(answer.body.clone()) {
            Ok(text) => text.replace(&self.address, &self.proxy).into_bytes(),
            Err(bytes) => bytes.into_bytes(),
        };
        Reply { status: answer.status, headers: kept.collect(), body }
    }
}

impl Asked {
    pub(super) fn has(&self, name: &str) -> bool {
        self.parameters.iter().any(|(known, _)| known == name)
    }

    /// The value of a parameter, to be changed.
    pub(super) fn value(&mut self, name: &str) -> Option<&mut String> {
        self.parameters.iter_mut().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub(super) fn drop(&mut self, name: &str) {
        self.parameters.retain(|(known, _)| known != name);
    }
}

impl Reply {
    pub(super) fn into_response(self) -> hyper::Response<Full<Bytes>> {
        let mut response = hyper::Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Full::new(self.body.into())).expect("a response")
    }

    /// Changes the JSON of the body, if it is that.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut body) = serde_json::from_slice(&self.body) {
            change(&mut body);
            self.body = body.to_string().into_bytes();
        }
    }

    /// Changes each resource, in a Bundle or alone.
    pub(super) fn resources(&mut self, change: impl Fn(&mut Value)) {
        self.edit(|body| {
            if body["resourceType"] == "Bundle" {
                for entry in body["entry"].as_array_mut().into_iter().flatten() {
                    change(&mut entry["resource"]);
                }
            } else {
                change(body);
            }
        });
    }

    /// Changes the entries of a Bundle.
    pub(super) fn entries(&mut self, change: impl FnOnce(&mut Vec<Value>)) {
        self.edit(|body| {
            if let Some(entries) = body.get_mut("entry").and_then(Value::as_array_mut) {
                change(entries);
            }
        });
    }

    pub(super) fn refuse(&mut self, status: u16) {
        self.status = status;
        let issue = serde_json::json!([{ "severity": "error", "code": "not-found" }]);
        self.body = serde_json::json!({ "resourceType": "OperationOutcome", "issue": issue }).to_string().into_bytes();
    }

    pub(super) fn header(&mut self, name: &str, value: &str) {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.to_owned(), value.to_owned()));
    }
}
