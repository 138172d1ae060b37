//! The record system's side of a launch: a clinician picks a patient, and a visit, and starts an app.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch>

use vesta_oauth::{ClientState, ErrorCode, LaunchContext, OAuthError, Role};
use vesta_pages::{Form, Launchable, Launcher};

use super::super::chart::Chart;
use super::super::form;
use super::interaction::search;
use super::{Shown, Visit, view};
use crate::audit::Event;

/// Apps that are shown.
const MOST: usize = 200;

pub(super) async fn launcher(visit: &Visit<'_>) -> Shown {
    let user = match visit.needed("launcher") {
        Ok(user) => user,
        Err(login) => return Ok(visit.redirect(&login)),
    };
    if user.role == Role::Patient {
        return Err(OAuthError::new(
            ErrorCode::AccessDenied,
            "apps are started from here by staff; a patient starts them from the app",
        ));
    }
    let engine = visit.call.engine;
    let chart = Chart::of_user(visit.call, user);
    let chosen = visit.field("patient");
    if chosen.is_empty() {
        let picker = search(visit, &chart, "launcher", None).await?;
        return Ok(visit.show(&picker));
    }
    let patient =
        chart.patient(chosen).await?.ok_or_else(|| OAuthError::invalid_request("there is no such patient"))?;
    let app = visit.field("app");
    if app.is_empty() {
        let mut apps = Vec::new();
        for client in engine.clients(None, MOST).await? {
            if client.state == ClientState::Enabled && client.initiate_login_uri.is_some() {
                let about = client.client_uri().unwrap_or_default().to_owned();
                apps.push(Launchable { id: client.id, name: client.name, about });
            }
        }
        let page = Launcher {
            frame: visit.frame(),
            form: Form::to(visit.url("launcher")).with("patient", &patient.id),
            encounters: chart.encounters(&patient.id).await?,
            other_patient: visit.url("launcher"),
            patient,
            apps,
        };
        // The form ends at whichever app is started.
        return Ok(visit.show_leading(&page, view::LeadsTo::AnyApp));
    }
    let client = engine.client(app).await?.filter(|client| client.state == ClientState::Enabled);
    let client = client.ok_or_else(|| OAuthError::invalid_request("this app cannot be started from here"))?;
    let encounter = visit.form.as_deref().and_then(|fields| form::value(fields, "encounter"));
    if let Some(encounter) = encounter
        && !chart.has_encounter(&patient.id, encounter).await?
    {
        return Err(OAuthError::invalid_request("this is no visit of the patient's"));
    }
    let context = LaunchContext {
        patient: Some(patient.id),
        encounter: encounter.map(str::to_owned),
        // The app stands in a window of its own: nothing around it shows whose record it is.
        need_patient_banner: Some(true),
        ..LaunchContext::default()
    };
    visit.record(Event::Launch, &user.id, &client.id, context.patient.as_deref()).await?;
    let url = engine.create_launch(user, &client, context).await?;
    tracing::info!(request_id = visit.call.request_id, client = client.id, "an app was launched");
    Ok(view::see_other(&url))
}
