//! Value by value: whether a resource that a server returns is the one that it was given.

use serde_json::Value;

/// Where `returned` is another than `given`, as lines `path: given … returned …`; empty where nothing was lost or
/// altered. What the server owns (`meta.versionId`, `meta.lastUpdated`) is left out; decimals are compared as written,
/// since `1.50` says more than `1.5` (<https://hl7.org/fhir/R4/datatypes.html#decimal>).
pub fn differences(given: &Value, returned: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let path = given["resourceType"].as_str().unwrap_or("resource").to_owned();
    walk(&path, &without_server_meta(given), &without_server_meta(returned), &mut found);
    found
}

fn without_server_meta(resource: &Value) -> Value {
    let mut resource = resource.clone();
    if let Some(object) = resource.as_object_mut() {
        if let Some(meta) = object.get_mut("meta").and_then(Value::as_object_mut) {
            meta.shift_remove("versionId");
            meta.shift_remove("lastUpdated");
        }
        if object.get("meta").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
            object.shift_remove("meta");
        }
    }
    resource
}

fn walk(path: &str, given: &Value, returned: &Value, found: &mut Vec<String>) {
    match (given, returned) {
        (Value::Object(one), Value::Object(other)) => {
            for (name, value) in one {
                match other.get(name) {
                    Some(returned) => walk(&format!("{path}.{name}"), value, returned, found),
                    None => found.push(format!("{path}.{name}: lost")),
                }
            }
            for name in other.keys().filter(|name| !one.contains_key(*name)) {
                found.push(format!("{path}.{name}: added"));
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            if one.len() != other.len() {
                found.push(format!("{path}: given {} items, returned {}", one.len(), other.len()));
            }
            for (index, (given, returned)) in one.iter().zip(other).enumerate() {
                walk(&format!("{path}[{index}]"), given, returned, found);
            }
        }
        // With arbitrary precision a number is its text: `1.50` is not `1.5`.
        (Value::Number(one), Value::Number(other)) if one.to_string() == other.to_string() => {}
        (given, returned) if given == returned && !given.is_number() => {}
        (given, returned) => found.push(format!("{path}: given {given}, returned {returned}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(given: &str, returned: &str) -> Vec<String> {
        differences(&serde_json::from_str(given).unwrap(), &serde_json::from_str(returned).unwrap())
    }

    #[test]
    fn a_decimal_is_compared_as_written() {
        assert_eq!(
            compared(r#"{"resourceType":"Observation","v":1.50}"#, r#"{"resourceType":"Observation","v":1.5}"#),
            ["Observation.v: given 1.50, returned 1.5"]
        );
        assert!(compared(r#"{"v":[1.50]}"#, r#"{"v":[1.50]}"#).is_empty());
    }

    #[test]
    fn what_is_lost_added_or_shortened_is_named() {
        let found = compared(r#"{"a":1,"b":[1,2],"c":{"d":"x"}}"#, r#"{"b":[1],"c":{"d":"y","e":true}}"#);
        let expected = [
            "resource.a: lost",
            "resource.b: given 2 items, returned 1",
            "resource.c.d: given \"x\", returned \"y\"",
            "resource.c.e: added",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_servers_own_meta_is_left_out() {
        assert!(compared(r#"{"id":"1"}"#, r#"{"id":"1","meta":{"versionId":"1","lastUpdated":"x"}}"#).is_empty());
        assert_eq!(compared(r#"{"meta":{"tag":[]}}"#, r#"{"meta":{"versionId":"1"}}"#).len(), 1);
    }
}
