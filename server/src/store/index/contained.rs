//! Keys of what resources contain: the container's key and the place in `contained`, from 1 on, in one number. So a row
//! of what is contained tells where it stands, and its rows come in the order of the containers.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, IntoTableRef, Query, SelectStatement};

use super::super::schema::Names;
use super::{Column, IndexTable};

/// As many bits of a key are the place. A body that contains more is larger than any that is taken; what stands behind
/// them would not be found.
pub(crate) const BITS: u32 = 20;
/// The highest place.
pub(crate) const MOST: i64 = (1 << BITS) - 1;

pub(crate) fn key(container: i64, place: i64) -> i64 {
    (container << BITS) | place
}

/// The place, 0 for the resource itself.
pub(crate) fn place(key: i64) -> i64 {
    key & MOST
}

/// The same of expressions: the key of what is contained to that of its container.
pub(crate) fn container(key: Expr) -> Expr {
    key.right_shift(Expr::cust(BITS.to_string()))
}

/// The key of a resource as one among those of what is contained: before all that it contains.
pub(crate) fn itself(key: Expr) -> Expr {
    key.left_shift(Expr::cust(BITS.to_string()))
}

/// The keys of what contains resources with one of these rows of identity.
pub(in crate::store) fn containers(names: &Names, identities: impl IntoIterator<Item = i32>) -> SelectStatement {
    let row = Alias::new("row");
    Query::select()
        .expr(container(Expr::col((row.clone(), Column::Resource))))
        .from(names.table(IndexTable::IndexIdentity).into_table_ref().alias(row.clone()))
        .and_where(Expr::col((row, Column::Parameter)).is_in(identities.into_iter().map(|id| -id)))
        .take()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_tells_the_container_and_the_place() {
        for (of, at) in [(1, 1), (7, MOST), (1 << 42, 3)] {
            assert_eq!((key(of, at) >> BITS, place(key(of, at))), (of, at));
        }
        assert!(key(7, MOST) < key(8, 0) && key(8, 0) < key(8, 1));
    }
}
