//! A parsed search: what both back ends work on.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use vesta_runtime::search::{Reference, SearchParameterType};

use super::place::Near;
use super::table::{Parameter, ParameterTable};
use super::words::Words;
use crate::access::Boundary;

/// A search over one type, or over several.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// One for `/Observation?…`; all, or those of `_type`, for a search over the whole system.
    pub types: Vec<&'static str>,
    /// All of them must hold.
    pub criteria: Vec<Criterion>,
    /// Empty where the client left the order open.
    pub sort: Vec<Sort>,
    /// `_count`: 0 asks for the total only.
    pub count: Option<u32>,
    pub total: Total,
    pub summary: Summary,
    /// `_elements`: names of root elements.
    pub elements: Vec<String>,
    pub includes: Vec<Include>,
    pub cursor: Option<String>,
    pub contained: Contained,
    /// Whether what is contained comes by itself, instead of the resource that it stands in.
    pub contained_alone: bool,
    /// Which types may contain what is found, and what may be seen of these; nothing contained is found without.
    pub containers: Option<(Vec<&'static str>, Boundary)>,
    /// What may be seen of the types that chains lead to; of those that are not here, what may be of the types searched.
    pub beyond: BTreeMap<&'static str, Boundary>,
    /// The place of the criterion that leads to the fewest, where that was found out: see `plan::lead`.
    pub lead: Option<usize>,
    /// The parameters that were used, as they came (without the cursor): the `self` link.
    pub used: Vec<(String, String)>,
}

/// One parameter of the query.
#[derive(Debug, Clone, PartialEq)]
pub struct Criterion {
    /// The parameter's code.
    pub code: &'static str,
    /// `:not`: none of the values may be there.
    pub negated: bool,
    pub test: Test,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `_id`: one of these.
    Id(Vec<String>),
    /// `_lastUpdated`.
    LastUpdated(Vec<DateTest>),
    /// `:missing`: true asks for resources without a value.
    Missing(bool),
    /// One of the values of the parameter passes one of these.
    Any(Vec<ValueTest>),
    /// A resource that the reference points to passes: for each type it may have, the criterion.
    Chain(Vec<(&'static str, Criterion)>),
    /// `_has`: a resource of the type `source` refers to this one by its parameter `code`, and passes.
    Referred { source: &'static str, code: &'static str, criterion: Box<Criterion> },
    /// All of these hold.
    All(Vec<Criterion>),
    /// One of these holds.
    OneOf(Vec<Criterion>),
    /// One of these holds, each for resources of its type: membership in a compartment.
    Typed(Vec<(&'static str, Criterion)>),
    /// `_text` and `_content`: the words are there.
    Words(Words),
}

#[derive(Debug, Clone, PartialEq)]
pub enum ValueTest {
    String {
        mode: StringMode,
        folded: String,
        exact: String,
    },
    /// `system`: none accepts any; empty accepts only a token without system. `code`: none accepts any.
    Token {
        system: Option<String>,
        code: Option<String>,
    },
    IdentifierOfType {
        system: String,
        code: String,
        value: String,
    },
    /// Any of these: an id alone stands for one of each type that the parameter may point to.
    Reference(Vec<Reference>),
    /// `:text`: the text beside a code starts so.
    TokenText(String),
    /// `:code-text`: the code starts so, case and accents apart.
    CodeText(String),
    /// `:below` of a canonical: with this version, or with one that goes on from it.
    CanonicalBelow {
        url: String,
        version: String,
    },
    /// `:below` of a media type: with any parameters, and of a type alone with any subtype.
    MediaBelow(String),
    /// `:identifier`.
    ReferenceIdentifier {
        system: Option<String>,
        value: String,
    },
    Date(DateTest),
    Number(NumberTest),
    Quantity {
        number: NumberTest,
        unit: Unit,
    },
    Uri {
        mode: UriMode,
        uri: String,
    },
    Composite(Vec<ValueTest>),
    /// Within the distance of a place.
    Near(Near),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StringMode {
    StartsWith,
    Contains,
    Exact,
    /// The whole text, case and accents apart.
    Equals,
    EndsWith,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UriMode {
    Exact,
    /// The URI or one that continues it.
    Below,
    /// The URI or one that it continues.
    Above,
}

/// <https://hl7.org/fhir/R4/search.html#prefix>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    Eq,
    Ne,
    Gt,
    Lt,
    Ge,
    Le,
    Sa,
    Eb,
    Ap,
}

/// The instants that the value stands for, both ends included; for `ap` widened already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTest {
    pub prefix: Prefix,
    pub low: i64,
    pub high: i64,
}

/// `value` as written; `low` (included) to `high` (excluded) by its precision, or for `ap` widened, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumberTest {
    pub prefix: Prefix,
    pub value: Decimal,
    pub low: Decimal,
    pub high: Decimal,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Unit {
    /// The number alone counts.
    Any,
    /// The unit's code, or its human-readable form.
    Text(String),
    /// UCUM's base units; the numbers of the test are in them.
    Canonical(String),
    Coded {
        system: String,
        code: String,
    },
}

/// A key of the order. Ascending takes the lowest of several values, descending the highest; missing comes last.
#[derive(Debug, Clone, PartialEq)]
pub struct Sort {
    /// The references that lead to what is sorted by, each with the types that it goes on to; none where it is the
    /// resource's own.
    pub along: Vec<(&'static str, Vec<&'static str>)>,
    pub code: &'static str,
    pub kind: SearchParameterType,
    pub descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Total {
    #[default]
    None,
    Estimate,
    Accurate,
}

/// `_contained`: <https://hl7.org/fhir/R4/search.html#contained>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Contained {
    /// What stands by itself.
    #[default]
    False,
    /// What is contained.
    True,
    Both,
}

/// <https://hl7.org/fhir/R4/search.html#summary>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Summary {
    True,
    Text,
    Data,
    Count,
    #[default]
    False,
}

/// `_include=source:code[:target]`, or `_revinclude`.
#[derive(Debug, Clone, PartialEq)]
pub struct Include {
    pub reverse: bool,
    /// The type that has the reference.
    pub source: &'static str,
    pub code: &'static str,
    pub target: Option<&'static str>,
    /// `:iterate`: of what is included as well.
    pub iterate: bool,
}

/// Something in the query that was passed over, or is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// As written: `code:text`.
    pub parameter: String,
    pub kind: IssueKind,
    /// What is wrong, and what would be right.
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssueKind {
    /// No such parameter.
    Unknown,
    /// Known to FHIR, not supported here.
    NotSupported,
    /// Supported, but the rows of stored resources are still being made.
    NotIndexed,
    /// The value cannot be read.
    Value,
    /// More than is configured is asked for.
    TooCostly,
}

/// A query that cannot be answered: every reason at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .issues.iter().map(|issue| issue.message.as_str()).collect::<Vec<_>>().join("; "))]
pub struct SearchError {
    pub issues: Vec<Issue>,
    /// What terminology has to answer first; then the query is parsed again.
    pub questions: Vec<super::Question>,
}

/// Adds a criterion to those that hold together, or of which one holds. Where it asks for values of a parameter as one
/// of them does, the two become one: "neither of these" is both of two `:not`, and "any of these" either of two others.
pub(super) fn joined(criteria: &mut Vec<Criterion>, criterion: Criterion, together: bool) {
    let Criterion { code, negated, test: Test::Any(tests) } = criterion else {
        criteria.push(criterion);
        return;
    };
    let same = criteria.iter_mut().filter(|_| negated == together).find_map(|known| match &mut known.test {
        Test::Any(tests) if known.code == code && known.negated == negated => Some(tests),
        _ => None,
    });
    match same {
        Some(known) => known.extend(tests),
        None => criteria.push(Criterion { code, negated, test: Test::Any(tests) }),
    }
}

impl Criterion {
    /// What must hold together, one by one.
    pub(super) fn conjuncts(self) -> Vec<Criterion> {
        match self {
            Criterion { negated: false, test: Test::All(parts), .. } => {
                parts.into_iter().flat_map(Criterion::conjuncts).collect()
            }
            one => vec![one],
        }
    }

    /// Whether what anybody wrote anywhere in a resource decides, or beside a code.
    pub fn asks_for_words(&self) -> bool {
        matches!(self.code, "_text" | "_content")
            || match &self.test {
                Test::Any(tests) => {
                    tests.iter().any(|test| matches!(test, ValueTest::TokenText(_) | ValueTest::CodeText(_)))
                }
                Test::All(parts) | Test::OneOf(parts) => parts.iter().any(Criterion::asks_for_words),
                Test::Chain(parts) | Test::Typed(parts) => parts.iter().any(|(_, part)| part.asks_for_words()),
                Test::Referred { criterion, .. } => criterion.asks_for_words(),
                _ => false,
            }
    }
}

impl Test {
    /// The types that chains and `_has` lead to from here.
    fn reached(&self, found: &mut BTreeSet<&'static str>) {
        match self {
            Test::Chain(targets) => {
                for (target, criterion) in targets {
                    found.insert(target);
                    criterion.test.reached(found);
                }
            }
            Test::Referred { source, criterion, .. } => {
                found.insert(source);
                criterion.test.reached(found);
            }
            Test::All(parts) | Test::OneOf(parts) => parts.iter().for_each(|part| part.test.reached(found)),
            Test::Typed(parts) => parts.iter().for_each(|(_, part)| part.test.reached(found)),
            Test::Id(_) | Test::LastUpdated(_) | Test::Missing(_) | Test::Any(_) | Test::Words(_) => {}
        }
    }

    fn ranges(&self) -> usize {
        match self {
            Test::Id(_) | Test::Missing(_) | Test::Words(_) => 0,
            Test::LastUpdated(tests) => tests.len(),
            Test::Any(tests) => tests.iter().filter(|test| test.is_range()).count(),
            Test::Chain(parts) | Test::Typed(parts) => parts.iter().map(|(_, part)| part.test.ranges()).sum(),
            Test::Referred { criterion, .. } => criterion.test.ranges(),
            Test::All(parts) | Test::OneOf(parts) => parts.iter().map(|part| part.test.ranges()).sum(),
        }
    }

    /// How many values are compared.
    fn values(&self) -> usize {
        match self {
            Test::Id(ids) => ids.len(),
            Test::LastUpdated(tests) => tests.len(),
            Test::Missing(_) => 1,
            Test::Words(words) => words.count(),
            Test::Any(tests) => tests.len(),
            Test::Chain(parts) | Test::Typed(parts) => parts.iter().map(|(_, part)| part.test.values()).sum(),
            Test::Referred { criterion, .. } => criterion.test.values(),
            Test::All(parts) | Test::OneOf(parts) => parts.iter().map(|part| part.test.values()).sum(),
        }
    }
}

impl Search {
    /// The types that chains and `_has` lead to, and chained keys of the order: what is found tells something of them.
    pub fn reached(&self) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        self.criteria.iter().for_each(|criterion| criterion.test.reached(&mut found));
        found.extend(self.sort.iter().flat_map(|key| &key.along).flat_map(|(_, targets)| targets));
        found
    }

    /// Whether it asks by a parameter that a user has defined, chains apart.
    pub fn asks_own(&self, table: &ParameterTable) -> bool {
        fn asks(table: &ParameterTable, types: &[&'static str], criterion: &Criterion) -> bool {
            match &criterion.test {
                Test::All(parts) | Test::OneOf(parts) => parts.iter().any(|part| asks(table, types, part)),
                _ => types.iter().any(|of| table.parameter(of, criterion.code).is_some_and(Parameter::is_own)),
            }
        }
        self.criteria.iter().any(|criterion| asks(table, &self.types, criterion))
    }

    /// How many values are compared, those of a chain once for each type that it leads to.
    pub(super) fn values(&self) -> usize {
        self.criteria.iter().map(|criterion| criterion.test.values()).sum()
    }

    /// How many of the values are compared by their place in an order.
    pub(super) fn ranges(&self) -> usize {
        self.criteria.iter().map(|criterion| criterion.test.ranges()).sum()
    }

    /// Whether what it finds was changed after some time, as it is asked who wants to know what is new.
    pub(super) fn is_of_lately_changed(&self) -> bool {
        use Prefix::{Ap, Eq, Ge, Gt, Sa};
        let is_late = |test: &DateTest| matches!(test.prefix, Gt | Ge | Sa | Eq | Ap);
        self.criteria.iter().any(|criterion| match &criterion.test {
            Test::LastUpdated(tests) => !criterion.negated && tests.iter().all(is_late),
            _ => false,
        })
    }

    /// A search by these criteria alone.
    pub fn of(types: Vec<&'static str>, criteria: Vec<Criterion>) -> Search {
        Search {
            types,
            criteria,
            sort: Vec::new(),
            count: None,
            total: Total::default(),
            summary: Summary::default(),
            elements: Vec::new(),
            includes: Vec::new(),
            cursor: None,
            contained: Contained::default(),
            contained_alone: false,
            containers: None,
            beyond: BTreeMap::new(),
            lead: None,
            used: Vec::new(),
        }
    }
}

impl ValueTest {
    fn is_range(&self) -> bool {
        match self {
            ValueTest::Date(_) | ValueTest::Number(_) | ValueTest::Quantity { .. } | ValueTest::Near(_) => true,
            ValueTest::Composite(parts) => parts.iter().any(ValueTest::is_range),
            _ => false,
        }
    }
}

impl DateTest {
    /// Whether a stored range passes. <https://hl7.org/fhir/R4/search.html#prefix>
    pub fn accepts(&self, low: i64, high: i64) -> bool {
        let contains = self.low <= low && high <= self.high;
        match self.prefix {
            Prefix::Eq => contains,
            Prefix::Ne => !contains,
            Prefix::Gt => high > self.high,
            Prefix::Lt => low < self.low,
            Prefix::Ge => high > self.high || contains,
            Prefix::Le => low < self.low || contains,
            Prefix::Sa => low > self.high,
            Prefix::Eb => high < self.low,
            Prefix::Ap => low <= self.high && high >= self.low,
        }
    }
}

impl NumberTest {
    /// Whether a stored range passes. "When a comparison prefix … is provided, the implicit precision of the number is
    /// ignored." <https://hl7.org/fhir/R4/search.html#number>
    pub fn accepts(&self, low: Decimal, high: Decimal) -> bool {
        let contains = self.low <= low && high < self.high;
        match self.prefix {
            Prefix::Eq => contains,
            Prefix::Ne => !contains,
            Prefix::Gt => high > self.value,
            Prefix::Lt => low < self.value,
            Prefix::Ge => high >= self.value,
            Prefix::Le => low <= self.value,
            Prefix::Sa => low > self.value,
            Prefix::Eb => high < self.value,
            Prefix::Ap => low <= self.high && high >= self.low,
        }
    }
}
