//! The search language: parse, resolve, plan; SQL and in-memory back ends.
//! <https://hl7.org/fhir/R4/search.html>
//!
//! [`Search::parse`] reads names and values against a [`ParameterTable`]; a [`Planner`] makes the SQL of a page, a count or
//! the includes; [`Search::matches`] decides the same for one resource in memory. Both back ends compare the index values
//! that the parameters' extractors yield, and nothing else in the server matches resources.

mod chain;
mod criteria;
mod escape;
mod filter;
mod generated;
mod hierarchy;
mod matching;
pub mod own;
mod parse;
mod paths;
mod place;
mod plan;
mod query;
mod replace;
mod results;
mod sort;
mod table;
mod terminology;
mod values;
mod words;

pub use self::criteria::compartment_types;
pub use self::escape::escape;
pub(crate) use self::escape::{split, unescape};
pub use self::generated::types;
pub use self::matching::{Around, meets};
pub use self::own::SiteParameters;
pub use self::paths::Systems;
pub use self::place::Near;
pub(crate) use self::place::{Place, index_values, is_near};
pub use self::plan::{Access, Includes, MOST_INCLUDED, Page, Plan, Planner, Position, Record};
pub use self::query::{
    Contained, Criterion, DateTest, Include, Issue, IssueKind, NumberTest, Prefix, Search, SearchError, Sort,
    StringMode, Summary, Test, Total, Unit, UriMode, ValueTest,
};
pub use self::replace::replace_references;
pub(crate) use self::results::RESULT_PARAMETERS;
#[cfg(test)]
pub(crate) use self::table::definitions;
pub(crate) use self::table::is_identity;
pub use self::table::{ITSELF, Parameter, ParameterTable, Rule, SearchLimits, TypeBoundary, TypeEntry};
pub use self::terminology::{Answers, Question};
pub(crate) use self::values::date;
pub(crate) use self::words::words_of;
pub use self::words::{Words, without_words};

#[cfg(test)]
pub(crate) mod tests;
