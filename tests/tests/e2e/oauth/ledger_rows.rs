//! The rows of the ledger: every (method, path) that is no part of the FHIR API, and who may. The one who may comes last, in
//! this order: what ends something stands below what needs it.

use super::ledger::Own;

pub(super) struct Row {
    pub(super) method: &'static str,
    /// As the router has it.
    pub(super) path: &'static str,
    /// What the open segment of the path is.
    pub(super) open: &'static str,
    pub(super) own: Own,
    pub(super) body: Body,
}

pub(super) enum Body {
    None,
    /// In the query of a GET, in the body of a POST.
    Form(&'static [(&'static str, &'static str)]),
    Json(&'static str),
}

const fn row(method: &'static str, path: &'static str, own: Own, form: &'static [(&'static str, &'static str)]) -> Row {
    Row { method, path, open: "", own, body: Body::Form(form) }
}

const fn get(path: &'static str, own: Own) -> Row {
    Row { method: "GET", path, open: "", own, body: Body::None }
}

const fn open(open: &'static str, row: Row) -> Row {
    Row { open, ..row }
}

const fn json(method: &'static str, path: &'static str, own: Own, body: &'static str) -> Row {
    Row { method, path, open: "", own, body: Body::Json(body) }
}

/// These have a ledger of their own: `authorization.rs`, and for app state the tests beside its routes.
pub(super) const ELSEWHERE: [&str; 4] =
    ["/apis/:site/fhir", "/apis/:site/fhir/", "/apis/:site/fhir/*path", "/apis/:site/app-state/*path"];

/// The words in braces are filled in: `{request}` is what the one who may is asked by an app.
pub(super) const ROWS: &[Row] = &[
    // How to connect, and what a page needs: for anyone.
    get("/", Own::Anyone),
    get("/health/live", Own::Anyone),
    get("/health/ready", Own::Anyone),
    get("/metrics", Own::Anyone),
    get("/openapi/fhir.json", Own::Anyone),
    get("/openapi", Own::Anyone),
    get("/openapi/", Own::Anyone),
    get("/apis/:site/fhir/.well-known/smart-configuration", Own::Anyone),
    get("/apis/:site/brands", Own::Anyone),
    get("/.well-known/oauth-authorization-server/oauth2/:site", Own::Anyone),
    get("/.well-known/openid-configuration/oauth2/:site", Own::Anyone),
    get("/.well-known/oauth-protected-resource/apis/:site/fhir", Own::Anyone),
    get("/oauth2/.well-known/openid-configuration", Own::Anyone),
    get("/oauth2/.well-known/oauth-authorization-server", Own::Anyone),
    get("/oauth2/jwk", Own::Anyone),
    get("/oauth2/smart/smart-style", Own::Anyone),
    open("{stylesheet}", get("/oauth2/assets/{name}", Own::Anyone)),
    // Anyone registers; what for is an administrator's to say where it matters.
    json(
        "POST",
        "/oauth2/registration",
        Own::Anyone,
        r#"{ "redirect_uris": ["https://new.example/"], "scope": "patient/*.rs" }"#,
    ),
    // The way in: it leads to the log-in, or to what is asked next.
    row("GET", "/oauth2/authorize", Own::Ann, AUTHORIZE),
    row("POST", "/oauth2/authorize", Own::Ann, AUTHORIZE),
    get("/oauth2/login", Own::Ann),
    row("POST", "/oauth2/login", Own::Ann, &[("username", "ann"), ("password", "not hers")]),
    get("/oauth2/provider/login", Own::Ann),
    row("POST", "/oauth2/provider/login", Own::Ann, &[("username", "ann"), ("password", "not hers")]),
    get("/oauth2/second-factor", Own::Ann),
    row("POST", "/oauth2/second-factor", Own::Ann, &[("code", "123456")]),
    // To a provider at which staff log in, and back: here there is none, and its own tests have one.
    get("/oauth2/upstream", Own::Anyone),
    row("GET", "/oauth2/upstream/callback", Own::Anyone, &[("code", "a code"), ("state", "a state")]),
    // What clients ask with their own credentials.
    row("POST", "/oauth2/token", Own::Client, &[("grant_type", "refresh_token"), ("refresh_token", "{refresh}")]),
    row("POST", "/oauth2/introspect", Own::Client, &[("token", "{access}")]),
    // With a token of the user.
    get("/oauth2/userinfo", Own::Bearer),
    row("POST", "/oauth2/userinfo", Own::Bearer, &[]),
    json("POST", "/oauth2/launch", Own::Bearer, r#"{ "client_id": "{client}", "patient": "{patient}" }"#),
    // With the token of the registration.
    open("{client}", get("/oauth2/client/{id}", Own::Registration)),
    open("{client}", json("PUT", "/oauth2/client/{id}", Own::Registration, METADATA)),
    // On the way to an app, which another has begun.
    row("GET", "/oauth2/smart/patient-select", Own::Doctor, &[("interaction", "{request}")]),
    row("POST", "/oauth2/smart/patient-select", Own::Doctor, &[("interaction", "{request}"), ("name", "Byrne")]),
    row("GET", "/oauth2/smart/encounter-select", Own::Doctor, &[("interaction", "{request}")]),
    row("POST", "/oauth2/smart/encounter-select", Own::Doctor, &[("interaction", "{request}")]),
    row("GET", "/oauth2/scope-authorize-confirm", Own::Ann, &[("interaction", "{request}")]),
    row("POST", "/oauth2/scope-authorize-confirm", Own::Ann, &[("interaction", "{request}"), ("decision", "deny")]),
    // A person's own pages.
    get("/oauth2/account", Own::Ann),
    row("POST", "/oauth2/account", Own::Ann, &[("action", "set-up-second-factor")]),
    get("/oauth2/apps", Own::Ann),
    open("{grant}", get("/oauth2/apps/{id}", Own::Ann)),
    // Staff.
    get("/oauth2/launcher", Own::Doctor),
    row("POST", "/oauth2/launcher", Own::Doctor, &[("patient", "{patient}"), ("app", "{client}")]),
    // Administrators.
    get("/oauth2/clients", Own::Administrator),
    open("{client}", get("/oauth2/clients/{id}", Own::Administrator)),
    get("/oauth2/users", Own::Administrator),
    row("POST", "/oauth2/users", Own::Administrator, &[("name", "ann")]),
    open("{user}", get("/oauth2/users/{id}", Own::Administrator)),
    // What ends something.
    row("POST", "/oauth2/revoke", Own::Client, &[("token", "{access}")]),
    open("{grant}", row("POST", "/oauth2/apps/{id}", Own::Ann, &[])),
    open("{client}", row("POST", "/oauth2/clients/{id}", Own::Administrator, &[("action", "disable")])),
    open("{user}", row("POST", "/oauth2/users/{id}", Own::Administrator, &[("action", "disable")])),
    open(
        "{client}",
        Row { method: "DELETE", path: "/oauth2/client/{id}", open: "", own: Own::Registration, body: Body::None },
    ),
    row("GET", "/oauth2/logout", Own::Ann, &[]),
    row("POST", "/oauth2/logout", Own::Ann, &[]),
    get("/oauth2/sign-out", Own::Ann),
    row("POST", "/oauth2/sign-out", Own::Ann, &[]),
];

const AUTHORIZE: &[(&str, &str)] = &[
    ("response_type", "code"),
    ("client_id", "{client}"),
    ("redirect_uri", "https://app.example/callback"),
    ("scope", "launch/patient patient/Patient.rs"),
    ("state", "a state"),
    ("aud", "{fhir}"),
    ("code_challenge", super::party::CHALLENGE),
    ("code_challenge_method", "S256"),
];

const METADATA: &str = r#"{ "client_id": "{client}", "client_name": "Renamed", "redirect_uris": ["https://app.example/callback"],
    "initiate_login_uri": "https://app.example/launch", "token_endpoint_auth_method": "client_secret_post", "scope": "{scope}" }"#;
