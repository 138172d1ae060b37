//! The database is lost, or the disk is full: 503 with an OperationOutcome while it lasts, and all is well afterwards.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Client, Database, Postgres, Vesta, Wire, World, free_port, skip, wait_until};

fn patient(family: &str) -> Value {
    json!({ "resourceType": "Patient", "name": [{ "family": family }] })
}

fn is_unavailable(client: &Client) {
    let refused = client.post("Patient", &patient("Outage")).expect(503);
    refused.issues();
    assert!(!String::from_utf8_lossy(&refused.body).contains("Outage"), "patient data stand in the refusal");
}

/// A PostgreSQL at the end of a wire.
fn wired() -> Option<(Wire, Postgres)> {
    let mut postgres = Postgres::create()?;
    let (scheme, rest) = postgres.url.split_once('@').expect("a user");
    let (host, name) = rest.split_once('/').expect("a database");
    let wire = Wire::to(host.parse().expect("an address"));
    postgres.url = format!("{scheme}@{}/{name}", wire.address);
    Some((wire, postgres))
}

/// "without news for ten seconds a process refuses": it cannot know what another has revoked meanwhile. And a process that is
/// told to end does so, though what it recorded cannot be written.
#[test]
fn a_process_that_learns_of_no_revocations_for_ten_seconds_takes_no_token_and_still_ends() {
    const NO_NEWS: &str = "what was revoked lately is not known";
    let Some((wire, postgres)) = wired() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let database = Some(postgres.url.as_str());
    let server = Vesta::serve(folder.path(), database, &[]);
    let client = server.client(folder.path(), database);
    let refused = || {
        let answer = client.get("Patient");
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        (answer.status == 503 && said.contains(NO_NEWS)).then_some(answer)
    };
    client.get("Patient").expect(200);
    wire.cut();
    let cut = Instant::now();
    assert!(refused().is_none(), "what is known is fresh enough at first");
    wait_until("tokens are refused", Duration::from_secs(30), || refused().is_some());
    let after = cut.elapsed();
    // The last news may be a second old when the wire is cut.
    assert!(after > Duration::from_secs(8), "refused after {after:?}");
    refused().expect("still refused").issues();
    assert_eq!(client.get("metadata").status, 200, "what needs no token is answered");
    wire.mend();
    wait_until("tokens are taken again", Duration::from_secs(30), || client.get("Patient").status == 200);

    wire.cut();
    client.get("Patient").expect(503);
    let told = Instant::now();
    server.signal("TERM");
    assert!(server.wait(), "it ended well");
    assert!(told.elapsed() < Duration::from_secs(60), "it took {:?}", told.elapsed());
}

#[test]
fn a_lost_database_is_a_503_until_it_is_back() {
    let Some((wire, postgres)) = wired() else { return };
    let world = World::new(Database::Postgres(postgres), |_| ());
    let client = world.client("user/*.cruds");
    let id = client.create(&patient("Before"));

    wire.cut();
    is_unavailable(&client);
    client.get(&format!("Patient/{id}")).expect(503).issues();
    client.get("Patient?family=before").expect(503).issues();
    let root = Client { base: world.address(), token: None };
    assert_eq!(root.get("health/live").status, 200);
    assert_eq!(root.get("health/ready").status, 503);

    wire.mend();
    wait_until("writes work again", Duration::from_secs(30), || {
        client.post("Patient", &patient("After")).status == 201
    });
    client.get(&format!("Patient/{id}")).expect(200);
    assert!(client.ids("Patient?family=outage").is_empty(), "a refused write was done");
    wait_until("the server is ready", Duration::from_secs(10), || root.get("health/ready").status == 200);
}

/// The limit on the size of a file stands for a full disk: a write beyond it fails in the same place.
#[test]
fn a_full_disk_is_a_503_until_there_is_room() {
    let has_prlimit = Command::new("prlimit").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_prlimit {
        return skip("there is no `prlimit` to stand for a full disk");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let server = Vesta::start(folder.path(), None, &[], |command| {
        // SIGXFSZ is ignored, so that the write fails instead of ending the process.
        let binary = command.get_program().to_owned();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(binary).args(arguments);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.current_dir(folder.path()).stdout(std::process::Stdio::null());
        *command = shell;
    });
    let client = server.client(folder.path(), None);
    let id = client.create(&patient("Before"));

    let limit = |bytes: &str| {
        let status =
            Command::new("prlimit").arg(format!("--pid={}", server.id())).arg(format!("--fsize={bytes}")).status();
        assert!(status.is_ok_and(|status| status.success()), "the limit is set");
    };
    limit("4096:unlimited");
    is_unavailable(&client);
    is_unavailable(&client);
    // What needs no room is still served.
    client.get(&format!("Patient/{id}")).expect(200);

    limit("unlimited:unlimited");
    wait_until("writes work again", Duration::from_secs(10), || {
        client.post("Patient", &patient("After")).status == 201
    });
    assert_eq!(client.ids("Patient").len(), client.ids("Patient?family=after").len() + 1);
    assert!(client.ids("Patient?family=outage").is_empty(), "a refused write was done");
}

/// What is not to be had at the start is said in a line that names it.
#[test]
fn a_database_that_does_not_answer_is_named_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let nowhere = format!("postgres://vesta@127.0.0.1:{}/vesta", free_port());
    let output = crate::harness::vesta(folder.path(), Some(&nowhere), &["serve", "--http", "--listen", "127.0.0.1:0"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("database"), "{said}");
}
