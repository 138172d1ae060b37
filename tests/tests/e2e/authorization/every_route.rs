//! Whether the ledger has every route, and no more than there are.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{LEDGER, OPEN};
use crate::harness::{Client, World};

/// What every type has: named once in the ledger.
const OF_EVERY_TYPE: [&str; 4] = ["meta", "meta-add", "meta-delete", "validate"];

/// Where the operations that the server names may be invoked: path and template.
fn operation_paths(client: &Client) -> Vec<(String, String)> {
    let statement = client.get("metadata").expect(200).json();
    let rest = &statement["rest"][0];
    let names = |of: &Value| -> Vec<String> {
        let all = of["operation"].as_array().into_iter().flatten();
        all.map(|operation| operation["name"].as_str().expect("a name").to_owned()).collect()
    };
    let mut paths: Vec<(String, String)> =
        names(rest).iter().map(|name| (format!("${name}"), format!("/${name}"))).collect();
    let mut seen = BTreeSet::new();
    for resource in rest["resource"].as_array().expect("resources") {
        let of = resource["type"].as_str().expect("a type");
        for name in names(resource) {
            let is_everywhere = OF_EVERY_TYPE.contains(&name.as_str());
            if is_everywhere && !seen.insert(name.clone()) {
                continue;
            }
            let shown = if is_everywhere { "{type}" } else { of };
            paths.push((format!("{of}/${name}"), format!("/{shown}/${name}")));
            paths.push((format!("{of}/1/${name}"), format!("/{shown}/{{id}}/${name}")));
            let of_version = format!("/{shown}/{{id}}/_history/{{version}}/${name}");
            paths.push((format!("{of}/1/_history/1/${name}"), of_version));
        }
    }
    paths
}

/// Asks every path that can be made of the API's words with every method: what answers anything but "no such route"
/// must be in the ledger, or among the open routes.
#[test]
fn every_route_is_in_the_ledger() {
    let world = World::on_sqlite();
    let words = ["Patient", "1", "_history", "_search", "metadata", "$export", "_tags"];
    let mut paths: BTreeSet<String> = BTreeSet::from([String::new()]);
    for _ in 0..4 {
        let longer: Vec<String> = paths
            .iter()
            .flat_map(|path| {
                words.iter().map(move |word| if path.is_empty() { (*word).into() } else { format!("{path}/{word}") })
            })
            .collect();
        paths.extend(longer);
    }
    let template = |path: &str| match path.split('/').collect::<Vec<_>>().as_slice() {
        [""] => "/".to_owned(),
        [word @ ("metadata" | "_history" | "_search")] => format!("/{word}"),
        [_] => "/{type}".to_owned(),
        [_, word @ ("_history" | "_search")] => format!("/{{type}}/{word}"),
        [_, _] => "/{type}/{id}".to_owned(),
        [_, _, "_history"] => "/{type}/{id}/_history".to_owned(),
        [_, _, "_history", _] => "/{type}/{id}/_history/{version}".to_owned(),
        [_, _, member] if member.starts_with(|letter: char| letter.is_ascii_uppercase()) => {
            "/{type}/{id}/{member}".to_owned()
        }
        _ => format!("/{path}"),
    };
    let known: BTreeSet<(&str, &str)> =
        LEDGER.iter().map(|row| (row.method, row.template)).chain(OPEN.iter().copied()).collect();
    let client = world.anyone();
    let mut missing = BTreeSet::new();
    for path in paths.iter().filter(|path| !path.starts_with(['1', '_', '$', 'm']) || path.split('/').count() <= 2) {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let body = ["POST", "PUT", "PATCH"].contains(&method).then_some(b"{}".as_slice());
            let form = [("content-type", "application/x-www-form-urlencoded")];
            let headers: &[(&str, &str)] = if path.ends_with("_search") { &form } else { &[] };
            let status = client.send(method, path, headers, body).status;
            let shown = template(path);
            if ![404, 405].contains(&status) && !known.contains(&(method, shown.as_str())) {
                missing.insert(format!("{method} {shown} ({path}) answers {status}"));
            }
        }
    }
    for (path, shown) in operation_paths(&client) {
        for method in ["GET", "POST"] {
            let status = client.send(method, &path, &[], (method == "POST").then_some(b"{}".as_slice())).status;
            if ![404, 405].contains(&status) && !known.contains(&(method, shown.as_str())) {
                missing.insert(format!("{method} {shown} ({path}) answers {status}"));
            }
        }
        paths.insert(path);
    }
    let template = |path: &str| match path.split_once('$') {
        // An operation of every type, or of its own.
        Some((place, name)) if !path.starts_with("$export") => {
            let of = place.split('/').next().unwrap_or_default();
            let of = if OF_EVERY_TYPE.contains(&name) && !of.is_empty() { "{type}" } else { of };
            let place = match place.split('/').count() {
                1 => "/".to_owned(),
                2 => format!("/{of}/"),
                3 => format!("/{of}/{{id}}/"),
                _ => format!("/{of}/{{id}}/_history/{{version}}/"),
            };
            format!("{place}${name}")
        }
        _ => template(path),
    };
    assert!(missing.is_empty(), "not in the ledger: {missing:#?}");
    // And the ledger has no row of what is gone.
    for (method, shown) in &known {
        assert!(
            paths.iter().any(|path| template(path) == *shown
                && ![404, 405].contains(
                    &client
                        .send(method, path, &[], (*method != "GET" && *method != "DELETE").then_some(b"{}".as_slice()))
                        .status
                )),
            "{method} {shown} is in the ledger and is no route"
        );
    }
    // Beside the FHIR API.
    let root = Client { base: world.address(), token: None };
    for open in ["health/live", "health/ready", "metrics"] {
        root.get(open).expect(200);
    }
    assert_eq!(root.get("apis/nowhere/fhir/metadata").status, 404);
}
