//! The cases of `cases/resources.json`: a body, and the places and wordings of its issues.

use serde_json::Value;
use vesta_fhir::SCHEMA;

use super::*;

fn parse(text: &str) -> Value {
    vesta_runtime::json::parse(text.as_bytes()).unwrap()
}

#[test]
fn bodies_give_the_issues_that_the_cases_list() {
    let cases = parse(include_str!("cases/resources.json"));
    let mut failures = Vec::new();
    for case in cases.as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let issues = validate(&SCHEMA, &case["body"]);
        let expected = case["issues"].as_array().unwrap();
        let found: Vec<(&str, &str)> = issues
            .iter()
            .map(|issue| (issue.expression.first().map_or("", String::as_str), &*issue.diagnostics))
            .collect();
        let matches = expected.len() == found.len()
            && expected.iter().zip(&found).all(|(expected, (expression, diagnostics))| {
                expected[0].as_str() == Some(expression) && diagnostics.contains(expected[1].as_str().unwrap())
            });
        if !matches {
            failures.push(format!("{name}:\n  expected {expected:?}\n  found {found:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn no_type_has_more_elements_than_the_walk_has_bits() {
    for definition in SCHEMA.types {
        assert!(definition.elements.len() <= 128, "{}", definition.name);
    }
}

#[test]
fn the_number_of_issues_is_bounded_and_the_rest_is_counted() {
    let many: Vec<Value> = (0..250).map(|_| serde_json::json!({ "nmae": 1 })).collect();
    let issues = validate(&SCHEMA, &serde_json::json!({ "resourceType": "Patient", "contact": many }));
    assert_eq!(issues.len(), MAXIMUM_ISSUES + 1);
    assert!(issues[MAXIMUM_ISSUES].diagnostics.starts_with("150 further"));
}

/// Every Synthea resource is valid R4.
#[test]
fn synthea_bundles_are_valid() {
    let mut folders = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let Some(files) = folders.find_map(|folder| std::fs::read_dir(folder.join("shared/samples/synthea")).ok()) else {
        println!("skipped: no ../shared beside this checkout");
        return;
    };
    let mut count = 0;
    for file in files {
        let path = file.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        let text = if path.extension().is_some_and(|extension| extension == "gz") {
            let mut plain = Vec::new();
            std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&text[..]), &mut plain).unwrap();
            plain
        } else {
            text
        };
        if !path.to_string_lossy().contains(".json") {
            continue;
        }
        let bundle = vesta_runtime::json::parse(&text).unwrap();
        for entry in bundle["entry"].as_array().into_iter().flatten() {
            let issues: Vec<_> = validate(&SCHEMA, &entry["resource"])
                .into_iter()
                // Synthea writes `Practitioner?identifier=…` in transactions: those are resolved before this check.
                .filter(|issue| !issue.diagnostics.starts_with("A conditional reference"))
                .collect();
            assert_eq!(issues, [], "{}", path.display());
            count += 1;
        }
    }
    println!("{count} resources are valid");
}
