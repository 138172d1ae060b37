//! The licences of everything that is linked: what `deny.toml` allows, checked where cargo-deny is not installed, too.

use std::path::Path;

use serde_json::Value;
use spdx::{Expression, LicenseReq};

use super::Finding;
use crate::{Outcome, workspace};

pub(super) fn check() -> Outcome<Vec<Finding>> {
    let allowed = allowed()?;
    // This machine's platform only: the packages of the others would have to be downloaded first.
    let platform = workspace::platform()?;
    let arguments = ["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform];
    let metadata = workspace::output(workspace::cargo(&arguments))?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    Ok(packages
        .filter_map(|package| problem(package, &allowed))
        .map(|message| Finding { path: "Cargo.lock".into(), line: 1, message })
        .collect())
}

/// The identifiers that deny.toml allows: one list for both tools.
fn allowed() -> Outcome<Vec<String>> {
    let text = std::fs::read_to_string(workspace::root().join(Path::new("deny.toml")))?;
    let table: toml::Table = text.parse()?;
    let allow = table.get("licenses").and_then(|licenses| licenses.get("allow")).and_then(toml::Value::as_array);
    let allow = allow.ok_or("deny.toml has no list `licenses.allow`")?;
    Ok(allow.iter().filter_map(toml::Value::as_str).map(str::to_owned).collect())
}

fn problem(package: &Value, allowed: &[String]) -> Option<String> {
    let name = package["name"].as_str().unwrap_or_default();
    let Some(license) = package["license"].as_str() else { return Some(format!("`{name}` names no licence")) };
    match Expression::parse_mode(license, spdx::ParseMode::LAX) {
        Ok(expression) if expression.evaluate(|required| is_allowed(required, allowed)) => None,
        Ok(_) => Some(format!("`{name}` has the licence {license}, which deny.toml does not allow")),
        Err(error) => Some(format!("`{name}` has a licence that is no SPDX expression: {license}: {}", error.reason)),
    }
}

fn is_allowed(required: &LicenseReq, allowed: &[String]) -> bool {
    allowed.iter().any(|allowed| *allowed == required.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::problem;

    #[test]
    fn one_of_the_alternatives_must_be_allowed_and_all_of_the_parts() {
        let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned()];
        let judged = |license: &str| problem(&json!({ "name": "a", "license": license }), &allowed).is_none();
        assert!(judged("GPL-3.0-only OR MIT"));
        assert!(judged("MIT/Apache-2.0"));
        assert!(!judged("MIT AND GPL-3.0-only"));
        assert!(!judged("Apache-2.0 WITH LLVM-exception"));
        assert!(problem(&json!({ "name": "a", "license": null }), &allowed).is_some());
    }
}
