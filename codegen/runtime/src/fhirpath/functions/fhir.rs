//! What FHIR adds to FHIRPath. <https://hl7.org/fhir/R4/fhirpath.html#functions>

use super::super::ast::Expression;
use super::super::error::EvaluationError;
use super::super::item::{Collection, Item, boolean, single, wrong_type};
use super::super::resolve;
use super::super::scope::Scope;
use super::{Result, narrative, optional, unknown};
use crate::node::{Node, children};

pub(super) fn call<'a>(
    scope: &Scope<'_, 'a>,
    function: &str,
    focus: Collection<'a>,
    arguments: &[Expression],
) -> Result<Collection<'a>> {
    match function {
        "extension" => {
            let Some(url) = scope.string(&arguments[0], "extension()")? else { return Ok(Vec::new()) };
            let mut found = Vec::new();
            for item in &focus {
                if let Item::Node(node) = item {
                    extensions(*node, &url, |extension| found.push(Item::Node(extension)));
                }
            }
            Ok(found)
        }
        "hasValue" => Ok(boolean(matches!(focus.as_slice(), [item] if has_value(item)))),
        "getValue" => Ok(optional(match focus.as_slice() {
            [item] if has_value(item) => item.value(),
            _ => None,
        })),
        "resolve" => Ok(focus.iter().filter_map(|item| resolve_item(scope, item)).collect()),
        "memberOf" => {
            let Some(value_set) = scope.string(&arguments[0], "memberOf()")? else { return Ok(Vec::new()) };
            let terminology = scope.environment.terminology.ok_or(EvaluationError::Unavailable("memberOf()"))?;
            answer(&focus, "memberOf()", |node| terminology.member_of(node, &value_set))
        }
        "conformsTo" => {
            let Some(profile) = scope.string(&arguments[0], "conformsTo()")? else { return Ok(Vec::new()) };
            let profiles = scope.environment.profiles.ok_or(EvaluationError::Unavailable("conformsTo()"))?;
            answer(&focus, "conformsTo()", |node| profiles.conforms_to(node, &profile))
        }
        "htmlChecks" => answer(&focus, "htmlChecks()", |node| node.as_str().map(|text| narrative::check(text).is_ok())),
        _ => unknown(function),
    }
}

fn has_value(item: &Item) -> bool {
    match item {
        Item::Node(node) => node.is_primitive() && node.value.is_some(),
        Item::Value(_) => true,
        Item::NotLoaded(_) => false,
    }
}

/// A question about a single node; no answer is empty.
fn answer<'a>(items: &[Item<'a>], place: &str, ask: impl Fn(Node<'a>) -> Option<bool>) -> Result<Collection<'a>> {
    match single(items, place)? {
        Some(Item::Node(node)) => Ok(ask(*node).map(boolean).unwrap_or_default()),
        Some(item) => Err(wrong_type(place, item)),
        None => Ok(Vec::new()),
    }
}

/// The extensions of a node with this URL.
pub(in crate::fhirpath) fn extensions<'a>(node: Node<'a>, url: &str, mut found: impl FnMut(Node<'a>)) {
    let Some(element_type) = node.definition.element("extension").and_then(|element| element.types.first()) else {
        return;
    };
    children(node, element_type.property, element_type.definition)
        .filter(|extension| extension.text("url") == Some(url))
        .for_each(&mut found);
}

/// What a reference points to: a contained resource, what the resolver finds, or at least its type.
fn resolve_item<'a>(scope: &Scope<'_, 'a>, item: &Item<'a>) -> Option<Item<'a>> {
    let environment = scope.environment;
    let (node, text) = match item {
        Item::Node(node) => (Some(*node), resolve::reference_text(*node).map(str::to_owned)),
        Item::Value(super::super::item::Value::String(text)) => (None, Some(text.clone())),
        _ => return None,
    };
    if let Some(text) = text.as_deref().filter(|text| text.starts_with('#')) {
        return resolve::contained(environment.root_resource, text, environment.schema).map(Item::Node);
    }
    if let Some(resolver) = environment.resolver {
        return resolver.resolve(&text?).map(Item::Node);
    }
    resolve::target_type(environment.root_resource, node?, environment.schema).map(Item::NotLoaded)
}
