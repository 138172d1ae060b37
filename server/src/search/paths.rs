//! What can be told of a parameter from its expression and the element tables, without running it: whether its tokens
//! have systems, and whether a resource has one value at most. Most expressions are plain paths; of others nothing is
//! told.

use serde_json::Value;
use vesta_runtime::json::{self, JsonError};
use vesta_runtime::schema::{Schema, TypeDefinition};

use super::table::Parameter;

/// Whether the tokens of a parameter have systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Systems {
    Always,
    /// Only `code`, `boolean` and the like.
    Never,
    Unknown,
}

/// Where a path ends.
#[derive(Debug)]
pub(super) struct End {
    path: String,
    types: Vec<&'static TypeDefinition>,
    single: bool,
}

pub(super) fn systems(ends: Option<&[End]>) -> Systems {
    let Some(ends) = ends else { return Systems::Unknown };
    let names: Vec<&str> = ends.iter().flat_map(|end| &end.types).map(|definition| definition.name).collect();
    systems_of(&names)
}

/// By the names of all types that the values may be of.
pub(super) fn systems_of(names: &[&str]) -> Systems {
    if names.is_empty() {
        return Systems::Unknown;
    }
    let with: Vec<bool> =
        names.iter().map(|name| matches!(*name, "Coding" | "CodeableConcept" | "Identifier")).collect();
    match (with.iter().any(|with| *with), with.iter().all(|with| *with)) {
        (_, true) => Systems::Always,
        (false, _) => Systems::Never,
        _ => Systems::Unknown,
    }
}

pub(super) fn canonical(ends: Option<&[End]>) -> bool {
    ends.is_some_and(|ends| ends.iter().flat_map(|end| &end.types).any(|definition| definition.name == "canonical"))
}

pub(super) fn single(ends: Option<&[End]>) -> bool {
    ends.is_some_and(|ends| {
        ends.first().is_some_and(|first| ends.iter().all(|end| end.single && end.path == first.path))
    })
}

/// The elements of the resource itself that the expression starts from; none where it is more than paths. What a
/// reference in a resource resolves to may be contained in it.
pub(super) fn starts(expression: &str) -> Option<Vec<&str>> {
    let mut starts = vec!["contained"];
    for path in split_union(expression) {
        let (_, rest) = path.trim().trim_start_matches('(').split_once('.')?;
        let end = rest.find(|character: char| !character.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if end == 0 || rest[end..].starts_with('(') || path.contains(['|', '%']) {
            return None;
        }
        starts.push(&rest[..end]);
    }
    Some(starts)
}

/// What [`starts`] tells of each; none where it tells nothing of one. A user's own may start anywhere.
pub(super) fn starts_of_all<'a>(parameters: impl IntoIterator<Item = &'a Parameter>) -> Option<Vec<&'static str>> {
    let of = |parameter: &Parameter| if parameter.is_own() { None } else { starts(parameter.definition.expression) };
    let all: Option<Vec<Vec<&'static str>>> = parameters.into_iter().map(of).collect();
    all.map(|all| all.concat())
}

/// Of a stored resource the elements that these expressions start from, which costs a tenth of reading all of it.
pub(super) fn parse_from(starts: Option<&[&str]>, body: &[u8]) -> Result<Value, JsonError> {
    // `value` is held by `valueReference`.
    let is_start = |starts: &[&str], name: &str| {
        name == "resourceType"
            || starts.iter().any(|start| {
                name.strip_prefix(start).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_lowercase()))
            })
    };
    match starts {
        Some(starts) => json::parse_properties(body, |name| is_start(starts, name)),
        None => json::parse(body),
    }
}

/// The ends of a composite's part, whose path goes on from each of the composite's own.
pub(super) fn component_ends(schema: &Schema, composite: &str, component: &str) -> Option<Vec<End>> {
    let paths: Vec<String> = split_union(composite)
        .into_iter()
        .flat_map(|from| split_union(component).into_iter().map(move |to| format!("{}.{}", from.trim(), to.trim())))
        .collect();
    paths.iter().map(|path| end(schema, path)).collect()
}

/// The ends of the paths that the expression unites; none where one is more than a path.
pub(super) fn ends(schema: &Schema, expression: &str) -> Option<Vec<End>> {
    split_union(expression).into_iter().map(|path| end(schema, path)).collect()
}

/// Splits at the `|` that stand outside parentheses and strings.
fn split_union(expression: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut quoted, mut start) = (Vec::new(), 0, false, 0);
    for (at, character) in expression.char_indices() {
        match character {
            '\'' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            '|' if !quoted && depth == 0 => {
                parts.push(&expression[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&expression[start..]);
    parts
}

fn end(schema: &Schema, path: &str) -> Option<End> {
    let mut path = path.trim();
    while let Some(inner) = path.strip_prefix('(').and_then(|path| path.strip_suffix(')')) {
        if inner.contains('(') {
            break;
        }
        path = inner.trim();
    }
    let (mut path, mut cast) = match path.split_once(" as ") {
        Some((path, cast)) => (path.trim(), Some(cast.trim())),
        None => (path, None),
    };
    if let Some(bare) = path.strip_suffix(')') {
        let (before, call) = bare.split_once('(')?;
        let (before, function) = before.rsplit_once('.')?;
        match function {
            "as" | "ofType" => cast = Some(call),
            // Leaves less, of the same types.
            "where" => {}
            _ => return None,
        }
        path = before;
    }
    let mut segments = path.split('.');
    let mut types = vec![schema.get(segments.next()?)?];
    let mut single = true;
    for segment in segments {
        let mut next = Vec::new();
        for element in types.iter().filter_map(|definition| definition.element(segment)) {
            single &= element.max == 1;
            next.extend(element.types.iter().map(|element_type| element_type.definition));
        }
        if next.is_empty() {
            return None;
        }
        types = next;
    }
    if let Some(cast) = cast {
        types.retain(|definition| definition.is_a(cast) || definition.name.eq_ignore_ascii_case(cast));
    }
    Some(End { path: path.to_owned(), types, single })
}

#[cfg(test)]
mod tests {
    use super::starts;

    #[test]
    fn an_expression_of_paths_starts_from_known_elements() {
        for (expression, expected) in [
            ("Observation.subject.where(resolve() is Patient)", Some(vec!["contained", "subject"])),
            ("(Observation.value as Quantity) | Observation.code", Some(vec!["contained", "value", "code"])),
            ("Bundle.entry[0].resource", Some(vec!["contained", "entry"])),
            ("(Patient.name | Patient.contact.name).family", None),
            ("Patient.descendants()", None),
            ("Patient.where(id = %resource.id)", None),
            ("Observation", None),
        ] {
            assert_eq!(starts(expression), expected, "{expression}");
        }
    }
}
