//! The load tool: wrk, in a process of its own, sending the requests of a file.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::Outcome;

/// One request as the load tool sends it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub method: &'static str,
    /// From the root: `/apis/default/fhir/Patient/1`.
    pub path: String,
    pub body: Option<String>,
}

impl Request {
    pub(crate) fn get(path: String) -> Self {
        Request { method: "GET", path, body: None }
    }
}

/// What a run of the load tool gave. Latencies in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub requests: u64,
    pub microseconds: u64,
    pub bytes: u64,
    /// Answers with a status of 400 or above.
    pub refused: u64,
    /// Connections that failed, and time-outs.
    pub broken: u64,
    pub p50: u64,
    pub p95: u64,
    pub p99: u64,
    pub max: u64,
}

impl Run {
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 * 1e6 / self.microseconds as f64
    }
}

/// Whether wrk is there; the error says how to get it.
pub(crate) fn require() -> Outcome {
    match Command::new("wrk").arg("--version").output() {
        Ok(_) => Ok(()),
        Err(_) => Err("the load tool `wrk` is missing: `apt-get install wrk` on Debian".into()),
    }
}

/// Sends `requests` in turn for `seconds` over `connections`.
pub(crate) fn run(
    base: &str,
    requests: &[Request],
    token: &str,
    connections: u32,
    seconds: u32,
    folder: &Path,
) -> Outcome<Run> {
    let file = folder.join("requests.tsv");
    let mut text = std::io::BufWriter::new(std::fs::File::create(&file)?);
    for request in requests {
        writeln!(text, "{}\t{}\t{}", request.method, request.path, request.body.as_deref().unwrap_or(""))?;
    }
    text.flush()?;
    let script = folder.join("requests.lua");
    std::fs::write(&script, include_str!("requests.lua"))?;
    let output = Command::new("wrk")
        .args(["--threads", "1", "--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--timeout", "30s", "--script"])
        .arg(&script)
        .args([base, "--"])
        .arg(&file)
        .arg(token)
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let line = printed.lines().find_map(|line| line.strip_prefix("JSON "));
    let line = line.ok_or_else(|| format!("wrk said: {printed}{}", String::from_utf8_lossy(&output.stderr)))?;
    Ok(serde_json::from_str(line)?)
}
