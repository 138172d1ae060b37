//! Pages that say one thing, and pages that ask one thing.

use askama::Template;

use crate::{Form, Frame, Link};

/// Something is said: an error, or that somebody is signed out.
#[derive(Debug, Clone, Template)]
#[template(path = "message.html")]
pub struct Message {
    pub frame: Frame,
    pub title: String,
    /// What happened, in a sentence or two.
    pub text: String,
    /// What the person can do about it.
    pub advice: Option<String>,
    /// What whoever is asked for help wants to know: the standard's code and the description, or the command that helps.
    pub detail: Option<String>,
    pub links: Vec<Link>,
    /// Whether something went wrong: the page then names the request, for whoever is asked for help.
    pub is_error: bool,
}

/// Something is asked before it is done.
#[derive(Debug, Clone, Template)]
#[template(path = "confirm.html")]
pub struct Confirm {
    pub frame: Frame,
    pub form: Form,
    /// The question: "Sign out?"
    pub title: String,
    /// What will happen, a paragraph each.
    pub text: Vec<String>,
    /// The button that does it: "Sign out".
    pub yes: String,
    /// The way back.
    pub no: Link,
    /// Whether it cannot be undone.
    pub danger: bool,
}
