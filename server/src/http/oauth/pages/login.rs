//! Log in: user name and password, then the second factor where there is one.

use vesta_oauth::{LoginError, OAuthError, Opened, Role, Step, User};
use vesta_pages::{Form, Link, Login, Mistake, Reason, SecondFactor};

use super::super::throttle::Asked;
use super::view::LeadsTo;
use super::{PAGES, Shown, Visit, form};
use crate::audit::{Event, Who};
use crate::site::with_password;

pub(super) async fn login(visit: &Visit<'_>) -> Shown {
    match &visit.form {
        None => show(visit, None, Vec::new()).await,
        Some(_) => submitted(visit).await,
    }
}

async fn show(visit: &Visit<'_>, reason: Option<Reason>, mistakes: Vec<Mistake>) -> Shown {
    let mut page = Login {
        frame: visit.frame(),
        form: target(visit, "login"),
        app: None,
        username: visit.field("username").to_owned(),
        reason,
        mistakes,
        elsewhere: Vec::new(),
        staff_elsewhere: false,
        cancel: None,
    };
    let settings = visit.call.engine.settings();
    if let Some(upstream) = &settings.upstream {
        page.elsewhere.push(Link::new(&upstream.name, address(visit, "upstream")));
    }
    page.staff_elsewhere = !settings.staff_passwords;
    let mut leads_to = None;
    if let Some(id) = visit.interaction() {
        let engine = visit.call.engine;
        match engine.step(id, &visit.opened.session).await? {
            Step::Login { hint } => {
                if page.username.is_empty() {
                    page.username = hint.unwrap_or_default();
                }
                if page.reason.is_none() && visit.user.is_some() {
                    page.reason = Some(Reason::AskedAgain);
                }
            }
            _ if visit.form.is_none() => return super::interaction::go_on(visit, id).await,
            _ => {}
        }
        let interaction = engine.interaction(id, &visit.opened.session).await?;
        page.app = engine.client(&interaction.request.client).await?.map(|client| client.name);
        leads_to = Some(interaction.request.redirect_uri);
    } else if visit.user.is_some() && visit.form.is_none() {
        return Ok(visit.redirect(&home(visit, visit.user.as_ref())));
    }
    // The head names nobody while it is asked who is there.
    page.frame.person = None;
    Ok(visit.show_leading(&page, leads_to.as_deref().map_or(LeadsTo::Here, LeadsTo::App)))
}

async fn submitted(visit: &Visit<'_>) -> Shown {
    let engine = visit.call.engine;
    let (name, password) = (visit.field("username").to_owned(), visit.field("password").to_owned());
    let mut mistakes = Vec::new();
    if name.is_empty() {
        mistakes.push(Mistake::new("username", "Enter your username"));
    }
    if password.is_empty() {
        mistakes.push(Mistake::new("password", "Enter your password"));
    }
    if !mistakes.is_empty() {
        return show(visit, None, mistakes).await;
    }
    visit.call.throttle(Asked::Login, Some(&name))?;
    let asked = name.clone();
    let checked =
        with_password(engine, move |engine| async move { engine.check_password(&asked, &password).await }).await?;
    match checked {
        Ok(user) if user.has_second_factor() => {
            visit.record(Event::LogIn, &user.id, PAGES, user.patient()).await?;
            let opened = engine.log_in_half(&visit.opened.session, &user).await?;
            tracing::info!(request_id = visit.call.request_id, "a password was right, the second factor is asked for");
            let visit = with(visit, opened, None);
            Ok(visit.redirect(&address(&visit, "second-factor")))
        }
        Ok(user) => logged_in(visit, user).await,
        Err(error) => refused(visit, error).await,
    }
}

async fn refused(visit: &Visit<'_>, error: LoginError) -> Shown {
    tracing::warn!(
        request_id = visit.call.request_id,
        client = visit.call.address.map(|address| address.to_string()),
        reason = %error,
        "a log-in was refused"
    );
    visit.call.record(Event::LogIn, Who::UNKNOWN, false).await?;
    let reason = match error {
        LoginError::Locked(seconds) => Reason::TooMany { minutes: seconds.unsigned_abs().div_ceil(60) },
        LoginError::Failed(error) => return Err(error),
        LoginError::Elsewhere => Reason::Elsewhere,
        LoginError::Wrong | LoginError::WrongCode => Reason::Refused,
    };
    show(visit, Some(reason), Vec::new()).await
}

async fn logged_in(visit: &Visit<'_>, user: User) -> Shown {
    let event = if user.has_second_factor() { Event::SecondFactor } else { Event::LogIn };
    visit.record(event, &user.id, PAGES, user.patient()).await?;
    let opened = visit.call.engine.log_in(&visit.opened.session, &user).await?;
    go_on(visit, opened, user).await
}

/// In the session that a user who has just logged in has from now on.
pub(super) async fn go_on(visit: &Visit<'_>, opened: Opened, user: User) -> Shown {
    tracing::info!(request_id = visit.call.request_id, user = user.id, "somebody logged in");
    let visit = with(visit, opened, Some(user));
    match visit.interaction() {
        Some(id) => super::interaction::go_on(&visit, id).await,
        None => Ok(visit.redirect(&home(&visit, visit.user.as_ref()))),
    }
}

pub(super) async fn second_factor(visit: &Visit<'_>) -> Shown {
    let Some(half) = &visit.opened.session.half else {
        return Ok(visit.redirect(&address(visit, "login")));
    };
    let recovery = form::value(&visit.query, "recovery").is_some() || visit.field("recovery") == "true";
    let mut page = SecondFactor {
        frame: visit.frame(),
        form: target(visit, "second-factor"),
        recovery,
        other: String::new(),
        reason: None,
        mistakes: Vec::new(),
    };
    if recovery {
        page.form = page.form.with("recovery", "true");
    }
    let mut other = address(visit, "second-factor");
    if !recovery {
        other.push_str(if other.contains('?') { "&recovery=true" } else { "?recovery=true" });
    }
    page.other = other;
    if visit.form.is_none() {
        return Ok(visit.show(&page));
    }
    let code = visit.field("code");
    if code.is_empty() {
        page.mistakes.push(Mistake::new("code", "Enter the code"));
        return Ok(visit.show(&page));
    }
    visit.call.throttle(Asked::Login, Some(half))?;
    match visit.call.engine.check_second_factor(half, code).await {
        Ok(user) => logged_in(visit, user).await,
        Err(LoginError::Failed(error)) => Err(error),
        Err(LoginError::Locked(seconds)) => {
            page.reason = Some(Reason::TooMany { minutes: seconds.unsigned_abs().div_ceil(60) });
            Ok(visit.show(&page))
        }
        Err(LoginError::Wrong | LoginError::WrongCode | LoginError::Elsewhere) => {
            visit.call.record(Event::SecondFactor, Who { actor: half, client: PAGES, ..Who::UNKNOWN }, false).await?;
            page.mistakes
                .push(Mistake::new("code", "The code is not right, or was used before. Wait for the next one"));
            Ok(visit.show(&page))
        }
    }
}

/// The same visit, in the session that it has from now on.
pub(super) fn with<'a>(visit: &Visit<'a>, opened: Opened, user: Option<User>) -> Visit<'a> {
    Visit { call: visit.call, opened, user, query: visit.query.clone(), form: visit.form.clone() }
}

/// Where a form of this page goes, with what leads on.
pub(super) fn target(visit: &Visit<'_>, path: &str) -> Form {
    let mut form = Form::to(visit.url(path));
    if let Some(id) = visit.interaction() {
        form = form.with("interaction", id);
    }
    if let Some(next) = visit.next() {
        form = form.with("next", next);
    }
    form
}

/// The same as an address.
pub(super) fn address(visit: &Visit<'_>, path: &str) -> String {
    match (visit.interaction(), visit.next()) {
        // Only an id of ours leads anywhere; it is put into the address as it is only if it can be one.
        (Some(id), _) if is_id(id) => format!("{}?interaction={id}", visit.url(path)),
        (_, Some(next)) => format!("{}?next={next}", visit.url(path)),
        _ => visit.url(path),
    }
}

pub(super) fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Where somebody goes who has just logged in.
fn home(visit: &Visit<'_>, user: Option<&User>) -> String {
    let page = visit.next().unwrap_or(match user.map(|user| user.role) {
        Some(Role::Staff) => "launcher",
        Some(Role::Administrator) => "clients",
        Some(Role::Patient) | None => "apps",
    });
    visit.url(page)
}

/// What only an administrator may.
pub(super) fn refuse_others(user: &User) -> Result<(), OAuthError> {
    match user.role {
        Role::Administrator => Ok(()),
        _ => Err(OAuthError::new(vesta_oauth::ErrorCode::AccessDenied, "this page is for administrators")),
    }
}
