//! What the checks of one run share: what was discovered, the clients, who is logged in, and launches that several look at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use openidconnect::core::CoreJsonWebKeySet;
use serde_json::{Value, json};

use super::flow::Launched;
use super::{Done, Stop, skip, wrong};
use crate::client::Server;
use crate::party::browser::{Browser, Landed, Leaves};
use crate::party::client::{Client, Key};
use crate::party::relying::Discovered;
use crate::party::script::{Names, Way};
use crate::party::{Kind, Setup};
use crate::run::session::Session;

/// What a launch has come to, for all who look at it.
type Outcome = Arc<Done<Launched>>;

pub(crate) struct Parties<'a> {
    pub(super) setup: Option<&'a Setup>,
    pub(super) http: Server,
    discovered: OnceLock<Result<Discovered, String>>,
    clients: Mutex<BTreeMap<Kind, Result<Arc<Client>, String>>>,
    /// By person, logged in.
    browsers: Mutex<BTreeMap<String, Browser>>,
    launches: Mutex<BTreeMap<String, Arc<OnceLock<Outcome>>>>,
}

/// What apps of the kit register for; tests ask for parts of it.
const APP_SCOPES: &str = "openid fhirUser profile launch launch/patient launch/encounter offline_access online_access \
     patient/*.rs patient/Patient.read user/*.rs";
const SERVICE_SCOPES: &str = "system/Patient.rs system/Observation.rs";

impl<'a> Parties<'a> {
    pub(crate) fn new(base: &str, setup: Option<&'a Setup>) -> Self {
        Self {
            setup,
            http: Server::without_token(base),
            discovered: OnceLock::new(),
            clients: Mutex::default(),
            browsers: Mutex::default(),
            launches: Mutex::default(),
        }
    }

    pub(super) fn setup(&self) -> Done<&'a Setup> {
        let Some(setup) = self.setup else { return skip("who logs in is not known: name a file with --parties") };
        Ok(setup)
    }

    pub(super) fn person(&self, name: &str) -> Done<Names> {
        match self.setup()?.people.get(name) {
            Some(names) => Ok(names.clone()),
            None => skip(format!("the parties name no {name}")),
        }
    }

    pub(super) fn discovered(&self) -> Done<&Discovered> {
        let discovered = self.discovered.get_or_init(|| {
            let url = format!("{}/.well-known/smart-configuration", self.http.base);
            let get = |url: &str| self.http.request("GET", url, &[("accept", "application/json")], None);
            let smart = get(&url)?.json().map_err(|error| format!("{url}: {error}"))?;
            let keys = match smart["jwks_uri"].as_str() {
                Some(url) => get(url)?.json().map_err(|error| format!("{url}: {error}"))?,
                None => json!({ "keys": [] }),
            };
            let keys: CoreJsonWebKeySet = serde_json::from_value(keys).map_err(|error| format!("jwks_uri: {error}"))?;
            Ok(Discovered { smart, keys })
        });
        discovered.as_ref().map_err(|error| Stop::Wrong(error.clone()))
    }

    /// The address of an endpoint; a skip where the server does not name it.
    pub(super) fn endpoint(&self, name: &str) -> Done<String> {
        match self.discovered()?.endpoint(name) {
            Some(url) => Ok(url.to_owned()),
            None => skip(format!("the smart-configuration names no {name}")),
        }
    }

    /// Whether the server says that it can.
    pub(super) fn is_capable(&self, capability: &str) -> Done<bool> {
        let named = self.discovered()?.smart["capabilities"].as_array();
        Ok(named.into_iter().flatten().any(|named| named == capability))
    }

    /// Registers it at first, and lets an administrator approve it.
    pub(super) fn client(&self, session: &mut Session<'_>, kind: Kind) -> Done<Arc<Client>> {
        let setup = self.setup()?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(&kind) {
            return known.clone().map_err(Stop::Wrong);
        }
        let made = match setup.clients.get(&kind) {
            Some(given) => Client::given(kind, given).map(Arc::new),
            None if self.discovered()?.endpoint("registration_endpoint").is_none() => {
                return skip(format!("the server registers no clients, and the parties name no {kind:?}"));
            }
            None => match self.register(session, kind) {
                Ok(client) => Ok(Arc::new(client)),
                Err(Stop::Wrong(problem)) => Err(problem),
                Err(stop) => return Err(stop),
            },
        };
        clients.insert(kind, made.clone());
        made.map_err(Stop::Wrong)
    }

    fn register(&self, session: &mut Session<'_>, kind: Kind) -> Done<Client> {
        let setup = self.setup()?;
        let key = match kind.auth_method() {
            "private_key_jwt" => Some(Key::new(kind == Kind::AsymmetricRsa)?),
            _ => None,
        };
        let scope = if kind == Kind::Service { SERVICE_SCOPES } else { APP_SCOPES };
        let body = self.registered(session, &Client::metadata(kind, setup, scope, key.as_ref()))?;
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let Some(id) = text("client_id") else { return wrong("the registration's answer has no client_id") };
        if let Some(way) = &setup.script.approve {
            let names = Names::from([("client_id".to_owned(), id.clone())]);
            self.go(session, "administrator", way, None, &[], &names)?;
        }
        Ok(Client { kind, id, secret: text("client_secret"), key })
    }

    /// RFC 7591, 3.2.1.
    pub(super) fn registered(&self, session: &mut Session<'_>, metadata: &Value) -> Done<Value> {
        let url = self.endpoint("registration_endpoint")?;
        let headers = [("content-type", "application/json"), ("accept", "application/json")];
        let answer = session.ask("POST", &url, &headers, Some(&metadata.to_string()))?;
        if answer.status() != 201 {
            let said = answer.json().unwrap_or_default();
            return wrong(format!("a client is not registered: {} {said}", answer.status()));
        }
        Ok(answer.json()?)
    }

    /// A browser in which the person is logged in, if they were before.
    pub(super) fn browser(&self, person: &str) -> Browser {
        let browsers = self.browsers.lock().unwrap_or_else(PoisonError::into_inner);
        browsers.get(person).cloned().unwrap_or_else(|| Browser::new(Leaves::At(Vec::new())))
    }

    /// Who a person is, and what the server is, for the script.
    pub(super) fn names(&self, person: &str, also: &Names) -> Done<Names> {
        let mut names = self.person(person)?;
        names.insert("issuer".to_owned(), self.discovered()?.issuer().to_owned());
        names.insert("fhir".to_owned(), self.http.base.clone());
        names.extend(also.clone());
        Ok(names)
    }

    /// Goes a way of the script as this person, who stays logged in.
    pub(super) fn go(
        &self,
        session: &mut Session<'_>,
        person: &str,
        way: &Way,
        start: Option<&str>,
        ends: &[String],
        also: &Names,
    ) -> Done<Landed> {
        let names = self.names(person, also)?;
        let mut browser = self.browser(person);
        let landed = way.go(&mut browser, start, ends, &names);
        browser.take_exchanges().into_iter().for_each(|exchange| session.add_exchange(exchange));
        self.browsers.lock().unwrap_or_else(PoisonError::into_inner).insert(person.to_owned(), browser);
        Ok(landed?)
    }

    /// A launch that several checks look at, done once.
    pub(super) fn launched(&self, name: &str, launch: impl FnOnce() -> Done<Launched>) -> Outcome {
        let mut launches = self.launches.lock().unwrap_or_else(PoisonError::into_inner);
        let place = launches.entry(name.to_owned()).or_default().clone();
        drop(launches);
        place.get_or_init(|| Arc::new(launch())).clone()
    }
}
