//! Where a newcomer arrives: what this server is, and the ways in.

use askama::Template;

use crate::Frame;

/// A way in.
#[derive(Debug, Clone)]
pub struct Entry {
    pub title: String,
    pub href: String,
    /// What is behind it, in a sentence.
    pub text: String,
}

impl Entry {
    pub fn new(title: impl Into<String>, href: impl Into<String>, text: impl Into<String>) -> Self {
        Self { title: title.into(), href: href.into(), text: text.into() }
    }
}

/// Somebody whom a demo's visitor may be.
#[derive(Debug, Clone)]
pub struct DemoUser {
    pub username: String,
    pub password: String,
    /// "a patient", "a doctor".
    pub who: String,
}

/// The demo: made-up records, and users whose passwords are no secret.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The sample app.
    pub app: String,
    pub users: Vec<DemoUser>,
}

/// The page at the server's root.
#[derive(Debug, Clone, Template)]
#[template(path = "landing.html")]
pub struct Landing {
    pub frame: Frame,
    /// The server's version.
    pub version: String,
    /// The address that an app is given.
    pub fhir_base: String,
    pub demo: Option<Demo>,
    /// For people: sign in, apps with access, launcher, administration.
    pub people: Vec<Entry>,
    /// For developers: CapabilityStatement, smart-configuration, Swagger.
    pub developers: Vec<Entry>,
}
