//! The conformance kit against this server: every suite passes on the demo data with nothing skipped, and faults that a
//! proxy puts into the server's answers are each caught by the test that should.

mod authorization;
mod changes;
mod faults;
mod proxy;
mod relay;
mod sentences;

use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};
use vesta_conformance::client::Server;
use vesta_conformance::data::Data;
use vesta_conformance::guide::Guides;
use vesta_conformance::party::Setup;
use vesta_conformance::run::{Options, Run, Tested};
use vesta_conformance::schema::Schema;
use vesta_conformance::suite::{self, Suite};
use vesta_oauth::Role;

use crate::harness::{Database, World, shared};
use crate::oauth::add_user;

/// What a run needs and what does not change.
struct Kit {
    suites: Vec<Suite>,
    guides: Guides,
    schema: Option<Schema>,
    data: Data,
}

fn kit() -> &'static Kit {
    static KIT: OnceLock<Kit> = OnceLock::new();
    KIT.get_or_init(|| Kit {
        suites: suite::load(Path::new(suite::FOLDER)).expect("the suites are readable"),
        guides: Guides::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../spec"))).expect("spec/ is readable"),
        schema: shared("testdata/fhir.schema-4.0.1.json.gz").map(|path| Schema::read(&path).expect("a schema")),
        data: Data::loaded(vesta_demo::clinic(vesta_demo::SEED)),
    })
}

impl Kit {
    fn run(&self, server: &Server, setup: Option<&Setup>, options: Options) -> Vec<Tested> {
        let Kit { suites, guides, schema, data } = self;
        Run { server, data, suites, guides, schema: schema.as_ref(), setup, options }.run(|_| ())
    }
}

/// Puts the clinic into a world that holds nothing yet.
fn load(world: &World) {
    let entry = |resource: Value| {
        let url = format!("{}/{}", resource["resourceType"].as_str()?, resource["id"].as_str()?);
        Some(json!({ "resource": resource, "request": { "method": "PUT", "url": url } }))
    };
    let entries: Option<Vec<Value>> = vesta_demo::clinic(vesta_demo::SEED).map(entry).collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries.expect("each has an id") });
    world.client("user/*.cruds").post("", &bundle).expect(200);
}

/// Gives the clinic's people their accounts; `secure` speaks TLS, which the world is asked without.
fn people(world: &World, secure: Option<&World>) -> Setup {
    let mut setup = Setup::clinic().expect("the clinic's people are readable");
    for person in setup.people.values() {
        let role = match person["role"].as_str() {
            "patient" => Role::Patient,
            "staff" => Role::Staff,
            _ => Role::Administrator,
        };
        let record = person.get("record").map_or("", String::as_str);
        add_user(world, &person["username"], &person["password"], role, record);
    }
    setup.tls = secure.and_then(|secure| Some(secure.address().split_once("://")?.1.to_owned()));
    setup
}

on_both_databases! {
    fn every_suite_passes_and_nothing_is_skipped(world) {
        load(world);
        let client = world.client("user/*.cruds");
        let server = Server::new(&client.base, client.token);
        let secure = World::new(Database::Sqlite, |config| config.http = false);
        let setup = people(world, Some(&secure));
        let report = vesta_conformance::report::Report {
            server: server.base.clone(),
            title: String::new(),
            started: jiff::Timestamp::UNIX_EPOCH,
            took: std::time::Duration::ZERO,
            tested: kit().run(&server, Some(&setup), Options { workers: 4, mark: Some("e2e".to_owned()), ..Options::default() }),
        };
        let shortcomings = report.shortcomings();
        assert!(report.counts().passed > 4_000 && report.is_good(true), "{} of {}:\n{}", shortcomings.len(),
            report.tested.len(), shortcomings[..shortcomings.len().min(40)].join("\n"));
        // Suites that write have deleted what they made.
        let left = world.client("user/*.rs").get("?_tag=urn:vesta:conformance|&_summary=count").json();
        assert_eq!(left["total"], 0);
    }
}
