//! A relay before a server that calls itself by the relay's address: what passes may be changed, and what the server has
//! signed stays good. For faults of the authorization server, whose answers name it.

use std::convert::Infallible;
use std::net::Ipv4Addr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use vesta_server::config::SiteName;

use super::proxy::Reply;
use crate::harness::{Client, Database, World, runtime};

/// A request, as the client has sent it.
#[derive(Debug, Clone)]
pub(super) struct Passing {
    pub(super) method: String,
    /// With its query.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What is done to a request on its way in, and to its answer on its way out.
#[derive(Clone, Copy)]
pub(super) struct Fault {
    pub(super) ask: fn(&mut Passing),
    pub(super) answer: fn(&Passing, &mut Reply),
}

/// A world behind relays.
pub(super) struct Relayed {
    pub(super) world: World,
    /// `http://localhost:1234`
    pub(super) address: String,
    listener: std::net::TcpListener,
}

/// A running relay; it ends when this is dropped.
pub(super) struct Relay(JoinHandle<()>);

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Relayed {
    pub(super) fn new() -> Relayed {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a listener for tasks");
        let address = format!("http://localhost:{}", listener.local_addr().expect("its address").port());
        let world = World::new(Database::Sqlite, |config| {
            let site = config.sites.entry(SiteName::default()).or_default();
            site.public_url = Some(address.parse().expect("an address"));
        });
        Relayed { world, address, listener }
    }

    /// Relays with this fault until the relay is dropped.
    pub(super) fn with(&self, fault: Fault) -> Relay {
        let listener = self.listener.try_clone().expect("the listener");
        let upstream = self.world.address();
        Relay(runtime().spawn(async move {
            let listener = TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let upstream = upstream.clone();
                let service = service_fn(move |request| relay(request, upstream.clone(), fault));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        }))
    }
}

async fn relay(
    request: hyper::Request<Incoming>,
    upstream: String,
    fault: Fault,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let headers =
        head.headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    let passing = Passing { method: head.method.to_string(), path, headers: headers.collect(), body };
    // The harness's client blocks.
    let reply = tokio::task::spawn_blocking(move || {
        let mut changed = passing.clone();
        (fault.ask)(&mut changed);
        let own = ["host", "content-length", "connection", "accept-encoding"];
        let headers = changed.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<(&str, &str)> = headers.filter(|(name, _)| !own.contains(name)).collect();
        let body = if changed.body.is_empty() { None } else { Some(changed.body.as_slice()) };
        let client = Client { base: upstream.clone(), token: None };
        let answer = client.send(&changed.method, &format!("{upstream}{}", changed.path), &headers, body);
        let own = ["transfer-encoding", "content-length", "connection", "content-encoding"];
        let headers = answer.headers.iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let headers = headers.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
        let mut reply = Reply { status: answer.status, headers: headers.collect(), body: answer.body.clone() };
        (fault.answer)(&passing, &mut reply);
        reply
    });
    Ok(reply.await.expect("the fault does not panic").into_response())
}

impl Passing {
    pub(super) fn is_to(&self, endpoint: &str) -> bool {
        self.path.split('?').next().is_some_and(|path| path.ends_with(endpoint))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Of the form.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(&self.body).into_owned();
        pairs.find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Sets a parameter of the address, or takes it away.
    pub(super) fn set_parameter(&mut self, name: &str, value: Option<&str>) {
        let Some((path, query)) = self.path.split_once('?') else { return };
        let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
        let mut pairs: Vec<(String, String)> = pairs.filter(|(known, _)| known != name).collect();
        pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.path = format!("{path}?{query}");
    }
}

impl Reply {
    /// Changes the address to which the browser is sent back.
    pub(super) fn edit_location(&mut self, change: impl Fn(&str) -> String) {
        for (name, value) in &mut self.headers {
            if name == "location" && value.starts_with("https://conformance.example/") {
                *value = change(value);
            }
        }
    }

    /// The refusal becomes tokens.
    pub(super) fn give_tokens(&mut self) {
        self.status = 200;
        let tokens = r#"{"access_token":"x.y.z","token_type":"Bearer","expires_in":300,"scope":"patient/Patient.rs"}"#;
        self.body = tokens.as_bytes().to_vec();
    }

    /// Whether it is a refusal with these words.
    pub(super) fn refuses(&self, words: &str) -> bool {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        self.status >= 400 && body["error_description"].as_str().is_some_and(|text| text.contains(words))
    }
}
