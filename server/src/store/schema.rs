//! The tables, and how statements name them. The index tables are `index`'s.
//!
//! On PostgreSQL a site is a schema and every statement is qualified with it; SQLite calls its one schema `main`, so
//! the same statement serves both.

use sea_orm::DeriveIden;
use sea_orm::sea_query::{Alias, DynIden, Expr, IntoIden, IntoTableRef, SelectStatement, TableRef};

/// The tables of one site, qualified.
#[derive(Debug, Clone)]
pub struct Names {
    schema: DynIden,
    text: String,
}

impl Names {
    pub fn new(schema: &str) -> Self {
        Names { schema: Alias::new(schema).into_iden(), text: schema.to_owned() }
    }

    pub fn table(&self, table: impl IntoIden) -> TableRef {
        (self.schema.clone(), table.into_iden()).into_table_ref()
    }

    /// The same under another name, for a statement that uses it twice.
    pub fn table_as(&self, table: impl IntoIden, alias: &'static str) -> TableRef {
        self.table(table).alias(Alias::new(alias))
    }

    /// `main` on SQLite.
    pub fn schema(&self) -> &str {
        &self.text
    }

    /// A qualified, quoted name for the few statements that only one database knows.
    pub(super) fn quoted(&self, name: &str) -> String {
        format!("\"{}\".\"{name}\"", self.text.replace('"', "\"\""))
    }
}

/// The current version of each resource, deletions included.
#[derive(DeriveIden, Clone, Copy)]
pub enum Resource {
    Table,
    /// The commit sequence number of the first version: ascending by creation, never used again.
    Key,
    /// The number of the resource type.
    Type,
    Id,
    Version,
    /// Microseconds since 1970 UTC.
    LastUpdated,
    Deleted,
    Method,
    /// The commit sequence number of this version.
    Sequence,
    Body,
}

/// Superseded versions only: version `version` was current for `[sequence_from, sequence_to)`.
#[derive(DeriveIden, Clone, Copy)]
pub enum ResourceHistory {
    Table,
    Key,
    Version,
    Type,
    Id,
    LastUpdated,
    Deleted,
    Method,
    SequenceFrom,
    SequenceTo,
    Body,
}

/// The dictionary of the patients that compartment rows name.
#[derive(DeriveIden, Clone, Copy)]
pub enum Patient {
    Table,
    Key,
    Id,
}

/// Clustered by patient, type and time.
#[derive(DeriveIden, Clone, Copy)]
pub enum Compartment {
    Table,
    /// [`Patient::Key`].
    Patient,
    Type,
    Low,
    High,
    /// [`Resource::Key`].
    Resource,
    Bits,
}

/// The parameters whose rows the index tables hold; a changed extractor gets a new id.
#[derive(DeriveIden, Clone, Copy)]
pub enum SearchParameter {
    Table,
    Id,
    Type,
    Code,
    Url,
    ExtractorHash,
    State,
    /// How far re-indexing has come: the last resource key done.
    Progress,
}

/// Append-only; one chain a writer.
#[derive(DeriveIden, Clone, Copy)]
pub enum Audit {
    Table,
    Writer,
    Sequence,
    Time,
    Actor,
    Client,
    Action,
    Interaction,
    Outcome,
    Patient,
    Type,
    Id,
    RequestId,
    Chain,
    Address,
    Query,
    Token,
}

/// How far the chains of the audit log had come at a time; one chain of these a process.
#[derive(DeriveIden, Clone, Copy)]
pub enum AuditHead {
    Table,
    /// The first writer of the process.
    Writer,
    Number,
    Time,
    Ends,
    Chain,
}

/// Names and values of this database: the hash key, the schema's version.
#[derive(DeriveIden, Clone, Copy)]
pub enum Setting {
    Table,
    Name,
    Value,
}

/// The columns of a [`super::Stored`] in the order that a page statement selects them first, from `alias`.
pub const STORED: [Resource; 8] = [
    Resource::Key,
    Resource::Type,
    Resource::Id,
    Resource::Version,
    Resource::LastUpdated,
    Resource::Deleted,
    Resource::Sequence,
    Resource::Body,
];

/// Selects the columns of a stored resource from the table (or its alias) named `from`; sort values follow them.
pub fn select_stored(statement: &mut SelectStatement, from: impl IntoIden) {
    let from = from.into_iden();
    for column in STORED {
        statement.expr(Expr::col((from.clone(), column)));
    }
}

/// Cuts `rows` into runs of few distinct lengths up to `most` (those of three significant bits), so that however many
/// rows come, it takes few statements, and their texts are few enough to stay prepared.
pub fn chunks<T>(mut rows: &[T], most: usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        if rows.is_empty() {
            return None;
        }
        let length = rows.len().min(most);
        let insignificant = (length.ilog2() + 1).saturating_sub(3);
        let (run, rest) = rows.split_at(length >> insignificant << insignificant);
        rows = rest;
        Some(run)
    })
}

#[cfg(test)]
mod tests {
    use super::chunks;

    #[test]
    fn chunks_are_few_of_few_lengths_and_lose_nothing() {
        let rows: Vec<u32> = (0..1_000).collect();
        let mut lengths = std::collections::BTreeSet::new();
        for count in 0..rows.len() {
            let runs: Vec<&[u32]> = chunks(&rows[..count], 128).collect();
            assert_eq!(runs.concat(), rows[..count]);
            assert!(runs.len() <= count / 128 + 3);
            lengths.extend(runs.iter().map(|run| run.len()));
        }
        assert!(lengths.len() <= 28, "{lengths:?}");
        assert_eq!(lengths.last(), Some(&128));
    }
}
