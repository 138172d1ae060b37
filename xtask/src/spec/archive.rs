//! Reads a published FHIR package: an npm-style `.tgz` with `package/package.json` and definitions beside it.
//! <https://confluence.hl7.org/display/FHIR/NPM+Package+Specification>

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;
use serde_json::Value;
use vesta_codegen::digest::{Manifest, Package, hash_bytes, hash_files, read};

/// A package of definitions is a few dozen megabytes; more than this is a mistake, or an attack.
const MAX_SIZE: u64 = 1 << 30;
const FHIR_VERSION: &str = "4.0.1";

/// What an archive holds, in digest form.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) manifest: Manifest,
    pub(super) package: Package,
    /// The digest's files, by their path from the package's folder.
    pub(super) files: BTreeMap<String, String>,
    /// Resource types without a digest, and how many of each the package holds.
    pub(super) left_out: BTreeMap<String, usize>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("the archive is broken or cut short ({0}); fetch it again")]
    Broken(std::io::Error),
    #[error("the archive unpacks to more than {} MB; is it a FHIR package?", MAX_SIZE >> 20)]
    TooLarge,
    #[error("the archive has no package/package.json: it is not a FHIR package in the published format")]
    NoManifest,
    #[error("package/package.json: {0}")]
    Manifest(serde_json::Error),
    #[error("the archive holds {found}, but {asked} was asked for")]
    WrongPackage { asked: String, found: String },
    #[error("the package is for FHIR {found}; Vesta reads packages for FHIR {FHIR_VERSION}")]
    WrongFhirVersion { found: String },
    #[error("{file}: {what}")]
    Definition { file: String, what: String },
    #[error("{first} and {second} are both {definition}")]
    Twice { definition: String, first: String, second: String },
    #[error("the package has no StructureDefinition, SearchParameter or other definition that Vesta reads")]
    Empty,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PackageJson {
    name: String,
    version: String,
    canonical: Option<String>,
    #[serde(default, alias = "fhir-version-list")]
    fhir_versions: Vec<String>,
    #[serde(default)]
    dependencies: BTreeMap<String, String>,
}

/// Reads the archive's bytes; the package has to be `name` in `version`.
pub(super) fn read_archive(bytes: &[u8], name: &str, version: &str) -> Result<Archive, ArchiveError> {
    let entries = entries(bytes)?;
    let manifest = entries.get("package/package.json").ok_or(ArchiveError::NoManifest)?;
    let manifest: PackageJson = serde_json::from_slice(manifest).map_err(ArchiveError::Manifest)?;
    if manifest.name != name || manifest.version != version {
        let found = format!("{}@{}", manifest.name, manifest.version);
        return Err(ArchiveError::WrongPackage { asked: format!("{name}@{version}"), found });
    }
    if !manifest.fhir_versions.iter().any(|fhir_version| fhir_version == FHIR_VERSION) {
        let found = manifest.fhir_versions.join(", ");
        let found = if found.is_empty() { "an unnamed version".to_owned() } else { found };
        return Err(ArchiveError::WrongFhirVersion { found });
    }

    let mut package = Package { name: name.to_owned(), version: version.to_owned(), ..Package::default() };
    let mut files = BTreeMap::new();
    let mut left_out = BTreeMap::new();
    let mut origins: BTreeMap<String, String> = BTreeMap::new();
    for (file, content) in &entries {
        if !is_definition(file) {
            continue;
        }
        let wrong = |what: String| ArchiveError::Definition { file: file.clone(), what };
        let resource: Value = serde_json::from_slice(content).map_err(|error| wrong(error.to_string()))?;
        let Some((id, definition)) = read::definition(&resource).map_err(|error| wrong(error.to_string()))? else {
            let resource_type = resource["resourceType"].as_str().unwrap_or_default().to_owned();
            *left_out.entry(resource_type).or_insert(0) += 1;
            continue;
        };
        let path = format!("{}/{id}.json", definition.resource_type());
        if let Some(first) = origins.insert(path.clone(), file.clone()) {
            return Err(ArchiveError::Twice { definition: path, first, second: file.clone() });
        }
        files.insert(path, definition.to_text());
        package.add(id, definition);
    }
    if files.is_empty() {
        return Err(ArchiveError::Empty);
    }
    let canonical = manifest.canonical.unwrap_or_default();
    let dependencies: Vec<String> = manifest.dependencies.iter().map(|(name, v)| format!("{name}@{v}")).collect();
    package.canonical.clone_from(&canonical);
    package.dependencies.clone_from(&dependencies);
    let manifest = Manifest {
        name: manifest.name,
        version: manifest.version,
        canonical,
        fhir_version: FHIR_VERSION.to_owned(),
        dependencies,
        digest: hash_files(&files),
        archive: hash_bytes(bytes),
    };
    Ok(Archive { manifest, package, files, left_out })
}

/// `package/Anything.json`. Folders below (example, openapi, other, xml) hold no definitions, and neither do the
/// manifest and the hidden index.
fn is_definition(file: &str) -> bool {
    let name = file.strip_prefix("package/").filter(|name| !name.contains('/'));
    name.is_some_and(|name| name.ends_with(".json") && name != "package.json" && !name.starts_with('.'))
}

/// The JSON files directly under `package/`, by path.
fn entries(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, ArchiveError> {
    let unpacked = flate2::read::GzDecoder::new(bytes).take(MAX_SIZE + 1);
    let mut archive = tar::Archive::new(unpacked);
    let mut entries = BTreeMap::new();
    for entry in archive.entries().map_err(ArchiveError::Broken)? {
        let mut entry = entry.map_err(ArchiveError::Broken)?;
        let path = entry.path().map_err(ArchiveError::Broken)?.to_string_lossy().into_owned();
        let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
        if entry.header().entry_type().is_file() && (is_definition(&path) || path == "package/package.json") {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(ArchiveError::Broken)?;
            entries.insert(path, content);
        }
    }
    // The tar ends before the gzip does: the checksum behind it tells whether all of it arrived.
    let mut rest = archive.into_inner();
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(ArchiveError::Broken)?;
    if rest.limit() == 0 {
        return Err(ArchiveError::TooLarge);
    }
    Ok(entries)
}
