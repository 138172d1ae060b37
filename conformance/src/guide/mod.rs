//! The guides as the digests in `spec/` have them: versions, profiles, element definitions, value sets, search
//! parameters. What is generated for the server is not looked at.
//!
//! [`Guides`] holds all packages; a [`Guide`] is one version of one guide and resolves canonicals as that version
//! does (its own definitions first, then those that it depends on); a [`Profile`] is one of its StructureDefinitions,
//! and a [`Place`] one element of it.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use vesta_codegen::digest::{
    CapabilityStatement, Derivation, Package, Rest, RestResource, SearchParameter, Specification, SpecificationError,
    Structure, StructureKind, without_version,
};
use vesta_codegen::emit::guides::version_order;

mod place;
mod primitive;
mod terminology;

pub use place::Place;
pub(crate) use place::Tree;
pub(crate) use primitive::{Primitives, json_kind};
pub use terminology::Membership;

#[derive(Debug, thiserror::Error)]
pub enum GuideError {
    #[error("{path}: {source}", path = path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Specification(#[from] SpecificationError),
}

/// Every package of `spec/lock.toml`.
pub struct Guides {
    specification: Specification,
    /// For each package what it defines, by canonical without version.
    indexes: Vec<Index>,
    /// Which packages each one sees, itself first.
    visible: Vec<Vec<usize>>,
    /// The packages but R4's, sorted by name and version.
    sorted: Vec<usize>,
    pub(crate) primitives: Primitives,
}

#[derive(Default)]
struct Index {
    structures: HashMap<String, (String, Tree)>,
    value_sets: HashMap<String, String>,
    code_systems: HashMap<String, String>,
    search_parameters: HashMap<String, String>,
}

impl Index {
    fn new(package: &Package) -> Index {
        let mut index = Index::default();
        for (id, structure) in &package.structures {
            index.structures.insert(structure.url.clone(), (id.clone(), Tree::new(structure)));
        }
        let ids =
            |urls: &mut HashMap<String, String>, url: &String, id: &String| drop(urls.insert(url.clone(), id.clone()));
        package.value_sets.iter().for_each(|(id, set)| ids(&mut index.value_sets, &set.url, id));
        package.code_systems.iter().for_each(|(id, system)| ids(&mut index.code_systems, &system.url, id));
        package.search_parameters.iter().for_each(|(id, found)| ids(&mut index.search_parameters, &found.url, id));
        index
    }
}

impl Guides {
    /// Reads a `spec` folder.
    pub fn read(spec: &Path) -> Result<Guides, GuideError> {
        let mut files = BTreeMap::new();
        read_folder(spec, "", &mut files)?;
        Ok(Guides::new(Specification::load(&files)?))
    }

    pub fn new(specification: Specification) -> Guides {
        let indexes = specification.packages.iter().map(Index::new).collect();
        let position = |package: &Package| specification.packages.iter().position(|other| std::ptr::eq(package, other));
        let visible = |package| specification.visible(package).filter_map(position).collect();
        let visible = specification.packages.iter().map(visible).collect();
        let primitives = Primitives::new(specification.core());
        let packages = specification.packages.iter().enumerate();
        let mut guides: Vec<_> =
            packages.filter(|(_, package)| !std::ptr::eq(*package, specification.core())).collect();
        guides.sort_by_key(|(_, package)| (&package.name, version_order(&package.version)));
        let sorted = guides.into_iter().map(|(at, _)| at).collect();
        Guides { indexes, visible, sorted, primitives, specification }
    }

    pub fn specification(&self) -> &Specification {
        &self.specification
    }

    /// The guides, sorted by name and version: of the same name, the newest comes last.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = Guide<'_>> {
        self.sorted.iter().map(|package| Guide { guides: self, package: *package })
    }

    /// The guide of this package name and version.
    pub fn get(&self, name: &str, version: &str) -> Option<Guide<'_>> {
        self.all().find(|guide| guide.name() == name && guide.version() == version)
    }

    /// R4 itself, seen as what everything else depends on.
    pub fn core(&self) -> Guide<'_> {
        let core = self.specification.core();
        let package = self.specification.packages.iter().position(|package| std::ptr::eq(package, core));
        Guide { guides: self, package: package.unwrap_or_default() }
    }

    /// The profile that a canonical of `meta.profile` means: `url|version` that version, a bare `url` the newest.
    pub fn claimed(&self, canonical: &str) -> Option<Profile<'_>> {
        let (url, version) = canonical.split_once('|').map_or((canonical, None), |(url, v)| (url, Some(v)));
        self.all().rev().chain([self.core()]).find_map(|guide| {
            let profile = guide.own_profile(url)?;
            let own = profile.structure.version.as_deref().unwrap_or(guide.version());
            version.is_none_or(|version| version == own).then_some(profile)
        })
    }
}

/// One version of one guide.
#[derive(Clone, Copy)]
pub struct Guide<'a> {
    pub(crate) guides: &'a Guides,
    package: usize,
}

impl<'a> Guide<'a> {
    pub fn package(&self) -> &'a Package {
        &self.guides.specification.packages[self.package]
    }

    /// `hl7.fhir.us.core`
    pub fn name(&self) -> &'a str {
        &self.package().name
    }

    /// `8.0.0`
    pub fn version(&self) -> &'a str {
        &self.package().version
    }

    /// The guide's profiles on resource types, in the order of their ids.
    pub fn profiles(&self) -> Vec<Profile<'a>> {
        let constrains = |structure: &&Structure| {
            structure.kind == StructureKind::Resource && structure.derivation == Some(Derivation::Constraint)
        };
        let structures = self.package().structures.values().filter(constrains);
        structures.filter_map(|structure| self.own_profile(&structure.url)).collect()
    }

    /// A StructureDefinition by its canonical, as this guide sees it.
    pub fn profile(&self, canonical: &str) -> Option<Profile<'a>> {
        let url = without_version(canonical);
        let found =
            self.visible().find_map(|package| Some((package, self.guides.indexes[package].structures.get(url)?)));
        let (package, (id, tree)) = found?;
        let structure = &self.guides.specification.packages[package].structures[id];
        Some(Profile { guide: *self, structure, tree })
    }

    /// The same among the guide's own definitions only.
    fn own_profile(&self, url: &str) -> Option<Profile<'a>> {
        let (id, tree) = self.guides.indexes[self.package].structures.get(url)?;
        Some(Profile { guide: *self, structure: &self.package().structures[id], tree })
    }

    /// The definition of a type: `Patient`, `HumanName`, `dateTime`.
    pub fn type_definition(&self, name: &str) -> Option<Profile<'a>> {
        // A type that a logical model names by its URL is none of R4's.
        let name = name.rsplit('/').next().unwrap_or(name);
        self.profile(&format!("http://hl7.org/fhir/StructureDefinition/{name}"))
            .filter(|profile| profile.structure.defines_type())
    }

    /// The type and those that it is derived from: `Patient`, `DomainResource`, `Resource`.
    pub fn type_and_bases(&self, name: &str) -> Vec<&'a str> {
        let mut names = Vec::new();
        let mut next = self.type_definition(name);
        while let Some(definition) = next {
            names.push(definition.type_name());
            next = definition.structure.base_definition.as_deref().and_then(|base| self.profile(base));
        }
        names
    }

    /// What the guide's CapabilityStatement for servers says of each resource type.
    pub fn server_resources(&self) -> Vec<&'a RestResource> {
        self.server().into_iter().flat_map(|rest| &rest.resource).collect()
    }

    /// The guide's expectations of a server.
    pub fn server(&self) -> Option<&'a Rest> {
        let statements = self.package().capabilities.values();
        statements.flat_map(|statement: &CapabilityStatement| &statement.rest).find(|rest| rest.mode == "server")
    }

    /// A search parameter by its canonical, as this guide sees it.
    pub fn search_parameter(&self, canonical: &str) -> Option<&'a SearchParameter> {
        let url = without_version(canonical);
        self.visible().find_map(|package| {
            let id = self.guides.indexes[package].search_parameters.get(url)?;
            self.guides.specification.packages[package].search_parameters.get(id)
        })
    }

    /// The search parameter of this code on a type: as the guide's CapabilityStatement names it, else any that the
    /// guide or R4 defines for the type or one of its bases (`_id` of Resource).
    pub fn search_parameter_of(&self, resource_type: &str, code: &str) -> Option<&'a SearchParameter> {
        let resource = self.server_resources().into_iter().find(|resource| resource.type_name == resource_type);
        let named = resource.and_then(|resource| resource.search_param.iter().find(|parameter| parameter.name == code));
        let named = named.and_then(|parameter| self.search_parameter(parameter.definition.as_deref()?));
        named.or_else(|| {
            let bases = self.type_and_bases(resource_type);
            let packages = self.visible().map(|package| &self.guides.specification.packages[package]);
            let mut all = packages.flat_map(|package| package.search_parameters.values());
            all.find(|found| found.code == code && found.base.iter().any(|base| bases.contains(&base.as_str())))
        })
    }

    fn visible(&self) -> impl Iterator<Item = usize> + use<'a> {
        self.guides.visible[self.package].iter().copied()
    }
}

/// A StructureDefinition: a profile, an extension or a type, seen from a guide.
#[derive(Clone, Copy)]
pub struct Profile<'a> {
    guide: Guide<'a>,
    structure: &'a Structure,
    tree: &'a Tree,
}

impl<'a> Profile<'a> {
    /// The guide from which it is seen: that decides what its canonicals mean.
    pub fn guide(&self) -> Guide<'a> {
        self.guide
    }

    pub fn structure(&self) -> &'a Structure {
        self.structure
    }

    /// Without version.
    pub fn url(&self) -> &'a str {
        &self.structure.url
    }

    /// `url|version`
    pub fn canonical(&self) -> String {
        let version = self.structure.version.as_deref().unwrap_or(self.guide.version());
        format!("{}|{version}", self.structure.url)
    }

    /// The type that it defines or constrains.
    pub fn type_name(&self) -> &'a str {
        &self.structure.type_name
    }

    /// The root element.
    pub fn root(&self) -> Place<'a> {
        Place::root(*self)
    }

    /// Whether a resource claims it in `meta.profile`: with its version, or without one if it is the newest.
    pub fn is_claimed_by(&self, resource: &serde_json::Value) -> bool {
        let canonical = self.canonical();
        let claims = resource["meta"]["profile"].as_array().into_iter().flatten().filter_map(|claim| claim.as_str());
        let means_this = |claim: &str| {
            claim == canonical
                || claim == self.url()
                    && self
                        .guide
                        .guides
                        .claimed(claim)
                        .is_some_and(|claimed| std::ptr::eq(claimed.structure, self.structure))
        };
        claims.into_iter().any(means_this)
    }
}

/// All files below a folder, by their path from it with `/`; hidden ones are left out.
fn read_folder(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result<(), GuideError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| GuideError::Read { path, source }
    };
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            read_folder(&path, &format!("{name}/"), files)?;
        } else {
            files.insert(name, fs::read_to_string(&path).map_err(failed(&path))?);
        }
    }
    Ok(())
}
