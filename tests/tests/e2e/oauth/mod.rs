//! The authorization server, as clients and people meet it: a relying party of its own, a browser without scripts, and the
//! FHIR API behind. <https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html>

mod account;
mod administration;
mod audit;
mod backend;
mod browser;
mod discovery;
mod launch;
mod ledger;
mod ledger_rows;
mod party;
mod revocation;
mod rotation;
mod strangers;
mod two_processes;
mod upstream;

use serde_json::json;
use vesta_oauth::{NewUser, Role};
use vesta_server::site::with_password;

use crate::harness::{Client, World, runtime};
use party::Party;

const PASSWORD: &str = "a horse with a battery";

/// Two patients with records, and people.
struct Practice {
    /// Hers is what `ann` sees.
    ann: String,
    bob: String,
    vital_sign: String,
    laboratory: String,
    encounter: String,
}

fn practice(world: &World) -> Practice {
    let client = world.client("user/*.cruds");
    let patient = |given: &str| {
        client.create(&json!({ "resourceType": "Patient", "name": [{ "family": "Byrne", "given": [given] }], "birthDate": "1980-02-01" }))
    };
    let (ann, bob) = (patient("Ann"), patient("Bob"));
    let observation = |patient: &str, category: &str| {
        client.create(&json!({ "resourceType": "Observation", "status": "final",
            "category": [{ "coding": [{ "system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": category }] }],
            "code": { "coding": [{ "system": "http://loinc.org", "code": "29463-7" }] },
            "subject": { "reference": format!("Patient/{patient}") } }))
    };
    let (vital_sign, laboratory) = (observation(&ann, "vital-signs"), observation(&ann, "laboratory"));
    observation(&bob, "vital-signs");
    let encounter = client.create(&json!({ "resourceType": "Encounter", "status": "finished",
        "class": { "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB" },
        "subject": { "reference": format!("Patient/{ann}") }, "period": { "start": "2026-03-01" } }));
    let doctor = client.create(&json!({ "resourceType": "Practitioner", "name": [{ "family": "Okafor" }] }));
    add_user(world, "ann", PASSWORD, Role::Patient, &format!("Patient/{ann}"));
    add_user(world, "bob", PASSWORD, Role::Patient, &format!("Patient/{bob}"));
    add_user(world, "doctor", PASSWORD, Role::Staff, &format!("Practitioner/{doctor}"));
    add_user(world, "admin", PASSWORD, Role::Administrator, "");
    Practice { ann, bob, vital_sign, laboratory, encounter }
}

pub(crate) fn add_user(world: &World, name: &str, password: &str, role: Role, record: &str) {
    add_user_at("default", world, name, password, role, record);
}

fn add_user_at(site: &str, world: &World, name: &str, password: &str, role: Role, record: &str) {
    let [name, password, record] = [name, password, record].map(str::to_owned);
    let site = runtime().block_on(world.sites().get(site)).expect("the site opens");
    runtime().block_on(async {
        let engine = site.authorization.engine().await.expect("the authorization server opens");
        let made = with_password(engine, move |engine| async move {
            let (name, password, fhir_user) = (name.as_str(), Some(password.as_str()), Some(record.as_str()));
            let new = NewUser { name, display_name: name, email: None, role, fhir_user, password };
            engine.add_user(&new).await
        });
        made.await.expect("a slot").expect("a user");
    });
}

/// A client with this token on the FHIR API.
fn api(world: &World, token: &str) -> Client {
    Client { base: format!("{}/apis/default/fhir", world.address()), token: Some(token.to_owned()) }
}

/// A public app, registered as anyone may.
fn app(world: &World, scope: &str) -> Party {
    Party::register(
        world,
        &json!({
            "client_name": "An app", "token_endpoint_auth_method": "none", "redirect_uris": ["https://app.example/callback"],
            "initiate_login_uri": "https://app.example/launch", "post_logout_redirect_uris": ["https://app.example/bye"], "scope": scope
        }),
    )
}
