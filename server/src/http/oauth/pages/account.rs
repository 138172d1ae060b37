//! A person's own account: password, second factor.

use vesta_oauth::{LoginError, Role, User};
use vesta_pages::{
    Account, Form, Link, Mistake, RecoveryCodes, SecondFactorState, SetUpSecondFactor, TurnOffSecondFactor,
};

use super::super::form;
use super::super::throttle::Asked;
use super::{PAGES, Shown, Visit};
use crate::audit::{Event, Who};
use crate::site::with_password;

pub(super) async fn account(visit: &Visit<'_>) -> Shown {
    let user = match visit.needed("account") {
        Ok(user) => user,
        Err(login) => return Ok(visit.redirect(&login)),
    };
    match visit.field("action") {
        "password" => password(visit, user).await,
        "set-up-second-factor" => set_up(visit, user).await,
        "confirm-second-factor" => confirm(visit, user).await,
        "turn-off-second-factor" => turn_off(visit, user).await,
        _ if form::value(&visit.query, "ask") == Some("turn-off") => {
            Ok(visit.show(&ask_to_turn_off(visit, Vec::new())))
        }
        _ => Ok(visit.show(&page(visit, user, Vec::new()))),
    }
}

fn ask_to_turn_off(visit: &Visit<'_>, mistakes: Vec<Mistake>) -> TurnOffSecondFactor {
    TurnOffSecondFactor {
        frame: visit.frame(),
        form: Form::to(visit.url("account")).with("action", "turn-off-second-factor"),
        mistakes,
        cancel: visit.url("account"),
    }
}

fn page(visit: &Visit<'_>, user: &User, mistakes: Vec<Mistake>) -> Account {
    let form = |action: &str| Form::to(visit.url("account")).with("action", action);
    let role = match user.role {
        Role::Patient => "Patient",
        Role::Staff => "Staff",
        Role::Administrator => "Administrator",
    };
    Account {
        frame: visit.frame(),
        username: user.name.clone(),
        role: format!("{role}: {}", user.display_name),
        change_password: form("password"),
        shortest: vesta_oauth::SHORTEST_PASSWORD,
        second_factor: match user.has_second_factor() {
            true => SecondFactorState::On {
                since: jiff::Timestamp::from_second(user.second_factor_since).unwrap_or_default(),
                recovery_codes_left: user.recovery_hashes.len(),
                new_codes: form("set-up-second-factor"),
                turn_off: Some(format!("{}?ask=turn-off", visit.url("account"))),
            },
            false => SecondFactorState::Off { set_up: form("set-up-second-factor") },
        },
        mistakes,
    }
}

async fn password(visit: &Visit<'_>, user: &User) -> Shown {
    let field = |name: &str| visit.field(name).to_owned();
    let (current, new, repeated) = (field("current-password"), field("new-password"), field("repeated-password"));
    let wrong = |name: &'static str, text: String| Ok(visit.show(&page(visit, user, vec![Mistake::new(name, text)])));
    if new != repeated {
        return wrong("repeated-password", "The two are not the same".to_owned());
    }
    if let Err(error) = vesta_oauth::check_strength(&user.name, &new) {
        return wrong("new-password", error.description.into_owned());
    }
    let engine = visit.call.engine;
    visit.call.throttle(Asked::Login, Some(&user.name))?;
    // Before it is done: nothing is changed that is not recorded.
    visit.record_changed(user).await?;
    let (name, id, session) = (user.name.clone(), user.id.clone(), visit.opened.session.key.clone());
    let changed = with_password(engine, move |engine| async move {
        engine.check_password(&name, &current).await?;
        engine.set_password(&id, &new, Some(&session)).await.map_err(LoginError::from)
    });
    match changed.await? {
        Ok(_) => Ok(visit.redirect(&format!("{}?notice=password", visit.url("account")))),
        Err(LoginError::Failed(error)) => Err(error),
        Err(error) => wrong("current-password", format!("{error}")),
    }
}

async fn set_up(visit: &Visit<'_>, user: &User) -> Shown {
    let (secret, uri) = visit.call.engine.new_totp(user, "Vesta")?;
    Ok(visit.show(&set_up_page(visit, secret, uri, Vec::new())))
}

fn set_up_page(visit: &Visit<'_>, secret: String, uri: String, mistakes: Vec<Mistake>) -> SetUpSecondFactor {
    SetUpSecondFactor {
        frame: visit.frame(),
        form: Form::to(visit.url("account"))
            .with("action", "confirm-second-factor")
            .with("secret", &secret)
            .with("uri", &uri),
        uri,
        secret,
        mistakes,
        cancel: visit.url("account"),
    }
}

/// The secret comes back from the form that it was put in: a code of the device shows that it is the device's.
async fn confirm(visit: &Visit<'_>, user: &User) -> Shown {
    let (secret, code) = (visit.field("secret"), visit.field("code"));
    visit.record_changed(user).await?;
    match visit.call.engine.confirm_totp(&user.id, secret, code).await {
        Ok(codes) => {
            let done = Link::new("I have kept them", visit.url("account"));
            Ok(visit.show(&RecoveryCodes { frame: visit.frame(), codes, done }))
        }
        Err(error) => {
            let mistakes = vec![Mistake::new("code", error.description.into_owned())];
            let (secret, uri) = (secret.to_owned(), visit.field("uri").to_owned());
            Ok(visit.show(&set_up_page(visit, secret, uri, mistakes)))
        }
    }
}

/// By whoever has it: a session that was left open is not enough.
async fn turn_off(visit: &Visit<'_>, user: &User) -> Shown {
    let engine = visit.call.engine;
    let wrong = |text: String| Ok(visit.show(&ask_to_turn_off(visit, vec![Mistake::new("code", text)])));
    let code = visit.field("code");
    if code.is_empty() {
        return wrong("Enter the code".to_owned());
    }
    visit.call.throttle(Asked::Login, Some(&user.name))?;
    match engine.check_second_factor(&user.id, code).await {
        Ok(_) => {
            visit.record_changed(user).await?;
            engine.reset_second_factor(&user.id).await?;
            Ok(visit.redirect(&format!("{}?notice=second-factor-off", visit.url("account"))))
        }
        Err(LoginError::Failed(error)) => Err(error),
        Err(error) => {
            visit
                .call
                .record(Event::SecondFactor, Who { actor: &user.id, client: PAGES, ..Who::UNKNOWN }, false)
                .await?;
            wrong(error.to_string())
        }
    }
}
