//! `vesta demo`: the first look. Starts like `serve`, with demo patients, and says what to do next.

use std::sync::Arc;

use jiff::SignedDuration;
use vesta_fhir::types::ResourceType;

use super::Failure;
use super::serve::{ServeArgs, start, stop_signal};
use super::token::{TokenRequest, sign};
use crate::access::AccessContext;
use crate::config::{Place, SiteName};
use crate::fhir::{Preferences, Request, Service, bundle};
use crate::http::{Server, telemetry};

/// What the printed token may do, and for how long.
const SCOPE: &str = "user/*.cruds";
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// Transaction Bundles: the directory first, since the patients' refer to it. Each with an id that tells whether it was
/// sent before.
const BUNDLES: [(ResourceType, &str, &[u8]); 6] = [
    (ResourceType::Organization, "demo-clinic", include_bytes!("../../demo/directory.json")),
    (ResourceType::Patient, "demo-amelia-ortega", include_bytes!("../../demo/amelia-ortega.json")),
    (ResourceType::Patient, "demo-ingrid-sorensen", include_bytes!("../../demo/ingrid-sorensen.json")),
    (ResourceType::Patient, "demo-marcus-lee", include_bytes!("../../demo/marcus-lee.json")),
    (ResourceType::Patient, "demo-noah-ortega", include_bytes!("../../demo/noah-ortega.json")),
    (ResourceType::Patient, "demo-walter-brandt", include_bytes!("../../demo/walter-brandt.json")),
];

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

/// Sends what was not sent before: what someone changed or deleted since stays so.
async fn load(service: &Arc<Service>) -> Result<(), Failure> {
    let access = AccessContext::operator("demo");
    let request = Request { service, access: &access, request_id: "demo", preferences: Preferences::default() };
    let failed = |error: &dyn std::fmt::Display| Failure::Other(format!("the demo patients cannot be loaded: {error}"));
    for (resource_type, id, body) in BUNDLES {
        let known = service.store.read(resource_type.as_u16(), id).await.map_err(|error| failed(&error))?;
        if known.is_none() {
            bundle::bundle(&request, body).await.map_err(|error| failed(&error))?;
        }
    }
    Ok(())
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
