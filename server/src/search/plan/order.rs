//! Order and position: keyset paging. A resource that is not written meanwhile appears exactly once.

use sea_orm::sea_query::{Expr, ExprTrait, Order, SelectStatement};
use serde_json::{Value, json};

use crate::store::SortValue;

/// A key of the order.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub expr: Expr,
    pub descending: bool,
    /// Missing values come last, in either direction.
    pub is_nullable: bool,
    /// Not a column of the driver.
    pub is_computed: bool,
}

/// A place between two resources: what a cursor carries.
#[derive(Debug, Clone, PartialEq)]
pub struct Position {
    pub values: Vec<SortValue>,
    pub key: i64,
    /// Whether the page lies behind this place, or before it.
    pub forward: bool,
}

impl Position {
    /// As a cursor carries it, before it is encrypted.
    pub fn to_bytes(&self) -> Vec<u8> {
        let values: Vec<Value> = self
            .values
            .iter()
            .map(|value| match value {
                SortValue::Missing => Value::Null,
                SortValue::Integer(value) => json!(value),
                SortValue::Real(value) => json!(value),
                SortValue::Text(value) => json!(value),
                SortValue::Bytes(value) => json!(value),
            })
            .collect();
        json!([self.key, self.forward, values]).to_string().into_bytes()
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Position> {
        let (key, forward, values): (i64, bool, Vec<Value>) = serde_json::from_slice(bytes).ok()?;
        let values = values.into_iter().map(|value| match value {
            Value::Null => Some(SortValue::Missing),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Some(SortValue::Integer(integer)),
                None => number.as_f64().map(SortValue::Real),
            },
            Value::String(text) => Some(SortValue::Text(text)),
            bytes @ Value::Array(_) => serde_json::from_value(bytes).ok().map(SortValue::Bytes),
            _ => None,
        });
        Some(Position { values: values.collect::<Option<_>>()?, key, forward })
    }
}

/// The names of the sort values in a statement.
pub(super) fn names(count: usize) -> impl Iterator<Item = &'static str> {
    const NAMES: [&str; MOST_KEYS] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"];
    NAMES.into_iter().take(count)
}

/// The keys as a subquery has named their values.
pub(super) fn named(keys: &[Key], subquery: &'static str) -> Vec<Key> {
    let one = |(key, name): (&Key, &'static str)| Key { expr: Expr::col((subquery, name)), ..key.clone() };
    keys.iter().zip(names(keys.len())).map(one).collect()
}

pub(in crate::search) const MOST_KEYS: usize = 8;

/// Ties go by the resource's key, in the direction of the last sort key.
fn tie(keys: &[Key]) -> bool {
    keys.last().is_none_or(|key| key.descending)
}

/// Restricts to what lies beyond the position, and orders.
pub(super) fn apply(statement: &mut SelectStatement, keys: &[Key], key: &Expr, position: Option<&Position>) {
    if let Some(position) = position
        && position.values.len() == keys.len()
    {
        statement.and_where(beyond(keys, key, position));
    }
    order_by(statement, keys, key, position.is_none_or(|position| position.forward));
}

/// Restricts to what lies before the end, or is it, in the direction that the end was found in: an end by the first key alone
/// where there are several.
pub(super) fn until(statement: &mut SelectStatement, keys: &[Key], key: &Expr, end: &Position) {
    let first = keys.iter().zip(end.values.iter().filter_map(literal)).take(1);
    let (mut columns, mut values): (Vec<Expr>, Vec<Expr>) = first.map(|(one, value)| (one.expr.clone(), value)).unzip();
    if keys.len() < 2 {
        columns.push(key.clone());
        values.push(Expr::val(end.key));
    }
    let (columns, values) = (Expr::tuple(columns), Expr::tuple(values));
    let descending = keys.first().is_none_or(|first| first.descending);
    statement.and_where(if descending == end.forward { columns.gte(values) } else { columns.lte(values) });
}

pub(super) fn order_by(statement: &mut SelectStatement, keys: &[Key], key: &Expr, forward: bool) {
    let order = |descending: bool| if descending == forward { Order::Desc } else { Order::Asc };
    for one in keys {
        if one.is_nullable {
            let missing_last = if forward { Order::Asc } else { Order::Desc };
            statement.order_by_expr(one.expr.clone().is_null(), missing_last);
        }
        statement.order_by_expr(one.expr.clone(), order(one.descending));
    }
    statement.order_by_expr(key.clone(), order(tie(keys)));
}

fn literal(value: &SortValue) -> Option<Expr> {
    match value {
        SortValue::Missing => None,
        SortValue::Integer(value) => Some(Expr::val(*value)),
        SortValue::Real(value) => Some(Expr::val(*value)),
        SortValue::Text(value) => Some(Expr::val(value.clone())),
        SortValue::Bytes(value) => Some(Expr::val(value.clone())),
    }
}

fn beyond(keys: &[Key], key: &Expr, position: &Position) -> Expr {
    let after = |expr: Expr, descending: bool, value: Expr| {
        if descending == position.forward { expr.lt(value) } else { expr.gt(value) }
    };
    // One direction and nothing missing: a row comparison, which is one seek in the driver's own index.
    let uniform = keys.iter().all(|one| !one.is_nullable && one.descending == tie(keys));
    let literals: Option<Vec<Expr>> = position.values.iter().map(literal).collect();
    if uniform && let Some(literals) = literals {
        if keys.is_empty() {
            return after(key.clone(), tie(keys), Expr::val(position.key));
        }
        let columns = keys.iter().map(|one| one.expr.clone()).chain([key.clone()]);
        let values = literals.into_iter().chain([Expr::val(position.key)]);
        return after(Expr::tuple(columns), tie(keys), Expr::tuple(values));
    }
    // What the order says is said once more of the first key alone, by which an index is sought.
    let first = keys.first().zip(position.values.first().and_then(literal)).filter(|(one, _)| !one.is_nullable);
    let first = first.map(|(one, value)| match one.descending == position.forward {
        true => one.expr.clone().lte(value),
        false => one.expr.clone().gte(value),
    });
    let mut rest = after(key.clone(), tie(keys), Expr::val(position.key));
    for (one, value) in keys.iter().zip(&position.values).rev() {
        let expr = || one.expr.clone();
        rest = match literal(value) {
            None if position.forward => expr().is_null().and(rest),
            // Backward from among the missing: all that have a value, and the missing before.
            None => expr().is_not_null().or(rest),
            Some(value) => {
                let mut past = after(expr(), one.descending, value.clone());
                if position.forward && one.is_nullable {
                    past = past.or(expr().is_null());
                }
                past.or(expr().eq(value).and(rest))
            }
        };
    }
    match first {
        Some(first) => first.and(rest),
        None => rest,
    }
}
