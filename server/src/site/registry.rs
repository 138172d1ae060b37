//! The sites that are open: opened on first use, closed again when too many are.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::{
    Addresses, Authorization, Brands, DataFolder, Databases, SiteError, access_keys, exists, open_service,
    remember_public_url,
};
use crate::access::Verifier;
use crate::clock::{Clock, Ids};
use crate::config::{Config, SiteName};
use crate::fhir::{Service, Services};
use crate::maintenance;
use crate::store::{LocalServer, ReindexProgress, Store};

/// Resources that one bite of re-indexing takes.
const REINDEX_BITE: usize = 200;

/// A site at work.
pub struct Site {
    pub name: SiteName,
    pub addresses: Addresses,
    pub verifier: Arc<Verifier>,
    pub authorization: Arc<Authorization>,
    /// Where the operator publishes any.
    pub brands: Option<Brands>,
    pub services: Arc<Services>,
    /// Re-indexing after a change of the parameters.
    background: JoinHandle<()>,
    /// Learning what was revoked elsewhere.
    following: JoinHandle<()>,
    /// Where commands beside this server hand their work in.
    local: Option<LocalServer>,
}

/// All sites of this server.
pub struct Sites {
    config: Arc<Config>,
    folder: DataFolder,
    databases: Databases,
    /// Where the server listens: what an unset `public_url` is guessed from.
    listening: SocketAddr,
    clock: Clock,
    ids: Ids,
    open: RwLock<HashMap<SiteName, Arc<Open>>>,
    /// Held while a site is opened or closed.
    opening: Mutex<()>,
    /// Counts uses, to know which site was not used for longest.
    uses: AtomicU64,
}

struct Open {
    site: Arc<Site>,
    last_use: AtomicU64,
}

impl Sites {
    pub fn new(
        config: Arc<Config>,
        folder: DataFolder,
        databases: Databases,
        listening: SocketAddr,
        clock: Clock,
        ids: Ids,
    ) -> Sites {
        Sites {
            config,
            folder,
            databases,
            listening,
            clock,
            ids,
            open: RwLock::default(),
            opening: Mutex::default(),
            uses: AtomicU64::new(1),
        }
    }

    /// The site of that name, opened if need be.
    pub async fn get(&self, name: &str) -> Result<Arc<Site>, SiteError> {
        if let Some(site) = self.opened(name) {
            return Ok(site);
        }
        let name: SiteName = name.parse().map_err(|_| SiteError::Unknown)?;
        if !exists(&self.config, &self.folder, &name) {
            return Err(SiteError::Unknown);
        }
        let _opening = self.opening.lock().await;
        // Another request may have opened it meanwhile.
        if let Some(site) = self.opened(name.as_str()) {
            return Ok(site);
        }
        self.make_room().await?;
        let site = Arc::new(self.open(name.clone()).await?);
        let open = Arc::new(Open { site: site.clone(), last_use: AtomicU64::new(self.next_use()) });
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(name, open);
        Ok(site)
    }

    fn opened(&self, name: &str) -> Option<Arc<Site>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let found = open.get(name)?;
        found.last_use.store(self.next_use(), Ordering::Relaxed);
        Some(found.site.clone())
    }

    fn next_use(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    /// Closes the site that was not used for longest and that no request holds, if the bound is reached.
    async fn make_room(&self) -> Result<(), SiteError> {
        let closed = {
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            if open.len() < self.config.limits.open_sites {
                return Ok(());
            }
            let idle = open.iter().filter(|(_, open)| Arc::strong_count(&open.site) == 1);
            let oldest = idle.min_by_key(|(_, open)| open.last_use.load(Ordering::Relaxed));
            let name = oldest.map(|(name, _)| name.clone()).ok_or(SiteError::TooMany)?;
            open.remove(&name)
        };
        if let Some(open) = closed.and_then(Arc::into_inner).and_then(|open| Arc::into_inner(open.site)) {
            open.close().await;
        }
        Ok(())
    }

    async fn open(&self, name: SiteName) -> Result<Site, SiteError> {
        let public_url = self
            .config
            .public_url(&name)
            .cloned()
            .or_else(|| self.config.public_url(&SiteName::default()).cloned())
            .or_else(|| self.config.default_public_url(self.listening))
            .ok_or_else(|| SiteError::NoPublicUrl(name.clone()))?;
        let addresses = Addresses::new(&name, &public_url);
        let keys = access_keys(&self.folder, &name)?;
        remember_public_url(&self.folder, &name, &public_url)?;
        let brands = self.brands(&name, &addresses)?;
        let verifier = Verifier::new(
            keys,
            &addresses.issuer,
            &addresses.fhir_base,
            self.config.apis.system_scopes,
            self.clock.clone(),
        );
        let verifier = Arc::new(verifier);
        let database = self.databases.of(&self.folder, &name);
        let (folder, clock) = (self.folder.clone(), self.clock.clone());
        let authorization = Authorization::new(name.clone(), folder, database, &addresses, &self.config, clock)?;
        let authorization = Arc::new(authorization);
        // Before anybody is let in: what was revoked before this process began is as good as what is revoked beside it, and who
        // never had news would not miss them.
        authorization.follow(&verifier).await?;
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let base = &addresses.fhir_base;
        let services = open_service(&self.databases, &self.folder, &self.config, &name, base, clock, ids).await?;
        // Commands beside this server hand their work to it; on PostgreSQL they need not.
        let local = match &self.databases {
            Databases::Sqlite => {
                let failed = |source| SiteError::Store { site: name.clone(), source };
                let handler = maintenance::handler(services.clone());
                Some(LocalServer::bind(&self.folder.site(&name), handler).map_err(failed)?)
            }
            Databases::Postgres(_) => None,
        };
        let following = tokio::spawn(authorization.clone().follow_always(verifier.clone()));
        let background = tokio::spawn(reindex(name.clone(), services.now().store.clone()));
        tracing::info!(site = %name, fhir = %addresses.fhir_base, "site opened");
        Ok(Site { name, addresses, verifier, authorization, brands, services, background, following, local })
    }

    fn brands(&self, site: &SiteName, addresses: &Addresses) -> Result<Option<Brands>, SiteError> {
        let Some(settings) = self.config.sites.get(site) else { return Ok(None) };
        let Some(path) = &settings.brands else { return Ok(None) };
        let brands = Brands::read(path, settings.brand.as_ref(), &addresses.fhir_base);
        Ok(Some(brands.map_err(|fault| SiteError::Brands { site: site.clone(), path: path.clone(), fault })?))
    }

    /// The sites that are open.
    pub fn all_open(&self) -> Vec<Arc<Site>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).values().map(|open| open.site.clone()).collect()
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn folder(&self) -> &DataFolder {
        &self.folder
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Closes every site, so that what is queued is written.
    pub async fn close(&self) {
        let all = std::mem::take(&mut *self.open.write().unwrap_or_else(PoisonError::into_inner));
        for (_, open) in all {
            // A site that a cut connection still holds is closed by being dropped.
            if let Some(site) = Arc::into_inner(open).and_then(|open| Arc::into_inner(open.site)) {
                site.close().await;
            }
        }
    }
}

impl Site {
    /// By the search parameters that hold now.
    pub fn service(&self) -> Arc<Service> {
        self.services.now()
    }

    /// Whether it can serve; else why not, in words for an operator.
    pub async fn ready(&self) -> Result<(), String> {
        let store = &self.service().store;
        if store.waiting().is_none() {
            return Err("the writer has stopped".to_owned());
        }
        store.ping().await.map_err(|error| error.to_string())
    }

    async fn close(self) {
        self.background.abort();
        self.following.abort();
        drop(self.local);
        self.authorization.close().await;
        self.services.now().store.close().await;
        tracing::info!(site = %self.name, "site closed");
    }
}

/// How often the log tells how far re-indexing has come.
const TELL: Duration = Duration::from_secs(10);

/// Makes the rows of new and changed search parameters, a bite at a time: requests go first. Then waits for the next
/// that users post, change or retire.
async fn reindex(site: SiteName, store: Arc<Store>) {
    let (mut announced, mut told) = (false, Instant::now());
    let mut pause = Duration::ZERO;
    loop {
        tokio::time::sleep(pause).await;
        pause = Duration::ZERO;
        let seen = store.parameters_version();
        match store.reindex_bite(REINDEX_BITE).await {
            Ok(progress) if progress.is_complete() => {
                if announced {
                    tracing::info!(%site, "re-indexing is complete");
                }
                announced = false;
                store.parameters_change(seen).await;
            }
            Ok(progress) => {
                if !announced || told.elapsed() >= TELL {
                    let ReindexProgress { pending, retired, done, last, .. } = progress;
                    tracing::info!(%site, parameters = pending, retired, done, of = last, "re-indexing search parameters");
                    told = Instant::now();
                }
                announced = true;
                if progress.rests() {
                    pause = Duration::from_secs(1);
                }
            }
            Err(error) => {
                tracing::warn!(%site, %error, "re-indexing waits");
                pause = Duration::from_secs(5);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(folder: &std::path::Path, change: impl FnOnce(&mut Config)) -> Sites {
        let mut config = Config::default();
        change(&mut config);
        let folder = DataFolder::open(folder).unwrap();
        let listening = SocketAddr::from(([127, 0, 0, 1], 9300));
        Sites::new(Arc::new(config), folder, Databases::Sqlite, listening, Clock::system(), Ids::system())
    }

    #[tokio::test]
    async fn a_site_is_opened_once_and_named_by_its_public_url() {
        let folder = tempfile::tempdir().unwrap();
        let sites = sites(folder.path(), |_| ());
        let site = sites.get("default").await.unwrap();
        assert!(Arc::ptr_eq(&site, &sites.get("default").await.unwrap()));
        assert_eq!(site.addresses.fhir_base, "https://localhost:9300/apis/default/fhir");
        assert_eq!(site.addresses.issuer, "https://localhost:9300/oauth2/default");
        let noted = std::fs::read_to_string(folder.path().join("sites/default/public_url")).unwrap();
        assert_eq!(noted.trim(), "https://localhost:9300");
    }

    #[tokio::test]
    async fn what_is_no_site_is_unknown_and_makes_no_folder() {
        let folder = tempfile::tempdir().unwrap();
        let sites = sites(folder.path(), |_| ());
        for name in ["north", "", "..", "../default", "DEFAULT"] {
            assert!(matches!(sites.get(name).await, Err(SiteError::Unknown)), "{name}");
        }
        assert!(!folder.path().join("sites/north").exists());
    }

    #[tokio::test]
    async fn open_sites_are_bounded_and_the_longest_unused_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<SiteName> = (0..200).map(|number| format!("site-{number}").parse().unwrap()).collect();
        let sites = sites(folder.path(), |config| {
            config.limits.open_sites = 8;
            config.sites = names.iter().map(|name| (name.clone(), Default::default())).collect();
        });
        let held = sites.get("site-0").await.unwrap();
        for name in &names {
            sites.get(name.as_str()).await.unwrap();
            assert!(sites.open.read().unwrap().len() <= 8);
        }
        // One that is in use is never closed under its user.
        assert!(Arc::ptr_eq(&held, &sites.get("site-0").await.unwrap()));
        let mut all = vec![held];
        for name in &names[1..8] {
            all.push(sites.get(name.as_str()).await.unwrap());
        }
        assert!(matches!(sites.get("site-100").await, Err(SiteError::TooMany)));
    }

    #[tokio::test]
    async fn without_a_public_url_only_a_loopback_address_is_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let mut sites = sites(folder.path(), |_| ());
        sites.listening = SocketAddr::from(([0, 0, 0, 0], 443));
        let error = sites.get("default").await.err().unwrap().to_string();
        assert!(error.contains("sites.default.public_url"), "{error}");
    }
}
