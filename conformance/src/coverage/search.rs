//! Values for searches: a search that finds nothing shows nothing, so that each parameter, and each combination of them
//! that the guide names, needs a resource with values.

use std::collections::BTreeSet;

use serde_json::Value;
use vesta_codegen::digest::SearchParameter;

use super::wanted::{Need, Wanted, What};
use crate::guide::Profile;
use crate::queries::facts::facts;
use crate::queries::{Kind, Parameter, Path};

/// The searches that the guide's CapabilityStatement names for the profile's type.
pub(super) fn of_profile(profile: Profile<'_>) -> Vec<Wanted<'_>> {
    let resources = profile.guide().server_resources();
    let Some(resource) = resources.into_iter().find(|resource| resource.type_name == profile.type_name()) else {
        return Vec::new();
    };
    let single = resource.search_param.iter().map(|one| (vec![one.name.clone()], one.expectation));
    let combined = resource.combination.iter().map(|one| (one.required.clone(), one.expectation));
    let wanted = single.chain(combined).map(|(parameters, expectation)| Wanted {
        profile,
        element: resource.type_name.clone(),
        what: What::Search(parameters),
        need: Need::Search(expectation),
        way: Vec::new(),
    });
    wanted.collect()
}

/// JSON pointers of the values that the parameters find; empty if one of them finds none.
pub(super) fn pointers(wanted: &Wanted<'_>, parameters: &[String], resource: &Value) -> Vec<String> {
    let mut pointers = BTreeSet::new();
    for code in parameters {
        let definition = wanted.profile.guide().search_parameter_of(&wanted.element, code);
        // What the kit cannot read is never seen: so it is noticed.
        let Some(parameter) = definition.and_then(|definition| parameter(&wanted.element, definition)) else {
            return Vec::new();
        };
        let values: Vec<&Value> = parameter.paths.iter().flat_map(|path| path.values(resource)).collect();
        // A canonical is a reference too, and a plain string.
        let is_canonical = matches!(parameter.kind, Kind::Reference { .. }) && values.iter().any(|one| one.is_string());
        if !is_canonical && facts(&parameter, resource).is_empty() {
            return Vec::new();
        }
        pointers.extend(values.into_iter().filter_map(|value| pointer_of(resource, value)));
    }
    pointers.into_iter().collect()
}

fn parameter(resource_type: &str, definition: &SearchParameter) -> Option<Parameter> {
    let kind = match definition.kind.as_str() {
        "token" => Kind::Token,
        "date" => Kind::Date,
        "string" => Kind::Text,
        "quantity" => Kind::Quantity,
        "number" => Kind::Number,
        "uri" => Kind::Uri,
        "reference" => Kind::Reference { target: None },
        _ => return None,
    };
    // An expression for several types has a part for each.
    let own = format!("{resource_type}.");
    let expression = definition.expression.as_deref()?;
    let parts = expression.split('|').map(str::trim);
    let fits = |part: &&str| {
        let part = part.trim_start_matches('(');
        part.starts_with(&own) || part.starts_with("Resource.") || part.starts_with("DomainResource.")
    };
    let expression = parts.filter(fits).collect::<Vec<_>>().join(" | ");
    let paths = Path::read(&expression).ok()?;
    Some(Parameter { resource_type: resource_type.to_owned(), code: definition.code.clone(), kind, paths })
}

/// Where in a resource a part of it stands.
fn pointer_of(within: &Value, part: &Value) -> Option<String> {
    if std::ptr::eq(within, part) {
        return Some(String::new());
    }
    match within {
        Value::Object(members) => {
            members.iter().find_map(|(name, member)| Some(format!("/{name}{}", pointer_of(member, part)?)))
        }
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(at, item)| Some(format!("/{at}{}", pointer_of(item, part)?)))
        }
        _ => None,
    }
}
