//! Rules for Cargo.toml: versions, lints and the package's facts are decided once, in the root; everything comes from
//! the public registry, as Cargo.lock says.

use std::path::Path;

use super::{Finding, Text};
use crate::{Outcome, workspace};

const FACTS: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];
const DEPENDENCIES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(texts: &[Text]) -> Outcome<Vec<Finding>> {
    let mut findings = Vec::new();
    for member in workspace::members()? {
        findings.extend(problems(&workspace::manifest(&member)?).into_iter().map(|message| Finding {
            path: member.join("Cargo.toml"),
            line: 1,
            message,
        }));
    }
    for text in texts {
        if text.path == Path::new("Cargo.lock") {
            findings.extend(sources(text));
        } else if text.path == Path::new(".cargo/config.toml") {
            let elsewhere =
                text.lines().filter(|(_, line)| line.starts_with("[source") || line.starts_with("[registr"));
            findings.extend(elsewhere.map(|(line, _)| text.finding(line, "a registry is the user's own setting")));
        }
    }
    Ok(findings)
}

fn problems(manifest: &toml::Table) -> Vec<String> {
    let inherits = |value: Option<&toml::Value>| {
        value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
    };
    let mut problems = Vec::new();
    if !inherits(manifest.get("lints")) {
        problems.push("has no `[lints] workspace = true`".to_owned());
    }
    let package = manifest.get("package");
    for fact in FACTS.into_iter().filter(|fact| !inherits(package.and_then(|package| package.get(fact)))) {
        problems.push(format!("has no `{fact}.workspace = true`"));
    }
    for kind in DEPENDENCIES {
        let dependencies = manifest.get(kind).and_then(toml::Value::as_table).into_iter().flatten();
        for (name, _) in dependencies.filter(|(_, dependency)| !inherits(Some(dependency))) {
            problems.push(format!("{kind}: `{name}` is not `workspace = true`"));
        }
    }
    problems
}

fn sources(lock: &Text) -> Vec<Finding> {
    let sources = lock.lines().filter_map(|(number, line)| Some((number, line.strip_prefix("source = \"")?)));
    let elsewhere = sources.filter(|(_, source)| source.trim_end_matches('"') != REGISTRY);
    elsewhere.map(|(number, _)| lock.finding(number, "a package comes from elsewhere than crates.io")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    #[test]
    fn members_inherit_from_the_root() {
        let good = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
                    rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\
                    [lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n";
        assert!(problems(&good.parse().unwrap()).is_empty());
        let own = good.replace("serde.workspace = true", "serde = \"1\"").replace("[lints]\nworkspace = true\n", "");
        assert_eq!(
            problems(&own.parse().unwrap()),
            ["has no `[lints] workspace = true`", "dependencies: `serde` is not `workspace = true`"]
        );
    }

    #[test]
    fn the_lock_names_the_public_registry_only() {
        let lock = format!("source = \"{REGISTRY}\"\nsource = \"registry+https://registry.example.org/index\"\n");
        assert_eq!(sources(&text("Cargo.lock", &lock)).len(), 1);
    }
}
