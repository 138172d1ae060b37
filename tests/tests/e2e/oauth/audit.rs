//! Who may do what is changed by commands and on pages: the audit log has both, and of whom.
//! "Audit controls": <https://www.ecfr.gov/current/title-45/section-164.312> (b)

use std::time::Duration;

use serde_json::{Value, json};

use super::administration::Administrator;
use super::ledger::user_id;
use super::party::Party;
use super::{app, practice};
use crate::harness::{Client, World, encode, matches, vesta, wait_until};

const SCOPE: &str = "launch/patient patient/Patient.rs";

/// The changes that the log has by now, oldest first: by whom, what it was, and of whom.
fn changes(auditor: &Client) -> Vec<[String; 3]> {
    let subtypes = ["110129", "110137"].map(|code| format!("http://dicom.nema.org/resources/ontology/DCM|{code}"));
    let query = format!("AuditEvent?subtype={}&_sort=date&_count=100", encode(&subtypes.join(",")));
    let bundle = auditor.get(&query).expect(200).json();
    let told = |event: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let agents = event["agent"].as_array().expect("agents");
        let by = agents.iter().find(|agent| agent["requestor"] == true).expect("who asked");
        let of = event["entity"].as_array().into_iter().flatten().find(|entity| entity["role"]["code"] == "11");
        let of = of.map_or_else(
            || text(&agents[0]["who"]["identifier"]["value"]),
            |of| text(&of["what"]["identifier"]["value"]),
        );
        [text(&by["name"]), text(&event["subtype"][0]["code"]), of]
    };
    matches(&bundle).map(told).collect()
}

fn run(world: &World, arguments: &[&str]) -> String {
    let output = vesta(world.data(), world.database.url(), arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// All commands that change who may do what; the client that they add and delete.
fn commands(world: &World) -> String {
    let metadata = tempfile::NamedTempFile::new().expect("a file");
    let client = json!({ "client_name": "Added", "redirect_uris": ["https://app.example/callback"], "scope": SCOPE });
    std::fs::write(metadata.path(), client.to_string()).expect("written");
    run(world, &["user", "add", "eve", "--role", "administrator"]);
    run(world, &["user", "disable", "eve"]);
    run(world, &["user", "enable", "eve"]);
    run(world, &["user", "reset", "eve"]);
    run(world, &["user", "link", "eve", "--issuer", "https://login.example.org", "--subject", "1"]);
    run(world, &["user", "unlink", "eve"]);
    run(world, &["user", "break-glass", "eve"]);
    let added: Value =
        serde_json::from_str(&run(world, &["client", "add", metadata.path().to_str().expect("UTF-8")])).expect("JSON");
    let id = added["client_id"].as_str().expect("an id").to_owned();
    for command in ["disable", "approve", "delete"] {
        run(world, &["client", command, &id]);
    }
    run(world, &["keys", "rotate", "--publish-for", "0s"]);
    id
}

on_both_databases! {
    fn commands_that_change_who_may_do_what_are_recorded(world) {
        let id = commands(world);
        // Without a server they write the log themselves.
        world.stop();
        run(world, &["user", "add", "zoe", "--role", "staff"]);
        let unknown = vesta(world.data(), world.database.url(), &["user", "disable", "nobody"]);
        assert!(!unknown.status.success());
        world.start(|_| ());
        let (eve, zoe) = (user_id(world, "eve"), user_id(world, "zoe"));
        let mut expected: Vec<[&str; 3]> = vec![["operator", "110137", &eve]; 7];
        expected.extend([["operator", "110129", &id]; 4]);
        expected.push(["operator", "110129", "vesta-keys"]);
        expected.push(["operator", "110137", &zoe]);
        let auditor = world.client("system/AuditEvent.rs");
        wait_until("all is recorded", Duration::from_secs(10), || changes(&auditor).len() >= expected.len());
        assert_eq!(changes(&auditor), expected);
    }

    /// The same on a page: by whom, and of whom.
    fn pages_record_whom_an_administrator_changes(world) {
        practice(world);
        let app: Party = app(world, SCOPE);
        let mut admin = Administrator::new(world, &app);
        let (doctor, by) = (user_id(world, "doctor"), user_id(world, "admin"));
        admin.act(&format!("users/{doctor}"), &[("action", "disable")]);
        let auditor = world.client("system/AuditEvent.rs");
        let expected = [by, "110137".to_owned(), doctor];
        wait_until("it is recorded", Duration::from_secs(10), || changes(&auditor).contains(&expected));
    }
}
