//! Entity tags and conditional requests. <https://hl7.org/fhir/R4/http.html#concurrency>, RFC 9110, section 13.

use jiff::Timestamp;

use super::outcome::{Error, Issue, IssueType, Kind};

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

fn version_of(tag: &str) -> Option<i64> {
    version(opaque_of(tag)?)
}

/// A version id of Vesta's: a whole number from 1 on, without a sign or leading zeros.
pub(super) fn version(text: &str) -> Option<i64> {
    let digits = !text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// The version that `If-Match` demands. A tag that no version of Vesta's has matches nothing: -1.
pub(super) fn if_match(header: Option<&str>) -> Result<Option<i64>, Error> {
    let Some(header) = header else { return Ok(None) };
    let tag = header.trim();
    let quoted = tag.strip_prefix("W/").unwrap_or(tag);
    let well_formed = quoted.len() >= 2 && quoted.starts_with('"') && quoted.ends_with('"') && !tag.contains(',');
    if !well_formed {
        let issue = Issue::error(
            IssueType::Value,
            "If-Match is one entity tag, as the header ETag of a read gives it: W/\"3\".",
        );
        return Err(Error::from_issue(Kind::Invalid, issue));
    }
    Ok(Some(version_of(tag).unwrap_or(-1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_is_one_entity_tag() {
        assert_eq!(if_match(None).unwrap(), None);
        assert_eq!(if_match(Some("W/\"3\"")).unwrap(), Some(3));
        assert_eq!(if_match(Some(" \"12\" ")).unwrap(), Some(12));
        // Well formed, and no version of ours.
        assert_eq!(if_match(Some("W/\"abc\"")).unwrap(), Some(-1));
        assert_eq!(if_match(Some("W/\"03\"")).unwrap(), Some(-1));
        for wrong in ["3", "W/3", "\"", "", "*", "W/\"1\", W/\"2\""] {
            assert_eq!(if_match(Some(wrong)).unwrap_err().kind, Kind::Invalid, "{wrong}");
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
