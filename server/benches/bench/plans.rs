//! The statements that the server's own planner makes for a scenario's requests: what the bare limits run.

use std::path::Path;
use std::time::{Duration, Instant};

use sea_orm::DbBackend;
use sea_orm::sea_query::{PostgresQueryBuilder, SelectStatement, SqliteQueryBuilder, Values};
use vesta_server::access::Boundary;
use vesta_server::clock::{Clock, Ids};
use vesta_server::config::Config;
use vesta_server::fhir::{Handling, Service};
use vesta_server::search::{Access, Includes, Planner, Search};
use vesta_server::site::{Addresses, DataFolder, Databases, known_public_url, open_service};
use vesta_server::store::PostgresPool;

use crate::Outcome;
use crate::load::Request;

/// Enough to spread over all records.
const MOST: usize = 2_000;

/// A statement with the values of one request.
pub(crate) struct Statement {
    pub sql: String,
    pub values: Values,
}

/// The statements of one request: its page, and what is included with it.
pub(crate) type Statements = Vec<Statement>;

/// Plans for one site's database. On SQLite it holds the writer's lock: no server may run beside it.
pub(crate) struct Plans {
    runtime: tokio::runtime::Runtime,
    service: std::sync::Arc<Service>,
}

impl Plans {
    pub(crate) fn open(data: &Path, database: Option<&str>) -> Outcome<Plans> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let folder = DataFolder::open(data)?;
        let site = "default".parse()?;
        let config = Config::default();
        // The server's own address: under another one, references would have to be indexed anew.
        let base = Addresses::new(&site, &known_public_url(&config, &folder, &site)?).fhir_base;
        let service = runtime.block_on(async {
            let databases = match database {
                Some(url) => Databases::Postgres(PostgresPool::connect(url, 2, Duration::from_secs(60)).await?),
                None => Databases::Sqlite,
            };
            let opened = open_service(&databases, &folder, &config, &site, &base, Clock::system(), Ids::system());
            Ok::<_, Box<dyn std::error::Error>>(opened.await?.now())
        })?;
        Ok(Plans { runtime, service })
    }

    /// The statements of each request, at most `most` of them.
    pub(crate) fn of(&self, requests: &[Request], most: usize) -> Outcome<Vec<Statements>> {
        requests.iter().take(most.min(MOST)).map(|request| self.statements(request)).collect()
    }

    /// What it takes to read a request's query, to plan its page and to write the statement, on average.
    pub(crate) fn planning(&self, requests: &[Request]) -> Outcome<Duration> {
        let requests = &requests[..requests.len().min(MOST)];
        let began = Instant::now();
        for request in requests {
            let search = self.search(request)?;
            let plan = self.planner().page(&search, ALL, 20, None);
            std::hint::black_box(self.text(&plan.statement));
        }
        Ok(began.elapsed() / u32::try_from(requests.len().max(1))?)
    }

    fn planner(&self) -> Planner<'_> {
        let service = &self.service;
        Planner { table: &service.parameters, names: service.store.names(), backend: service.store.backend() }
    }

    fn search(&self, request: &Request) -> Outcome<Search> {
        let (path, query) = request.path.split_once('?').ok_or("the request is no search")?;
        let of = path.rsplit('/').next();
        let parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let service = &self.service;
        let parsed = Search::parse(&service.parameters, of, &parameters, Handling::Strict, service.clock.now());
        Ok(parsed.map_err(|error| format!("{error:?}"))?.0)
    }

    fn statements(&self, request: &Request) -> Outcome<Statements> {
        let search = self.search(request)?;
        let planner = self.planner();
        let plan = planner.page(&search, ALL, search.count.unwrap_or(20) as usize, None);
        let mut statements = vec![self.text(&plan.statement)];
        if !search.includes.is_empty() {
            let found = self.runtime.block_on(self.service.store.page(&plan.statement, plan.sort_columns))?;
            let page = plan.page(found);
            let included = Includes::of(&planner, &search, &page.found)?.statement(&planner, |_| Some(ALL));
            statements.extend(included.map(|statement| self.text(&statement)));
        }
        Ok(statements)
    }

    fn text(&self, statement: &SelectStatement) -> Statement {
        let (sql, values) = match self.service.store.backend() {
            DbBackend::Postgres => statement.build(PostgresQueryBuilder),
            _ => statement.build(SqliteQueryBuilder),
        };
        Statement { sql, values }
    }
}

const ALL: Access<'static> = Access { boundary: &Boundary::Unrestricted };

impl Drop for Plans {
    fn drop(&mut self) {
        self.runtime.block_on(self.service.store.close());
    }
}
