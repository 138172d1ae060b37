//! `kill -9` under concurrent writers: what was acknowledged is there afterwards, and index and bodies agree.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Client, Postgres, Vesta, vesta};

const WRITERS: usize = 8;
const KILLS: usize = 3;

/// What was acknowledged: by id, the version and the family name of it.
type Acknowledged = BTreeMap<String, (u64, String)>;

fn patient(id: &str, family: &str) -> Value {
    json!({ "resourceType": "Patient", "id": id, "name": [{ "family": family }],
        "identifier": [{ "system": "urn:test:crash", "value": id }] })
}

/// Creates, updates and sends small transactions until the server is gone.
fn write(client: &Client, writer: String, acknowledged: &Mutex<Acknowledged>, stop: &AtomicBool) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let id = format!("{writer}-{}", number / 3);
        let family = format!("Version{number}");
        let resource = patient(&id, &family);
        let answer = if number % 5 == 4 {
            let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
                { "resource": resource, "request": { "method": "PUT", "url": format!("Patient/{id}") } },
                { "resource": { "resourceType": "Observation", "id": format!("{id}-{number}"), "status": "final",
                    "code": { "text": "x" }, "subject": { "reference": format!("Patient/{id}") } },
                  "request": { "method": "PUT", "url": format!("Observation/{id}-{number}") } } ] });
            client.try_send("POST", "", &[], Some(bundle.to_string().as_bytes()))
        } else {
            client.try_send("PUT", &format!("Patient/{id}"), &[], Some(resource.to_string().as_bytes()))
        };
        // No answer: the server is gone, and nothing was promised.
        let Ok(answer) = answer else { return };
        assert!([200, 201].contains(&answer.status), "{}", String::from_utf8_lossy(&answer.body));
        let version = match answer.header("etag") {
            Some(etag) => etag.trim_start_matches("W/").trim_matches('"').parse().expect("a version"),
            None => {
                let etag = answer.json()["entry"][0]["response"]["etag"].clone();
                etag.as_str().expect("an etag").trim_start_matches("W/").trim_matches('"').parse().expect("a version")
            }
        };
        acknowledged.lock().expect("no writer failed").insert(id, (version, family));
    }
}

fn nothing_acknowledged_is_lost(data: &Path, database: Option<&str>) {
    let acknowledged = Mutex::new(Acknowledged::new());
    for kill in 0..KILLS {
        let server = Vesta::serve(data, database, &[]);
        let client = server.client(data, database);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (client, acknowledged, stop) = (&client, &acknowledged, &stop);
                scope.spawn(move || write(client, format!("k{kill}w{writer}"), acknowledged, stop));
            }
            let started = Instant::now();
            while started.elapsed() < Duration::from_millis(1500) {
                std::thread::sleep(Duration::from_millis(50));
            }
            server.kill();
            stop.store(true, Ordering::Relaxed);
        });
    }
    let acknowledged = acknowledged.into_inner().expect("no writer failed");
    assert!(acknowledged.len() > KILLS * WRITERS, "only {} resources were written", acknowledged.len());

    let server = Vesta::serve(data, database, &[]);
    let client = server.client(data, database);
    for (id, (version, family)) in &acknowledged {
        let stored = client.get(&format!("Patient/{id}")).expect(200).json();
        let found: u64 = stored["meta"]["versionId"].as_str().and_then(|text| text.parse().ok()).expect("a version");
        // The one after it may have been committed and not acknowledged.
        assert!(found == *version || found == version + 1, "{id}: version {found}, acknowledged {version}");
        if found == *version {
            assert_eq!(stored["name"][0]["family"], family.as_str(), "{id}");
        }
        assert_eq!(client.ids(&format!("Patient?identifier=urn:test:crash|{id}")), std::slice::from_ref(id));
    }
    // Beside the running server, and after it.
    assert_checked(data, database);
    server.signal("TERM");
    assert!(server.wait(), "the server stops in order");
    assert_checked(data, database);
}

fn assert_checked(data: &Path, database: Option<&str>) {
    let output = vesta(data, database, &["check"]);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "vesta check: {said}");
}

#[test]
fn kill_9_loses_nothing_acknowledged_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    nothing_acknowledged_is_lost(folder.path(), None);
}

#[test]
fn kill_9_loses_nothing_acknowledged_on_postgresql() {
    let Some(postgres) = Postgres::create() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    nothing_acknowledged_is_lost(folder.path(), Some(&postgres.url));
}
