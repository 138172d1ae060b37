//! The one cookie: which session a browser has. Its value means nothing elsewhere, and a script cannot read it.

use cookie::{Cookie, SameSite};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use crate::site::Site;

/// `__Host-` binds the cookie to this host and to TLS (RFC 6265bis, 4.1.3.2); sites share the host, so the name has the
/// site's. A developer's server without TLS cannot have the prefix.
fn name(site: &Site) -> String {
    let prefix = if site.addresses.public_url.is_https() { "__Host-" } else { "" };
    format!("{prefix}vesta-{}", site.name)
}

/// The session's secret that the browser sends; not yet believed.
pub(super) fn session(headers: &HeaderMap, site: &Site) -> Option<String> {
    let name = name(site);
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = texts.flat_map(Cookie::split_parse).filter_map(Result::ok);
    cookies.find(|cookie| cookie.name() == name).map(|cookie| cookie.value().to_owned())
}

/// Gives the browser a session, or takes it away. `Lax`: an app that sends the browser here to authorize must find the
/// session; what changes anything is a POST, and has a token of the page beside.
pub(super) fn set(headers: &mut HeaderMap, site: &Site, session: Option<&str>) {
    let mut cookie = Cookie::build((name(site), session.unwrap_or_default().to_owned()))
        .path("/")
        .http_only(true)
        .secure(site.addresses.public_url.is_https())
        .same_site(SameSite::Lax);
    if session.is_none() {
        cookie = cookie.max_age(cookie::time::Duration::ZERO);
    }
    if let Ok(value) = HeaderValue::from_str(&cookie.build().to_string()) {
        headers.append(SET_COOKIE, value);
    }
}
