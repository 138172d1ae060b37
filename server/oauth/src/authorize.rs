//! The authorization request: what is checked before a person is asked anything. What is wrong with the client or its
//! redirect URI is shown to the person, since nothing else there can be believed; all else goes back to the client. But
//! anybody can register a client and make up a request in which something is wrong, so nobody is sent there unawares:
//! whoever is not logged in sees what is wrong, and where the way back leads (RFC 9700, 4.11.2).
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code>

use serde::{Deserialize, Serialize};
use url::Url;

use crate::client::{Client, KeyFetcher};
use crate::engine::Engine;
use crate::error::{ErrorCode, OAuthError};
use crate::grant::LaunchContext;
use crate::parameters::Parameters;
use crate::scope::Level;
use crate::scopes;
use crate::secret;
use crate::storage::Storage;

/// A request in which nothing is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    pub client: String,
    pub redirect_uri: String,
    pub scopes: Vec<String>,
    pub state: Option<String>,
    pub nonce: Option<String>,
    /// `S256`'s value.
    pub code_challenge: Option<String>,
    pub prompt: Prompt,
    /// Seconds that may have passed since log-in.
    pub max_age: Option<i64>,
    pub login_hint: Option<String>,
    /// The user of `id_token_hint`: nobody else may answer.
    #[serde(default)]
    pub hinted: Option<String>,
    /// The launch that it came from, and what that was for.
    pub launch: Option<String>,
    pub launch_context: Option<LaunchContext>,
    /// The user that the launch is for.
    pub launch_user: Option<String>,
}

/// <https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest>
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    pub none: bool,
    pub login: bool,
    pub consent: bool,
    pub select_account: bool,
}

impl Prompt {
    /// Whether the person must show anew who they are: who chooses an account logs in to it.
    pub(crate) fn is_again(self) -> bool {
        self.login || self.select_account
    }
}

/// Why there is no authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// For the person: nobody is redirected.
    Show(OAuthError),
    /// For the person, who may go on to the client, which is told there.
    Offer { error: OAuthError, back: String },
    /// For the client: the URL to send the browser to.
    Redirect(String),
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Refusal {
        Refusal::Show(error)
    }
}

/// Longer values are not carried through log-in and back.
const LONGEST: usize = 4_096;

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// Reads and checks a request, by GET or POST. What the client can be told is offered.
    pub async fn read_authorization(&self, parameters: &Parameters) -> Result<(AuthorizationRequest, Client), Refusal> {
        let client = self.enabled_client(parameters.needed("client_id")?).await?;
        let redirect_uri = self.redirect_uri(parameters, &client)?;
        // From here on the client can be told.
        let state = parameters.first("state").filter(|state| state.len() <= LONGEST).map(str::to_owned);
        match self.read_checked(parameters, &client, &redirect_uri, state.clone()).await {
            Ok(request) => Ok((request, client)),
            Err(error) => {
                let back = self.error_url(&redirect_uri, state.as_deref(), &error);
                Err(Refusal::Offer { error, back })
            }
        }
    }

    /// "exact string matching", but for the port of a loopback address: RFC 8252, 7.3.
    fn redirect_uri(&self, parameters: &Parameters, client: &Client) -> Result<String, OAuthError> {
        let asked = match parameters.one("redirect_uri")? {
            Some(asked) => asked,
            // RFC 6749, 3.1.2.3 lets it out where one is registered; OpenID Connect and SMART require it.
            None => return Err(OAuthError::invalid_request("the parameter redirect_uri is missing")),
        };
        let is_same = |registered: &str| {
            registered == asked
                || matches!((loopback_without_port(registered), loopback_without_port(asked)), (Some(one), Some(other)) if one == other)
        };
        if client.redirect_uris.iter().any(|registered| is_same(registered)) {
            Ok(asked.to_owned())
        } else {
            Err(OAuthError::invalid_request(
                "redirect_uri is none of those that the client has registered: they are compared letter by letter",
            ))
        }
    }

    async fn read_checked(
        &self,
        parameters: &Parameters,
        client: &Client,
        redirect_uri: &str,
        state: Option<String>,
    ) -> Result<AuthorizationRequest, OAuthError> {
        short(parameters, "state")?;
        if parameters.one("request")?.is_some() {
            return Err(OAuthError::new(
                ErrorCode::RequestNotSupported,
                "request objects are not supported: send parameters",
            ));
        }
        if parameters.one("request_uri")?.is_some() {
            return Err(OAuthError::new(
                ErrorCode::RequestUriNotSupported,
                "request_uri is not supported: send parameters",
            ));
        }
        if parameters.one("registration")?.is_some() {
            return Err(OAuthError::new(
                ErrorCode::RegistrationNotSupported,
                "the parameter registration is not supported: register at the registration_endpoint",
            ));
        }
        if parameters.needed("response_type")? != "code" {
            return Err(OAuthError::new(ErrorCode::UnsupportedResponseType, "response_type must be code"));
        }
        if parameters.one("response_mode")?.is_some_and(|mode| mode != "query") {
            return Err(OAuthError::invalid_request("response_mode must be query"));
        }
        if !client.allows_grant("authorization_code") {
            return Err(OAuthError::new(
                ErrorCode::UnauthorizedClient,
                "the client is not registered for authorization_code",
            ));
        }
        let scopes = self.asked_scopes(parameters.one("scope")?, client)?;
        self.check_audience(parameters, &scopes)?;
        let code_challenge = code_challenge(parameters, client)?;
        let launch = parameters.one("launch")?.map(str::to_owned);
        let known = match &launch {
            Some(_) if !scopes::has(&scopes, "launch") => {
                return Err(OAuthError::invalid_request("the parameter launch needs the scope launch"));
            }
            Some(value) => Some(self.find_launch(value, client).await?),
            None if scopes::has(&scopes, "launch") => {
                return Err(OAuthError::invalid_request(
                    "the scope launch needs the parameter launch that the app was started with",
                ));
            }
            None => None,
        };
        let nonce = short(parameters, "nonce")?;
        let hint = parameters.one("id_token_hint")?.map(|token| self.read_hint(token)).transpose()?;
        Ok(AuthorizationRequest {
            client: client.id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            scopes,
            state,
            nonce,
            code_challenge,
            prompt: prompt(parameters.one("prompt")?)?,
            // "The max_age request parameter overrides this default value":
            // https://openid.net/specs/openid-connect-registration-1_0.html#ClientMetadata
            max_age: max_age(parameters)?.or(client.default_max_age()),
            login_hint: short(parameters, "login_hint")?,
            hinted: hint.map(|hint| hint.sub),
            launch,
            launch_user: known.as_ref().map(|launch| launch.user.clone()),
            launch_context: known.map(|launch| launch.context),
        })
    }

    /// "aud: URL of the EHR resource server from which the app wishes to retrieve FHIR data ... required": a request for nothing but
    /// identity goes without, as OpenID Connect has it.
    fn check_audience(&self, parameters: &Parameters, scopes: &[String]) -> Result<(), OAuthError> {
        let base = &self.settings.fhir_base;
        let is_for_data = scopes.iter().any(|scope| scope.contains('/')) || scopes::has(scopes, "launch");
        // `resource` is what RFC 8707 calls it.
        let named = [parameters.one("aud")?, parameters.one("resource")?];
        if named.iter().flatten().any(|audience| !self.settings.is_audience(audience)) {
            return Err(OAuthError::invalid_request(format!("aud is another server: it must be {base}")));
        }
        if is_for_data && named == [None, None] {
            return Err(OAuthError::invalid_request(format!("the parameter aud is missing: it must be {base}")));
        }
        Ok(())
    }

    /// What is asked for must be understood, and registered for the client. `system/` scopes are for clients on their own.
    fn asked_scopes(&self, text: Option<&str>, client: &Client) -> Result<Vec<String>, OAuthError> {
        let text = text.ok_or_else(|| OAuthError::invalid_scope("the parameter scope is missing"))?;
        let scopes = scopes::split(text)?;
        for scope in &scopes {
            scopes::read(scope)?;
        }
        client.check_registered(&scopes)?;
        if scopes::has_level(&scopes, Level::System) {
            return Err(OAuthError::invalid_scope("system/ scopes are for the client_credentials grant"));
        }
        Ok(scopes)
    }

    /// Where an error goes: "iss" with it, so that no other server's answer is taken for ours (RFC 9207).
    pub(crate) fn error_url(&self, redirect_uri: &str, state: Option<&str>, error: &OAuthError) -> String {
        self.response_url(
            redirect_uri,
            state,
            &[("error", error.code.as_str()), ("error_description", &error.description)],
        )
    }

    pub(crate) fn response_url(&self, redirect_uri: &str, state: Option<&str>, parameters: &[(&str, &str)]) -> String {
        let Ok(mut url) = Url::parse(redirect_uri) else { return redirect_uri.to_owned() };
        {
            let mut pairs = url.query_pairs_mut();
            pairs.extend_pairs(parameters);
            if let Some(state) = state {
                pairs.append_pair("state", state);
            }
            pairs.append_pair("iss", &self.settings.issuer);
        }
        url.into()
    }
}

/// A loopback redirect URI of a native app without its port, otherwise letter by letter; `localhost` is a name and keeps
/// its port: RFC 8252, 7.3 and 8.3.
fn loopback_without_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    let port = |text: &str| text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let host = ["127.0.0.1", "[::1]"].into_iter().find(|host| authority.strip_prefix(host).is_some_and(port))?;
    Some((host, path))
}

fn short(parameters: &Parameters, name: &'static str) -> Result<Option<String>, OAuthError> {
    match parameters.one(name)? {
        Some(value) if value.len() > LONGEST => Err(OAuthError::invalid_request(format!("{name} is too long"))),
        value => Ok(value.map(str::to_owned)),
    }
}

/// PKCE, S256 only: RFC 7636; RFC 9700, 2.1.1.
fn code_challenge(parameters: &Parameters, client: &Client) -> Result<Option<String>, OAuthError> {
    let challenge = parameters.one("code_challenge")?;
    let method = parameters.one("code_challenge_method")?;
    let Some(challenge) = challenge else {
        if client.pkce_exempt && method.is_none() {
            return Ok(None);
        }
        return Err(OAuthError::invalid_request(
            "the parameters code_challenge and code_challenge_method=S256 are missing",
        ));
    };
    if method != Some("S256") {
        return Err(OAuthError::invalid_request("code_challenge_method must be S256"));
    }
    // A SHA-256 in base64url.
    if secret::from_base64url(challenge).is_none_or(|hash| hash.len() != 32) {
        return Err(OAuthError::invalid_request(
            "code_challenge must be the SHA-256 of the verifier in base64url without padding",
        ));
    }
    Ok(Some(challenge.to_owned()))
}

fn prompt(text: Option<&str>) -> Result<Prompt, OAuthError> {
    let mut prompt = Prompt::default();
    for word in text.unwrap_or_default().split_ascii_whitespace() {
        match word {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            "select_account" => prompt.select_account = true,
            _ => return Err(OAuthError::invalid_request("prompt is none, login, consent or select_account")),
        }
    }
    if prompt.none && (prompt.login || prompt.consent || prompt.select_account) {
        return Err(OAuthError::invalid_request("prompt=none stands alone"));
    }
    Ok(prompt)
}

fn max_age(parameters: &Parameters) -> Result<Option<i64>, OAuthError> {
    let Some(text) = parameters.one("max_age")? else { return Ok(None) };
    let seconds = text.parse().ok().filter(|seconds| *seconds >= 0);
    seconds.map(Some).ok_or_else(|| OAuthError::invalid_request("max_age is a number of seconds"))
}
