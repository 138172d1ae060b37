//! One row of an answer, whichever driver gave it.

use std::cell::{Cell, RefCell};

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use sea_orm::QueryResult;

use super::error::StoreError;
use super::record::{Found, SortValue, Stored};

pub(super) trait Columns {
    fn integer(&self, column: usize) -> Result<i64, StoreError>;
    fn integer32(&self, column: usize) -> Result<i32, StoreError>;
    fn small(&self, column: usize) -> Result<i16, StoreError>;
    fn boolean(&self, column: usize) -> Result<bool, StoreError>;
    fn text(&self, column: usize) -> Result<String, StoreError>;
    fn optional_text(&self, column: usize) -> Result<Option<String>, StoreError>;
    fn optional_small(&self, column: usize) -> Result<Option<i16>, StoreError>;
    fn body(&self, column: usize) -> Result<Bytes, StoreError>;
    fn blob(&self, column: usize) -> Result<Vec<u8>, StoreError>;
    fn value(&self, column: usize) -> Result<SortValue, StoreError>;
}

/// A row of SQLite's, with where the bodies of its answer go.
pub(super) struct SqliteRow<'a> {
    pub row: &'a rusqlite::Row<'a>,
    pub bodies: &'a Bodies,
}

/// The bodies of one answer. They lie together, since each would be memory that has gone cold by the time that it is used
/// again; but the first, which is the only one of most answers, and may be kept for long.
#[derive(Default)]
pub(super) struct Bodies {
    has_some: Cell<bool>,
    together: RefCell<BytesMut>,
}

impl Bodies {
    const TOGETHER: usize = 16 << 10;

    fn copy(&self, body: &[u8]) -> Bytes {
        let is_first = !self.has_some.replace(true);
        if is_first || body.len() >= Self::TOGETHER {
            return Bytes::copy_from_slice(body);
        }
        let mut together = self.together.borrow_mut();
        if together.capacity() < body.len() {
            *together = BytesMut::with_capacity(Self::TOGETHER);
        }
        together.extend_from_slice(body);
        together.split().freeze()
    }
}

impl Columns for SqliteRow<'_> {
    fn integer(&self, column: usize) -> Result<i64, StoreError> {
        Ok(self.row.get(column)?)
    }

    fn integer32(&self, column: usize) -> Result<i32, StoreError> {
        Ok(self.row.get(column)?)
    }

    fn small(&self, column: usize) -> Result<i16, StoreError> {
        Ok(self.row.get(column)?)
    }

    fn boolean(&self, column: usize) -> Result<bool, StoreError> {
        Ok(self.row.get(column)?)
    }

    fn text(&self, column: usize) -> Result<String, StoreError> {
        Ok(self.row.get(column)?)
    }

    fn optional_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        Ok(self.row.get(column)?)
    }

    fn optional_small(&self, column: usize) -> Result<Option<i16>, StoreError> {
        Ok(self.row.get(column)?)
    }

    fn body(&self, column: usize) -> Result<Bytes, StoreError> {
        let text = self.row.get_ref(column)?.as_bytes().map_err(rusqlite::Error::from)?;
        Ok(self.bodies.copy(text))
    }

    fn blob(&self, column: usize) -> Result<Vec<u8>, StoreError> {
        Ok(self.row.get(column)?)
    }

    fn value(&self, column: usize) -> Result<SortValue, StoreError> {
        use rusqlite::types::ValueRef;
        Ok(match self.row.get_ref(column)? {
            ValueRef::Null => SortValue::Missing,
            ValueRef::Integer(value) => SortValue::Integer(value),
            ValueRef::Real(value) => SortValue::Real(value),
            ValueRef::Text(value) => SortValue::Text(String::from_utf8_lossy(value).into_owned()),
            ValueRef::Blob(value) => SortValue::Bytes(value.to_vec()),
        })
    }
}

impl Columns for QueryResult {
    fn integer(&self, column: usize) -> Result<i64, StoreError> {
        Ok(self.try_get_by_index(column)?)
    }

    fn integer32(&self, column: usize) -> Result<i32, StoreError> {
        Ok(self.try_get_by_index(column)?)
    }

    fn small(&self, column: usize) -> Result<i16, StoreError> {
        Ok(self.try_get_by_index(column)?)
    }

    fn boolean(&self, column: usize) -> Result<bool, StoreError> {
        Ok(self.try_get_by_index(column)?)
    }

    fn text(&self, column: usize) -> Result<String, StoreError> {
        Ok(self.try_get_by_index(column)?)
    }

    fn optional_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        Ok(self.try_get_by_index(column)?)
    }

    fn optional_small(&self, column: usize) -> Result<Option<i16>, StoreError> {
        Ok(self.try_get_by_index(column)?)
    }

    fn body(&self, column: usize) -> Result<Bytes, StoreError> {
        Ok(Bytes::from(self.try_get_by_index::<String>(column)?))
    }

    fn blob(&self, column: usize) -> Result<Vec<u8>, StoreError> {
        Ok(self.try_get_by_index(column)?)
    }

    fn value(&self, column: usize) -> Result<SortValue, StoreError> {
        // The driver checks types; a plan's sort columns are of any of these.
        if let Ok(value) = self.try_get_by_index::<Option<i64>>(column) {
            return Ok(value.map_or(SortValue::Missing, SortValue::Integer));
        }
        if let Ok(value) = self.try_get_by_index::<Option<f64>>(column) {
            return Ok(value.map_or(SortValue::Missing, SortValue::Real));
        }
        if let Ok(value) = self.try_get_by_index::<Option<i32>>(column) {
            return Ok(value.map_or(SortValue::Missing, |value| SortValue::Integer(value.into())));
        }
        if let Ok(value) = self.try_get_by_index::<Option<i16>>(column) {
            return Ok(value.map_or(SortValue::Missing, |value| SortValue::Integer(value.into())));
        }
        if let Ok(value) = self.try_get_by_index::<Option<String>>(column) {
            return Ok(value.map_or(SortValue::Missing, SortValue::Text));
        }
        let value = self.try_get_by_index::<Option<Vec<u8>>>(column)?;
        Ok(value.map_or(SortValue::Missing, SortValue::Bytes))
    }
}

/// Microseconds since 1970 UTC, as columns hold them.
pub(super) fn timestamp(microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds).map_err(|error| StoreError::Inconsistent(error.to_string()))
}

/// The columns that [`super::schema::select_stored`] selects.
pub(super) fn stored(row: &dyn Columns) -> Result<Stored, StoreError> {
    Ok(Stored {
        key: row.integer(0)?,
        resource_type: row.small(1)? as u16,
        id: row.text(2)?,
        version: row.integer(3)?,
        last_updated: timestamp(row.integer(4)?)?,
        deleted: row.boolean(5)?,
        sequence: row.integer(6)?,
        body: row.body(7)?,
    })
}

pub(super) fn found(row: &dyn Columns, sort_columns: usize) -> Result<Found, StoreError> {
    let sort = (8..8 + sort_columns).map(|column| row.value(column)).collect::<Result<_, _>>()?;
    Ok(Found::of(stored(row)?, sort))
}
