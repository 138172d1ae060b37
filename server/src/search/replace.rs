//! The parameters of a search, with other references in place of some.

use vesta_runtime::search::SearchParameterType as Kind;

use super::escape::{split, unescape};
use super::table::ParameterTable;

/// What `replacement` gives (`Type/id`) in place of the references that the parameters of the type itself have as values.
pub fn replace_references(
    table: &ParameterTable,
    resource_type: &str,
    parameters: &[(String, String)],
    mut replacement: impl FnMut(&str) -> Option<String>,
) -> Vec<(String, String)> {
    let each = parameters.iter().map(|(name, value)| {
        let (code, modifier) = name.split_once(':').unwrap_or((name, ""));
        // `subject:Patient` has the type already; what another modifier takes is no reference.
        let names_type = modifier.starts_with(|first: char| first.is_ascii_uppercase());
        let is_reference =
            table.parameter(resource_type, code).is_some_and(|known| known.definition.kind == Kind::Reference);
        if !is_reference || !(names_type || modifier.is_empty()) {
            return (name.clone(), value.clone());
        }
        let parts = split(value, ',').into_iter().map(|part| match replacement(&unescape(part)) {
            Some(reference) if names_type => reference.rsplit('/').next().unwrap_or_default().to_owned(),
            Some(reference) => reference,
            None => part.to_owned(),
        });
        (name.clone(), parts.collect::<Vec<_>>().join(","))
    });
    each.collect()
}
