//! The schema's history of what the authorization server remembers. A migration that has been released is never
//! edited.

use sea_orm::DbErr;
use sea_orm::sea_query::{Alias, ColumnDef, DynIden, Index, IntoIden, Table};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};

use super::{AuthorizationRecord, AuthorizationRevocation};

pub(super) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Tables)]
    }

    /// On PostgreSQL the site's schema has the records' migrations too.
    fn migration_table_name() -> DynIden {
        Alias::new("authorization_migration").into_iden()
    }
}

struct Tables;

impl MigrationName for Tables {
    fn name(&self) -> &str {
        "a0001_tables"
    }
}

#[sea_orm_migration::prelude::async_trait::async_trait]
impl MigrationTrait for Tables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let records = Table::create()
            .table(AuthorizationRecord::Table)
            .col(ColumnDef::new(AuthorizationRecord::Kind).small_integer().not_null())
            .col(ColumnDef::new(AuthorizationRecord::Key).text().not_null())
            .col(ColumnDef::new(AuthorizationRecord::Client).text())
            .col(ColumnDef::new(AuthorizationRecord::Subject).text())
            .col(ColumnDef::new(AuthorizationRecord::Expires).big_integer())
            .col(ColumnDef::new(AuthorizationRecord::Version).big_integer().not_null())
            .col(ColumnDef::new(AuthorizationRecord::Body).text().not_null())
            .primary_key(Index::create().col(AuthorizationRecord::Kind).col(AuthorizationRecord::Key))
            .take();
        let revocations = Table::create()
            .table(AuthorizationRevocation::Table)
            .col(ColumnDef::new(AuthorizationRevocation::Epoch).big_integer().not_null().auto_increment().primary_key())
            .col(ColumnDef::new(AuthorizationRevocation::What).text().not_null())
            .col(ColumnDef::new(AuthorizationRevocation::Expires).big_integer().not_null())
            .take();
        for table in [records, revocations] {
            manager.create_table(table).await?;
        }
        let by = |name: &str, column| {
            Index::create()
                .name(name)
                .table(AuthorizationRecord::Table)
                .col(AuthorizationRecord::Kind)
                .col(column)
                .col(AuthorizationRecord::Key)
                .take()
        };
        manager.create_index(by("authorization_record_client", AuthorizationRecord::Client)).await?;
        manager.create_index(by("authorization_record_subject", AuthorizationRecord::Subject)).await?;
        let expiry =
            |name: &str, table: DynIden, column: DynIden| Index::create().name(name).table(table).col(column).take();
        manager
            .create_index(expiry(
                "authorization_record_expires",
                AuthorizationRecord::Table.into_iden(),
                AuthorizationRecord::Expires.into_iden(),
            ))
            .await?;
        manager
            .create_index(expiry(
                "authorization_revocation_expires",
                AuthorizationRevocation::Table.into_iden(),
                AuthorizationRevocation::Expires.into_iden(),
            ))
            .await
    }
}
