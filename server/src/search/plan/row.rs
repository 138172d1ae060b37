//! What an index row must have, as an expression on its columns.

use rust_decimal::Decimal;
use sea_orm::DbBackend;
use sea_orm::sea_query::{BinOper, Expr, ExprTrait, Func, LikeExpr, SelectStatement};

use super::join::{all_of, any_of, never, one_of};
use crate::search::Near;
use crate::search::query::{DateTest, NumberTest, Prefix};
use crate::store::index::several::filled;
use crate::store::index::{Column, IndexTable, cut, instant_bytes, number_bytes};

/// What an index row must have: any of these.
#[derive(Debug, Clone)]
pub(super) struct RowTest {
    pub table: IndexTable,
    pub any: Vec<RowCondition>,
}

#[derive(Debug, Clone)]
pub(super) enum RowCondition {
    Hash(i64),
    /// One of the hashes that this selects.
    Selected(Box<SelectStatement>),
    StartsWith(String),
    Contains(String),
    Equals(String),
    EndsWith(String),
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
    /// A composite of several ranges: all of them hold. `hash` is of its equalities and units.
    Several {
        hash: i64,
        ends: Vec<End>,
    },
    Near(Near),
}

#[derive(Debug, Clone)]
pub(super) enum Range {
    Date(DateTest),
    Number(NumberTest),
}

/// One of several parts in a row, and which bytes of the row's ends it has.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub at: usize,
    pub width: usize,
    pub part: Part,
}

#[derive(Debug, Clone)]
pub(super) enum Part {
    Range(Range),
    StartsWith(String),
}

impl End {
    fn expr(&self, low: Expr, high: Expr) -> Expr {
        let part = |column: Expr| {
            let (from, length) = (Expr::cust((self.at + 1).to_string()), Expr::cust(self.width.to_string()));
            Expr::from(Func::cust("substr").arg(column).arg(from).arg(length))
        };
        let (low, high) = (part(low), part(high));
        let bound = |bytes: Vec<u8>| Expr::val(filled(bytes, self.width));
        match &self.part {
            Part::Range(Range::Date(test)) => date_by(test, low, high, |at| bound(instant_bytes(at))),
            Part::Range(Range::Number(test)) => number_by(test, low, high, |number| bound(number_bytes(number))),
            Part::StartsWith(start) => {
                let from = low.clone().gte(Expr::val(start.as_bytes().to_vec()));
                match successor(start) {
                    Some(end) => from.and(low.lt(Expr::val(end.into_bytes()))),
                    None => from,
                }
            }
        }
    }
}

/// See `store::index::derive`: how far from the equator the place lies is the upper end of the row, and the rest stands in
/// one number in its lower.
fn near(near: &Near, around: Expr, z: Expr) -> Expr {
    let Near { centre, reach } = near;
    let square = |place: Expr, centre: i64| {
        let along = || place.clone().sub(centre);
        along().mul(along())
    };
    let x = around.clone().right_shift(Expr::cust("32"));
    let y = around.bit_and(Expr::cust("4294967295")).sub(Expr::cust("2147483648"));
    let line = square(x, centre.x).add(square(y, centre.y)).add(square(z.clone(), centre.z));
    // Before all others those between two parallels, which the index by value finds.
    z.clone().gte(centre.z - reach).and(z.lte(centre.z + reach)).and(line.lte(reach * reach))
}

impl RowTest {
    pub(super) fn is_one_hash(&self) -> bool {
        matches!(self.any.as_slice(), [RowCondition::Hash(_)])
    }

    /// The conditions one by one, where there are several and the rows of each come in the order of the resources, so
    /// that a page of each suffices.
    pub(super) fn in_order_each(&self) -> Option<Vec<RowTest>> {
        let several = (2..=MOST_IN_ORDER).contains(&self.any.len());
        let one = |condition: &RowCondition| RowTest { table: self.table, any: vec![condition.clone()] };
        (several && self.any.iter().all(RowCondition::is_in_order)).then(|| self.any.iter().map(one).collect())
    }

    /// What a probe asks for at once: one equality, where others would keep it from being one seek.
    pub(super) fn probes(self) -> Vec<RowTest> {
        if self.table != IndexTable::IndexComposite {
            return vec![self];
        }
        self.any.into_iter().map(|one| RowTest { table: self.table, any: vec![one] }).collect()
    }

    /// Whether all rows of a resource that has one value of the parameter have the same range.
    pub(super) fn is_one_range(&self) -> bool {
        let unit = |one: &RowCondition| if let RowCondition::Quantity { hash, .. } = one { Some(*hash) } else { None };
        match self.table {
            IndexTable::IndexDate | IndexTable::IndexNumber => true,
            IndexTable::IndexQuantity => self.any.windows(2).all(|two| unit(&two[0]) == unit(&two[1])),
            _ => false,
        }
    }

    /// Whether there is one such row: as written a quantity has one for its code, and one for its unit.
    pub(super) fn is_one_row(&self) -> bool {
        self.any.iter().all(|one| match one {
            RowCondition::Quantity { hash, code, .. } => *hash != 0 || code.is_some(),
            _ => true,
        })
    }

    /// Whether the table's key, or an index of it, leads from a resource to its rows, so that a probe is one seek.
    pub(super) fn is_probe(&self) -> bool {
        // Many texts may begin so, and many resources have them: they are found once, not for each.
        if self.any.iter().any(|one| matches!(one, RowCondition::Selected(_))) {
            return false;
        }
        match self.table {
            IndexTable::IndexToken
            | IndexTable::IndexReference
            | IndexTable::IndexString
            | IndexTable::IndexDate
            | IndexTable::IndexNumber
            | IndexTable::IndexQuantity
            | IndexTable::IndexComposite
            | IndexTable::IndexIdentity => true,
            IndexTable::IndexText
            | IndexTable::IndexDisplay
            | IndexTable::IndexNarrative
            | IndexTable::IndexContent => false,
            IndexTable::IndexUri => self.any.iter().all(|one| matches!(one, RowCondition::Uri(_))),
        }
    }

    /// Whether there is a way by ranges of values as well, that a probe must not take.
    pub(super) fn has_range_index(&self) -> bool {
        use IndexTable::{IndexDate, IndexNumber, IndexQuantity, IndexString};
        matches!(self.table, IndexDate | IndexNumber | IndexQuantity | IndexString)
    }

    pub(super) fn expr(&self, backend: DbBackend, row: &'static str, columns: Columns) -> Expr {
        let hashes: Vec<i64> = self
            .any
            .iter()
            .filter_map(|one| if let RowCondition::Hash(hash) = one { Some(*hash) } else { None })
            .collect();
        let value = Expr::col((row, Column::Value));
        let equal = (!hashes.is_empty()).then(|| one_of(backend, value, &hashes));
        let others =
            self.any.iter().filter(|one| !matches!(one, RowCondition::Hash(_))).map(|one| one.expr(row, columns));
        any_of(equal.into_iter().chain(others)).unwrap_or_else(never)
    }
}

/// More equalities than this are looked for together, and what they find is put in order.
const MOST_IN_ORDER: usize = 16;

/// The same values, repeated up to a power of two: few distinct statement texts stay prepared.
pub(super) fn padded<T: Copy>(values: &[T]) -> Vec<T> {
    let last = values[values.len() - 1];
    let mut padded = values.to_vec();
    padded.resize(values.len().next_power_of_two(), last);
    padded
}

/// How a condition names the ends of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    Plain,
    /// Behind a sign that changes nothing: SQLite then looks for no index by them.
    Hidden,
}

impl RowCondition {
    /// Whether it holds one value of the key that resources come behind.
    fn is_in_order(&self) -> bool {
        match self {
            RowCondition::Hash(_) | RowCondition::Exact { .. } | RowCondition::Uri(_) => true,
            RowCondition::Quantity { column, .. } => *column == Column::Value,
            RowCondition::Several { .. } => true,
            _ => false,
        }
    }

    fn expr(&self, row: &'static str, columns: Columns) -> Expr {
        let in_range = |column: Column| match columns {
            Columns::Plain => Expr::col((row, column)),
            Columns::Hidden => Expr::cust_with_expr("+?", Expr::col((row, column))),
        };
        let column = |column: Column| match column {
            Column::Low | Column::High => in_range(column),
            _ => Expr::col((row, column)),
        };
        let value = || column(Column::Value);
        // Of a text whose beginning, end or middle is asked for.
        let text = || in_range(Column::Value);
        match self {
            RowCondition::Hash(hash) => value().eq(*hash),
            RowCondition::Selected(hashes) => value().in_subquery((**hashes).clone()),
            RowCondition::StartsWith(start) => {
                let (head, rest) = cut(start);
                if !rest.is_empty() {
                    let pattern = LikeExpr::new(format!("{}%", escape_like(rest))).escape('\\');
                    return value().eq(head).and(column(Column::Rest).like(pattern));
                }
                starts_with(text, head)
            }
            RowCondition::Contains(part) => {
                let rest = Func::coalesce([column(Column::Rest), Expr::cust("''")]);
                let pattern = LikeExpr::new(format!("%{}%", escape_like(part))).escape('\\');
                text().binary(BinOper::Custom("||"), rest).like(pattern)
            }
            RowCondition::Equals(whole) => {
                let (head, rest) = cut(whole);
                let whole = value().eq(head);
                let rest_is = match rest {
                    "" => column(Column::Rest).is_null(),
                    rest => column(Column::Rest).eq(rest),
                };
                whole.and(rest_is)
            }
            RowCondition::EndsWith(end) => {
                let rest = Func::coalesce([column(Column::Rest), Expr::cust("''")]);
                let pattern = LikeExpr::new(format!("%{}", escape_like(end))).escape('\\');
                text().binary(BinOper::Custom("||"), rest).like(pattern)
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
            RowCondition::Several { hash, ends } => {
                let each = ends.iter().map(|end| end.expr(column(Column::Low), column(Column::High)));
                all_of([value().eq(*hash)].into_iter().chain(each)).unwrap_or_else(never)
            }
            RowCondition::Near(test) => near(test, column(Column::Low), column(Column::High)),
        }
    }
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// A range, which an index serves, where `like` would not be served on either database.
pub(super) fn starts_with(value: impl Fn() -> Expr, start: &str) -> Expr {
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
    number_by(test, low, high, |number| Expr::val(number_bytes(number)))
}

fn number_by(test: &NumberTest, low: Expr, high: Expr, bound: impl Fn(Decimal) -> Expr) -> Expr {
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
