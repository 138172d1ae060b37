//! Filtering, projection and the walk down the tree.
//! <http://hl7.org/fhirpath/N1/#filtering-and-projection> and <http://hl7.org/fhirpath/N1/#tree-navigation>

use std::collections::HashSet;

use super::super::ast::{Expression, TypeName};
use super::super::compare::Distinct;
use super::super::error::EvaluationError;
use super::super::item::{Collection, Item, boolean, condition, single};
use super::super::scope::{MAX_ITEMS, Scope, push_children};
use super::super::types::{self, ResolvedType};
use super::{Result, unknown};

pub(super) fn call<'a>(
    scope: &Scope<'_, 'a>,
    function: &str,
    mut focus: Collection<'a>,
    arguments: &[Expression],
) -> Result<Collection<'a>> {
    match function {
        "where" => {
            let mut found = Vec::new();
            for (index, item) in focus.into_iter().enumerate() {
                if condition(&scope.evaluate_on(&arguments[0], &item, index)?, "where()")? == Some(true) {
                    found.push(item);
                }
            }
            Ok(found)
        }
        "select" => {
            let mut found = Vec::new();
            for (index, item) in focus.iter().enumerate() {
                found.extend(scope.evaluate_on(&arguments[0], item, index)?);
                limit(&found)?;
            }
            Ok(found)
        }
        "repeat" => repeat(scope, focus, &arguments[0]),
        "aggregate" => {
            let mut total = match arguments.get(1) {
                Some(start) => scope.evaluate(start)?,
                None => Vec::new(),
            };
            for (index, item) in focus.iter().enumerate() {
                let this = std::slice::from_ref(item);
                let inner = Scope { this, index: Some(index), total: Some(&total), ..*scope };
                total = inner.evaluate(&arguments[0])?;
            }
            Ok(total)
        }
        "iif" => {
            let inner = Scope { this: &focus, ..*scope };
            // Outside a path `iif` has the whole context as `$this`.
            let holds = condition(&inner.evaluate(&arguments[0])?, "iif()")?.unwrap_or(false);
            match if holds { Some(&arguments[1]) } else { arguments.get(2) } {
                Some(chosen) => inner.evaluate(chosen),
                None => Ok(Vec::new()),
            }
        }
        "ofType" | "as" => {
            let type_name = type_argument(&arguments[0])?;
            let wanted: ResolvedType = types::resolve(scope.environment.schema, &type_name)?;
            focus.retain(|item| wanted.holds(item));
            Ok(focus)
        }
        "is" => {
            let type_name = type_argument(&arguments[0])?;
            let wanted = types::resolve(scope.environment.schema, &type_name)?;
            Ok(single(&focus, "is()")?.map(|item| boolean(wanted.holds(item))).unwrap_or_default())
        }
        "children" => {
            let mut found = Vec::new();
            focus.iter().for_each(|item| push_all_children(scope, item, &mut found));
            Ok(found)
        }
        "descendants" => {
            let mut found = Vec::new();
            let mut level = focus;
            while !level.is_empty() {
                let mut next = Vec::new();
                level.iter().for_each(|item| push_all_children(scope, item, &mut next));
                found.extend(next.iter().cloned());
                limit(&found)?;
                level = next;
            }
            Ok(found)
        }
        _ => unknown(function),
    }
}

fn type_argument(argument: &Expression) -> Result<TypeName> {
    argument.as_type_name().ok_or_else(|| EvaluationError::UnknownType(argument.to_string()))
}

fn limit(items: &[Item]) -> Result<()> {
    if items.len() > MAX_ITEMS { Err(EvaluationError::TooLarge(MAX_ITEMS)) } else { Ok(()) }
}

/// What the projection gives for each item, and again for what that gives, as long as something new comes.
fn repeat<'a>(scope: &Scope<'_, 'a>, focus: Collection<'a>, projection: &Expression) -> Result<Collection<'a>> {
    let mut found: Collection<'a> = Vec::new();
    let mut places = HashSet::new();
    let mut values = Distinct::default();
    let mut level = focus;
    while !level.is_empty() {
        let mut next = Vec::new();
        for (index, item) in level.iter().enumerate() {
            for item in scope.evaluate_on(projection, item, index)? {
                // A node is new unless this very place was visited; a computed value, unless an equal one was.
                let is_new = match &item {
                    Item::Node(node) => places.insert(node.place()),
                    _ => values.insert(&item),
                };
                if is_new {
                    found.push(item.clone());
                    next.push(item);
                    limit(&found)?;
                }
            }
        }
        level = next;
    }
    Ok(found)
}

fn push_all_children<'a>(scope: &Scope<'_, 'a>, item: &Item<'a>, found: &mut Collection<'a>) {
    let Item::Node(node) = item else { return };
    for element_type in node.definition.elements.iter().flat_map(|element| element.types) {
        push_children(*node, element_type.property, element_type.definition, scope.environment.schema, found);
    }
}
