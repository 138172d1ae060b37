//! Staff who log in at the upstream OpenID provider: sent there, and coming back with its answer. The provider's name and
//! issuer stand in the audit log in the place of the client.

use vesta_oauth::{ErrorCode, OAuthError, Parameters, Upstream, UpstreamError, UpstreamUser};
use vesta_pages::{Link, Message};

use super::super::throttle::Asked;
use super::login::{address, go_on, with};
use super::view::{self, LeadsTo};
use super::{Shown, Visit, page_named};
use crate::audit::{Event, UNKNOWN, Who};

/// `GET /upstream`
pub(super) async fn start(visit: &Visit<'_>) -> Shown {
    // Each leaves a record.
    visit.call.throttle(Asked::Token, None)?;
    let engine = visit.call.engine;
    match engine.start_upstream(&visit.opened.session, visit.interaction(), visit.next()).await {
        Ok(url) => Ok(visit.redirect(&url)),
        Err(refused) => failed(visit, refused).await,
    }
}

/// `GET /upstream/callback`
pub(super) async fn back(visit: &Visit<'_>) -> Shown {
    visit.call.throttle(Asked::Login, None)?;
    let engine = visit.call.engine;
    let parameters = Parameters::new(visit.query.clone());
    match engine.finish_upstream(&parameters, &visit.opened.session).await {
        Ok(came) => came_back(visit, came).await,
        Err(refused) => failed(visit, refused).await,
    }
}

async fn came_back(visit: &Visit<'_>, came: UpstreamUser) -> Shown {
    let engine = visit.call.engine;
    let issuer = engine.settings().upstream.as_ref().map_or(UNKNOWN, |upstream| upstream.issuer.as_str());
    visit.record(Event::UpstreamLogIn, &came.user.id, issuer, came.user.patient()).await?;
    // What the way there was a part of goes on.
    let mut query = Vec::new();
    query.extend(came.interaction.clone().map(|id| ("interaction".to_owned(), id)));
    query.extend(came.next.as_deref().and_then(page_named).map(|page| ("next".to_owned(), page.to_owned())));
    if came.owes_second_factor {
        let opened = engine.log_in_half(&visit.opened.session, &came.user).await?;
        let mut visit = with(visit, opened, None);
        visit.query = query;
        return Ok(visit.redirect(&address(&visit, "second-factor")));
    }
    let opened = engine.log_in_upstream(&visit.opened.session, &came).await?;
    let visit = Visit { query, form: None, ..with(visit, opened.clone(), None) };
    go_on(&visit, opened, came.user).await
}

/// A page that says what was wrong, and to whom it is to be said.
async fn failed(visit: &Visit<'_>, refused: UpstreamError) -> Shown {
    let refused = match refused {
        UpstreamError::Failed(error) => return Err(error),
        UpstreamError::NoProvider => {
            return Err(OAuthError::new(
                ErrorCode::InvalidRequest,
                "this server knows no provider at which one could sign in (upstream.issuer of the site)",
            ));
        }
        refused => refused,
    };
    let Some(upstream) = &visit.call.engine.settings().upstream else {
        return Err(OAuthError::invalid_request("this server knows no provider at which one could sign in"));
    };
    tracing::warn!(
        request_id = visit.call.request_id,
        issuer = upstream.issuer,
        // A subject is a person's.
        reason = %refused,
        "a log-in by the upstream provider was refused"
    );
    let who = Who { client: &upstream.issuer, ..Who::UNKNOWN };
    visit.call.record(Event::UpstreamLogIn, who, false).await?;
    let (status, text, advice) = told(&refused, upstream);
    let detail = match &refused {
        UpstreamError::Unknown(identity) => {
            format!("vesta user link NAME --issuer {} --subject {}", identity.issuer, identity.subject)
        }
        refused => refused.to_string(),
    };
    let page = Message {
        title: "You are not signed in".to_owned(),
        text,
        advice: Some(advice),
        detail: Some(detail),
        links: vec![Link::new("Back to signing in", address(visit, "login"))],
        is_error: true,
        frame: visit.frame(),
    };
    let mut response = view::html(status, &page, LeadsTo::Here);
    visit.keep_session(&mut response);
    Ok(response)
}

fn told(refused: &UpstreamError, upstream: &Upstream) -> (u16, String, String) {
    let name = &upstream.name;
    let again = "Go back and sign in anew.".to_owned();
    let to_administrator =
        "Tell an administrator here what stands below: it is set up wrongly, or somebody interferes.";
    match refused {
        UpstreamError::Stale => (
            400,
            "This sign-in is over, was begun in another browser, or its answer has come before.".to_owned(),
            again,
        ),
        UpstreamError::Refused(code) if code == "access_denied" => {
            (403, format!("You cancelled it at {name}, or may not sign in there."), again)
        }
        UpstreamError::Refused(_) => (502, format!("{name} could not sign you in."), again),
        UpstreamError::NotRecent => (
            403,
            format!("The app wants to be sure that it is you, and {name} let you through without asking."),
            format!("Sign out at {name} first, then sign in anew."),
        ),
        UpstreamError::Unknown(_) => (
            403,
            format!("Your account at {name} belongs to nobody here."),
            "Ask an administrator here to link it to your user, by what stands below.".to_owned(),
        ),
        UpstreamError::Unverified => (
            403,
            format!("{name} has not verified your e-mail address, so it does not show who you are."),
            format!("Verify it at {name}, or ask an administrator here to link your account."),
        ),
        UpstreamError::Unreachable(_) => (
            502,
            format!("{name} cannot be reached, or does not answer as it should."),
            "Try again in a while. If it stays so, tell an administrator here what stands below.".to_owned(),
        ),
        _ => (502, format!("What {name} answered cannot be believed."), to_administrator.to_owned()),
    }
}
