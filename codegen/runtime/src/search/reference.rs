//! Where references and canonicals point.

use serde_json::Value;

use super::Reference;

impl Reference {
    /// The id of what is referred to, where it stands in the same resource.
    pub fn contained_id(&self) -> Option<&str> {
        self.url.as_deref()?.strip_prefix('#').filter(|id| !id.is_empty())
    }

    /// Takes the text of `Reference.reference`, or of a search value, apart; none for what points into the resource
    /// itself (`#id`). <https://hl7.org/fhir/R4/references.html#literal>
    pub fn parse(text: &str) -> Option<Reference> {
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let segments: Vec<&str> = text.split('/').collect();
        let (head, version) = match segments.as_slice() {
            [head @ .., "_history", version] => (head, Some((*version).to_owned())),
            all => (all, None),
        };
        if let [base @ .., target_type, id] = head
            && is_type(target_type)
            && is_id(id)
            && (base.is_empty() || text.starts_with("http://") || text.starts_with("https://"))
        {
            return Some(Reference {
                target_type: Some((*target_type).to_owned()),
                target_id: Some((*id).to_owned()),
                target_version: version,
                base: (!base.is_empty()).then(|| base.join("/")),
                ..Reference::default()
            });
        }
        Some(Reference { url: Some(text.to_owned()), ..Reference::default() })
    }

    /// A canonical URL with its version apart. <https://hl7.org/fhir/R4/references.html#canonical>
    pub fn canonical(text: &str) -> Option<Reference> {
        let text = text.split('#').next().filter(|text| !text.is_empty())?;
        let (url, version) = match text.split_once('|') {
            Some((url, version)) => (url, Some(version.to_owned())),
            None => (text, None),
        };
        Some(Reference { url: Some(url.to_owned()), target_version: version, ..Reference::default() })
    }

    /// An element of type Reference: literal, logical, both, or only a name to display. What is contained is named by
    /// `#id`, which means something within its container only.
    pub(super) fn element(value: &Value) -> Option<Reference> {
        let literal = match value.get("reference").and_then(Value::as_str) {
            Some(text) if text.starts_with('#') => Reference { url: Some(text.to_owned()), ..Reference::default() },
            Some(text) => Reference::parse(text)?,
            None => Reference::default(),
        };
        let identifier = value.get("identifier").and_then(|identifier| {
            let part = |name| identifier.get(name).and_then(Value::as_str).map(str::to_owned);
            part("value").map(|value| (part("system"), Some(value)))
        });
        Some(Reference { identifier, ..literal })
    }
}

/// Whether the text has the shape of a resource type's name.
fn is_type(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.chars().all(|character| character.is_ascii_alphabetic())
}

/// <https://hl7.org/fhir/R4/datatypes.html#id>
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_references_are_taken_apart() {
        let parts = |text: &str| {
            let reference = Reference::parse(text).unwrap();
            [reference.base, reference.target_type, reference.target_id, reference.target_version, reference.url]
                .map(Option::unwrap_or_default)
        };
        for (text, expected) in [
            ("Patient/1", ["", "Patient", "1", "", ""]),
            ("Patient/1/_history/2", ["", "Patient", "1", "2", ""]),
            ("https://a.org/fhir/Patient/1", ["https://a.org/fhir", "Patient", "1", "", ""]),
            ("urn:uuid:0b2f", ["", "", "", "", "urn:uuid:0b2f"]),
            ("http://a.org/some/thing", ["", "", "", "", "http://a.org/some/thing"]),
            ("x/Patient/1", ["", "", "", "", "x/Patient/1"]),
            ("Patient?identifier=1", ["", "", "", "", "Patient?identifier=1"]),
        ] {
            assert_eq!(parts(text), expected.map(str::to_owned), "{text}");
        }
        assert_eq!(Reference::parse("#contained"), None);
    }

    #[test]
    fn a_canonical_has_its_version_apart() {
        let reference = Reference::canonical("http://a.org/Questionnaire/q|1.0#x").unwrap();
        assert_eq!(reference.url.as_deref(), Some("http://a.org/Questionnaire/q"));
        assert_eq!(reference.target_version.as_deref(), Some("1.0"));
    }
}
