//! Content negotiation: what the client sends, and what it can take.
//! <https://hl7.org/fhir/R4/http.html#mime-type>

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE};

use crate::fhir::patch::PatchFormat;
use crate::fhir::{Error, Kind, is_json as is_json_name};

/// What answers say they are.
pub(super) const FHIR_JSON_R4: &str = "application/fhir+json; fhirVersion=4.0";

/// The formats of patches.
pub(super) const PATCHES: &str = "application/json-patch+json, application/fhir+json";

/// A media type with its parameters, lower-cased.
struct MediaType {
    name: String,
    quality: f32,
    fhir_version: Option<String>,
    charset: Option<String>,
}

fn media_type(text: &str) -> MediaType {
    let mut parts = text.split(';');
    let name = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let mut parsed = MediaType { name, quality: 1.0, fhir_version: None, charset: None };
    for (parameter, value) in parts.filter_map(|part| part.split_once('=')) {
        let value = value.trim().trim_matches('"').to_ascii_lowercase();
        match parameter.trim().to_ascii_lowercase().as_str() {
            "q" => parsed.quality = value.parse().unwrap_or(1.0),
            "fhirversion" => parsed.fhir_version = Some(value),
            "charset" => parsed.charset = Some(value),
            _ => {}
        }
    }
    parsed
}

impl MediaType {
    fn is_r4(&self) -> bool {
        self.fhir_version.as_deref().is_none_or(|version| matches!(version, "4.0" | "4.0.1"))
    }

    fn is_json(&self) -> bool {
        is_json_name(&self.name)
    }

    fn is_xml(&self) -> bool {
        matches!(self.name.as_str(), "application/fhir+xml" | "application/xml" | "text/xml" | "xml")
    }

    /// A type that says FHIR, not merely JSON or XML.
    fn is_fhir(&self) -> bool {
        self.name.starts_with("application/fhir+")
    }
}

/// What the client can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The client named a FHIR type: then a Binary is shown as a resource.
    /// <https://hl7.org/fhir/R4/binary.html#rest>
    pub(super) names_fhir: bool,
    /// What the answer says it is: "if a client provides a generic mime type in the Accept header, the server SHOULD
    /// respond with the requested mime type". <https://hl7.org/fhir/R4/http.html#mime-type>
    pub(super) content_type: &'static str,
}

impl Wanted {
    /// Nothing was said of how the answer is to be named.
    pub(super) fn any(names_fhir: bool) -> Wanted {
        Wanted { names_fhir, content_type: FHIR_JSON_R4 }
    }
}

/// Reads `_format`, which overrides `Accept`, and `Accept`.
pub(super) fn wanted(headers: &HeaderMap, format: Option<&str>) -> Result<Wanted, Error> {
    if let Some(format) = format {
        // A `+` that was not escaped has become a space.
        let asked = media_type(&format.replace(' ', "+").replace(";+", ";"));
        return match asked.is_json() && asked.is_r4() {
            true => Ok(Wanted::any(true)),
            false => Err(not_acceptable("_format", asked.is_xml())),
        };
    }
    let mut ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    if ranges.peek().is_none() {
        return Ok(Wanted::any(false));
    }
    let ranges: Vec<MediaType> = ranges.flat_map(|value| value.split(',')).map(media_type).collect();
    let takes = |range: &&MediaType| {
        let any = matches!(range.name.as_str(), "*/*" | "application/*" | "");
        range.quality > 0.0 && range.is_r4() && (any || range.is_json())
    };
    let names_fhir = ranges.iter().any(|range| range.is_fhir() && range.quality > 0.0);
    // The first of the best.
    let best = ranges.iter().filter(takes).reduce(|best, one| if one.quality > best.quality { one } else { best });
    if let Some(best) = best {
        let content_type = match best.name.as_str() {
            "application/json" => "application/json",
            "text/json" => "text/json",
            _ => FHIR_JSON_R4,
        };
        return Ok(Wanted { names_fhir, content_type });
    }
    Err(not_acceptable("Accept", ranges.iter().any(MediaType::is_xml)))
}

fn not_acceptable(place: &str, is_xml: bool) -> Error {
    let why = if is_xml { "XML is not supported" } else { "none of the formats asked for is supported" };
    Error::new(
        Kind::NotAcceptable,
        format!("{place}: {why}; ask for application/fhir+json, with fhirVersion=4.0 or none"),
    )
}

/// Whether a Binary's format matters: only what names a FHIR type asks for the resource.
pub(super) fn wants_resource(headers: &HeaderMap, format: Option<&str>) -> bool {
    let named = |value: &str| value.split(',').map(media_type).any(|range| range.is_fhir() && range.quality > 0.0);
    format.is_some_and(|format| media_type(&format.replace(' ', "+")).is_json())
        || headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(named)
}

/// Checks that the body of a write is FHIR in JSON.
pub(super) fn check_content_type(headers: &HeaderMap) -> Result<(), Error> {
    let refuse = |what: String| {
        Err(Error::new(
            Kind::UnsupportedMediaType,
            format!("Content-Type: {what}; send application/fhir+json in UTF-8"),
        ))
    };
    let Some(given) = headers.get(CONTENT_TYPE) else {
        return refuse("it is missing".to_owned());
    };
    let Ok(text) = given.to_str() else {
        return refuse("it is not readable".to_owned());
    };
    let given = media_type(text);
    if given.is_xml() {
        return refuse("XML is not supported".to_owned());
    }
    if !given.is_json() {
        return refuse("it is not a format of FHIR that is supported".to_owned());
    }
    if !given.is_r4() {
        return refuse("this server speaks fhirVersion=4.0".to_owned());
    }
    match given.charset.as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => Ok(()),
        Some(_) => refuse("the character set must be UTF-8".to_owned()),
    }
}

/// In which language the body of a PATCH is. <https://hl7.org/fhir/R4/http.html#patch>
pub(super) fn patch_format(headers: &HeaderMap) -> Result<PatchFormat, Error> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(media_type);
    match given {
        Some(given) if given.name == "application/json-patch+json" => Ok(PatchFormat::Json),
        Some(given) if given.is_json() && given.is_r4() => Ok(PatchFormat::FhirPath),
        given => {
            let why = match given {
                Some(given) if given.is_xml() || given.name == "application/xml-patch+xml" => "XML is not supported",
                Some(_) => "it is no format of patches that is supported",
                None => "it is missing",
            };
            Err(Error::new(
                Kind::UnsupportedMediaType,
                format!(
                    "Content-Type: {why}; send application/json-patch+json for a JSON Patch, or application/fhir+json \
                     for a FHIRPath Patch"
                ),
            ))
        }
    }
}

/// Whether a body is FHIR, and not the raw content of a Binary.
pub(super) fn is_fhir_body(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|text| media_type(text).is_fhir())
}

/// Whether the body says that it is plain JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    given.is_some_and(|text| media_type(text).name == "application/json")
}

/// Checks that the body is a form, as a search by POST needs.
pub(super) fn check_form(headers: &HeaderMap) -> Result<(), Error> {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(media_type);
    match given {
        Some(given) if given.name == "application/x-www-form-urlencoded" => Ok(()),
        _ => Err(Error::new(
            Kind::UnsupportedMediaType,
            "Content-Type: a search by POST takes its parameters as application/x-www-form-urlencoded",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), http::HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn json_is_what_can_be_had() {
        for accept in [
            &[][..],
            &["*/*"],
            &["application/fhir+json"],
            &["application/fhir+json; fhirVersion=4.0"],
            &["application/json;charset=utf-8"],
            &["application/fhir+xml, application/fhir+json;q=0.5"],
            &["application/xml", "text/html, */*;q=0.1"],
        ] {
            assert!(wanted(&headers(ACCEPT, accept), None).is_ok(), "{accept:?}");
        }
        for accept in [
            &["application/fhir+xml"][..],
            &["text/html"],
            &["application/fhir+json;q=0"],
            &["application/fhir+json; fhirVersion=5.0"],
            &["text/turtle"],
        ] {
            assert_eq!(wanted(&headers(ACCEPT, accept), None).unwrap_err().kind, Kind::NotAcceptable, "{accept:?}");
        }
    }

    #[test]
    fn who_asks_for_plain_json_gets_it_by_that_name() {
        for (accept, content_type) in [
            ("application/json", "application/json"),
            ("text/json", "text/json"),
            ("*/*", FHIR_JSON_R4),
            ("application/json, application/fhir+json", "application/json"),
            ("application/json;q=0.9, application/fhir+json", FHIR_JSON_R4),
            ("application/fhir+json, application/json", FHIR_JSON_R4),
            ("text/html, application/json;q=0.9, */*;q=0.8", "application/json"),
        ] {
            assert_eq!(wanted(&headers(ACCEPT, &[accept]), None).unwrap().content_type, content_type, "{accept}");
        }
    }

    #[test]
    fn format_overrides_accept() {
        let xml = headers(ACCEPT, &["application/fhir+xml"]);
        for format in ["json", "application/json", "application/fhir+json", "application/fhir json", "text/json"] {
            assert!(wanted(&xml, Some(format)).is_ok(), "{format}");
        }
        let json = headers(ACCEPT, &["application/fhir+json"]);
        for format in ["xml", "text/xml", "application/fhir+xml", "ttl", "html", ""] {
            assert!(wanted(&json, Some(format)).is_err(), "{format}");
        }
    }

    #[test]
    fn xml_is_refused_by_its_name() {
        let refused = check_content_type(&headers(CONTENT_TYPE, &["application/fhir+xml"])).unwrap_err();
        assert_eq!(refused.kind, Kind::UnsupportedMediaType);
        assert!(refused.to_string().contains("XML is not supported"), "{refused}");
    }

    #[test]
    fn bodies_are_json_in_utf_8() {
        for good in
            ["application/fhir+json", "application/json; charset=UTF-8", "application/fhir+json;fhirVersion=4.0"]
        {
            assert!(check_content_type(&headers(CONTENT_TYPE, &[good])).is_ok(), "{good}");
        }
        for bad in ["text/plain", "application/json; charset=latin-1", "application/fhir+json; fhirVersion=3.0"] {
            assert!(check_content_type(&headers(CONTENT_TYPE, &[bad])).is_err(), "{bad}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
    }

    #[test]
    fn a_binary_is_raw_unless_a_fhir_type_is_named() {
        assert!(!wants_resource(&headers(ACCEPT, &["*/*"]), None));
        assert!(!wants_resource(&headers(ACCEPT, &["application/json"]), None));
        assert!(!wants_resource(&headers(ACCEPT, &["image/png"]), None));
        assert!(wants_resource(&headers(ACCEPT, &["application/fhir+json"]), None));
        assert!(wants_resource(&HeaderMap::new(), Some("json")));
    }
}
