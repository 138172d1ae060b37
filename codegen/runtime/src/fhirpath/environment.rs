//! What an evaluation may refer to beside the focus, and where it starts.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::Regex;

use super::ast::Expression;
use super::error::EvaluationError;
use super::item::{Collection, Item, Value};
use super::resolve::Resolver;
use super::scope::Scope;
use crate::node::Node;
use crate::schema::Schema;

/// Answers `memberOf`.
pub trait Terminology {
    /// Whether a code, Coding or CodeableConcept is in the value set; `None` where that cannot be told.
    fn member_of(&self, item: Node, value_set: &str) -> Option<bool>;
}

/// Answers `conformsTo`.
pub trait Profiles {
    /// Whether the node conforms to the profile; `None` where that cannot be told.
    fn conforms_to(&self, node: Node, profile: &str) -> Option<bool>;
}

/// The surroundings of an evaluation. [`Environment::new`] leaves out what is optional.
pub struct Environment<'a> {
    pub schema: &'static Schema,
    /// `%resource`: the resource that the focus stands in.
    pub resource: Node<'a>,
    /// `%rootResource`: the same, or what contains it.
    pub root_resource: Node<'a>,
    /// What `now()` and `today()` give, in UTC.
    pub now: jiff::Timestamp,
    /// An element that the type does not have is an error, not empty.
    pub strict: bool,
    pub variables: HashMap<String, Collection<'a>>,
    /// Without one `resolve()` knows the type of what is referred to, and the contained resources.
    pub resolver: Option<&'a dyn Resolver>,
    pub terminology: Option<&'a dyn Terminology>,
    pub profiles: Option<&'a dyn Profiles>,
    expressions: RefCell<HashMap<String, Regex>>,
}

impl<'a> Environment<'a> {
    pub fn new(schema: &'static Schema, resource: Node<'a>, now: jiff::Timestamp) -> Self {
        Environment {
            schema,
            resource,
            root_resource: resource,
            now,
            strict: false,
            variables: HashMap::new(),
            resolver: None,
            terminology: None,
            profiles: None,
            expressions: RefCell::new(HashMap::new()),
        }
    }

    /// What the expression selects or computes, from a focus in the resource.
    pub fn evaluate(&self, expression: &Expression, focus: Node<'a>) -> Result<Collection<'a>, EvaluationError> {
        let this = [Item::Node(focus)];
        Scope { environment: self, context: &this, this: &this, index: None, total: None }.evaluate(expression)
    }

    /// `%name`. <https://hl7.org/fhir/R4/fhirpath.html#variables>
    pub(super) fn variable(&self, name: &str) -> Result<Collection<'a>, EvaluationError> {
        let text = match name {
            "resource" => return Ok(vec![Item::Node(self.resource)]),
            "rootResource" => return Ok(vec![Item::Node(self.root_resource)]),
            "ucum" => "http://unitsofmeasure.org".to_owned(),
            "sct" => "http://snomed.info/sct".to_owned(),
            "loinc" => "http://loinc.org".to_owned(),
            _ => match self.variables.get(name) {
                Some(collection) => return Ok(collection.clone()),
                None => match (name.strip_prefix("vs-"), name.strip_prefix("ext-")) {
                    (Some(value_set), _) => format!("http://hl7.org/fhir/ValueSet/{value_set}"),
                    (_, Some(extension)) => format!("http://hl7.org/fhir/StructureDefinition/{extension}"),
                    _ => return Err(EvaluationError::UnknownVariable(name.to_owned())),
                },
            },
        };
        Ok(vec![Item::Value(Value::String(text))])
    }

    /// The regular expression, compiled once an environment. Its matching time is linear in the text.
    pub(super) fn regular_expression(&self, pattern: &str) -> Result<Regex, EvaluationError> {
        if let Some(found) = self.expressions.borrow().get(pattern) {
            return Ok(found.clone());
        }
        // "." matches line ends as well: a value is one text, not lines.
        let compiled = regex::RegexBuilder::new(pattern).dot_matches_new_line(true).build();
        let compiled = compiled.map_err(|error| EvaluationError::RegularExpression(error.to_string()))?;
        self.expressions.borrow_mut().insert(pattern.to_owned(), compiled.clone());
        Ok(compiled)
    }
}
