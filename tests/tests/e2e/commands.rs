//! The commands of the binary, as an operator types them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use vesta_conformance::compare::differences;

use crate::harness::{Client, Database, Vesta, World, command, free_port, vesta, wait_until};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

fn patient(id: &str, family: &str) -> Value {
    json!({ "resourceType": "Patient", "id": id, "name": [{ "family": family }] })
}

fn compressed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("compresses");
    encoder.finish().expect("compresses")
}

/// A folder with a Bundle, NDJSON with faults, and a compressed file.
fn input() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, content: &[u8]| std::fs::write(folder.path().join(name), content).expect("written");
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": [
        { "fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
          "resource": { "resourceType": "Patient", "name": [{ "family": "Bundled" }] },
          "request": { "method": "POST", "url": "Patient" } },
        { "fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e1",
          "resource": { "resourceType": "Observation", "status": "final", "code": { "text": "x" },
            "subject": { "reference": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0" } },
          "request": { "method": "POST", "url": "Observation" } } ] });
    write("bundle.json", bundle.to_string().as_bytes());
    let lines = [
        patient("line-1", "First").to_string(),
        "{ \"resourceType\": \"Patient\", ".to_owned(),
        json!({ "resourceType": "Patient", "id": "line-3", "gender": "wrong" }).to_string(),
        String::new(),
        patient("line-5", "Fifth").to_string(),
    ];
    write("lines.ndjson", lines.join("\n").as_bytes());
    write("more.ndjson.gz", &compressed(&format!("{}\n", patient("packed", "Packed"))));
    write("readme.txt", b"not data");
    folder
}

on_both_databases! {
    fn import_reports_a_bad_line_and_stops_for_none(world) {
        world.stop();
        let input = input();
        let database = world.database.url();
        let folder = input.path().to_str().expect("UTF-8").to_owned();
        let import = || vesta(world.data(), database, &["import", &folder]);
        let output = import();
        let words = said(&output);
        assert!(!output.status.success(), "a fault is a failure at the end: {words}");
        for place in ["lines.ndjson:2:", "lines.ndjson:3:"] {
            assert!(words.contains(place), "{place} is not in {words}");
        }
        assert!(words.contains("Patient") && words.contains("Observation"), "no summary by type: {words}");
        assert!(!words.contains("wrong"), "patient data stand in {words}");
        // Again: nothing is written twice.
        import();

        world.start(|_| ());
        let client = world.client("user/*.cruds");
        for id in ["line-1", "line-5", "packed", "0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"] {
            assert_eq!(client.get(&format!("Patient/{id}")).expect(200).header("etag"), Some("W/\"1\""), "{id}");
        }
        let observations = client.ids("Observation?patient=0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0");
        assert_eq!(observations, ["0c3151bd-1cbf-4d64-b04d-cd9187a4c6e1"]);
        assert_eq!(client.ids("Patient").len(), 4);
    }

    fn import_works_beside_a_running_server(world) {
        let input = input();
        let folder = input.path().join("more.ndjson.gz");
        succeeded(&vesta(world.data(), world.database.url(), &["import", folder.to_str().expect("UTF-8")]));
        let client = world.client("user/*.cruds");
        assert_eq!(client.ids("Patient?family=packed"), ["packed"]);
        client.put("Patient/packed", &patient("packed", "Changed")).expect(200);
        // What was changed meanwhile is put back as the file has it, as a new version.
        succeeded(&vesta(world.data(), world.database.url(), &["import", folder.to_str().expect("UTF-8")]));
        let stored = client.get("Patient/packed").expect(200);
        assert_eq!(stored.header("etag"), Some("W/\"3\""));
        assert_eq!(stored.json()["name"][0]["family"], "Packed");
    }

    /// What is exported is what is served, one file a type; imported elsewhere it is the same.
    fn export_writes_ndjson_by_type_that_can_be_imported_again(world) {
        let client = world.client("user/*.cruds");
        for number in 0..30 {
            client.create(&json!({ "resourceType": "Patient", "name": [{ "family": format!("Export{number}") }] }));
        }
        let gone = client.create(&json!({ "resourceType": "Patient" }));
        client.delete(&format!("Patient/{gone}"));
        client.create(&json!({ "resourceType": "Observation", "status": "final", "code": { "text": "x" },
            "valueQuantity": { "value": serde_json::from_str::<Value>("1.50").expect("a number") } }));
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("out");
        succeeded(&vesta(world.data(), world.database.url(), &["export", out.to_str().expect("UTF-8")]));
        let lines = |name: &str| -> Vec<Value> {
            let text = std::fs::read_to_string(out.join(name)).expect("the file is there");
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
        };
        assert_eq!(lines("Patient.ndjson").len(), 30);
        let observation = lines("Observation.ndjson").remove(0);
        assert_eq!(observation["valueQuantity"]["value"].to_string(), "1.50");

        let other = World::on_sqlite();
        other.stop();
        succeeded(&vesta(other.data(), None, &["import", out.to_str().expect("UTF-8")]));
        other.start(|_| ());
        let copy = other.client("user/*.cruds");
        for resource in lines("Patient.ndjson") {
            let path = format!("Patient/{}", resource["id"].as_str().expect("an id"));
            assert!(differences(&resource, &copy.get(&path).expect(200).json()).is_empty());
        }
    }

    fn check_and_reindex_work_beside_a_running_server(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("x", "Checked"));
        let run = |name: &str| vesta(world.data(), world.database.url(), &[name]);
        succeeded(&run("check"));
        succeeded(&run("reindex"));
        succeeded(&run("check"));
        assert_eq!(client.ids("Patient?family=checked"), [id]);
    }

    fn audit_verify_works_beside_a_running_server(world) {
        world.client("user/*.cruds").create(&patient("x", "Audited"));
        let run = |more: &[&str]| vesta(world.data(), world.database.url(), &[&["audit", "verify"], more].concat());
        let words = succeeded(&run(&[]));
        assert!(words.contains("entries") && words.contains("is what was written"), "{words}");
        // Against what stands in the server's log.
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("server.log");
        for (line, expected) in [
            ("INFO audit: head=vesta-audit-head:0:7000:AAAA site=default", "its chain was cut"),
            ("INFO nothing of the kind", "no head of an audit log"),
        ] {
            std::fs::write(&log, line).expect("written");
            let output = run(&["--head", log.to_str().expect("UTF-8")]);
            assert!(!output.status.success() && said(&output).contains(expected), "{}", said(&output));
        }
    }

    /// 45 CFR 170.315(d)(3): the log is given out for a span of time; and that it was is in it.
    fn audit_export_writes_the_log_as_audit_events(world) {
        let client = world.client("user/*.cruds");
        for family in ["One", "Two"] {
            client.create(&patient("x", family));
        }
        let export = |more: &[&str]| {
            let output = vesta(world.data(), world.database.url(), &[&["audit", "export"], more].concat());
            succeeded(&output);
            let lines = String::from_utf8(output.stdout).expect("UTF-8");
            lines.lines().map(|line| serde_json::from_str(line).expect("an AuditEvent a line")).collect::<Vec<Value>>()
        };
        let of = |events: &[Value], code: &str| {
            events.iter().filter(|event| event["subtype"][0]["code"] == code).cloned().collect::<Vec<_>>()
        };
        let all = export(&["-", "--codes"]);
        assert_eq!(of(&all, "create").len(), 2);
        assert!(all.iter().all(|event| event["extension"][0]["valueBase64Binary"].is_string()));
        let [first, second] = &of(&all, "create")[..] else { panic!("{all:?}") };
        let at = second["recorded"].as_str().expect("an instant");
        assert_eq!(of(&export(&["-", "--until", at]), "create")[0]["id"], first["id"]);
        let since = export(&["-", "--since", at]);
        assert_eq!(of(&since, "create")[0]["id"], second["id"]);
        assert!(since.iter().all(|event| event.get("extension").is_none()));
        wait_until("the exports are recorded", Duration::from_secs(20), || {
            export(&["-"]).iter().any(|event| event["type"]["code"] == "110106")
        });
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("log.ndjson");
        let output = vesta(world.data(), world.database.url(), &["audit", "export", file.to_str().expect("UTF-8")]);
        let written = std::fs::read_to_string(&file).expect("the file").lines().count();
        assert!(succeeded(&output).contains(&format!("{written} AuditEvents")), "{written}");
    }

    /// Other people's scripts take the token from standard output.
    fn token_create_prints_the_token_alone(world) {
        let output = vesta(world.data(), world.database.url(), &["token", "create", "--scope", "user/Patient.rs", "--ttl", "60"]);
        succeeded(&output);
        let printed = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(printed.lines().count(), 1, "{printed}");
        let client = Client { token: Some(printed.trim().to_owned()), ..world.anyone() };
        client.get("Patient").expect(200);
        client.get("Observation").expect(403);
        let refused = vesta(world.data(), world.database.url(), &["token", "create", "--scope", "patient/Patient.rs"]);
        assert!(!refused.status.success() && said(&refused).contains("--patient"), "{}", said(&refused));
    }
}

fn refused(data: &Path, arguments: &[&str]) -> String {
    let output = vesta(data, None, arguments);
    assert!(!output.status.success(), "{arguments:?} is taken");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_is_not_to_be_had_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its address").to_string();
    let words = refused(folder.path(), &["serve", "--http", "--listen", &port]);
    assert!(words.contains(&port), "{words}");
    let words = refused(folder.path(), &["serve", "--listen", "nowhere"]);
    assert!(words.contains("listen") && words.contains("127.0.0.1:9300"), "{words}");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    let words = refused(&file.join("inner"), &["serve", "--http"]);
    assert!(words.contains("file"), "{words}");
}

#[test]
fn plain_http_is_for_the_loopback_address_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let words = refused(folder.path(), &["serve", "--http", "--listen", "0.0.0.0:0"]);
    assert!(words.contains("http"), "{words}");
}

/// One writer a data folder: a second server is told who has it.
#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let _first = Vesta::serve(folder.path(), None, &[]);
    let words = refused(folder.path(), &["serve", "--http", "--listen", &format!("127.0.0.1:{}", free_port())]);
    assert!(words.contains("in use"), "{words}");
}

#[test]
fn sigterm_ends_what_is_running_and_then_the_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Vesta::serve(folder.path(), None, &[]);
    let client = server.client(folder.path(), None);
    let entries: Vec<Value> = (0..3000)
        .map(|_| {
            json!({ "resource": { "resourceType": "Organization", "name": "x" },
            "request": { "method": "POST", "url": "Organization" } })
        })
        .collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
    let answer = std::thread::scope(|scope| {
        let sending = scope.spawn(|| client.post("", &bundle));
        std::thread::sleep(Duration::from_millis(150));
        server.signal("TERM");
        sending.join().expect("an answer")
    });
    answer.expect(200);
    assert!(server.wait(), "the server ends in order");
}

/// The first look: a certificate of its own, patients, and a request that works as printed.
#[test]
fn demo_prints_a_request_that_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let listen = format!("127.0.0.1:{}", free_port());
    let mut child = command(folder.path(), None, &["demo", "--http", "--listen", &listen])
        .stdout(Stdio::piped())
        .spawn()
        .expect("vesta starts");
    let mut printed = String::new();
    let mut lines = BufReader::new(child.stdout.take().expect("its output"));
    while !printed.contains("start again") {
        assert!(lines.read_line(&mut printed).expect("a line") > 0, "demo ended: {printed}");
    }
    let token = printed.lines().find_map(|line| line.trim().strip_prefix("TOKEN=")).expect("a token").to_owned();
    let url = printed.split('\'').find(|part| part.contains("/fhir/Patient?")).expect("a request").to_owned();
    let client = Client { base: format!("http://{listen}"), token: Some(token) };
    // The address is printed for a browser; the server listens on the loopback address.
    let url = url.replace("localhost", "127.0.0.1");
    let mut found = Value::Null;
    wait_until("the patients are there", Duration::from_secs(30), || {
        found = client.get(&url).expect(200).json();
        found["entry"].as_array().is_some_and(|entries| entries.len() >= 3)
    });
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_world_of_its_own_has_other_settings() {
    let world = World::new(Database::Sqlite, |config| config.apis.fhir = false);
    let answer = world.anyone().get("metadata").expect(404);
    assert!(answer.issues()[0].contains("apis.fhir"));
}
