//! What the OpenAPI document says can be searched by is what the search language takes, and the other way round.

use std::collections::BTreeSet;

use vesta_runtime::search::{SearchParameter, SearchParameterType as Kind};

use super::*;

/// A value of the parameter's type.
fn value(kind: Kind) -> &'static str {
    match kind {
        Kind::Number | Kind::Quantity => "1",
        Kind::Date => "2024",
        Kind::Uri => "http://example.org",
        _ => "a",
    }
}

fn example(definition: &SearchParameter) -> String {
    match definition.code {
        "near" => "1|1".to_owned(),
        _ if definition.components.is_empty() => value(definition.kind).to_owned(),
        _ => definition.components.iter().map(|part| value(part.kind)).collect::<Vec<_>>().join("$"),
    }
}

#[test]
fn every_documented_parameter_is_taken_and_every_one_taken_is_documented() {
    let table = table_of(types(vesta_guides::GUIDES));
    let document: Value = serde_json::from_str(vesta_api::FHIR_OPENAPI).expect("JSON");
    let results = [&RESULT_PARAMETERS[..], &["_format", "_pretty"]].concat();
    let mut wrong = Vec::new();
    for entry in table.entries() {
        let references = document["paths"][format!("/{}", entry.name)]["get"]["parameters"].as_array();
        let documented: BTreeSet<String> = references
            .into_iter()
            .flatten()
            .filter_map(|one| one["$ref"].as_str()?.strip_prefix("#/components/parameters/"))
            .map(|name| document["components"]["parameters"][name]["name"].as_str().expect("a name").to_owned())
            .filter(|name| !results.contains(&name.as_str()))
            .collect();
        let taken = table.parameters(entry.name).filter(|known| known.is_served());
        let mut taken: BTreeSet<String> = taken.map(|known| known.definition.code.to_owned()).collect();
        taken.extend(["_filter", "_list"].map(str::to_owned));
        if documented != taken {
            let differ: Vec<&String> = documented.symmetric_difference(&taken).collect();
            wrong.push(format!("{}: documented or taken only: {differ:?}", entry.name));
        }
        for code in &documented {
            let asked = match (code.as_str(), table.parameter(entry.name, code)) {
                ("_filter", _) => "_id eq a".to_owned(),
                (_, Some(known)) => example(known.definition),
                _ => "a".to_owned(),
            };
            let pair = [(code.clone(), asked)];
            if let Err(error) = Search::parse(&table, Some(entry.name), &pair, Handling::Strict, now()) {
                wrong.push(format!("{}?{code}: {error}", entry.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
