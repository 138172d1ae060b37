//! Conditions and values joined to one condition. In a balanced tree, since whatever walks a statement calls itself for
//! each level of it, and SQLite takes a thousand levels.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, ArrayType, Expr, ExprTrait, Func, Query, Value};

use super::row::padded;

/// More values than this are one parameter of the statement: it has few distinct texts, and the databases take some
/// ten thousand parameters.
const MOST_LISTED: usize = 64;

/// All of them hold; none where there are none.
pub(super) fn all_of(conditions: impl IntoIterator<Item = Expr>) -> Option<Expr> {
    balanced(conditions, ExprTrait::and)
}

/// One of them holds; none where there are none.
pub(super) fn any_of(conditions: impl IntoIterator<Item = Expr>) -> Option<Expr> {
    balanced(conditions, ExprTrait::or)
}

pub(super) fn never() -> Expr {
    Expr::cust("1 = 0")
}

pub(super) fn always() -> Expr {
    Expr::cust("1 = 1")
}

fn balanced(conditions: impl IntoIterator<Item = Expr>, join: fn(Expr, Expr) -> Expr) -> Option<Expr> {
    let mut level: Vec<Expr> = conditions.into_iter().collect();
    while level.len() > 1 {
        let mut next = Vec::with_capacity(level.len().div_ceil(2));
        let mut rest = level.into_iter();
        while let Some(first) = rest.next() {
            next.push(match rest.next() {
                Some(second) => join(first, second),
                None => first,
            });
        }
        level = next;
    }
    level.pop()
}

/// What a column may be compared with in a list.
pub(super) trait Listed: Copy {
    const ARRAY: ArrayType;

    fn value(self) -> Value;
    fn json(self) -> serde_json::Value;
}

impl Listed for i64 {
    const ARRAY: ArrayType = ArrayType::BigInt;

    fn value(self) -> Value {
        self.into()
    }

    fn json(self) -> serde_json::Value {
        self.into()
    }
}

impl Listed for &str {
    const ARRAY: ArrayType = ArrayType::String;

    fn value(self) -> Value {
        self.into()
    }

    fn json(self) -> serde_json::Value {
        self.into()
    }
}

/// Whether the column has one of these values.
pub(super) fn one_of<T: Listed>(backend: DbBackend, column: Expr, values: &[T]) -> Expr {
    match values {
        [] => never(),
        [one] => column.eq(one.value()),
        few if few.len() <= MOST_LISTED => column.is_in(padded(few).into_iter().map(Listed::value)),
        many if backend == DbBackend::Postgres => {
            let array = Value::Array(T::ARRAY, Some(Box::new(many.iter().map(|one| one.value()).collect())));
            column.eq(Func::cust(Alias::new("any")).arg(Expr::val(array)))
        }
        many => {
            let array = serde_json::Value::Array(many.iter().map(|one| one.json()).collect());
            let rows = Func::cust(Alias::new("json_each")).arg(array.to_string());
            let listed = Query::select().column("value").from_function(rows, "listed").take();
            column.in_subquery(listed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::sea_query::SqliteQueryBuilder;

    /// How deep a condition is as SQLite reads it: by its parentheses, and what stands between them from left to right.
    #[test]
    fn a_thousand_conditions_stand_in_ten_levels() {
        fn depth(expr: &Expr) -> usize {
            match expr {
                Expr::Binary(left, _, right) => 1 + depth(left).max(depth(right)),
                _ => 0,
            }
        }
        let conditions = |count: usize| (0..count).map(|at| Expr::col("a").gt(at as i64));
        for (count, expected) in [(1, 1), (2, 2), (3, 3), (1_000, 11), (1_024, 11), (10_000, 15)] {
            assert_eq!(any_of(conditions(count)).map(|any| depth(&any)), Some(expected), "{count}");
            assert_eq!(all_of(conditions(count)).map(|all| depth(&all)), Some(expected), "{count}");
        }
        assert!(any_of([]).is_none());
    }

    /// The order of the conditions stays: SQLite looks at them in it.
    #[test]
    fn the_order_stays() {
        let joined = all_of((0..7).map(|at| Expr::col("a").eq(at as i64))).expect("some");
        let text = Query::select().expr(joined).to_string(SqliteQueryBuilder);
        let order: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
        assert_eq!(order, ['0', '1', '2', '3', '4', '5', '6']);
    }
}
