//! All of `spec/` in memory, as emitters read it.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fixup::{self, Definitions, FixupError};
use super::{
    CapabilityStatement, CodeSystem, Compartment, ConceptMap, Definition, Lock, Operation, SearchParameter, Structure,
    Unresolved, ValueSet, hash_files, unresolved, without_version,
};

/// The R4 package: the types that everything else constrains.
pub const CORE: &str = "hl7.fhir.r4.core";

/// Every package of `spec/lock.toml`, fixups applied.
#[derive(Debug, Clone, Default)]
pub struct Specification {
    pub lock: Lock,
    /// In the order of the lock.
    pub packages: Vec<Package>,
    /// The other files of `spec/` (rules, lists), by name.
    pub files: BTreeMap<String, String>,
}

/// The definitions of one package, each kind by the id of the definition.
#[derive(Debug, Clone, Default)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub canonical: String,
    pub dependencies: Vec<String>,
    pub structures: BTreeMap<String, Structure>,
    pub search_parameters: BTreeMap<String, SearchParameter>,
    pub compartments: BTreeMap<String, Compartment>,
    pub operations: BTreeMap<String, Operation>,
    pub code_systems: BTreeMap<String, CodeSystem>,
    pub value_sets: BTreeMap<String, ValueSet>,
    pub concept_maps: BTreeMap<String, ConceptMap>,
    pub capabilities: BTreeMap<String, CapabilityStatement>,
}

#[derive(Debug, thiserror::Error)]
pub enum SpecificationError {
    #[error(
        "spec/lock.toml is missing: add a package with `cargo xtask spec add <name>@<version> --from <package.tgz>`"
    )]
    NoLock,
    #[error("spec/lock.toml: {0}")]
    Lock(Box<toml::de::Error>),
    #[error(
        "spec/{package} is not what spec/lock.toml locks (its digest is {found}, locked is {locked}): restore it with \
         git, or write it anew with `cargo xtask spec add`; what a publisher got wrong is put right in spec/fixups/"
    )]
    DigestDiffers { package: String, locked: String, found: String },
    #[error("spec/{file}: {source}")]
    Unreadable { file: String, source: serde_json::Error },
    #[error("spec/{file}: the folder is not the name of a definition that is digested")]
    UnknownFolder { file: String },
    #[error(transparent)]
    Fixup(#[from] FixupError),
}

impl Specification {
    /// `files` are all files below `spec/`, by their path from there (with `/`).
    pub fn load(files: &BTreeMap<String, String>) -> Result<Specification, SpecificationError> {
        let lock = files.get("lock.toml").ok_or(SpecificationError::NoLock)?;
        let lock: Lock = toml::from_str(lock).map_err(|error| SpecificationError::Lock(Box::new(error)))?;
        let mut definitions = BTreeMap::new();
        let mut others = files.clone();
        for locked in &lock.packages {
            let folder = format!("{}/{}", locked.name, locked.version);
            let own = package_files(&folder, files);
            let found = hash_files(&own);
            if found != locked.digest {
                let locked = locked.digest.clone();
                return Err(SpecificationError::DigestDiffers { package: folder, locked, found });
            }
            others.retain(|file, _| !file.starts_with(&format!("{folder}/")));
            definitions.insert(format!("{}@{}", locked.name, locked.version), parse(&folder, &own)?);
        }
        fixup::apply(&fixup::read(files)?, &mut definitions)?;
        let packages = lock.packages.iter().map(|locked| {
            let definitions = definitions.remove(&format!("{}@{}", locked.name, locked.version)).unwrap_or_default();
            let mut package = Package::read(&locked.name, &locked.version, definitions)?;
            package.canonical = locked.canonical.clone();
            package.dependencies = locked.dependencies.clone();
            Ok(package)
        });
        let packages = packages.collect::<Result<_, SpecificationError>>()?;
        Ok(Specification { lock, packages, files: others })
    }

    /// The R4 package. Empty if `spec/` has none.
    pub fn core(&self) -> &Package {
        static NONE: std::sync::LazyLock<Package> = std::sync::LazyLock::new(Package::default);
        self.packages.iter().find(|package| package.name == CORE).unwrap_or(&NONE)
    }

    /// The implementation guides, in the order of the lock.
    pub fn guides(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.name != CORE)
    }

    /// What a package sees: itself first, then those that it depends on.
    pub fn visible<'a>(&'a self, from: &'a Package) -> impl Iterator<Item = &'a Package> {
        let depends = |other: &Package| from.dependencies.contains(&format!("{}@{}", other.name, other.version));
        std::iter::once(from).chain(self.packages.iter().filter(move |other| depends(other)))
    }

    /// A value set by its canonical (a `|version` behind it is left aside: a package holds one).
    pub fn value_set<'a>(&'a self, from: &'a Package, canonical: &str) -> Option<&'a ValueSet> {
        let url = without_version(canonical);
        self.visible(from).find_map(|package| package.value_sets.values().find(|set| set.url == url))
    }

    pub fn code_system<'a>(&'a self, from: &'a Package, canonical: &str) -> Option<&'a CodeSystem> {
        let url = without_version(canonical);
        self.visible(from).find_map(|package| package.code_systems.values().find(|system| system.url == url))
    }

    pub fn structure<'a>(&'a self, from: &'a Package, canonical: &str) -> Option<&'a Structure> {
        let url = without_version(canonical);
        self.visible(from).find_map(|package| package.structures.values().find(|structure| structure.url == url))
    }

    /// The required and extensible value sets that stay unresolved for a package when the fixups have done their part.
    pub fn unresolved(&self, package: &Package) -> Unresolved {
        let sets = self.visible(package).flat_map(|package| package.value_sets.values());
        let defined: BTreeSet<&str> = sets.map(|set| set.url.as_str()).collect();
        unresolved(package, &defined)
    }
}

impl Package {
    /// From the texts of a digest's files, by their path from the package's folder; no fixups.
    pub fn parse(name: &str, version: &str, files: &BTreeMap<String, String>) -> Result<Package, SpecificationError> {
        let folder = format!("{name}/{version}");
        Package::read(name, version, parse(&folder, files)?)
    }

    fn read(name: &str, version: &str, definitions: Definitions) -> Result<Package, SpecificationError> {
        let mut package = Package { name: name.to_owned(), version: version.to_owned(), ..Package::default() };
        for (key, value) in definitions {
            let file = format!("{name}/{version}/{key}.json");
            let (folder, id) = key.split_once('/').unwrap_or(("", &key));
            let id = id.to_owned();
            match folder {
                "StructureDefinition" => insert(&mut package.structures, id, value, file)?,
                "SearchParameter" => insert(&mut package.search_parameters, id, value, file)?,
                "CompartmentDefinition" => insert(&mut package.compartments, id, value, file)?,
                "OperationDefinition" => insert(&mut package.operations, id, value, file)?,
                "CodeSystem" => insert(&mut package.code_systems, id, value, file)?,
                "ValueSet" => insert(&mut package.value_sets, id, value, file)?,
                "ConceptMap" => insert(&mut package.concept_maps, id, value, file)?,
                "CapabilityStatement" => insert(&mut package.capabilities, id, value, file)?,
                _ => return Err(SpecificationError::UnknownFolder { file }),
            }
        }
        Ok(package)
    }

    /// Puts a definition where it belongs.
    pub fn add(&mut self, id: String, definition: Definition) {
        match definition {
            Definition::Structure(definition) => drop(self.structures.insert(id, definition)),
            Definition::SearchParameter(definition) => drop(self.search_parameters.insert(id, definition)),
            Definition::Compartment(definition) => drop(self.compartments.insert(id, definition)),
            Definition::Operation(definition) => drop(self.operations.insert(id, definition)),
            Definition::CodeSystem(definition) => drop(self.code_systems.insert(id, definition)),
            Definition::ValueSet(definition) => drop(self.value_sets.insert(id, definition)),
            Definition::ConceptMap(definition) => drop(self.concept_maps.insert(id, definition)),
            Definition::Capability(definition) => drop(self.capabilities.insert(id, definition)),
        }
    }
}

/// The files of a package's folder, by their path from it.
pub fn package_files(folder: &str, files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let prefix = format!("{folder}/");
    let own = files.iter().filter_map(|(file, text)| Some((file.strip_prefix(&prefix)?.to_owned(), text.clone())));
    own.collect()
}

fn parse(folder: &str, files: &BTreeMap<String, String>) -> Result<Definitions, SpecificationError> {
    let parsed = files.iter().map(|(file, text)| {
        let value = serde_json::from_str::<Value>(text)
            .map_err(|source| SpecificationError::Unreadable { file: format!("{folder}/{file}"), source })?;
        Ok((file.strip_suffix(".json").unwrap_or(file).to_owned(), value))
    });
    parsed.collect()
}

fn insert<T: DeserializeOwned>(
    into: &mut BTreeMap<String, T>,
    id: String,
    value: Value,
    file: String,
) -> Result<(), SpecificationError> {
    let read = serde_json::from_value(value).map_err(|source| SpecificationError::Unreadable { file, source })?;
    into.insert(id, read);
    Ok(())
}
