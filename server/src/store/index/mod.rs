//! The index tables and how a resource's rows are derived. The writer calls what is public here and knows nothing of
//! the tables.
//!
//! The contract: a row's primary key is all that identifies it (parameter, value, resource), so that rows are removed
//! by deriving them again from the body that is replaced; inserts do nothing where the row is there, so that
//! re-indexing and writing may meet.

use sea_orm::DbBackend;
use sea_orm::sea_query::{DeleteStatement, IndexCreateStatement, InsertStatement, TableCreateStatement};

use super::compartment::CompartmentRow;
use super::schema::Names;

/// All rows of one resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IndexRows {
    pub compartments: Vec<CompartmentRow>,
}

impl IndexRows {
    /// The rows of these parameters only, without compartments.
    pub fn of_parameters(&self, _parameters: &[i32]) -> IndexRows {
        IndexRows::default()
    }
}

/// The tables and their secondary indexes, without a schema: the migration runs with the site's schema in its path.
pub fn tables(_backend: DbBackend) -> (Vec<TableCreateStatement>, Vec<IndexCreateStatement>) {
    (Vec::new(), Vec::new())
}

/// Few statements of many rows, for (resource key, rows). Use [`super::schema::chunks`] so that few distinct texts arise.
pub fn insert(_names: &Names, _rows: &[(i64, &IndexRows)]) -> Vec<InsertStatement> {
    Vec::new()
}

/// The statements that remove exactly these rows.
pub fn delete(_names: &Names, _rows: &[(i64, &IndexRows)]) -> Vec<DeleteStatement> {
    Vec::new()
}

/// The statements that remove every row of a parameter that is no longer used.
pub fn delete_parameter(_names: &Names, _parameter: i32) -> Vec<DeleteStatement> {
    Vec::new()
}
