//! The index tables and how a resource's rows are derived. The writer calls what is public here and knows nothing of
//! the tables; the search plan knows the tables and writes nothing.
//!
//! The contract: a row's primary key is all that identifies it (parameter, value, resource), so that rows are removed
//! by deriving them again from the body that is replaced; inserts do nothing where the row is there, so that
//! re-indexing and writing may meet.
//!
//! What a resource contains has rows like any, under keys of its own and the negative ids of its parameters: no search
//! for resources meets them. See [`contained`].

pub(crate) mod contained;
mod derive;
pub(crate) mod several;
mod tables;
mod value;
mod words;

use sea_orm::DbBackend;
use sea_orm::sea_query::{DeleteStatement, SelectStatement};

pub use self::derive::{compartment_rows, rows};
pub(crate) use self::derive::{composite_hash, contained_hash, reference_hashes, reference_text};
pub use self::tables::{
    Column, IndexTable, delete_parameter, display_table, identity_table, strings_of_resources, tables, text_table,
};
pub(in crate::store) use self::tables::{insert_displays, insert_texts, texts_present};
pub(crate) use self::value::{HashKey, LONGEST_KEY_TEXT, Meaning, cut, instant_bytes, number_bytes};
pub(crate) use self::words::matching as words_match;
pub use self::words::tables as word_tables;

use self::tables::Row;
use super::compartment::CompartmentRow;
use super::error::StoreError;
use super::schema::Names;
use super::write::{Cell, Transaction};

/// All rows of one resource.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IndexRows {
    /// That of the dictionary which they were derived by: under another, they are derived again.
    pub(in crate::store) generation: i64,
    pub compartments: Vec<CompartmentRow>,
    tokens: Vec<TokenRow>,
    references: Vec<ReferenceRow>,
    strings: Vec<StringRow>,
    uris: Vec<UriRow>,
    dates: Vec<DateRow>,
    numbers: Vec<NumberRow>,
    quantities: Vec<QuantityRow>,
    composites: Vec<CompositeRow>,
    identities: Vec<IdentityRow>,
    narratives: Vec<NarrativeRow>,
    contents: Vec<ContentRow>,
    /// Those of what the resource contains, each with its place in there.
    contained: Vec<(i64, IndexRows)>,
    /// The texts of some hashes among the tokens and references: see [`IndexTable::IndexText`].
    pub(in crate::store) texts: Vec<(i64, String)>,
    /// See [`IndexTable::IndexDisplay`].
    pub(in crate::store) displays: Vec<Display>,
}

/// A folded text, and the hash of the token rows of who has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Display {
    pub(in crate::store) meaning: i16,
    pub(in crate::store) text: String,
    pub(in crate::store) value: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct TokenRow {
    parameter: i32,
    value: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ReferenceRow {
    parameter: i32,
    value: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct StringRow {
    parameter: i32,
    value: String,
    exact: i64,
    rest: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct UriRow {
    parameter: i32,
    value: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct DateRow {
    parameter: i32,
    low: i64,
    high: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct NumberRow {
    parameter: i32,
    low: Vec<u8>,
    high: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct QuantityRow {
    parameter: i32,
    unit: i64,
    low: Vec<u8>,
    high: Vec<u8>,
    code: i64,
}

/// A composite with a range among its parts; `value` is the hash of the parts that are compared by equality.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct CompositeRow {
    parameter: i32,
    value: i64,
    low: Vec<u8>,
    high: Vec<u8>,
    code: i64,
}

/// The hash by which references name the resource itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct IdentityRow {
    parameter: i32,
    value: i64,
}

/// See `words`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct NarrativeRow {
    parameter: i32,
    words: String,
}

/// See `words`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ContentRow {
    parameter: i32,
    words: String,
}

/// Gives each kind of row its table: how many columns it has, how many of them are its key, the columns in the order of
/// the key, and where a value comes from.
macro_rules! row {
    ($row:ident, $table:ident, $columns:literal, $key:literal, [$($order:ident),*], $($column:ident: $cell:expr),*) => {
        impl Row<$columns> for $row {
            const TABLE: IndexTable = IndexTable::$table;
            const COLUMNS: [Column; $columns] = [$(Column::$order),*];
            const KEY: usize = $key;

            fn cell(&self, column: Column, resource: i64) -> Cell<'_> {
                match column {
                    Column::Parameter => Cell::Integer32(self.parameter),
                    Column::Resource | Column::Rowid => Cell::Integer(resource),
                    $(Column::$column => {
                        let cell: fn(&$row) -> Cell<'_> = $cell;
                        cell(self)
                    })*
                    _ => unreachable!("the table has no such column"),
                }
            }

            fn parameter(&self) -> i32 {
                self.parameter
            }
        }
    };
}

row!(TokenRow, IndexToken, 3, 3, [Parameter, Value, Resource], Value: |row| Cell::Integer(row.value));
row!(ReferenceRow, IndexReference, 3, 3, [Parameter, Value, Resource], Value: |row| Cell::Integer(row.value));
row!(
    StringRow, IndexString, 5, 4, [Parameter, Value, Resource, Exact, Rest],
    Value: |row| Cell::Text(&row.value),
    Exact: |row| Cell::Integer(row.exact),
    Rest: |row| Cell::OptionalText(row.rest.as_deref())
);
row!(UriRow, IndexUri, 3, 3, [Parameter, Value, Resource], Value: |row| Cell::Text(&row.value));
row!(
    DateRow, IndexDate, 4, 4, [Parameter, Resource, Low, High],
    Low: |row| Cell::Integer(row.low),
    High: |row| Cell::Integer(row.high)
);
row!(
    NumberRow, IndexNumber, 4, 4, [Parameter, Resource, Low, High],
    Low: |row| Cell::Bytes(&row.low),
    High: |row| Cell::Bytes(&row.high)
);
row!(
    QuantityRow, IndexQuantity, 6, 6, [Parameter, Unit, Resource, Low, High, Code],
    Unit: |row| Cell::Integer(row.unit),
    Low: |row| Cell::Bytes(&row.low),
    High: |row| Cell::Bytes(&row.high),
    Code: |row| Cell::Integer(row.code)
);
row!(
    CompositeRow, IndexComposite, 6, 6, [Parameter, Value, Resource, Low, High, Code],
    Value: |row| Cell::Integer(row.value),
    Low: |row| Cell::Bytes(&row.low),
    High: |row| Cell::Bytes(&row.high),
    Code: |row| Cell::Integer(row.code)
);
row!(IdentityRow, IndexIdentity, 3, 3, [Parameter, Resource, Value], Value: |row| Cell::Integer(row.value));
row!(NarrativeRow, IndexNarrative, 2, 1, [Rowid, Words], Words: |row| Cell::Text(&row.words));
row!(ContentRow, IndexContent, 2, 1, [Rowid, Words], Words: |row| Cell::Text(&row.words));

/// Runs `$call!(field)` for each table's rows.
macro_rules! each_table {
    ($call:ident) => {
        $call!(tokens);
        $call!(references);
        $call!(strings);
        $call!(uris);
        $call!(dates);
        $call!(numbers);
        $call!(quantities);
        $call!(composites);
        $call!(identities);
        $call!(narratives);
        $call!(contents);
    };
}

impl IndexRows {
    /// The rows of these parameters (sorted) only, without compartments.
    pub fn of_parameters(&self, parameters: &[i32]) -> IndexRows {
        let mut chosen = IndexRows::default();
        macro_rules! choose {
            ($field:ident) => {
                chosen.$field = self
                    .$field
                    .iter()
                    .filter(|row| parameters.binary_search(&row.parameter().abs()).is_ok())
                    .cloned()
                    .collect();
            };
        }
        each_table!(choose);
        chosen.contained =
            self.contained.iter().map(|(place, rows)| (*place, rows.of_parameters(parameters))).collect();
        // Whichever parameter it is of, and whoever else has it.
        chosen.texts = self.texts.clone();
        chosen.displays = self.displays.clone();
        chosen
    }

    /// How many rows there are in the index tables.
    pub fn len(&self) -> usize {
        let mut count = 0;
        macro_rules! add {
            ($field:ident) => {
                count += self.$field.len();
            };
        }
        each_table!(add);
        count + self.contained.iter().map(|(_, rows)| rows.len()).sum::<usize>()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.compartments.is_empty()
    }

    /// What must be removed and what must be added to come from these rows to `new`. Compartments are not compared.
    pub fn difference(&self, new: &IndexRows) -> (IndexRows, IndexRows) {
        let (mut gone, mut added) = (IndexRows::default(), IndexRows::default());
        // Sorted and without repetition: see `derive::rows`.
        macro_rules! compare {
            ($field:ident) => {
                gone.$field =
                    self.$field.iter().filter(|row| new.$field.binary_search(row).is_err()).cloned().collect();
                added.$field =
                    new.$field.iter().filter(|row| self.$field.binary_search(row).is_err()).cloned().collect();
            };
        }
        each_table!(compare);
        let at = |of: &IndexRows, place: i64| {
            of.contained.iter().find(|(known, _)| *known == place).map(|(_, rows)| rows.clone())
        };
        let places: std::collections::BTreeSet<i64> =
            self.contained.iter().chain(&new.contained).map(|(place, _)| *place).collect();
        for place in places {
            let (old, new) = (at(self, place).unwrap_or_default(), at(new, place).unwrap_or_default());
            let (old, new) = old.difference(&new);
            gone.contained.push((place, old));
            added.contained.push((place, new));
        }
        added.texts = new.texts.iter().filter(|text| self.texts.binary_search(text).is_err()).cloned().collect();
        added.displays = new.displays.iter().filter(|one| self.displays.binary_search(one).is_err()).cloned().collect();
        (gone, added)
    }

    /// As rows of what is contained.
    fn negate(&mut self) {
        macro_rules! negate {
            ($field:ident) => {
                self.$field.iter_mut().for_each(|row| row.parameter = -row.parameter);
            };
        }
        each_table!(negate);
    }

    fn sort(&mut self) {
        macro_rules! sort {
            ($field:ident) => {
                self.$field.sort_unstable();
                self.$field.dedup();
            };
        }
        each_table!(sort);
        self.contained.iter_mut().for_each(|(_, rows)| rows.sort());
        self.texts.sort_unstable();
        self.texts.dedup();
        self.displays.sort_unstable();
        self.displays.dedup();
    }
}

/// The rows of resources (key, rows), and those of what they contain under its own keys.
fn with_contained<'r>(rows: &[(i64, &'r IndexRows)]) -> Vec<(i64, &'r IndexRows)> {
    rows.iter()
        .flat_map(|(key, rows)| {
            let inner = rows.contained.iter().map(move |(place, inner)| (contained::key(*key, *place), inner));
            std::iter::once((*key, *rows)).chain(inner)
        })
        .collect()
}

/// Inserts the rows of (resource key, rows), table by table.
pub(in crate::store) async fn insert(
    transaction: &Transaction,
    names: &Names,
    rows: &[(i64, &IndexRows)],
) -> Result<(), StoreError> {
    let rows = with_contained(rows);
    macro_rules! insert {
        ($field:ident) => {
            let all: Vec<_> = rows.iter().flat_map(|(key, rows)| rows.$field.iter().map(|row| (*key, row))).collect();
            if !all.is_empty() {
                transaction.insert(&tables::insert(names, &all)).await?;
            }
        };
    }
    each_table!(insert);
    Ok(())
}

/// The statements that remove exactly these rows.
pub fn delete(names: &Names, rows: &[(i64, &IndexRows)]) -> Vec<DeleteStatement> {
    let (rows, mut statements) = (with_contained(rows), Vec::new());
    macro_rules! delete {
        ($field:ident) => {
            let all: Vec<_> = rows.iter().flat_map(|(key, rows)| rows.$field.iter().map(|row| (*key, row))).collect();
            tables::delete(names, &all, &mut statements);
        };
    }
    each_table!(delete);
    statements
}

/// For the check: statements that count how many of these rows are there, each with how many should be.
pub(in crate::store) fn present(names: &Names, rows: &[(i64, &IndexRows)]) -> Vec<(SelectStatement, i64)> {
    let (rows, mut statements) = (with_contained(rows), Vec::new());
    macro_rules! present {
        ($field:ident) => {
            let all: Vec<_> = rows.iter().flat_map(|(key, rows)| rows.$field.iter().map(|row| (*key, row))).collect();
            tables::present(names, &all, &mut statements);
        };
    }
    each_table!(present);
    statements
}

/// For the check: statements that count all rows of these parameters, one a table.
pub(in crate::store) fn totals(backend: DbBackend, names: &Names, parameters: &[i32]) -> Vec<SelectStatement> {
    vec![
        tables::total::<TokenRow, _>(backend, names, parameters),
        tables::total::<ReferenceRow, _>(backend, names, parameters),
        tables::total::<StringRow, _>(backend, names, parameters),
        tables::total::<UriRow, _>(backend, names, parameters),
        tables::total::<DateRow, _>(backend, names, parameters),
        tables::total::<NumberRow, _>(backend, names, parameters),
        tables::total::<QuantityRow, _>(backend, names, parameters),
        tables::total::<CompositeRow, _>(backend, names, parameters),
        tables::total::<IdentityRow, _>(backend, names, parameters),
        tables::total::<NarrativeRow, _>(backend, names, parameters),
        tables::total::<ContentRow, _>(backend, names, parameters),
    ]
}

#[cfg(test)]
impl IndexRows {
    /// Token rows of (parameter, hash), for tests of the writer.
    pub(in crate::store) fn of_tokens(tokens: impl IntoIterator<Item = (i32, i64)>) -> Self {
        let tokens = tokens.into_iter().map(|(parameter, value)| TokenRow { parameter, value }).collect();
        let mut rows = IndexRows { tokens, ..IndexRows::default() };
        rows.sort();
        rows
    }
}
