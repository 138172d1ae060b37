//! `kill -9` under concurrent writers loses nothing that was acknowledged, and leaves index, bodies and the audit log
//! consistent.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::super::*;
use super::{OBSERVATION, audit_entry, content, definitions, open};

const FOLDER: &str = "VESTA_TEST_KILL_FOLDER";

fn database(folder: &Path) -> Database {
    Database::Sqlite { file: folder.join("vesta.db") }
}

/// The process that is killed: this very test, told by the environment where to write.
#[test]
fn writes_until_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store =
            open(database(Path::new(&folder)), definitions(), Limits::default()).await.expect("the store opens");
        let writers = (0..8).map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in 0.. {
                    let id = format!("w{writer}-{}", n % 40);
                    let content =
                        content(&store, OBSERVATION, &id, json!({"tokens": [n, n + 1], "patient": "p", "at": n}));
                    let unit =
                        Unit::new(vec![Operation::update(OBSERVATION, id, content, None)]).audited(audit_entry("r"));
                    let written = store.write(unit).await.expect("written").remove(0);
                    println!("answered {} {}", written.id, written.version);
                }
            })
        });
        futures_util::future::join_all(writers).await;
    });
}

#[tokio::test]
async fn kill_9_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut answered = std::collections::HashMap::new();
    for round in 0..3 {
        let program = std::env::current_exe().expect("this test");
        let mut child = Command::new(program)
            .args(["store::tests::kill::writes_until_killed", "--exact", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the writing process starts");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let mut count = 0;
        for line in output.lines() {
            let Ok(line) = line else { break };
            let Some((id, version)) = line.split_once("answered ").and_then(|(_, answer)| answer.split_once(' '))
            else {
                continue;
            };
            answered.insert(id.to_owned(), version.parse::<i64>().expect("a version"));
            count += 1;
            if count == 200 + round * 50 {
                child.kill().expect("killed");
            }
        }
        child.wait().expect("ended");
        assert!(count >= 200, "{count} answers before the kill");

        let store =
            open(database(folder.path()), definitions(), Limits::default()).await.expect("the store opens again");
        for (id, version) in &answered {
            let stored = store.read(OBSERVATION, id).await.expect("read").expect("there");
            assert!(stored.version >= *version, "{id}: version {version} was answered, {} is there", stored.version);
        }
        let report = store.check(|_| ()).await.expect("the check runs");
        assert_eq!(report.faults, Vec::<String>::new());
        assert!(report.audit_entries >= answered.len() as u64);
        store.close().await;
    }
}
