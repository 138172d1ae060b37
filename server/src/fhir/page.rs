//! Bundles written around stored bytes: search sets, histories and responses, without parsing a resource again.
//! <https://hl7.org/fhir/R4/bundle.html>

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};

use super::answer::Body;

/// Bodies from this size on are passed on as a piece of their own; smaller ones are copied together, since many small
/// pieces cost more than the copy.
const OWN_PIECE: usize = 16 * 1024;
/// Pieces are sent from this size on.
const PIECE: usize = 64 * 1024;

/// Writes a Bundle front to back.
pub(super) struct BundleWriter {
    pieces: Vec<Bytes>,
    text: BytesMut,
    entries: usize,
}

/// What stands beside the resource in an entry.
pub(super) enum Beside<'a> {
    /// `search.mode`: match, include or outcome.
    Search(&'static str),
    /// The version of a history: <https://hl7.org/fhir/R4/http.html#history>
    History { method: &'static str, url: &'a str, response: Response<'a> },
    /// The answer to an entry of a batch or transaction.
    Response(Response<'a>),
}

#[derive(Default)]
pub(super) struct Response<'a> {
    /// `201 Created`
    pub(super) status: &'a str,
    pub(super) location: Option<&'a str>,
    pub(super) etag: Option<&'a str>,
    pub(super) last_modified: Option<&'a str>,
    /// An OperationOutcome.
    pub(super) outcome: Option<&'a [u8]>,
}

impl BundleWriter {
    pub(super) fn new(bundle_type: &str, total: Option<u64>, links: &[(&str, String)]) -> BundleWriter {
        let mut writer = BundleWriter { pieces: Vec::new(), text: BytesMut::with_capacity(PIECE), entries: 0 };
        writer.push("{\"resourceType\":\"Bundle\",\"type\":");
        writer.string(bundle_type);
        if let Some(total) = total {
            let _ = write!(writer.text, ",\"total\":{total}");
        }
        for (position, (relation, url)) in links.iter().enumerate() {
            writer.push(if position == 0 { ",\"link\":[" } else { "," });
            writer.push("{\"relation\":");
            writer.string(relation);
            writer.push(",\"url\":");
            writer.string(url);
            writer.push("}");
        }
        if !links.is_empty() {
            writer.push("]");
        }
        writer
    }

    pub(super) fn entry(&mut self, full_url: Option<&str>, resource: Option<&Bytes>, beside: &Beside<'_>) {
        self.push(if self.entries == 0 { ",\"entry\":[{" } else { ",{" });
        self.entries += 1;
        if let Some(url) = full_url {
            self.push("\"fullUrl\":");
            self.string(url);
            self.push(",");
        }
        if let Some(bytes) = resource.filter(|bytes| !bytes.is_empty()) {
            self.push("\"resource\":");
            self.bytes(bytes);
            self.push(",");
        }
        match beside {
            Beside::Search(mode) => {
                self.push("\"search\":{\"mode\":\"");
                self.push(mode);
                self.push("\"}}");
            }
            Beside::History { method, url, response } => {
                self.push("\"request\":{\"method\":");
                self.string(method);
                self.push(",\"url\":");
                self.string(url);
                self.push("},");
                self.response(response);
                self.push("}");
            }
            Beside::Response(response) => {
                self.response(response);
                self.push("}");
            }
        }
    }

    fn response(&mut self, response: &Response<'_>) {
        self.push("\"response\":{\"status\":");
        self.string(response.status);
        let members =
            [("location", response.location), ("etag", response.etag), ("lastModified", response.last_modified)];
        for (name, value) in members {
            if let Some(value) = value {
                self.push(",\"");
                self.push(name);
                self.push("\":");
                self.string(value);
            }
        }
        if let Some(outcome) = response.outcome {
            self.push(",\"outcome\":");
            self.text.extend_from_slice(outcome);
        }
        self.push("}");
    }

    pub(super) fn finish(mut self) -> Body {
        if self.entries > 0 {
            self.push("]");
        }
        self.push("}");
        if self.pieces.is_empty() {
            return Body::Bytes(self.text.freeze());
        }
        self.pieces.push(self.text.freeze());
        Body::Chunks(self.pieces)
    }

    fn push(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &Bytes) {
        if bytes.len() >= OWN_PIECE {
            self.pieces.push(self.text.split().freeze());
            self.pieces.push(bytes.clone());
        } else {
            self.text.extend_from_slice(bytes);
            if self.text.len() >= PIECE {
                self.pieces.push(self.text.split().freeze());
            }
        }
    }

    /// A JSON string.
    fn string(&mut self, text: &str) {
        // All of them, since a loop without an end before the end takes many bytes at once.
        let plain = text.bytes().fold(true, |plain, byte| plain & (byte >= b' ') & (byte != b'"') & (byte != b'\\'));
        if plain {
            self.push("\"");
            self.push(text);
            self.push("\"");
        } else {
            self.push(&serde_json::Value::from(text).to_string());
        }
    }
}

/// `200 OK` for a Bundle entry's `response.status`.
pub(super) fn status_line(status: u16) -> String {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    match reason {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_search_set_holds_the_stored_bytes_as_they_are() {
        let links = [("self", "https://host/fhir/Patient?name=%22".to_owned())];
        let mut writer = BundleWriter::new("searchset", Some(1), &links);
        let stored = Bytes::from_static(b"{\"resourceType\": \"Patient\",  \"id\":\"1\"}");
        writer.entry(Some("https://host/fhir/Patient/1"), Some(&stored), &Beside::Search("match"));
        let body = writer.finish().into_bytes();
        assert_eq!(
            body,
            "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"total\":1,\"link\":[{\"relation\":\"self\",\
             \"url\":\"https://host/fhir/Patient?name=%22\"}],\"entry\":[{\"fullUrl\":\"https://host/fhir/Patient/1\",\
             \"resource\":{\"resourceType\": \"Patient\",  \"id\":\"1\"},\"search\":{\"mode\":\"match\"}}]}"
        );
    }

    #[test]
    fn an_empty_bundle_has_no_entry_array() {
        let body = BundleWriter::new("searchset", None, &[]).finish().into_bytes();
        assert_eq!(body, "{\"resourceType\":\"Bundle\",\"type\":\"searchset\"}");
    }

    #[test]
    fn a_large_body_is_a_piece_of_its_own_and_text_is_escaped() {
        let mut writer = BundleWriter::new("history", None, &[("self", "a\"b".to_owned())]);
        let large = Bytes::from(format!("{{\"a\":\"{}\"}}", "x".repeat(OWN_PIECE)));
        let response = || Response { status: "200 OK", etag: Some("W/\"1\""), ..Response::default() };
        writer.entry(None, Some(&large), &Beside::History { method: "PUT", url: "Patient/1", response: response() });
        writer.entry(None, None, &Beside::History { method: "DELETE", url: "Patient/1", response: response() });
        let body = writer.finish();
        let Body::Chunks(chunks) = &body else { panic!("one piece") };
        assert_eq!(chunks[1].as_ptr(), large.as_ptr());
        let value: Value = serde_json::from_slice(&body.into_bytes()).unwrap();
        assert_eq!(value["link"], json!([{ "relation": "self", "url": "a\"b" }]));
        assert_eq!(value["entry"][1]["request"], json!({ "method": "DELETE", "url": "Patient/1" }));
        assert_eq!(value["entry"][1]["response"], json!({ "status": "200 OK", "etag": "W/\"1\"" }));
        assert_eq!(value["entry"][1].get("resource"), None);
    }

    #[test]
    fn status_lines_have_their_reason() {
        assert_eq!(status_line(201), "201 Created");
        assert_eq!(status_line(412), "412 Precondition Failed");
    }
}
