//! Rows on their way into a table: the statement has one text, however many there are.

use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};
use sea_orm::sea_query::{
    Alias, ArrayType, Expr, Func, InsertStatement, IntoIden, OnConflict, Query, SqliteQueryBuilder, TableRef, Value,
};

use super::super::error::StoreError;
use super::super::schema::chunks;

/// A column of a row. Those of one column are all of one kind, and compare as the database compares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Cell<'a> {
    Integer(i64),
    Integer32(i32),
    Small(i16),
    Boolean(bool),
    Text(&'a str),
    Bytes(&'a [u8]),
    OptionalText(Option<&'a str>),
    OptionalSmall(Option<i16>),
}

impl ToSql for Cell<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Integer(value) => ValueRef::Integer(*value),
            Cell::Integer32(value) => ValueRef::Integer((*value).into()),
            Cell::Small(value) => ValueRef::Integer((*value).into()),
            Cell::Boolean(value) => ValueRef::Integer((*value).into()),
            Cell::Text(value) => ValueRef::Text(value.as_bytes()),
            Cell::Bytes(value) => ValueRef::Blob(value),
            Cell::OptionalText(value) => value.map_or(ValueRef::Null, |value| ValueRef::Text(value.as_bytes())),
            Cell::OptionalSmall(value) => value.map_or(ValueRef::Null, |value| ValueRef::Integer(value.into())),
        }))
    }
}

impl From<Cell<'_>> for Value {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Integer(value) => value.into(),
            Cell::Integer32(value) => value.into(),
            Cell::Small(value) => value.into(),
            Cell::Boolean(value) => value.into(),
            Cell::Text(value) => value.into(),
            Cell::Bytes(value) => value.into(),
            Cell::OptionalText(value) => value.into(),
            Cell::OptionalSmall(value) => value.into(),
        }
    }
}

impl Cell<'_> {
    /// None for a kind that may be absent, which the driver does not take into an array.
    fn array_type(&self) -> Option<ArrayType> {
        match self {
            Cell::Integer(_) => Some(ArrayType::BigInt),
            Cell::Integer32(_) => Some(ArrayType::Int),
            Cell::Small(_) => Some(ArrayType::SmallInt),
            Cell::Boolean(_) => Some(ArrayType::Bool),
            Cell::Text(_) => Some(ArrayType::String),
            Cell::Bytes(_) => Some(ArrayType::Bytes),
            Cell::OptionalText(_) | Cell::OptionalSmall(_) => None,
        }
    }
}

/// Rows to insert into one table.
pub(in super::super) struct Insert<'a, const N: usize> {
    template: InsertStatement,
    /// How rows of the same key are replaced, but on SQLite: its full-text tables know no `ON CONFLICT`.
    replacing: Option<OnConflict>,
    /// How many rows go with one statement on SQLite.
    run: usize,
    pub(super) rows: Vec<[Cell<'a>; N]>,
}

/// Rows that are appended: a statement finds the end of the table and of its indexes for the first only.
const APPENDED: usize = 8;

/// Rows of one statement on PostgreSQL; of one with a parameter for each value.
const MOST_ROWS: usize = 2_048;
const MOST_VALUE_ROWS: usize = 128;

impl<'a, const N: usize> Insert<'a, N> {
    pub(in super::super) fn new(
        table: TableRef,
        columns: [impl IntoIden; N],
        on_conflict: Option<OnConflict>,
        rows: Vec<[Cell<'a>; N]>,
    ) -> Self {
        let mut template = Query::insert();
        template.into_table(table).columns(columns);
        if let Some(on_conflict) = on_conflict {
            template.on_conflict(on_conflict);
        }
        Insert { template, replacing: None, run: 1, rows }
    }

    /// Rows that replace those of the same key.
    pub(in super::super) fn replacing<C: IntoIden + Copy + 'static>(
        table: TableRef,
        columns: [C; N],
        key: C,
        value: C,
        rows: Vec<[Cell<'a>; N]>,
    ) -> Self {
        let replaced = OnConflict::column(key).update_column(value).to_owned();
        Insert { replacing: Some(replaced), ..Insert::new(table, columns, None, rows) }
    }

    /// Rows that come behind all that are there, in the order of the table's key.
    pub(in super::super) fn appended(self) -> Self {
        Insert { run: APPENDED, ..self }
    }

    /// In the order of the table's key: neighbours in it are on one page.
    pub(in super::super) fn sorted(mut self) -> Self {
        self.rows.sort_unstable();
        self
    }

    /// The statements for SQLite, each with the rows that it is run for, so many at a time.
    pub(super) fn runs(&self) -> impl Iterator<Item = (String, &[[Cell<'a>; N]], usize)> {
        let (runs, rest) = self.rows.split_at(self.rows.len() / self.run * self.run);
        let statements = [(runs, self.run), (rest, 1)].into_iter().filter(|(rows, _)| !rows.is_empty());
        statements.map(|(rows, run)| {
            let mut statement = self.values(&rows[..run]);
            if self.replacing.is_some() {
                statement.replace();
            }
            (statement.build(SqliteQueryBuilder).0, rows, run)
        })
    }

    /// The statements for all rows, for PostgreSQL: a column is one parameter.
    pub(super) fn many(&self) -> Result<Vec<InsertStatement>, StoreError> {
        let Some(first) = self.rows.first() else { return Ok(Vec::new()) };
        let Some(types) = first.iter().map(Cell::array_type).collect::<Option<Vec<_>>>() else {
            return Ok(chunks(&self.rows, MOST_VALUE_ROWS).map(|rows| self.values(rows)).collect());
        };
        let statement = |rows: &[[Cell<'a>; N]]| {
            let mut select = Query::select();
            for (column, of) in types.iter().enumerate() {
                let values = rows.iter().map(|row| row[column].into()).collect();
                let array = Value::Array(of.clone(), Some(Box::new(values)));
                select.expr(Func::cust(Alias::new("unnest")).arg(Expr::val(array)));
            }
            let mut statement = self.template.clone();
            if let Some(replaced) = &self.replacing {
                statement.on_conflict(replaced.clone());
            }
            statement.select_from(select).map_err(|error| StoreError::Statement(error.to_string()))?;
            Ok(statement)
        };
        self.rows.chunks(MOST_ROWS).map(statement).collect()
    }

    fn values(&self, rows: &[[Cell<'a>; N]]) -> InsertStatement {
        let mut statement = self.template.clone();
        for row in rows {
            statement.values_panic(row.map(Expr::val));
        }
        statement
    }
}
