//! Entity tags and conditional requests. <https://hl7.org/fhir/R4/http.html#concurrency>, RFC 9110, section 13.

use std::sync::Arc;

use jiff::Timestamp;

use super::outcome::{Error, Issue, IssueType, Kind};
use super::service::version_conflict;
use crate::store::{Check, Refusal, Stored};

/// A conditional read: <https://hl7.org/fhir/R4/http.html#cread>
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadConditions<'a> {
    /// The header `If-None-Match` as sent: `W/"3"`, a list, or `*`.
    pub if_none_match: Option<&'a str>,
    /// `If-Modified-Since`, parsed; ignored where `if_none_match` is there (RFC 9110, 13.1.3).
    pub if_modified_since: Option<Timestamp>,
}

impl ReadConditions<'_> {
    /// Whether the client has this version already.
    pub(super) fn are_met_by(&self, version: i64, last_updated: Timestamp) -> bool {
        match (self.if_none_match, self.if_modified_since) {
            (Some(tags), _) => is_named(tags, &version.to_string()),
            // HTTP's dates have no fractions of a second.
            (None, Some(since)) => last_updated.as_second() <= since.as_second(),
            (None, None) => false,
        }
    }
}

/// Whether `If-None-Match` names what has this in its entity tag.
pub fn is_named(tags: &str, opaque: &str) -> bool {
    tags.trim() == "*" || tags.split(',').any(|tag| opaque_of(tag) == Some(opaque))
}

/// What stands in `W/"3"` or `"3"`; comparison is weak.
fn opaque_of(tag: &str) -> Option<&str> {
    let tag = tag.trim();
    tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')
}

/// A version id of Vesta's: a whole number from 1 on, without a sign or leading zeros.
pub(super) fn version(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// The conditions of a write as they are sent: RFC 9110, 13.1.
#[derive(Debug, Clone, Copy, Default)]
pub struct WriteConditions<'a> {
    pub if_match: Option<&'a str>,
    pub if_none_match: Option<&'a str>,
    pub if_unmodified_since: Option<Timestamp>,
}

/// What a write demands of what stands there before it.
#[derive(Debug, Clone, Default)]
pub(super) struct Preconditions {
    if_match: Option<Tags>,
    if_none_match: Option<Tags>,
    if_unmodified_since: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    /// `*`: whatever version stands there.
    Any,
    /// Those of the named ones that can be versions of ours.
    Versions(Vec<i64>),
}

impl Tags {
    /// "If-Match = "*" / #entity-tag": RFC 9110, 13.1.1, and so If-None-Match, 13.1.2.
    fn parse(name: &str, text: &str) -> Result<Tags, Error> {
        if text.trim() == "*" {
            return Ok(Tags::Any);
        }
        let tags: Option<Vec<&str>> = text.split(',').map(opaque_of).collect();
        let Some(tags) = tags else {
            let text = format!("{name} is `*`, or entity tags as the header ETag of a read gives them: W/\"3\".");
            return Err(Error::from_issue(Kind::Invalid, Issue::error(IssueType::Value, text)));
        };
        Ok(Tags::Versions(tags.into_iter().filter_map(version).collect()))
    }

    fn name(&self, current: i64) -> bool {
        match self {
            Tags::Any => true,
            Tags::Versions(versions) => versions.contains(&current),
        }
    }
}

impl WriteConditions<'_> {
    pub(super) fn read(&self) -> Result<Preconditions, Error> {
        Ok(Preconditions {
            if_match: self.if_match.map(|text| Tags::parse("If-Match", text)).transpose()?,
            if_none_match: self.if_none_match.map(|text| Tags::parse("If-None-Match", text)).transpose()?,
            if_unmodified_since: self.if_unmodified_since,
        })
    }
}

impl Preconditions {
    /// In the order of RFC 9110, 13.2.2. FHIR's tags are weak ones, and name versions all the same:
    /// <https://hl7.org/fhir/R4/http.html#concurrency>
    pub(super) fn look_at(&self, before: Option<&Stored>) -> Result<(), Error> {
        let current = before.filter(|stored| !stored.deleted);
        let version = current.map(|stored| stored.version);
        match &self.if_match {
            Some(tags) if !version.is_some_and(|version| tags.name(version)) => return Err(version_conflict(version)),
            // "A recipient MUST ignore If-Unmodified-Since if the request contains an If-Match header field".
            Some(_) => {}
            None => {
                let since = self.if_unmodified_since.map(Timestamp::as_second);
                let changed = current.map(|stored| (stored.last_updated.as_second(), stored.version));
                if let (Some(since), Some((at, version))) = (since, changed)
                    && at > since
                {
                    return Err(refused(format!(
                        "The resource was changed after the time in If-Unmodified-Since: the current version is \
                         W/\"{version}\". Read it, and apply the change to it."
                    )));
                }
            }
        }
        match (&self.if_none_match, version) {
            (Some(Tags::Any), Some(version)) => Err(refused(format!(
                "If-None-Match: * asks that no such resource exists, and there is one: its version is W/\"{version}\"."
            ))),
            (Some(tags), Some(version)) if tags.name(version) => {
                Err(refused(format!("If-None-Match names the version that is current: W/\"{version}\".")))
            }
            _ => Ok(()),
        }
    }

    /// The same, to be looked at with the lock held.
    pub(super) fn check(&self) -> Option<Check> {
        if self.if_match.is_none() && self.if_none_match.is_none() && self.if_unmodified_since.is_none() {
            return None;
        }
        let preconditions = self.clone();
        Some(Arc::new(move |before: Option<&Stored>| {
            preconditions.look_at(before).map_err(|error| Box::new(error) as Refusal)
        }))
    }
}

fn refused(text: String) -> Error {
    Error::new(Kind::PreconditionFailed, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9110, 13.1.1: "If-Match = "*" / #entity-tag".
    #[test]
    fn tags_are_any_or_a_list() {
        let parse = |text| Tags::parse("If-Match", text);
        assert_eq!(parse(" * ").unwrap(), Tags::Any);
        assert_eq!(parse("W/\"3\"").unwrap(), Tags::Versions(vec![3]));
        assert_eq!(parse(" \"12\" , W/\"1\"").unwrap(), Tags::Versions(vec![12, 1]));
        // Well formed, and no version of ours.
        assert_eq!(parse("W/\"abc\", W/\"03\"").unwrap(), Tags::Versions(Vec::new()));
        for wrong in ["3", "W/3", "\"", "", "*, \"1\"", "W/\"1\", 2", "W/\"1\","] {
            assert_eq!(parse(wrong).unwrap_err().kind, Kind::Invalid, "{wrong}");
        }
    }

    #[test]
    fn a_conditional_read_compares_tags_first_and_seconds_else() {
        let at: Timestamp = "2026-11-24T22:30:00.9Z".parse().unwrap();
        let by_tag = |tags| ReadConditions { if_none_match: Some(tags), if_modified_since: Some(at) };
        assert!(by_tag("W/\"3\"").are_met_by(3, at));
        assert!(by_tag("\"1\", \"3\"").are_met_by(3, at));
        assert!(by_tag("*").are_met_by(3, at));
        assert!(!by_tag("W/\"2\"").are_met_by(3, at));
        let since = |text: &str| ReadConditions { if_none_match: None, if_modified_since: Some(text.parse().unwrap()) };
        assert!(since("2026-11-24T22:30:00Z").are_met_by(3, at));
        assert!(!since("2026-11-24T22:29:59Z").are_met_by(3, at));
        assert!(!ReadConditions::default().are_met_by(3, at));
    }
}
