//! How a digest is written: JSON that is compact and still gives a readable diff. What fits into a line stands on
//! one line; the top level never does.

use serde::Serialize;
use serde_json::Value;

const WIDTH: usize = 140;

/// The text of a digest file. Same value, same bytes.
pub fn to_text<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).expect("a digest has string keys and no floats");
    let mut text = String::new();
    broken(&value, 0, &mut text);
    text.push('\n');
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let line = value.to_string();
    if line.len() + depth <= WIDTH {
        text.push_str(&line);
    } else {
        broken(value, depth, text);
    }
}

/// One child a line.
fn broken(value: &Value, depth: usize, text: &mut String) {
    let indent = |depth: usize, text: &mut String| {
        text.push('\n');
        text.extend(std::iter::repeat_n(' ', depth));
    };
    match value {
        Value::Object(members) if !members.is_empty() => {
            text.push('{');
            for (position, (key, member)) in members.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                indent(depth + 1, text);
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push_str(": ");
                write(member, depth + 1, text);
            }
            indent(depth, text);
            text.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                indent(depth + 1, text);
                write(item, depth + 1, text);
            }
            indent(depth, text);
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}
