//! `vesta demo`: the first look. Starts like `serve`, with demo patients, and says what to do next.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::SignedDuration;
use serde_json::{Value, json};
use vesta_fhir::types::ResourceType;
use vesta_oauth::{NewUser, Role};
use vesta_pages::sample_app;

use super::Failure;
use super::ndjson::{NdjsonFile, make_folder};
use super::serve::{ServeArgs, start, stop_signal};
use super::token::{TokenRequest, sign};
use crate::clock::Ids;
use crate::config::{Place, SiteName};
use crate::fhir::{Service, Services};
use crate::http::{Demo, SAMPLE_APP, Server, telemetry};
use crate::import::{Fault, Progress, run_documents};
use crate::maintenance::Door;
use crate::site::with_password;

#[derive(Debug, Clone, Args)]
pub(super) struct DemoArgs {
    /// So many more patients, made by chance, to see how it goes with many
    #[arg(long, value_name = "N", default_value_t = 0)]
    patients: u32,
    /// What decides chance: the same seed makes the same data
    #[arg(long, value_name = "NUMBER", default_value_t = vesta_demo::SEED)]
    seed: u64,
    /// Write the data as NDJSON, a file a type, instead of starting
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["listen", "http", "data", "database", "config"])]
    write: Option<PathBuf>,
    #[command(flatten)]
    serve: ServeArgs,
}

/// What the printed token may do, and for how long.
const SCOPE: &str = "user/*.cruds";
const LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// Resources that are written together.
const TOGETHER: usize = 200;

pub(super) async fn run(args: &DemoArgs) -> Result<(), Failure> {
    if let Some(folder) = &args.write {
        return write(args, folder);
    }
    let mut config = args.serve.load()?;
    // The screen is for the reader; what goes wrong is still said.
    if config.origin("log.level") == Place::Default {
        config.log.level = "warn".to_owned();
    }
    telemetry::start_log(&config.log);
    let server = start(config).await?;
    let site = SiteName::default();
    let services = server.sites().get(site.as_str()).await?.services.clone();
    load(args, &services, server.sites().ids().clone()).await?;
    let demo = people(&server, &site).await?;
    let server = server.with_demo(demo);
    let welcome = welcome(&server, &site).await?;
    // Whoever reads what is printed may go once the address is known, or before the end; the server goes on.
    let print = |text: &str| {
        let _ = writeln!(std::io::stdout(), "{text}");
    };
    print(&welcome);
    server.run(stop_signal()).await;
    print("Stopped. The data are kept; start again to go on.");
    Ok(())
}

/// Whom a visitor may be: user name, who it is, the role and the record that is theirs.
const PEOPLE: [(&str, &str, Role, &str); 3] = [
    ("amelia", "Amelia Ortega, a patient", Role::Patient, "Patient/demo-amelia-ortega"),
    ("okafor", "Dr. Ngozi Okafor, a doctor", Role::Staff, "Practitioner/demo-okafor"),
    ("admin", "an administrator", Role::Administrator, ""),
];

/// No secret: the records are made up.
const PASSWORD: &str = "vesta demo 2026";

/// The people, and the sample app as a registered client.
async fn people(server: &Server, site: &SiteName) -> Result<Demo, Failure> {
    let site = server.sites().get(site.as_str()).await?;
    let engine = site.authorization.engine().await?;
    let failed = |error: vesta_oauth::OAuthError| Failure::Other(format!("the demo's people cannot be made: {error}"));
    let mut users = Vec::new();
    for (name, who, role, record) in PEOPLE {
        if engine.user_by_name(name).await.map_err(failed)?.is_none() {
            let made = with_password(engine, move |engine| async move {
                let display_name = who.split(',').next().unwrap_or(who);
                let fhir_user = Some(record);
                let password = Some(PASSWORD);
                engine.add_user(&NewUser { name, display_name, email: None, role, fhir_user, password }).await
            });
            made.await.map_err(failed)?.map_err(failed)?;
        }
        users.push((name.to_owned(), PASSWORD.to_owned(), who.to_owned()));
    }
    let app = format!("{}/{SAMPLE_APP}", site.addresses.public_url);
    let metadata = json!({
        "client_name": "Vesta sample app",
        "token_endpoint_auth_method": "none",
        "redirect_uris": [format!("{app}/index.html")],
        "initiate_login_uri": format!("{app}/launch.html"),
        "scope": format!("launch {}", sample_app::SCOPES),
    });
    let client_id = engine.provide_client(SAMPLE_APP, &metadata).await.map_err(failed)?.id;
    Ok(Demo { client_id, users })
}

/// Loads what was not loaded before: what someone changed or deleted since stays so.
async fn load(args: &DemoArgs, services: &Arc<Services>, ids: Ids) -> Result<(), Failure> {
    let mut missing = Vec::new();
    for resource in vesta_demo::clinic(args.seed) {
        if !is_known(&services.now(), text(&resource, "resourceType"), text(&resource, "id")).await? {
            missing.push(resource);
        }
    }
    let clinic: Vec<String> = missing.chunks(TOGETHER).map(bundle).collect();
    let mut wanted = Vec::new();
    for number in 0..args.patients {
        if !is_known(&services.now(), "Patient", &vesta_demo::patient_id(number)).await? {
            wanted.push(number);
        }
    }
    let seed = args.seed;
    let records = wanted.into_iter().map(move |number| bundle(&vesta_demo::record(number, seed)));
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    let door = Arc::new(Door::Own(services.clone()));
    let documents = clinic.into_iter().chain(records);
    let outcome = run_documents(door, "demo", documents, ids, Arc::new(Loading(bar.clone()))).await;
    bar.finish_and_clear();
    let failed = |reason: String| Failure::Other(format!("the demo patients cannot be loaded: {reason}"));
    match outcome.map_err(failed)?.faults {
        0 => Ok(()),
        faults => Err(failed(format!("{faults} records were refused: see above"))),
    }
}

/// Whether the resource is there, or was.
async fn is_known(service: &Service, name: &str, id: &str) -> Result<bool, Failure> {
    let unreadable = |reason: String| Failure::Other(format!("the demo patients cannot be looked for: {reason}"));
    let resource_type =
        ResourceType::from_str(name).ok_or_else(|| unreadable(format!("{name} is no resource type")))?;
    let known = service.store.read(resource_type.as_u16(), id).await.map_err(|error| unreadable(error.to_string()))?;
    Ok(known.is_some())
}

/// A document whose resources are written together, all or none.
fn bundle(resources: &[Value]) -> String {
    let entries: Vec<Value> = resources.iter().map(|resource| json!({ "resource": resource })).collect();
    json!({ "resourceType": "Bundle", "type": "collection", "entry": entries }).to_string()
}

fn text<'a>(resource: &'a Value, name: &str) -> &'a str {
    resource[name].as_str().unwrap_or_default()
}

struct Loading(ProgressBar);

impl Progress for Loading {
    fn read(&self, _: u64) {}

    fn written(&self, resources: u64) {
        self.0.set_message(format!("{resources} resources"));
        self.0.tick();
    }

    fn fault(&self, fault: &Fault) {
        self.0.suspend(|| eprintln!("{fault}"));
    }
}

/// Writes the data, and prints how many of each type there are.
fn write(args: &DemoArgs, folder: &Path) -> Result<(), Failure> {
    make_folder(folder)?;
    let mut files: BTreeMap<String, (NdjsonFile, u64)> = BTreeMap::new();
    let mut total = 0_u64;
    for resource in vesta_demo::clinic(args.seed).chain(vesta_demo::population(args.patients, args.seed)) {
        let name = text(&resource, "resourceType");
        if !files.contains_key(name) {
            files.insert(name.to_owned(), (NdjsonFile::create(folder, name)?, 0));
        }
        if let Some((file, count)) = files.get_mut(name) {
            file.write(format!("{resource}\n").as_bytes())?;
            *count += 1;
            total += 1;
        }
    }
    for (name, (file, count)) in files {
        file.finish()?;
        println!("{name:<30}{count:>12}");
    }
    println!("{:<30}{total:>12}", "all");
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

  Start here             {public}/   (a browser: sign in, launch the sample app, manage apps)
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
