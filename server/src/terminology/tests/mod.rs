//! The engine on hand-made definitions (`resources.json`), question by question (`cases.json`), and on what the
//! packages carry.

use serde_json::Value;

use super::*;

mod packages;

fn library() -> Library {
    let resources: Vec<Value> = serde_json::from_str(include_str!("resources.json")).unwrap();
    let mut library = Library::default();
    for kind in Kind::ALL {
        let of_kind = resources.iter().filter(|resource| resource["resourceType"] == kind.as_str());
        let of_kind: Vec<Resource> = of_kind.filter_map(|resource| Resource::read(kind, resource)).collect();
        let supplement = |resource: &Resource| match resource {
            Resource::CodeSystem(system) => {
                let made = packaged::supplemented(system, &of_kind);
                made.map_or_else(|| resource.clone(), |system| Resource::CodeSystem(std::sync::Arc::new(system)))
            }
            _ => resource.clone(),
        };
        for url in of_kind.iter().filter_map(Resource::url) {
            let versions = of_kind.iter().filter(|resource| resource.url() == Some(url)).map(supplement);
            let versions: Vec<Resource> = versions
                .filter(|resource| !matches!(resource, Resource::CodeSystem(one) if one.supplements.as_ref().is_some_and(|of| of.url == url)))
                .collect();
            library.add(kind, url, versions);
        }
    }
    library
}

fn cases(name: &str) -> Vec<Value> {
    let cases: Value = serde_json::from_str(include_str!("cases.json")).unwrap();
    cases[name].as_array().unwrap().clone()
}

fn canonicals(case: &Value, name: &str) -> Vec<Canonical> {
    json::items(case, name).filter_map(Value::as_str).map(Canonical::parse).collect()
}

fn versions(case: &Value) -> Versions {
    Versions {
        default: canonicals(case, "default"),
        check: canonicals(case, "check"),
        force: canonicals(case, "force"),
        exclude: canonicals(case, "exclude"),
    }
}

/// `a(b c) d`
fn shown(nodes: &[Node<'_>]) -> String {
    let one = |node: &Node<'_>| match node.nodes.as_slice() {
        [] => node.member.code.to_owned(),
        below => format!("{}({})", node.member.code, shown(below)),
    };
    nodes.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// The answer, or what a refusal has to say.
fn check<T>(case: &Value, answer: Result<T, TerminologyError>) -> Option<T> {
    match (answer, case["refused"].as_str()) {
        (Ok(answer), None) => Some(answer),
        (Err(error), Some(expected)) => {
            assert!(error.to_string().contains(expected), "{error}\n{case}");
            None
        }
        (Ok(_), Some(_)) => panic!("was to be refused: {case}"),
        (Err(error), None) => panic!("{error}\n{case}"),
    }
}

#[test]
fn value_sets_expand_as_their_definitions_say() {
    let library = library();
    for case in cases("expand") {
        let number = |name: &str| case[name].as_u64().map(|number| number as usize);
        let options = Options {
            filter: case["filter"].as_str().map(str::to_owned),
            offset: number("offset"),
            count: number("count"),
            active_only: case["activeOnly"] == true,
            exclude_not_for_ui: case["excludeNotForUI"] == true,
            exclude_nested: case["excludeNested"] == true,
        };
        let versions = versions(&case);
        let engine = Engine::new(&library, &versions);
        let set = library.value_set(&Canonical::parse(case["url"].as_str().unwrap()));
        let Some(expansion) = check(&case, set.and_then(|set| engine.expand(set, &options))) else { continue };
        assert_eq!(shown(&expansion.nodes), case["codes"][0].as_str().unwrap(), "{case}");
        if let Some(total) = number("total") {
            assert_eq!(expansion.total, total, "{case}");
        }
    }
}

#[test]
fn filters_select_as_their_operators_say() {
    let library = library();
    for case in cases("filter") {
        let set = serde_json::json!({"resourceType": "ValueSet", "compose": {"include": [
            {"system": "http://e.org/cs/animals", "filter": [case]}
        ]}});
        let set = ValueSet::read(&set);
        let versions = Versions::default();
        let engine = Engine::new(&library, &versions);
        let Some(members) = check(&case, engine.members(&set)) else { continue };
        let codes = members.iter().map(|member| member.code).collect::<Vec<_>>().join(" ");
        assert_eq!(codes, case["codes"].as_str().unwrap(), "{case}");
        // One code at a time decides the same.
        for concept in &library.code_system(&Canonical::parse("http://e.org/cs/animals")).unwrap().concepts {
            let contained = engine.contains(&set, "http://e.org/cs/animals", &concept.code).unwrap();
            assert_eq!(contained.is_some(), members.iter().any(|member| member.code == concept.code), "{case}");
        }
    }
}

#[test]
fn one_code_is_decided_without_what_has_no_bearing_on_it() {
    let library = library();
    for case in cases("contains") {
        let versions = Versions::default();
        let engine = Engine::new(&library, &versions);
        let set = library.value_set(&Canonical::parse(case["url"].as_str().unwrap())).unwrap();
        let found = engine.contains(set, case["system"].as_str().unwrap(), case["code"].as_str().unwrap());
        let Some(found) = check(&case, found) else { continue };
        let display = found.map(|member| member.display(case["language"].as_str()).unwrap_or_default());
        assert_eq!(display, case["display"].as_str(), "{case}");
    }
}

#[test]
fn subsumption_is_what_the_hierarchy_says() {
    let library = library();
    for case in cases("subsumes") {
        let versions = Versions::default();
        let engine = Engine::new(&library, &versions);
        let system = Canonical::parse(case["system"].as_str().unwrap());
        let outcome = engine.subsumes(&system, case["a"].as_str().unwrap(), case["b"].as_str().unwrap());
        let Some(outcome) = check(&case, outcome) else { continue };
        assert_eq!(outcome.as_str(), case["outcome"].as_str().unwrap(), "{case}");
    }
}

#[test]
fn concept_maps_translate_as_their_groups_say() {
    let library = library();
    for case in cases("translate") {
        let text = |name: &str| case[name].as_str().map(str::to_owned);
        let canonical = |name: &str| case[name].as_str().map(Canonical::parse);
        let dependency = |value| ("http://e.org/size".to_owned(), Some("http://e.org/sizes".to_owned()), value);
        let asked = Asked {
            system: Some(text("system").unwrap_or_else(|| "http://e.org/cs/animals".to_owned())),
            code: text("code").unwrap(),
            source: canonical("source"),
            target: canonical("target"),
            target_system: canonical("targetSystem"),
            dependencies: text("dependency").map(dependency).into_iter().collect(),
            reverse: case["reverse"] == true,
        };
        let map = library.concept_map(&Canonical::parse(case["map"].as_str().unwrap())).unwrap();
        let Some(matches) = check(&case, translate(&library, [map], &asked)) else { continue };
        let concept = |one: &Translated| {
            format!("{}#{}", one.system.as_ref().map(ToString::to_string).unwrap_or_default(), one.code)
        };
        let one = |found: &Match| {
            let products = found.products.iter().map(|(_, product)| format!(" + {}", concept(product)));
            let target = found.concept.as_ref().map_or("-".to_owned(), concept);
            format!("{} {target}{}", found.equivalence, products.collect::<String>())
        };
        assert_eq!(matches.iter().map(one).collect::<Vec<_>>().join(", "), case["matches"].as_str().unwrap(), "{case}");
        let result = case["result"].as_bool().unwrap_or(true);
        assert_eq!(matches.iter().any(Match::is_translation), result, "{case}");
    }
}

#[test]
fn a_code_is_looked_up_with_all_that_is_known_of_it() {
    let library = library();
    let versions = Versions::default();
    let engine = Engine::new(&library, &versions);
    let shown = |code: &str| {
        let looked = engine.lookup(&Canonical::parse("http://e.org/cs/animals"), code).unwrap();
        let property = |one: &lookup::LookedProperty| {
            let description = one.description.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
            format!("{} {} {}{description}", one.code, one.kind, one.value)
        };
        looked.properties.iter().map(property).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(shown("dog"), @r#"
    definition valueString "Canis familiaris"
    parent valueCode "mammal" (Mammal)
    inactive valueBoolean false
    legs valueInteger 4
    eats valueCode "fish" (Fish)
    "#);
    insta::assert_snapshot!(shown("dodo"), @r#"
    parent valueCode "mammal" (Mammal)
    inactive valueBoolean true
    status valueCode "retired"
    "#);
    insta::assert_snapshot!(shown("fish"), @r#"
    parent valueCode "animal" (Animal)
    inactive valueBoolean false
    legs valueInteger 0
    wet valueBoolean true
    "#);
}

#[test]
fn above_and_below_have_the_code_itself() {
    let library = library();
    let versions = Versions::default();
    let engine = Engine::new(&library, &versions);
    let codes = |code: &str, below: bool| {
        let members = engine.related(&Canonical::parse("http://e.org/cs/animals"), code, below).unwrap();
        members.iter().map(|member| member.code).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(codes("mammal", true), "mammal dog bat dodo");
    assert_eq!(codes("bat", false), "animal mammal bat flier");
}

#[test]
fn posted_goes_before_packaged_and_the_newest_before_the_rest() {
    let system = |version: Option<&str>, name: &str, status: &str| {
        let mut resource =
            serde_json::json!({"url": "http://e", "name": name, "status": status, "content": "complete"});
        if let Some(version) = version {
            resource["version"] = serde_json::json!(version);
        }
        Resource::read(Kind::CodeSystem, &resource).unwrap()
    };
    let mut library = Library::default();
    let posted = [system(Some("4.0.1"), "posted", "active"), system(Some("9"), "retired", "retired")];
    let packaged = [system(Some("4.0.1"), "packaged", "active"), system(Some("3.0.0"), "old", "active")];
    library.add(Kind::CodeSystem, "http://e", posted.into_iter().chain(packaged));
    let name = |canonical: &str| library.code_system(&Canonical::parse(canonical)).unwrap().name.clone().unwrap();
    assert_eq!(name("http://e"), "posted");
    assert_eq!(name("http://e|4.0.1"), "posted");
    assert_eq!(name("http://e|3.0.0"), "old");
    assert_eq!(name("http://e|9"), "retired");
}
