//! The text of a resource. What is stored is what is served, byte for byte; only `meta.versionId` and
//! `meta.lastUpdated`, which are known in the write transaction, are spliced in there.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde_json::{Map, Value};

/// A resource ready to be stored: its text around the two server-assigned elements of `meta`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Up to and with `"meta":{`.
    head: String,
    /// From the comma or brace after `lastUpdated`.
    tail: String,
}

/// Microseconds, as the column has them, so that `_lastUpdated` of what was served finds it again.
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// An instant as `meta.lastUpdated` has it: UTC, six decimals.
pub fn instant(at: Timestamp) -> String {
    PRINTER.timestamp_to_string(&at)
}

impl Body {
    /// The text of `resource` with `id` in place of its own, keys in the order given; `resourceType`, `id` and `meta`
    /// come first where the resource lacks them. `versionId` and `lastUpdated` of the client are dropped, the rest of
    /// `meta` is kept. <https://hl7.org/fhir/R4/http.html#create>
    pub fn new(resource: &Map<String, Value>, id: &str) -> Self {
        let (mut head, mut tail) = (String::with_capacity(256), String::with_capacity(1024));
        let meta = resource.get("meta").and_then(Value::as_object);
        head.push('{');
        if let Some(resource_type) = resource.get("resourceType") {
            push_member(&mut head, "resourceType", resource_type);
            head.push(',');
        }
        push_member(&mut head, "id", &Value::String(id.to_owned()));
        head.push_str(",\"meta\":{");
        for (name, value) in meta.into_iter().flatten() {
            if name != "versionId" && name != "lastUpdated" {
                tail.push(',');
                push_member(&mut tail, name, value);
            }
        }
        tail.push('}');
        for (name, value) in resource {
            if !matches!(name.as_str(), "resourceType" | "id" | "meta") {
                tail.push(',');
                push_member(&mut tail, name, value);
            }
        }
        tail.push('}');
        Body { head, tail }
    }

    /// The stored text.
    pub fn splice(&self, version: i64, last_updated: Timestamp) -> String {
        let mut text = String::with_capacity(self.head.len() + self.tail.len() + 80);
        text.push_str(&self.head);
        text.push_str(&format!("\"versionId\":\"{version}\",\"lastUpdated\":\"{}\"", instant(last_updated)));
        text.push_str(&self.tail);
        text
    }

    /// Whether `stored` says the same but for its version and time.
    pub fn says_the_same(&self, stored: &[u8]) -> bool {
        let Some(rest) = stored.strip_prefix(self.head.as_bytes()) else { return false };
        let Some(middle) = rest.strip_suffix(self.tail.as_bytes()) else { return false };
        // Two members, so eight quotation marks: more of `meta` than before is a difference.
        middle.starts_with(b"\"versionId\":\"") && middle.iter().filter(|byte| **byte == b'"').count() == 8
    }

    /// Bytes, without version and time: for limits.
    pub fn size(&self) -> usize {
        self.head.len() + self.tail.len()
    }
}

fn push_member(text: &mut String, name: &str, value: &Value) {
    text.push_str(&Value::String(name.to_owned()).to_string());
    text.push(':');
    text.push_str(&value.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_version_and_time_replace_the_clients_and_the_rest_stays_as_written() {
        let resource: Map<String, Value> = serde_json::from_str(
            r#"{"resourceType":"Observation","meta":{"versionId":"9","profile":["x"],"lastUpdated":"2001-01-01"},"valueQuantity":{"value":1.50}}"#,
        )
        .expect("JSON");
        let body = Body::new(&resource, "a");
        let at = "2026-11-24T22:30:00.1Z".parse().expect("instant");
        let stored = body.splice(3, at);
        assert_eq!(
            stored,
            r#"{"resourceType":"Observation","id":"a","meta":{"versionId":"3","lastUpdated":"2026-11-24T22:30:00.100000Z","profile":["x"]},"valueQuantity":{"value":1.50}}"#
        );
        assert!(body.says_the_same(stored.as_bytes()));
        let other = stored.replace("1.50", "1.5");
        assert!(!body.says_the_same(other.as_bytes()));
    }

    #[test]
    fn more_meta_than_before_is_not_the_same() {
        let bare: Map<String, Value> = serde_json::from_str(r#"{"resourceType":"Patient"}"#).expect("JSON");
        let tagged: Map<String, Value> =
            serde_json::from_str(r#"{"resourceType":"Patient","meta":{"source":"s"}}"#).expect("JSON");
        let stored = Body::new(&tagged, "a").splice(1, Timestamp::UNIX_EPOCH);
        assert!(!Body::new(&bare, "a").says_the_same(stored.as_bytes()));
    }
}
