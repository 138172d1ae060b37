//! Published sample files, where they are: beside the repository in CI, and perhaps nowhere else.

use std::path::{Path, PathBuf};

/// A path below the shared folder; none, with the reason printed, where there is no such folder.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2).find_map(|folder| {
        let shared = folder.join("shared");
        shared.join("spec").is_dir().then_some(shared)
    });
    let found = shared.map(|shared| shared.join(path)).filter(|path| path.exists());
    if found.is_none() {
        skip(&format!("the folder with the published samples (shared/{path}) is not beside the repository"));
    }
    found
}

/// Says why a test does not run here.
pub(crate) fn skip(reason: &str) {
    println!("skipped: {reason}");
}
