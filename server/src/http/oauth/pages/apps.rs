//! The apps with access, and taking it back: "management_endpoint". At once: the next request of the app is refused.

use jiff::Timestamp;
use vesta_oauth::{Access, Grant, OAuthError, Role, User};
use vesta_pages::words::Reader;
use vesta_pages::{Apps, Confirm, Form, Granted, Link};

use super::super::chart::Chart;
use super::interaction::split;
use super::{Shown, Visit};
use crate::audit::Event;

pub(super) async fn apps(visit: &Visit<'_>) -> Shown {
    let user = match visit.needed("apps") {
        Ok(user) => user,
        Err(login) => return Ok(visit.redirect(&login)),
    };
    let mut grants = Vec::new();
    for grant in visit.call.engine.grants_of_user(&user.id).await? {
        grants.push(granted(visit, user, &grant).await?);
    }
    grants.sort_by_key(|grant| std::cmp::Reverse(grant.since));
    let reader = if user.role == Role::Patient { Reader::Patient } else { Reader::Staff };
    Ok(visit.show(&Apps { frame: visit.frame(), reader, grants }))
}

/// `GET` asks, `POST` takes it back.
pub(super) async fn app(visit: &Visit<'_>, id: &str) -> Shown {
    let user = match visit.needed("apps") {
        Ok(user) => user,
        Err(login) => return Ok(visit.redirect(&login)),
    };
    let grant = visit.call.engine.grant(id).await?.filter(|grant| grant.user == user.id);
    let Some(grant) = grant else {
        return Ok(visit.redirect(&visit.url("apps")));
    };
    if visit.form.is_some() {
        visit.record(Event::TokenRevoked, &user.id, &grant.client, grant.context.patient.as_deref()).await?;
        visit.call.engine.revoke_grant(&grant.id).await?;
        tracing::info!(
            request_id = visit.call.request_id,
            client = grant.client,
            "a user took back what an app was granted"
        );
        return Ok(visit.redirect(&format!("{}?notice=revoked", visit.url("apps"))));
    }
    let name = client_name(visit, &grant.client).await?;
    let page = Confirm {
        frame: visit.frame(),
        form: Form::to(visit.url(&format!("apps/{}", grant.id))),
        title: format!("Take back what {name} may do?"),
        text: vec![
            "The app has no more access from now on. What it has already received, it may keep.".to_owned(),
            "If you want to use it again, it will ask you again.".to_owned(),
        ],
        yes: "Revoke access".to_owned(),
        no: Link::new("Keep it", visit.url("apps")),
        danger: true,
    };
    Ok(visit.show(&page))
}

async fn granted(visit: &Visit<'_>, user: &User, grant: &Grant) -> Result<Granted, OAuthError> {
    let (scopes, other) = split(&grant.scopes);
    let patient = match (&grant.context.patient, user.role) {
        (Some(patient), Role::Staff | Role::Administrator) => {
            Chart::of_user(visit.call, user).patient(patient).await?.map(|patient| patient.name)
        }
        _ => None,
    };
    let time = |seconds: i64| Timestamp::from_second(seconds).ok();
    Ok(Granted {
        app: client_name(visit, &grant.client).await?,
        revoke: visit.url(&format!("apps/{}", grant.id)),
        since: time(grant.created).unwrap_or_default(),
        last_used: time(grant.last_used),
        expires: match grant.access {
            Access::Online => None,
            Access::Once | Access::Offline => time(grant.expires_at()),
        },
        patient,
        scopes,
        other,
    })
}

pub(super) async fn client_name(visit: &Visit<'_>, id: &str) -> Result<String, OAuthError> {
    let client = visit.call.engine.client(id).await?;
    Ok(client.map_or_else(|| "An app that is no longer registered".to_owned(), |client| client.name))
}
