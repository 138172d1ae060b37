//! Sign out, by the person or at the wish of an app.
//! <https://openid.net/specs/openid-connect-rpinitiated-1_0.html>

use poem::{Request, Response};
use vesta_oauth::{OAuthError, Opened, Parameters};
use vesta_pages::{Confirm, Form, Link, Message};

use super::super::{Call, cookie};
use super::{PAGES, Shown, Visit, parameters, view};
use crate::audit::Event;
use crate::fhir::parse_query;

/// `GET` and `POST /sign-out`: asked before it is done.
pub(super) async fn sign_out(visit: &Visit<'_>) -> Shown {
    if visit.form.is_none() {
        return Ok(visit.show(&question(visit, Form::to(visit.url("sign-out")))));
    }
    // Where an app wanted it, its address was checked then and is checked once more.
    let parameters = parse_query(visit.field("request"));
    let logout = visit.call.engine.read_logout(&Parameters::new(parameters), Some(&visit.opened.session)).await?;
    end(visit, logout.redirect.as_deref()).await
}

/// `GET` and `POST /logout`, from an app.
pub(in super::super) async fn logout(call: &Call<'_>, request: &mut Request) -> Response {
    match from_app(call, request).await {
        Ok(response) => response,
        Err(refused) => view::refused(call, &refused),
    }
}

async fn from_app(call: &Call<'_>, request: &mut Request) -> Shown {
    let parameters = match parameters(call, request, "logout").await? {
        Ok(parameters) => parameters,
        Err(by_get) => return Ok(by_get),
    };
    let secret = cookie::session(request.headers(), call.site);
    let session = call.engine.existing_session(secret.as_deref()).await?;
    let logout = call.engine.read_logout(&Parameters::new(parameters.clone()), session.as_ref()).await?;
    let Some(session) = session else {
        // Nobody is signed in in this browser, as far as it tells: its cookie stays as it is.
        return Ok(over(call, logout.redirect.as_deref()));
    };
    let visit = Visit::of(call, Opened { session, secret: None }).await?;
    if logout.is_sure {
        return end(&visit, logout.redirect.as_deref()).await;
    }
    // "the OP SHOULD ask the End-User whether to log out": whoever it is that an app means.
    let request: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
    let form = Form::to(visit.url("sign-out")).with("request", request);
    Ok(visit.show(&question(&visit, form)))
}

fn question(visit: &Visit<'_>, form: Form) -> Confirm {
    Confirm {
        frame: visit.frame(),
        form,
        title: "Sign out?".to_owned(),
        text: vec![
            "Apps that may keep access when you are not here keep it. Those that may not lose it now.".to_owned(),
        ],
        yes: "Sign out".to_owned(),
        no: Link::new("Stay", visit.url("apps")),
        danger: false,
    }
}

async fn end(visit: &Visit<'_>, redirect: Option<&str>) -> Result<Response, OAuthError> {
    if let Some(user) = &visit.user {
        visit.record(Event::LogOut, &user.id, PAGES, user.patient()).await?;
    }
    visit.call.engine.end_session(&visit.opened.session.key).await?;
    let mut response = over(visit.call, redirect);
    cookie::set(response.headers_mut(), visit.call.site, None);
    Ok(response)
}

fn over(call: &Call<'_>, redirect: Option<&str>) -> Response {
    match redirect {
        Some(url) => view::see_other(url),
        None => {
            let page = Message {
                frame: view::frame(call.site, call.request_id),
                title: "You are signed out".to_owned(),
                text: "Close the window if others use this device.".to_owned(),
                advice: None,
                detail: None,
                links: vec![Link::new("Sign in again", call.engine.settings().endpoint("login"))],
                is_error: false,
            };
            view::html(200, &page, view::LeadsTo::Here)
        }
    }
}
