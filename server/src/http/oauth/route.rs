//! The one set of routes under `/oauth2/{site}`: (method, path) to what is asked for. The paths are those that OpenEMR's
//! clients know, where it has one.

use http::Method;

use super::super::route::NoRoute;

/// What a client or a browser asks the authorization server for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    // What clients call.
    Authorize,
    Token,
    Register,
    Client {
        id: &'a str,
    },
    Introspect,
    Revoke,
    Keys,
    UserInfo,
    Logout,
    Discovery,
    Launch,
    Style,
    /// The stylesheet and the icon.
    Asset {
        name: &'a str,
    },
    // What people see.
    Page(Page<'a>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page<'a> {
    /// Log in, on the way to an app or not.
    Login,
    SecondFactor,
    Patient,
    Encounter,
    Consent,
    SignOut,
    Account,
    /// The apps with access to the user's record.
    Apps,
    App {
        id: &'a str,
    },
    Launcher,
    Clients,
    ClientDetail {
        id: &'a str,
    },
    Users,
    User {
        id: &'a str,
    },
}

const GET: &str = "GET, HEAD";
const POST: &str = "POST";
const GET_POST: &str = "GET, HEAD, POST";
const CLIENT: &str = "GET, HEAD, PUT, DELETE";

/// `path` is what follows `/oauth2/{site}`.
pub(super) fn route<'a>(method: &Method, path: &'a str) -> Result<Route<'a>, NoRoute> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (route, allow) = match segments[..] {
        ["authorize"] => (Route::Authorize, GET_POST),
        ["token"] => (Route::Token, POST),
        ["registration"] => (Route::Register, POST),
        ["client", id] => (Route::Client { id }, CLIENT),
        ["introspect"] => (Route::Introspect, POST),
        ["revoke"] => (Route::Revoke, POST),
        ["jwk"] => (Route::Keys, GET),
        ["userinfo"] => (Route::UserInfo, GET_POST),
        ["logout"] => (Route::Logout, GET_POST),
        [".well-known", "openid-configuration" | "oauth-authorization-server"] => (Route::Discovery, GET),
        ["launch"] => (Route::Launch, POST),
        ["smart", "smart-style"] => (Route::Style, GET),
        ["login"] | ["provider", "login"] => (Route::Page(Page::Login), GET_POST),
        ["second-factor"] => (Route::Page(Page::SecondFactor), GET_POST),
        ["smart", "patient-select"] => (Route::Page(Page::Patient), GET_POST),
        ["smart", "encounter-select"] => (Route::Page(Page::Encounter), GET_POST),
        ["scope-authorize-confirm"] => (Route::Page(Page::Consent), GET_POST),
        ["sign-out"] => (Route::Page(Page::SignOut), GET_POST),
        ["account"] => (Route::Page(Page::Account), GET_POST),
        ["apps"] => (Route::Page(Page::Apps), GET),
        ["apps", id] => (Route::Page(Page::App { id }), GET_POST),
        ["launcher"] => (Route::Page(Page::Launcher), GET_POST),
        ["clients"] => (Route::Page(Page::Clients), GET),
        ["clients", id] => (Route::Page(Page::ClientDetail { id }), GET_POST),
        ["users"] => (Route::Page(Page::Users), GET_POST),
        ["users", id] => (Route::Page(Page::User { id }), GET_POST),
        ["assets", name] => (Route::Asset { name }, GET),
        _ => return Err(NoRoute::NotFound),
    };
    // HEAD is GET without a body: RFC 9110, 9.3.2.
    if allow.split(", ").any(|allowed| allowed == method.as_str()) { Ok(route) } else { Err(NoRoute::Method { allow }) }
}

impl Route<'_> {
    /// The route as it stands in metrics and logs, where no id may be.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Route::Authorize => "/oauth2/authorize",
            Route::Token => "/oauth2/token",
            Route::Register => "/oauth2/registration",
            Route::Client { .. } => "/oauth2/client/{id}",
            Route::Introspect => "/oauth2/introspect",
            Route::Revoke => "/oauth2/revoke",
            Route::Keys => "/oauth2/jwk",
            Route::UserInfo => "/oauth2/userinfo",
            Route::Logout => "/oauth2/logout",
            Route::Discovery => "/oauth2/.well-known",
            Route::Launch => "/oauth2/launch",
            Route::Style => "/oauth2/smart/smart-style",
            Route::Asset { .. } => "/oauth2/assets/{name}",
            Route::Page(page) => page.template(),
        }
    }
}

impl Page<'_> {
    fn template(&self) -> &'static str {
        match self {
            Page::Login => "/oauth2/login",
            Page::SecondFactor => "/oauth2/second-factor",
            Page::Patient => "/oauth2/smart/patient-select",
            Page::Encounter => "/oauth2/smart/encounter-select",
            Page::Consent => "/oauth2/scope-authorize-confirm",
            Page::SignOut => "/oauth2/sign-out",
            Page::Account => "/oauth2/account",
            Page::Apps => "/oauth2/apps",
            Page::App { .. } => "/oauth2/apps/{id}",
            Page::Launcher => "/oauth2/launcher",
            Page::Clients => "/oauth2/clients",
            Page::ClientDetail { .. } => "/oauth2/clients/{id}",
            Page::Users => "/oauth2/users",
            Page::User { .. } => "/oauth2/users/{id}",
        }
    }
}
