//! The resources that others published, from `../shared`; tests that need them skip where it is absent.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

/// `../shared` beside the checkout, or a reason on the terminal.
pub(crate) fn shared() -> Option<PathBuf> {
    let found = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared"))
        .find(|folder| folder.is_dir());
    if found.is_none() {
        println!("skipped: there is no ../shared beside this checkout");
    }
    found
}

/// All resources of the FHIR packages there, definitions and examples, each with its place.
pub(crate) fn package_resources(shared: &Path) -> Vec<(String, Value)> {
    let mut resources = Vec::new();
    for archive in files(&shared.join("spec")) {
        let bytes = std::fs::read(&archive).expect("readable");
        let mut entries = tar::Archive::new(GzDecoder::new(bytes.as_slice()));
        for entry in entries.entries().expect("a tar archive") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").display().to_string();
            if path.ends_with(".json") {
                let mut text = Vec::new();
                entry.read_to_end(&mut text).expect("readable");
                resources.push((format!("{} {path}", name(&archive)), parse(&text, &path)));
            }
        }
    }
    resources.retain(|(_, value)| value.get("resourceType").is_some());
    resources
}

/// The resources of the Synthea Bundles there, and the Bundles themselves.
pub(crate) fn synthea_resources(shared: &Path) -> Vec<(String, Value)> {
    let mut resources = Vec::new();
    for file in files(&shared.join("samples/synthea")) {
        let bytes = std::fs::read(&file).expect("readable");
        let mut text = Vec::new();
        GzDecoder::new(bytes.as_slice()).read_to_end(&mut text).expect("gzip");
        let bundle = parse(&text, &name(&file));
        for (index, entry) in bundle["entry"].as_array().into_iter().flatten().enumerate() {
            resources.push((format!("{} entry {index}", name(&file)), entry["resource"].clone()));
        }
        resources.push((name(&file), bundle));
    }
    resources
}

fn parse(text: &[u8], place: &str) -> Value {
    vesta_runtime::json::parse(text).unwrap_or_else(|error| panic!("{place}: {error}"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "gz" || extension == "tgz"));
    files.sort();
    files
}

fn name(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
