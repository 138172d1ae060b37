//! The index tables: one narrow table a kind of value, clustered on its key.
//!
//! A row's key is all that identifies it. Tables that compare by equality or prefix have it in the order
//! `(parameter, value, resource)`, so that one seek both finds and probes; tables of ranges are clustered for the probe
//! `(parameter, resource)` and have a second index for the search by value.

use std::collections::BTreeSet;

use sea_orm::sea_query::{
    Asterisk, ColumnDef, DeleteStatement, Expr, ExprTrait, Index, IndexCreateStatement, OnConflict, Query,
    SelectStatement, Table, TableCreateStatement, Value,
};
use sea_orm::{DbBackend, DeriveIden};

use super::super::schema::{Names, chunks};
use super::super::write::{Cell, Insert};
use super::Display;

#[derive(Debug, DeriveIden, Clone, Copy, PartialEq, Eq)]
pub enum IndexTable {
    IndexToken,
    IndexReference,
    IndexString,
    IndexUri,
    IndexDate,
    IndexNumber,
    IndexQuantity,
    IndexComposite,
    /// By what hash references name a resource: one row each.
    IndexIdentity,
    /// The texts that hashes of codes and of references stand for: what a page is sorted by. One row each, whoever has it.
    IndexText,
    /// What hashes of texts beside codes, and of codes, stand for, case and accents apart, in its order: what a text that is
    /// begun leads to. One row each, whoever has it.
    IndexDisplay,
    /// The words of its narrative, and of all it says: see `words`.
    IndexNarrative,
    IndexContent,
}

#[derive(Debug, DeriveIden, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Parameter,
    /// A hash, or normalised text.
    Value,
    /// The key of the resource.
    Resource,
    /// A hash of the text as it stands.
    Exact,
    /// What [`Column::Value`] is too short for.
    Rest,
    Low,
    High,
    /// A hash of the unit; 0 for the value as it stands.
    Unit,
    /// A hash of the code or the human-readable unit, for searches without system.
    Code,
    /// The key of the resource, where the database's full-text index has its own name for it.
    Rowid,
    Words,
    Text,
    /// What the hash is of.
    Meaning,
}

/// The index that finds ranges by value.
#[derive(DeriveIden)]
#[expect(clippy::enum_variant_names, reason = "the names in the database")]
enum RangeIndex {
    IndexDateRange,
    IndexNumberRange,
    IndexQuantityRange,
}

/// A row of a table with so many columns, without the resource it belongs to.
pub(super) trait Row<const N: usize> {
    const TABLE: IndexTable;
    /// The columns, those of the primary key first and in its order.
    const COLUMNS: [Column; N];
    const KEY: usize;
    /// Whether the table is a full-text index, whose rows have no column for the parameter.
    const HAS_WORDS: bool = matches!(Self::TABLE, IndexTable::IndexNarrative | IndexTable::IndexContent);

    fn cell(&self, column: Column, resource: i64) -> Cell<'_>;
    fn parameter(&self) -> i32;
}

/// Statement texts of at most this many rows: the most that helps, and few enough for SQLite's expression depth.
const MOST_DELETED: usize = 64;

/// Rows that are there already are left as they are.
pub(super) fn insert<'a, R: Row<N>, const N: usize>(names: &Names, rows: &[(i64, &'a R)]) -> Insert<'a, N> {
    let rows = rows.iter().map(|(resource, row)| R::COLUMNS.map(|column| row.cell(column, *resource)));
    if R::HAS_WORDS {
        return Insert::replacing(names.table(R::TABLE), R::COLUMNS, R::COLUMNS[0], R::COLUMNS[1], rows.collect())
            .sorted();
    }
    let left = OnConflict::new().do_nothing().to_owned();
    Insert::new(names.table(R::TABLE), R::COLUMNS, Some(left), rows.collect()).sorted()
}

pub(super) fn delete<R: Row<N>, const N: usize>(
    names: &Names,
    rows: &[(i64, &R)],
    statements: &mut Vec<DeleteStatement>,
) {
    for run in chunks(rows, MOST_DELETED) {
        let any = any_of(run);
        if let Some(any) = any {
            statements.push(Query::delete().from_table(names.table(R::TABLE)).and_where(any).to_owned());
        }
    }
}

/// Whether a row is one of these, by its key.
fn any_of<R: Row<N>, const N: usize>(rows: &[(i64, &R)]) -> Option<Expr> {
    if R::HAS_WORDS {
        return Some(Expr::col(R::COLUMNS[0]).is_in(rows.iter().map(|(resource, _)| *resource)));
    }
    rows.iter()
        .filter_map(|(resource, row)| {
            R::COLUMNS[..R::KEY]
                .iter()
                .map(|column| Expr::col(*column).eq(Value::from(row.cell(*column, *resource))))
                .reduce(|all, one| all.and(one))
        })
        .reduce(|any, one| any.or(one))
}

/// The statements that count how many of these rows are there, each with how many should be.
pub(super) fn present<R: Row<N>, const N: usize>(
    names: &Names,
    rows: &[(i64, &R)],
    statements: &mut Vec<(SelectStatement, i64)>,
) {
    for run in chunks(rows, MOST_DELETED) {
        if let Some(any) = any_of(run) {
            statements.push((count::<R, N>(names).and_where(any).to_owned(), run.len() as i64));
        }
    }
}

/// All rows of these parameters.
pub(super) fn total<R: Row<N>, const N: usize>(
    backend: DbBackend,
    names: &Names,
    parameters: &[i32],
) -> SelectStatement {
    count::<R, N>(names).and_where(is_of::<R, N>(backend, parameters)).to_owned()
}

fn is_of<R: Row<N>, const N: usize>(backend: DbBackend, parameters: &[i32]) -> Expr {
    match R::HAS_WORDS {
        true => super::words::matching(backend, "row", R::TABLE, parameters, None),
        // And what is contained has of them.
        false => Expr::col(Column::Parameter).is_in(parameters.iter().flat_map(|id| [*id, -id])),
    }
}

fn count<R: Row<N>, const N: usize>(names: &Names) -> SelectStatement {
    Query::select().expr(Expr::col(Asterisk).count()).from(names.table_as(R::TABLE, "row")).to_owned()
}

/// What a table's columns are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Hashes,
    /// Ends of ranges, as bytes.
    Bytes,
    Text,
}

fn table(backend: DbBackend, table: IndexTable, form: Form, columns: &[Column]) -> TableCreateStatement {
    let mut statement = Table::create();
    statement.table(table);
    let mut key = Index::create();
    for column in columns {
        let mut definition = ColumnDef::new(*column);
        match column {
            Column::Parameter => definition.integer(),
            Column::Value if form == Form::Text => definition.text(),
            Column::Low | Column::High if form == Form::Bytes => definition.blob(),
            _ => definition.big_integer(),
        };
        definition.not_null();
        if backend == DbBackend::Postgres && form == Form::Text && *column == Column::Value {
            // Ranges and order by bytes, as SQLite has them, whatever the database's locale.
            definition.extra("COLLATE \"C\"");
        }
        statement.col(definition);
        key.col(*column);
    }
    if table == IndexTable::IndexString {
        statement.col(ColumnDef::new(Column::Rest).text());
    }
    statement.primary_key(&mut key);
    if backend == DbBackend::Sqlite {
        statement.extra("WITHOUT ROWID");
    }
    statement
}

/// Of every resource, the hash by which references name it, found by its key. Keys ascend, so its rows are appended.
pub fn identity_table(backend: DbBackend) -> TableCreateStatement {
    table(backend, IndexTable::IndexIdentity, Form::Hashes, &[Column::Parameter, Column::Resource, Column::Value])
}

/// What is sorted by stands once in it, however many resources have it.
pub fn text_table(backend: DbBackend) -> TableCreateStatement {
    let mut text = ColumnDef::new(Column::Text);
    text.text().not_null();
    if backend == DbBackend::Postgres {
        text.extra("COLLATE \"C\"");
    }
    let value = ColumnDef::new(Column::Value).big_integer().not_null().primary_key().take();
    Table::create().table(IndexTable::IndexText).col(value).col(text).take()
}

/// Texts that are there already are left as they are.
pub(in crate::store) fn insert_texts<'a>(names: &Names, texts: &[(i64, &'a str)]) -> Insert<'a, 2> {
    let rows = texts.iter().map(|(value, text)| [Cell::Integer(*value), Cell::Text(text)]).collect();
    let left = OnConflict::column(Column::Value).do_nothing().to_owned();
    Insert::new(names.table(IndexTable::IndexText), [Column::Value, Column::Text], Some(left), rows).sorted()
}

/// The texts that `:text` and `:code-text` find by their beginning.
pub fn display_table(backend: DbBackend) -> TableCreateStatement {
    let mut text = ColumnDef::new(Column::Text);
    text.text().not_null();
    if backend == DbBackend::Postgres {
        text.extra("COLLATE \"C\"");
    }
    let mut key = Index::create().col(Column::Meaning).col(Column::Text).col(Column::Value).take();
    let mut table = Table::create()
        .table(IndexTable::IndexDisplay)
        .col(ColumnDef::new(Column::Meaning).small_integer().not_null().take())
        .col(text)
        .col(ColumnDef::new(Column::Value).big_integer().not_null().take())
        .primary_key(&mut key)
        .take();
    if backend == DbBackend::Sqlite {
        table.extra("WITHOUT ROWID");
    }
    table
}

/// Those that are there already are left as they are.
pub(in crate::store) fn insert_displays<'a>(names: &Names, displays: &[&'a Display]) -> Insert<'a, 3> {
    let rows = displays.iter().map(|one| [Cell::Small(one.meaning), Cell::Text(&one.text), Cell::Integer(one.value)]);
    let columns = [Column::Meaning, Column::Text, Column::Value];
    let left = OnConflict::columns(columns).do_nothing().to_owned();
    Insert::new(names.table(IndexTable::IndexDisplay), columns, Some(left), rows.collect()).sorted()
}

/// For the check: statements that count how many of these texts are there, each with how many should be.
pub(in crate::store) fn texts_present(names: &Names, rows: &[&super::IndexRows]) -> Vec<(SelectStatement, i64)> {
    let (mut texts, mut displays) = (BTreeSet::new(), BTreeSet::new());
    for rows in rows {
        texts.extend(&rows.texts);
        displays.extend(&rows.displays);
    }
    let count = |table: IndexTable, all: Vec<Expr>| {
        let count = all.len() as i64;
        let any = all.into_iter().reduce(ExprTrait::or)?;
        let statement =
            Query::select().expr(Expr::col(Asterisk).count()).from(names.table(table)).and_where(any).take();
        Some((statement, count))
    };
    let is = |column: Column, value: Value| Expr::col(column).eq(value);
    let texts: Vec<_> = texts.into_iter().collect();
    let texts = texts.chunks(MOST_DELETED).filter_map(|run| {
        let each = run
            .iter()
            .map(|(value, text)| is(Column::Value, (*value).into()).and(is(Column::Text, text.as_str().into())));
        count(IndexTable::IndexText, each.collect())
    });
    let displays: Vec<_> = displays.into_iter().collect();
    let displays = displays.chunks(MOST_DELETED).filter_map(|run| {
        let each = run.iter().map(|one| {
            is(Column::Meaning, one.meaning.into())
                .and(is(Column::Text, one.text.as_str().into()))
                .and(is(Column::Value, one.value.into()))
        });
        count(IndexTable::IndexDisplay, each.collect())
    });
    texts.chain(displays).collect()
}

/// The tables of the first schema and their secondary indexes, without a schema's name: the migration runs with the
/// site's schema in its path.
pub fn tables(backend: DbBackend) -> (Vec<TableCreateStatement>, Vec<IndexCreateStatement>) {
    use Column::{Code, Exact, High, Low, Parameter, Resource, Unit, Value};
    let table = |name: IndexTable, form: Form, columns: &[Column]| table(backend, name, form, columns);
    let tables = vec![
        table(IndexTable::IndexToken, Form::Hashes, &[Parameter, Value, Resource]),
        table(IndexTable::IndexReference, Form::Hashes, &[Parameter, Value, Resource]),
        table(IndexTable::IndexString, Form::Text, &[Parameter, Value, Resource, Exact]),
        table(IndexTable::IndexUri, Form::Text, &[Parameter, Value, Resource]),
        table(IndexTable::IndexDate, Form::Hashes, &[Parameter, Resource, Low, High]),
        table(IndexTable::IndexNumber, Form::Bytes, &[Parameter, Resource, Low, High]),
        table(IndexTable::IndexQuantity, Form::Bytes, &[Parameter, Unit, Resource, Low, High, Code]),
        // Few rows have one hash, and they come in the order of resources: no second index is worth its writes.
        table(IndexTable::IndexComposite, Form::Bytes, &[Parameter, Value, Resource, Low, High, Code]),
    ];
    // By the upper end: it bounds every prefix but `lt` and `le`, and is also right for what began long ago.
    let range = |name: RangeIndex, table: IndexTable, columns: &[Column]| {
        let mut statement = Index::create();
        statement.name(sea_orm::Iden::to_string(&name)).table(table);
        for column in columns {
            statement.col(*column);
        }
        statement
    };
    let indexes = vec![
        range(RangeIndex::IndexDateRange, IndexTable::IndexDate, &[Parameter, High, Low, Resource]),
        range(RangeIndex::IndexNumberRange, IndexTable::IndexNumber, &[Parameter, High, Low, Resource]),
        range(RangeIndex::IndexQuantityRange, IndexTable::IndexQuantity, &[Parameter, Unit, High, Low, Code, Resource]),
    ];
    (tables, indexes)
}

/// Many texts begin alike: whether one resource has such is asked of its own rows. Of all kinds texts are the fewest.
pub fn strings_of_resources(backend: DbBackend) -> IndexCreateStatement {
    let mut index = Index::create();
    index.name("index_string_resource").table(IndexTable::IndexString).col(Column::Parameter).col(Column::Resource);
    if backend == DbBackend::Sqlite {
        // With it the index has all that a test looks at: else SQLite, without statistics, walks all rows of the parameter.
        // PostgreSQL bounds what an entry of an index may hold, and a text has no bound.
        index.col(Column::Rest);
    }
    index
}

/// The statements that remove rows of a parameter that is no longer used, at most `most` of each table: they are run
/// again until nothing is removed, so that no transaction is long.
pub fn delete_parameter(backend: DbBackend, names: &Names, parameter: i32, most: usize) -> Vec<DeleteStatement> {
    [
        bounded_delete::<super::TokenRow, _>(backend, names, parameter, most),
        bounded_delete::<super::ReferenceRow, _>(backend, names, parameter, most),
        bounded_delete::<super::StringRow, _>(backend, names, parameter, most),
        bounded_delete::<super::UriRow, _>(backend, names, parameter, most),
        bounded_delete::<super::DateRow, _>(backend, names, parameter, most),
        bounded_delete::<super::NumberRow, _>(backend, names, parameter, most),
        bounded_delete::<super::QuantityRow, _>(backend, names, parameter, most),
        bounded_delete::<super::CompositeRow, _>(backend, names, parameter, most),
        bounded_delete::<super::IdentityRow, _>(backend, names, parameter, most),
        bounded_delete::<super::NarrativeRow, _>(backend, names, parameter, most),
        bounded_delete::<super::ContentRow, _>(backend, names, parameter, most),
    ]
    .into()
}

fn bounded_delete<R: Row<N>, const N: usize>(
    backend: DbBackend,
    names: &Names,
    parameter: i32,
    most: usize,
) -> DeleteStatement {
    let key = &R::COLUMNS[..R::KEY];
    let some = Query::select()
        .columns(key.iter().copied())
        .from(names.table_as(R::TABLE, "row"))
        .and_where(is_of::<R, N>(backend, &[parameter]))
        .limit(most as u64)
        .to_owned();
    Query::delete()
        .from_table(names.table(R::TABLE))
        .and_where(Expr::tuple(key.iter().map(|column| Expr::col(*column))).in_subquery(some))
        .to_owned()
}
