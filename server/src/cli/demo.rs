//! `vesta demo`: the first look. Starts like `serve`, with demo patients, and says what to do next.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use vesta_fhir::types::ResourceType;

use super::Failure;
use super::door::unexpected;
use super::serve::{ServeArgs, start, stop_signal};
use super::token::{TokenRequest, sign};
use crate::config::{Place, SiteName};
use crate::fhir::Service;
use crate::http::{Server, telemetry};
use crate::maintenance::{Answer, Door, Source, Task};

/// What the printed token may do, and for how long.
const SCOPE: &str = "user/*.cruds";
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// Resources that are written together.
const TOGETHER: usize = 200;

pub(super) async fn run(args: &ServeArgs) -> Result<(), Failure> {
    let mut config = args.load()?;
    // The screen is for the reader; what goes wrong is still said.
    if config.origin("log.level") == Place::Default {
        config.log.level = "warn".to_owned();
    }
    telemetry::start_log(&config.log);
    let server = start(config).await?;
    let site = SiteName::default();
    let service = server.sites().get(site.as_str()).await?.service.clone();
    load(&service).await?;
    println!("{}", welcome(&server, &site).await?);
    server.run(stop_signal()).await;
    println!("Stopped. The data are kept; start again to go on.");
    Ok(())
}

/// Loads what was not loaded before: what someone changed or deleted since stays so.
async fn load(service: &Arc<Service>) -> Result<(), Failure> {
    let failed = |reason: String| Failure::Other(format!("the demo patients cannot be loaded: {reason}"));
    let mut entries = Vec::new();
    for resource in vesta_demo::clinic(vesta_demo::SEED) {
        let (name, id) = (text(&resource, "resourceType"), text(&resource, "id"));
        let resource_type = ResourceType::from_str(&name).ok_or_else(|| failed(format!("{name} is no type")))?;
        let known = service.store.read(resource_type.as_u16(), &id).await.map_err(|error| failed(error.to_string()))?;
        if known.is_none() {
            entries.push(json!({ "resource": resource }));
        }
    }
    let door = Door::Own(service.clone());
    for entries in entries.chunks(TOGETHER) {
        let text = json!({ "resourceType": "Bundle", "type": "collection", "entry": entries }).to_string();
        let documents = vec![Source { text, only: None }];
        match door.ask(0, Task::Load { request_id: "demo".to_owned(), documents }).await {
            Ok(Answer::Loaded(outcomes)) => {
                if let Some(refused) = outcomes.into_iter().flat_map(|outcome| outcome.refused).next() {
                    return Err(failed(refused.issues.join("; ")));
                }
            }
            Ok(other) => return Err(unexpected(other)),
            Err(error) => return Err(failed(error.to_string())),
        }
    }
    Ok(())
}

fn text(resource: &Value, name: &str) -> String {
    resource[name].as_str().unwrap_or_default().to_owned()
}

async fn welcome(server: &Server, site: &SiteName) -> Result<String, Failure> {
    let sites = server.sites();
    let addresses = &sites.get(site.as_str()).await?.addresses;
    let token = sign(
        sites.folder(),
        &TokenRequest { site, addresses, scope: SCOPE, patient: None, lifetime: LIFETIME },
        sites.clock(),
        sites.ids(),
    )?;
    let data = sites.folder().path().display();
    let authority = server.authority();
    let trust = authority.as_ref().map_or_else(String::new, |path| format!("--cacert '{}' ", path.display()));
    let certificate = authority.as_ref().map_or_else(String::new, |path| {
        format!("  Certificate authority  {}   (made on first start; trust it with --cacert)\n", path.display())
    });
    let (base, public) = (&addresses.fhir_base, &addresses.public_url);
    Ok(format!(
        "
Vesta {version} is running.

  FHIR API               {base}
  What it can do         {base}/metadata
  To read and try        {public}/openapi/
  Health and metrics     {public}/health/ready   {public}/metrics

Ask for the demo patients (the token is good for an hour; `vesta token create` makes another):

  TOKEN={token}
  curl {trust}-H \"Authorization: Bearer $TOKEN\" '{base}/Patient?_count=5&_pretty=true'

  Data folder            {data}
  Signing key            {data}/sites/{site}/keys/signing.pem
{certificate}
Stop with Ctrl-C. To start clean, stop, remove the data folder (rm -r '{data}') and start again.
",
        version = env!("CARGO_PKG_VERSION"),
    ))
}
