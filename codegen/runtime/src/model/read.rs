//! Taking an object apart: each property once, and at the end none may be left.

use serde_json::{Map, Value};

use super::{Choice, Issue, Model, Property};

/// [`Model::NAME`] of the enum of all resources.
const ANY_RESOURCE: &str = "Resource";

/// Where the reading stands, and what was wrong so far.
pub(super) struct Reader {
    path: String,
    pub(super) issues: Vec<Issue>,
}

impl Reader {
    pub(super) fn new(root: &str) -> Self {
        Reader { path: root.to_owned(), issues: Vec::new() }
    }

    /// Of a resource that might be any, the type is known from here on: paths start with it.
    fn root_is(&mut self, resource_type: &str) {
        if self.path == ANY_RESOURCE {
            self.path.replace_range(.., resource_type);
        }
    }

    pub(super) fn issue(&mut self, message: impl Into<String>) {
        self.issues.push(Issue { path: self.path.clone(), message: message.into() });
    }

    pub(super) fn wrong_type(&mut self, expected: &str, found: &Value) {
        let found = match found {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.issue(format!("{expected} is expected here, not {found}"));
    }

    pub(super) fn in_property<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.enter(name);
        let result = read(self);
        self.leave(length);
        result
    }

    // What follows is compiled once a model, seven hundred times: so all that does not depend on the type stands in
    // functions of its own.

    pub(super) fn object<M: Model>(&mut self, members: Map<String, Value>) -> M {
        let mut fields = self.fields(members);
        let model = M::read(&mut fields);
        fields.finish(M::NAME);
        model
    }

    fn fields(&mut self, members: Map<String, Value>) -> Fields<'_> {
        if members.is_empty() {
            self.issue("an object is never empty: it has a value, children or extensions");
        }
        let has_underscore = members.keys().any(|name| name.starts_with('_'));
        Fields { members, has_underscore, reader: self }
    }

    /// The members of an object, or `None` with the issue noted.
    pub(super) fn members(&mut self, value: Value) -> Option<Map<String, Value>> {
        match value {
            Value::Object(members) => Some(members),
            other => {
                self.wrong_type("an object", &other);
                None
            }
        }
    }

    /// Goes on to a property; the answer is for [`Reader::leave`].
    pub(super) fn enter(&mut self, name: &str) -> usize {
        let length = self.path.len();
        self.path.push('.');
        self.path.push_str(name);
        length
    }

    pub(super) fn enter_item(&mut self, index: usize) -> usize {
        let length = self.path.len();
        self.path.push_str(&format!("[{index}]"));
        length
    }

    pub(super) fn leave(&mut self, length: usize) {
        self.path.truncate(length);
    }
}

/// The properties of an object that are not yet taken.
pub struct Fields<'r> {
    members: Map<String, Value>,
    has_underscore: bool,
    pub(super) reader: &'r mut Reader,
}

impl Fields<'_> {
    /// The property, or its default where it is absent.
    pub fn take<P: Property>(&mut self, name: &'static str) -> P {
        P::take(self, name)
    }

    /// The property, known to be present.
    pub fn one<M: Model + Default>(&mut self, name: &'static str) -> M {
        self.take::<Option<M>>(name).unwrap_or_default()
    }

    /// The choice, whichever of its properties is present.
    pub fn choice<C: Choice>(&mut self) -> Option<C> {
        let present = |fields: &Self, name: &str| {
            fields.members.contains_key(name)
                || fields.has_underscore && fields.members.contains_key(&format!("_{name}"))
        };
        let mut found = C::PROPERTIES.iter().copied().filter(|name| present(self, name));
        let first = found.next()?;
        if let Some(second) = found.next() {
            self.reader.issue(format!("has {first} and {second}: an element with a choice of types has one of them"));
            for name in C::PROPERTIES {
                self.remove(name);
                self.remove_sibling(name);
            }
            return None;
        }
        Some(C::read(first, self))
    }

    /// Takes `resourceType`, which must name this type.
    /// <https://hl7.org/fhir/R4/json.html#resources>
    pub fn resource_type(&mut self, expected: &'static str) {
        self.reader.root_is(expected);
        match self.remove("resourceType") {
            Some(Value::String(found)) if found == expected => {}
            Some(Value::String(_)) => self.reader.issue(format!("resourceType is not {expected}")),
            Some(_) => self.reader.issue(format!("resourceType is not a string: {expected} is expected")),
            None => self.reader.issue(format!("resourceType is missing: {expected} is expected")),
        }
    }

    /// The value of `resourceType`, left where it is.
    pub fn named_type(&self) -> Option<&str> {
        self.members.get("resourceType").and_then(Value::as_str)
    }

    /// Notes that [`Fields::named_type`] is none that there is.
    pub fn unknown_type(&mut self) {
        let message = match self.members.get("resourceType") {
            Some(_) => "resourceType is not the name of an R4 resource",
            None => "resourceType is missing: it says which resource this is",
        };
        self.reader.issue(message);
        self.members.clear();
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Value> {
        self.members.swap_remove(name)
    }

    /// `_birthDate`, where the id and the extensions of `birthDate` stand.
    pub(super) fn remove_sibling(&mut self, name: &str) -> Option<Value> {
        if self.has_underscore { self.members.swap_remove(&format!("_{name}")) } else { None }
    }

    fn finish(self, type_name: &str) {
        let mut left: Vec<&String> = self.members.keys().collect();
        left.sort_unstable();
        for name in left {
            self.reader.issue(format!("{type_name} has no property `{name}`"));
        }
    }
}
