//! The way in: username and password, and the second step for those who have one.

use askama::Template;

use crate::{Form, Frame, Link, Mistake};

/// Why the page is shown, where the person did not just ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The username or the password is wrong: which of them is not said.
    Refused,
    SessionEnded,
    /// The app wants to know that it is still the same person.
    AskedAgain,
    /// Too many attempts: none is looked at for so many minutes.
    TooMany {
        minutes: u64,
    },
    PasswordChanged,
    /// The password is right, and staff does not sign in by it.
    Elsewhere,
}

impl Reason {
    fn is_error(&self) -> bool {
        matches!(self, Self::Refused | Self::TooMany { .. } | Self::Elsewhere)
    }

    fn text(&self) -> String {
        match self {
            Self::Refused => "The username or the password is not right. Check both and try again.".to_owned(),
            Self::SessionEnded => "Your session ended, to keep your records safe. Sign in again to go on.".to_owned(),
            Self::AskedAgain => "The app asks that you sign in again, to be sure that it is you.".to_owned(),
            Self::TooMany { minutes: 0 | 1 } => "There were too many attempts. Try again in a minute.".to_owned(),
            Self::TooMany { minutes } => format!("There were too many attempts. Try again in {minutes} minutes."),
            Self::Elsewhere => "Staff sign in by the button below, not by a password of this server.".to_owned(),
            Self::PasswordChanged => "Your password is changed. Sign in with the new one.".to_owned(),
        }
    }
}

/// Username and password. Fields: `username`, `password`.
#[derive(Debug, Clone, Template)]
#[template(path = "login.html")]
pub struct Login {
    pub frame: Frame,
    pub form: Form,
    /// The app on whose way this is.
    pub app: Option<String>,
    /// What stands in the field: what was entered before, or `login_hint`.
    pub username: String,
    pub reason: Option<Reason>,
    pub mistakes: Vec<Mistake>,
    /// Other ways to sign in: an upstream provider.
    pub elsewhere: Vec<Link>,
    /// Staff has no other way to sign in than those.
    pub staff_elsewhere: bool,
    /// Where it goes back to the app without signing in.
    pub cancel: Option<String>,
}

/// The second step: a code of the authenticator app, or one of the recovery codes. Field: `code`.
#[derive(Debug, Clone, Template)]
#[template(path = "second-factor.html")]
pub struct SecondFactor {
    pub frame: Frame,
    pub form: Form,
    /// Whether a recovery code is asked for.
    pub recovery: bool,
    /// The same page with the other kind of code.
    pub other: String,
    pub reason: Option<Reason>,
    pub mistakes: Vec<Mistake>,
}
