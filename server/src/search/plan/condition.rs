//! A criterion as a condition on the key of a resource.

use rust_decimal::Decimal;
use sea_orm::DbBackend;
use sea_orm::sea_query::{Asterisk, BinOper, Expr, ExprTrait, Func, JoinType, LikeExpr, Query, SelectStatement};
use vesta_runtime::search::SearchParameterType as Kind;

use super::Planner;
use crate::access::Boundary;
use crate::search::paths::Systems;
use crate::search::query::{Criterion, DateTest, NumberTest, Prefix, StringMode, Test, Unit, UriMode, ValueTest};
use crate::search::table::Parameter;
use crate::store::index::{
    Column, IndexTable, Meaning, composite_hash, cut, instant_bytes, number_bytes, reference_hashes,
};
use crate::store::schema::{Patient, Resource};

/// What an index row must have: any of these.
#[derive(Debug, Clone)]
pub(super) struct RowTest {
    pub table: IndexTable,
    any: Vec<RowCondition>,
}

#[derive(Debug, Clone)]
enum RowCondition {
    Hash(i64),
    StartsWith(String),
    Contains(String),
    Exact {
        folded: String,
        exact: i64,
    },
    Uri(String),
    /// A row whose value the text continues.
    Above(String),
    Date(DateTest),
    Number(NumberTest),
    /// `hash` is of the unit, in a composite of the other parts as well; `code` of the unit as written.
    Quantity {
        column: Column,
        hash: i64,
        code: Option<i64>,
        range: Range,
    },
}

#[derive(Debug, Clone)]
enum Range {
    Date(DateTest),
    Number(NumberTest),
}

impl RowTest {
    pub(super) fn is_one_hash(&self) -> bool {
        matches!(self.any.as_slice(), [RowCondition::Hash(_)])
    }

    /// Whether the table's key leads from a resource to its rows, so that a probe is one seek.
    fn is_probe(&self) -> bool {
        match self.table {
            IndexTable::IndexToken
            | IndexTable::IndexReference
            | IndexTable::IndexDate
            | IndexTable::IndexNumber
            | IndexTable::IndexQuantity
            | IndexTable::IndexComposite => true,
            IndexTable::IndexString => false,
            IndexTable::IndexUri => self.any.iter().all(|one| matches!(one, RowCondition::Uri(_))),
        }
    }

    /// Whether the table has a second index, by value, that a probe must not take.
    fn has_range_index(&self) -> bool {
        matches!(self.table, IndexTable::IndexDate | IndexTable::IndexNumber | IndexTable::IndexQuantity)
    }

    pub(super) fn expr(&self, row: &'static str, columns: Columns) -> Expr {
        let hashes: Vec<i64> = self
            .any
            .iter()
            .filter_map(|one| if let RowCondition::Hash(hash) = one { Some(*hash) } else { None })
            .collect();
        let value = Expr::col((row, Column::Value));
        let equal = match hashes.as_slice() {
            [] => None,
            [one] => Some(value.eq(*one)),
            several => Some(value.is_in(padded(several))),
        };
        let others =
            self.any.iter().filter(|one| !matches!(one, RowCondition::Hash(_))).map(|one| one.expr(row, columns));
        equal.into_iter().chain(others).reduce(ExprTrait::or).unwrap_or_else(never)
    }
}

/// The same values, repeated up to a power of two: few distinct statement texts stay prepared.
pub(super) fn padded<T: Copy>(values: &[T]) -> Vec<T> {
    let last = values[values.len() - 1];
    let mut padded = values.to_vec();
    padded.resize(values.len().next_power_of_two(), last);
    padded
}

pub(super) fn never() -> Expr {
    Expr::cust("1 = 0")
}

/// How a condition names the ends of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    Plain,
    /// Behind a sign that changes nothing: SQLite then looks for no index by them.
    Hidden,
}

impl RowCondition {
    fn expr(&self, row: &'static str, columns: Columns) -> Expr {
        let column = |column: Column| {
            let plain = Expr::col((row, column));
            if columns == Columns::Hidden && matches!(column, Column::Low | Column::High) {
                Expr::cust_with_expr("+?", plain)
            } else {
                plain
            }
        };
        let value = || column(Column::Value);
        match self {
            RowCondition::Hash(hash) => value().eq(*hash),
            RowCondition::StartsWith(text) => {
                let (head, rest) = cut(text);
                if !rest.is_empty() {
                    let pattern = LikeExpr::new(format!("{}%", escape_like(rest))).escape('\\');
                    return value().eq(head).and(column(Column::Rest).like(pattern));
                }
                starts_with(value, head)
            }
            RowCondition::Contains(text) => {
                let rest = Func::coalesce([column(Column::Rest), Expr::cust("''")]);
                let pattern = LikeExpr::new(format!("%{}%", escape_like(text))).escape('\\');
                value().binary(BinOper::Custom("||"), rest).like(pattern)
            }
            RowCondition::Exact { folded, exact } => value().eq(cut(folded).0).and(column(Column::Exact).eq(*exact)),
            RowCondition::Uri(uri) => value().eq(cut(uri).0),
            RowCondition::Above(uri) => {
                let length = Func::cust("length").arg(value());
                let start =
                    Func::cust("substr").arg(Expr::val(uri.clone()).cast_as("text")).arg(Expr::cust("1")).arg(length);
                Expr::from(start).eq(value())
            }
            RowCondition::Date(test) => date(test, column(Column::Low), column(Column::High)),
            RowCondition::Number(test) => number(test, column(Column::Low), column(Column::High)),
            RowCondition::Quantity { column: of, hash, code, range } => {
                let range = match range {
                    Range::Date(test) => {
                        date_by(test, column(Column::Low), column(Column::High), |at| Expr::val(instant_bytes(at)))
                    }
                    Range::Number(test) => number(test, column(Column::Low), column(Column::High)),
                };
                let unit = column(*of).eq(*hash);
                match code {
                    Some(code) => unit.and(column(Column::Code).eq(*code)).and(range),
                    None => unit.and(range),
                }
            }
        }
    }
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// A range, which an index serves, where `like` would not be served on either database.
fn starts_with(value: impl Fn() -> Expr, start: &str) -> Expr {
    let from = value().gte(start);
    match successor(start) {
        Some(end) => from.and(value().lt(end)),
        None => from,
    }
}

/// The least text that is greater than every text that starts so.
fn successor(start: &str) -> Option<String> {
    let mut text = start.to_owned();
    while let Some(last) = text.pop() {
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(last as u32 + 1) };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// The same as [`DateTest::accepts`]. The bounds that follow for `high` are spelled out, since the range index begins
/// with it.
pub(super) fn date(test: &DateTest, low: Expr, high: Expr) -> Expr {
    date_by(test, low, high, Expr::val)
}

fn date_by(test: &DateTest, low: Expr, high: Expr, bound: impl Fn(i64) -> Expr) -> Expr {
    let (from, to) = (|| bound(test.low), || bound(test.high));
    match test.prefix {
        Prefix::Eq => high.clone().gte(from()).and(high.lte(to())).and(low.gte(from())),
        Prefix::Ne => low.lt(from()).or(high.gt(to())),
        Prefix::Gt => high.gt(to()),
        Prefix::Lt => low.lt(from()),
        Prefix::Ge => high.clone().gte(from()).and(high.gt(to()).or(low.gte(from()))),
        Prefix::Le => low.clone().lte(to()).and(low.lt(from()).or(high.lte(to()))),
        Prefix::Sa => high.gt(to()).and(low.gt(to())),
        Prefix::Eb => high.lt(from()),
        Prefix::Ap => high.gte(from()).and(low.lte(to())),
    }
}

/// The same as [`NumberTest::accepts`], on bytes that sort as numbers do.
fn number(test: &NumberTest, low: Expr, high: Expr) -> Expr {
    let bound = |number: Decimal| Expr::val(number_bytes(number));
    let (value, from, to) = (|| bound(test.value), || bound(test.low), || bound(test.high));
    match test.prefix {
        Prefix::Eq => high.clone().gte(from()).and(high.lt(to())).and(low.gte(from())),
        Prefix::Ne => low.lt(from()).or(high.gte(to())),
        Prefix::Gt => high.gt(value()),
        Prefix::Lt => low.lt(value()),
        Prefix::Ge => high.gte(value()),
        Prefix::Le => low.lte(value()),
        Prefix::Sa => high.gt(value()).and(low.gt(value())),
        Prefix::Eb => high.lt(value()),
        Prefix::Ap => high.gte(from()).and(low.lte(to())),
    }
}

/// One instant each: what `last_updated` holds.
pub(super) fn instants(tests: &[DateTest], at: &Expr) -> Option<Expr> {
    tests.iter().map(|test| date(test, at.clone(), at.clone())).reduce(ExprTrait::or)
}

pub(super) fn parameter_is(row: &'static str, ids: &[i32]) -> Expr {
    let parameter = Expr::col((row, Column::Parameter));
    match ids {
        [one] => parameter.eq(*one),
        several => parameter.is_in(several.iter().copied()),
    }
}

/// The tests as one test on rows of one table, where they are.
pub(super) fn any_row(planner: &Planner<'_>, parameter: &Parameter, tests: &[ValueTest]) -> Option<RowTest> {
    let mut groups = groups(planner, parameter.systems, tests);
    if groups.len() == 1 { groups.pop() } else { None }
}

fn groups(planner: &Planner<'_>, systems: Systems, tests: &[ValueTest]) -> Vec<RowTest> {
    let mut groups: Vec<RowTest> = Vec::new();
    for (table, condition) in tests.iter().flat_map(|test| planner.rows(systems, test)) {
        match groups.iter_mut().find(|group| group.table == table) {
            Some(group) => group.any.push(condition),
            None => groups.push(RowTest { table, any: vec![condition] }),
        }
    }
    groups
}

impl Planner<'_> {
    pub(super) fn number(&self, of: &str) -> i32 {
        self.table.entry(of).map_or(-1, |entry| i32::from(entry.number))
    }

    /// The key by which compartment rows know the patient.
    pub(super) fn patient_key(&self, id: &str) -> Expr {
        let mut statement = Query::select();
        statement
            .expr(Expr::col(("who", Patient::Key)))
            .from(self.names.table_as(Patient::Table, "who"))
            .and_where(Expr::col(("who", Patient::Id)).eq(id));
        Expr::SubQuery(None, Box::new(statement.into()))
    }

    pub(super) fn resource_column(&self, column: Resource, key: &Expr) -> Expr {
        let mut statement = Query::select();
        statement
            .expr(Expr::col(("held", column)))
            .from(self.names.table_as(Resource::Table, "held"))
            .and_where(Expr::col(("held", Resource::Key)).eq(key.clone()));
        Expr::SubQuery(None, Box::new(statement.into()))
    }

    /// Whether the resource with this key meets the criterion.
    pub(super) fn criterion(
        &self,
        types: &[&'static str],
        criterion: &Criterion,
        key: &Expr,
        boundary: &Boundary,
    ) -> Expr {
        let parameters: Vec<&Parameter> =
            types.iter().filter_map(|of| self.table.parameter(of, criterion.code)).collect();
        let ids: Vec<i32> = parameters.iter().map(|parameter| parameter.id).collect();
        let condition = match &criterion.test {
            Test::Id(wanted) => self.resource_column(Resource::Id, key).is_in(wanted.iter().map(String::as_str)),
            Test::LastUpdated(tests) => {
                instants(tests, &self.resource_column(Resource::LastUpdated, key)).unwrap_or_else(never)
            }
            _ if parameters.is_empty() => never(),
            Test::Missing(missing) => {
                let present = self.is_present(parameters[0], &ids, key);
                if *missing { present.not() } else { present }
            }
            Test::Any(tests) => {
                // Types differ in whether tokens have systems: then every form is asked for.
                let systems = parameters[0].systems;
                let same = parameters.iter().all(|parameter| parameter.systems == systems);
                let systems = if same { systems } else { Systems::Unknown };
                groups(self, systems, tests)
                    .iter()
                    .map(|group| {
                        // Without statistics SQLite takes the index by value, and scans it for every resource.
                        let hide = self.backend == DbBackend::Sqlite && group.has_range_index();
                        let condition = group.expr("row", if hide { Columns::Hidden } else { Columns::Plain });
                        self.has_row(group.table, &ids, Some(condition), key, group.is_probe())
                    })
                    .reduce(ExprTrait::or)
                    .unwrap_or_else(never)
            }
            Test::Chain(targets) => targets
                .iter()
                .map(|(target, inner)| self.chain(&ids, target, inner, key, boundary))
                .reduce(ExprTrait::or)
                .unwrap_or_else(never),
        };
        if criterion.negated { condition.not() } else { condition }
    }

    fn has_row(&self, table: IndexTable, ids: &[i32], condition: Option<Expr>, key: &Expr, probe: bool) -> Expr {
        let mut statement = Query::select();
        statement
            .from(self.names.table_as(table, "row"))
            .and_where(parameter_is("row", ids))
            .and_where_option(condition);
        let resource = Expr::col(("row", Column::Resource));
        if probe {
            statement.expr(Func::count(Expr::col(Asterisk))).and_where(resource.eq(key.clone()));
            Expr::SubQuery(None, Box::new(statement.into())).gt(0)
        } else {
            statement.expr(resource);
            key.clone().in_subquery(statement)
        }
    }

    fn is_present(&self, parameter: &Parameter, ids: &[i32], key: &Expr) -> Expr {
        let ranges = [Kind::Date, Kind::Number, Kind::Quantity];
        let (table, probe) = match parameter.definition.kind {
            Kind::String => (IndexTable::IndexString, false),
            Kind::Reference => (IndexTable::IndexReference, false),
            Kind::Uri => (IndexTable::IndexUri, false),
            Kind::Date => (IndexTable::IndexDate, true),
            Kind::Number => (IndexTable::IndexNumber, true),
            Kind::Quantity => (IndexTable::IndexQuantity, true),
            Kind::Composite => {
                let kinds = || parameter.definition.components.iter().map(|component| component.kind);
                if kinds().any(|kind| ranges.contains(&kind)) {
                    (IndexTable::IndexComposite, false)
                } else if kinds().any(|kind| kind == Kind::String) {
                    (IndexTable::IndexString, false)
                } else if kinds().any(|kind| kind == Kind::Uri) {
                    (IndexTable::IndexUri, false)
                } else {
                    (IndexTable::IndexToken, false)
                }
            }
            Kind::Token | Kind::Special => (IndexTable::IndexToken, false),
        };
        self.has_row(table, ids, None, key, probe)
    }

    /// The target is found by the row that every resource has for itself that can be chained to.
    fn chain(&self, ids: &[i32], target: &'static str, inner: &Criterion, key: &Expr, boundary: &Boundary) -> Expr {
        let own = Expr::col(("target", Column::Resource));
        let mut statement: SelectStatement = Query::select();
        statement
            .expr(Expr::col(("link", Column::Resource)))
            .from(self.names.table_as(IndexTable::IndexReference, "target"))
            .join(
                JoinType::InnerJoin,
                self.names.table_as(IndexTable::IndexReference, "link"),
                Expr::col(("link", Column::Value)).equals(("target", Column::Value)),
            )
            .and_where(parameter_is("link", ids))
            .and_where(parameter_is("target", &[self.table.self_parameter(target).unwrap_or(0)]))
            .and_where(self.criterion(&[target], inner, &own, boundary))
            // What lies outside the boundary must not be told by what it matches.
            .and_where_option(self.boundary(&[target], boundary, &own));
        key.clone().in_subquery(statement)
    }

    /// The rows, any of which a resource has that passes the test.
    fn rows(&self, systems: Systems, test: &ValueTest) -> Vec<(IndexTable, RowCondition)> {
        let hash = |meaning, parts: &[&str]| self.table.hash_key().hash(meaning, parts);
        match test {
            ValueTest::Token { .. } | ValueTest::Reference(_) => {
                let table = if matches!(test, ValueTest::Token { .. }) {
                    IndexTable::IndexToken
                } else {
                    IndexTable::IndexReference
                };
                self.hashes(systems, test).into_iter().map(|hash| (table, RowCondition::Hash(hash))).collect()
            }
            ValueTest::IdentifierOfType { system, code, value } => {
                let hash = hash(Meaning::IdentifierOfType, &[system, code, value]);
                vec![(IndexTable::IndexToken, RowCondition::Hash(hash))]
            }
            ValueTest::ReferenceIdentifier { system, value } => {
                let hash = match system {
                    Some(system) => hash(Meaning::Identifier, &[system, value]),
                    None => hash(Meaning::IdentifierValue, &[value]),
                };
                vec![(IndexTable::IndexToken, RowCondition::Hash(hash))]
            }
            ValueTest::String { mode, folded, exact } => {
                let condition = match mode {
                    StringMode::StartsWith => RowCondition::StartsWith(folded.clone()),
                    StringMode::Contains => RowCondition::Contains(folded.clone()),
                    StringMode::Exact => {
                        RowCondition::Exact { folded: folded.clone(), exact: hash(Meaning::Exact, &[exact]) }
                    }
                };
                vec![(IndexTable::IndexString, condition)]
            }
            ValueTest::Uri { mode, uri } => {
                let condition = match mode {
                    UriMode::Exact => RowCondition::Uri(uri.clone()),
                    UriMode::Below => RowCondition::StartsWith(cut(uri).0.to_owned()),
                    UriMode::Above => RowCondition::Above(uri.clone()),
                };
                vec![(IndexTable::IndexUri, condition)]
            }
            ValueTest::Date(test) => vec![(IndexTable::IndexDate, RowCondition::Date(*test))],
            ValueTest::Number(test) => vec![(IndexTable::IndexNumber, RowCondition::Number(*test))],
            ValueTest::Quantity { number, unit } => {
                vec![(IndexTable::IndexQuantity, self.quantity(None, number, unit))]
            }
            ValueTest::Composite(parts) => self.composite(parts),
        }
    }

    /// The hashes of which a resource has one that passes this test of equality.
    fn hashes(&self, systems: Systems, test: &ValueTest) -> Vec<i64> {
        let hash = |meaning, parts: &[&str]| self.table.hash_key().hash(meaning, parts);
        match test {
            ValueTest::Token { system: None, code: Some(code) } => vec![hash(Meaning::Code, &[code])],
            ValueTest::Token { system: Some(system), code: Some(code) } => {
                let both = || hash(Meaning::SystemAndCode, &[system, code]);
                match systems {
                    Systems::Always => vec![both()],
                    Systems::Never => vec![hash(Meaning::Code, &[code])],
                    Systems::Unknown => vec![both(), hash(Meaning::CodeWithoutSystem, &[code])],
                }
            }
            ValueTest::Token { system: Some(system), code: None } => vec![hash(Meaning::System, &[system])],
            ValueTest::Reference(references) => references
                .iter()
                .filter_map(|one| reference_hashes(self.table.hash_key(), self.table.base(), one).pop())
                .collect(),
            _ => Vec::new(),
        }
    }

    fn quantity(&self, with: Option<i64>, number: &NumberTest, unit: &Unit) -> RowCondition {
        let key = self.table.hash_key();
        let (unit, code) = match unit {
            Unit::Any => (0, None),
            Unit::Text(text) => (0, Some(key.hash(Meaning::UnitText, &[text]))),
            Unit::Canonical(unit) => (key.hash(Meaning::CanonicalUnit, &[unit]), None),
            Unit::Coded { system, code } => (key.hash(Meaning::UnitSystemAndCode, &[system, code]), None),
        };
        let (column, hash) = match with {
            Some(with) => (Column::Value, composite_hash(key, &[with, unit])),
            None => (Column::Unit, unit),
        };
        RowCondition::Quantity { column, hash, code, range: Range::Number(*number) }
    }

    /// See `store::index::derive::composite`.
    fn composite(&self, parts: &[ValueTest]) -> Vec<(IndexTable, RowCondition)> {
        let key = self.table.hash_key();
        let mut combinations: Vec<Vec<i64>> = vec![Vec::new()];
        let mut other = None;
        for part in parts {
            let hashes = self.hashes(Systems::Unknown, part);
            if hashes.is_empty() {
                other = Some(part);
                continue;
            }
            combinations = combinations
                .iter()
                .flat_map(|combination| hashes.iter().map(move |hash| [combination.as_slice(), &[*hash]].concat()))
                .collect();
        }
        combinations
            .iter()
            .filter_map(|combination| {
                let with = composite_hash(key, combination);
                let ranged = |range| RowCondition::Quantity { column: Column::Value, hash: with, code: None, range };
                Some(match other {
                    None => (IndexTable::IndexToken, RowCondition::Hash(with)),
                    Some(ValueTest::String { folded, .. }) => {
                        (IndexTable::IndexString, RowCondition::StartsWith(format!("{with:016x}{folded}")))
                    }
                    Some(ValueTest::Uri { uri, .. }) => {
                        (IndexTable::IndexUri, RowCondition::Uri(format!("{with:016x}{uri}")))
                    }
                    Some(ValueTest::Quantity { number, unit }) => {
                        (IndexTable::IndexComposite, self.quantity(Some(with), number, unit))
                    }
                    Some(ValueTest::Date(test)) => (IndexTable::IndexComposite, ranged(Range::Date(*test))),
                    Some(ValueTest::Number(test)) => (IndexTable::IndexComposite, ranged(Range::Number(*test))),
                    Some(_) => return None,
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_is_behind_everything_that_starts_so() {
        assert_eq!(successor("ab").as_deref(), Some("ac"));
        assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
        assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"));
        assert_eq!(successor("\u{10ffff}"), None);
    }
}
