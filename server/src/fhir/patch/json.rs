//! JSON Patch, RFC 6902, with JSON Pointer, RFC 6901.

use serde_json::Value;

use super::{malformed, nested, too_many, unprocessable};
use crate::fhir::outcome::{Error, Issue, IssueType, Kind};

/// So many values at most are copied by one patch: copies of copies grow without end.
const MOST_COPIED: usize = 1_000_000;

#[derive(Debug, Clone, PartialEq)]
pub(in crate::fhir) enum Operation {
    Add { path: Pointer, value: Value },
    Remove { path: Pointer },
    Replace { path: Pointer, value: Value },
    Move { from: Pointer, path: Pointer },
    Copy { from: Pointer, path: Pointer },
    Test { path: Pointer, value: Value },
}

/// The reference tokens of a JSON Pointer, unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::fhir) struct Pointer(Vec<String>);

impl Pointer {
    fn parse(text: &str) -> Option<Pointer> {
        if text.is_empty() {
            return Some(Pointer(Vec::new()));
        }
        let tokens = text.strip_prefix('/')?.split('/').map(unescape);
        tokens.collect::<Option<_>>().map(Pointer)
    }
}

/// `~1` is `/`, `~0` is `~`; another `~` is an error.
fn unescape(token: &str) -> Option<String> {
    let mut text = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(character) = characters.next() {
        text.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(text)
}

pub(super) fn read(patch: Value) -> Result<Vec<Operation>, Error> {
    let Value::Array(operations) = patch else {
        let issue = Issue::error(
            IssueType::Structure,
            "A JSON Patch is an array of operations, like [{ \"op\": \"replace\", \"path\": \"/active\", \"value\": true }].",
        );
        return Err(Error::from_issue(Kind::Invalid, issue));
    };
    too_many(operations.len())?;
    operations.into_iter().enumerate().map(|(index, operation)| operation_of(index, operation)).collect()
}

fn operation_of(index: usize, operation: Value) -> Result<Operation, Error> {
    let Value::Object(mut members) = operation else { return Err(malformed(index, "it is a JSON object")) };
    let pointer = |name: &str| {
        let text = members.get(name).and_then(Value::as_str);
        let text = text.ok_or_else(|| malformed(index, format!("`{name}` is missing: it is a JSON Pointer")))?;
        Pointer::parse(text)
            .ok_or_else(|| malformed(index, format!("`{name}` is no JSON Pointer, like /name/0/family")))
    };
    let path = pointer("path")?;
    let op = members.get("op").and_then(Value::as_str).unwrap_or_default().to_owned();
    let from = match op.as_str() {
        "move" | "copy" => Some(pointer("from")?),
        _ => None,
    };
    let value = members.swap_remove("value");
    let valued =
        |value: Option<Value>| value.ok_or_else(|| malformed(index, format!("`value` is missing: {op} needs it")));
    Ok(match (op.as_str(), from) {
        ("add", _) => Operation::Add { path, value: valued(value)? },
        ("remove", _) => Operation::Remove { path },
        ("replace", _) => Operation::Replace { path, value: valued(value)? },
        ("test", _) => Operation::Test { path, value: valued(value)? },
        ("move", Some(from)) => Operation::Move { from, path },
        ("copy", Some(from)) => Operation::Copy { from, path },
        _ => return Err(malformed(index, "`op` is one of add, remove, replace, move, copy and test")),
    })
}

/// Applies all, in order; the first that cannot be is the error of all.
pub(super) fn apply(operations: &[Operation], resource: &mut Value) -> Result<(), Error> {
    let mut copied = 0;
    for (index, operation) in operations.iter().enumerate() {
        one(operation, resource, &mut copied).map_err(|text| unprocessable(index, text))?;
    }
    Ok(())
}

fn one(operation: &Operation, resource: &mut Value, copied: &mut usize) -> Result<(), String> {
    match operation {
        Operation::Add { path, value } => add(resource, path, value.clone()),
        Operation::Remove { path } => remove(resource, path).map(drop),
        Operation::Replace { path, value } => {
            *find_mut(resource, path)? = nested(value.clone(), path.0.len())?;
            Ok(())
        }
        Operation::Move { from, path } => {
            // "The "from" location MUST NOT be a proper prefix of the "path" location".
            if path.0.len() > from.0.len() && path.0.starts_with(&from.0) {
                return Err("what is moved cannot go into itself".to_owned());
            }
            let value = remove(resource, from)?;
            add(resource, path, value)
        }
        Operation::Copy { from, path } => {
            let value = find(resource, from)?.clone();
            *copied += size(&value);
            if *copied > MOST_COPIED {
                return Err("the patch copies too much".to_owned());
            }
            add(resource, path, value)
        }
        Operation::Test { path, value } => match find(resource, path) {
            Ok(found) if equals(found, value) => Ok(()),
            Ok(_) => Err("the test failed: another value is there".to_owned()),
            Err(missing) => Err(format!("the test failed: {missing}")),
        },
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(size).sum::<usize>(),
        Value::String(text) => 1 + text.len() / 64,
        _ => 1,
    }
}

const NOT_THERE: &str = "there is nothing at the path";

fn index(token: &str, length: usize) -> Result<usize, String> {
    // "characters that represent an unsigned base-10 integer … without leading zeros".
    let is_number = token == "0" || (!token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit()));
    let position = token.parse().ok().filter(|_| is_number && !token.is_empty());
    position.filter(|position| *position < length).ok_or_else(|| NOT_THERE.to_owned())
}

fn find<'a>(resource: &'a Value, path: &Pointer) -> Result<&'a Value, String> {
    path.0.iter().try_fold(resource, |value, token| match value {
        Value::Object(members) => members.get(token).ok_or_else(|| NOT_THERE.to_owned()),
        Value::Array(items) => Ok(&items[index(token, items.len())?]),
        _ => Err(NOT_THERE.to_owned()),
    })
}

fn find_mut<'a>(resource: &'a mut Value, path: &Pointer) -> Result<&'a mut Value, String> {
    let mut value = resource;
    for token in &path.0 {
        value = match value {
            Value::Object(members) => members.get_mut(token).ok_or_else(|| NOT_THERE.to_owned())?,
            Value::Array(items) => {
                let position = index(token, items.len())?;
                &mut items[position]
            }
            _ => return Err(NOT_THERE.to_owned()),
        };
    }
    Ok(value)
}

/// The holder of what the path names, and its last token.
fn holder<'a, 'p>(resource: &'a mut Value, path: &'p Pointer) -> Result<(&'a mut Value, &'p str), String> {
    let (last, above) = path.0.split_last().ok_or("the whole resource is not replaced by a patch: send it with PUT")?;
    Ok((find_mut(resource, &Pointer(above.to_vec()))?, last))
}

fn add(resource: &mut Value, path: &Pointer, value: Value) -> Result<(), String> {
    let value = nested(value, path.0.len())?;
    match holder(resource, path)? {
        (Value::Object(members), name) => {
            members.insert(name.to_owned(), value);
            Ok(())
        }
        (Value::Array(items), "-") => {
            items.push(value);
            Ok(())
        }
        (Value::Array(items), token) => {
            // One behind the last is allowed.
            let position = index(token, items.len() + 1).map_err(|_| "the index is beyond the end of the array")?;
            items.insert(position, value);
            Ok(())
        }
        _ => Err("nothing can be added there: it is neither an object nor an array".to_owned()),
    }
}

fn remove(resource: &mut Value, path: &Pointer) -> Result<Value, String> {
    match holder(resource, path)? {
        // The order of the others stays.
        (Value::Object(members), name) => members.shift_remove(name).ok_or_else(|| NOT_THERE.to_owned()),
        (Value::Array(items), token) => Ok(items.remove(index(token, items.len())?)),
        _ => Err(NOT_THERE.to_owned()),
    }
}

/// RFC 6902, 4.6: numbers are equal "if their values are numerically equal", objects whatever the order of members.
fn equals(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            let value = |number: &serde_json::Number| vesta_runtime::decimal::value(number.as_str());
            left == right || value(left).is_some_and(|left| Some(left) == value(right))
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equals(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, left)| right.get(name).is_some_and(|right| equals(left, right)))
        }
        _ => left == right,
    }
}
