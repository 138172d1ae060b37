//! Rules for insta's snapshots: none that no test asserts, and none that waits for a review.

use super::{Finding, Text};

pub(super) fn check(texts: &[Text]) -> Vec<Finding> {
    let waiting = texts.iter().filter(|text| text.path.to_string_lossy().ends_with(".snap.new"));
    let mut findings: Vec<Finding> =
        waiting.map(|text| text.finding(1, "waits for a review: accept or remove it")).collect();
    for snapshot in texts.iter().filter(|text| text.has_extension("snap")) {
        let Some(source) = source(snapshot) else {
            findings.push(snapshot.finding(1, "does not name its source"));
            continue;
        };
        let is_asserted = texts
            .iter()
            .find(|text| text.path.to_string_lossy() == source)
            .is_some_and(|text| name(snapshot).is_some_and(|name| asserts(&text.content, &name)));
        if !is_asserted {
            findings.push(snapshot.finding(1, format!("no test in {source} asserts it")));
        }
    }
    findings
}

/// The test's file, which insta writes into the header.
fn source(snapshot: &Text) -> Option<&str> {
    snapshot.content.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix("source: "))
}

/// `crate__module__name-2@suffix.snap` → `name`.
fn name(snapshot: &Text) -> Option<String> {
    let stem = snapshot.path.file_stem()?.to_str()?;
    let stem = stem.split('@').next()?;
    let name = stem.rsplit("__").next()?;
    let without_count = name.rsplit_once('-').filter(|(_, count)| count.parse::<u32>().is_ok());
    Some(without_count.map_or(name, |(name, _)| name).to_owned())
}

/// Whether the source has a test of that name, or names the snapshot; a name made at run time is a `format!`.
fn asserts(source: &str, name: &str) -> bool {
    [format!("fn {name}("), format!("fn test_{name}("), format!("\"{name}\"")].iter().any(|mark| source.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    #[test]
    fn a_snapshot_belongs_to_a_test() {
        let snapshot = |file: &str| text(file, "---\nsource: codegen/src/types.rs\n---\ncontent\n");
        let source = text("codegen/src/types.rs", "fn patient() { assert_snapshot!(\"bundle\", x) }\n");
        let found = |file: &str| check(&[text("codegen/src/types.rs", &source.content), snapshot(file)]).len();
        assert_eq!(found("codegen/src/snapshots/vesta_codegen__types__patient.snap"), 0);
        assert_eq!(found("codegen/src/snapshots/vesta_codegen__types__patient-2.snap"), 0);
        assert_eq!(found("codegen/src/snapshots/vesta_codegen__types__bundle@r4.snap"), 0);
        assert_eq!(found("codegen/src/snapshots/vesta_codegen__types__gone.snap"), 1);
        assert_eq!(found("codegen/src/snapshots/vesta_codegen__types__patient.snap.new"), 1);
    }
}
