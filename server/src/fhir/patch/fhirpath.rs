//! FHIRPath Patch: <https://hl7.org/fhir/R4/fhirpatch.html>
//!
//! An operation's path is evaluated over the resource, and what it selects is found again in the tree by its place; so
//! any FHIRPath expression can be a path, as long as it selects elements.

use jiff::Timestamp;
use serde_json::{Map, Value};
use vesta_runtime::fhirpath::ast::Expression;
use vesta_runtime::fhirpath::{Environment, Item, parse};
use vesta_runtime::node::Node;
use vesta_runtime::schema::{ElementDefinition, Kind as TypeKind, Schema, TypeDefinition};

use super::{malformed, nested, too_many, unprocessable};
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};
use crate::validate;

#[derive(Debug, Clone)]
pub(in crate::fhir) struct Operation {
    path: Expression,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    /// "The content will be added to the element identified in the path using the name specified."
    Add {
        name: String,
        value: Given,
    },
    /// "… inserted in the list identified by the path at the index."
    Insert {
        value: Given,
        index: usize,
    },
    /// "Only a single element can be deleted … (if found)."
    Delete,
    Replace {
        value: Given,
    },
    /// "… moves the element at `source` in the list to `destination`."
    Move {
        source: usize,
        destination: usize,
    },
}

/// A value as it was sent.
#[derive(Debug, Clone)]
enum Given {
    /// `valueHumanName`: the name behind `value`, and the value.
    Typed(String, Value),
    /// An element without a type of its own, by its parts.
    Parts(Vec<(String, Given)>),
}

/// Where an element is: the way to the object that has it, the property, and the index where the property repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Location {
    holder: Vec<Step>,
    property: String,
    index: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Property(String),
    Index(usize),
}

pub(super) fn read(schema: &'static Schema, patch: &Value) -> Result<Vec<Operation>, Error> {
    if patch.get("resourceType").and_then(Value::as_str) != Some("Parameters") {
        let issue = Issue::error(
            IssueType::Structure,
            "A FHIRPath Patch is a Parameters resource; a JSON Patch has the media type application/json-patch+json.",
        );
        return Err(Error::from_issue(Kind::Invalid, issue));
    }
    let issues = validate::validate(schema, patch);
    if !issues.is_empty() {
        return Err(Error::from_issues(Kind::Invalid, issues));
    }
    let operations = patch.get("parameter").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    too_many(operations.len())?;
    operations.iter().enumerate().map(|(index, operation)| operation_of(index, operation)).collect()
}

fn operation_of(index: usize, operation: &Value) -> Result<Operation, Error> {
    if operation.get("name").and_then(Value::as_str) != Some("operation") {
        return Err(malformed(index, "each parameter is named `operation`"));
    }
    let parts = operation.get("part").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let part = |name: &str| parts.iter().find(|part| part.get("name").and_then(Value::as_str) == Some(name));
    let text = |name: &str| {
        let found = part(name).and_then(typed).and_then(|(_, value)| value.as_str());
        found.ok_or_else(|| malformed(index, format!("the part `{name}` is missing: it is a text")))
    };
    let number = |name: &str| {
        let found = part(name).and_then(typed).and_then(|(_, value)| value.as_u64());
        let found = found.and_then(|number| usize::try_from(number).ok());
        found.ok_or_else(|| malformed(index, format!("the part `{name}` is missing: it is a valueInteger from 0")))
    };
    let value = || {
        let found = part("value").and_then(given);
        found.ok_or_else(|| malformed(index, "the part `value` is missing: it has a value[x], or parts"))
    };
    let path = parse(text("path")?).map_err(|error| malformed(index, format!("`path` is no FHIRPath: {error}")))?;
    let change = match text("type")? {
        "add" => Change::Add { name: text("name")?.to_owned(), value: value()? },
        "insert" => Change::Insert { value: value()?, index: number("index")? },
        "delete" => Change::Delete,
        "replace" => Change::Replace { value: value()? },
        "move" => Change::Move { source: number("source")?, destination: number("destination")? },
        _ => return Err(malformed(index, "`type` is one of add, insert, delete, replace and move")),
    };
    Ok(Operation { path, change })
}

/// `value[x]` of a part: what stands behind `value`, and the value.
fn typed(part: &Value) -> Option<(&str, &Value)> {
    let members = part.as_object()?;
    let found = members.iter().find_map(|(property, value)| Some((property.strip_prefix("value")?, value)));
    found.or_else(|| Some(("Resource", members.get("resource")?)))
}

fn given(part: &Value) -> Option<Given> {
    if let Some((name, value)) = typed(part) {
        return Some(Given::Typed(name.to_owned(), value.clone()));
    }
    let parts = part.get("part")?.as_array()?.iter();
    let parts = parts.map(|part| Some((part.get("name")?.as_str()?.to_owned(), given(part)?)));
    parts.collect::<Option<_>>().map(Given::Parts)
}

/// Applies all, in order; each sees what those before it did.
pub(super) fn apply(
    operations: &[Operation],
    schema: &'static Schema,
    resource: &mut Value,
    now: Timestamp,
) -> Result<(), Error> {
    for (index, operation) in operations.iter().enumerate() {
        one(operation, schema, resource, now).map_err(|text| unprocessable(index, text))?;
    }
    Ok(())
}

fn one(operation: &Operation, schema: &'static Schema, resource: &mut Value, now: Timestamp) -> Result<(), String> {
    let select = |resource: &Value, path: &Expression| locations(schema, resource, path, now);
    match &operation.change {
        Change::Add { name, value } => {
            let steps = match select(resource, &operation.path)?.as_slice() {
                [Some(location)] => location.steps(),
                // The resource itself.
                [None] => Vec::new(),
                [] => return Err("the path selects nothing to add to".to_owned()),
                _ => return Err("the path selects several elements: add goes to one".to_owned()),
            };
            let definition = definition_at(schema, resource, &steps)?;
            add(schema, resource, &steps, definition, name, value)
        }
        Change::Delete => match select(resource, &operation.path)?.as_slice() {
            // "if found": what is not there need not be deleted.
            [] => Ok(()),
            [Some(location)] => remove(resource, location).map(drop),
            [None] => Err("a patch does not delete the resource itself".to_owned()),
            _ => Err("the path selects several elements: only a single one is deleted".to_owned()),
        },
        Change::Replace { value } => match select(resource, &operation.path)?.as_slice() {
            [Some(location)] => replace(schema, resource, location, value),
            [None] => Err("the whole resource is not replaced by a patch: send it with PUT".to_owned()),
            [] => Err("the path selects nothing to replace: use add".to_owned()),
            _ => Err("the path selects several elements: only a single one is replaced".to_owned()),
        },
        Change::Insert { value, index } => {
            let (holder, name) = list(&select, resource, &operation.path)?;
            insert(schema, resource, &holder, &name, value, *index)
        }
        Change::Move { source, destination } => {
            let (holder, name) = list(&select, resource, &operation.path)?;
            relocate(resource, &holder, &name, *source, *destination)
        }
    }
}

impl Location {
    fn steps(&self) -> Vec<Step> {
        let mut steps = self.holder.clone();
        steps.push(Step::Property(self.property.clone()));
        steps.extend(self.index.map(Step::Index));
        steps
    }
}

/// Where the elements are that a path selects; none stands for the resource itself.
type Located = Vec<Option<Location>>;

fn locations(schema: &'static Schema, resource: &Value, path: &Expression, now: Timestamp) -> Result<Located, String> {
    let root = Node::resource(resource, schema).ok_or("the resource is of no known type")?;
    let environment = Environment::new(schema, root, now);
    let items = environment.evaluate(path, root).map_err(|error| format!("the path cannot be evaluated: {error}"))?;
    let located = items.iter().map(|item| match item {
        Item::Node(node) if node.is_same(&root) => Ok(None),
        Item::Node(node) => {
            let (value, primitive) = node.place();
            let place = value.or(primitive).and_then(|place| locate(resource, place));
            place.map(Some).ok_or_else(|| "the path leaves the resource".to_owned())
        }
        _ => Err("the path computes a value: it has to select elements of the resource".to_owned()),
    });
    located.collect()
}

/// The way to the value at this address.
fn locate(root: &Value, place: *const Value) -> Option<Location> {
    fn search(value: &Value, place: *const Value, steps: &mut Vec<Step>) -> bool {
        if std::ptr::eq(value, place) {
            return true;
        }
        let found = |step: Step, inner: &Value, steps: &mut Vec<Step>| {
            steps.push(step);
            let found = search(inner, place, steps);
            if !found {
                steps.pop();
            }
            found
        };
        match value {
            Value::Object(members) => {
                members.iter().any(|(name, inner)| found(Step::Property(name.clone()), inner, steps))
            }
            Value::Array(items) => {
                items.iter().enumerate().any(|(index, inner)| found(Step::Index(index), inner, steps))
            }
            _ => false,
        }
    }
    let mut steps = Vec::new();
    if !search(root, place, &mut steps) {
        return None;
    }
    let index = match steps.last()? {
        Step::Index(index) => {
            let index = *index;
            steps.pop();
            Some(index)
        }
        Step::Property(_) => None,
    };
    let Some(Step::Property(property)) = steps.pop() else { return None };
    // The extensions of a primitive stand beside it.
    let property = property.strip_prefix('_').map_or(property.clone(), str::to_owned);
    Some(Location { holder: steps, property, index })
}

fn follow<'a>(resource: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(resource, |value, step| match step {
        Step::Property(name) => value.get(name),
        Step::Index(index) => value.get(index),
    })
}

fn object_at<'a>(resource: &'a mut Value, steps: &[Step]) -> Result<&'a mut Map<String, Value>, String> {
    let mut value = resource;
    for step in steps {
        value = match step {
            Step::Property(name) => value.get_mut(name),
            Step::Index(index) => value.get_mut(index),
        }
        .ok_or("the element is not there")?;
    }
    value.as_object_mut().ok_or_else(|| "nothing can be put into a primitive".to_owned())
}

/// The type of the element that steps lead to.
fn definition_at(schema: &'static Schema, resource: &Value, steps: &[Step]) -> Result<&'static TypeDefinition, String> {
    let own = |value: &Value| schema.resource(value.get("resourceType")?.as_str()?);
    let mut definition = own(resource).ok_or("the resource is of no known type")?;
    for (position, step) in steps.iter().enumerate() {
        if let Step::Property(name) = step {
            let (_, found) = definition.property(name).ok_or("the element is of no known type")?;
            definition = found.definition;
        }
        if definition.kind == TypeKind::Resource
            && let Some(found) = follow(resource, &steps[..=position]).and_then(own)
        {
            definition = found;
        }
    }
    Ok(definition)
}

/// The element that a name stands for, and the property that a value of it has.
fn element_of(
    definition: &'static TypeDefinition,
    name: &str,
    value: &Given,
) -> Result<(&'static ElementDefinition, &'static str, &'static TypeDefinition), String> {
    let plain = name.strip_suffix("[x]").unwrap_or(name);
    let unknown = || format!("`{plain}` is no element of {}", definition.name);
    let element = match definition.element(plain) {
        Some(element) => element,
        None => definition.property(plain).map(|(element, _)| element).ok_or_else(unknown)?,
    };
    let chosen = match (element.types, value) {
        ([only], _) => Some(only),
        (types, Given::Typed(given, _)) => {
            let of_type = |property: &str| property.strip_prefix(element.name) == Some(given);
            types.iter().find(|one| of_type(one.property) || one.property == plain)
        }
        (types, Given::Parts(_)) => types.iter().find(|one| one.property == plain),
    };
    let chosen =
        chosen.ok_or_else(|| format!("`{plain}` of {} does not have the type that was sent", definition.name))?;
    Ok((element, chosen.property, chosen.definition))
}

/// The value as it is stored.
fn built(definition: &'static TypeDefinition, value: &Given) -> Result<Value, String> {
    let parts = match value {
        Given::Typed(_, value) => return Ok(value.clone()),
        Given::Parts(parts) => parts,
    };
    let mut object = Map::new();
    for (name, value) in parts {
        let (element, property, inner) = element_of(definition, name, value)?;
        let value = built(inner, value)?;
        if element.max > 1 {
            let list = object.entry(property).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut().into_iter().for_each(|list| list.push(value.clone()));
        } else if object.insert(property.to_owned(), value).is_some() {
            return Err(format!("`{name}` does not repeat"));
        }
    }
    Ok(Value::Object(object))
}

fn add(
    schema: &'static Schema,
    resource: &mut Value,
    holder: &[Step],
    definition: &'static TypeDefinition,
    name: &str,
    value: &Given,
) -> Result<(), String> {
    let (element, property, inner) = element_of(definition, name, value)?;
    if element.max > 1 {
        let length = object_at(resource, holder)?.get(property).and_then(Value::as_array).map_or(0, Vec::len);
        return insert(schema, resource, holder, property, value, length);
    }
    let value = nested(built(inner, value)?, holder.len() + 1)?;
    let object = object_at(resource, holder)?;
    // One of a choice takes the place of the other.
    if element.types.iter().any(|one| object.contains_key(one.property)) {
        return Err(format!("`{}` is there already, and does not repeat: use replace", element.name));
    }
    object.insert(property.to_owned(), value);
    Ok(())
}

fn replace(schema: &'static Schema, resource: &mut Value, location: &Location, value: &Given) -> Result<(), String> {
    let definition = definition_at(schema, resource, &location.holder)?;
    let known = definition.property(&location.property).ok_or("the element is of no known type")?;
    let (_, property, inner) = element_of(definition, known.0.name, value)?;
    let value = nested(built(inner, value)?, location.steps().len())?;
    let object = object_at(resource, &location.holder)?;
    let beside = format!("_{}", location.property);
    match location.index {
        Some(index) => {
            let list = object.get_mut(&location.property).and_then(Value::as_array_mut);
            *list.and_then(|list| list.get_mut(index)).ok_or("the element is not there")? = value;
            if let Some(extensions) = object.get_mut(&beside).and_then(Value::as_array_mut)
                && let Some(extension) = extensions.get_mut(index)
            {
                *extension = Value::Null;
                tidy(object, &beside);
            }
        }
        None if property == location.property => {
            object.insert(location.property.clone(), value);
            object.shift_remove(&beside);
        }
        None => {
            let place = object.keys().position(|name| *name == location.property);
            object.shift_remove(&location.property);
            object.shift_remove(&beside);
            let place = place.unwrap_or(object.len()).min(object.len());
            object.shift_insert(place, property.to_owned(), value);
        }
    }
    Ok(())
}

fn remove(resource: &mut Value, location: &Location) -> Result<(), String> {
    let object = object_at(resource, &location.holder)?;
    for name in [location.property.clone(), format!("_{}", location.property)] {
        match (location.index, object.get_mut(&name)) {
            (Some(index), Some(Value::Array(list))) if index < list.len() => {
                list.remove(index);
                tidy(object, &name);
            }
            (None, Some(_)) => drop(object.shift_remove(&name)),
            _ => {}
        }
    }
    Ok(())
}

/// A list without anything in it goes.
fn tidy(object: &mut Map<String, Value>, name: &str) {
    let is_empty = object.get(name).and_then(Value::as_array).is_some_and(|list| list.iter().all(Value::is_null));
    if is_empty {
        object.shift_remove(name);
    }
}

/// The list that a path identifies: the way to its holder, and its property or, where it is empty, its name.
fn list(
    select: &dyn Fn(&Value, &Expression) -> Result<Located, String>,
    resource: &Value,
    path: &Expression,
) -> Result<(Vec<Step>, String), String> {
    let not_a_list = || "the path has to identify one list".to_owned();
    let found: Vec<Location> = select(resource, path)?.into_iter().collect::<Option<_>>().ok_or_else(not_a_list)?;
    if let Some(first) = found.first() {
        let is_one = found.iter().all(|other| other.holder == first.holder && other.property == first.property);
        return if is_one { Ok((first.holder.clone(), first.property.clone())) } else { Err(not_a_list()) };
    }
    // An empty list: its holder is there.
    let Expression::Member { focus, name } = path else { return Err("the path selects no list".to_owned()) };
    let holder = match focus {
        None => Vec::new(),
        Some(focus) => match select(resource, focus)?.as_slice() {
            [None] => Vec::new(),
            [Some(location)] => location.steps(),
            _ => return Err(not_a_list()),
        },
    };
    Ok((holder, name.clone()))
}

fn insert(
    schema: &'static Schema,
    resource: &mut Value,
    holder: &[Step],
    name: &str,
    value: &Given,
    index: usize,
) -> Result<(), String> {
    let definition = definition_at(schema, resource, holder)?;
    let (element, property, inner) = element_of(definition, name, value)?;
    if element.max <= 1 {
        return Err(format!("`{}` of {} is no list", element.name, definition.name));
    }
    let value = nested(built(inner, value)?, holder.len() + 2)?;
    let object = object_at(resource, holder)?;
    let list = object.entry(property).or_insert_with(|| Value::Array(Vec::new()));
    let list = list.as_array_mut().ok_or("the element is no list")?;
    if index > list.len() {
        let length = list.len();
        tidy(object, property);
        return Err(format!("the index {index} is beyond the list, which has {length} elements"));
    }
    list.insert(index, value);
    if let Some(extensions) = object.get_mut(&format!("_{property}")).and_then(Value::as_array_mut)
        && index < extensions.len()
    {
        extensions.insert(index, Value::Null);
    }
    Ok(())
}

fn relocate(
    resource: &mut Value,
    holder: &[Step],
    property: &str,
    source: usize,
    destination: usize,
) -> Result<(), String> {
    let object = object_at(resource, holder)?;
    let list = object.get_mut(property).and_then(Value::as_array_mut).ok_or("the element is no list")?;
    let length = list.len();
    if source >= length || destination >= length {
        return Err(format!("the list has {length} elements, from 0 on"));
    }
    let moved = list.remove(source);
    list.insert(destination, moved);
    if let Some(extensions) = object.get_mut(&format!("_{property}")).and_then(Value::as_array_mut) {
        extensions.resize(length.max(extensions.len()), Value::Null);
        let moved = extensions.remove(source);
        extensions.insert(destination, moved);
    }
    Ok(())
}
