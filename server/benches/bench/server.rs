//! The server under test: the release binary in a process of its own, started as an operator would.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Outcome;

pub(crate) struct Server {
    process: Child,
    pub base: String,
    pub ready_after: Duration,
    binary: PathBuf,
    data: PathBuf,
    database: Option<String>,
}

/// A loopback address with a port that is free now.
pub(crate) fn free_address() -> Outcome<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

impl Server {
    /// Starts `vesta serve` on a data folder and waits until it is ready.
    /// Always at the same address: it is the site's public one, and another would mean to index references anew.
    pub(crate) fn start(binary: &Path, address: &str, data: &Path, database: Option<&str>) -> Outcome<Server> {
        let log = std::fs::File::create(data.join("server.log"))?;
        let mut command = Command::new(binary);
        command.args(["serve", "--http", "--listen", address, "--data"]).arg(data);
        command.args(database.iter().flat_map(|url| ["--database", url]));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let began = Instant::now();
        let process = command.spawn()?;
        let base = format!("http://{address}");
        let mut server = Server {
            process,
            base,
            ready_after: Duration::ZERO,
            binary: binary.to_owned(),
            data: data.to_owned(),
            database: database.map(str::to_owned),
        };
        while !server.answers("/health/ready") {
            if began.elapsed() > Duration::from_secs(60) || server.process.try_wait()?.is_some() {
                let log = std::fs::read_to_string(data.join("server.log")).unwrap_or_default();
                return Err(format!("the server does not become ready:\n{log}").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        server.ready_after = began.elapsed();
        Ok(server)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    fn answers(&self, path: &str) -> bool {
        ureq::get(format!("{}{path}", self.base)).call().is_ok()
    }

    /// A token as `vesta token create` gives it.
    pub(crate) fn token(&self, scope: &str) -> Outcome<String> {
        let mut command = Command::new(&self.binary);
        command.args(["token", "create", "--scope", scope, "--ttl", "3600", "--data"]).arg(&self.data);
        command.args(self.database.iter().flat_map(|url| ["--database", url]));
        let output = command.output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// The JSON that a GET answers.
    pub(crate) fn get(&self, path: &str, token: &str) -> Outcome<serde_json::Value> {
        let mut answer =
            ureq::get(format!("{}{path}", self.base)).header("Authorization", format!("Bearer {token}")).call()?;
        Ok(serde_json::from_slice(&answer.body_mut().read_to_vec()?)?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked to stop first, so that it closes its database; killed if it does not.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        for _ in 0..200 {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `vesta import` of files; returns how long it took.
pub(crate) fn import(binary: &Path, data: &Path, database: Option<&str>, files: &[PathBuf]) -> Outcome<Duration> {
    let mut command = Command::new(binary);
    command.arg("import").arg("--data").arg(data);
    command.args(database.iter().flat_map(|url| ["--database", url])).args(files).stdin(Stdio::null());
    let began = Instant::now();
    let output = command.output()?;
    if !output.status.success() {
        let printed = String::from_utf8_lossy(&output.stderr);
        return Err(format!("vesta import failed: {printed}").into());
    }
    Ok(began.elapsed())
}
