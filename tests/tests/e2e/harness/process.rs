//! The binary itself, as a process of its own: for what a process does or has done to it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::client::Client;

/// Built from the server's own `main.rs`, so that `cargo test` alone always has a fresh one.
const BINARY: &str = env!("CARGO_BIN_EXE_vesta-under-test");

/// A running `vesta serve`; killed when dropped.
pub(crate) struct Vesta {
    child: Child,
    pub(crate) address: String,
}

/// A port that nobody listens on, as far as one can know.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Asks again and again until it is so.
#[track_caller]
pub(crate) fn wait_until(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < limit, "after {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A command with the data folder and database given, and nothing of this process's settings.
pub(crate) fn command(data: &Path, database: Option<&str>, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VESTA_")) {
        command.env_remove(name);
    }
    command.args(arguments).arg("--data").arg(data).stdin(Stdio::null());
    if data.is_dir() {
        // No vesta.toml of the place where the tests run.
        command.current_dir(data);
    }
    if let Some(database) = database {
        command.args(["--database", database]);
    }
    command
}

/// Runs a command to its end.
pub(crate) fn vesta(data: &Path, database: Option<&str>, arguments: &[&str]) -> Output {
    command(data, database, arguments).output().expect("vesta runs")
}

impl Vesta {
    /// Starts `vesta serve` on plain HTTP and waits until it is ready.
    pub(crate) fn serve(data: &Path, database: Option<&str>, more: &[&str]) -> Self {
        Self::start(data, database, more, |_| ())
    }

    pub(crate) fn start(data: &Path, database: Option<&str>, more: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let mut command = command(data, database, &["serve", "--http", "--listen", &listen]);
        command.args(more).stdout(Stdio::null()).stderr(Stdio::inherit()).env("VESTA_LOG_LEVEL", "warn");
        change(&mut command);
        let child = command.spawn().expect("vesta starts");
        let mut vesta = Vesta { child, address: format!("http://localhost:{port}") };
        let health = Client { base: vesta.address.clone(), token: None };
        wait_until("vesta serve is ready", Duration::from_secs(60), || {
            if let Some(status) = vesta.child.try_wait().expect("its state") {
                panic!("vesta serve ended: {status}");
            }
            health.try_send("GET", "health/ready", &[], None).is_ok_and(|answer| answer.status == 200)
        });
        vesta
    }

    /// A client with a token that `vesta token create` printed.
    pub(crate) fn client(&self, data: &Path, database: Option<&str>) -> Client {
        let output = vesta(data, database, &["token", "create", "--scope", "user/*.cruds"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let token = String::from_utf8(output.stdout).expect("a token").trim().to_owned();
        Client { base: format!("{}/apis/default/fhir", self.address), token: Some(token) }
    }

    /// `kill -9`: the process gets no chance to put anything in order.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the process is killed");
        self.child.wait().expect("the process is gone");
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "the signal is sent");
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end; whether it was a good one.
    pub(crate) fn wait(mut self) -> bool {
        self.child.wait().expect("the process ends").success()
    }
}

impl Drop for Vesta {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
