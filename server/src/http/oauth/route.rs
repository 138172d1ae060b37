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
    /// To the upstream provider, and back from it.
    Upstream,
    UpstreamCallback,
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

/// The path as it stands in metrics and logs, where neither site nor id may be; the methods; and what is asked for, made of
/// the last segment where it is open.
type Row = (&'static str, &'static str, for<'a> fn(&'a str) -> Route<'a>);

const ROUTES: &[Row] = &[
    ("/oauth2/authorize", GET_POST, |_| Route::Authorize),
    ("/oauth2/token", POST, |_| Route::Token),
    ("/oauth2/registration", POST, |_| Route::Register),
    ("/oauth2/client/{id}", CLIENT, |id| Route::Client { id }),
    ("/oauth2/introspect", POST, |_| Route::Introspect),
    ("/oauth2/revoke", POST, |_| Route::Revoke),
    ("/oauth2/jwk", GET, |_| Route::Keys),
    ("/oauth2/userinfo", GET_POST, |_| Route::UserInfo),
    ("/oauth2/logout", GET_POST, |_| Route::Logout),
    ("/oauth2/.well-known/openid-configuration", GET, |_| Route::Discovery),
    ("/oauth2/.well-known/oauth-authorization-server", GET, |_| Route::Discovery),
    ("/oauth2/launch", POST, |_| Route::Launch),
    ("/oauth2/smart/smart-style", GET, |_| Route::Style),
    ("/oauth2/login", GET_POST, |_| Route::Page(Page::Login)),
    ("/oauth2/provider/login", GET_POST, |_| Route::Page(Page::Login)),
    ("/oauth2/second-factor", GET_POST, |_| Route::Page(Page::SecondFactor)),
    ("/oauth2/upstream", GET, |_| Route::Page(Page::Upstream)),
    ("/oauth2/upstream/callback", GET, |_| Route::Page(Page::UpstreamCallback)),
    ("/oauth2/smart/patient-select", GET_POST, |_| Route::Page(Page::Patient)),
    ("/oauth2/smart/encounter-select", GET_POST, |_| Route::Page(Page::Encounter)),
    ("/oauth2/scope-authorize-confirm", GET_POST, |_| Route::Page(Page::Consent)),
    ("/oauth2/sign-out", GET_POST, |_| Route::Page(Page::SignOut)),
    ("/oauth2/account", GET_POST, |_| Route::Page(Page::Account)),
    ("/oauth2/apps", GET, |_| Route::Page(Page::Apps)),
    ("/oauth2/apps/{id}", GET_POST, |id| Route::Page(Page::App { id })),
    ("/oauth2/launcher", GET_POST, |_| Route::Page(Page::Launcher)),
    ("/oauth2/clients", GET, |_| Route::Page(Page::Clients)),
    ("/oauth2/clients/{id}", GET_POST, |id| Route::Page(Page::ClientDetail { id })),
    ("/oauth2/users", GET_POST, |_| Route::Page(Page::Users)),
    ("/oauth2/users/{id}", GET_POST, |id| Route::Page(Page::User { id })),
    ("/oauth2/assets/{name}", GET, |name| Route::Asset { name }),
];

/// Every path: each has its line in the ledger of access in `tests/`.
pub(in super::super) fn paths() -> impl Iterator<Item = &'static str> {
    ROUTES.iter().map(|(path, ..)| *path)
}

/// `path` is what follows `/oauth2/{site}/`. With the route comes its path as it stands in [`ROUTES`].
pub(super) fn route<'a>(method: &Method, path: &'a str) -> Result<(Route<'a>, &'static str), NoRoute> {
    let path = path.trim_matches('/');
    let found = ROUTES.iter().find_map(|(known, allow, made)| Some((known, allow, made(matching(known, path)?))));
    let (known, allow, route) = found.ok_or(NoRoute::NotFound)?;
    // HEAD is GET without a body: RFC 9110, 9.3.2.
    if allow.split(", ").any(|allowed| allowed == method.as_str()) {
        Ok((route, known))
    } else {
        Err(NoRoute::Method { allow })
    }
}

/// The segment that the known path leaves open, empty where there is none; nothing where the path is another.
fn matching<'a>(known: &str, path: &'a str) -> Option<&'a str> {
    let known = known.strip_prefix("/oauth2/")?;
    match known.split_once('{') {
        Some((before, _)) => path.strip_prefix(before).filter(|segment| !segment.is_empty() && !segment.contains('/')),
        None => (path == known).then_some(""),
    }
}
