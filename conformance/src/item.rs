//! One value of a resource, and where it stands.
//!
//! FHIR's JSON splits a primitive in two: its value, and beside it `_name` with id and extensions
//! (<https://hl7.org/fhir/R4/json.html#primitive>). An [`Item`] holds both together.

use serde_json::{Map, Value};

#[derive(Debug, Clone)]
pub struct Item<'a> {
    /// Absent where there are only extensions.
    pub value: Option<&'a Value>,
    /// What stands in the property with an underscore.
    pub extra: Option<&'a Value>,
    /// The JSON pointer of the value: `/name/0/given/1`.
    pub pointer: String,
}

impl<'a> Item<'a> {
    pub fn root(resource: &'a Value) -> Item<'a> {
        Item { value: Some(resource), extra: None, pointer: String::new() }
    }

    pub fn text(&self) -> Option<&'a str> {
        self.value?.as_str()
    }

    /// The members of what is below: those of an object, or of a primitive's `_name`.
    pub fn members(&self) -> Option<&'a Map<String, Value>> {
        match self.value {
            Some(Value::Object(members)) => Some(members),
            _ => self.extra?.as_object(),
        }
    }

    /// The items of one property, a list one by one.
    pub fn property(&self, name: &str) -> Vec<Item<'a>> {
        let Some(members) = self.members() else { return Vec::new() };
        let (value, extra) = (members.get(name), members.get(&format!("_{name}")));
        // Below a primitive the place is that of its `_name`.
        let pointer = match (self.value, self.extra) {
            (Some(Value::Object(_)), _) | (_, None) => format!("{}/{name}", self.pointer),
            _ => format!("{}/{name}", self.extra_pointer()),
        };
        let is_list = |value: Option<&Value>| value.is_some_and(Value::is_array);
        if !is_list(value) && !is_list(extra) {
            return if value.is_none() && extra.is_none() { Vec::new() } else { vec![Item { value, extra, pointer }] };
        }
        let values = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let extras = extra.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let present = |list: &'a [Value], position: usize| list.get(position).filter(|value| !value.is_null());
        let items = (0..values.len().max(extras.len())).map(|position| Item {
            value: present(values, position),
            extra: present(extras, position),
            pointer: format!("{pointer}/{position}"),
        });
        items.filter(|item| item.value.is_some() || item.extra.is_some()).collect()
    }

    /// The pointer of the property with an underscore: `/_birthDate`, `/name/0/_given/1`.
    pub fn extra_pointer(&self) -> String {
        let (head, position) = match self.pointer.rsplit_once('/') {
            Some((head, last)) if last.parse::<usize>().is_ok() => (head, format!("/{last}")),
            _ => (self.pointer.as_str(), String::new()),
        };
        let (parent, name) = head.rsplit_once('/').unwrap_or(("", head));
        format!("{parent}/_{name}{position}")
    }

    /// The place as one reads it: `Patient.name[0].given[1]`.
    pub fn location(&self, resource_type: &str) -> String {
        self.pointer.split('/').skip(1).fold(resource_type.to_owned(), |location, part| match part.parse::<usize>() {
            Ok(position) => format!("{location}[{position}]"),
            Err(_) => format!("{location}.{}", part.strip_prefix('_').unwrap_or(part)),
        })
    }
}

/// Takes out what stands at a pointer, and what it leaves empty. The item of a list of primitives becomes null if the
/// list beside it (`_name`) has one at the same position.
pub fn remove(resource: &mut Value, pointer: &str) {
    let Some((parent, name)) = pointer.rsplit_once('/') else { return };
    let emptied = match resource.pointer_mut(parent) {
        Some(Value::Object(members)) => {
            members.shift_remove(name);
            members.is_empty()
        }
        Some(Value::Array(items)) => {
            if let Some(item) = name.parse().ok().and_then(|position: usize| items.get_mut(position)) {
                *item = Value::Null;
            }
            items.iter().all(Value::is_null)
        }
        _ => false,
    };
    if emptied && !parent.is_empty() {
        remove(resource, parent);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_primitive_has_its_value_and_its_extensions() {
        let patient = json!({"name": [{"given": ["A", null], "_given": [null, {"extension": [{"url": "x"}]}]}],
            "_birthDate": {"extension": [{"url": "y"}]}});
        let root = Item::root(&patient);
        let given = root.property("name")[0].property("given");
        assert_eq!(given.len(), 2);
        assert_eq!((given[0].text(), given[1].text()), (Some("A"), None));
        assert_eq!(given[1].property("extension")[0].pointer, "/name/0/_given/1/extension/0");
        let birth_date = &root.property("birthDate")[0];
        assert_eq!(birth_date.property("extension")[0].location("Patient"), "Patient.birthDate.extension[0]");
    }

    #[test]
    fn what_is_removed_leaves_nothing_empty() {
        let mut patient = json!({"name": [{"family": "A"}], "active": true, "given": ["A", "B"]});
        remove(&mut patient, "/name/0/family");
        remove(&mut patient, "/given/0");
        assert_eq!(patient, json!({"active": true, "given": [null, "B"]}));
    }
}
