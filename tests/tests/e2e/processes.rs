//! Several `vesta` processes on one PostgreSQL: what one wrote the other serves, and who follows the changes misses
//! none, whichever process he asks.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Client, Postgres, Vesta, link, wait_until};

/// How all processes are known to clients, whichever answers: as behind a balancer.
const PUBLIC: &str = "http://localhost:9";

/// Two processes with the same folder of keys on the same database, and a client of each.
pub(crate) fn two(folder: &Path, database: Option<&str>) -> ([Vesta; 2], [Client; 2]) {
    two_at(folder, database, PUBLIC)
}

/// Known to clients by that address.
pub(crate) fn two_at(folder: &Path, database: Option<&str>, public: &str) -> ([Vesta; 2], [Client; 2]) {
    let config = folder.join("vesta.toml");
    std::fs::write(&config, format!("[sites.default]\npublic_url = \"{public}\"\n")).expect("written");
    let servers = [(); 2].map(|()| Vesta::serve(folder, database, &[]));
    let token = servers[0].client(folder, database).token;
    let clients = servers
        .each_ref()
        .map(|server| Client { base: format!("{}/apis/default/fhir", server.address), token: token.clone() });
    (servers, clients)
}

const WRITERS: usize = 4;
const EACH: usize = 60;

/// Follows the changes as a client does: asks for what is new since the last instant that was seen.
struct Follower {
    since: String,
    seen: BTreeSet<String>,
}

impl Follower {
    fn poll(&mut self, client: &Client) {
        let mut latest = self.since.clone();
        let mut next = Some(format!("Patient/_history?_since={}&_count=50", self.since));
        while let Some(page) = next {
            let bundle = client.get(&page).expect(200).json();
            for entry in bundle["entry"].as_array().into_iter().flatten() {
                let resource: &Value = &entry["resource"];
                self.seen.insert(resource["id"].as_str().expect("an id").to_owned());
                let at = resource["meta"]["lastUpdated"].as_str().expect("an instant");
                latest = latest.max(at.to_owned());
            }
            next = link(&bundle, "next").map(|url| url.replace(&format!("{PUBLIC}/apis/default/fhir"), &client.base));
        }
        self.since = latest;
    }
}

#[test]
fn no_change_falls_between_two_looks_whichever_process_is_asked() {
    let Some(postgres) = Postgres::create() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let database = Some(postgres.url.as_str());
    let (_servers, clients) = two(folder.path(), database);
    let mut follower = Follower { since: "2000-01-01T00:00:00Z".to_owned(), seen: BTreeSet::new() };
    let done = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let client = &clients[writer % 2];
                scope.spawn(move || {
                    let create = |number: usize| {
                        let mut resource = json!({ "resourceType": "Patient", "name": [{ "family": format!("W{writer}N{number}") }] });
                        if number.is_multiple_of(10) {
                            // A long transaction holds its stamp while short ones overtake it.
                            let entries: Vec<Value> = (0..200)
                                .map(|_| json!({ "resource": { "resourceType": "Organization", "name": "x" },
                                    "request": { "method": "POST", "url": "Organization" } }))
                                .chain([json!({ "resource": resource.take(), "request": { "method": "POST", "url": "Patient" } })])
                                .collect();
                            let bundle = json!({ "resourceType": "Bundle", "type": "transaction", "entry": entries });
                            let answer = client.post("", &bundle).expect(200).json();
                            let location = answer["entry"][200]["response"]["location"].as_str().expect("a location");
                            let path = location.split("/_history").next().expect("a path");
                            path.rsplit('/').next().expect("an id").to_owned()
                        } else {
                            client.create(&resource)
                        }
                    };
                    (0..EACH).map(create).collect::<Vec<String>>()
                })
            })
            .collect();
        let follower = &mut follower;
        let (clients, done) = (&clients, &done);
        let following = scope.spawn(move || {
            for turn in 0.. {
                let last = done.load(Ordering::Acquire);
                follower.poll(&clients[turn % 2]);
                if last {
                    return;
                }
            }
        });
        let written: BTreeSet<String> =
            writers.into_iter().flat_map(|writer| writer.join().expect("a writer ends")).collect();
        done.store(true, Ordering::Release);
        following.join().expect("the follower ends");
        written
    });
    let missed: Vec<_> = written.difference(&follower.seen).collect();
    assert!(missed.is_empty(), "{} of {} changes were missed", missed.len(), written.len());
}

#[test]
fn a_process_takes_over_where_another_is_killed() {
    let Some(postgres) = Postgres::create() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let database = Some(postgres.url.as_str());
    let ([first, _second], [client, other]) = two(folder.path(), database);
    let id = client.create(&json!({ "resourceType": "Patient", "name": [{ "family": "Shared" }] }));
    first.kill();
    // A killed process's unfinished stamp does not hold the readers up for long.
    other.get(&format!("Patient/{id}")).expect(200);
    let created = other.create(&json!({ "resourceType": "Patient", "name": [{ "family": "After" }] }));
    wait_until("the change is in the history", Duration::from_secs(30), || {
        let bundle = other.get("Patient/_history?_count=5").expect(200).json();
        bundle.to_string().contains(&created)
    });
}
