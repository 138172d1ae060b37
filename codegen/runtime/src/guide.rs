//! The shape of an implementation guide as the generator writes it: profiles, search parameters with their
//! expectations, and what a server is expected to do.

use crate::operation::OperationDefinition;
use crate::schema::Strength;
use crate::search::SearchParameterType;

/// One version of an implementation guide.
#[derive(Debug)]
pub struct Guide {
    /// The package: `hl7.fhir.us.core`.
    pub name: &'static str,
    pub version: &'static str,
    /// `http://hl7.org/fhir/us/core`.
    pub canonical: &'static str,
    pub fhir_version: &'static str,
    /// Profiles of resources and data types, and extensions; sorted by URL.
    pub profiles: &'static [&'static Profile],
    /// Sorted by URL.
    pub search_parameters: &'static [GuideSearchParameter],
    /// Sorted by URL.
    pub operations: &'static [OperationDefinition],
    /// What a server is to do, from the guide's CapabilityStatement for servers, if it has one.
    pub server: Option<&'static ServerExpectations>,
    /// The value sets that profiles bind with strength required and that are closed lists here; sorted by URL.
    pub value_sets: &'static [ValueSetCodes],
    /// The canonicals of the required value sets that are no closed list in `spec/`: whether a code is in one cannot be
    /// decided here. Sorted.
    pub undecidable_value_sets: &'static [&'static str],
}

impl Guide {
    /// A profile or extension by its URL, with or without `|version`; a version has to be this guide's.
    pub fn profile(&self, canonical: &str) -> Option<&'static Profile> {
        let (url, version) = canonical.split_once('|').map_or((canonical, None), |(url, v)| (url, Some(v)));
        if version.is_some_and(|version| version != self.version) {
            return None;
        }
        let found = self.profiles.binary_search_by(|profile| profile.url.cmp(url)).ok()?;
        Some(self.profiles[found])
    }

    /// The codes of a closed value set, by its canonical (a `|version` is left aside).
    pub fn value_set(&self, canonical: &str) -> Option<&'static ValueSetCodes> {
        let url = canonical.split('|').next().unwrap_or(canonical);
        let found = self.value_sets.binary_search_by(|set| set.url.cmp(url)).ok()?;
        Some(&self.value_sets[found])
    }
}

/// How firmly a guide asks for something.
/// <https://hl7.org/fhir/R4/extension-capabilitystatement-expectation.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Expectation {
    Shall,
    Should,
    May,
    ShouldNot,
}

/// A value with the expectation that the guide attaches to it, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected<T> {
    pub value: T,
    pub expectation: Option<Expectation>,
}

impl<T> Expected<T> {
    pub fn is(&self, expectation: Expectation) -> bool {
        self.expectation == Some(expectation)
    }
}

/// A profile or an extension. <https://hl7.org/fhir/R4/profiling.html>
#[derive(Debug)]
pub struct Profile {
    pub url: &'static str,
    pub version: &'static str,
    /// `USCorePatientProfile`.
    pub name: &'static str,
    /// The type that is constrained: `Patient`; `Extension` for an extension.
    pub type_name: &'static str,
    /// The profile or type that it is derived from; its rules are part of the elements here.
    pub base: &'static str,
    pub is_abstract: bool,
    /// For extensions: the kind (`element`, `extension`, `fhirpath`) and place of what it may extend.
    pub contexts: &'static [(&'static str, &'static str)],
    /// The invariants beyond the type's own.
    pub constraints: &'static [Constraint],
    /// The elements of which the profile says more than the type's definition, in the order of the snapshot. What is
    /// not here is as in the element tables.
    pub elements: &'static [ProfileElement],
}

impl Profile {
    pub fn element(&self, id: &str) -> Option<&'static ProfileElement> {
        self.elements.iter().find(|element| element.id == id)
    }

    /// `url|version`.
    pub fn canonical(&self) -> String {
        format!("{}|{}", self.url, self.version)
    }
}

/// An invariant.
#[derive(Debug)]
pub struct Constraint {
    pub key: &'static str,
    pub is_error: bool,
    /// FHIRPath, evaluated on the elements that name the key.
    pub expression: Option<&'static str>,
    pub best_practice: bool,
}

/// What a profile says of an element or slice: the whole of it, what it inherits included.
#[derive(Debug)]
pub struct ProfileElement {
    /// The path with slice names: `Patient.extension:race`.
    pub id: &'static str,
    pub min: u32,
    /// `u32::MAX` stands for `*`.
    pub max: u32,
    pub types: &'static [ProfileType],
    pub must_support: bool,
    /// US Core's extension uscdi-requirement: counts as must-support for certified systems.
    pub uscdi_requirement: bool,
    pub slice_name: Option<&'static str>,
    pub slicing: Option<Slicing>,
    /// JSON text: the value has to be exactly this.
    pub fixed: Option<&'static str>,
    /// JSON text: the value has to hold at least this.
    pub pattern: Option<&'static str>,
    /// JSON texts of the bounds.
    pub min_value: Option<&'static str>,
    pub max_value: Option<&'static str>,
    /// In characters.
    pub max_length: Option<u32>,
    pub binding: Option<ProfileBinding>,
    /// Keys of the profile's invariants that apply here.
    pub constraints: &'static [&'static str],
}

impl ProfileElement {
    /// An element of which nothing is said: what generated code starts from.
    pub const PLAIN: ProfileElement = ProfileElement {
        id: "",
        min: 0,
        max: 1,
        types: &[],
        must_support: false,
        uscdi_requirement: false,
        slice_name: None,
        slicing: None,
        fixed: None,
        pattern: None,
        min_value: None,
        max_value: None,
        max_length: None,
        binding: None,
        constraints: &[],
    };

    /// The id without slice names: `Patient.extension`.
    pub fn path(&self) -> String {
        let names = self.id.split('.').map(|part| part.split(':').next().unwrap_or(part));
        names.collect::<Vec<_>>().join(".")
    }

    /// Whether the profile asks for the element to be supported, in one of the ways that a guide may say it.
    pub fn is_to_be_supported(&self) -> bool {
        self.must_support || self.uscdi_requirement
    }
}

/// A type that an element may have under a profile.
#[derive(Debug)]
pub struct ProfileType {
    pub code: &'static str,
    /// Profiles of the type itself, of which one has to be met: an extension's URL.
    pub profiles: &'static [&'static str],
    /// For Reference and canonical; empty means any.
    pub targets: &'static [Target],
    /// The extension elementdefinition-type-must-support on the type.
    pub must_support: bool,
}

/// A profile that a referenced resource has to meet.
#[derive(Debug)]
pub struct Target {
    pub profile: &'static str,
    /// The extension elementdefinition-type-must-support on the target.
    pub must_support: bool,
}

/// <https://hl7.org/fhir/R4/profiling.html#slicing>
#[derive(Debug)]
pub struct Slicing {
    pub rules: SlicingRules,
    pub ordered: bool,
    pub discriminators: &'static [Discriminator],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlicingRules {
    Open,
    OpenAtEnd,
    Closed,
}

/// How it is told which slice an element is in. <https://hl7.org/fhir/R4/profiling.html#discriminator>
#[derive(Debug)]
pub struct Discriminator {
    pub kind: DiscriminatorKind,
    /// `$this`, or a path from the sliced element.
    pub path: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscriminatorKind {
    Value,
    Exists,
    Pattern,
    Type,
    Profile,
}

/// A binding under a profile.
#[derive(Debug)]
pub struct ProfileBinding {
    pub strength: Strength,
    pub value_set: &'static str,
    pub max_value_set: Option<&'static str>,
    /// Additional bindings: purpose (`current`, `minimum` …) and value set.
    pub additional: &'static [(&'static str, &'static str)],
}

/// A closed value set.
#[derive(Debug)]
pub struct ValueSetCodes {
    pub url: &'static str,
    /// System and code, sorted.
    pub codes: &'static [(&'static str, &'static str)],
}

impl ValueSetCodes {
    pub fn contains(&self, system: &str, code: &str) -> bool {
        self.codes.binary_search_by(|known| (known.0, known.1).cmp(&(system, code))).is_ok()
    }
}

/// A search parameter of a guide. Where it is derived from a standard one, the standard one serves, and this tells
/// what is expected of it; else it is the guide's own and has an extractor in `vesta_guides::search`.
#[derive(Debug)]
pub struct GuideSearchParameter {
    pub url: &'static str,
    pub code: &'static str,
    pub bases: &'static [&'static str],
    pub kind: SearchParameterType,
    /// The URL of the standard parameter that serves.
    pub derived_from: Option<&'static str>,
    pub multiple_or: Option<Expected<bool>>,
    pub multiple_and: Option<Expected<bool>>,
    pub comparators: &'static [Expected<&'static str>],
    pub modifiers: &'static [Expected<&'static str>],
    pub chains: &'static [Expected<&'static str>],
}

impl GuideSearchParameter {
    /// Whether the guide defines it anew.
    pub fn is_own(&self) -> bool {
        self.derived_from.is_none()
    }
}

/// A guide's CapabilityStatement for servers. <https://hl7.org/fhir/R4/capabilitystatement.html>
#[derive(Debug)]
pub struct ServerExpectations {
    /// The statement's canonical, for `instantiates`.
    pub url: &'static str,
    pub version: &'static str,
    pub instantiates: &'static [&'static str],
    pub implementation_guides: &'static [Expected<&'static str>],
    pub formats: &'static [Expected<&'static str>],
    pub patch_formats: &'static [Expected<&'static str>],
    /// Of the whole system: `transaction`, `search-system` …
    pub interactions: &'static [Expected<&'static str>],
    pub operations: &'static [OperationExpectation],
    /// Sorted by type.
    pub resources: &'static [ResourceExpectations],
}

impl ServerExpectations {
    pub fn resource(&self, resource_type: &str) -> Option<&'static ResourceExpectations> {
        let found = self.resources.binary_search_by(|resource| resource.resource_type.cmp(resource_type)).ok()?;
        Some(&self.resources[found])
    }
}

/// What a server is expected to do with a resource type.
#[derive(Debug)]
pub struct ResourceExpectations {
    pub resource_type: &'static str,
    pub expectation: Option<Expectation>,
    /// Always `url|version` for profiles of the guide.
    pub supported_profiles: &'static [Expected<&'static str>],
    pub interactions: &'static [Expected<&'static str>],
    pub reference_policies: &'static [Expected<&'static str>],
    /// `MedicationRequest:medication`.
    pub includes: &'static [Expected<&'static str>],
    /// `Provenance:target`.
    pub rev_includes: &'static [Expected<&'static str>],
    pub search_parameters: &'static [SearchExpectation],
    pub combinations: &'static [Combination],
    pub operations: &'static [OperationExpectation],
}

#[derive(Debug)]
pub struct SearchExpectation {
    pub code: &'static str,
    /// The canonical of the parameter.
    pub definition: Option<&'static str>,
    pub kind: SearchParameterType,
    pub expectation: Option<Expectation>,
}

/// Search parameters that are to work together.
/// <https://hl7.org/fhir/R4/extension-capabilitystatement-search-parameter-combination.html>
#[derive(Debug)]
pub struct Combination {
    pub expectation: Option<Expectation>,
    pub required: &'static [&'static str],
    pub optional: &'static [&'static str],
}

#[derive(Debug)]
pub struct OperationExpectation {
    pub name: &'static str,
    pub definition: &'static str,
    pub expectation: Option<Expectation>,
}
