//! The OpenAPI document against the server that emits it: Schemathesis sends what the document allows and what it does
//! not, and nothing of it may make the server fail. `tests/schemathesis` says how much.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::programs::{on_path, server_under_test};
use crate::interrupt::{self, Running};
use crate::{Outcome, debian, workspace};

const SOURCES: &str = "tests/schemathesis";

pub(super) fn run() -> Outcome {
    let schemathesis = install()?;
    let binary = server_under_test()?;
    let folder = tempfile::Builder::new().prefix("vesta-schemathesis-").tempdir()?;
    let data = folder.path().join("data");
    let demo = Demo::start(&binary, &data, &folder.path().join("log"))?;
    let mut token = vesta(&binary);
    token.args(["token", "create", "--scope", "system/*.cruds", "--ttl", "3600", "--data"]).arg(&data);
    let token = workspace::output(token)?;

    let mut command = Command::new(schemathesis);
    command.arg("--config-file").arg(workspace::root().join(SOURCES).join("schemathesis.toml"));
    command.args(["run", &format!("{}/openapi/fhir.json", demo.base), "--no-color", "--warnings", "off"]);
    command.env("TOKEN", token.trim()).current_dir(folder.path()).stdin(Stdio::null());
    workspace::run(command)
}

/// Schemathesis and what it needs, in a Python environment of its own below `target`; made anew when the list changes.
fn install() -> Outcome<PathBuf> {
    let root = workspace::root();
    let folder = root.join("target/schemathesis");
    let (wanted, installed) = (root.join(SOURCES).join("requirements.txt"), folder.join("installed.txt"));
    let program = folder.join("bin/schemathesis");
    let list = fs::read(&wanted)?;
    if program.is_file() && fs::read(&installed).is_ok_and(|installed| installed == list) {
        return Ok(program);
    }
    environment(&folder)?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&wanted);
    pip.stdin(Stdio::null());
    workspace::output(pip)?;
    fs::write(installed, list)?;
    Ok(program)
}

fn environment(folder: &Path) -> Outcome {
    let make = || {
        let mut python = Command::new("python3");
        python.args(["-m", "venv", "--clear"]).arg(folder).stdin(Stdio::null());
        workspace::output(python)
    };
    // Debian's Python is there without what makes environments.
    if on_path("python3").is_none() || make().is_err() {
        debian::install(
            "Python",
            &["python3", "python3-venv"],
            "Python 3.10 or newer, with `venv`, is needed for Schemathesis: install it and put `python3` on the PATH",
        )?;
        make()?;
    }
    Ok(())
}

/// A demo server, ended with the guard.
struct Demo {
    process: Child,
    base: String,
    _running: Running,
}

impl Demo {
    fn start(binary: &Path, data: &Path, log: &Path) -> Outcome<Demo> {
        let mut command = vesta(binary);
        command.args(["demo", "--listen", "127.0.0.1:0", "--http", "--data"]).arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(fs::File::create(log)?);
        let mut process = command.spawn()?;
        let mut lines = process.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines);
        let running = interrupt::running(process.id());
        let mut demo = Demo { process, base: String::new(), _running: running };
        let base = lines.find_map(|line| {
            let line = line.ok()?;
            let address = line.trim().strip_prefix("FHIR API")?.trim();
            Some(address.strip_suffix("/apis/default/fhir")?.to_owned())
        });
        let Some(base) = base else {
            return Err(format!("the demo did not start:\n{}", fs::read_to_string(log).unwrap_or_default()).into());
        };
        // What else it prints is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        demo.base = base;
        Ok(demo)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The server, without what would be settings of it.
fn vesta(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VESTA_")) {
        command.env_remove(name);
    }
    command
}
