//! The statements that the server's own planner makes for a scenario's requests: what the bare limit runs.

use std::path::Path;

use rusqlite::types::Value;
use sea_orm::sea_query::{SqliteQueryBuilder, Value as Bound};
use vesta_server::access::Boundary;
use vesta_server::clock::{Clock, Ids};
use vesta_server::config::Config;
use vesta_server::fhir::{Handling, Service};
use vesta_server::search::{Access, Planner, Search};
use vesta_server::site::{Addresses, DataFolder, Databases, known_public_url, open_service};

use crate::Outcome;
use crate::bare::Statement;
use crate::load::Request;

/// Enough to spread over all records.
const MOST: usize = 2_000;

/// Plans for one site's database. It holds the writer's lock: no server may run beside it.
pub(crate) struct Plans {
    runtime: tokio::runtime::Runtime,
    service: std::sync::Arc<Service>,
}

impl Plans {
    pub(crate) fn open(data: &Path) -> Outcome<Plans> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let folder = DataFolder::open(data)?;
        let site = "default".parse()?;
        let config = Config::default();
        // The server's own address: under another one, references would have to be indexed anew.
        let base = Addresses::new(&site, &known_public_url(&config, &folder, &site)?).fhir_base;
        let opened = open_service(&Databases::Sqlite, &folder, &config, &site, &base, Clock::system(), Ids::system());
        let service = runtime.block_on(opened)?;
        Ok(Plans { runtime, service })
    }

    /// The page statement of each request.
    pub(crate) fn of(&self, requests: &[Request]) -> Outcome<Vec<Statement>> {
        requests.iter().take(MOST).map(|request| self.statement(request)).collect()
    }

    fn statement(&self, request: &Request) -> Outcome<Statement> {
        let (path, query) = request.path.split_once('?').ok_or("the request is no search")?;
        let of = path.rsplit('/').next();
        let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let service = &self.service;
        let (search, _) = Search::parse(&service.parameters, of, &parameters, Handling::Strict, service.clock.now())
            .map_err(|error| format!("{error:?}"))?;
        let planner =
            Planner { table: &service.parameters, names: service.store.names(), backend: service.store.backend() };
        let access = Access { boundary: &Boundary::Unrestricted, scopes: &[] };
        let plan = planner.page(&search, access, search.count.unwrap_or(20) as usize, None);
        let (sql, values) = plan.statement.build(SqliteQueryBuilder);
        Ok(Statement { sql, values: values.iter().map(bound).collect::<Outcome<_>>()? })
    }
}

impl Drop for Plans {
    fn drop(&mut self) {
        self.runtime.block_on(self.service.store.close());
    }
}

fn bound(value: &Bound) -> Outcome<Value> {
    Ok(match value {
        Bound::Bool(value) => value.map_or(Value::Null, |value| Value::Integer(value.into())),
        Bound::Int(value) => value.map_or(Value::Null, |value| Value::Integer(value.into())),
        Bound::BigInt(value) => value.map_or(Value::Null, Value::Integer),
        Bound::BigUnsigned(value) => value.map_or(Value::Null, |value| Value::Integer(value as i64)),
        Bound::SmallInt(value) => value.map_or(Value::Null, |value| Value::Integer(value.into())),
        Bound::Double(value) => value.map_or(Value::Null, Value::Real),
        Bound::String(value) => value.clone().map_or(Value::Null, Value::Text),
        Bound::Bytes(value) => value.clone().map_or(Value::Null, Value::Blob),
        other => return Err(format!("a value of a kind that no plan had before: {other:?}").into()),
    })
}
