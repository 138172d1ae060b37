//! On the way to an app: choose a patient and a visit, consent. What comes next is the engine's word each time.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use poem::{Request, Response};
use vesta_oauth::{Client, Named, OAuthError, Parameters, Refusal, Role, Step, User, read_scope};
use vesta_pages::words::{Access, Level, Permissions, Scope};
use vesta_pages::{App, Consent, EncounterPicker, Link, Mistake, PatientPicker, Record};

use super::super::chart::{Chart, Wanted};
use super::super::throttle::Asked;
use super::super::{Call, form};
use super::login::{is_id, target};
use super::view::{self, LeadsTo};
use super::{Shown, Visit, open_session, parameters};
use crate::audit::{Event, Who};

/// `GET` and `POST /authorize`: "authorization servers SHALL support" both.
/// <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code>
pub(in super::super) async fn authorize(call: &Call<'_>, request: &mut Request) -> Response {
    match begin(call, request).await {
        Ok(response) => response,
        Err(refused) => view::refused(call, &refused),
    }
}

async fn begin(call: &Call<'_>, request: &mut Request) -> Shown {
    let parameters = match parameters(call, request, "authorize").await? {
        Ok(parameters) => parameters,
        Err(by_get) => return Ok(by_get),
    };
    // Each leaves a record, also in a session that is there.
    call.throttle(Asked::Token, None)?;
    let mut opened = open_session(call, request).await?;
    match call.engine.begin(&Parameters::new(parameters), &opened.session).await {
        Ok((id, session)) => {
            opened.session = session;
            go_on(&Visit::of(call, opened).await?, &id).await
        }
        Err(Refusal::Redirect(url)) => Ok(Visit::of(call, opened).await?.redirect(&url)),
        Err(Refusal::Show(refused)) => Ok(Visit::of(call, opened).await?.refused(&refused, None)),
        Err(Refusal::Offer { error, back }) => Ok(Visit::of(call, opened).await?.refused(&error, Some(&back))),
    }
}

/// To the page of the next step, or back to the app.
pub(super) async fn go_on(visit: &Visit<'_>, id: &str) -> Shown {
    let page = match visit.call.engine.step(id, &visit.opened.session).await? {
        Step::Login { .. } => "login",
        Step::SecondFactor => "second-factor",
        Step::PickPatient { .. } => "smart/patient-select",
        Step::PickEncounter { .. } => "smart/encounter-select",
        Step::Consent(_) => "scope-authorize-confirm",
        Step::Approved { client, user, patient } => {
            visit.record(Event::ConsentSkipped, &user.id, &client.id, patient.as_deref()).await?;
            return Ok(visit.redirect(&visit.call.engine.grant_approved(id, &visit.opened.session).await?));
        }
        Step::Redirect(url) => return Ok(visit.redirect(&url)),
    };
    if !is_id(id) {
        return Err(OAuthError::invalid_request("this is no request of this server's"));
    }
    Ok(visit.redirect(&format!("{}?interaction={id}", visit.url(page))))
}

fn needed<'a>(visit: &'a Visit<'_>) -> Result<&'a str, OAuthError> {
    visit
        .interaction()
        .ok_or_else(|| OAuthError::invalid_request("this page is a part of signing in to an app: start there"))
}

/// `GET` and `POST /smart/patient-select`. The search and the choice are two forms of one page.
pub(super) async fn patient(visit: &Visit<'_>) -> Shown {
    let id = needed(visit)?;
    let engine = visit.call.engine;
    let Step::PickPatient { client, user } = engine.step(id, &visit.opened.session).await? else {
        return go_on(visit, id).await;
    };
    let chart = Chart::of_user(visit.call, &user);
    let chosen = visit.field("patient");
    if !chosen.is_empty() {
        // What a form says is looked up once more: it must be a patient that this user may see.
        if chart.patient(chosen).await?.is_none() {
            return Err(OAuthError::invalid_request("there is no such patient"));
        }
        engine.choose_patient(id, &visit.opened.session, chosen).await?;
        return go_on(visit, id).await;
    }
    let picker = search(visit, &chart, "smart/patient-select", Some(client.name.clone())).await?;
    let redirect_uri = engine.interaction(id, &visit.opened.session).await?.request.redirect_uri;
    Ok(visit.show_leading(&picker, LeadsTo::App(&redirect_uri)))
}

/// The page on which a patient is looked for.
pub(super) async fn search(
    visit: &Visit<'_>,
    chart: &Chart<'_>,
    path: &str,
    app: Option<String>,
) -> Result<PatientPicker, OAuthError> {
    let mut picker = PatientPicker {
        frame: visit.frame(),
        search: target(visit, path),
        choose: target(visit, path),
        app,
        name: visit.field("name").to_owned(),
        birth_date: visit.field("birth-date").to_owned(),
        identifier: visit.field("identifier").to_owned(),
        found: None,
        pager: Default::default(),
        mistakes: Vec::new(),
        cancel: None,
    };
    if visit.form.is_some() {
        let wanted = Wanted { name: &picker.name, birth_date: &picker.birth_date, identifier: &picker.identifier };
        if !picker.birth_date.is_empty() && picker.birth_date.parse::<jiff::civil::Date>().is_err() {
            picker.mistakes.push(Mistake::new("birth-date", "Enter the birth date as year, month and day: 1985-08-01"));
            return Ok(picker);
        }
        let (found, more) = chart.patients(&wanted).await?;
        if more {
            picker.mistakes.push(Mistake::new(
                "name",
                "More patients match than are shown: enter more of the name, or the birth date",
            ));
        }
        picker.found = Some(found);
    }
    Ok(picker)
}

/// `GET` and `POST /smart/encounter-select`
pub(super) async fn encounter(visit: &Visit<'_>) -> Shown {
    let id = needed(visit)?;
    let engine = visit.call.engine;
    let Step::PickEncounter { client, user, patient } = engine.step(id, &visit.opened.session).await? else {
        return go_on(visit, id).await;
    };
    let chart = Chart::of_user(visit.call, &user);
    if let Some(fields) = &visit.form {
        let chosen = form::value(fields, "encounter");
        if let Some(chosen) = chosen
            && !chart.has_encounter(&patient, chosen).await?
        {
            return Err(OAuthError::invalid_request("this is no visit of the patient's"));
        }
        engine.choose_encounter(id, &visit.opened.session, chosen).await?;
        return go_on(visit, id).await;
    }
    let page = EncounterPicker {
        frame: visit.frame(),
        choose: target(visit, "smart/encounter-select"),
        app: Some(client.name),
        found: chart.encounters(&patient).await?,
        patient: chart.patient(&patient).await?.unwrap_or_default(),
        pager: Default::default(),
        optional: true,
        cancel: None,
    };
    let redirect_uri = engine.interaction(id, &visit.opened.session).await?.request.redirect_uri;
    Ok(visit.show_leading(&page, LeadsTo::App(&redirect_uri)))
}

/// `GET` and `POST /scope-authorize-confirm`
pub(super) async fn consent(visit: &Visit<'_>) -> Shown {
    let id = needed(visit)?;
    let engine = visit.call.engine;
    let Step::Consent(asked) = engine.step(id, &visit.opened.session).await? else {
        return go_on(visit, id).await;
    };
    let mut mistake = None;
    if let Some(fields) = &visit.form {
        let patient = asked.patient.as_deref();
        let who = Who { actor: &asked.user.id, client: &asked.client.id, patient, user: None };
        if form::value(fields, "decision") == Some("deny") {
            visit.call.record(Event::Consent, who, false).await?;
            return Ok(visit.redirect(&engine.deny(id, &visit.opened.session).await?));
        }
        let approved: Vec<String> = form::values(fields, "scope").map(str::to_owned).collect();
        if approved.is_empty() {
            mistake = Some("Choose at least one, or deny.".to_owned());
        } else {
            visit.call.record(Event::Consent, who, true).await?;
            return Ok(visit.redirect(&engine.decide(id, &visit.opened.session, &approved).await?));
        }
    }
    let interaction = engine.interaction(id, &visit.opened.session).await?;
    let redirect_uri = interaction.request.redirect_uri;
    let (scopes, other) = split(&asked.scopes);
    let page = Consent {
        frame: visit.frame(),
        form: target(visit, "scope-authorize-confirm"),
        app: app(&asked.client, &redirect_uri),
        record: record(visit, &asked.user, asked.patient.as_deref()).await?,
        scopes,
        identity: other.clone(),
        offline_until: other.iter().any(|scope| scope == "offline_access").then(|| day(asked.offline_until)).flatten(),
        online: other.iter().any(|scope| scope == "online_access"),
        mistake,
    };
    Ok(visit.show_leading(&page, LeadsTo::App(&redirect_uri)))
}

fn app(client: &Client, redirect_uri: &str) -> App {
    let links =
        [("Website", client.client_uri()), ("Privacy policy", client.policy_uri()), ("Terms", client.tos_uri())];
    let goes_to = url::Url::parse(redirect_uri).ok().map(|url| match url.host_str() {
        Some(host) => host.to_owned(),
        None => url.scheme().to_owned(),
    });
    App {
        name: client.name.clone(),
        links: links.into_iter().filter_map(|(text, url)| Some(Link::new(text, url?))).collect(),
        goes_to: goes_to.unwrap_or_default(),
        registered: day(client.registered),
    }
}

async fn record(visit: &Visit<'_>, user: &User, patient: Option<&str>) -> Result<Record, OAuthError> {
    if user.role == Role::Patient {
        return Ok(Record::Own);
    }
    let Some(patient) = patient else { return Ok(Record::Any) };
    let found = Chart::of_user(visit.call, user).patient(patient).await?;
    let found = found.ok_or_else(|| OAuthError::invalid_request("there is no such patient"))?;
    let about = [found.birth_date.as_str(), found.sex.as_str()].join(", ");
    Ok(Record::Patient { name: found.name, about })
}

fn day(seconds: i64) -> Option<jiff::civil::Date> {
    Some(TimeZone::UTC.to_datetime(Timestamp::from_second(seconds).ok()?).date())
}

/// Scopes on records, in the words' form, and the others.
pub(super) fn split(scopes: &[String]) -> (Vec<Scope>, Vec<String>) {
    let (mut of_records, mut others) = (Vec::new(), Vec::new());
    for text in scopes {
        match read_scope(text) {
            Ok(Named::Resource(scope)) => of_records.push(in_words(&scope, text)),
            _ => others.push(text.clone()),
        }
    }
    (of_records, others)
}

fn in_words(scope: &vesta_oauth::Scope, text: &str) -> Scope {
    use vesta_oauth::Permission::{Create, Delete, Read, Search, Update};
    let may = |permission| scope.permissions.include(permission);
    Scope {
        level: match scope.level {
            vesta_oauth::Level::Patient => Level::Patient,
            vesta_oauth::Level::User => Level::User,
            vesta_oauth::Level::System => Level::System,
        },
        resource_type: scope.resource_type.clone(),
        access: Access::Permissions(Permissions {
            create: may(Create),
            read: may(Read),
            update: may(Update),
            delete: may(Delete),
            search: may(Search),
        }),
        constraint: scope.constraint.clone(),
        text: Some(text.to_owned()),
    }
}
