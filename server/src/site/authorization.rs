//! A site's authorization server: its keys, what it remembers, and the feed by which this process learns what was revoked by any.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use ipnet::IpNet;
use tokio::sync::{OnceCell, Semaphore};
use vesta_oauth::{ClientState, Engine, Settings, Storage, Upstream};

use super::keys::{Seen, seen};
use super::{Addresses, DataFolder, Databases, SiteError, access_keys, exists, known_public_url, site_keys};
use crate::access::Verifier;
use crate::clock::Clock;
use crate::config::{self, Config, SiteName};
use crate::fetch::{Fetcher, Fetchers};
use crate::store::{AuthorizationStore, Database};

pub type OAuthEngine = Engine<Arc<AuthorizationStore>, Fetchers>;

/// How often the feed of revocations is read.
const FOLLOW: Duration = Duration::from_secs(1);
/// After so many reads of the feed, what has expired is swept away.
const SWEEP_EVERY: u32 = 600;
/// Passwords that are looked at at once, of all sites: each takes a thread and 19 MB for a while.
static PASSWORDS: Semaphore = Semaphore::const_new(2);

pub struct Authorization {
    site: SiteName,
    folder: DataFolder,
    database: Database,
    settings: Settings,
    fetchers: Fetchers,
    clock: Clock,
    storage: OnceCell<Arc<AuthorizationStore>>,
    /// Made when it is first asked for, since its keys take a while: many sites are served to tokens of commands only.
    engine: OnceCell<Arc<OAuthEngine>>,
    origins: RwLock<Origins>,
    epoch: AtomicI64,
    /// The files of keys that this process goes by, and whether its engine does too.
    keys: Mutex<Option<(Seen, bool)>>,
}

/// The origins of the clients' pages.
#[derive(Default)]
struct Origins {
    known: HashSet<String>,
    /// Seconds since 1970.
    read: i64,
}

impl Authorization {
    pub(super) fn new(
        site: SiteName,
        folder: DataFolder,
        database: Database,
        addresses: &Addresses,
        config: &Config,
        clock: Clock,
    ) -> Result<Authorization, SiteError> {
        let mut settings = Settings::new(&addresses.issuer, &addresses.fhir_base);
        let of_site = |api: &str| format!("{}/apis/{site}/{api}", addresses.public_url);
        settings.other_bases = vec![of_site("api"), of_site("portal")];
        settings.system_scopes = config.apis.system_scopes;
        settings.registration = !config.oauth.closed_registration;
        settings.manual_approval = config.oauth.manual_approval;
        settings.password_grant = config.oauth.password_grant;
        settings.lifetimes = config.oauth.lifetimes.clone();
        // The style is of the release.
        settings.style_version = Some(env!("CARGO_PKG_VERSION").to_owned());
        let fetcher = |setting, networks: &[IpNet], authority: Option<&Path>| {
            let unreadable =
                |source| SiteError::File { setting, path: authority.unwrap_or(folder.path()).to_owned(), source };
            Fetcher::new(networks.to_vec(), authority).map_err(unreadable)
        };
        let oauth = &config.oauth;
        let clients = fetcher("oauth.jwks_authority", &oauth.jwks_networks, oauth.jwks_authority.as_deref())?;
        let mut provider = None;
        if let Some(of_site) = config.sites.get(&site) {
            settings.staff_passwords = !of_site.no_staff_passwords;
            settings.upstream = upstream(&of_site.upstream)?;
            if settings.upstream.is_some() {
                let (networks, authority) = (&of_site.upstream.networks, of_site.upstream.authority.as_deref());
                provider = Some(fetcher("upstream.authority", networks, authority)?);
            }
        }
        let fetchers = Fetchers { clients, provider };
        Ok(Authorization {
            site,
            folder,
            database,
            settings,
            fetchers,
            clock,
            storage: OnceCell::new(),
            engine: OnceCell::new(),
            origins: RwLock::default(),
            epoch: AtomicI64::new(0),
            keys: Mutex::default(),
        })
    }

    /// For a command beside the server, or without one.
    pub(super) async fn of_command(
        config: &Config,
        folder: &DataFolder,
        site: &SiteName,
        clock: Clock,
    ) -> Result<Authorization, SiteError> {
        let databases = Databases::connect(config).await?;
        let addresses = Addresses::new(site, &known_public_url(config, folder, site)?);
        let database = databases.of(folder, site);
        Authorization::new(site.clone(), folder.clone(), database, &addresses, config, clock)
    }

    pub async fn engine(&self) -> Result<&Arc<OAuthEngine>, SiteError> {
        self.engine.get_or_try_init(|| self.open()).await
    }

    async fn storage(&self) -> Result<&Arc<AuthorizationStore>, SiteError> {
        let open = || async {
            let failed = |source| SiteError::Store { site: self.site.clone(), source };
            let opened = AuthorizationStore::open(&self.database, self.clock.clone()).await;
            Ok(Arc::new(opened.map_err(failed)?))
        };
        self.storage.get_or_try_init(open).await
    }

    async fn open(&self) -> Result<Arc<OAuthEngine>, SiteError> {
        let storage = self.storage().await?.clone();
        let (folder, site) = (self.folder.clone(), self.site.clone());
        // To make an RSA key takes a while.
        let keys = tokio::task::spawn_blocking(move || site_keys(&folder, &site)).await;
        let keys = keys.unwrap_or_else(|error| Err(SiteError::Stopped(error.to_string())))?;
        let clock = self.clock.clone();
        let clock: vesta_oauth::Clock = Arc::new(move || clock.now());
        let (settings, fetchers) = (self.settings.clone(), self.fetchers.clone());
        Ok(Arc::new(Engine::new(settings, keys, storage, fetchers, clock, vesta_oauth::system_random())))
    }

    /// Whether a page of this origin belongs to a client that may be used.
    /// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support>
    pub async fn is_registered_origin(&self, origin: &str) -> bool {
        let now = self.clock.now().as_second();
        {
            let origins = self.origins.read().unwrap_or_else(PoisonError::into_inner);
            if origins.known.contains(origin) && now - origins.read < 60 {
                return true;
            }
            // An origin that is not known may be new; whoever asks again and again is not worth more than a look a second.
            if origins.read == now {
                return origins.known.contains(origin);
            }
        }
        match self.read_origins().await {
            Ok(known) => {
                let is_known = known.contains(origin);
                *self.origins.write().unwrap_or_else(PoisonError::into_inner) = Origins { known, read: now };
                is_known
            }
            Err(error) => {
                tracing::warn!(site = %self.site, %error, "the clients' origins cannot be read");
                false
            }
        }
    }

    async fn read_origins(&self) -> Result<HashSet<String>, SiteError> {
        let clients = self.engine().await?.every_client().await;
        let clients = clients.map_err(|error| SiteError::Stopped(error.to_string()))?;
        let enabled = clients.iter().filter(|client| client.state == ClientState::Enabled);
        Ok(enabled.flat_map(|client| client.origins()).collect())
    }

    /// Takes what was revoked since the last time.
    pub async fn follow(&self, verifier: &Verifier) -> Result<(), SiteError> {
        let storage = self.storage().await?;
        let epoch = self.epoch.load(Ordering::Acquire);
        let revoked = storage.revoked_since(epoch).await;
        let revoked = revoked.map_err(|error| SiteError::Stopped(error.to_string()))?;
        for line in &revoked {
            verifier.revoke(&line.what, line.expires);
        }
        if let Some(last) = revoked.last() {
            self.epoch.fetch_max(last.epoch, Ordering::AcqRel);
        }
        verifier.note_news();
        Ok(())
    }

    pub(super) async fn follow_always(self: Arc<Authorization>, verifier: Arc<Verifier>) {
        for round in 1_u32.. {
            tokio::time::sleep(FOLLOW).await;
            if let Err(error) = self.follow(&verifier).await {
                tracing::warn!(site = %self.site, %error, "revocations cannot be read: tokens are refused soon");
            }
            if let Err(error) = self.follow_keys(&verifier).await {
                tracing::error!(site = %self.site, %error, "the site's keys are others and cannot be used: those before are used on");
            }
            if round.is_multiple_of(SWEEP_EVERY) {
                self.sweep().await;
            }
        }
    }

    /// Takes the keys anew where the operator has replaced them.
    async fn follow_keys(&self, verifier: &Verifier) -> Result<(), SiteError> {
        let (folder, site) = (self.folder.clone(), self.site.clone());
        let with_engine = self.engine.get().is_some();
        let seen = tokio::task::spawn_blocking(move || seen(&folder, &site)).await;
        let seen = (seen.map_err(|error| SiteError::Stopped(error.to_string()))?, with_engine);
        // Those that cannot be used are not tried, and told of, each second.
        if self.keys.lock().unwrap_or_else(PoisonError::into_inner).replace(seen) == Some(seen) {
            return Ok(());
        }
        let (folder, site) = (self.folder.clone(), self.site.clone());
        let read = tokio::task::spawn_blocking(move || {
            let access = access_keys(&folder, &site)?;
            Ok::<_, SiteError>((access, with_engine.then(|| site_keys(&folder, &site)).transpose()?))
        });
        let (access, all) = read.await.unwrap_or_else(|error| Err(SiteError::Stopped(error.to_string())))?;
        verifier.set_keys(access);
        if let (Some(engine), Some(keys)) = (self.engine.get(), all) {
            engine.set_keys(keys);
        }
        Ok(())
    }

    async fn sweep(&self) {
        let Ok(storage) = self.storage().await else { return };
        loop {
            match storage.remove_expired(1_000).await {
                Ok(1_000) => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(site = %self.site, %error, "what has expired cannot be swept away");
                    return;
                }
            }
        }
    }

    pub(super) async fn close(&self) {
        if let Some(storage) = self.storage.get() {
            storage.close().await;
        }
    }
}

/// The provider at which staff log in, where one is set.
fn upstream(set: &config::Upstream) -> Result<Option<Upstream>, SiteError> {
    let (Some(issuer), Some(client_id)) = (&set.issuer, &set.client_id) else { return Ok(None) };
    let client_secret = match (&set.client_secret, &set.client_secret_file) {
        (Some(secret), _) => Some(secret.reveal().to_owned()),
        (None, Some(path)) => {
            let (setting, path) = ("upstream.client_secret_file", path.clone());
            let text = std::fs::read_to_string(&path);
            Some(text.map_err(|source| SiteError::File { setting, path, source })?.trim().to_owned())
        }
        (None, None) => None,
    };
    let usual = || vec!["profile".to_owned(), "email".to_owned()];
    Ok(Some(Upstream {
        name: set.name.clone().unwrap_or_else(|| issuer.host()),
        issuer: issuer.as_str().to_owned(),
        client_id: client_id.clone(),
        client_secret,
        scopes: set.scopes.clone().unwrap_or_else(usual),
        matching: set.matching,
    }))
}

/// A site's authorization server for a command: safe beside a running server.
pub async fn open_authorization(
    config: &Config,
    folder: &DataFolder,
    site: &SiteName,
    clock: Clock,
) -> Result<Authorization, SiteError> {
    match exists(config, folder, site) {
        true => Authorization::of_command(config, folder, site, clock).await,
        false => Err(SiteError::Unknown),
    }
}

/// Runs what hashes a password on a thread where it keeps nobody waiting, a few at a time.
pub async fn with_password<T, W, A>(engine: &Arc<OAuthEngine>, work: W) -> Result<T, vesta_oauth::OAuthError>
where
    T: Send + 'static,
    W: FnOnce(Arc<OAuthEngine>) -> A + Send + 'static,
    A: Future<Output = T> + Send,
{
    let failed = || {
        let busy = "too many people log in at once: try again";
        vesta_oauth::OAuthError::new(vesta_oauth::ErrorCode::TemporarilyUnavailable, busy)
    };
    let _slot = PASSWORDS.acquire().await.map_err(|_| failed())?;
    let engine = engine.clone();
    let runtime = tokio::runtime::Handle::current();
    let task = tokio::task::spawn_blocking(move || runtime.block_on(work(engine)));
    task.await.map_err(|_| failed())
}
