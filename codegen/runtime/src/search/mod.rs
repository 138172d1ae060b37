//! Search parameters as the generator writes them, and the index values that their extractors yield.
//!
//! The first half is data that generated code fills in; the second half ([`IndexValue`]) is what the server stores
//! and what the in-memory matcher compares. Both back ends of the search language stand on the same values.

mod quantity;
mod reference;
mod text;
mod values;

pub use self::quantity::{UCUM, canonical};
pub use self::text::fold;
pub use self::values::{values, values_within};

use std::fmt;

use rust_decimal::Decimal;

use crate::fhirpath::ast::Expression;
use crate::fhirpath::{Environment, Item, Value};
use crate::node::Node;
use crate::schema::Schema;

/// A `SearchParameter` for one base type.
/// <https://hl7.org/fhir/R4/searchparameter.html>
#[derive(Debug)]
pub struct SearchParameter {
    /// The name in a query: `birthdate`.
    pub code: &'static str,
    /// The canonical URL.
    pub url: &'static str,
    pub kind: SearchParameterType,
    /// The type it is defined on: `Observation`, `DomainResource` or `Resource`.
    pub base: &'static str,
    /// The part of the FHIRPath expression that concerns this base.
    pub expression: &'static str,
    /// For references: the types that may be pointed to.
    pub targets: &'static [&'static str],
    /// For composites.
    pub components: &'static [Component],
    pub extract: Extract,
    /// Changes when the expression, or the way it is compiled and turned into index values, changes: the database
    /// remembers it, and re-indexes what differs.
    pub extractor_hash: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SearchParameterType {
    Number,
    Date,
    String,
    Token,
    Reference,
    Composite,
    Quantity,
    Uri,
    Special,
}

/// A part of a composite parameter; `extract` runs on each node that the composite's own expression yields.
#[derive(Debug)]
pub struct Component {
    /// The canonical URL of the parameter whose meaning it has.
    pub definition: &'static str,
    pub kind: SearchParameterType,
    pub targets: &'static [&'static str],
    pub expression: &'static str,
    pub extract: Extract,
}

/// A FHIRPath expression at work: from a focus (and the resource it stands in) to the nodes it selects, in order.
/// A boolean that the expression computes (`Patient.deceased.exists()`) is yielded as [`Selected::Boolean`].
#[derive(Debug, Clone, Copy)]
pub enum Extract {
    /// What the generator made of the expression.
    Compiled(Compiled),
    /// A user's own: the evaluator walks it.
    Walked(&'static Walked),
}

pub type Compiled = for<'a> fn(resource: Node<'a>, focus: Node<'a>, found: &mut Vec<Selected<'a>>);

/// An expression that was read while the server runs.
pub struct Walked {
    pub expression: Expression,
    pub schema: &'static Schema,
    /// The types that the parameter is of: what else the expression selects (an element may have a choice of types) is
    /// passed over.
    pub types: Vec<&'static str>,
}

/// Without the schema, which goes round in circles.
impl fmt::Debug for Walked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Walked").field("types", &self.types).finish_non_exhaustive()
    }
}

impl Extract {
    /// Whatever the expression has no value for by the rules of FHIRPath selects nothing: a search does not find the
    /// resource by it, and never fails on it.
    pub fn select<'a>(&self, resource: Node<'a>, focus: Node<'a>, found: &mut Vec<Selected<'a>>) {
        match self {
            Extract::Compiled(compiled) => compiled(resource, focus, found),
            Extract::Walked(Walked { expression, schema, types }) => {
                // The time is for `now()` and `today()`: an index would not follow them, so nobody may use them there.
                let environment = Environment::new(schema, resource, jiff::Timestamp::UNIX_EPOCH);
                let items = environment.evaluate(expression, focus).unwrap_or_default();
                found.extend(items.into_iter().filter_map(|item| match item {
                    Item::Node(node) => types.contains(&node.definition.name).then_some(Selected::Node(node)),
                    Item::Value(Value::Boolean(value)) => Some(Selected::Boolean(value)),
                    Item::Value(_) | Item::NotLoaded(_) => None,
                }));
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Selected<'a> {
    Node(Node<'a>),
    Boolean(bool),
}

/// What a search parameter finds in a resource, in the form that is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum IndexValue {
    /// `folded` is what plain and `:contains` searches compare (case and accents removed, white space collapsed);
    /// `exact` is the text as it stands, for `:exact`.
    String {
        folded: String,
        exact: String,
    },
    /// `system` is `Some("")` where the element has none but could (a Coding without system), and `None` where the
    /// data type has no system (a `code`, a `boolean`). `text` is the display or text for `:text`.
    Token {
        system: Option<String>,
        code: Option<String>,
        text: Option<String>,
    },
    /// An Identifier under one of its types, for `:of-type`: the type's system and code, and the value.
    IdentifierOfType {
        system: String,
        code: String,
        value: String,
    },
    /// Where a reference points, as written, taken apart.
    Reference(Reference),
    /// The instants that the value covers, both ends included, in microseconds since 1970 UTC; an open end is
    /// `i64::MIN` or `i64::MAX`.
    Date {
        low: i64,
        high: i64,
    },
    /// From `low` to `high`, both included: the same for a number, the two ends for a `Range`. "The way search
    /// parameters operate in resources is not affected by the precision of the number in the resource"
    /// (<https://hl7.org/fhir/R4/search.html#number>). An open end is [`Decimal::MIN`] or [`Decimal::MAX`].
    Number {
        low: Decimal,
        high: Decimal,
    },
    Quantity(Quantity),
    Uri(String),
    /// One value a component, for one node of the composite's expression.
    Composite(Vec<IndexValue>),
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reference {
    /// `Patient` and `1` for `Patient/1` and for `https://host/base/Patient/1` (then `base` is set).
    pub target_type: Option<String>,
    pub target_id: Option<String>,
    pub target_version: Option<String>,
    pub base: Option<String>,
    /// For what is not `[base/]Type/id`: `urn:uuid:…`, a canonical URL, `#id` of what stands in the same resource.
    pub url: Option<String>,
    /// `Reference.identifier`, for `:identifier`: system and value.
    pub identifier: Option<(Option<String>, Option<String>)>,
}

/// A quantity, from `low` to `high`, both included, open at [`Decimal::MIN`] or [`Decimal::MAX`].
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    pub low: Decimal,
    pub high: Decimal,
    pub system: Option<String>,
    pub code: Option<String>,
    /// The human-readable unit, which a search without system also compares.
    pub unit: Option<String>,
    /// The same in UCUM's base units, where the unit is a UCUM code: low, high, canonical unit.
    pub canonical: Option<(Decimal, Decimal, String)>,
}
