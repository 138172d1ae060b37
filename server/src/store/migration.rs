//! The schema's history, by sea-orm-migration. A migration that has been released is never edited.

use sea_orm::sea_query::{
    ColumnDef, Expr, ExprTrait, Index, IndexCreateStatement, IntoIden, Table, TableAlterStatement, TableCreateStatement,
};
use sea_orm::{ConditionalStatement, ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};

use super::index;
use super::schema::{Audit, AuditHead, Compartment, Patient, Resource, ResourceHistory, SearchParameter, Setting};

pub(super) struct Migrator;

/// In the order in which they were released.
const MIGRATIONS: [Migration; 10] = [
    Migration { name: "m0001_tables", changes: first },
    Migration { name: "m0002_identities", changes: identities },
    Migration { name: "m0003_audit_heads", changes: audit_heads },
    Migration { name: "m0004_full_text", changes: full_text },
    Migration { name: "m0005_texts", changes: texts },
    Migration { name: "m0006_audit_times", changes: audit_times },
    Migration { name: "m0007_audit_origins", changes: audit_origins },
    Migration { name: "m0008_displays", changes: displays },
    Migration { name: "m0009_strings_of_resources", changes: strings_of_resources },
    Migration { name: "m0010_last_updated", changes: last_updated },
];

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        MIGRATIONS.map(|migration| Box::new(migration) as Box<dyn MigrationTrait>).into()
    }
}

/// A step of the history.
struct Migration {
    /// What the database remembers it by.
    name: &'static str,
    changes: fn(DbBackend) -> Vec<Change>,
}

enum Change {
    Table(Box<TableCreateStatement>),
    Column(TableAlterStatement),
    Index(IndexCreateStatement),
    /// What sea-query has no words for.
    Sql(String),
}

impl Change {
    fn table(table: TableCreateStatement) -> Change {
        Change::Table(Box::new(table))
    }
}

impl MigrationName for Migration {
    fn name(&self) -> &str {
        self.name
    }
}

#[sea_orm_migration::prelude::async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for change in (self.changes)(manager.get_database_backend()) {
            match change {
                Change::Table(table) => manager.create_table(*table).await?,
                Change::Column(column) => manager.alter_table(column).await?,
                Change::Index(index) => manager.create_index(index).await?,
                Change::Sql(sql) => manager.get_connection().execute_unprepared(&sql).await.map(|_| ())?,
            }
        }
        Ok(())
    }
}

/// The first schema.
fn first(backend: DbBackend) -> Vec<Change> {
    let (index_tables, index_indexes) = index::tables(backend);
    let tables = tables(backend).into_iter().chain(index_tables).map(Change::table);
    let indexes = indexes(backend).into_iter().chain(index_indexes).map(Change::Index);
    let sequences: &[&str] = match backend {
        DbBackend::Postgres => &["CREATE SEQUENCE commit_sequence", "CREATE SEQUENCE audit_writer AS integer"],
        _ => &[],
    };
    tables.chain(indexes).chain(sequences.iter().map(|sql| Change::Sql((*sql).to_owned()))).collect()
}

/// The rows by which chains go from one resource to another.
fn identities(backend: DbBackend) -> Vec<Change> {
    vec![Change::table(index::identity_table(backend))]
}

/// The heads of the audit log.
fn audit_heads(backend: DbBackend) -> Vec<Change> {
    let mut table = Table::create()
        .table(AuditHead::Table)
        .col(ColumnDef::new(AuditHead::Writer).integer().not_null())
        .col(integer(AuditHead::Number))
        .col(integer(AuditHead::Time))
        .col(ColumnDef::new(AuditHead::Ends).binary().not_null())
        .col(ColumnDef::new(AuditHead::Chain).binary().not_null())
        .primary_key(Index::create().col(AuditHead::Writer).col(AuditHead::Number))
        .take();
    if backend == DbBackend::Sqlite {
        table.extra("WITHOUT ROWID");
    }
    vec![Change::table(table)]
}

/// The words of resources.
fn full_text(backend: DbBackend) -> Vec<Change> {
    index::word_tables(backend).into_iter().map(Change::Sql).collect()
}

/// The texts that pages are sorted by.
fn texts(backend: DbBackend) -> Vec<Change> {
    vec![Change::table(index::text_table(backend))]
}

/// The ways into the audit log: by time, and by the patient concerned.
fn audit_times(_: DbBackend) -> Vec<Change> {
    let by = |name: &str| Index::create().name(name).table(Audit::Table).take();
    let (mut by_time, mut by_patient) = (by("audit_time"), by("audit_patient"));
    by_patient.col(Audit::Patient).and_where(Expr::col(Audit::Patient).is_not_null());
    for column in [Audit::Time, Audit::Writer, Audit::Sequence] {
        by_time.col(column);
        by_patient.col(column);
    }
    vec![Change::Index(by_time), Change::Index(by_patient)]
}

/// Where from, what for and by which token.
fn audit_origins(_: DbBackend) -> Vec<Change> {
    // SQLite adds one at a time.
    let column = |column| Table::alter().table(Audit::Table).add_column(ColumnDef::new(column).text()).take();
    [Audit::Address, Audit::Query, Audit::Token].map(|name| Change::Column(column(name))).into()
}

/// The texts beside codes.
fn displays(backend: DbBackend) -> Vec<Change> {
    vec![Change::table(index::display_table(backend))]
}

/// The way from a resource to its texts.
fn strings_of_resources(backend: DbBackend) -> Vec<Change> {
    vec![Change::Index(index::strings_of_resources(backend))]
}

/// The way to what was changed when.
fn last_updated(backend: DbBackend) -> Vec<Change> {
    let mut index = Index::create();
    index.name("resource_last_updated").table(Resource::Table).col(Resource::Type).col(Resource::LastUpdated);
    if backend == DbBackend::Postgres {
        // SQLite's indexes have the key at their end already.
        index.col(Resource::Key);
    }
    vec![Change::Index(index.take())]
}

fn integer(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).big_integer().not_null().take()
}

fn small(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).small_integer().not_null().take()
}

fn text(column: impl IntoIden) -> ColumnDef {
    ColumnDef::new(column).text().not_null().take()
}

fn tables(backend: DbBackend) -> Vec<TableCreateStatement> {
    let mut tables = vec![
        Table::create()
            .table(Resource::Table)
            .col(integer(Resource::Key).primary_key())
            .col(small(Resource::Type))
            .col(text(Resource::Id))
            .col(integer(Resource::Version))
            .col(integer(Resource::LastUpdated))
            .col(ColumnDef::new(Resource::Deleted).boolean().not_null())
            .col(small(Resource::Method))
            .col(integer(Resource::Sequence))
            .col(text(Resource::Body))
            .take(),
        Table::create()
            .table(ResourceHistory::Table)
            .col(integer(ResourceHistory::Key))
            .col(integer(ResourceHistory::Version))
            .col(small(ResourceHistory::Type))
            .col(text(ResourceHistory::Id))
            .col(integer(ResourceHistory::LastUpdated))
            .col(ColumnDef::new(ResourceHistory::Deleted).boolean().not_null())
            .col(small(ResourceHistory::Method))
            .col(integer(ResourceHistory::SequenceFrom))
            .col(integer(ResourceHistory::SequenceTo))
            .col(text(ResourceHistory::Body))
            .take(),
        Table::create()
            .table(Patient::Table)
            .col(integer(Patient::Key).primary_key().auto_increment())
            .col(text(Patient::Id).unique_key())
            .take(),
        Table::create()
            .table(SearchParameter::Table)
            .col(ColumnDef::new(SearchParameter::Id).integer().not_null().primary_key())
            .col(small(SearchParameter::Type))
            .col(text(SearchParameter::Code))
            .col(text(SearchParameter::Url))
            .col(integer(SearchParameter::ExtractorHash))
            .col(small(SearchParameter::State))
            .col(integer(SearchParameter::Progress))
            .take(),
        Table::create()
            .table(Setting::Table)
            .col(text(Setting::Name).primary_key())
            .col(ColumnDef::new(Setting::Value).binary().not_null())
            .take(),
    ];
    let mut audit = Table::create()
        .table(Audit::Table)
        .col(ColumnDef::new(Audit::Writer).integer().not_null())
        .col(integer(Audit::Sequence))
        .col(integer(Audit::Time))
        .col(text(Audit::Actor))
        .col(text(Audit::Client))
        .col(text(Audit::Action))
        .col(text(Audit::Interaction))
        .col(small(Audit::Outcome))
        .col(ColumnDef::new(Audit::Patient).text())
        .col(ColumnDef::new(Audit::Type).small_integer())
        .col(ColumnDef::new(Audit::Id).text())
        .col(text(Audit::RequestId))
        .col(ColumnDef::new(Audit::Chain).binary().not_null())
        .primary_key(Index::create().col(Audit::Writer).col(Audit::Sequence))
        .take();
    let mut compartment = Table::create()
        .table(Compartment::Table)
        .col(integer(Compartment::Patient))
        .col(small(Compartment::Type))
        .col(integer(Compartment::High))
        .col(integer(Compartment::Resource))
        .col(integer(Compartment::Low))
        .col(integer(Compartment::Bits))
        .take();
    if backend == DbBackend::Sqlite {
        // Clustered: a walk of a patient's resources reads neighbouring pages. (PostgreSQL gets a covering index.)
        compartment.primary_key(&mut compartment_columns()).extra("WITHOUT ROWID");
        audit.extra("WITHOUT ROWID");
    }
    tables.extend([audit, compartment]);
    tables
}

/// Newest first is a backward walk.
fn compartment_columns() -> IndexCreateStatement {
    Index::create()
        .col(Compartment::Patient)
        .col(Compartment::Type)
        .col(Compartment::High)
        .col(Compartment::Resource)
        .take()
}

fn indexes(backend: DbBackend) -> Vec<IndexCreateStatement> {
    let mut indexes = vec![
        Index::create()
            .name("resource_id")
            .table(Resource::Table)
            .col(Resource::Type)
            .col(Resource::Id)
            .unique()
            .take(),
        Index::create().name("resource_sequence").table(Resource::Table).col(Resource::Sequence).unique().take(),
        Index::create()
            .name("resource_type_sequence")
            .table(Resource::Table)
            .col(Resource::Type)
            .col(Resource::Sequence)
            .take(),
        Index::create()
            .name("resource_history_version")
            .table(ResourceHistory::Table)
            .col(ResourceHistory::Key)
            .col(ResourceHistory::Version)
            .unique()
            .take(),
        Index::create()
            .name("resource_history_sequence")
            .table(ResourceHistory::Table)
            .col(ResourceHistory::SequenceFrom)
            .unique()
            .take(),
        Index::create()
            .name("resource_history_type_sequence")
            .table(ResourceHistory::Table)
            .col(ResourceHistory::Type)
            .col(ResourceHistory::SequenceFrom)
            .take(),
    ];
    if backend == DbBackend::Postgres {
        indexes.push(
            compartment_columns()
                .name("compartment_patient")
                .table(Compartment::Table)
                .unique()
                .include(Compartment::Low)
                .include(Compartment::Bits)
                .take(),
        );
    }
    indexes
}
