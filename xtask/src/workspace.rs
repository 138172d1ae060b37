//! Where the workspace lies, which files it holds, and how another program is run in it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::{Outcome, interrupt};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    // The path of the source, not the current folder: `cargo xtask` works from every subfolder.
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), Path::to_path_buf)
}

/// Cargo, in the root, with nothing to read from.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    command
}

/// The platform that the toolchain builds for by default.
pub(crate) fn platform() -> Outcome<String> {
    let mut command = Command::new("rustc");
    command.arg("-vV").current_dir(root());
    let version = output(command)?;
    let platform = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(platform.ok_or("`rustc -vV` names no host")?.to_owned())
}

/// Whether a cargo subcommand such as `deny` is installed.
pub(crate) fn has_cargo_command(name: &str) -> bool {
    let mut command = cargo(&[name, "--version"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs to the end, output passed through; a failure names the command.
pub(crate) fn run(mut command: Command) -> Outcome {
    let shown = shown(&command);
    let mut child = command.spawn().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    let _running = interrupt::running(child.id());
    let status = child.wait()?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status})").into()) }
}

/// Runs to the end, output passed through and shown to `watch` line by line.
pub(crate) fn run_watched(mut command: Command, mut watch: impl FnMut(&str)) -> Outcome<ExitStatus> {
    let shown = shown(&command);
    command.stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    let _running = interrupt::running(child.id());
    if let Some(printed) = child.stdout.take() {
        for line in BufReader::new(printed).split(b'\n') {
            let line = line?;
            let mut terminal = std::io::stdout().lock();
            terminal.write_all(&line)?;
            terminal.write_all(b"\n")?;
            watch(&String::from_utf8_lossy(&line));
        }
    }
    Ok(child.wait()?)
}

/// Runs to the end and returns what it printed.
pub(crate) fn output(mut command: Command) -> Outcome<String> {
    let shown = shown(&command);
    let output = command.output().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        let printed = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{shown}` failed ({}):\n{}", output.status, printed.trim()).into())
    }
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    command.get_args().fold(program, |mut line, argument| {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
        line
    })
}

/// The files that are, or are about to be, under version control, relative to the root, sorted.
pub(crate) fn files() -> Outcome<Vec<PathBuf>> {
    let mut command = Command::new("git");
    // A checkout that belongs to another user (a container's mount) is still ours to read.
    command.args(["-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
    command.current_dir(root()).stdin(Stdio::null());
    let mut files: Vec<PathBuf> =
        output(command)?.split_terminator('\0').map(PathBuf::from).filter(|path| root().join(path).is_file()).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// The folders of the workspace's members, relative to the root.
pub(crate) fn members() -> Outcome<Vec<PathBuf>> {
    let manifest = manifest(Path::new(""))?;
    let members =
        manifest.get("workspace").and_then(|workspace| workspace.get("members")).and_then(toml::Value::as_array);
    Ok(members.into_iter().flatten().filter_map(toml::Value::as_str).map(PathBuf::from).collect())
}

/// The name of the package in a member's folder.
pub(crate) fn package_name(member: &Path) -> Outcome<String> {
    let manifest = manifest(member)?;
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    Ok(name.ok_or_else(|| format!("{}/Cargo.toml names no package", member.display()))?.to_owned())
}

/// The Cargo.toml of a folder, parsed.
pub(crate) fn manifest(folder: &Path) -> Outcome<toml::Table> {
    let path = root().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.parse().map_err(|error| format!("{}: {error}", path.display()).into())
}
