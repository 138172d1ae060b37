//! A server in this process, over real HTTP on a port of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::SignedDuration;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vesta_server::access::NewToken;
use vesta_server::clock::{Clock, Ids};
use vesta_server::config::{Config, SiteName};
use vesta_server::http::Server;
use vesta_server::site::{DataFolder, Sites, issue};

use super::client::Client;
use super::database::{Database, Postgres};

/// One for all tests: each server has its tasks on it.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime"))
}

/// A database, a data folder and a running server.
pub(crate) struct World {
    // Dropped in this order: the server lets go of its database first.
    running: Mutex<Option<Running>>,
    /// Where it listens, once it has: with another address, which references may name, it would index them anew.
    port: AtomicU16,
    pub(crate) database: Database,
    folder: TempDir,
}

struct Running {
    sites: Arc<Sites>,
    base: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// What a token is asked for.
#[derive(Clone)]
pub(crate) struct Token<'a> {
    pub(crate) site: &'a str,
    pub(crate) scope: &'a str,
    pub(crate) patient: Option<&'a str>,
    pub(crate) fhir_user: Option<&'a str>,
    pub(crate) lifetime: SignedDuration,
}

impl Default for Token<'_> {
    fn default() -> Self {
        Token {
            site: "default",
            scope: "user/*.cruds",
            patient: None,
            fhir_user: None,
            lifetime: SignedDuration::from_mins(30),
        }
    }
}

impl World {
    pub(crate) fn on_sqlite() -> Self {
        Self::new(Database::Sqlite, |_| ())
    }

    /// None, with the reason printed, where there is no PostgreSQL.
    pub(crate) fn on_postgresql() -> Option<Self> {
        Some(Self::new(Database::Postgres(Postgres::create()?), |_| ()))
    }

    /// A world whose server has other settings.
    pub(crate) fn new(database: Database, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let world = World { running: Mutex::new(None), port: AtomicU16::new(0), database, folder };
        world.start(change);
        world
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the server on the data that are there.
    pub(crate) fn start(&self, change: impl FnOnce(&mut Config)) {
        let mut config = Config::default();
        config.listen = ([127, 0, 0, 1], self.port.load(Ordering::Relaxed)).into();
        config.data = self.folder.path().to_path_buf();
        config.database = self.database.url().map(|url| url.parse().expect("a database URL"));
        config.http = true;
        let site = |name: &str| (name.parse().expect("a name"), Default::default());
        config.sites = BTreeMap::from([site("default"), site("other")]);
        change(&mut config);
        let scheme = if config.http { "http" } else { "https" };
        let start = |config: Config| {
            let folder = DataFolder::open(&config.data).expect("the data folder opens");
            runtime().block_on(Server::start(Arc::new(config), folder, Clock::system(), Ids::system()))
        };
        let started = start(config.clone()).or_else(|error| {
            // Another test has the port by now.
            config.listen.set_port(0);
            if self.port.swap(0, Ordering::Relaxed) == 0 { Err(error) } else { start(config) }
        });
        let server = started.unwrap_or_else(|error| panic!("the server does not start: {error}"));
        // As the server calls itself in its links.
        let port = server.address().port();
        self.port.store(port, Ordering::Relaxed);
        let base = format!("{scheme}://localhost:{port}");
        let sites = server.sites().clone();
        let (stop, stopped) = oneshot::channel();
        let task = runtime().spawn(server.run(async move {
            let _ = stopped.await;
        }));
        *self.running() = Some(Running { sites, base, stop, task });
    }

    /// Stops the server in order, as SIGTERM does.
    pub(crate) fn stop(&self) {
        if let Some(Running { stop, task, sites, .. }) = self.running().take() {
            drop(sites);
            let _ = stop.send(());
            runtime().block_on(task).expect("the server stops");
        }
    }

    pub(crate) fn restart(&self, change: impl FnOnce(&mut Config)) {
        self.stop();
        self.start(change);
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        self.folder.path()
    }

    /// `http://127.0.0.1:1234`
    pub(crate) fn address(&self) -> String {
        self.running().as_ref().map(|running| running.base.clone()).expect("the server runs")
    }

    pub(crate) fn sites(&self) -> Arc<Sites> {
        self.running().as_ref().map(|running| running.sites.clone()).expect("the server runs")
    }

    /// Signs a token with the site's key, as `vesta token create` does.
    pub(crate) fn token(&self, token: &Token<'_>) -> String {
        let sites = self.sites();
        let name: SiteName = token.site.parse().expect("a site's name");
        let site = runtime().block_on(sites.get(token.site)).expect("the site opens");
        let token = NewToken {
            issuer: &site.addresses.issuer,
            audience: &site.addresses.fhir_base,
            subject: "tester",
            client_id: "end-to-end-tests",
            scope: token.scope,
            patient: token.patient,
            encounter: None,
            fhir_user: token.fhir_user,
            grant: None,
            roles: &[],
            now: sites.clock().now(),
            lifetime: token.lifetime,
            id: sites.ids().next(),
        };
        issue(sites.folder(), &name, &token).expect("the token is signed")
    }

    /// A client with this token on a site's FHIR API.
    pub(crate) fn client_with(&self, token: &Token<'_>) -> Client {
        Client { base: format!("{}/apis/{}/fhir", self.address(), token.site), token: Some(self.token(token)) }
    }

    /// A client with these scopes; `user/*.cruds` may do everything.
    pub(crate) fn client(&self, scope: &str) -> Client {
        self.client_with(&Token { scope, ..Token::default() })
    }

    /// A patient's client.
    pub(crate) fn patient_client(&self, patient: &str, scope: &str) -> Client {
        self.client_with(&Token { scope, patient: Some(patient), ..Token::default() })
    }

    pub(crate) fn anyone(&self) -> Client {
        Client { base: format!("{}/apis/default/fhir", self.address()), token: None }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}
