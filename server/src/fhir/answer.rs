//! What an interaction gives back when it is done, without HTTP.

use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::outcome::Issue;

/// A done interaction. `http` adds the headers: `ETag` from `version` or `digest`, `Last-Modified` from `last_updated`,
/// `Location` from `location`.
#[derive(Debug)]
pub struct Answer {
    pub kind: AnswerKind,
    pub body: Body,
    pub content_type: ContentType,
    /// `meta.versionId`: sent as the weak ETag `W/"n"`.
    pub version: Option<i64>,
    /// Of what has no version: the ETag that changes with the content.
    pub digest: Option<String>,
    pub last_updated: Option<Timestamp>,
    /// Absolute and versioned: `https://…/fhir/Patient/1/_history/2`.
    pub location: Option<String>,
    /// Warnings and notes to log; where the standard has a place for them they are in the body already.
    pub issues: Vec<Issue>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    Ok,
    Created,
    Updated,
    /// A conditional create that found its resource: nothing was written.
    Unchanged,
    Deleted,
    /// A conditional read whose version the client has.
    NotModified,
}

/// What stands in the weak ETag of what has no version: "the value of the ETag header SHALL change if the returned
/// resource changes". <https://hl7.org/fhir/R4/http.html#metadata>
pub fn digest(bytes: &[u8]) -> String {
    const LENGTH: usize = 16;
    Sha256::digest(bytes).iter().take(LENGTH).map(|byte| format!("{byte:02x}")).collect()
}

impl Answer {
    pub fn ok(body: Body) -> Answer {
        Answer {
            kind: AnswerKind::Ok,
            body,
            content_type: ContentType::FhirJson,
            version: None,
            digest: None,
            last_updated: None,
            location: None,
            issues: Vec::new(),
        }
    }

    /// The status of <https://hl7.org/fhir/R4/http.html#summary>, as a number: Bundle entries carry it too.
    pub fn status(&self) -> u16 {
        match self.kind {
            AnswerKind::Created => 201,
            AnswerKind::NotModified => 304,
            AnswerKind::Deleted if self.body.is_empty() => 204,
            _ => 200,
        }
    }

    /// `W/"n"`, by <https://hl7.org/fhir/R4/http.html#versions>.
    pub fn etag(&self) -> Option<String> {
        let digest = || self.digest.as_ref().map(|digest| format!("W/\"{digest}\""));
        self.version.map(|version| format!("W/\"{version}\"")).or_else(digest)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentType {
    FhirJson,
    /// The content of a Binary in its own type.
    Raw(String),
}

/// The body, as pieces that are sent one after another: stored resources are spliced between them unparsed.
#[derive(Debug, Default)]
pub enum Body {
    #[default]
    Empty,
    Bytes(Bytes),
    Chunks(Vec<Bytes>),
}

impl Body {
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn len(&self) -> usize {
        match self {
            Body::Empty => 0,
            Body::Bytes(bytes) => bytes.len(),
            Body::Chunks(chunks) => chunks.iter().map(Bytes::len).sum(),
        }
    }

    /// The whole as one piece, for what needs it so (`_pretty`, a Bundle inside a Bundle).
    pub fn into_bytes(self) -> Bytes {
        match self {
            Body::Empty => Bytes::new(),
            Body::Bytes(bytes) => bytes,
            Body::Chunks(chunks) => chunks.concat().into(),
        }
    }
}
