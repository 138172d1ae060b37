//! An authorization request on its way: log in, choose a patient and an encounter, consent. What comes next is computed from
//! what is known each time, so that nothing can be stepped over.

use serde::{Deserialize, Serialize};

use crate::authorize::{AuthorizationRequest, Refusal};
use crate::client::{Client, KeyFetcher};
use crate::code::Code;
use crate::engine::{Engine, Stored};
use crate::error::{ErrorCode, OAuthError};
use crate::grant::{Access, LaunchContext};
use crate::parameters::Parameters;
use crate::scope::Level;
use crate::scopes;
use crate::secret;
use crate::session::Session;
use crate::storage::{Kind, Storage};
use crate::user::{Role, User};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interaction {
    pub request: AuthorizationRequest,
    /// The key of the session in which it was begun. Who logs in gets another, so this tells a log-in before the request from
    /// one after it, which seconds cannot.
    begun_in: String,
    /// When. Seconds since 1970.
    #[serde(default)]
    begun: i64,
    expires: i64,
    /// Chosen by who logged in.
    pub patient: Option<String>,
    pub encounter: Option<String>,
    /// No encounter is wanted, or there is none.
    pub without_encounter: bool,
}

impl Stored for Interaction {
    const KIND: Kind = Kind::Interaction;

    fn client(&self) -> Option<&str> {
        Some(&self.request.client)
    }

    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// By how much the clock of an upstream provider may differ, in seconds.
pub(crate) const LEEWAY: i64 = 60;

/// What comes next.
#[derive(Debug)]
pub enum Step {
    Login {
        hint: Option<String>,
    },
    SecondFactor,
    /// The user must choose whose record the app is for.
    PickPatient {
        client: Client,
        user: User,
    },
    PickEncounter {
        client: Client,
        user: User,
        patient: String,
    },
    Consent(Box<Consent>),
    /// An administrator has approved the app for all staff, and it was started from the record: nobody is asked, and
    /// [`Engine::grant_approved`] is next.
    Approved {
        client: Client,
        user: User,
        patient: Option<String>,
    },
    /// Over: send the browser there.
    Redirect(String),
}

/// What a person is asked.
#[derive(Debug)]
pub struct Consent {
    pub client: Client,
    pub user: User,
    pub patient: Option<String>,
    pub encounter: Option<String>,
    /// What can be granted: each, or less than it.
    pub scopes: Vec<String>,
    /// When offline access would end if it were not used. Seconds since 1970.
    pub offline_until: i64,
}

impl<S: Storage, F: KeyFetcher> Engine<S, F> {
    /// Begins, in the browser that has the session; the interaction's id, and the session that knows it from now on.
    pub async fn begin(&self, parameters: &Parameters, session: &Session) -> Result<(String, Session), Refusal> {
        // "The authorization server MUST always authenticate the user first and, with the exception of the silent
        // authentication use case, prompt the user for credentials when needed, before redirecting the user."
        let may_redirect = session.user.is_some() || parameters.first("prompt") == Some("none");
        let (request, _) = self.read_authorization(parameters).await.map_err(|refusal| match refusal {
            Refusal::Offer { back, .. } if may_redirect => Refusal::Redirect(back),
            refusal => refusal,
        })?;
        let id = secret::new_id(&self.random);
        let interaction = Interaction {
            request,
            begun_in: session.key.clone(),
            begun: self.now().as_second(),
            expires: self.after(self.settings.lifetimes.interaction),
            patient: None,
            encounter: None,
            without_encounter: false,
        };
        self.add(&id, &interaction).await?;
        let session = self.bind_interaction(&session.key, &id).await?;
        Ok((id, session))
    }

    pub async fn step(&self, id: &str, session: &Session) -> Result<Step, OAuthError> {
        let interaction = self.interaction(id, session).await?;
        let request = &interaction.request;
        let give_up = |code, text: &'static str| {
            Ok(Step::Redirect(self.error_url(
                &request.redirect_uri,
                request.state.as_deref(),
                &OAuthError::new(code, text),
            )))
        };
        let login = || match request.prompt.none {
            true => give_up(ErrorCode::LoginRequired, "nobody is logged in, or not lately"),
            false => Ok(Step::Login { hint: request.login_hint.clone() }),
        };
        if session.half.is_some() && !request.prompt.none {
            return Ok(Step::SecondFactor);
        }
        let user = match &session.user {
            Some(user) => self.user(user).await?.filter(|user| user.enabled),
            None => None,
        };
        let Some(user) = user else { return login() };
        if !self.is_recent(&interaction, session) {
            return login();
        }
        // "The Authorization Server MUST NOT reply with an ID Token or Access Token for a different user, even if they have
        // an active session": <https://openid.net/specs/openid-connect-core-1_0.html#AuthRequestValidation>
        if request.hinted.as_ref().is_some_and(|hinted| *hinted != user.id) {
            // Who has logged in since is asked no more: the app is told that it is another.
            return match session.key == interaction.begun_in {
                true => login(),
                false => give_up(ErrorCode::LoginRequired, "who is logged in is not the user of id_token_hint"),
            };
        }
        if request.launch_user.as_ref().is_some_and(|of| *of != user.id) {
            return give_up(ErrorCode::AccessDenied, "the launch is of another user than the one who is logged in");
        }
        let client = self.enabled_client(&request.client).await?;
        if self.needs_patient(request) && self.patient_of(&interaction, &user).is_none() {
            return match request.prompt.none {
                true => give_up(ErrorCode::InteractionRequired, "a patient must be chosen"),
                false => Ok(Step::PickPatient { client, user }),
            };
        }
        let patient = self.patient_of(&interaction, &user);
        if self.needs_encounter(&interaction)
            && let Some(patient) = patient
        {
            return match request.prompt.none {
                true => give_up(ErrorCode::InteractionRequired, "an encounter must be chosen"),
                false => Ok(Step::PickEncounter { client, user, patient }),
            };
        }
        if self.is_approved(request, &client, &user) {
            return Ok(Step::Approved { client, user, patient });
        }
        let offered = self.offered(request, &user);
        if request.prompt.none {
            // A client that anyone can pretend to be is never let through unasked: RFC 8252, 8.6.
            if client.is_public() || !self.is_granted(&client, &user, &offered, patient.as_deref()).await? {
                return give_up(ErrorCode::ConsentRequired, "the user has not granted this before");
            }
            return self.grant_interaction(id, &interaction, session, &user, offered).await.map(Step::Redirect);
        }
        Ok(Step::Consent(Box::new(Consent {
            client,
            patient,
            encounter: self.context(&interaction, &user).encounter,
            scopes: offered,
            offline_until: self.after(self.settings.lifetimes.offline),
            user,
        })))
    }

    /// The record that the app is for. Whether the user may see it is for the caller to make sure of.
    pub async fn choose_patient(&self, id: &str, session: &Session, patient: &str) -> Result<(), OAuthError> {
        let interaction = self.interaction(id, session).await?;
        let user = self.logged_in(session).await?;
        if interaction.request.launch_context.as_ref().is_some_and(|context| context.patient.is_some())
            || user.role == Role::Patient
        {
            return Err(OAuthError::invalid_request("whose record it is stands firm"));
        }
        let changed = self.change::<Interaction>(id, |interaction| {
            interaction.patient = Some(patient.to_owned());
            interaction.encounter = None;
            interaction.without_encounter = false;
            Ok(())
        });
        changed.await?.map(drop).ok_or_else(over)
    }

    /// None: without one.
    pub async fn choose_encounter(
        &self,
        id: &str,
        session: &Session,
        encounter: Option<&str>,
    ) -> Result<(), OAuthError> {
        self.interaction(id, session).await?;
        self.logged_in(session).await?;
        let changed = self.change::<Interaction>(id, |interaction| {
            interaction.encounter = encounter.map(str::to_owned);
            interaction.without_encounter = encounter.is_none();
            Ok(())
        });
        changed.await?.map(drop).ok_or_else(over)
    }

    /// The person's answer: the URL to send the browser to. `approved` are scopes that were offered, or less than those.
    pub async fn decide(&self, id: &str, session: &Session, approved: &[String]) -> Result<String, OAuthError> {
        let interaction = self.interaction(id, session).await?;
        let Step::Consent(consent) = self.step(id, session).await? else {
            return Err(OAuthError::invalid_request("consent is asked for at the end: start anew from the app"));
        };
        let offered = consent.scopes.iter().map(String::as_str);
        if let Some(shown) = scopes::beyond(offered, approved.iter().map(String::as_str)) {
            return Err(OAuthError::invalid_scope(format!("{shown} was approved and not asked for")));
        }
        if approved.is_empty() {
            return self.deny(id, session).await;
        }
        let granted = granted(&consent.scopes, approved);
        self.grant_interaction(id, &interaction, session, &consent.user, granted).await
    }

    /// What an administrator has approved for all staff: the URL to send the browser to. Months of access are for a person
    /// to give, so `offline_access` is not among it.
    pub async fn grant_approved(&self, id: &str, session: &Session) -> Result<String, OAuthError> {
        let interaction = self.interaction(id, session).await?;
        let Step::Approved { user, .. } = self.step(id, session).await? else {
            return Err(OAuthError::invalid_request("this is for the user to decide: start anew from the app"));
        };
        let mut granted = self.offered(&interaction.request, &user);
        granted.retain(|scope| scope != "offline_access");
        self.grant_interaction(id, &interaction, session, &user, granted).await
    }

    /// Only a confidential client that staff started from the record, and that does not itself want them to be asked.
    fn is_approved(&self, request: &AuthorizationRequest, client: &Client, user: &User) -> bool {
        client.skips_launch_consent
            && !client.is_public()
            && request.launch_user.as_deref() == Some(&user.id)
            && user.role != Role::Patient
            && !request.prompt.consent
    }

    /// The person does not want it.
    pub async fn deny(&self, id: &str, session: &Session) -> Result<String, OAuthError> {
        let interaction = self.interaction(id, session).await?;
        self.storage.remove(Kind::Interaction, id).await?;
        let denied = OAuthError::new(ErrorCode::AccessDenied, "the user did not allow it");
        let request = &interaction.request;
        Ok(self.error_url(&request.redirect_uri, request.state.as_deref(), &denied))
    }

    /// Only in the browser where it was begun.
    pub async fn interaction(&self, id: &str, session: &Session) -> Result<Interaction, OAuthError> {
        if !session.interactions.iter().any(|known| known == id) {
            return Err(over());
        }
        self.load::<Interaction>(id).await?.map(|kept| kept.value).ok_or_else(over)
    }

    async fn logged_in(&self, session: &Session) -> Result<User, OAuthError> {
        let user = match &session.user {
            Some(user) => self.user(user).await?,
            None => None,
        };
        user.filter(|user| user.enabled)
            .ok_or_else(|| OAuthError::new(ErrorCode::LoginRequired, "the session has ended: log in again"))
    }

    async fn grant_interaction(
        &self,
        id: &str,
        interaction: &Interaction,
        session: &Session,
        user: &User,
        scopes: Vec<String>,
    ) -> Result<String, OAuthError> {
        // Of two answers to the same question, one counts.
        if !self.storage.remove(Kind::Interaction, id).await? {
            return Err(over());
        }
        let request = &interaction.request;
        if let Some(launch) = &request.launch {
            self.use_launch(launch).await?;
        }
        let access = match () {
            () if scopes::has(&scopes, "offline_access") => Access::Offline,
            () if scopes::has(&scopes, "online_access") => Access::Online,
            () => Access::Once,
        };
        let mut grant = self.new_grant(&request.client, &user.id, scopes, access);
        grant.context = self.context(interaction, user);
        grant.launched = request.launch.is_some();
        grant.session = Some(session.key.clone());
        grant.authenticated = session.authenticated;
        let code = secret::new(&self.random);
        let kept = Code {
            grant,
            redirect_uri: request.redirect_uri.clone(),
            code_challenge: request.code_challenge.clone(),
            nonce: request.nonce.clone(),
            good_until: self.after(self.settings.lifetimes.code),
            used: false,
            // A replay is to be known for as long as the tokens of the first use are good.
            expires: self.after(self.settings.lifetimes.token),
        };
        self.add(&secret::hash(&code), &kept).await?;
        Ok(self.response_url(&request.redirect_uri, request.state.as_deref(), &[("code", &code)]))
    }

    /// Whether the user showed who they are as lately as is asked for.
    fn is_recent(&self, interaction: &Interaction, session: &Session) -> bool {
        let request = &interaction.request;
        let again = request.prompt.is_again();
        // Nothing is 0 seconds old by the time that it is asked for: max_age=0 is prompt=login in other words.
        let is_within = |age| age > 0 && self.now().as_second() - session.authenticated <= age;
        let in_time = request.max_age.is_none_or(is_within);
        // At an upstream provider somebody may have logged in long before, and it lets them through unasked.
        let is_new = session.key != interaction.begun_in && session.authenticated + LEEWAY >= interaction.begun;
        is_new || (in_time && !again)
    }

    /// "patient/* ... the patient in context is mandatory".
    fn needs_patient(&self, request: &AuthorizationRequest) -> bool {
        scopes::has(&request.scopes, "launch/patient")
            || scopes::has_level(&request.scopes, Level::Patient)
            || scopes::has(&request.scopes, "launch/encounter")
    }

    fn needs_encounter(&self, interaction: &Interaction) -> bool {
        let launched = interaction.request.launch_context.as_ref();
        let has_one = launched.is_some_and(|context| context.encounter.is_some()) || interaction.encounter.is_some();
        scopes::has(&interaction.request.scopes, "launch/encounter") && !has_one && !interaction.without_encounter
    }

    /// A patient's own; else that of the launch; else the chosen one.
    fn patient_of(&self, interaction: &Interaction, user: &User) -> Option<String> {
        if user.role == Role::Patient {
            return user.patient().map(str::to_owned);
        }
        let launched = interaction.request.launch_context.as_ref().and_then(|context| context.patient.clone());
        launched.or_else(|| interaction.patient.clone())
    }

    fn context(&self, interaction: &Interaction, user: &User) -> LaunchContext {
        let launched = interaction.request.launch_context.clone();
        let is_launched = launched.is_some();
        let context = launched.unwrap_or_default();
        let patient = self.patient_of(interaction, user);
        LaunchContext {
            encounter: context.encounter.clone().or_else(|| interaction.encounter.clone()),
            // A record system shows whose record it is; an app that stands alone must.
            need_patient_banner: context.need_patient_banner.or(patient.as_ref().map(|_| !is_launched)),
            patient,
            ..context
        }
    }

    /// What a person can grant of what is asked for: "what `user/` allows is bounded by the user's role". A patient's
    /// `user/` is their own record, which is `patient/`.
    fn offered(&self, request: &AuthorizationRequest, user: &User) -> Vec<String> {
        let mut offered: Vec<String> = Vec::new();
        for scope in &request.scopes {
            let is_wider =
                user.role == Role::Patient && scopes::read(scope).is_ok_and(|named| named.level() == Some(Level::User));
            // In the words that were asked for, of SMART 1 or 2.
            let rest = scope.split_once("user/").filter(|_| is_wider);
            let scope = rest.map_or_else(|| scope.clone(), |(_, rest)| format!("patient/{rest}"));
            if !offered.contains(&scope) {
                offered.push(scope);
            }
        }
        offered
    }

    /// Whether the user has granted this client all of it, for the same patient, and has not taken it back.
    async fn is_granted(
        &self,
        client: &Client,
        user: &User,
        scopes: &[String],
        patient: Option<&str>,
    ) -> Result<bool, OAuthError> {
        let grants = self.grants_of_user(&user.id).await?;
        Ok(grants.iter().any(|grant| {
            grant.client == client.id
                && grant.context.patient.as_deref() == patient
                && scopes::beyond(grant.scopes(), scopes.iter().map(String::as_str)).is_none()
        }))
    }
}

/// What is granted, in the order and in the words of the request ("v1 scopes asked for are returned as v1"): each scope whole, or
/// what of it was approved. What only says how the app was started cannot be taken out of it.
fn granted(asked: &[String], approved: &[String]) -> Vec<String> {
    let is_launch = |scope: &str| scope == "launch" || scope.starts_with("launch/");
    let is_whole = |scope: &&String| is_launch(scope) || approved.iter().any(|approved| is_same(scope, approved));
    let mut granted: Vec<String> = asked.iter().filter(is_whole).cloned().collect();
    for scope in approved {
        // What is narrower than a scope that is granted whole adds nothing to it.
        if !scopes::covers(granted.iter().map(String::as_str), scope) {
            granted.push(scope.clone());
        }
    }
    granted
}

fn is_same(one: &str, other: &str) -> bool {
    one == other
        || crate::parse_scope(one).ok().zip(crate::parse_scope(other).ok()).is_some_and(|(one, other)| one == other)
}

fn over() -> OAuthError {
    OAuthError::invalid_request("this request is over, or was begun in another browser: start anew from the app")
}
