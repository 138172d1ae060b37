//! Rules for every text file: how lines end, and what names one person's machine.

use super::{Finding, Text, is_below};

/// Folders that exist on one machine only. In pieces, so that this file obeys its own rule.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/tm", "p/")];
/// What a reader needs first, on a fresh checkout.
const README_COMMANDS: [&str; 2] = ["cargo run --release -- demo", "cargo xtask test"];

pub(super) fn check(texts: &[Text]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = texts.iter().flat_map(whitespace).collect();
    findings.extend(texts.iter().flat_map(machine_paths));
    findings.extend(readme(texts));
    findings
}

fn whitespace(text: &Text) -> Vec<Finding> {
    // A snapshot holds what was printed, a digest what the standard says.
    if text.has_extension("snap") || is_below(text, "spec") {
        return Vec::new();
    }
    let trailing = text.lines().filter(|(_, line)| line.ends_with([' ', '\t', '\r']));
    let mut findings: Vec<Finding> = trailing.map(|(line, _)| text.finding(line, "whitespace ends the line")).collect();
    let last = text.content.lines().count();
    if !text.content.is_empty() && !text.content.ends_with('\n') {
        findings.push(text.finding(last, "the last line has no newline"));
    }
    if text.content.ends_with("\n\n") {
        findings.push(text.finding(last, "an empty line ends the file"));
    }
    findings
}

fn machine_paths(text: &Text) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in text.lines() {
        for path in MACHINE_PATHS {
            // Inside a longer path or a URL (`/usr/work/`, `https://host/home/`) it is not a folder of this machine.
            let alone =
                |at: usize| !line[..at].ends_with(|before: char| before.is_alphanumeric() || "-_.}".contains(before));
            if line.match_indices(path).any(|(at, _)| alone(at)) {
                findings.push(text.finding(number, format!("`{path}…` exists on one machine only")));
            }
        }
    }
    findings
}

fn readme(texts: &[Text]) -> Vec<Finding> {
    let Some(readme) = texts.iter().find(|text| text.path.as_os_str() == "README.md") else {
        return vec![Finding { path: "README.md".into(), line: 1, message: "there is no README.md".into() }];
    };
    let absent = README_COMMANDS.iter().filter(|command| !readme.content.contains(*command));
    absent.map(|command| readme.finding(1, format!("does not name `{command}`"))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    #[test]
    fn line_ends_are_checked() {
        assert!(whitespace(&text("a.md", "one\ntwo\n")).is_empty());
        let messages = |content: &str| -> Vec<String> {
            whitespace(&text("a.md", content)).into_iter().map(|finding| finding.to_string()).collect()
        };
        assert_eq!(messages("one \ntwo"), ["a.md:1: whitespace ends the line", "a.md:2: the last line has no newline"]);
        assert_eq!(messages("one\n\n"), ["a.md:2: an empty line ends the file"]);
    }

    #[test]
    fn a_folder_of_one_machine_is_found_and_a_url_is_not() {
        let own = concat!("see /wo", "rk/main/README.md\n");
        assert_eq!(machine_paths(&text("a.md", own)).len(), 1);
        let url = concat!("https://example.org/wo", "rk/main\n");
        assert!(machine_paths(&text("a.md", url)).is_empty());
    }

    #[test]
    fn the_readme_names_the_two_commands() {
        assert_eq!(readme(&[]).len(), 1);
        assert_eq!(readme(&[text("README.md", "cargo xtask test\n")]).len(), 1);
        assert!(readme(&[text("README.md", "cargo run --release -- demo\ncargo xtask test\n")]).is_empty());
    }
}
