//! Opening a site's database, and what `fhir` needs on top of it: the same for the server and for commands.

use std::sync::Arc;

use vesta_fhir::SCHEMA;
use vesta_runtime::guide::Guide;

use super::{DataFolder, SiteError, audit_key};
use crate::clock::{Clock, Ids};
use crate::config::{self, Config, SiteName};
use crate::fhir::{PageSizes, Service, Services, WriteRules};
use crate::search::{SearchLimits, SiteParameters, types, without_words};
use crate::store::{Database, Limits, Options, PostgresPool, Store, StoreError};

/// Connections to PostgreSQL of one process, for all its sites.
const CONNECTIONS: u32 = 32;

/// Where the databases of sites are.
#[derive(Clone)]
pub enum Databases {
    /// A file in each site's folder.
    Sqlite,
    /// A schema a site.
    Postgres(PostgresPool),
}

impl Databases {
    /// Reaches the database that is configured, or says that it cannot be had.
    pub async fn connect(config: &Config) -> Result<Databases, SiteError> {
        let Some(url) = &config.database else { return Ok(Databases::Sqlite) };
        let statement_time = Limits::default().query_time;
        let unreachable = |source| SiteError::Database { url: url.to_string(), source };
        let pool = PostgresPool::connect(url.reveal(), CONNECTIONS, statement_time).await.map_err(unreachable)?;
        Ok(Databases::Postgres(pool))
    }

    pub(super) fn of(&self, folder: &DataFolder, site: &SiteName) -> Database {
        match self {
            Databases::Sqlite => Database::Sqlite { file: folder.site(site).join("vesta.db") },
            // A hyphen is allowed in a quoted name, and keeps two sites from having one schema.
            Databases::Postgres(pool) => {
                Database::Postgres { pool: pool.clone(), schema: format!("site_{}", site.as_str()) }
            }
        }
    }
}

/// The guides that are enabled. No guide named means all that are built in.
fn enabled(named: &[config::Guide]) -> Vec<&'static Guide> {
    let is_named = |guide: &&Guide| named.iter().any(|one| one.name == guide.name && one.version == guide.version);
    vesta_guides::GUIDES.iter().copied().filter(|guide| named.is_empty() || is_named(guide)).collect()
}

/// Opens the site's database. On SQLite this takes its writer lock: [`StoreError::Locked`] where a server has it.
pub async fn open_service(
    databases: &Databases,
    folder: &DataFolder,
    config: &Config,
    site: &SiteName,
    fhir_base: &str,
    clock: Clock,
    ids: Ids,
) -> Result<Arc<Services>, SiteError> {
    let failed = |source| SiteError::Store { site: site.clone(), source };
    let guides = enabled(&config.guides);
    let types = types(&guides);
    let types = if config.search.full_text { types } else { without_words(types) };
    let limits = SearchLimits {
        chain_steps: config.limits.chain_steps,
        values: config.limits.search_values,
        includes: config.limits.includes,
    };
    let options = Options {
        database: databases.of(folder, site),
        clock: clock.clone(),
        parameters: SiteParameters::new(&SCHEMA, types, fhir_base, limits),
        limits: Limits {
            unit_operations: config.limits.bundle_entries,
            unit_bytes: Limits::default().unit_bytes.max(config.limits.body_bytes),
            ..Limits::default()
        },
        audit_key: audit_key(folder, site)?,
    };
    let store = Store::open(options).await.map_err(failed)?;
    let Some(table) = store.table() else {
        return Err(failed(StoreError::Configuration("the store was opened without an index".to_owned())));
    };
    let service = Service::new(fhir_base, &SCHEMA, store, table, clock, ids).await.map_err(failed)?;
    let pages = PageSizes { default: config.limits.page_default, maximum: config.limits.page_max };
    let rules = WriteRules {
        delete_referenced: config.writes.delete_referenced,
        conditional_delete_multiple: config.writes.conditional_delete_multiple,
    };
    // As `Addresses` makes both of the same public address.
    let public_url = fhir_base.strip_suffix(&format!("/apis/{site}/fhir")).unwrap_or(fhir_base);
    let service = service.with_issuer(&format!("{public_url}/oauth2/{site}"));
    Ok(Services::new(service.with_guides(guides).with_pages(pages).with_rules(rules)))
}
