//! Programs that phases run: those of the machine, and the server that the end-to-end tests have built.

use std::path::PathBuf;

use crate::{Outcome, workspace};

pub(super) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|program| program.is_file())
}

/// The server that the end-to-end tests have built, else built now.
pub(super) fn server_under_test() -> Outcome<PathBuf> {
    let built = workspace::root().join("target/debug/vesta-under-test");
    if !built.is_file() {
        workspace::run(workspace::cargo(&["build", "--quiet", "--locked", "--package", "vesta-tests", "--bins"]))?;
    }
    Ok(built)
}
