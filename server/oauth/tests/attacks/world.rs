//! A site with its engine, a clock that is moved by hand, and clients and people to play with.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use vesta_oauth::{
    Client, ClientState, Clock, Credentials, Engine, ErrorCode, Filter, HttpRequest, HttpResponse, IdentityKey,
    KeyFetcher, KeyRing, Keys, Kind, Memory, NewUser, OAuthError, Parameters, ProviderClient, Record, Refusal, Revoked,
    Role, Session, Settings, SigningKey, Step, Storage, StorageError, TokenResponse, User, system_random,
};

pub(crate) const ISSUER: &str = "https://ehr.example.org/oauth2/default";
pub(crate) const BASE: &str = "https://ehr.example.org/apis/default/fhir";
pub(crate) const REDIRECT: &str = "https://app.example.org/callback";
pub(crate) const VERIFIER: &str = "a-verifier-has-at-least-forty-three-characters";
/// The SHA-256 of [`VERIFIER`].
pub(crate) fn challenge() -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, VERIFIER.as_bytes());
    base64url(hash.as_ref())
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Memory that several engines share, as processes share a database. Others come to run before each access, so that
/// what is done at once meets in the middle.
#[derive(Clone)]
pub(crate) struct Shared(pub(crate) Arc<Memory>);

impl Storage for Shared {
    async fn insert(&self, record: Record) -> Result<bool, StorageError> {
        tokio::task::yield_now().await;
        self.0.insert(record).await
    }

    async fn find(&self, kind: Kind, key: &str) -> Result<Option<Record>, StorageError> {
        tokio::task::yield_now().await;
        assert!(!key.contains('\0'), "PostgreSQL fails at NUL");
        self.0.find(kind, key).await
    }

    async fn replace(&self, record: Record) -> Result<bool, StorageError> {
        tokio::task::yield_now().await;
        self.0.replace(record).await
    }

    async fn remove(&self, kind: Kind, key: &str) -> Result<bool, StorageError> {
        tokio::task::yield_now().await;
        self.0.remove(kind, key).await
    }

    async fn list(&self, kind: Kind, by: Filter<'_>) -> Result<Vec<Record>, StorageError> {
        self.0.list(kind, by).await
    }

    async fn remove_expired(&self, limit: usize) -> Result<u64, StorageError> {
        self.0.remove_expired(limit).await
    }

    async fn revoke(&self, what: &str, expires: i64) -> Result<(), StorageError> {
        self.0.revoke(what, expires).await
    }

    async fn is_revoked(&self, what: &str) -> Result<bool, StorageError> {
        self.0.is_revoked(what).await
    }

    async fn revoked_since(&self, epoch: i64) -> Result<Vec<Revoked>, StorageError> {
        self.0.revoked_since(epoch).await
    }
}

/// What stands at the `jwks_uri`s of the world, and how often each was fetched.
#[derive(Clone, Default)]
pub(crate) struct Web(Arc<Mutex<HashMap<String, Page>>>);

#[derive(Default)]
struct Page {
    text: String,
    lifetime: Option<Duration>,
    fetched: usize,
    /// The body of the last request.
    sent: String,
}

impl Web {
    pub(crate) fn publish(&self, url: &str, text: &Value, lifetime: Option<u64>) {
        let mut pages = self.0.lock().unwrap();
        let page = pages.entry(url.to_owned()).or_default();
        page.text = text.to_string();
        page.lifetime = lifetime.map(Duration::from_secs);
    }

    pub(crate) fn sent(&self, url: &str) -> String {
        self.0.lock().unwrap()[url].sent.clone()
    }

    pub(crate) fn fetched(&self, url: &str) -> usize {
        self.0.lock().unwrap().get(url).map_or(0, |page| page.fetched)
    }
}

impl KeyFetcher for Web {
    async fn fetch(&self, url: &str) -> Result<(String, Option<Duration>), String> {
        let mut pages = self.0.lock().unwrap();
        let page = pages.get_mut(url).ok_or("nothing is there")?;
        page.fetched += 1;
        Ok((page.text.clone(), page.lifetime))
    }
}

/// What is published is the answer, however it is asked for.
impl ProviderClient for Web {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, String> {
        tokio::task::yield_now().await;
        let mut pages = self.0.lock().unwrap();
        let page = pages.get_mut(&request.uri().to_string()).ok_or("nothing is there")?;
        page.fetched += 1;
        page.sent = String::from_utf8(request.into_body()).unwrap();
        let mut response = HttpResponse::new(page.text.clone().into_bytes());
        response.headers_mut().insert("content-type", "application/json".parse().unwrap());
        Ok(response)
    }
}

pub(crate) type TestEngine = Engine<Shared, Web>;

pub(crate) struct World {
    pub(crate) engine: TestEngine,
    pub(crate) memory: Arc<Memory>,
    pub(crate) web: Web,
    time: Arc<AtomicI64>,
}

/// A client with what it authenticates by.
pub(crate) struct App {
    pub(crate) client: Client,
    pub(crate) secret: Option<String>,
    pub(crate) registration_token: Option<String>,
}

impl App {
    pub(crate) fn id(&self) -> &str {
        &self.client.id
    }

    /// A form with the client's credentials in it.
    pub(crate) fn form(&self, pairs: &[(&str, &str)]) -> Parameters {
        let own = [("client_id", Some(self.id())), ("client_secret", self.secret.as_deref())];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
        pairs.iter().copied().chain(own).collect()
    }
}

/// An authorization request that is changed before it is sent.
#[derive(Clone)]
pub(crate) struct Request(Vec<(String, String)>);

impl Request {
    pub(crate) fn set(mut self, name: &str, value: &str) -> Request {
        self.0.retain(|(known, _)| known != name);
        self.add(name, value)
    }

    pub(crate) fn add(mut self, name: &str, value: &str) -> Request {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Request {
        self.0.retain(|(known, _)| known != name);
        self
    }

    pub(crate) fn parameters(&self) -> Parameters {
        Parameters::new(self.0.clone())
    }
}

pub(crate) fn request(app: &App, scope: &str) -> Request {
    Request(Vec::new())
        .add("response_type", "code")
        .add("client_id", app.id())
        .add("redirect_uri", REDIRECT)
        .add("scope", scope)
        .add("state", "state-1")
        .add("aud", BASE)
        .add("code_challenge", &challenge())
        .add("code_challenge_method", "S256")
}

/// A key is made once: RSA takes its time.
pub(crate) fn rsa_pem() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| IdentityKey::generate_pem().unwrap())
}

pub(crate) fn ec_pem() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| SigningKey::generate_pem().unwrap())
}

pub(crate) fn keys() -> Keys {
    let access = SigningKey::from_pem(ec_pem()).unwrap();
    Keys { access: KeyRing::of(access), identity: KeyRing::of(IdentityKey::from_pem(rsa_pem()).unwrap()) }
}

impl World {
    pub(crate) fn new() -> World {
        World::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> World {
        let time = Arc::new(AtomicI64::new(1_800_000_000));
        let clock = clock(&time);
        let memory = Arc::new(Memory::new(clock.clone()));
        let web = Web::default();
        let mut settings = Settings::new(ISSUER, BASE);
        change(&mut settings);
        let engine = Engine::new(settings, keys(), Shared(memory.clone()), web.clone(), clock, system_random());
        World { engine, memory, web, time }
    }

    /// Another engine on the same records and clock: another process, or one that was started again with other keys.
    pub(crate) fn engine_with(&self, settings: Settings, keys: Keys) -> TestEngine {
        Engine::new(settings, keys, Shared(self.memory.clone()), self.web.clone(), clock(&self.time), system_random())
    }

    pub(crate) fn tick(&self, seconds: i64) {
        self.time.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> i64 {
        self.time.load(Ordering::Relaxed)
    }

    /// Registered and approved.
    pub(crate) async fn client(&self, metadata: Value) -> App {
        let registered = self.engine.register_as(&metadata, Some(ClientState::Enabled)).await.unwrap();
        let text = |name: &str| registered.body[name].as_str().map(str::to_owned);
        App {
            secret: text("client_secret"),
            registration_token: text("registration_access_token"),
            client: registered.client,
        }
    }

    pub(crate) async fn public(&self, scope: &str) -> App {
        self.client(json!({
            "client_name": "A public app",
            "token_endpoint_auth_method": "none",
            "redirect_uris": [REDIRECT],
            "scope": scope,
        }))
        .await
    }

    pub(crate) async fn confidential(&self, scope: &str) -> App {
        self.client(json!({
            "client_name": "A confidential app",
            "token_endpoint_auth_method": "client_secret_post",
            "redirect_uris": [REDIRECT],
            "scope": scope,
        }))
        .await
    }

    pub(crate) async fn user(&self, name: &str, role: Role, own: Option<&str>) -> User {
        let new = NewUser { name, display_name: name, email: None, role, fhir_user: own, password: None };
        self.engine.add_user(&new).await.unwrap()
    }

    pub(crate) async fn patient(&self) -> User {
        self.user("patricia", Role::Patient, Some("Patient/p1")).await
    }

    pub(crate) async fn staff(&self) -> User {
        self.user("doctor", Role::Staff, Some("Practitioner/d1")).await
    }

    /// A browser in which the user has just logged in.
    pub(crate) async fn browser(&self, user: &User) -> Session {
        let before = self.engine.session(None).await.unwrap().session;
        self.engine.log_in(&before, user).await.unwrap().session
    }

    pub(crate) async fn begin(&self, request: &Request, session: &Session) -> Result<String, Refusal> {
        self.engine.begin(&request.parameters(), session).await.map(|(id, _)| id)
    }

    /// Goes through all steps in the browser, chooses patient p1 and encounter e1 where asked, and grants all; the URL at the end.
    pub(crate) async fn consent(&self, request: &Request, user: &User) -> String {
        self.consent_to(request, user, None).await
    }

    pub(crate) async fn consent_to(&self, request: &Request, user: &User, approved: Option<&[&str]>) -> String {
        let session = self.browser(user).await;
        let id = self.begin(request, &session).await.unwrap();
        let session = holding(session, &id);
        loop {
            match self.engine.step(&id, &session).await.unwrap() {
                Step::PickPatient { .. } => self.engine.choose_patient(&id, &session, "p1").await.unwrap(),
                Step::PickEncounter { .. } => self.engine.choose_encounter(&id, &session, Some("e1")).await.unwrap(),
                Step::Consent(consent) => {
                    let all = consent.scopes.clone();
                    let approved = approved.map_or(all, |some| some.iter().map(|scope| (*scope).to_owned()).collect());
                    return self.engine.decide(&id, &session, &approved).await.unwrap();
                }
                Step::Redirect(url) => return url,
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn code(&self, app: &App, user: &User, scope: &str) -> String {
        let url = self.consent(&request(app, scope), user).await;
        query(&url, "code").unwrap_or_else(|| panic!("{url}"))
    }

    pub(crate) async fn token(&self, app: &App, pairs: &[(&str, &str)]) -> Result<TokenResponse, OAuthError> {
        let form = app.form(pairs);
        let client = self.engine.authenticate(&Credentials::default(), &form).await?;
        self.engine.token(&client, &form).await
    }

    pub(crate) async fn exchange(&self, app: &App, code: &str) -> Result<TokenResponse, OAuthError> {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        self.token(app, &pairs).await
    }

    pub(crate) async fn tokens(&self, app: &App, user: &User, scope: &str) -> TokenResponse {
        let code = self.code(app, user, scope).await;
        self.exchange(app, &code).await.unwrap()
    }

    pub(crate) async fn refresh(&self, app: &App, token: &TokenResponse) -> Result<TokenResponse, OAuthError> {
        let token = token.refresh_token.as_deref().unwrap_or("none was given");
        self.token(app, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// What introspection says of an access token, asked with itself.
    pub(crate) async fn is_active(&self, token: &str) -> bool {
        let form: Parameters = [("token", token)].into_iter().collect();
        match self.engine.introspect(&Credentials::default(), Some(token), &form).await {
            Ok(body) => body["active"] == true,
            Err(error) => {
                assert_eq!(error.code, ErrorCode::InvalidToken);
                false
            }
        }
    }
}

fn clock(time: &Arc<AtomicI64>) -> Clock {
    let time = time.clone();
    Arc::new(move || Timestamp::from_second(time.load(Ordering::Relaxed)).unwrap())
}

pub(crate) fn query(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned())
}

pub(crate) fn code_of<T: Debug>(result: Result<T, OAuthError>) -> ErrorCode {
    result.unwrap_err().code
}

/// The session as it stands once the interaction was begun in it.
pub(crate) fn holding(mut session: Session, interaction: &str) -> Session {
    session.interactions = vec![interaction.to_owned()];
    session
}

/// What the person is shown; it must not be a redirect.
pub(crate) fn shown(result: Result<String, Refusal>) -> ErrorCode {
    match result {
        Err(Refusal::Show(error)) => error.code,
        other => panic!("{other:?}"),
    }
}

/// The error that the client is told, by a redirect or by a link, with all that goes with it.
pub(crate) fn redirected(result: Result<String, Refusal>) -> String {
    match result {
        Err(Refusal::Redirect(url) | Refusal::Offer { back: url, .. }) => {
            assert!(url.starts_with(REDIRECT), "{url}");
            assert_eq!(query(&url, "iss").as_deref(), Some(ISSUER));
            assert_eq!(query(&url, "code"), None);
            query(&url, "error").unwrap()
        }
        other => panic!("{other:?}"),
    }
}
