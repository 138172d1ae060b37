//! What the generator's code calls for the parts of an expression that are no plain path: the evaluator's own
//! functions, on what a compiled path selects.

use super::ast::Operator;
use super::item::{Item, Value};
use super::{compare, functions, operators, resolve};
use crate::node::Node;
use crate::schema::Schema;
use crate::search::Selected;

/// `resolve() is Type`, for a reference in the resource.
pub fn resolves_to(resource: Node, reference: Node, schema: &Schema, type_name: &str) -> bool {
    resolve::target_type(resource, reference, schema).is_some_and(|target| target.is_a(type_name))
}

/// `extension(url)`.
pub fn extensions<'a>(node: Node<'a>, url: &str) -> Vec<Node<'a>> {
    let mut found = Vec::new();
    functions::extensions(node, url, |extension| found.push(extension));
    found
}

/// What a path selects, as a collection of its own.
pub fn selected<'a>(path: impl FnOnce(&mut Vec<Selected<'a>>)) -> Vec<Selected<'a>> {
    let mut found = Vec::new();
    path(&mut found);
    found
}

/// `selected = literal`; `None` is empty.
pub fn equal(selected: &[Selected], literal: Value) -> Option<bool> {
    let items: Vec<Item> = selected.iter().copied().map(item).collect();
    compare::equal(&items, &[Item::Value(literal)])
}

pub fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    operators::three_valued(Operator::And, left, right)
}

pub fn or(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    operators::three_valued(Operator::Or, left, right)
}

/// Drops what is equal to something before it, from `start` on: what `|` means.
pub fn distinct(found: &mut Vec<Selected>, start: usize) {
    let mut seen = compare::Distinct::default();
    let mut next = start;
    for index in start..found.len() {
        if seen.insert(&item(found[index])) {
            found[next] = found[index];
            next += 1;
        }
    }
    found.truncate(next);
}

fn item<'a>(selected: Selected<'a>) -> Item<'a> {
    match selected {
        Selected::Node(node) => Item::Node(node),
        Selected::Boolean(value) => Item::Value(Value::Boolean(value)),
    }
}
