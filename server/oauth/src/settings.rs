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

/// By which claim a person is known at the first log-in through the upstream provider, before they are linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// The e-mail address, where the provider says that it is verified.
    Email,
    /// The user name.
    PreferredUsername,
}

impl Matching {
    pub fn as_str(self) -> &'static str {
        match self {
            Matching::Email => "email",
            Matching::PreferredUsername => "preferred_username",
        }
    }
}

/// How long what is given out is good for, within what the standards allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifetimes {
    pub code: SignedDuration,
    pub token: SignedDuration,
    /// A backend service's.
    pub service_token: SignedDuration,
    /// Renewed with each use.
    pub offline: SignedDuration,
    /// How long a person may take from the request to consent.
    pub interaction: SignedDuration,
    pub launch: SignedDuration,
    /// Without use.
    pub session_idle: SignedDuration,
    /// However much it is used.
    pub session: SignedDuration,
}

impl Lifetimes {
    /// "A maximum authorization code lifetime of 10 minutes is RECOMMENDED": RFC 6749, 4.1.2.
    pub const LONGEST_CODE: SignedDuration = SignedDuration::from_mins(10);
    /// "Access tokens at most an hour": an access token is not asked about at each use.
    pub const LONGEST_TOKEN: SignedDuration = SignedDuration::from_hours(1);
    /// Of a token that the operator makes by `vesta token create`: a key verifies for so long after the next one signs.
    pub const LONGEST_OPERATOR_TOKEN: SignedDuration = SignedDuration::from_hours(24);
    /// "SHOULD NOT exceed 300 seconds": <https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#issue-access-token>
    pub const LONGEST_SERVICE_TOKEN: SignedDuration = SignedDuration::from_secs(300);
    /// "valid for a period of no less than three months", of which the longest have 92 days: 45 CFR 170.315(g)(10)(v)(A)(1)(iii).
    pub const SHORTEST_OFFLINE: SignedDuration = SignedDuration::from_hours(24 * 92);
}

impl Default for Lifetimes {
    fn default() -> Lifetimes {
        Lifetimes {
            code: SignedDuration::from_mins(1),
            token: Lifetimes::LONGEST_TOKEN,
            service_token: Lifetimes::LONGEST_SERVICE_TOKEN,
            offline: SignedDuration::from_hours(24 * 100),
            interaction: SignedDuration::from_mins(15),
            launch: SignedDuration::from_mins(5),
            session_idle: SignedDuration::from_mins(15),
            session: SignedDuration::from_hours(12),
        }
    }
}

/// The OpenID provider at which staff log in too. <https://openid.net/specs/openid-connect-core-1_0.html>
#[derive(Clone)]
pub struct Upstream {
    /// What stands on the button.
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    pub client_secret: Option<String>,
    /// Beside `openid`.
    pub scopes: Vec<String>,
    /// None: only who was linked is let in.
    pub matching: Option<Matching>,
}

/// Without the secret.
impl std::fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Upstream { name, issuer, client_id, scopes, matching, .. } = self;
        write!(formatter, "{name} ({issuer}, {client_id}, {scopes:?}, {matching:?})")
    }
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
    pub lifetimes: Lifetimes,
    pub upstream: Option<Upstream>,
    /// Whether staff and administrators may log in by a password of this server.
    pub staff_passwords: bool,
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
            lifetimes: Lifetimes::default(),
            upstream: None,
            staff_passwords: true,
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
