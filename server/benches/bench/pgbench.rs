//! The limit of PostgreSQL itself: the same statements, prepared, with the same values, by pgbench.

use std::path::Path;
use std::process::Command;

use sea_orm::sea_query::Value;

use crate::Outcome;
use crate::plans::Statements;

/// Each request's statements are a script, which every connection prepares for itself: more would measure that.
pub(crate) const MOST: usize = 16;
/// They keep both processors busy, with no server beside them that waits.
const CONNECTIONS: u32 = 8;

/// Requests a second.
pub(crate) fn reads(url: &str, requests: &[Statements], seconds: u32, folder: &Path) -> Outcome<f64> {
    let folder = folder.join("pgbench");
    std::fs::create_dir_all(&folder)?;
    let mut command = Command::new(pgbench());
    command.args(["--no-vacuum", "--protocol=prepared", "--jobs=1"]);
    command.args([format!("--client={CONNECTIONS}"), format!("--time={seconds}")]);
    // As for statements that have run for a while.
    command.env("PGOPTIONS", "-c plan_cache_mode=force_generic_plan");
    for (number, statements) in requests.iter().take(MOST).enumerate() {
        let mut script = String::new();
        for (place, statement) in statements.iter().enumerate() {
            let name = |at: usize| format!("v{number}_{place}_{at}");
            script.push_str(&with_variables(&statement.sql, name));
            script.push_str(";\n");
            for (at, value) in statement.values.iter().enumerate() {
                command.arg(format!("--define={}={}", name(at + 1), text(value)?));
            }
        }
        let file = folder.join(format!("{number}.sql"));
        std::fs::write(&file, script)?;
        command.arg("--file").arg(file);
    }
    let output = command.arg(url).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let rate = printed.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.ok_or_else(|| format!("pgbench said: {printed}{}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Debian keeps it beside the server's version, not always in the path.
fn pgbench() -> std::path::PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let beside = versions.map(|version| version.path().join("bin/pgbench")).filter(|file| file.exists()).max();
    beside.unwrap_or_else(|| "pgbench".into())
}

/// The statement with pgbench's `:name` in place of `$1`.
fn with_variables(sql: &str, name: impl Fn(usize) -> String) -> String {
    let mut parts = sql.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|next: char| next.is_ascii_digit()).len();
        match part[..digits].parse() {
            Ok(at) => text.push_str(&format!(":{}{}", name(at), &part[digits..])),
            Err(_) => text.push_str(&format!("${part}")),
        }
    }
    text
}

/// As PostgreSQL reads a value of unknown type.
fn text(value: &Value) -> Outcome<String> {
    let text = match value {
        Value::Bool(Some(value)) => value.to_string(),
        Value::SmallInt(Some(value)) => value.to_string(),
        Value::Int(Some(value)) => value.to_string(),
        Value::BigInt(Some(value)) => value.to_string(),
        Value::BigUnsigned(Some(value)) => value.to_string(),
        Value::Double(Some(value)) => value.to_string(),
        Value::String(Some(value)) => value.to_string(),
        Value::Bytes(Some(value)) => {
            format!("\\x{}", value.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        }
        other => return Err(format!("a value of a kind that no plan had before: {other:?}").into()),
    };
    Ok(text)
}
