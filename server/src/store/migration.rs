//! The schema's history, by sea-orm-migration. A migration that has been released is never edited.

use sea_orm::sea_query::{
    ColumnDef, Expr, ExprTrait, Index, IndexCreateStatement, IntoIden, Table, TableCreateStatement,
};
use sea_orm::{ConditionalStatement, ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};

use super::index;
use super::schema::{Audit, AuditHead, Compartment, Patient, Resource, ResourceHistory, SearchParameter, Setting};

pub(super) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Tables),
            Box::new(Identities),
            Box::new(AuditHeads),
            Box::new(FullText),
            Box::new(Texts),
            Box::new(AuditTimes),
            Box::new(AuditOrigins),
            Box::new(Displays),
            Box::new(StringsOfResources),
        ]
    }
}

/// The first schema.
struct Tables;

impl MigrationName for Tables {
    fn name(&self) -> &str {
        "m0001_tables"
    }
}

#[sea_orm_migration::prelude::async_trait::async_trait]
impl MigrationTrait for Tables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let (index_tables, index_indexes) = index::tables(backend);
        for table in tables(backend).into_iter().chain(index_tables) {
            manager.create_table(table).await?;
        }
        for index in indexes(backend).into_iter().chain(index_indexes) {
            manager.create_index(index).await?;
        }
        if backend == DbBackend::Postgres {
            let sequence = "CREATE SEQUENCE commit_sequence; CREATE SEQUENCE audit_writer AS integer";
            manager.get_connection().execute_unprepared(sequence).await?;
        }
        Ok(())
    }
}

/// The rows by which chains go from one resource to another.
struct Identities;

impl MigrationName for Identities {
    fn name(&self) -> &str {
        "m0002_identities"
    }
}

#[sea_orm_migration::prelude::async_trait::async_trait]
impl MigrationTrait for Identities {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(index::identity_table(manager.get_database_backend())).await
    }
}

/// The heads of the audit log.
struct AuditHeads;

impl MigrationName for AuditHeads {
    fn name(&self) -> &str {
        "m0003_audit_heads"
    }
}

#[sea_orm_migration::prelude::async_trait::async_trait]
impl MigrationTrait for AuditHeads {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create()
            .table(AuditHead::Table)
            .col(ColumnDef::new(AuditHead::Writer).integer().not_null())
            .col(integer(AuditHead::Number))
            .col(integer(AuditHead::Time))
            .col(ColumnDef::new(AuditHead::Ends).binary().not_null())
            .col(ColumnDef::new(AuditHead::Chain).binary().not_null())
            .primary_key(Index::create().col(AuditHead::Writer).col(AuditHead::Number))
            .take();
        if manager.get_database_backend() == DbBackend::Sqlite {
            table.extra("WITHOUT ROWID");
        }
        manager.create_table(table).await
    }
}

/// The words of resources.
struct FullText;

impl MigrationName for FullText {
    fn name(&self) -> &str {
        "m0004_full_text"
    }
}

#[sea_orm_migration::prelude::async_trait::async_trait]
impl MigrationTrait for FullText {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in index::word_tables(manager.get_database_backend()) {
            manager.get_connection().execute_unprepared(&table).await?;
        }
        Ok(())
    }
}

/// The texts that pages are sorted by.
struct Texts;

impl MigrationName for Texts {
    fn name(&self) -> &str {
        "m0005_texts"
    }
}

#[sea_orm_migration::prelude::async_trait::async_trait]
impl MigrationTrait for Texts {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(index::text_table(manager.get_database_backend())).await
    }
}

/// The ways into the audit log: by time, and by the patient concerned.
struct AuditTimes;

impl MigrationName for AuditTimes {
    fn name(&self) -> &str {
        "m0006_audit_times"
    }
}

#[sea_orm_migration::prelude::async_trait::async_trait]
impl MigrationTrait for AuditTimes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let by = |name: &str| Index::create().name(name).table(Audit::Table).take();
        let place = [Audit::Time, Audit::Writer, Audit::Sequence];
        let (mut by_time, mut by_patient) = (by("audit_time"), by("audit_patient"));
        by_patient.col(Audit::Patient).and_where(Expr::col(Audit::Patient).is_not_null());
        for column in place {
            by_time.col(column);
            by_patient.col(column);
        }
        manager.create_index(by_time).await?;
        manager.create_index(by_patient).await
    }
}

/// Where from, what for and by which token.
struct AuditOrigins;

impl MigrationName for AuditOrigins {
    fn name(&self) -> &str {
        "m0007_audit_origins"
    }
}

#[sea_orm_migration::prelude::async_trait::async_trait]
impl MigrationTrait for AuditOrigins {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one at a time.
        for column in [Audit::Address, Audit::Query, Audit::Token] {
            let column = ColumnDef::new(column).text().take();
            manager.alter_table(Table::alter().table(Audit::Table).add_column(column).take()).await?;
        }
        Ok(())
    }
}

/// The texts beside codes.
struct Displays;

impl MigrationName for Displays {
    fn name(&self) -> &str {
        "m0008_displays"
    }
}

#[sea_orm_migration::prelude::async_trait::async_trait]
impl MigrationTrait for Displays {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(index::display_table(manager.get_database_backend())).await
    }
}

/// The way from a resource to its texts.
struct StringsOfResources;

impl MigrationName for StringsOfResources {
    fn name(&self) -> &str {
        "m0009_strings_of_resources"
    }
}

#[sea_orm_migration::prelude::async_trait::async_trait]
impl MigrationTrait for StringsOfResources {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_index(index::strings_of_resources(manager.get_database_backend())).await
    }
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
