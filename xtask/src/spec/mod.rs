//! `cargo xtask spec add` and `spec remove`: FHIR packages in, digests and `spec/lock.toml` out; `spec compare`: what two
//! versions of a guide differ in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use vesta_codegen::digest::{CORE, Lock, Manifest, Package, SpecificationError, hash_files, lock, package_files};
use vesta_codegen::emit::BLOB;
use vesta_conformance::guide::Guides;

mod archive;
mod compare;
#[cfg(test)]
mod tests;

use archive::ArchiveError;

use crate::{Outcome, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Read a FHIR package (the published npm-style .tgz) and write its digest to spec/
    Add {
        /// Such as hl7.fhir.us.core@8.0.0
        package: PackageName,
        /// The package's archive
        #[arg(long)]
        from: PathBuf,
    },
    /// Print what a version of a guide wants to be seen and another one does not
    Compare {
        /// Such as hl7.fhir.us.core@7.0.0
        one: PackageName,
        /// Such as hl7.fhir.us.core@8.0.0
        other: PackageName,
    },
    /// Take a package out of spec/
    Remove {
        /// Such as hl7.fhir.us.core@6.1.0
        package: PackageName,
    },
}

/// `name@version`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackageName {
    name: String,
    version: String,
}

impl std::str::FromStr for PackageName {
    type Err = String;

    fn from_str(text: &str) -> Result<PackageName, String> {
        let fits = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
        };
        match text.split_once('@') {
            Some((name, version)) if fits(name) && fits(version) => {
                Ok(PackageName { name: name.to_owned(), version: version.to_owned() })
            }
            _ => Err("expected <name>@<version>, as in hl7.fhir.us.core@8.0.0".to_owned()),
        }
    }
}

impl std::fmt::Display for PackageName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}@{}", self.name, self.version)
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecError {
    #[error("{path}: {source}", path = path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{path}: {source}; spec/ is as it was", path = path.display())]
    Archive { path: PathBuf, source: ArchiveError },
    #[error(transparent)]
    Specification(#[from] SpecificationError),
    #[error("spec/lock.toml has no {0}; it has: {1}")]
    NotThere(PackageName, String),
    #[error("{0} cannot go: {1} builds on it; remove that first")]
    InUse(PackageName, String),
}

/// Runs the command on the workspace's `spec` folder and tells what was done.
pub(crate) fn run(args: Args) -> Outcome {
    let spec = workspace::root().join("spec");
    let report = match args.command {
        Command::Add { package, from } => add(&spec, &package, &from)?,
        Command::Compare { one, other } => compare::compare(&Guides::read(&spec)?, &one, &other)?,
        Command::Remove { package } => remove(&spec, &package)?,
    };
    println!("{report}");
    Ok(())
}

/// Reads a package's archive and puts its digest into the `spec` folder; tells what came of it.
pub(crate) fn add(spec: &Path, name: &PackageName, from: &Path) -> Result<String, SpecError> {
    let bytes = fs::read(from).map_err(io(from))?;
    let archive = archive::read_archive(&bytes, &name.name, &name.version)
        .map_err(|source| SpecError::Archive { path: from.to_owned(), source })?;
    let mut packages = locked_packages(spec)?;
    packages.retain(|(manifest, _)| !is(name, manifest));
    packages.push((archive.manifest, archive.package));
    let lock = lock(&packages);

    swap_in(spec, name, &archive.files, &lock)?;

    let locked = lock.get(&name.name, &name.version).expect("just added");
    let size: usize = archive.files.values().map(String::len).sum();
    let mut report = format!("{name}: {} definitions, {} KB in spec/", archive.files.len(), size / 1024);
    for (resource_type, count) in &archive.left_out {
        report += &format!("\n  left out: {count} {resource_type} (nothing reads them)");
    }
    if !locked.absent_dependencies.is_empty() {
        report += &format!("\n  absent dependencies: {}", locked.absent_dependencies.join(", "));
    }
    let open = &locked.unresolved_value_sets;
    report += &format!(
        "\n  value sets that no package here defines: {} required, {} extensible (in spec/lock.toml)",
        open.required.len(),
        open.extensible.len()
    );
    report += "\nnext: cargo xtask codegen";
    Ok(report)
}

/// Takes a package out of the `spec` folder.
pub(crate) fn remove(spec: &Path, name: &PackageName) -> Result<String, SpecError> {
    let mut packages = locked_packages(spec)?;
    if !packages.iter().any(|(manifest, _)| is(name, manifest)) {
        let known: Vec<_> = packages.iter().map(|(m, _)| format!("{}@{}", m.name, m.version)).collect();
        return Err(SpecError::NotThere(name.clone(), known.join(", ")));
    }
    let needed = |manifest: &Manifest| manifest.dependencies.contains(&name.to_string());
    if let Some((user, _)) = packages.iter().find(|(manifest, _)| needed(manifest)) {
        return Err(SpecError::InUse(name.clone(), format!("{}@{}", user.name, user.version)));
    }
    packages.retain(|(manifest, _)| !is(name, manifest));
    write_lock(spec, &lock(&packages))?;
    let folder = spec.join(&name.name).join(&name.version);
    fs::remove_dir_all(&folder).map_err(io(&folder))?;
    // The last version takes its name's folder along; with others left this fails, as it should.
    let _ = fs::remove_dir(spec.join(&name.name));
    Ok(format!("{name} is gone from spec/\nnext: cargo xtask codegen (a fixup for it in spec/fixups/ has to go too)"))
}

fn is(name: &PackageName, manifest: &Manifest) -> bool {
    manifest.name == name.name && manifest.version == name.version
}

/// The packages that the lock names, read and checked against it. R4 first.
fn locked_packages(spec: &Path) -> Result<Vec<(Manifest, Package)>, SpecError> {
    let files = read_folder(spec)?;
    let Some(text) = files.get("lock.toml") else { return Ok(Vec::new()) };
    let lock: Lock = toml::from_str(text).map_err(|error| SpecificationError::Lock(Box::new(error)))?;
    let mut packages = Vec::new();
    for locked in &lock.packages {
        let folder = format!("{}/{}", locked.name, locked.version);
        let own = package_files(&folder, &files);
        let found = hash_files(&own);
        if found != locked.digest {
            let locked = locked.digest.clone();
            return Err(SpecificationError::DigestDiffers { package: folder, locked, found }.into());
        }
        packages.push((Manifest::of(locked), Package::parse(&locked.name, &locked.version, &own)?));
    }
    packages.sort_by_key(|(manifest, _)| manifest.name != CORE);
    Ok(packages)
}

/// Puts the digest in its place. It is written beside it first: what fails there leaves all as it was. An interruption
/// within the swap leaves a digest that the lock does not match, which every later command says.
fn swap_in(spec: &Path, name: &PackageName, files: &BTreeMap<String, String>, lock: &Lock) -> Result<(), SpecError> {
    fs::create_dir_all(spec).map_err(io(spec))?;
    let temporary = tempfile::Builder::new().prefix(".adding-").tempdir_in(spec).map_err(io(spec))?;
    let new = temporary.path().join("new");
    for (file, text) in files {
        let path = new.join(file);
        let folder = path.parent().expect("a file stands in a folder");
        fs::create_dir_all(folder).map_err(io(folder))?;
        fs::write(&path, text).map_err(io(&path))?;
    }
    let folder = spec.join(&name.name);
    fs::create_dir_all(&folder).map_err(io(&folder))?;
    let place = folder.join(&name.version);
    if place.exists() {
        fs::rename(&place, temporary.path().join("old")).map_err(io(&place))?;
    }
    fs::rename(&new, &place).map_err(io(&place))?;
    write_lock(spec, lock)
}

fn write_lock(spec: &Path, lock: &Lock) -> Result<(), SpecError> {
    let path = spec.join("lock.toml");
    let new = spec.join(".lock.toml.new");
    fs::write(&new, lock.to_text()).map_err(io(&new))?;
    fs::rename(&new, &path).map_err(io(&path))
}

/// All texts below a folder, by their path from it with `/`; hidden files and blobs are left out. Empty if it is not
/// there.
pub(crate) fn read_folder(folder: &Path) -> Result<BTreeMap<String, String>, SpecError> {
    let read = |file: String| {
        let path = folder.join(&file);
        let text = fs::read_to_string(&path).map_err(io(&path))?;
        Ok((file, text))
    };
    list_folder(folder)?.into_iter().filter(|file| !file.ends_with(BLOB)).map(read).collect()
}

/// The paths of all files below a folder, from it and with `/`; hidden ones are left out.
pub(crate) fn list_folder(folder: &Path) -> Result<Vec<String>, SpecError> {
    let mut files = Vec::new();
    let mut open = vec![(folder.to_owned(), String::new())];
    while let Some((path, prefix)) = open.pop() {
        if !path.exists() {
            continue;
        }
        for entry in fs::read_dir(&path).map_err(io(&path))? {
            let entry = entry.map_err(io(&path))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') {
                continue;
            }
            let path = entry.path();
            if path.is_dir() {
                open.push((path, format!("{prefix}{name}/")));
            } else {
                files.push(format!("{prefix}{name}"));
            }
        }
    }
    Ok(files)
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> SpecError {
    let path = path.to_owned();
    move |source| SpecError::Io { path, source }
}
