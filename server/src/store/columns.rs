//! One row of an answer, whichever driver gave it.

use bytes::Bytes;
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

impl Columns for rusqlite::Row<'_> {
    fn integer(&self, column: usize) -> Result<i64, StoreError> {
        Ok(self.get(column)?)
    }

    fn integer32(&self, column: usize) -> Result<i32, StoreError> {
        Ok(self.get(column)?)
    }

    fn small(&self, column: usize) -> Result<i16, StoreError> {
        Ok(self.get(column)?)
    }

    fn boolean(&self, column: usize) -> Result<bool, StoreError> {
        Ok(self.get(column)?)
    }

    fn text(&self, column: usize) -> Result<String, StoreError> {
        Ok(self.get(column)?)
    }

    fn optional_text(&self, column: usize) -> Result<Option<String>, StoreError> {
        Ok(self.get(column)?)
    }

    fn optional_small(&self, column: usize) -> Result<Option<i16>, StoreError> {
        Ok(self.get(column)?)
    }

    fn body(&self, column: usize) -> Result<Bytes, StoreError> {
        let text = self.get_ref(column)?.as_bytes().map_err(rusqlite::Error::from)?;
        Ok(Bytes::copy_from_slice(text))
    }

    fn blob(&self, column: usize) -> Result<Vec<u8>, StoreError> {
        Ok(self.get(column)?)
    }

    fn value(&self, column: usize) -> Result<SortValue, StoreError> {
        use rusqlite::types::ValueRef;
        Ok(match self.get_ref(column)? {
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
