//! Dynamic client registration (RFC 7591) and its management (RFC 7592), with OpenEMR's rules for who may ask for what and who
//! waits for an administrator.

use serde_json::{Map, Value, json};
use url::{Host, Url};

use crate::client::{AuthMethod, Client, ClientState, KeyFetcher};
use crate::engine::Engine;
use crate::error::{ErrorCode, OAuthError};
use crate::scope::Level;
use crate::scopes;
use crate::secret;
use crate::storage::Storage;

/// What a new client is told, or one that asks for itself.
#[derive(Debug)]
pub struct Registered {
    pub client: Client,
    /// The information response: RFC 7591, 3.2.1.
    pub body: Value,
}

/// What cannot be registered is refused rather than passed over.
const UNSUPPORTED: [(&str, &str); 3] = [
    ("software_statement", "software statements are not verified here: send the metadata themselves"),
    ("request_uris", "request objects are not supported"),
    ("sector_identifier_uri", "subjects are public here: no sector is needed"),
];

/// Members that are kept for people and told back.
const KEPT: [&str; 14] = [
    "contacts",
    "client_uri",
    "logo_uri",
    "policy_uri",
    "tos_uri",
    "software_id",
    "software_version",
    "dsi_type",
    "dsi_source_attributes",
    "default_max_age",
    "require_auth_time",
    "subject_type",
    "application_type",
    "id_token_signed_response_alg",
];

fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClientMetadata, text)
}

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// `POST /registration`: the body's JSON.
    pub async fn register(&self, metadata: &Value) -> Result<Registered, OAuthError> {
        if !self.settings.registration {
            return Err(OAuthError::new(
                ErrorCode::AccessDenied,
                "clients are registered by an administrator of this server (vesta client add)",
            ));
        }
        self.register_as(metadata, None).await
    }

    /// For an administrator: in the state that is given.
    pub async fn register_as(&self, metadata: &Value, state: Option<ClientState>) -> Result<Registered, OAuthError> {
        let mut client = self.read(metadata)?;
        client.id = secret::new_id(&self.random);
        client.registered = self.now().as_second();
        client.state = state.unwrap_or_else(|| self.first_state(&client));
        let token = secret::new(&self.random);
        client.registration_token_hash = Some(secret::hash(&token));
        let fresh = client.auth_method.has_secret().then(|| secret::new(&self.random));
        client.secret_hash = fresh.as_deref().map(secret::hash);
        if !self.add(&client.id, &client).await? {
            return Err(OAuthError::new(ErrorCode::TemporarilyUnavailable, "the new client_id is taken: try again"));
        }
        let body = self.information(&client, fresh.as_deref(), Some(&token));
        Ok(Registered { client, body })
    }

    /// A client under an id of the caller's choice, that stays the same from one start to the next: a sample app.
    pub async fn provide_client(&self, id: &str, metadata: &Value) -> Result<Client, OAuthError> {
        if let Some(known) = self.client(id).await? {
            return Ok(known);
        }
        let mut client = self.read(metadata)?;
        client.id = id.to_owned();
        client.registered = self.now().as_second();
        client.state = ClientState::Enabled;
        self.add(id, &client).await?;
        Ok(client)
    }

    /// `GET /client/{id}`. Secrets are kept as hashes, so none is told again.
    pub async fn read_registration(&self, id: &str, token: Option<&str>) -> Result<Registered, OAuthError> {
        let client = self.managed(id, token).await?;
        // "registration_access_token: REQUIRED": RFC 7592, 3. It is the one that was sent.
        let body = self.information(&client, None, token);
        Ok(Registered { client, body })
    }

    /// `PUT /client/{id}`: the metadata take the place of the former. An administrator has approved a name, keys, addresses
    /// and scopes: a client that would have had to wait at first waits again when it takes others.
    pub async fn update_registration(
        &self,
        id: &str,
        token: Option<&str>,
        metadata: &Value,
    ) -> Result<Registered, OAuthError> {
        let before = self.managed(id, token).await?;
        if metadata.get("client_id").and_then(Value::as_str) != Some(id) {
            // RFC 7592, 2.2
            return Err(OAuthError::invalid_request("the body must have the client's own client_id"));
        }
        // "the value of this field MUST match the currently issued client secret": nobody chooses their own.
        let is_kept = |given: &Value| {
            let kept = before.secret_hash.as_deref();
            given.as_str().zip(kept).is_some_and(|(given, kept)| secret::is(given, kept))
        };
        if metadata.get("client_secret").is_some_and(|given| !is_empty(given) && !is_kept(given)) {
            return Err(invalid("client_secret is not the one that was issued: leave it out"));
        }
        let read = self.read(metadata)?;
        if read.auth_method != before.auth_method {
            return Err(invalid("token_endpoint_auth_method cannot be changed: register anew"));
        }
        let first_state = self.first_state(&read);
        let changed = self.change::<Client>(id, |client| {
            // As it is by now: an administrator may have disabled it meanwhile.
            let state = match (client.state, first_state) {
                (ClientState::Enabled, ClientState::Pending) if is_another(client, &read) => ClientState::Pending,
                (state, _) => state,
            };
            *client = Client {
                id: client.id.clone(),
                state,
                secret_hash: client.secret_hash.clone(),
                pkce_exempt: client.pkce_exempt,
                // Approved for all staff was what it was before.
                skips_launch_consent: client.skips_launch_consent && !is_another(client, &read),
                registered: client.registered,
                registration_token_hash: client.registration_token_hash.clone(),
                ..read.clone()
            };
            Ok(())
        });
        let client = changed.await?.ok_or_else(refuse_management)?;
        // What was granted under an approval goes with it.
        if before.state == ClientState::Enabled && client.state != ClientState::Enabled {
            self.revoke_tokens_of(id).await?;
        }
        let body = self.information(&client, None, token);
        Ok(Registered { client, body })
    }

    /// `DELETE /client/{id}`
    pub async fn delete_registration(&self, id: &str, token: Option<&str>) -> Result<(), OAuthError> {
        self.managed(id, token).await?;
        self.delete_client(id).await?;
        Ok(())
    }

    /// RFC 7592, 3: whoever has the token of a client that is not there learns no more than with a wrong one.
    async fn managed(&self, id: &str, token: Option<&str>) -> Result<Client, OAuthError> {
        let client = self.client(id).await?;
        let is_its = |client: &Client| {
            let kept = client.registration_token_hash.as_deref();
            token.zip(kept).is_some_and(|(token, kept)| secret::is(token, kept))
        };
        client.filter(is_its).ok_or_else(refuse_management)
    }

    /// "Patient apps are usable at once": <https://www.healthit.gov/test-method/standardized-api-patient-and-population-services>
    fn first_state(&self, client: &Client) -> ClientState {
        let asks_for_staff = scopes::read_all(&client.scope)
            .is_ok_and(|named| named.iter().any(|named| matches!(named.level(), Some(Level::User | Level::System))));
        let launches = client.is_public() && client.scopes().any(|scope| scope == "launch");
        if self.settings.manual_approval || asks_for_staff || launches {
            ClientState::Pending
        } else {
            ClientState::Enabled
        }
    }

    fn read(&self, metadata: &Value) -> Result<Client, OAuthError> {
        let metadata = metadata.as_object().ok_or_else(|| invalid("the body must be a JSON object"))?;
        for (name, why) in UNSUPPORTED {
            if metadata.get(name).is_some_and(|value| !is_empty(value)) {
                return Err(invalid(format!("{name}: {why}")));
            }
        }
        let grant_types = texts(metadata, "grant_types")?;
        let jwks = jwks(metadata)?;
        let jwks_uri = text(metadata, "jwks_uri")?.map(https("jwks_uri")).transpose()?;
        if jwks.is_some() && jwks_uri.is_some() {
            // RFC 7591, 2
            return Err(invalid("jwks and jwks_uri must not both be present"));
        }
        let has_keys = jwks.is_some() || jwks_uri.is_some();
        let auth_method = auth_method(metadata, has_keys)?;
        if auth_method == AuthMethod::PrivateKeyJwt && !has_keys {
            return Err(invalid("private_key_jwt needs jwks or jwks_uri"));
        }
        let native = text(metadata, "application_type")? == Some("native");
        let redirect_uris = texts(metadata, "redirect_uris")?;
        for uri in &redirect_uris {
            redirect_uri(uri, native)?;
        }
        let scope = self.scope(metadata, auth_method)?;
        let system = scopes::read_all(&scope)?.iter().any(|named| named.level() == Some(Level::System));
        if system && !has_keys {
            return Err(invalid(
                "system/ scopes need private_key_jwt: send jwks or jwks_uri \
                 (https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html)",
            ));
        }
        let grant_types = grant_types_of(grant_types, &redirect_uris, system, auth_method)?;
        if redirect_uris.is_empty() && grant_types.iter().any(|grant| grant == "authorization_code") {
            return Err(OAuthError::new(
                ErrorCode::InvalidRedirectUri,
                "redirect_uris is needed for the authorization code grant",
            ));
        }
        if texts(metadata, "response_types")?.iter().any(|kind| kind != "code") {
            return Err(invalid("response_types: only code is supported"));
        }
        if text(metadata, "subject_type")?.is_some_and(|kind| kind != "public") {
            return Err(invalid("subject_type: only public is supported"));
        }
        if text(metadata, "id_token_signed_response_alg")?.is_some_and(|name| name != "RS256") {
            return Err(invalid("id_token_signed_response_alg: only RS256 is supported"));
        }
        texts(metadata, "contacts")?;
        if given(metadata, "default_max_age").is_some_and(|age| age.as_i64().is_none_or(|age| age < 0)) {
            return Err(invalid("default_max_age is a number of seconds"));
        }
        if given(metadata, "require_auth_time").is_some_and(|wanted| !wanted.is_boolean()) {
            return Err(invalid("require_auth_time is true or false; auth_time is in each ID token"));
        }
        let post_logout_redirect_uris = texts(metadata, "post_logout_redirect_uris")?;
        for uri in &post_logout_redirect_uris {
            redirect_uri(uri, native)?;
        }
        let initiate_login_uri = text(metadata, "initiate_login_uri")?;
        let launch_uris = texts(metadata, "launch_uris")?;
        let initiate_login_uri = initiate_login_uri.or(launch_uris.first().map(String::as_str));
        if let Some(uri) = initiate_login_uri {
            redirect_uri(uri, false)?;
        }
        for name in ["client_uri", "logo_uri", "policy_uri", "tos_uri"] {
            text(metadata, name)?.map(https(name)).transpose()?;
        }
        let name = text(metadata, "client_name")?.map(str::trim).filter(|name| !name.is_empty());
        let name = name.unwrap_or("An app without a name").to_owned();
        if name.chars().count() > 200 {
            return Err(invalid("client_name: at most 200 characters"));
        }
        if name.chars().any(is_unseen) {
            return Err(invalid("client_name has characters that are not seen or turn the direction of the text"));
        }
        Ok(Client {
            id: String::new(),
            name,
            state: ClientState::Pending,
            auth_method,
            secret_hash: None,
            jwks,
            jwks_uri,
            redirect_uris,
            post_logout_redirect_uris,
            initiate_login_uri: initiate_login_uri.map(str::to_owned),
            grant_types,
            scope,
            pkce_exempt: false,
            skips_launch_consent: false,
            registered: 0,
            registration_token_hash: None,
            metadata: metadata
                .iter()
                .filter(|(name, _)| KEPT.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        })
    }

    /// What the client may ask for later.
    fn scope(&self, metadata: &Map<String, Value>, auth_method: AuthMethod) -> Result<String, OAuthError> {
        let scope = text(metadata, "scope")?.unwrap_or("openid fhirUser launch/patient patient/*.rs");
        let scope = scopes::split(scope)?;
        for named in &scope {
            if scopes::read(named)?.level() != Some(Level::System) {
                continue;
            }
            if auth_method == AuthMethod::None {
                return Err(invalid("a client without a secret or key cannot ask for system/ scopes"));
            }
            if !self.settings.system_scopes {
                return Err(OAuthError::invalid_scope(
                    "system/ scopes are switched off on this server (apis.system_scopes)",
                ));
            }
        }
        Ok(scope.join(" "))
    }

    fn information(&self, client: &Client, secret: Option<&str>, token: Option<&str>) -> Value {
        let mut body = Map::new();
        body.insert("client_id".to_owned(), client.id.clone().into());
        if let Some(secret) = secret {
            body.insert("client_secret".to_owned(), secret.into());
        }
        if client.auth_method.has_secret() {
            body.insert("client_secret_expires_at".to_owned(), 0.into());
        }
        if let Some(token) = token {
            body.insert("registration_access_token".to_owned(), token.into());
        }
        body.insert(
            "registration_client_uri".to_owned(),
            format!("{}/{}", self.settings.endpoint("client"), client.id).into(),
        );
        body.insert("client_id_issued_at".to_owned(), client.registered.into());
        // RFC 7591, 2.1: what needs no authorization endpoint has no response type.
        let response_types: &[&str] = if client.allows_grant("authorization_code") { &["code"] } else { &[] };
        let role = if client.is_public() { "patient" } else { "user" };
        let known = json!({
            "client_role": role,
            "client_name": client.name,
            "token_endpoint_auth_method": client.auth_method.as_str(),
            "grant_types": client.grant_types,
            "response_types": response_types,
            "redirect_uris": client.redirect_uris,
            "scope": client.scope,
        });
        body.extend(known.as_object().cloned().unwrap_or_default());
        if !client.post_logout_redirect_uris.is_empty() {
            body.insert("post_logout_redirect_uris".to_owned(), client.post_logout_redirect_uris.clone().into());
        }
        let optional = [
            ("jwks", client.jwks.clone()),
            ("jwks_uri", client.jwks_uri.clone().map(Value::from)),
            ("initiate_login_uri", client.initiate_login_uri.clone().map(Value::from)),
        ];
        body.extend(optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        body.extend(client.metadata.clone());
        Value::Object(body)
    }
}

/// Whether there is anything that was not approved before.
fn is_another(before: &Client, now: &Client) -> bool {
    now.scopes().any(|scope| !before.scopes().any(|had| had == scope))
        || now.redirect_uris.iter().any(|uri| !before.redirect_uris.contains(uri))
        || (&now.name, &now.jwks, &now.jwks_uri, &now.initiate_login_uri)
            != (&before.name, &before.jwks, &before.jwks_uri, &before.initiate_login_uri)
}

fn refuse_management() -> OAuthError {
    OAuthError::new(ErrorCode::InvalidToken, "the registration access token is not this client's")
}

/// People consent to what they read: nothing may turn it round or hide in it.
/// <https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing>
fn is_unseen(character: char) -> bool {
    let is_format = matches!(character, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    character.is_control() || is_format
}

fn given<'a>(metadata: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    metadata.get(name).filter(|value| !value.is_null())
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_str().is_some_and(str::is_empty)
}

fn text<'a>(metadata: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, OAuthError> {
    match metadata.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid(format!("{name} must be a string"))),
    }
}

fn texts(metadata: &Map<String, Value>, name: &str) -> Result<Vec<String>, OAuthError> {
    let wrong = || invalid(format!("{name} must be an array of strings"));
    match metadata.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= 50 => {
            items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
        Some(Value::Array(_)) => Err(invalid(format!("{name}: at most 50"))),
        Some(_) => Err(wrong()),
    }
}

/// The set as an object, or as a string that holds one.
fn jwks(metadata: &Map<String, Value>) -> Result<Option<Value>, OAuthError> {
    let set = match metadata.get("jwks") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => {
            serde_json::from_str(text).map_err(|_| invalid("jwks is a string that holds no JSON"))?
        }
        Some(value) => value.clone(),
    };
    let known = crate::authenticate::read_key_set(&set).map_err(|reason| invalid(format!("jwks: {reason}")))?;
    // "SHALL ... include ... kty and kid": an assertion names the one key that signed it.
    // https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
    if known.keys.iter().any(|key| key.common.key_id.as_deref().is_none_or(str::is_empty)) {
        return Err(invalid("jwks: each key needs a kid, by which an assertion names it"));
    }
    Ok(Some(set))
}

fn auth_method(metadata: &Map<String, Value>, has_keys: bool) -> Result<AuthMethod, OAuthError> {
    let named = text(metadata, "token_endpoint_auth_method")?;
    // OpenEMR's own word beside `private`; `web` and `native` are of OpenID Connect and say nothing of secrets.
    let is_public = text(metadata, "application_type")? == Some("public");
    match named {
        Some("none") => Ok(AuthMethod::None),
        Some("client_secret_basic" | "client_secret_post") if is_public => Ok(AuthMethod::None),
        Some("client_secret_basic") => Ok(AuthMethod::ClientSecretBasic),
        Some("client_secret_post") => Ok(AuthMethod::ClientSecretPost),
        Some("private_key_jwt") => Ok(AuthMethod::PrivateKeyJwt),
        Some(_) => Err(invalid(
            "token_endpoint_auth_method: expected none, client_secret_basic, client_secret_post or private_key_jwt",
        )),
        None if has_keys => Ok(AuthMethod::PrivateKeyJwt),
        None if is_public => Ok(AuthMethod::None),
        // RFC 7591, 2: "If unspecified or omitted, the default is client_secret_basic".
        None => Ok(AuthMethod::ClientSecretBasic),
    }
}

fn grant_types_of(
    named: Vec<String>,
    redirect_uris: &[String],
    system: bool,
    auth_method: AuthMethod,
) -> Result<Vec<String>, OAuthError> {
    const KNOWN: [&str; 4] = ["authorization_code", "refresh_token", "client_credentials", "password"];
    if let Some(other) = named.iter().find(|name| !KNOWN.contains(&name.as_str())) {
        let shown: String = other.chars().take(40).collect();
        return Err(invalid(format!("grant_types: {shown} is not supported; {} are", KNOWN.join(", "))));
    }
    let mut grants = named;
    if grants.is_empty() {
        // RFC 7591, 2: "If omitted, the default behavior is that the client will use only the authorization_code Grant
        // Type"; whoever asks for system scopes means the other.
        if !redirect_uris.is_empty() || !system {
            grants.extend(["authorization_code".to_owned(), "refresh_token".to_owned()]);
        }
        if system {
            grants.push("client_credentials".to_owned());
        }
    } else if grants.iter().any(|grant| grant == "authorization_code")
        && !grants.iter().any(|grant| grant == "refresh_token")
    {
        // Scopes decide on refresh tokens here: SMART asks for them by offline_access and online_access.
        grants.push("refresh_token".to_owned());
    }
    if grants.iter().any(|grant| grant == "client_credentials") && auth_method != AuthMethod::PrivateKeyJwt {
        return Err(invalid("client_credentials is for clients with private_key_jwt"));
    }
    Ok(grants)
}

fn https(name: &'static str) -> impl Fn(&str) -> Result<String, OAuthError> {
    move |text| match Url::parse(text) {
        Ok(url) if url.scheme() == "https" && url.username().is_empty() && url.password().is_none() => {
            Ok(text.to_owned())
        }
        _ => Err(invalid(format!("{name} must be an https URL"))),
    }
}

/// "exact string matching", so whatever could be read in two ways is refused now. RFC 9700, 2.1 and 4.1; RFC 8252, 7.
fn redirect_uri(text: &str, native: bool) -> Result<(), OAuthError> {
    let wrong = |why: &'static str| OAuthError::new(ErrorCode::InvalidRedirectUri, why);
    let url = Url::parse(text).map_err(|_| wrong("a redirect URI must be an absolute URI"))?;
    if url.fragment().is_some() {
        return Err(wrong("a redirect URI must not have a fragment"));
    }
    if text.contains('*') {
        return Err(wrong("a redirect URI has no wildcards: register each"));
    }
    if text.chars().any(|character| character.is_whitespace() || character.is_control() || character == '\\') {
        return Err(wrong("a redirect URI must not have white space or a backslash"));
    }
    match url.scheme() {
        "https" if url.username().is_empty() && url.password().is_none() => Ok(()),
        "https" => Err(wrong("a redirect URI must not have a user")),
        "http" if is_loopback(&url) => Ok(()),
        "http" => Err(wrong("http is for loopback addresses only: use https")),
        // RFC 8252, 7.1: "a domain name under their control, expressed in reverse order".
        scheme if scheme.contains('.') || native => match scheme {
            "javascript" | "data" | "file" | "vbscript" | "about" | "blob" => {
                Err(wrong("this scheme cannot be redirected to"))
            }
            _ => Ok(()),
        },
        _ => Err(wrong(
            "a redirect URI is https, http on a loopback address, or a private scheme with a dot (com.example.app)",
        )),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
