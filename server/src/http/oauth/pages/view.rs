//! From a view to an answer: HTML under a policy that lets nothing of it run, and the two files that pages need.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use poem::Response;
use vesta_oauth::{ErrorCode, OAuthError};
use vesta_pages::{Frame, ICON, Link, Message, STYLESHEET, Template};

use super::super::Call;
use crate::site::Site;

/// Under `/oauth2/{site}`; the release's version makes a new address of a new file.
const STYLESHEET_PATH: &str = concat!("assets/style-", env!("CARGO_PKG_VERSION"), ".css");
const ICON_PATH: &str = concat!("assets/icon-", env!("CARGO_PKG_VERSION"), ".svg");

pub(in super::super::super) fn frame(site: &Site, request_id: &str) -> Frame {
    let addresses = &site.addresses;
    Frame {
        site: "Vesta".to_owned(),
        home: format!("{}/", addresses.public_url),
        stylesheet: format!("{}/{STYLESHEET_PATH}", addresses.issuer),
        icon: format!("{}/{ICON_PATH}", addresses.issuer),
        request_id: request_id.to_owned(),
        ..Frame::default()
    }
}

/// Where a form of a page may end, beside this server: browsers apply `form-action` to what a form's answer redirects to.
#[derive(Clone, Copy)]
pub(in super::super::super) enum LeadsTo<'a> {
    Here,
    /// At the app with this redirect URI.
    App(&'a str),
    /// At an app that the reader chooses: any address over TLS, and this machine's own.
    AnyApp,
}

impl LeadsTo<'_> {
    fn source(self) -> String {
        match self {
            LeadsTo::Here => String::new(),
            LeadsTo::App(url) => url::Url::parse(url).map_or_else(
                |_| String::new(),
                |url| {
                    let origin = url.origin();
                    if origin.is_tuple() {
                        format!(" {}", origin.ascii_serialization())
                    } else {
                        format!(" {}:", url.scheme())
                    }
                },
            ),
            LeadsTo::AnyApp => " https: http://localhost:* http://127.0.0.1:*".to_owned(),
        }
    }
}

pub(in super::super::super) fn html(status: u16, page: &impl Template, leads_to: LeadsTo<'_>) -> Response {
    let body = page.render().unwrap_or_else(|error| {
        tracing::error!(%error, "a page cannot be written");
        "<!doctype html><title>Error</title><p>A fault of the server's own; its log has the cause.".to_owned()
    });
    let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap_or_default()).body(body);
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'{}; base-uri 'none'; frame-ancestors 'none'",
        leads_to.source()
    );
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

pub(super) fn see_other(url: &str) -> Response {
    let mut response = Response::builder().status(StatusCode::SEE_OTHER).finish();
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(LOCATION, url);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What went wrong, to a person. Nobody is redirected: what the request says of where to go cannot be believed.
/// `back`: the address of the app, which is told there what is wrong. A link, and no redirect: RFC 9700, 4.11.2.
pub(super) fn error_page(frame: Frame, refused: &OAuthError, back: Option<&str>) -> Response {
    let (title, advice) = match refused.code {
        ErrorCode::InvalidClient => {
            ("This app cannot be used here", "Ask the app's maker, or an administrator here to approve it.")
        }
        ErrorCode::TemporarilyUnavailable | ErrorCode::SlowDown => ("Not now", "Wait a moment, then try again."),
        ErrorCode::ServerError => {
            ("Something went wrong", "Try again. If it stays so, tell an administrator the number below.")
        }
        ErrorCode::AccessDenied => ("This is not for you", "Sign in as somebody who may, or go back."),
        _ => (
            "This cannot go on",
            "Go back to the app and start anew. If it stays so, tell the app's maker what stands below.",
        ),
    };
    // A scheme of its own leads to an app on this device.
    let place = |back: &str| {
        let url = url::Url::parse(back).ok()?;
        Some(url.host_str().unwrap_or(url.scheme()).to_owned())
    };
    let back = back.and_then(|back| Some(Link::new(format!("Go back to {}", place(back)?), back)));
    let page = Message {
        title: title.to_owned(),
        text: sentence(&refused.description),
        advice: Some(advice.to_owned()),
        detail: Some(refused.to_string()),
        links: back.into_iter().collect(),
        is_error: true,
        frame,
    };
    // What is said to a client as 401 would make a browser ask for a password.
    let status = if refused.status() == 401 { 400 } else { refused.status() };
    html(status, &page, LeadsTo::Here)
}

pub(super) fn refused(call: &Call<'_>, refused: &OAuthError) -> Response {
    error_page(frame(call.site, call.request_id), refused, None)
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", characters.as_str().trim_end_matches('.'))
}

/// What was just done, by a word in the address: nobody else's text gets onto a page.
pub(super) fn notice(word: &str) -> Option<&'static str> {
    Some(match word {
        "revoked" => "The app has no more access.",
        "saved" => "Saved.",
        "password" => "Your password is changed.",
        "deleted" => "Deleted.",
        "second-factor-off" => "The second step is off.",
        _ => return None,
    })
}

/// The stylesheet and the icon.
pub(in super::super::super) fn asset(name: &str) -> Response {
    let (body, kind) = match format!("assets/{name}").as_str() {
        STYLESHEET_PATH => (STYLESHEET, "text/css; charset=utf-8"),
        ICON_PATH => (ICON, "image/svg+xml"),
        _ => return Response::builder().status(StatusCode::NOT_FOUND).finish(),
    };
    let mut response: Response = body.into();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    response
}
