//! The service of a site from one change of its parameters to the next: what a request has begun by, it ends by.

use std::sync::{Arc, PoisonError, RwLock};

use super::service::Service;

pub struct Services {
    /// With the version of the store's parameters that it was made for.
    latest: RwLock<(u64, Arc<Service>)>,
}

impl Services {
    pub fn new(service: Service) -> Arc<Services> {
        // Whatever holds by now, it is looked at again with the first request.
        Arc::new(Services { latest: RwLock::new((u64::MAX, Arc::new(service))) })
    }

    /// By the parameters that hold now.
    pub fn now(&self) -> Arc<Service> {
        {
            let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner);
            let (version, service) = &*latest;
            if *version == service.store.parameters_version() {
                return Arc::clone(service);
            }
        }
        let mut latest = self.latest.write().unwrap_or_else(PoisonError::into_inner);
        let (version, service) = &mut *latest;
        let found = service.store.parameters_version();
        if *version != found {
            // The table may be a later one still: then the next request looks again.
            if let Some(table) = service.store.table() {
                *service = Arc::new(service.with_parameters(table));
            }
            *version = found;
        }
        Arc::clone(service)
    }
}
