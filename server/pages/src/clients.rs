//! Apps and other clients, for administrators.

use askama::Template;
use jiff::Timestamp;

use crate::list::Pager;
use crate::words::{Reader, Scope};
use crate::{Form, Frame, Link, Mistake};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientState {
    /// Waits for an administrator.
    Pending,
    Enabled,
    Disabled,
}

impl ClientState {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Pending => "Waiting for approval",
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
        }
    }

    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Pending => "wait",
            Self::Enabled => "good",
            Self::Disabled => "bad",
        }
    }
}

#[derive(Debug, Clone)]
pub struct ClientRow {
    pub name: String,
    pub id: String,
    /// Its page.
    pub href: String,
    pub state: ClientState,
    /// "Public", "Confidential, with a secret", "Confidential, with a key".
    pub kind: String,
    /// "patient", "user, system": the levels of its scopes.
    pub levels: String,
    pub registered: Timestamp,
    pub last_used: Option<Timestamp>,
}

/// The list. The search is a GET with the field `name`; [`Form::hidden`] holds the filter.
#[derive(Debug, Clone, Template)]
#[template(path = "clients.html")]
pub struct Clients {
    pub frame: Frame,
    pub search: Form,
    pub name: String,
    /// All, and one a state, with how many there are: "Waiting for approval (2)".
    pub filters: Vec<Link>,
    pub clients: Vec<ClientRow>,
    pub pager: Pager,
    /// The page of [`TokenTool`].
    pub token_tool: String,
}

/// Somebody's grant to the client.
#[derive(Debug, Clone)]
pub struct ClientGrant {
    pub id: String,
    pub person: String,
    /// The patient in context, or whose the record is.
    pub patient: Option<String>,
    pub since: Timestamp,
    pub last_used: Option<Timestamp>,
    pub expires: Option<Timestamp>,
}

/// One client.
///
/// Every button sends the field `action`: `approve`, `enable`, `disable`, `rotate-secret`, `exempt-pkce`, `skip-consent`, `ask-consent`,
/// `require-pkce`, `delete`, `revoke-grant` with `grant`. What takes something away is asked
/// once more by a [`crate::Confirm`], as the server sees fit.
#[derive(Debug, Clone, Template)]
#[template(path = "client.html")]
pub struct Client {
    pub frame: Frame,
    pub form: Form,
    /// The list of clients.
    pub back: String,
    pub row: ClientRow,
    /// A secret that was just made: it is shown this once.
    pub secret: Option<String>,
    /// Whether it has a secret at all.
    pub has_secret: bool,
    /// None for a public client, which can never do without.
    pub exempt_from_pkce: Option<bool>,
    /// Whether staff who start it from the record are not asked; none where they always are.
    pub skips_consent: Option<bool>,
    pub contacts: Vec<String>,
    pub links: Vec<Link>,
    pub launch_uri: Option<String>,
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    /// Where its keys are, or their ids and kinds.
    pub keys: Vec<String>,
    pub scopes: Vec<Scope>,
    pub other_scopes: Vec<String>,
    pub grants: Vec<ClientGrant>,
    /// The whole list, where more than these are there.
    pub more_grants: Option<String>,
}

impl Client {
    pub(crate) fn sentences(&self) -> Vec<(String, String)> {
        let operations: Vec<Scope> = self.other_scopes.iter().filter_map(|text| Scope::operation(text)).collect();
        let all = self.scopes.iter().chain(&operations);
        all.map(|scope| (scope.words(Reader::Staff), scope.to_string())).collect()
    }
}

/// What a pasted token is.
#[derive(Debug, Clone)]
pub struct TokenFacts {
    /// "Access token", "Refresh token".
    pub kind: String,
    pub state: TokenState,
    /// What it says: a name and what stands there, such as "Expires".
    pub facts: Vec<(String, String)>,
    pub scopes: Vec<String>,
    /// Revokes it; none where nothing is left to revoke.
    pub revoke: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    Active,
    Expired,
    Revoked,
}

impl TokenState {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Expired => "Expired",
            Self::Revoked => "Revoked",
        }
    }

    pub(crate) fn class(self) -> &'static str {
        if self == Self::Active { "good" } else { "bad" }
    }
}

/// Says what a token is. Field: `token`. The token is not shown again.
#[derive(Debug, Clone, Template)]
#[template(path = "token-tool.html")]
pub struct TokenTool {
    pub frame: Frame,
    pub form: Form,
    pub back: String,
    /// None before one was pasted.
    pub facts: Option<TokenFacts>,
    /// Such as "This is no token of this site".
    pub mistakes: Vec<Mistake>,
}
