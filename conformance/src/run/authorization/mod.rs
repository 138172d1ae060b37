//! SMART App Launch, OAuth and OpenID Connect, judged as a relying party: the kinds of checks, and what they share in a run.
//! One module a matter; `flow` goes the way from an authorization request to the tokens.

mod discovery;
mod flow;
mod identity;
mod launched;
mod origin;
mod parties;
mod refused;
mod service;
mod taken_back;
mod tls;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::session::Session;
use super::{Judged, Skip};
use crate::client::Answer;
use crate::party::{Kind, redact};
use flow::Ended;
pub(crate) use parties::Parties;

/// How an app is started, by whom, and what it asks for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    pub client: Kind,
    /// `patient` or `clinician`.
    pub person: String,
    /// From the record system.
    #[serde(default)]
    pub from_record_system: bool,
    pub scope: String,
    /// What the person lets the app have of it, where that is less; parted by spaces.
    #[serde(default)]
    pub granted: Option<String>,
}

/// The documents that tell how to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    SmartConfiguration,
    OpenidConfiguration,
    /// RFC 8414
    AuthorizationServer,
    /// RFC 9728
    ProtectedResource,
    Jwks,
}

/// What a member of a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// A whole address.
    Url,
    /// Texts, at least one.
    Texts,
    Text,
}

/// What of a launch is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// The redirect back: code, state.
    Back,
    /// RFC 9207
    BackIssuer,
    /// The members of the token response.
    Tokens,
    /// The headers of the token response.
    Headers,
    /// All that was asked for is granted.
    WholeScope,
    /// Nothing is granted that was not, and something is.
    PartOfScope,
    Patient,
    Encounter,
    Banner,
    Style,
    /// The FHIR API answers what was granted.
    Data,
    /// And nothing else.
    NoOtherData,
    /// Searches are limited to what the constraint of the scope says.
    Constrained,
    NoOtherPatient,
    NoRefreshToken,
    RefreshToken,
    IdToken,
    NoIdToken,
    FhirUser,
    Subject,
    UserInfo,
}

/// What is done with a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refresh {
    /// New tokens, that work, for the same.
    Works,
    /// The launch context is told again.
    Context,
    /// The new refresh token is another.
    Rotates,
    /// The old one is not good again, and what came of it ends.
    Replayed,
    Narrower,
    Wider,
    Unknown,
    OfAnother,
    /// A new ID token is of the same person.
    Identity,
}

/// What is asked of introspection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Introspect {
    /// `active`, `scope`, `client_id`, `exp`.
    Members,
    Context,
    Identity,
    Unknown,
    Nobody,
    ByBearer,
}

/// What is taken back, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revoke {
    AccessToken,
    RefreshToken,
    Unknown,
    OfAnother,
    /// By the person, on the server's pages.
    ByPerson,
}

/// Who asks from a page of which origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Documents that anyone may read.
    Public,
    /// The token endpoint, by a registered app.
    Token,
    /// The FHIR API, by a registered app.
    Fhir,
    /// An origin that nobody has registered.
    Foreign,
}

/// What is not in order with the access token of a request to the FHIR API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Token {
    Missing,
    Malformed,
    Changed,
}

/// Who is logged in when an app asks that nothing be shown, or that something be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prompt {
    /// `prompt=none`, nobody logged in.
    NoneLoggedOut,
    /// `prompt=login`, somebody logged in: asked again.
    Login,
    /// `max_age`: the ID token says when the person logged in.
    MaxAge,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "case", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Case {
    Document {
        document: Document,
        #[serde(default)]
        accept: Option<String>,
    },
    Member {
        document: Document,
        member: String,
        form: Form,
        /// Only where this capability is named.
        #[serde(default)]
        when: Option<String>,
        #[serde(default)]
        optional: bool,
    },
    Holds {
        document: Document,
        member: String,
        values: Vec<String>,
        /// One of them is enough.
        #[serde(default)]
        any: bool,
        #[serde(default)]
        when: Option<String>,
    },
    Lacks {
        document: Document,
        member: String,
        value: String,
    },
    AbsoluteUrls {
        document: Document,
    },
    /// The document names itself: `issuer`, `resource`.
    NamesItself {
        document: Document,
    },
    PublicKeys,
    Algorithms,
    ScopesSupported,
    /// The service's metadata with `jwks_uri` instead of `jwks`.
    RegistersKeyAddress,
    Launched {
        launch: String,
        aspect: Aspect,
    },
    /// The record system says who it is.
    LaunchUrl {
        launch: String,
    },
    LaunchTwice {
        launch: String,
    },
    ByPost {
        launch: String,
    },
    /// The authorization request with these parameters: there is no code, and the app is told one of these errors. Where
    /// `shown`, the person is told instead and the app is not.
    NotAuthorized {
        launch: String,
        change: BTreeMap<String, Option<String>>,
        #[serde(default)]
        errors: Vec<String>,
        #[serde(default)]
        shown: bool,
    },
    Denied {
        launch: String,
    },
    /// The exchange of the code with these parameters.
    NotExchanged {
        launch: String,
        #[serde(default)]
        change: BTreeMap<String, Option<String>>,
        errors: Vec<String>,
        /// By another client.
        #[serde(default)]
        by: Option<Kind>,
        #[serde(default)]
        wrong_secret: bool,
        #[serde(default)]
        forged_assertion: bool,
        /// The code was exchanged before; and what it was exchanged for ends.
        #[serde(default)]
        again: bool,
    },
    Refresh {
        launch: String,
        does: Refresh,
        #[serde(default)]
        scope: Option<String>,
    },
    Introspect {
        launch: String,
        asks: Introspect,
    },
    Revoke {
        launch: String,
        does: Revoke,
    },
    Service {
        scope: String,
    },
    NotAService {
        scope: String,
        /// Claims of the assertion; `now+600` is a time.
        #[serde(default)]
        claims: BTreeMap<String, Value>,
        #[serde(default)]
        change: BTreeMap<String, Option<String>>,
        #[serde(default)]
        kid: Option<String>,
        #[serde(default)]
        jku: Option<String>,
        #[serde(default)]
        forged: bool,
        #[serde(default)]
        unsigned: bool,
        /// The same assertion a second time.
        #[serde(default)]
        again: bool,
        errors: Vec<String>,
    },
    Origin {
        of: Origin,
    },
    Access {
        token: Token,
    },
    Tls {
        /// `1.0`, `1.1`: refused.
        refused: Vec<String>,
    },
    Prompt {
        launch: String,
        does: Prompt,
    },
    NoUserInfo {
        token: Token,
    },
}

/// Why a check did not come to its end.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    Skip(String),
    Wrong(String),
}

pub(crate) type Done<T> = Result<T, Stop>;

fn wrong<T>(problem: impl Into<String>) -> Done<T> {
    Err(Stop::Wrong(problem.into()))
}

fn skip<T>(why: impl Into<String>) -> Done<T> {
    Err(Stop::Skip(why.into()))
}

/// What has not worked.
impl From<String> for Stop {
    fn from(problem: String) -> Stop {
        Stop::Wrong(problem)
    }
}

pub(super) fn check(session: &mut Session<'_>, case: &Case) -> Judged {
    match judge(session, case) {
        Ok(()) => Ok(()),
        Err(Stop::Skip(why)) => Err(Skip(why)),
        Err(Stop::Wrong(problem)) => {
            session.problem(problem);
            Ok(())
        }
    }
}

fn judge(session: &mut Session<'_>, case: &Case) -> Done<()> {
    match case {
        Case::Document { document, accept } => discovery::served(session, *document, accept.as_deref()),
        Case::Member { document, member, form, when, optional } => {
            discovery::member(session, *document, member, *form, when.as_deref(), *optional)
        }
        Case::Holds { document, member, values, any, when } => {
            discovery::holds(session, *document, member, values, *any, when.as_deref())
        }
        Case::Lacks { document, member, value } => discovery::lacks(session, *document, member, value),
        Case::AbsoluteUrls { document } => discovery::absolute(session, *document),
        Case::NamesItself { document } => discovery::names_itself(session, *document),
        Case::PublicKeys => discovery::public_keys(session),
        Case::Algorithms => discovery::algorithms(session),
        Case::ScopesSupported => discovery::scopes_supported(session),
        Case::RegistersKeyAddress => service::registers_key_address(session),
        Case::Launched { launch, aspect } => launched::look(session, launch, *aspect),
        Case::LaunchUrl { launch } => launched::launch_url(session, launch),
        Case::LaunchTwice { launch } => refused::launch_twice(session, launch),
        Case::ByPost { launch } => launched::by_post(session, launch),
        Case::NotAuthorized { launch, change, errors, shown } => {
            refused::not_authorized(session, launch, change, errors, *shown)
        }
        Case::Denied { launch } => refused::denied(session, launch),
        Case::NotExchanged { .. } => refused::not_exchanged(session, case),
        Case::Refresh { launch, does, scope } => taken_back::refresh(session, launch, *does, scope.as_deref()),
        Case::Introspect { launch, asks } => taken_back::introspect(session, launch, *asks),
        Case::Revoke { launch, does } => taken_back::revoke(session, launch, *does),
        Case::Service { scope } => service::gets_tokens(session, scope),
        Case::NotAService { .. } => service::gets_none(session, case),
        Case::Origin { of } => origin::asks(session, *of),
        Case::Access { token } => refused::access(session, *token),
        Case::Tls { refused } => tls::versions(session, refused),
        Case::Prompt { launch, does } => identity::prompt(session, launch, *does),
        Case::NoUserInfo { token } => identity::no_user_info(session, *token),
    }
}

impl Session<'_> {
    /// Takes an exchange into the report, without what would let somebody in.
    fn note(&mut self, answer: &Answer) {
        self.add_exchange(redact::exchange(&answer.exchange));
    }

    /// A request of nobody's, kept for the report.
    fn ask(&mut self, method: &str, url: &str, headers: &[(&str, &str)], body: Option<&str>) -> Done<Answer> {
        let answer = self.shared.parties.http.request(method, url, headers, body)?;
        self.note(&answer);
        Ok(answer)
    }

    /// A form to an endpoint of the authorization server.
    fn form(&mut self, url: &str, headers: &[(&str, &str)], pairs: &[(&str, &str)]) -> Done<Answer> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let mut headers = headers.to_vec();
        headers.extend([("content-type", "application/x-www-form-urlencoded"), ("accept", "application/json")]);
        self.ask("POST", url, &headers, Some(&body))
    }

    /// A request to the FHIR API with an access token.
    fn fhir_get(&mut self, path: &str, token: &str) -> Done<Answer> {
        let url = self.run.server.url(path);
        let bearer = format!("Bearer {token}");
        self.ask("GET", &url, &[("authorization", &bearer), ("accept", "application/fhir+json")], None)
    }

    /// A token response or a refusal must not be kept by anybody on the way: RFC 6749, 5.1.
    fn not_stored(&mut self, what: &str, answer: &Answer) {
        let is_not_stored = answer.header("cache-control").is_some_and(|value| value.contains("no-store"));
        if !is_not_stored {
            self.problem(format!("{what}: no Cache-Control: no-store"));
        }
    }

    /// An error response of the token endpoint and its like: RFC 6749, 5.2.
    fn oauth_error(&mut self, what: &str, answer: &Answer, errors: &[String]) {
        let body = answer.json().unwrap_or_default();
        let Some(error) = body["error"].as_str() else {
            return self.problem(format!("{what}: status {} without the member error", answer.status()));
        };
        if !errors.iter().any(|expected| expected == error) {
            self.problem(format!("{what}: the error is {error}, expected {}", errors.join(" or ")));
        }
        let statuses: &[u16] = if error == "invalid_client" { &[400, 401] } else { &[400] };
        if !statuses.contains(&answer.status()) {
            self.problem(format!("{what}: status {} with {error}, expected {statuses:?}", answer.status()));
        }
    }
}
