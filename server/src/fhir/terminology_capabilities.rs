//! `GET [base]/metadata?mode=terminology`: what the terminology service knows and does.
//! <https://hl7.org/fhir/R4/terminologycapabilities.html>

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::service::Service;
use crate::terminology::{Kind, Summary, compare_versions};

pub(super) fn statement(service: &Service) -> Value {
    let mut systems: BTreeMap<String, Vec<Summary>> = BTreeMap::new();
    for summary in service.terminology.packaged().summaries(Kind::CodeSystem) {
        // Of the others the codes are not here, or belong to another system.
        if matches!(summary.content.as_deref(), Some("complete" | "fragment" | "example")) {
            systems.entry(summary.url.clone()).or_default().push(summary);
        }
    }
    let code_systems: Vec<Value> = systems.into_iter().map(|(url, versions)| code_system(&url, versions)).collect();
    let parameter = |name: &str, documentation: &str| json!({ "name": name, "documentation": documentation });
    json!({
        "resourceType": "TerminologyCapabilities",
        "name": "VestaTerminologyCapabilities",
        "title": "What the terminology service of this Vesta server does",
        "status": "active",
        "date": service.clock.now().strftime("%Y-%m-%d").to_string(),
        "description": "The code systems listed are those that the packages of R4 and of the enabled guides carry; they \
                        are known by their canonical URLs and are no resources of this server. Code systems, value \
                        sets and concept maps that users post are known as well, and win over a packaged definition of \
                        the same URL and version.",
        "kind": "instance",
        "software": { "name": "Vesta", "version": env!("CARGO_PKG_VERSION") },
        "implementation": { "description": "Terminology service of this site", "url": service.base_url },
        "codeSystem": code_systems,
        "expansion": {
            "hierarchical": true,
            "paging": true,
            "incomplete": true,
            "parameter": [
                parameter("filter", "Words that begin words of the display or of a designation, without regard to case and accents; or the beginning of the code."),
                parameter("offset", "The expansion is then a flat list."),
                parameter("count", "0 asks for the total only. The expansion is then a flat list."),
                parameter("includeDesignations", "With the designations of the value set, the code system and its supplements."),
                parameter("designation", "Those of these languages or uses."),
                parameter("includeDefinition", "With compose."),
                parameter("activeOnly", "Without codes whose property inactive is true, or whose status is retired or inactive."),
                parameter("excludeNested", "A flat list."),
                parameter("excludeNotForUI", "Without codes that group others only."),
                parameter("displayLanguage", "Displays in this language, where there are such designations."),
                parameter("exclude-system", "Without the codes of this code system."),
                parameter("system-version", "The version to use where the value set names none."),
                parameter("check-system-version", "Any other version is an error."),
                parameter("force-system-version", "The version to use whatever the value set names."),
            ],
            "textFilter": "Words in any order, each the beginning of a word."
        },
        "codeSearch": "explicit",
        "validateCode": { "translations": true },
        "translation": { "needsMap": true },
        "closure": { "translation": false }
    })
}

fn code_system(url: &str, mut versions: Vec<Summary>) -> Value {
    let text = |summary: &Summary| summary.version.clone().unwrap_or_default();
    versions.sort_by(|one, other| compare_versions(&text(other), &text(one)));
    let known: Vec<Value> = versions
        .iter()
        .enumerate()
        .filter_map(|(place, summary)| Some(json!({ "code": summary.version.as_ref()?, "isDefault": place == 0 })))
        .collect();
    let mut described = json!({ "uri": url });
    if !known.is_empty() {
        described["version"] = Value::Array(known);
    }
    described["subsumption"] = json!(true);
    described
}
