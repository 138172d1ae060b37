//! Opening a site's database, and what `fhir` needs on top of it: the same for the server and for commands.

use std::sync::Arc;

use vesta_fhir::SCHEMA;
use vesta_fhir::types::ResourceType;

use super::{DataFolder, SiteError};
use crate::clock::{Clock, Ids};
use crate::config::{Config, Guide, SiteName};
use crate::fhir::{PageSizes, Service};
use crate::search::{ParameterTable, Rule, TypeBoundary, TypeEntry, definitions};
use crate::store::{Database, Indexer, Limits, Options, PostgresPool, Store, StoreError};

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

    fn of(&self, folder: &DataFolder, site: &SiteName) -> Database {
        match self {
            Databases::Sqlite => Database::Sqlite { file: folder.site(site).join("vesta.db") },
            // A hyphen is allowed in a quoted name, and keeps two sites from having one schema.
            Databases::Postgres(pool) => {
                Database::Postgres { pool: pool.clone(), schema: format!("site_{}", site.as_str()) }
            }
        }
    }
}

/// The guides that are built in, newest first: where two versions define one parameter, the newest counts.
pub const GUIDES: [(&str, &str); 3] =
    [("hl7.fhir.us.core", "8.0.0"), ("hl7.fhir.us.core", "7.0.0"), ("hl7.fhir.us.core", "6.1.0")];

/// The name and version of each guide that is enabled. No guide named means all.
fn chosen(enabled: &[Guide]) -> impl Iterator<Item = (&'static str, &'static str)> {
    GUIDES.into_iter().filter(|(name, version)| {
        enabled.is_empty() || enabled.iter().any(|guide| guide.name == *name && guide.version == *version)
    })
}

/// The types of R4 with the parameters and the patient boundary that a site works with. No guide named means all.
pub fn types(enabled: &[Guide]) -> Vec<TypeEntry> {
    let guides: Vec<_> = chosen(enabled).collect();
    let outside = || TypeBoundary { rule: Rule::Nothing, parameters: &[], mask: 0, date: None };
    let entry = |resource_type: &ResourceType| {
        let name = resource_type.as_str();
        let mut parameters = vesta_fhir::search::parameters(name).to_vec();
        for (guide, version) in &guides {
            let defined = vesta_guides::search::parameters(guide, version);
            parameters.extend(defined.iter().copied().filter(|parameter| parameter.base == name));
        }
        let boundary = vesta_guides::boundary::PATIENT.get(name).map_or_else(outside, TypeBoundary::from);
        TypeEntry { name, number: resource_type.as_u16(), parameters, boundary }
    };
    ResourceType::ALL.iter().map(entry).collect()
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
) -> Result<Arc<Service>, SiteError> {
    let failed = |source| SiteError::Store { site: site.clone(), source };
    let types = types(&config.guides);
    let options = Options {
        database: databases.of(folder, site),
        clock: clock.clone(),
        parameters: definitions(&types),
        limits: Limits {
            unit_operations: config.limits.bundle_entries,
            unit_bytes: Limits::default().unit_bytes.max(config.limits.body_bytes),
            ..Limits::default()
        },
    };
    let mut made = None;
    let store = Store::open(options, |dictionary, _| {
        let table = Arc::new(ParameterTable::new(&SCHEMA, types, dictionary.clone(), fhir_base));
        made = Some(table.clone());
        table as Arc<dyn Indexer>
    })
    .await
    .map_err(failed)?;
    let Some(table) = made else {
        return Err(failed(StoreError::Configuration("the store was opened without an index".to_owned())));
    };
    let service = Service::new(fhir_base, &SCHEMA, store, table, clock, ids).await.map_err(failed)?;
    let named = chosen(&config.guides).filter_map(|(name, version)| vesta_guides::guides::get(name, version));
    let pages = PageSizes { default: config.limits.page_default, maximum: config.limits.page_max };
    Ok(Arc::new(service.with_guides(named).with_pages(pages)))
}
