//! The phase `guide`: a made-up guide is added to a copy of the workspace, as CONTRIBUTING says it is done, and what
//! follows from its package alone is looked at; then it is removed, and nothing of it is left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vesta_conformance::client::Server;
use vesta_conformance::coverage::{self, Counting, wanted};
use vesta_conformance::data::Data;
use vesta_conformance::guide::{Guide, Guides};
use vesta_conformance::item::remove;
use vesta_conformance::profile::{Finding, Rule, check_claims};
use vesta_conformance::resources::Resources;
use vesta_conformance::run::{self, Options, Run};
use vesta_conformance::suite;

use crate::conformance::vesta;
use crate::{Outcome, codegen, spec, workspace};

/// The guide, as `xtask/guide/package/package.json` has it.
const NAME: &str = "org.example.alerts";
const VERSION: &str = "1.0.0";
/// Of its generated files.
const MODULE: &str = "org_example_alerts_1_0_0";

/// The server in the copy. It has another name, since it is built into the same folder: what the guide leaves alone need
/// not be compiled again.
const PROGRAM: &str = "vesta-with-guide";

/// Generated files that list guides, or what all of them ask for, and so change with each.
const LISTS: [&str; 6] = [
    "generated/api/openapi/fhir.json",
    "generated/guides/src/guides.rs",
    "generated/guides/src/lib.rs",
    "generated/guides/src/search/mod.rs",
    "generated/terminology/src/packages.rs",
    "spec/lock.toml",
];

/// Where digests and generated files stand.
const FOLDERS: [&str; 3] = ["spec", "generated", "conformance/suites"];

/// Returns what was seen, for the table of phases.
pub(super) fn run() -> Outcome<String> {
    let copy = copy()?;
    let before = facts(&copy)?;
    let name = format!("{NAME}@{VERSION}");
    let archive = copy.join("target").join("alerts.tgz");
    fs::create_dir_all(copy.join("target"))?;
    fs::write(&archive, package(&workspace::root().join("xtask/guide/package"))?)?;
    println!("{}", spec::add(&copy.join("spec"), &name.parse()?, &archive)?);
    codegen::generate(&copy)?;
    let after = facts(&copy)?;

    let changed = changed(&before, &after)?;
    let guides = Guides::read(&copy.join("spec"))?;
    let guide = guides.get(NAME, VERSION).ok_or("the guide is not among those that were read")?;
    let resources = data(&workspace::root().join("xtask/guide/data"))?;
    profiles(&guides, &resources)?;
    let items = covered(guide, &resources)?;
    let tests = served(&copy, &guides, &resources)?;

    println!("{}", spec::remove(&copy.join("spec"), &name.parse()?)?);
    codegen::generate(&copy)?;
    if facts(&copy)? != before {
        return Err("after its removal the guide has left something in spec/ or in what is generated".into());
    }
    Ok(format!("{changed} files generated, {items} elements covered, {tests} tests passed"))
}

/// The workspace once more, in the build folder. Files that are as they were stay untouched, so that cargo need not build
/// them again.
fn copy() -> Outcome<PathBuf> {
    let (root, copy) = (workspace::root(), workspace::root().join("target/guide"));
    let files: BTreeSet<PathBuf> = workspace::files()?.into_iter().collect();
    for file in &files {
        let (mut from, to) = (fs::read(root.join(file))?, copy.join(file));
        if file == Path::new("server/Cargo.toml") {
            let manifest = String::from_utf8(from)?;
            from = manifest.replace("name = \"vesta\"", &format!("name = \"{PROGRAM}\"")).into_bytes();
        }
        if fs::read(&to).ok().as_ref() != Some(&from) {
            fs::create_dir_all(to.parent().unwrap_or(&copy))?;
            fs::write(&to, from)?;
        }
    }
    for folder in FOLDERS {
        for file in spec::list_folder(&copy.join(folder))? {
            let path = Path::new(folder).join(file);
            if !files.contains(&path) {
                fs::remove_file(copy.join(path))?;
            }
        }
    }
    Ok(copy)
}

type Facts = BTreeMap<String, Vec<u8>>;

/// What a guide may change: digests and generated files, by their path.
fn facts(copy: &Path) -> Outcome<Facts> {
    let mut facts = BTreeMap::new();
    for folder in FOLDERS {
        for file in spec::list_folder(&copy.join(folder))? {
            let path = format!("{folder}/{file}");
            facts.insert(path.clone(), fs::read(copy.join(path))?);
        }
    }
    Ok(facts)
}

/// A folder as a FHIR package.
fn package(folder: &Path) -> Outcome<Vec<u8>> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()));
    for (name, text) in spec::read_folder(folder)? {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("package/{name}"), text.as_bytes())?;
    }
    Ok(archive.into_inner()?.finish()?)
}

/// The resources of a folder's NDJSON files.
fn data(folder: &Path) -> Outcome<Vec<Value>> {
    let files = spec::read_folder(folder)?;
    let lines = files.values().flat_map(|text| text.lines());
    Ok(lines.map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// A guide's files are its own, and of the others only the lists name it. Returns how many files it brought.
fn changed(before: &Facts, after: &Facts) -> Outcome<usize> {
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let changed: Vec<&str> =
        paths.into_iter().filter(|path| before.get(*path) != after.get(*path)).map(String::as_str).collect();
    let own = [
        format!("spec/{NAME}/{VERSION}/"),
        format!("generated/guides/src/{MODULE}/"),
        format!("generated/guides/src/search/{MODULE}.rs"),
        format!("generated/terminology/src/{NAME}-{VERSION}.blob"),
        format!("conformance/suites/{NAME}-{VERSION}.json"),
        format!("conformance/suites/{NAME}-{VERSION}.json"),
    ];
    let is_own = |path: &&str| own.iter().any(|start| path.starts_with(start));
    let (own, shared): (Vec<&str>, Vec<&str>) = changed.into_iter().partition(is_own);
    let foreign: Vec<&str> = shared.iter().copied().filter(|path| !LISTS.contains(path)).collect();
    if !foreign.is_empty() {
        return Err(format!("the guide changed files that are none of its own: {}", foreign.join(", ")).into());
    }
    match LISTS.iter().find(|list| !shared.contains(list)) {
        Some(list) => Err(format!("{list} does not know of the guide").into()),
        None => Ok(own.len() + shared.len()),
    }
}

/// Sound resources keep the guide's profiles, and what breaks a rule of each kind is found.
fn profiles(guides: &Guides, resources: &[Value]) -> Outcome {
    let set = Resources::new(resources);
    let errors = |resource: &Value| -> Vec<Finding> {
        check_claims(resource, guides, Some(&set)).into_iter().filter(Finding::is_error).collect()
    };
    for resource in resources {
        if let Some(error) = errors(resource).first() {
            return Err(format!("a sound resource is refused: {error}").into());
        }
    }
    let changes: [(&str, &str, Option<&str>, Rule); 6] = [
        ("Flag", "/category/0", None, Rule::Cardinality),
        ("Flag", "/period", None, Rule::Cardinality),
        ("Flag", "/extension/0/valueCode", Some("medium"), Rule::Binding),
        ("Flag", "/author/reference", Some("Device/a"), Rule::ReferenceTarget),
        ("Basic", "/created", None, Rule::Cardinality),
        ("Basic", "/code/coding/0/code", Some("high"), Rule::Pattern),
    ];
    for (resource_type, pointer, value, rule) in changes {
        let sound = resources.iter().find(|resource| resource["resourceType"] == resource_type);
        let mut broken = sound.ok_or("no such resource")?.clone();
        match (value, broken.pointer_mut(pointer)) {
            (Some(value), Some(place)) => *place = value.into(),
            _ => remove(&mut broken, pointer),
        }
        if !errors(&broken).iter().any(|error| error.rule == rule) {
            return Err(
                format!("{resource_type}{pointer} breaks a rule of the guide, and {rule:?} was not found").into()
            );
        }
    }
    Ok(())
}

/// The guide's own list of what is to be seen is seen in its data. Returns how long the list is.
fn covered(guide: Guide<'_>, resources: &[Value]) -> Outcome<usize> {
    let list = wanted(guide);
    let names = |part: &str| list.iter().any(|wanted| wanted.to_string().contains(part));
    for part in ["Flag.extension:severity", "Flag.category:safety", "Flag.author to", "Basic.created"] {
        if !names(part) {
            return Err(format!("{part} is not on the guide's list of what is to be seen").into());
        }
    }
    let count = list.len();
    let set = Resources::new(resources);
    let found = coverage::Data::new(&set).coverage(list, Counting::Claimed);
    match found.lacking.first() {
        Some(lacking) => Err(format!("not seen: {lacking}").into()),
        None => Ok(count),
    }
}

/// The server, built with the guide and filled with its data, passes the suite that was generated from it. Returns how
/// many tests that are.
fn served(copy: &Path, guides: &Guides, resources: &[Value]) -> Outcome<usize> {
    println!("building Vesta with the guide");
    // A test is named along with it, so that cargo chooses the features of the dependencies as for `cargo test`; one that
    // needs little itself.
    let arguments = ["build", "--workspace", "--locked", "--quiet", "--bin", PROGRAM, "--test", "profiles"];
    let mut command = workspace::cargo(&arguments);
    if std::env::var_os("CARGO_TARGET_DIR").is_none() {
        command.env("CARGO_TARGET_DIR", workspace::root().join("target"));
    }
    command.current_dir(copy);
    let vesta = vesta::start(&vesta::built(command)?, resources, None)?;
    let server = Server::new(&vesta.base, Some(vesta.token.clone()));
    let suites = suite::load(&copy.join("conformance/suites"))?;
    let data = Data::loaded(resources.iter().cloned());
    let options = Options { suites: vec![NAME.to_owned()], ..Options::default() };
    let run = Run { server: &server, data: &data, suites: &suites, guides, schema: None, setup: None, options };
    let tested = run.run(|_| ());
    for part in
        ["capability", "alert-flag/search/patient+severity", "alert-review/search/patient+created", "must-support"]
    {
        if !tested.iter().any(|tested| tested.id.contains(part)) {
            return Err(format!("the guide's suite has no test of {part}").into());
        }
    }
    let bad = tested.iter().filter_map(|tested| match &tested.outcome {
        run::Outcome::Passed => None,
        run::Outcome::Failed(problems) => Some(format!("{} failed: {}", tested.id, problems.join("; "))),
        run::Outcome::Skipped(why) => Some(format!("{} was skipped: {why}", tested.id)),
    });
    let bad: Vec<String> = bad.collect();
    if bad.is_empty() { Ok(tested.len()) } else { Err(bad.join("\n").into()) }
}
