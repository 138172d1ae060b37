//! The HTTP layer over a site of its own: what is sent, and what comes back.

mod app_state;
mod brands;
mod connections;
mod headers;

use std::sync::Arc;

use futures_util::{FutureExt, stream};
use http::{HeaderValue, Method, Uri};
use jiff::SignedDuration;
use poem::{Endpoint, Request, Response};
use serde_json::Value;

use crate::access::NewToken;
use crate::clock::{Clock, Ids};
use crate::config::{Config, SiteName};
use crate::site::{DataFolder, Databases, Sites, issue};

pub(super) struct House {
    pub(super) sites: Arc<Sites>,
    folder: tempfile::TempDir,
}

/// A request, line by line: `POST Patient`, then headers as `name: value`.
pub(super) struct Sent<'a> {
    pub(super) line: &'a str,
    pub(super) headers: &'a [&'a str],
    pub(super) body: &'a [u8],
}

impl House {
    pub(super) fn new(change: impl FnOnce(&mut Config)) -> House {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.sites.entry(SiteName::default()).or_default().public_url = "https://ehr.example.org".parse().ok();
        change(&mut config);
        let data = DataFolder::open(folder.path()).unwrap();
        let listening = config.listen;
        let sites =
            Sites::new(Arc::new(config), data, Databases::Sqlite, listening, Clock::system(), Ids::counting("id"));
        House { sites: Arc::new(sites), folder }
    }

    pub(super) fn token(&self, scope: &str, patient: Option<&str>) -> String {
        let site = SiteName::default();
        let folder = DataFolder::open(self.folder.path()).unwrap();
        let token = NewToken {
            issuer: "https://ehr.example.org/oauth2/default",
            audience: "https://ehr.example.org/apis/default/fhir",
            subject: "tester",
            client_id: "tests",
            scope,
            patient,
            encounter: None,
            fhir_user: None,
            grant: None,
            roles: &[],
            now: self.sites.clock().now(),
            lifetime: SignedDuration::from_mins(5),
            id: "token".to_owned(),
        };
        issue(&folder, &site, &token).unwrap()
    }

    /// What a client with this token is answered.
    async fn answer(&self, token: &str, line: &str, headers: &[&str], body: &[u8]) -> Response {
        self.send(Some(token), &Sent { line, headers, body }).await
    }

    async fn send(&self, token: Option<&str>, sent: &Sent<'_>) -> Response {
        super::endpoint(self.sites.clone()).get_response(sent.request(token)).await
    }
}

impl Sent<'_> {
    fn request(&self, token: Option<&str>) -> Request {
        let (method, path) = self.line.split_once(' ').unwrap();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/apis/default/fhir/{path}") };
        let method: Method = method.parse().unwrap();
        let mut request = Request::builder().method(method).uri(path.parse::<Uri>().unwrap());
        for header in self.headers {
            let (name, value) = header.split_once(": ").unwrap();
            // In whatever letters.
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(self.body.to_vec())
    }
}

/// Status, the headers that mean something, and the body in short.
async fn told(mut response: Response) -> String {
    let mut text = response.status().to_string();
    let shown =
        ["allow", "www-authenticate", "etag", "location", "content-type", "content-encoding", "vary", "retry-after"];
    for name in shown {
        if let Some(value) = response.header(name) {
            text.push_str(&format!("\n  {name}: {value}"));
        }
    }
    for name in ["x-request-id", "x-content-type-options", "cache-control", "content-security-policy"] {
        assert!(response.headers().contains_key(name), "{name} is on every answer");
    }
    let bytes = response.take_body().into_vec().await.unwrap();
    if let Ok(body) = serde_json::from_slice::<Value>(&bytes) {
        for issue in body["issue"].as_array().into_iter().flatten() {
            text.push_str(&format!(
                "\n  {}: {}",
                issue["code"].as_str().unwrap_or_default(),
                issue["diagnostics"].as_str().unwrap_or_default()
            ));
        }
    }
    text
}

const JSON: &str = "content-type: application/fhir+json";

/// The page may run its own scripts and ask this server; nothing else that is served may run at all.
#[tokio::test]
async fn the_document_and_its_page_need_no_token_and_only_the_page_may_run() {
    let house = House::new(|_| {});
    for (path, content_type, may_run) in [
        ("/openapi/fhir.json", "application/json", false),
        ("/openapi/", "text/html; charset=utf-8", true),
        ("/openapi", "text/html; charset=utf-8", true),
    ] {
        let line = format!("GET {path}");
        let mut response = house.send(None, &Sent { line: &line, headers: &[], body: b"" }).await;
        assert_eq!((response.status().as_u16(), response.header("content-type")), (200, Some(content_type)), "{path}");
        let policy = response.header("content-security-policy").unwrap().to_owned();
        assert_eq!(policy.contains("script-src 'unsafe-inline'"), may_run, "{path}");
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        let body = response.take_body().into_string().await.unwrap();
        assert!(body.contains("openapi"), "{path}");
    }
    let refused = house.send(None, &Sent { line: "POST /openapi/fhir.json", headers: &[], body: b"" }).await;
    assert_eq!((refused.status().as_u16(), refused.header("allow")), (405, Some("GET, HEAD")));
}

/// Every error is an OperationOutcome with the status of <https://hl7.org/fhir/R4/http.html#summary>.
#[tokio::test]
async fn every_refusal_is_an_operation_outcome_that_teaches() {
    let house = House::new(|config| config.limits.body_bytes = 2048);
    let all = house.token("user/*.cruds", None);
    let narrow = house.token("patient/Observation.rs", Some("1"));
    let large = vec![b' '; 4096];
    let (all, narrow) = (Some(all.as_str()), Some(narrow.as_str()));
    /// The request line, the token, the headers and the body.
    type Case<'a> = (&'a str, Option<&'a str>, &'a [&'a str], &'a [u8]);
    let cases: [Case<'_>; 24] = [
        ("GET /nothing", None, &[], b""),
        ("GET /apis/other/fhir/Patient", all, &[], b""),
        ("GET Patient", None, &[], b""),
        ("GET Patient", Some("abc"), &[], b""),
        ("GET Condition", narrow, &[], b""),
        ("PUT Observation/1", narrow, &[JSON], br#"{"resourceType":"Observation","id":"1"}"#),
        ("GET Patient/1", all, &[], b""),
        ("GET Nothing/1", all, &[], b""),
        ("GET Patient/1/2/3/4", all, &[], b""),
        ("GET Patient/1/$everything", all, &[], b""),
        ("PATCH Patient/1", all, &[], b""),
        ("DELETE Patient", all, &[], b""),
        ("POST metadata", None, &[], b""),
        ("GET Patient", all, &["accept: application/fhir+xml"], b""),
        ("GET Patient?_format=xml", all, &[], b""),
        ("POST Patient", all, &["content-type: application/fhir+xml"], b"<Patient/>"),
        ("POST Patient", all, &[], b"{}"),
        ("POST Patient", all, &[JSON], b"{\"resourceType\": \"Patient\",\n  \"name\": [}"),
        ("POST Patient", all, &[JSON], br#"{"resourceType":"Observation"}"#),
        ("POST Patient", all, &[JSON], &large),
        ("POST Patient", all, &[JSON, "content-encoding: br"], b"x"),
        ("POST Patient/_search", all, &[JSON], b"{}"),
        ("GET Patient?_nothing=1", all, &["prefer: handling=strict"], b""),
        ("PUT Patient/1", all, &[JSON, "if-match: W/\"3\""], br#"{"resourceType":"Patient","id":"1"}"#),
    ];
    let mut table = String::new();
    for (line, token, headers, body) in cases {
        let response = house.send(token, &Sent { line, headers, body }).await;
        assert!(!response.is_success(), "{line}");
        assert_eq!(response.header("content-type"), Some("application/fhir+json; fhirVersion=4.0"), "{line}");
        table.push_str(&format!("{line} {headers:?}\n  {}\n\n", told(response).await));
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn a_resource_goes_in_and_comes_out_with_its_headers() {
    let house = House::new(|_| ());
    let token = house.token("user/*.cruds", None);
    let patient = br#"{"resourceType":"Patient","id":"a","name":[{"family":"Doe"}],"multipleBirthInteger":1}"#;
    let mut log = String::new();
    for (line, headers, body) in [
        ("PUT Patient/a", &[JSON][..], &patient[..]),
        ("PUT Patient/a", &[JSON, "prefer: return=minimal"], patient),
        ("GET Patient/a", &[], b""),
        ("HEAD Patient/a", &[], b""),
        ("GET Patient/a", &["if-none-match: W/\"2\""], b""),
        ("GET Patient/a", &["if-none-match: W/\"1\""], b""),
        ("GET Patient/a/_history/1", &[], b""),
        ("GET Patient/a/_history", &[], b""),
        (
            "POST Patient/_search?_count=5",
            &["content-type: application/x-www-form-urlencoded"],
            b"family=doe&_summary=count",
        ),
        ("PUT Binary/b", &["content-type: image/png"], b"\x89PNG"),
        ("GET Binary/b", &[], b""),
        ("GET Binary/b", &["accept: application/fhir+json"], b""),
        ("DELETE Patient/a", &[], b""),
        ("GET Patient/a", &[], b""),
    ] {
        log.push_str(&format!(
            "{line} {headers:?}\n  {}\n\n",
            told(house.answer(&token, line, headers, body).await).await
        ));
    }
    insta::assert_snapshot!(log);
    house.answer(&token, "PUT Patient/c", &[JSON], br#"{"resourceType":"Patient","id":"c"}"#).await;
    let (mut get, mut head) =
        (house.answer(&token, "GET Patient/c", &[], b"").await, house.answer(&token, "HEAD Patient/c", &[], b"").await);
    let body = get.take_body().into_vec().await.unwrap();
    assert_eq!(head.header("content-length"), Some(body.len().to_string().as_str()), "HEAD says what GET would send");
    assert_eq!(head.take_body().into_vec().await.unwrap(), b"");
    let raw = house.answer(&token, "GET Binary/b", &[], b"").await.into_body().into_vec().await.unwrap();
    assert_eq!(raw, b"\x89PNG", "the content of a Binary comes out as it went in");
}

/// A parameter that was meant to limit a write must not be passed over: refused whatever the handling.
#[tokio::test]
async fn a_write_with_a_parameter_is_refused_and_does_nothing() {
    let house = House::new(|_| ());
    let token = house.token("user/*.cruds", None);
    let send = async |line: &str, handling: &str, body: &[u8]| {
        let prefer = format!("prefer: handling={handling}");
        house.send(Some(&token), &Sent { line, headers: &[JSON, &prefer], body }).await
    };
    let patient = &br#"{"resourceType":"Patient","id":"w"}"#[..];
    assert_eq!(send("PUT Patient/w?_format=json&_pretty=true", "strict", patient).await.status(), 201);
    for (line, named) in [
        ("PUT Patient/w?foo=bar", "This parameter"),
        ("PUT Patient/w?_summary=true", "`_summary`"),
        ("DELETE Patient/w?_lastUpdated=lt2020", "`_lastUpdated`"),
        ("POST Patient?identifier=1", "This parameter"),
        ("POST /apis/default/fhir?foo=bar", "This parameter"),
    ] {
        for handling in ["strict", "lenient"] {
            let refused = send(line, handling, patient).await;
            assert_eq!(refused.status(), 400, "{line} {handling}");
            let text = refused.into_body().into_string().await.unwrap();
            assert!(text.contains(named) && !text.contains("foo") && !text.contains("2020"), "{line}: {text}");
        }
    }
    assert_eq!(send("GET Patient/w", "strict", b"").await.header("etag"), Some("W/\"1\""));
    assert_eq!(send("DELETE Patient/w?_format=json", "strict", b"").await.status(), 200);
}

#[tokio::test]
async fn a_decimal_keeps_its_digits_pretty_or_not() {
    let house = House::new(|_| ());
    let token = house.token("user/*.cruds", None);
    let body = br#"{"resourceType":"Observation","id":"d","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}"#;
    let put = house.send(Some(&token), &Sent { line: "PUT Observation/d", headers: &[JSON], body }).await;
    assert_eq!(put.status(), 201);
    for (line, found) in
        [("GET Observation/d", "\"value\":1.50"), ("GET Observation/d?_pretty=true", "\n    \"value\": 1.50\n")]
    {
        let response = house.send(Some(&token), &Sent { line, headers: &[], body: b"" }).await;
        let text = response.into_body().into_string().await.unwrap();
        assert!(text.contains(found), "{line}: {text}");
    }
}

#[tokio::test]
async fn bodies_are_compressed_both_ways() {
    use std::io::{Read, Write};
    let house = House::new(|_| ());
    let token = house.token("user/*.cruds", None);
    let text = "x".repeat(5000);
    let body = format!(r#"{{"resourceType":"Patient","id":"z","name":[{{"family":"{text}"}}]}}"#);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let headers = &[JSON, "content-encoding: gzip", "accept-encoding: gzip"][..];
    let response = house.send(Some(&token), &Sent { line: "PUT Patient/z", headers, body: &body }).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    assert_eq!(response.header("vary"), Some("Accept-Encoding"));
    let compressed = response.into_body().into_vec().await.unwrap();
    assert!(compressed.len() < 500);
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&compressed[..]).read_to_string(&mut plain).unwrap();
    assert!(plain.contains(&text));
}

#[tokio::test]
async fn a_switched_off_api_is_not_there_and_system_scopes_are_refused_where_off() {
    let house = House::new(|config| config.apis.fhir = false);
    let token = house.token("user/*.cruds", None);
    let sent = Sent { line: "GET metadata", headers: &[], body: b"" };
    assert_eq!(house.send(Some(&token), &sent).await.status(), 404);

    let house = House::new(|config| config.apis.system_scopes = false);
    let token = house.token("system/*.rs", None);
    let response = house.send(Some(&token), &Sent { line: "GET Patient", headers: &[], body: b"" }).await;
    assert_eq!(response.status(), 403);
}

#[tokio::test]
async fn a_token_of_one_site_is_worthless_at_another() {
    let house = House::new(|config| {
        config.sites.insert("north".parse().unwrap(), crate::config::SiteSettings::default());
    });
    let token = house.token("user/*.cruds", None);
    let ask = async |line| house.send(Some(&token), &Sent { line, headers: &[], body: b"" }).await.status();
    assert_eq!(ask("GET /apis/default/fhir/Patient").await, 200);
    assert_eq!(ask("GET /apis/north/fhir/Patient").await, 401);
}

#[tokio::test]
async fn supervisors_are_told_and_metrics_name_no_path() {
    let house = House::new(|_| ());
    let token = house.token("user/*.cruds", None);
    let ask = async |line| house.send(Some(&token), &Sent { line, headers: &[], body: b"" }).await;
    assert_eq!(ask("GET /health/live").await.status(), 200);
    assert_eq!(ask("GET /health/ready").await.status(), 200);
    assert_eq!(ask("POST /health/live").await.status(), 405);
    ask("GET Patient/a-very-private-id?family=secret").await;
    let metrics = ask("GET /metrics").await.into_body().into_string().await.unwrap();
    assert!(
        metrics.contains("vesta_http_requests_total{method=\"GET\",route=\"/{type}/{id}\",status=\"400\"}"),
        "{metrics}"
    );
    for found in
        ["vesta_writer_alive{site=\"default\"} 1", "vesta_writer_waiting{site=\"default\",line=\"requests\"} 0"]
    {
        assert!(metrics.contains(found), "{metrics}");
    }
    assert!(!metrics.contains("private") && !metrics.contains("secret"));
    // The database is gone: the process lives, and takes no requests.
    house.sites.get("default").await.unwrap().service().store.close().await;
    assert_eq!(ask("GET /health/live").await.status(), 200);
    assert_eq!(ask("GET /health/ready").await.status(), 503);
}

#[tokio::test]
async fn the_clients_request_id_comes_back_and_stands_in_the_outcome() {
    let house = House::new(|_| ());
    let sent = Sent { line: "GET Patient/1", headers: &["x-request-id: mine-1"], body: b"" };
    let response = house.send(None, &sent).await;
    assert_eq!(response.header("x-request-id"), Some("mine-1"));
    let body: Value = serde_json::from_slice(&response.into_body().into_vec().await.unwrap()).unwrap();
    assert_eq!(body["id"], "mine-1");
}

/// "503 … The server MAY send a Retry-After header field": <https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4>
#[tokio::test]
async fn a_request_too_many_is_refused_at_once_and_taken_when_another_ends() {
    let house = House::new(|config| config.limits.concurrent_requests = 1);
    let token = house.token("user/*.cruds", None);
    let endpoint = crate::http::endpoint(house.sites.clone());
    let ask = async |line| endpoint.get_response(Sent { line, headers: &[], body: b"" }.request(Some(&token))).await;

    assert_eq!(ask("GET metadata").await.status(), 200, "the site is open");
    let mut slow = Sent { line: "POST Patient", headers: &[JSON], body: b"" }.request(Some(&token));
    slow.set_body(poem::Body::from_bytes_stream(stream::pending::<std::io::Result<bytes::Bytes>>()));
    let mut slow = Box::pin(endpoint.get_response(slow));
    assert!((&mut slow).now_or_never().is_none(), "it waits for a body that never comes");

    insta::assert_snapshot!(told(ask("GET metadata").await).await, @r"
    503 Service Unavailable
      content-type: application/fhir+json; fhirVersion=4.0
      vary: Origin
      retry-after: 1
      throttled: no more than 1 requests are answered at once: send it again after a while
    ");
    // Supervisors are always answered.
    assert_eq!(ask("GET /health/live").await.status(), 200);
    assert_eq!(ask("GET /health/ready").await.status(), 200);
    drop(slow);
    assert_eq!(ask("GET Patient").await.status(), 200);
    assert_eq!(ask("GET metadata").await.status(), 200);
}
