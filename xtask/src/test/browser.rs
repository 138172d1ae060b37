//! The pages in a real browser: what `tests/browser` looks at, in headless Chromium; and real SMART apps against a demo
//! server, from the click to the patient's name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::failures::Failures;
use super::programs::{on_path, server_under_test};
use crate::{Outcome, debian, workspace};

const SOURCES: &str = "tests/browser";

/// The library that SMART apps use. Its file for browsers stands alone, so that none of the 500 packages it names is needed.
const FHIRCLIENT: &str = "fhirclient@2.6.3";
const FHIRCLIENT_SHA512: &str =
    "sha512-CirZixcwWelbkIXxpxlNQx5+ZdJirl6F1s4y4yvA1X7hHAkr9n99aVHaMi0wX+97nATjKQ65X6NB5as/wZoJzg==";

/// Writes the gallery of pages, installs what package-lock.json says below `target`, and runs the tests there.
pub(super) fn run(filter: Option<&str>) -> Outcome<String> {
    let (chromium, npm) = programs()?;
    let root = workspace::root();
    let folder = root.join("target/browser");
    fs::create_dir_all(&folder)?;
    let mut tests = 0;
    for file in workspace::files()?.iter().filter(|file| file.starts_with(SOURCES)) {
        tests += usize::from(file.to_string_lossy().ends_with(".test.mjs"));
        fs::copy(root.join(file), folder.join(file.file_name().unwrap_or_default()))?;
    }
    install(&npm, &folder)?;
    fhirclient(&npm, &folder)?;
    let vesta = server_under_test()?;

    let gallery = folder.join("gallery");
    let write = ["run", "--quiet", "--package", "vesta-pages", "--example", "gallery", "--"];
    let mut command = workspace::cargo(&write);
    command.arg(&gallery);
    workspace::run(command)?;

    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec"]).current_dir(&folder).stdin(Stdio::null());
    if let Some(filter) = filter {
        node.args(["--test-name-pattern", filter]);
    }
    node.env("VESTA_CHROMIUM", &chromium).env("VESTA_GALLERY", &gallery).env("VESTA_BINARY", &vesta);
    // Up to its end, where no such line comes.
    let mut failures = Failures::after("✖ failing tests:", "✔ ");
    let status = workspace::run_watched(node, |line| failures.add(line))?;
    if !status.success() {
        return Err(format!("`node --test` failed ({status}){failures}").into());
    }
    Ok(format!("{tests} files of tests"))
}

/// Only when the lock file is another than the one that was installed.
fn install(npm: &Path, folder: &Path) -> Outcome {
    let locked = fs::read(folder.join("package-lock.json"))?;
    let installed = folder.join("node_modules/installed-lock.json");
    if fs::read(&installed).is_ok_and(|installed| installed == locked) {
        return Ok(());
    }
    let mut command = Command::new(npm);
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder).stdin(Stdio::null());
    workspace::output(command)?;
    fs::write(installed, locked)?;
    Ok(())
}

/// The one file of the package for browsers. Its registry's word on the content is compared with what was looked at.
fn fhirclient(npm: &Path, folder: &Path) -> Outcome {
    let file = folder.join("fhir-client.min.js");
    if file.is_file() {
        return Ok(());
    }
    let mut command = Command::new(npm);
    command.args(["pack", FHIRCLIENT, "--json", "--ignore-scripts"]).current_dir(folder).stdin(Stdio::null());
    let packed: serde_json::Value = serde_json::from_str(&workspace::output(command)?)?;
    let text = |name: &str| packed[0][name].as_str().unwrap_or_default().to_owned();
    if text("integrity") != FHIRCLIENT_SHA512 {
        return Err(format!("{FHIRCLIENT} is not what it was: its content is {}", text("integrity")).into());
    }
    let archive = fs::File::open(folder.join(text("filename")))?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.ends_with("build/fhir-client.min.js") {
            entry.unpack(&file)?;
            return Ok(());
        }
    }
    Err(format!("{FHIRCLIENT} has no file for browsers").into())
}

/// Chromium and npm: found, or installed.
fn programs() -> Outcome<(PathBuf, PathBuf)> {
    let found = || {
        let chromium = ["chromium", "chromium-browser", "google-chrome", "chrome"].into_iter().find_map(on_path);
        chromium.zip(on_path("npm").filter(|_| on_path("node").is_some()))
    };
    if let Some(found) = found() {
        return Ok(found);
    }
    debian::install(
        "Chromium and Node.js",
        &["chromium", "nodejs", "npm"],
        "Chromium, and Node.js 20 or newer with npm, are needed for the tests of the pages: install them and put them on \
         the PATH",
    )?;
    Ok(found().ok_or("Chromium and Node.js were installed, but `chromium`, `node` and `npm` are not on the PATH")?)
}
