//! `cargo xtask spec compare`: what a version of a guide wants to be seen and another one does not.

use std::collections::BTreeSet;

use vesta_conformance::coverage::wanted;
use vesta_conformance::guide::Guides;

use super::PackageName;
use crate::Outcome;

/// One line a wish, `-` where only `one` has it and `+` where only `other` has; sorted by profile and element.
pub(super) fn compare(guides: &Guides, one: &PackageName, other: &PackageName) -> Outcome<String> {
    let (before, after) = (wishes(guides, one)?, wishes(guides, other)?);
    let lines = before.symmetric_difference(&after).map(|wish| {
        let sign = if before.contains(wish) { '-' } else { '+' };
        format!("{sign} {wish}\n")
    });
    let (gone, new) = (before.difference(&after).count(), after.difference(&before).count());
    Ok(format!("{}{one} to {other}: {new} new, {gone} gone", lines.collect::<String>()))
}

/// What a guide wants to be seen, without its version and with its own canonicals shortened.
fn wishes(guides: &Guides, name: &PackageName) -> Outcome<BTreeSet<String>> {
    let guide = guides.get(&name.name, &name.version).ok_or_else(|| format!("spec/lock.toml has no guide {name}"))?;
    let own = format!("{}/StructureDefinition/", guide.package().canonical);
    let short = |line: String| line.replace(&format!("|{}", guide.version()), "").replace(&own, "");
    Ok(wanted(guide).iter().map(|wanted| short(wanted.to_string())).collect())
}
