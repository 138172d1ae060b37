//! `cargo xtask codegen [--check]`: writes `generated/` from `spec/`, or tells what differs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use vesta_codegen::digest::Specification;
use vesta_codegen::emit::{self, NOTICE};

use crate::{Outcome, spec, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail if a generated file is not what the generator would write
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(args: Args) -> Outcome {
    let root = workspace::root();
    if args.check {
        let (_, changes) = changes_in(&root)?;
        return if changes.is_empty() { Ok(()) } else { Err(difference(&changes).into()) };
    }
    generate(&root)
}

/// Writes what is generated in a workspace.
pub(crate) fn generate(root: &Path) -> Outcome {
    let (count, changes) = changes_in(root)?;
    for (path, change) in &changes {
        let place = root.join(path);
        match change {
            Change::Write(text) => write(&place, text.as_bytes())?,
            Change::WriteBlob(bytes) => write(&place, bytes)?,
            Change::Delete => fs::remove_file(&place)?,
        }
    }
    println!("codegen: {count} text files, {} changed", changes.len());
    Ok(())
}

/// How many files a workspace's `spec` gives, and what of them is not there yet.
fn changes_in(root: &Path) -> Outcome<(usize, BTreeMap<String, Change>)> {
    let specification = Specification::load(&spec::read_folder(&root.join("spec"))?)?;
    let files = emit::all(&specification)?;
    let mut changes = changes(root, &files)?;
    changes.extend(blob_changes(root, emit::blobs(&specification))?);
    Ok((files.len(), changes))
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    Write(String),
    WriteBlob(Vec<u8>),
    Delete,
}

/// Where generated files stand; files without the notice (manifests, suites written by hand) are not the generator's.
const FOLDERS: [&str; 2] = ["generated", "conformance/suites"];

/// What has to be done so that the folders hold exactly these files.
fn changes(root: &Path, files: &BTreeMap<String, String>) -> Outcome<BTreeMap<String, Change>> {
    let mut present = BTreeMap::new();
    for folder in FOLDERS {
        let files = spec::read_folder(&root.join(folder))?;
        present.extend(files.into_iter().map(|(path, text)| (format!("{folder}/{path}"), text)));
    }
    let mut changes = BTreeMap::new();
    for (path, text) in files {
        if present.get(path) != Some(text) {
            changes.insert(path.clone(), Change::Write(text.clone()));
        }
    }
    for (path, text) in present {
        let is_generated = text.lines().take(2).any(|line| line.contains(NOTICE));
        if is_generated && !files.contains_key(&path) {
            changes.insert(path, Change::Delete);
        }
    }
    Ok(changes)
}

/// The same for generated files that are no text.
fn blob_changes(root: &Path, mut blobs: BTreeMap<String, Vec<u8>>) -> Outcome<BTreeMap<String, Change>> {
    let mut changes = BTreeMap::new();
    for path in spec::list_folder(&root.join("generated"))?.into_iter().filter(|path| path.ends_with(emit::BLOB)) {
        let path = format!("generated/{path}");
        match blobs.remove(&path) {
            Some(bytes) if fs::read(root.join(&path))? == bytes => {}
            Some(bytes) => drop(changes.insert(path, Change::WriteBlob(bytes))),
            None => drop(changes.insert(path, Change::Delete)),
        }
    }
    changes.extend(blobs.into_iter().map(|(path, bytes)| (path, Change::WriteBlob(bytes))));
    Ok(changes)
}

fn write(place: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(place, bytes)
}

fn difference(changes: &BTreeMap<String, Change>) -> String {
    const SHOWN: usize = 20;
    let mut text = "generated code is not what spec/ and codegen/ give; run `cargo xtask codegen`:".to_owned();
    for (path, change) in changes.iter().take(SHOWN) {
        let what = if *change == Change::Delete { "is no longer generated" } else { "differs" };
        text += &format!("\n  {path} {what}");
    }
    if changes.len() > SHOWN {
        text += &format!("\n  and {} more", changes.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use vesta_codegen::emit::PREAMBLE;

    use super::*;

    #[test]
    fn check_names_what_differs_and_the_command() {
        let root = tempfile::TempDir::new().unwrap();
        let folder = root.path().join("generated/fhir/src");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("lib.rs"), format!("{PREAMBLE}\nold")).unwrap();
        fs::write(folder.join("stale.rs"), format!("{PREAMBLE}\n")).unwrap();
        fs::write(root.path().join("generated/fhir/Cargo.toml"), "[package]").unwrap();
        let new = format!("{PREAMBLE}\nnew");
        let files = BTreeMap::from([
            ("generated/fhir/src/lib.rs".to_owned(), new.clone()),
            ("generated/fhir/src/types.rs".to_owned(), new.clone()),
        ]);
        let changes = changes(root.path(), &files).unwrap();
        let expected = [
            ("generated/fhir/src/lib.rs".to_owned(), Change::Write(new.clone())),
            ("generated/fhir/src/stale.rs".to_owned(), Change::Delete),
            ("generated/fhir/src/types.rs".to_owned(), Change::Write(new)),
        ];
        assert!(changes.iter().eq(expected.iter().map(|(path, change)| (path, change))), "{changes:?}");
        let text = difference(&changes);
        assert!(text.contains("run `cargo xtask codegen`"), "{text}");
        assert!(text.contains("stale.rs is no longer generated"), "{text}");
    }
}
