//! What an operator decides, and what a site is called.

use jiff::SignedDuration;

/// Whom the password grant is for. <https://www.rfc-editor.org/rfc/rfc9700#section-2.4> "MUST NOT be used": it is there
/// for OpenEMR's users, and off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PasswordGrant {
    #[default]
    Off,
    Users,
    Patients,
    Both,
}

#[derive(Debug, Clone)]
pub struct Settings {
    /// `{public_url}/oauth2/{site}`
    pub issuer: String,
    /// `{public_url}/apis/{site}/fhir`: the audience of access tokens.
    pub fhir_base: String,
    /// What else a client may name as `aud`: the bases of the site's other APIs.
    pub other_bases: Vec<String>,
    pub system_scopes: bool,
    pub password_grant: PasswordGrant,
    /// Whether anyone may register a client.
    pub registration: bool,
    /// Whether each new client waits for an administrator; else those only that ask for `user/` or `system/` scopes.
    pub manual_approval: bool,
    /// A hash of the style document, which changes with it.
    pub style_version: Option<String>,
    pub code_lifetime: SignedDuration,
    /// "Access tokens at most an hour".
    pub token_lifetime: SignedDuration,
    /// "SHOULD NOT exceed 300 seconds": <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#issue-access-token>
    pub system_token_lifetime: SignedDuration,
    /// Renewed with each use: at least three months, by 45 CFR 170.315(g)(10).
    pub offline_lifetime: SignedDuration,
    /// How long a person may take from the request to consent.
    pub interaction_lifetime: SignedDuration,
    pub launch_lifetime: SignedDuration,
    pub session_idle: SignedDuration,
    pub session_absolute: SignedDuration,
}

impl Settings {
    pub fn new(issuer: &str, fhir_base: &str) -> Settings {
        Settings {
            issuer: issuer.to_owned(),
            fhir_base: fhir_base.to_owned(),
            other_bases: Vec::new(),
            system_scopes: true,
            password_grant: PasswordGrant::Off,
            registration: true,
            manual_approval: false,
            style_version: None,
            code_lifetime: SignedDuration::from_mins(1),
            token_lifetime: SignedDuration::from_hours(1),
            system_token_lifetime: SignedDuration::from_mins(5),
            offline_lifetime: SignedDuration::from_hours(24 * 100),
            interaction_lifetime: SignedDuration::from_mins(15),
            launch_lifetime: SignedDuration::from_mins(5),
            session_idle: SignedDuration::from_mins(15),
            session_absolute: SignedDuration::from_hours(12),
        }
    }

    /// `{issuer}/token`
    pub fn endpoint(&self, name: &str) -> String {
        format!("{}/{name}", self.issuer)
    }

    /// "The `aud` parameter ... the URL of the EHR resource server". A slash at its end makes no other of it.
    pub(crate) fn is_audience(&self, audience: &str) -> bool {
        let audience = audience.trim_end_matches('/');
        audience == self.fhir_base || self.other_bases.iter().any(|base| base == audience)
    }
}
