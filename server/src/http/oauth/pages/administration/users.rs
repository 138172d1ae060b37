//! People.

use jiff::Timestamp;
use vesta_oauth::{ErrorCode, NewUser, OAuthError, Role, UpstreamIdentity, User};
use vesta_pages::{Form, Identity, Mistake, Pager, UserRow, UserState, Users};

use super::super::super::form;
use super::super::login::refuse_others;
use super::super::{Shown, Visit};
use crate::site::with_password;

const ROWS: usize = 50;
/// The page on which a user is added, in place of an id.
const NEW: &str = "new";

pub(in super::super) async fn users(visit: &Visit<'_>) -> Shown {
    let user = match visit.needed("users") {
        Ok(user) => user,
        Err(login) => return Ok(visit.redirect(&login)),
    };
    refuse_others(user)?;
    let engine = visit.call.engine;
    let value = |name: &str| form::value(&visit.query, name).unwrap_or_default();
    let name = value("name").to_lowercase();
    let mut after = Some(value("after").to_owned()).filter(|after| !after.is_empty());
    let (mut rows, mut next) = (Vec::new(), None);
    'filled: loop {
        let found = engine.users(after.as_deref(), ROWS).await?;
        for user in &found {
            let is_meant = user.name.to_lowercase().contains(&name) || user.display_name.to_lowercase().contains(&name);
            if is_meant {
                if rows.len() == ROWS {
                    next = after;
                    break 'filled;
                }
                rows.push(row(visit, user).await?);
            }
            after = Some(user.id.clone());
        }
        if found.len() < ROWS {
            break;
        }
    }
    let next = next.map(|after| {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("name", name.as_str()), ("after", &after)])
            .finish();
        format!("{}?{query}", visit.url("users"))
    });
    let page = Users {
        frame: visit.frame(),
        search: Form::to(visit.url("users")),
        name: value("name").to_owned(),
        add: visit.url(&format!("users/{NEW}")),
        users: rows,
        pager: Pager { previous: None, next },
    };
    Ok(visit.show(&page))
}

async fn row(visit: &Visit<'_>, user: &User) -> Result<UserRow, OAuthError> {
    let role = match user.role {
        Role::Patient => "Patient",
        Role::Staff => "Staff",
        Role::Administrator => "Administrator",
    };
    let locked = visit.call.engine.locked_until(user).await?.and_then(|until| Timestamp::from_second(until).ok());
    Ok(UserRow {
        name: user.display_name.clone(),
        username: user.name.clone(),
        href: visit.url(&format!("users/{}", user.id)),
        role: role.to_owned(),
        record: user.fhir_user.clone(),
        state: match (user.enabled, locked) {
            (false, _) => UserState::Disabled,
            (true, Some(until)) => UserState::Locked { until },
            (true, None) => UserState::Active,
        },
        last_login: user.last_login.and_then(|last| Timestamp::from_second(last).ok()),
        second_factor: user.has_second_factor(),
    })
}

pub(in super::super) async fn user(visit: &Visit<'_>, id: &str) -> Shown {
    let own = match visit.needed("users") {
        Ok(user) => user,
        Err(login) => return Ok(visit.redirect(&login)),
    };
    refuse_others(own)?;
    if id == NEW {
        return add(visit).await;
    }
    let engine = visit.call.engine;
    let Some(known) = engine.user(id).await? else {
        return Ok(visit.redirect(&visit.url("users")));
    };
    let action = visit.field("action").to_owned();
    if visit.form.is_some() {
        visit.record_changed(&known).await?;
    }
    let (mut password, mut mistakes) = (None, Vec::new());
    match action.as_str() {
        "disable" if known.id != own.id => drop(engine.set_user_enabled(id, false).await?),
        "disable" => return Err(OAuthError::invalid_request("nobody disables themselves: ask another administrator")),
        "enable" => drop(engine.set_user_enabled(id, true).await?),
        "unlock" => drop(engine.unlock_user(id).await?),
        "reset-second-factor" => drop(engine.reset_second_factor(id).await?),
        "reset-password" => {
            let fresh = engine.new_password();
            let (user, new) = (id.to_owned(), fresh.clone());
            with_password(engine, move |engine| async move { engine.set_password(&user, &new, None).await }).await??;
            password = Some(fresh);
        }
        "link" => mistakes.extend(link(visit, id).await?),
        "unlink" => drop(engine.unlink_user(id, None).await?),
        _ => {}
    }
    if visit.form.is_some() && password.is_none() && mistakes.is_empty() {
        return Ok(visit.redirect(&format!("{}?notice=saved", visit.url(&format!("users/{id}")))));
    }
    let known = engine.user(id).await?.unwrap_or(known);
    let page = vesta_pages::User {
        frame: visit.frame(),
        form: Form::to(visit.url(&format!("users/{id}"))),
        back: visit.url("users"),
        row: row(visit, &known).await?,
        created: Timestamp::from_second(known.created).unwrap_or_default(),
        password,
        own: known.id == own.id,
        identities: known.upstream.iter().map(identity).collect(),
        provider: engine.settings().upstream.as_ref().map(|upstream| upstream.name.clone()),
        subject: if mistakes.is_empty() { String::new() } else { visit.field("subject").to_owned() },
        mistakes,
    };
    Ok(visit.show(&page))
}

fn identity(known: &UpstreamIdentity) -> Identity {
    Identity { issuer: known.issuer.clone(), subject: known.subject.clone() }
}

/// Lets the person in as this user who is that subject at the upstream provider; what is wrong with it, if anything is.
async fn link(visit: &Visit<'_>, id: &str) -> Result<Option<Mistake>, OAuthError> {
    let engine = visit.call.engine;
    let upstream = engine.settings().upstream.as_ref();
    let upstream = upstream.ok_or_else(|| {
        OAuthError::invalid_request(
            "this server knows no provider at which one could sign in (upstream.issuer of the site)",
        )
    })?;
    let subject = visit.field("subject").trim();
    if subject.is_empty() {
        return Ok(Some(Mistake::new("subject", "Enter who the person is there")));
    }
    let identity = UpstreamIdentity { issuer: upstream.issuer.clone(), subject: subject.to_owned() };
    match engine.link_user(id, &identity).await {
        Ok(_) => Ok(None),
        Err(error) if error.code == ErrorCode::InvalidRequest => {
            Ok(Some(Mistake::new("subject", error.description.into_owned())))
        }
        Err(error) => Err(error),
    }
}

async fn add(visit: &Visit<'_>) -> Shown {
    let field = |name: &str| visit.field(name).trim().to_owned();
    let role = match visit.field("role") {
        "patient" => Some((Role::Patient, vesta_pages::Role::Patient)),
        "staff" => Some((Role::Staff, vesta_pages::Role::Staff)),
        "administrator" => Some((Role::Administrator, vesta_pages::Role::Administrator)),
        _ => None,
    };
    let mut page = vesta_pages::NewUser {
        frame: visit.frame(),
        form: Form::to(visit.url(&format!("users/{NEW}"))),
        back: visit.url("users"),
        username: field("username"),
        name: field("name"),
        role: role.map(|(_, role)| role),
        record: field("record"),
        shortest: vesta_oauth::SHORTEST_PASSWORD,
        mistakes: Vec::new(),
    };
    if visit.form.is_none() {
        return Ok(visit.show(&page));
    }
    let Some((role, _)) = role else {
        page.mistakes.push(Mistake::new("role", "Choose what the person is here"));
        return Ok(visit.show(&page));
    };
    let (name, display, record, password) =
        (page.username.clone(), page.name.clone(), page.record.clone(), visit.field("new-password").to_owned());
    let added = with_password(visit.call.engine, move |engine| async move {
        let new = NewUser {
            name: &name,
            display_name: if display.is_empty() { &name } else { &display },
            email: None,
            role,
            fhir_user: Some(record.as_str()),
            password: Some(&password),
        };
        engine.add_user(&new).await
    });
    match added.await? {
        Ok(user) => {
            visit.record_changed(&user).await?;
            Ok(visit.redirect(&format!("{}?notice=saved", visit.url(&format!("users/{}", user.id)))))
        }
        Err(error) => {
            let field = match &*error.description {
                text if text.contains("password") => "new-password",
                text if text.contains("record") || text.contains("Practitioner") => "record",
                _ => "username",
            };
            page.mistakes.push(Mistake::new(field, error.description.into_owned()));
            Ok(visit.show(&page))
        }
    }
}
