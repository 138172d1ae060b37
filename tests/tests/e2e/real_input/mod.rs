//! The published samples, imported: nothing is lost or altered, and every search finds what a reading of the files by
//! `vesta-conformance`, which shares no code with the server, says it must. These run where the samples are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

use vesta_conformance::compare::differences;
use vesta_conformance::queries::includes::{Along, includes};
use vesta_conformance::queries::{Query, queries};
use vesta_conformance::samples::{self, Sample};

use crate::harness::{Client, World, encode, shared, vesta};

/// Examples that are wrong by the standard, with the reason: one line `package<TAB>file<TAB>reason` each.
const WRONG: &str = include_str!("wrong-examples.tsv");

/// Resources, and what must be found among them. Worked out once for both databases, which takes its time.
struct Expected {
    samples: Vec<Sample>,
    queries: Vec<Query>,
    along: Vec<Along>,
}

impl Expected {
    fn of(samples: Vec<Sample>) -> Self {
        Self { queries: queries(&samples), along: includes(&samples), samples }
    }

    /// Each sample is read back and compared value by value; each search finds what it must.
    fn assert(&self, client: &Client) {
        assert_held(client, &self.samples);
        assert_found(client, &self.queries);
        assert_along(client, &self.along);
    }
}

/// Imports with the server stopped, as one does before the first start; returns what was said of each file.
fn import(world: &World, folder: &Path) -> (bool, String) {
    world.stop();
    let folder = folder.to_str().expect("a name in UTF-8");
    let output = vesta(world.data(), world.database.url(), &["import", folder]);
    world.start(|_| ());
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn assert_held(client: &Client, samples: &[Sample]) {
    let mut wrong = Vec::new();
    for sample in samples {
        let path = format!("{}/{}", sample.resource_type(), sample.id());
        let answer = client.send("GET", &path, &[("accept", "application/fhir+json")], None);
        if answer.status == 200 {
            let found = differences(&sample.resource, &answer.json());
            wrong.extend(found.into_iter().map(|difference| format!("{}: {path}: {difference}", sample.origin)));
        } else {
            wrong.push(format!("{}: {path}: {}", sample.origin, answer.status));
        }
    }
    assert!(wrong.is_empty(), "{} are lost or altered: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
}

fn assert_found(client: &Client, queries: &[Query]) {
    let mut wrong = Vec::new();
    for query in queries {
        let mut search = format!("{}?_count=500&_elements=id", query.resource_type);
        for (name, value) in &query.parameters {
            search.push_str(&format!("&{}={}", encode(name), encode(value)));
        }
        let found = client.ids(&search);
        let distinct: BTreeSet<String> = found.iter().cloned().collect();
        if distinct != query.expected || found.len() != distinct.len() {
            let sample = |ids: BTreeSet<&String>| ids.into_iter().take(3).cloned().collect::<Vec<_>>();
            wrong.push(format!(
                "{query}: {} found, {} expected; missing {:?}, too many {:?}",
                found.len(),
                query.expected.len(),
                sample(query.expected.difference(&distinct).collect()),
                sample(distinct.difference(&query.expected).collect()),
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} searches are wrong: {:#?}",
        wrong.len(),
        queries.len(),
        &wrong[..wrong.len().min(40)]
    );
}

/// What comes along with what is found, no more and no less.
fn assert_along(client: &Client, searches: &[Along]) {
    assert!(searches.len() > 50, "{} searches are few", searches.len());
    let mut wrong = Vec::new();
    for search in searches {
        let ids: Vec<&str> = search.ids.iter().map(String::as_str).collect();
        let mut url = format!("{}?_count=500&_id={}", search.resource_type, encode(&ids.join(",")));
        for (name, value) in &search.parameters {
            url.push_str(&format!("&{}={}", encode(name), encode(value)));
        }
        let bundle = client.get(&url).expect(200).json();
        let entries = bundle["entry"].as_array().into_iter().flatten();
        let keys = entries.filter(|entry| entry["search"]["mode"] == "include").map(|entry| {
            let text = |name: &str| entry["resource"][name].as_str().unwrap_or_default().to_owned();
            format!("{}/{}", text("resourceType"), text("id"))
        });
        let keys: Vec<String> = keys.collect();
        let distinct: BTreeSet<String> = keys.iter().cloned().collect();
        if distinct != search.included || keys.len() != distinct.len() {
            let sample = |keys: BTreeSet<&String>| keys.into_iter().take(3).cloned().collect::<Vec<_>>();
            wrong.push(format!(
                "{search}: {} came along, {} expected; missing {:?}, too many {:?}",
                keys.len(),
                search.included.len(),
                sample(search.included.difference(&distinct).collect()),
                sample(distinct.difference(&search.included).collect()),
            ));
        }
    }
    let shown = &wrong[..wrong.len().min(20)];
    assert!(wrong.is_empty(), "{} of {} searches are wrong: {shown:#?}", wrong.len(), searches.len());
}

on_both_databases! {
    fn the_synthea_bundles_are_held_and_found(world) {
        let Some(folder) = shared("samples/synthea") else { return };
        static EXPECTED: OnceLock<Expected> = OnceLock::new();
        let read = || Expected::of(samples::bundles(&folder).expect("the samples are readable"));
        let expected = EXPECTED.get_or_init(read);
        assert_eq!(expected.samples.len(), 3594);
        let (success, said) = import(world, &folder);
        assert!(success, "{said}");
        expected.assert(&world.client("user/*.cruds"));
        // Once more: nothing is written again.
        let (success, said) = import(world, &folder);
        assert!(success, "{said}");
        let client = world.client("user/*.cruds");
        for sample in expected.samples.iter().step_by(97) {
            let path = format!("{}/{}", sample.resource_type(), sample.id());
            assert_eq!(client.get(&path).header("etag"), Some("W/\"1\""), "{path}");
        }
    }

    fn the_examples_of_us_core_6_1_0_are_held_and_found(world) {
        static EXPECTED: OnceLock<Expected> = OnceLock::new();
        examples(world, "6.1.0", &EXPECTED);
    }

    fn the_examples_of_us_core_7_0_0_are_held_and_found(world) {
        static EXPECTED: OnceLock<Expected> = OnceLock::new();
        examples(world, "7.0.0", &EXPECTED);
    }

    fn the_examples_of_us_core_8_0_0_are_held_and_found(world) {
        static EXPECTED: OnceLock<Expected> = OnceLock::new();
        examples(world, "8.0.0", &EXPECTED);
    }
}

fn examples(world: &World, version: &str, expected: &OnceLock<Expected>) {
    let Some(package) = shared(&format!("spec/hl7.fhir.us.core-{version}.tgz")) else { return };
    let samples = samples::examples(&package).expect("the package is readable");
    assert!(samples.len() > 150, "{}", samples.len());
    let folder = tempfile::tempdir().expect("a folder");
    for sample in &samples {
        std::fs::write(folder.path().join(&sample.origin), sample.resource.to_string()).expect("the file is written");
    }
    let known: BTreeMap<&str, &str> = WRONG
        .lines()
        .filter_map(|line| {
            let (package, rest) = line.split_once('\t')?;
            (package == version).then(|| rest.split_once('\t')).flatten()
        })
        .collect();
    let (success, said) = import(world, folder.path());
    assert_eq!(success, known.is_empty(), "{said}");
    let (wrong, right): (Vec<Sample>, Vec<Sample>) =
        samples.into_iter().partition(|sample| known.contains_key(sample.origin.as_str()));
    assert_eq!(wrong.len(), known.len(), "an example that is listed as wrong is not in the package");
    let client = world.client("user/*.cruds");
    expected.get_or_init(|| Expected::of(right)).assert(&client);
    for sample in &wrong {
        assert!(said.contains(&sample.origin), "{} is refused, and not named in {said}", sample.origin);
        let path = format!("{}/{}", sample.resource_type(), sample.id());
        assert_eq!(client.get(&path).status, 404, "{path} is listed as wrong, and was taken");
    }
}
