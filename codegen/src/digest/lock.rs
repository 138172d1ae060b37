//! `spec/lock.toml`: which packages the digests come from, and what they leave open.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{BindingStrength, Package};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Sorted by name and version.
    #[serde(rename = "package", default)]
    pub packages: Vec<LockedPackage>,
}

impl Lock {
    pub fn get(&self, name: &str, version: &str) -> Option<&LockedPackage> {
        self.packages.iter().find(|package| package.name == name && package.version == version)
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let preamble = "# Written by `cargo xtask spec add` and `spec remove`, do not edit by hand.\n\n";
        format!("{preamble}{}", toml::to_string_pretty(self).expect("a lock is strings and lists"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LockedPackage {
    pub name: String,
    pub version: String,
    pub canonical: String,
    pub fhir_version: String,
    /// Over the digest's files ([`hash_files`]). This is what counts: codegen refuses a digest that differs.
    pub digest: String,
    /// Over the archive that was read. For information: the same package is published in more than one archive.
    pub archive: String,
    /// `name@version` of each package that this one builds on.
    #[serde(default)]
    pub dependencies: Vec<String>,
    /// Those of them that are not in `spec/`.
    #[serde(default)]
    pub absent_dependencies: Vec<String>,
    #[serde(default, skip_serializing_if = "Unresolved::is_empty")]
    pub unresolved_value_sets: Unresolved,
    #[serde(default, skip_serializing_if = "NotCarried::is_empty")]
    pub code_systems_not_carried: NotCarried,
}

/// The code systems whose codes are not in `spec/`, or not all of them. Sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NotCarried {
    /// Defined by the package with `content` not-present.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_present: Vec<String>,
    /// Defined by the package with `content` fragment or example.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fragment: Vec<String>,
    /// Named by the package's value sets, and defined by no package that it sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<String>,
}

impl NotCarried {
    pub fn is_empty(&self) -> bool {
        self.not_present.is_empty() && self.fragment.is_empty() && self.external.is_empty()
    }

    fn of(package: &Package, defined: &BTreeSet<&str>) -> NotCarried {
        let with = |contents: &[&str]| {
            let systems = package.code_systems.values().filter(|system| contents.contains(&system.content.as_str()));
            systems.map(|system| system.url.clone()).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let sets = package.value_sets.values().flat_map(|set| set.include.iter().chain(&set.exclude));
        let named: BTreeSet<&str> = sets.filter_map(|set| set.system.as_deref()).map(without_version).collect();
        NotCarried {
            not_present: with(&["not-present"]),
            fragment: with(&["fragment", "example"]),
            external: named.into_iter().filter(|url| !defined.contains(url)).map(str::to_owned).collect(),
        }
    }
}

/// Value sets that elements are bound to and that no package in `spec/` defines (fixups not counted).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unresolved {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensible: Vec<String>,
}

impl Unresolved {
    pub fn is_empty(&self) -> bool {
        self.required.is_empty() && self.extensible.is_empty()
    }
}

/// What `package.json` and the archive say of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub name: String,
    pub version: String,
    pub canonical: String,
    pub fhir_version: String,
    pub dependencies: Vec<String>,
    pub digest: String,
    pub archive: String,
}

impl Manifest {
    /// The same facts as an earlier lock has them.
    pub fn of(locked: &LockedPackage) -> Manifest {
        Manifest {
            name: locked.name.clone(),
            version: locked.version.clone(),
            canonical: locked.canonical.clone(),
            fhir_version: locked.fhir_version.clone(),
            dependencies: locked.dependencies.clone(),
            digest: locked.digest.clone(),
            archive: locked.archive.clone(),
        }
    }
}

/// The lock of these packages: each with its manifest.
pub fn lock(packages: &[(Manifest, Package)]) -> Lock {
    let present: BTreeSet<String> = packages.iter().map(|(m, _)| format!("{}@{}", m.name, m.version)).collect();
    let mut locked = Vec::new();
    for (manifest, package) in packages {
        let visible: Vec<&Package> = packages
            .iter()
            .filter(|(other, _)| {
                std::ptr::eq(other, manifest)
                    || manifest.dependencies.contains(&format!("{}@{}", other.name, other.version))
            })
            .map(|(_, package)| package)
            .collect();
        let defined = visible.iter().flat_map(|package| package.value_sets.values()).map(|set| set.url.as_str());
        let systems = visible.iter().flat_map(|package| package.code_systems.values()).map(|set| set.url.as_str());
        let absent = manifest.dependencies.iter().filter(|dependency| !present.contains(*dependency));
        locked.push(LockedPackage {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            canonical: manifest.canonical.clone(),
            fhir_version: manifest.fhir_version.clone(),
            digest: manifest.digest.clone(),
            archive: manifest.archive.clone(),
            absent_dependencies: absent.cloned().collect(),
            dependencies: manifest.dependencies.clone(),
            unresolved_value_sets: unresolved(package, &defined.collect()),
            code_systems_not_carried: NotCarried::of(package, &systems.collect()),
        });
    }
    locked.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Lock { packages: locked }
}

/// The value sets that the package binds with strength required or extensible and that are not among `defined`; each
/// once, under its stronger strength.
pub fn unresolved(package: &Package, defined: &BTreeSet<&str>) -> Unresolved {
    let mut bound: BTreeMap<&str, BindingStrength> = BTreeMap::new();
    let elements = package.structures.values().flat_map(|structure| &structure.elements);
    for binding in elements.filter_map(|element| element.binding.as_ref()) {
        if binding.strength <= BindingStrength::Extensible
            && let Some(value_set) = &binding.value_set
        {
            let url = without_version(value_set);
            let strength = bound.entry(url).or_insert(binding.strength);
            *strength = binding.strength.min(*strength);
        }
    }
    bound.retain(|url, _| !defined.contains(url));
    let of = |strength| bound.iter().filter(move |(_, s)| **s == strength).map(|(url, _)| (*url).to_owned()).collect();
    Unresolved { required: of(BindingStrength::Required), extensible: of(BindingStrength::Extensible) }
}

/// A canonical without `|version`.
pub fn without_version(canonical: &str) -> &str {
    canonical.split('|').next().unwrap_or(canonical)
}

/// SHA-256 over names and texts, in the order of the names.
pub fn hash_files(files: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    for (name, text) in files {
        hash.update(format!("{name}\n{}\n", text.len()));
        hash.update(text);
    }
    hex(&hash.finalize())
}

/// SHA-256 of bytes, as `sha256:…`.
pub fn hash_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}
