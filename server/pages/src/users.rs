//! The people who can sign in, for administrators.

use askama::Template;
use jiff::Timestamp;

use crate::form::mistake;
use crate::list::Pager;
use crate::{Form, Frame, Mistake};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserState {
    Active,
    /// Shut out for a while, after too many attempts.
    Locked {
        until: Timestamp,
    },
    Disabled,
}

impl UserState {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Locked { .. } => "Locked",
            Self::Disabled => "Disabled",
        }
    }

    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Active => "good",
            Self::Locked { .. } => "wait",
            Self::Disabled => "bad",
        }
    }
}

#[derive(Debug, Clone)]
pub struct UserRow {
    pub name: String,
    pub username: String,
    /// Its page.
    pub href: String,
    /// "Patient", "Staff", "Administrator".
    pub role: String,
    /// The record behind the user: `Patient/123`, `Practitioner/7`.
    pub record: Option<String>,
    pub state: UserState,
    pub last_login: Option<Timestamp>,
    pub second_factor: bool,
}

/// The list. The search is a GET with the field `name`.
#[derive(Debug, Clone, Template)]
#[template(path = "users.html")]
pub struct Users {
    pub frame: Frame,
    pub search: Form,
    pub name: String,
    /// The page of [`NewUser`].
    pub add: String,
    pub users: Vec<UserRow>,
    pub pager: Pager,
}

#[derive(Debug, Clone)]
pub struct Identity {
    /// The provider's issuer.
    pub issuer: String,
    pub subject: String,
}

/// One user. Every button sends the field `action`: `disable`, `enable`, `unlock`, `reset-second-factor`,
/// `reset-password`, `unlink`, and `link` with the field `subject`.
#[derive(Debug, Clone, Template)]
#[template(path = "user.html")]
pub struct User {
    pub frame: Frame,
    pub form: Form,
    /// The list of users.
    pub back: String,
    pub row: UserRow,
    pub created: Timestamp,
    /// A password that was just made: it is shown this once.
    pub password: Option<String>,
    /// Whether it is the administrator who looks at the page: nobody disables themselves.
    pub own: bool,
    /// Who the person is at providers where they sign in too.
    pub identities: Vec<Identity>,
    /// What the provider is called to which the person can be linked; none where there is no provider.
    pub provider: Option<String>,
    /// As typed.
    pub subject: String,
    pub mistakes: Vec<Mistake>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Patient,
    Staff,
    Administrator,
}

impl Role {
    /// The value of the field, what it is called and what it means.
    pub(crate) const ALL: [(Self, &'static str, &'static str, &'static str); 3] = [
        (Self::Patient, "patient", "Patient", "sees their own record only, and decides which apps see it"),
        (Self::Staff, "staff", "Staff", "works with the records of patients"),
        (Self::Administrator, "administrator", "Administrator", "manages apps and users as well"),
    ];
}

/// Adds a user. Fields: `username`, `name`, `role` (`patient`, `staff`, `administrator`), `record` (a reference such as
/// `Patient/123`), `new-password`.
#[derive(Debug, Clone, Template)]
#[template(path = "new-user.html")]
pub struct NewUser {
    pub frame: Frame,
    pub form: Form,
    pub back: String,
    pub username: String,
    pub name: String,
    pub role: Option<Role>,
    pub record: String,
    /// The least length of a password.
    pub shortest: usize,
    pub mistakes: Vec<Mistake>,
}

impl NewUser {
    pub(crate) fn role_mistake(&self) -> Option<&str> {
        mistake(&self.mistakes, "role")
    }
}

pub(crate) fn subject_hint(provider: &str) -> String {
    format!(
        "Who the person is at {provider}: the claim sub of its ID tokens. Whoever signs in there as that is this user here."
    )
}
