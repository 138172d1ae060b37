//! The one set of routes under a FHIR base: (method, path) to [`Interaction`].
//! <https://hl7.org/fhir/R4/http.html#summary>

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

/// What a request asks for. Types and ids stand as in the path: whether they exist is for `fhir` to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Interaction<'a> {
    Metadata,
    SystemSearch,
    SystemHistory,
    /// A batch or a transaction.
    Bundle,
    /// `form`: the parameters stand in the body too.
    Search {
        resource_type: Cow<'a, str>,
        form: bool,
    },
    SystemSearchForm,
    Create {
        resource_type: Cow<'a, str>,
    },
    TypeHistory {
        resource_type: Cow<'a, str>,
    },
    Read {
        resource_type: Cow<'a, str>,
        id: Cow<'a, str>,
    },
    Update {
        resource_type: Cow<'a, str>,
        id: Cow<'a, str>,
    },
    Patch {
        resource_type: Cow<'a, str>,
        id: Cow<'a, str>,
    },
    Delete {
        resource_type: Cow<'a, str>,
        id: Cow<'a, str>,
    },
    /// What the query matches is updated, patched or deleted.
    ConditionalUpdate {
        resource_type: Cow<'a, str>,
    },
    ConditionalPatch {
        resource_type: Cow<'a, str>,
    },
    ConditionalDelete {
        resource_type: Cow<'a, str>,
    },
    InstanceHistory {
        resource_type: Cow<'a, str>,
        id: Cow<'a, str>,
    },
    /// `member`: a type, or `*`.
    Compartment {
        owner: Cow<'a, str>,
        id: Cow<'a, str>,
        member: Cow<'a, str>,
    },
    Vread {
        resource_type: Cow<'a, str>,
        id: Cow<'a, str>,
        version: Cow<'a, str>,
    },
    /// `$name` on the system, a type, an instance or a version of it. Which are offered is for `fhir` to say.
    Operation {
        resource_type: Option<Cow<'a, str>>,
        id: Option<Cow<'a, str>>,
        version: Option<Cow<'a, str>>,
        /// Without `$`.
        name: Cow<'a, str>,
        is_post: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoRoute {
    NotFound,
    /// The path is there, and takes these methods.
    Method {
        allow: &'static str,
    },
}

const GET_POST: &str = "GET, HEAD, POST";
const GET: &str = "GET, HEAD";
const POST: &str = "POST";
const TYPE: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
const INSTANCE: &str = "GET, HEAD, PUT, PATCH, DELETE";

/// `path` is what follows the FHIR base: `Patient/1`, with or without a slash at either end.
pub(super) fn route<'a>(method: &Method, path: &'a str) -> Result<Interaction<'a>, NoRoute> {
    let mut segments = path.trim_matches('/').split('/').map(|segment| percent_decode_str(segment).decode_utf8_lossy());
    let mut next = || segments.next();
    let (first, second, third, fourth, fifth, more) = (next(), next(), next(), next(), next(), next());
    if more.is_some() {
        return Err(NoRoute::NotFound);
    }
    // HEAD is GET without a body: RFC 9110, 9.3.2.
    let is_get = *method == Method::GET || *method == Method::HEAD;
    let is_post = *method == Method::POST;
    let operation = |resource_type, id, version, name: Cow<'a, str>| {
        if !is_get && !is_post {
            return Err(NoRoute::Method { allow: GET_POST });
        }
        let name = Cow::Owned(name.strip_prefix('$').unwrap_or_default().to_owned());
        Ok(Interaction::Operation { resource_type, id, version, name, is_post })
    };
    let is_operation = |segment: &Option<Cow<'_, str>>| segment.as_ref().is_some_and(|text| text.starts_with('$'));
    match (first, second, third, fourth, fifth) {
        (Some(name), None, None, None, None) if name.starts_with('$') => operation(None, None, None, name),
        (first, Some(name), None, None, None) if name.starts_with('$') => operation(first, None, None, name),
        (first, second, Some(name), None, None) if name.starts_with('$') => operation(first, second, None, name),
        (first, second, Some(third), version, Some(name)) if third == "_history" && name.starts_with('$') => {
            operation(first, second, version, name)
        }
        (.., Some(_)) => Err(NoRoute::NotFound),
        (first, second, third, fourth, None) => {
            if [&first, &second, &third, &fourth].into_iter().any(is_operation) {
                return Err(NoRoute::NotFound);
            }
            resource(method, first.unwrap_or_default(), second, third, fourth)
        }
    }
}

/// What is no operation.
fn resource<'a>(
    method: &Method,
    first: Cow<'a, str>,
    second: Option<Cow<'a, str>>,
    third: Option<Cow<'a, str>>,
    fourth: Option<Cow<'a, str>>,
) -> Result<Interaction<'a>, NoRoute> {
    let is_get = *method == Method::GET || *method == Method::HEAD;
    let only_get = |interaction| if is_get { Ok(interaction) } else { Err(NoRoute::Method { allow: GET }) };
    let only_post =
        |interaction| if *method == Method::POST { Ok(interaction) } else { Err(NoRoute::Method { allow: POST }) };
    match (&*first, second, third, fourth) {
        ("", None, None, None) => match *method {
            _ if is_get => Ok(Interaction::SystemSearch),
            Method::POST => Ok(Interaction::Bundle),
            _ => Err(NoRoute::Method { allow: GET_POST }),
        },
        ("metadata", None, None, None) => only_get(Interaction::Metadata),
        ("_history", None, None, None) => only_get(Interaction::SystemHistory),
        ("_search", None, None, None) => only_post(Interaction::SystemSearchForm),
        (name, ..) if !name.starts_with(|letter: char| letter.is_ascii_alphabetic()) => Err(NoRoute::NotFound),
        (_, None, None, None) => match *method {
            _ if is_get => Ok(Interaction::Search { resource_type: first, form: false }),
            Method::POST => Ok(Interaction::Create { resource_type: first }),
            Method::PUT => Ok(Interaction::ConditionalUpdate { resource_type: first }),
            Method::PATCH => Ok(Interaction::ConditionalPatch { resource_type: first }),
            Method::DELETE => Ok(Interaction::ConditionalDelete { resource_type: first }),
            _ => Err(NoRoute::Method { allow: TYPE }),
        },
        (_, Some(second), None, None) if second == "_search" => {
            only_post(Interaction::Search { resource_type: first, form: true })
        }
        (_, Some(second), None, None) if second == "_history" => {
            only_get(Interaction::TypeHistory { resource_type: first })
        }
        (_, Some(id), None, None) => match *method {
            _ if is_get => Ok(Interaction::Read { resource_type: first, id }),
            Method::PUT => Ok(Interaction::Update { resource_type: first, id }),
            Method::PATCH => Ok(Interaction::Patch { resource_type: first, id }),
            Method::DELETE => Ok(Interaction::Delete { resource_type: first, id }),
            _ => Err(NoRoute::Method { allow: INSTANCE }),
        },
        (_, Some(id), Some(third), None) if third == "_history" => {
            only_get(Interaction::InstanceHistory { resource_type: first, id })
        }
        (_, Some(id), Some(member), None)
            if member == "*" || member.starts_with(|letter: char| letter.is_ascii_uppercase()) =>
        {
            only_get(Interaction::Compartment { owner: first, id, member })
        }
        (_, Some(id), Some(third), Some(version)) if third == "_history" => {
            only_get(Interaction::Vread { resource_type: first, id, version })
        }
        _ => Err(NoRoute::NotFound),
    }
}

impl Interaction<'_> {
    pub(super) fn is_search(&self) -> bool {
        use Interaction::{Compartment, Search, SystemSearch, SystemSearchForm};
        matches!(self, Search { .. } | Compartment { .. } | SystemSearch | SystemSearchForm)
    }

    /// The route as it stands in metrics and logs, where no id may be.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Interaction::Metadata => "/metadata",
            Interaction::SystemSearch | Interaction::Bundle => "/",
            Interaction::SystemHistory => "/_history",
            Interaction::SystemSearchForm => "/_search",
            Interaction::Search { form: true, .. } => "/{type}/_search",
            Interaction::Search { .. }
            | Interaction::Create { .. }
            | Interaction::ConditionalUpdate { .. }
            | Interaction::ConditionalPatch { .. }
            | Interaction::ConditionalDelete { .. } => "/{type}",
            Interaction::TypeHistory { .. } => "/{type}/_history",
            Interaction::Read { .. }
            | Interaction::Update { .. }
            | Interaction::Patch { .. }
            | Interaction::Delete { .. } => "/{type}/{id}",
            Interaction::InstanceHistory { .. } => "/{type}/{id}/_history",
            Interaction::Compartment { .. } => "/{type}/{id}/{member}",
            Interaction::Vread { .. } => "/{type}/{id}/_history/{version}",
            Interaction::Operation { version: Some(_), .. } => "/{type}/{id}/_history/{version}/${operation}",
            Interaction::Operation { id: Some(_), .. } => "/{type}/{id}/${operation}",
            Interaction::Operation { resource_type: Some(_), .. } => "/{type}/${operation}",
            Interaction::Operation { .. } => "/${operation}",
        }
    }

    /// Whether no token is asked for: only for what tells how to get one.
    pub(super) fn is_public(&self) -> bool {
        matches!(self, Interaction::Metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line a (method, path): what is asked for.
    #[test]
    fn the_routes_are_those_of_the_standard() {
        let paths = [
            "",
            "/",
            "metadata",
            "_history",
            "_search",
            "Patient",
            "Patient/",
            "Patient/_search",
            "Patient/_history",
            "Patient/a-1",
            "Patient/a%2D1",
            "Patient/1/_history",
            "Patient/1/_history/2",
            "Patient/1/Observation",
            "Patient/1/*",
            "Patient/1/observation",
            "Patient/1/_history/2/3",
            "Patient/1/_history/2/$meta",
            "Patient/1/_history/$meta/2",
            "Patient/1/Observation/2/$meta",
            "Patient/1/_history/2/$meta/3",
            "Patient/$everything",
            "Patient/1/$everything",
            "$export",
            "_tags",
            "1",
        ];
        let mut table = String::new();
        for path in paths {
            for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
                let line = match route(&method, path) {
                    Ok(interaction) => format!("{interaction:?} {}", interaction.template()),
                    Err(refused) => format!("{refused:?}"),
                };
                table.push_str(&format!("{method:6} /{path}: {line}\n"));
            }
        }
        insta::assert_snapshot!(table);
    }
}
