//! Query strings: taken apart and put together. One way for links, `If-None-Exist`, conditional references and the
//! requests in a Bundle.

use super::outcome::{Issue, IssueType};

/// The decoded parameters of `name=a&name=b`, in order.
pub fn parse(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The reverse of [`parse`].
pub(super) fn write<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

/// Whether a media type, in lower case and without parameters, is that of FHIR's JSON, or `_format`'s short name of it.
/// <https://hl7.org/fhir/R4/http.html#mime-type>
pub fn is_json(name: &str) -> bool {
    matches!(name, "application/fhir+json" | "application/json" | "text/json" | "json")
}

/// A create, an update or a delete takes no parameters. One that was meant to limit the write and is passed over would
/// let it do more than was asked, so it is refused under lenient handling too: that is for searches
/// (<https://hl7.org/fhir/R4/search.html#errors>). `_format` and `_pretty` are of the answer.
pub fn refuse_on_write(parameters: &[(String, String)]) -> Result<(), Issue> {
    let of_write = parameters.iter().find(|(name, _)| !matches!(name.as_str(), "_format" | "_pretty"));
    let Some((name, _)) = of_write else { return Ok(()) };
    let text = format!(
        "{} has no meaning for a write, and nothing was written: leave it out. A condition stands in the URL of the type \
         (PUT [type]?…), or in the headers If-Match and If-None-Exist.",
        shown(name)
    );
    Err(Issue::error(IssueType::Invalid, text))
}

/// A name is the client's own text: only what cannot be patient data is repeated.
pub(super) fn shown(name: &str) -> String {
    if name.starts_with('_') { format!("`{name}`") } else { "This parameter".to_owned() }
}
