//! The examples that the guides themselves publish: what is found in one is a mistake of the checker, or of the
//! example, and then stands in the list with its reason.

use std::path::Path;

use vesta_conformance::profile::{Finding, check};
use vesta_conformance::samples;

use super::GUIDES;

/// (guide version, file, location, why the example and not the checker is wrong)
const WRONG_EXAMPLES: &[(&str, &str, &str, &str)] = &[];

#[test]
fn the_guides_own_examples_keep_their_profiles() {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().skip(2);
    let shared = folders.map(|folder| folder.join("shared/spec")).find(|folder| folder.is_dir()).unwrap_or_default();
    for guide in GUIDES.all() {
        let archive = shared.join(format!("{}-{}.tgz", guide.name(), guide.version()));
        if !archive.exists() {
            println!("skipped: no shared/spec/{}", archive.file_name().unwrap().display());
            continue;
        }
        let mut checked = 0;
        let mut found = Vec::new();
        for sample in samples::examples(&archive).unwrap() {
            let claims = sample.resource["meta"]["profile"].as_array().into_iter().flatten();
            // An example is one of its own package's version, whether it says so or not.
            for profile in claims.filter_map(|claim| guide.profile(claim.as_str()?)) {
                checked += 1;
                let errors = check(&sample.resource, profile).into_iter().filter(Finding::is_error);
                found.extend(errors.map(|error| (sample.origin.clone(), error)));
            }
        }
        assert!(checked > 150, "{} {}: only {checked} claims of its own profiles", guide.name(), guide.version());
        found.retain(|(file, error)| {
            let is_known = |known: &&(&str, &str, &str, &str)| {
                (known.0, known.1, known.2) == (guide.version(), file.as_str(), error.location.as_str())
            };
            !WRONG_EXAMPLES.iter().any(|known| is_known(&known))
        });
        let shown: Vec<_> = found.iter().map(|(file, error)| format!("{file}: {error}")).collect();
        assert!(shown.is_empty(), "{}:\n{}", guide.version(), shown.join("\n"));
    }
}
