//! A Vesta of our own: built, filled, started on a free port, and gone afterwards.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vesta_conformance::party::Setup;

use crate::{Outcome, interrupt, postgres, workspace};

const START_LIMIT: Duration = Duration::from_secs(60);

/// A running server; it ends when this is dropped.
pub(crate) struct Vesta {
    pub(crate) base: String,
    pub(crate) token: String,
    /// Who logs in.
    pub(crate) setup: Setup,
    _serving: [Serving; 2],
    _folder: TempDir,
}

/// A process of `vesta serve`.
struct Serving {
    child: Child,
    _running: interrupt::Running,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    /// Starts it, and waits until it answers there.
    fn start(mut command: Command, is_ready: impl Fn() -> bool) -> Outcome<Serving> {
        command.env("VESTA_LOG_LEVEL", "warn").stdout(Stdio::null());
        let child = command.spawn()?;
        let running = interrupt::running(child.id());
        let mut serving = Serving { child, _running: running };
        let started = Instant::now();
        while !is_ready() {
            if let Some(status) = serving.child.try_wait()? {
                return Err(format!("Vesta ended while it started ({status})").into());
            }
            if started.elapsed() > START_LIMIT {
                return Err(format!("Vesta is not ready after {START_LIMIT:?}").into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(serving)
    }
}

/// Builds what `cargo run` would run; returns where it stands.
pub(crate) fn build() -> Outcome<PathBuf> {
    println!("building Vesta");
    let arguments = ["build", "--locked", "--quiet", "--package", "vesta-server", "--bin", "vesta"];
    built(workspace::cargo(&arguments))
}

/// Runs a build; returns where the last executable stands that it made.
pub(crate) fn built(mut command: Command) -> Outcome<PathBuf> {
    command.arg("--message-format=json-render-diagnostics").stderr(Stdio::inherit());
    let printed = command.output()?;
    if !printed.status.success() {
        return Err("Vesta does not build".into());
    }
    let messages = printed.stdout.split(|byte| *byte == b'\n');
    let mut executables = messages.filter_map(|line| {
        let message: serde_json::Value = serde_json::from_slice(line).ok()?;
        let is_program = message["target"]["kind"][0] == "bin";
        message["executable"].as_str().filter(|_| is_program).map(PathBuf::from)
    });
    Ok(executables.next_back().ok_or("cargo named no executable")?)
}

/// Loads the resources into an empty site, and serves it.
pub(crate) fn start(binary: &Path, resources: &[serde_json::Value], database: Option<&str>) -> Outcome<Vesta> {
    let folder = tempfile::Builder::new().prefix("vesta-conformance-").tempdir()?;
    let data = folder.path().join("data");
    let file = folder.path().join("demo.ndjson");
    let mut lines = std::io::BufWriter::new(std::fs::File::create(&file)?);
    for resource in resources {
        writeln!(lines, "{resource}")?;
    }
    lines.flush()?;
    drop(lines);
    let command = |arguments: &[&str], data: &Path, database: Option<&str>| {
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VESTA_")) {
            command.env_remove(name);
        }
        command.args(arguments).arg("--data").arg(data).current_dir(folder.path()).stdin(Stdio::null());
        if let Some(database) = database {
            command.args(["--database", database]);
        }
        command
    };
    let vesta = |arguments: &[&str]| command(arguments, &data, database);
    let port = postgres::free_port()?;
    let address = format!("http://localhost:{port}");
    // Known before anything is loaded: at another address references would be indexed anew while the tests begin.
    std::fs::write(folder.path().join("vesta.toml"), format!("[sites.default]\npublic_url = \"{address}\"\n"))?;
    let mut import = vesta(&["import"]);
    import.arg(&file);
    workspace::output(import)?;

    let mut setup = Setup::clinic()?;
    for person in setup.people.values() {
        let mut add = vesta(&["user", "add", &person["username"], "--role", &person["role"], "--password-stdin"]);
        add.args(person.get("record").iter().flat_map(|record| ["--record", record.as_str()]));
        given(add, &person["password"])?;
    }

    let serve = vesta(&["serve", "--http", "--listen", &format!("127.0.0.1:{port}")]);
    let health = format!("{address}/health/ready");
    let serving = Serving::start(serve, || ureq::get(&health).call().is_ok_and(|answer| answer.status() == 200))?;
    // With TLS, which that one is asked without.
    let place = format!("127.0.0.1:{}", postgres::free_port()?);
    let secure = command(&["serve", "--listen", &place], &folder.path().join("secure"), None);
    let secure = Serving::start(secure, || std::net::TcpStream::connect(&place).is_ok())?;
    setup.tls = Some(place);
    let token = workspace::output(vesta(&["token", "create", "--ttl", "2h"]))?.trim().to_owned();
    let base = format!("{address}/apis/default/fhir");
    Ok(Vesta { base, token, setup, _serving: [serving, secure], _folder: folder })
}

/// Runs a command that reads this line.
fn given(mut command: Command, line: &str) -> Outcome {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        writeln!(input, "{line}")?;
    }
    if child.wait()?.success() { Ok(()) } else { Err("a user cannot be added".into()) }
}
