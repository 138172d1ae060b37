//! Reports are kept and passed on: what would let somebody in is not in them.

use std::sync::Arc;

use serde_json::Value;

use crate::client::Exchange;

/// Members of forms, of JSON and of addresses.
const SECRETS: [&str; 16] = [
    "access_token",
    "refresh_token",
    "id_token",
    "id_token_hint",
    "token",
    "code",
    "code_verifier",
    "client_secret",
    "client_assertion",
    "registration_access_token",
    "password",
    "csrf",
    "launch",
    "launch_url",
    "subject_token",
    "assertion",
];

const HIDDEN: &str = "[hidden]";

fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name)
}

/// A copy for the report.
pub(crate) fn exchange(exchange: &Arc<Exchange>) -> Arc<Exchange> {
    let mut shown = Exchange::clone(exchange);
    shown.url = url(&shown.url);
    shown.sent = shown.sent.as_deref().map(sent);
    shown.body = body(&shown.body);
    for (name, value) in &mut shown.headers {
        match name.as_str() {
            "location" => *value = url(value),
            "set-cookie" => *value = HIDDEN.to_owned(),
            _ => {}
        }
    }
    Arc::new(shown)
}

/// An address, its secrets hidden.
pub(crate) fn url(text: &str) -> String {
    match text.split_once('?') {
        Some((address, query)) => format!("{address}?{}", form(query)),
        None => text.to_owned(),
    }
}

fn form(text: &str) -> String {
    let pairs = text.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={HIDDEN}"),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn sent(text: &str) -> String {
    if text.trim_start().starts_with(['{', '[']) { body(text) } else { form(text) }
}

/// JSON, its secrets hidden; HTML with forms holds some too.
fn body(text: &str) -> String {
    if let Ok(mut value) = serde_json::from_str::<Value>(text) {
        hide(&mut value);
        return value.to_string();
    }
    // The beginning of a long one.
    if SECRETS.iter().any(|name| text.contains(&format!("\"{name}\":"))) {
        return HIDDEN.to_owned();
    }
    if text.contains("<form") { "[a page with forms]".to_owned() } else { text.to_owned() }
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if is_secret(name) && value.is_string() { *value = HIDDEN.into() } else { hide(value) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_lets_somebody_in_is_shown() {
        assert_eq!(url("https://app.example/?code=abc&state=x"), "https://app.example/?code=[hidden]&state=x");
        assert_eq!(
            sent("grant_type=refresh_token&refresh_token=abc"),
            "grant_type=refresh_token&refresh_token=[hidden]"
        );
        let shown = body(r#"{"access_token":"abc","scope":"openid","code":["kept"]}"#);
        assert_eq!(shown, r#"{"access_token":"[hidden]","scope":"openid","code":["kept"]}"#);
        assert!(!body("<form><input name=csrf value=abc></form>").contains("abc"));
    }
}
