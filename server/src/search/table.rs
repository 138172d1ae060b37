//! The parameters that a site's searches can use: R4's and those of the guides it has enabled, with their ids in its
//! database.

use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde_json::Value;
use siphasher::sip::SipHasher24;
use vesta_runtime::boundary;
use vesta_runtime::node::Node;
use vesta_runtime::schema::Schema;
use vesta_runtime::search::{Component, Extract, Reference, SearchParameter, SearchParameterType};

use super::own::is_own;
use super::paths::{self, Systems};
use super::place::is_near;
use super::words::is_of_words;
use crate::store::index::HashKey;
use crate::store::{Dictionary, ParameterDefinition};

/// No chain has more steps, whatever is configured.
pub(crate) const MOST_STEPS: usize = 8;

/// How much one search may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchLimits {
    /// Steps of a chain or of `_has`, one inside the other.
    pub chain_steps: usize,
    /// Parameters that restrict, their values (between commas) counted one by one.
    pub values: usize,
    /// `_include` and `_revinclude`, a wildcard counted as one.
    pub includes: usize,
}

impl Default for SearchLimits {
    fn default() -> Self {
        SearchLimits { chain_steps: 4, values: 1000, includes: 32 }
    }
}

/// Changes when the form of index rows does, so that a database made before is re-indexed.
const INDEX_FORMAT: u64 = 5;

/// Changes when codes and references would be sorted by other texts.
const TEXT_FORMAT: u64 = 1;

/// Changes when other words would be found in a resource.
const WORDS_FORMAT: u64 = 1;

/// Elements that the patient boundary follows and no search parameter of R4 has: whose protection a Binary shares
/// (<https://hl7.org/fhir/R4/binary.html#security-context>), and which Binaries a report is presented as. Their rows
/// stand in the tables of URIs, under a code that no search can name.
const FOLLOWED: [(&str, &str); 2] =
    [("Binary", "Binary.securityContext"), ("DiagnosticReport", "DiagnosticReport.presentedForm")];

/// A resource type with its parameters.
#[derive(Debug, Clone)]
pub struct TypeEntry {
    pub name: &'static str,
    /// The stable number of the type.
    pub number: u16,
    /// Where two have one code the first counts: a guide's parameter that is derived from a standard one adds nothing.
    pub parameters: Vec<&'static SearchParameter>,
    pub boundary: TypeBoundary,
}

/// How a type's resources belong to patients.
#[derive(Debug, Clone)]
pub struct TypeBoundary {
    pub rule: Rule,
    /// The parameters that make compartment rows: the n-th sets bit n.
    pub parameters: &'static [&'static str],
    /// The bits that the patient boundary tests.
    pub mask: i64,
    /// The parameter of the clinically relevant date.
    pub date: Option<&'static str>,
}

/// The bit of what belongs to a patient by no parameter: the Patient itself, and a Binary by its `securityContext`.
pub const ITSELF: u32 = 62;

impl From<&'static boundary::TypeBoundary> for TypeBoundary {
    fn from(generated: &'static boundary::TypeBoundary) -> Self {
        use boundary::BoundaryRule;
        let (rule, mask) = match generated.rule {
            BoundaryRule::Itself => (Rule::Compartment, 1 << ITSELF),
            BoundaryRule::Parameters(_) => (Rule::Compartment, i64::from(generated.mask())),
            BoundaryRule::ProvenanceTarget => (Rule::Provenance, 0),
            BoundaryRule::BinaryContext => (Rule::Binary, 1 << ITSELF),
            BoundaryRule::Directory => (Rule::Directory, 0),
            BoundaryRule::Outside => (Rule::Nothing, 0),
        };
        TypeBoundary { rule, parameters: generated.parameters, mask, date: generated.date }
    }
}

/// What a patient scope may see of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// What has a compartment row for the patient with a bit of the mask.
    Compartment,
    /// All: a directory, readable where the scope names the type.
    Directory,
    /// What has a target within the boundary.
    Provenance,
    /// What a resource within the boundary refers to.
    Binary,
    Nothing,
}

/// A parameter of one type.
#[derive(Debug)]
pub struct Parameter {
    pub definition: &'static SearchParameter,
    /// In this site's database; 0 where it has no rows.
    pub id: i32,
    pub systems: Systems,
    /// Those of a composite's parts.
    pub component_systems: Vec<Systems>,
    /// Whether a resource has at most one value.
    pub single: bool,
    /// Whether its references are canonicals, which have versions.
    pub canonical: bool,
}

impl Parameter {
    fn new(schema: &'static Schema, definition: &'static SearchParameter, id: i32) -> Parameter {
        if let Extract::Walked(walked) = definition.extract {
            // A user's own may be more than paths; of what types it is was read from the expression itself.
            let of_part = |part: &Component| match part.extract {
                Extract::Walked(walked) => paths::systems_of(&walked.types),
                Extract::Compiled(_) => Systems::Unknown,
            };
            let component_systems = definition.components.iter().map(of_part).collect();
            let systems = paths::systems_of(&walked.types);
            let canonical = walked.types.contains(&"canonical");
            return Parameter { definition, id, systems, component_systems, single: false, canonical };
        }
        let ends = paths::ends(schema, definition.expression);
        let of_part = |part: &Component| {
            paths::systems(paths::component_ends(schema, definition.expression, part.expression).as_deref())
        };
        Parameter {
            definition,
            id,
            systems: paths::systems(ends.as_deref()),
            component_systems: definition.components.iter().map(of_part).collect(),
            single: paths::single(ends.as_deref()),
            canonical: paths::canonical(ends.as_deref()),
        }
    }

    /// Whether a user has defined it.
    pub fn is_own(&self) -> bool {
        is_own(self.definition)
    }

    /// Whether a search can use it.
    pub fn is_served(&self) -> bool {
        let of_itself = matches!(self.definition.code, "_id" | "_lastUpdated");
        self.is_in_tables() || is_of_words(self.definition) || of_itself
    }

    /// Whether it has rows in index tables: `_id` and `_lastUpdated` are columns of the resource itself.
    pub fn is_in_tables(&self) -> bool {
        is_in_tables(self.definition)
    }
}

pub(super) fn is_in_tables(definition: &SearchParameter) -> bool {
    // `_text`, `_content`, `_query`: no element of the resource.
    let is_of_an_element = definition.kind != SearchParameterType::Special && !definition.expression.is_empty();
    !matches!(definition.code, "_id" | "_lastUpdated") && (is_of_an_element || is_near(definition))
}

#[derive(Debug)]
pub struct ParameterTable {
    schema: &'static Schema,
    base: String,
    dictionary: Arc<Dictionary>,
    types: HashMap<&'static str, (TypeEntry, BTreeMap<&'static str, Parameter>)>,
    names: BTreeMap<u16, &'static str>,
    limits: SearchLimits,
}

/// What the database's dictionary must know: every parameter of every type that has index rows. `base` as for
/// [`ParameterTable::new`].
pub(crate) fn definitions(types: &[TypeEntry], base: &str) -> Vec<ParameterDefinition> {
    let mut definitions = Vec::new();
    for entry in types {
        let mut seen = std::collections::HashSet::new();
        for parameter in entry.parameters.iter().filter(|parameter| is_in_tables(parameter)) {
            if seen.insert(parameter.code) {
                definitions.push(ParameterDefinition {
                    resource_type: entry.number,
                    code: parameter.code.to_owned(),
                    url: parameter.url.to_owned(),
                    extractor_hash: rows_hash(parameter, base),
                });
            }
        }
    }
    for entry in types {
        let of_words = entry.parameters.iter().filter(|parameter| is_of_words(parameter));
        definitions.extend(of_words.map(|parameter| ParameterDefinition {
            resource_type: entry.number,
            code: parameter.code.to_owned(),
            url: parameter.url.to_owned(),
            extractor_hash: WORDS_FORMAT,
        }));
    }
    definitions.extend(types.iter().map(|entry| ParameterDefinition {
        resource_type: entry.number,
        code: identity_code(entry.name),
        url: format!("http://hl7.org/fhir/StructureDefinition/{0}#{0}.id", entry.name),
        extractor_hash: INDEX_FORMAT,
    }));
    definitions.extend(types.iter().map(|entry| ParameterDefinition {
        resource_type: entry.number,
        code: text_code(entry.name),
        url: format!("http://hl7.org/fhir/StructureDefinition/{0}#{0}", entry.name),
        extractor_hash: of_base(TEXT_FORMAT, base),
    }));
    for (name, path) in FOLLOWED {
        definitions.extend(types.iter().filter(|entry| entry.name == name).map(|entry| ParameterDefinition {
            resource_type: entry.number,
            code: path.to_owned(),
            url: format!("http://hl7.org/fhir/StructureDefinition/{name}#{path}"),
            extractor_hash: of_base(INDEX_FORMAT, base),
        }));
    }
    definitions
}

/// Stands in the dictionary for the texts of a type's codes and references; no search can name it.
fn text_code(resource_type: &str) -> String {
    format!("{resource_type}#text")
}

/// Stands in the dictionary for the identity of a type's resources; no search can name it.
fn identity_code(resource_type: &str) -> String {
    format!("{resource_type}.id")
}

/// Whether it is such an entry of the dictionary: the code of no search parameter has a point.
pub(crate) fn is_identity(code: &str) -> bool {
    code.ends_with(".id")
}

/// Changes when the rows of the parameter would be others. Absolute references to our own base are indexed as local
/// ones, so the rows of references belong to the base that they were made under.
fn rows_hash(parameter: &SearchParameter, base: &str) -> u64 {
    let hash = parameter.extractor_hash.wrapping_add(INDEX_FORMAT);
    let kinds = parameter.components.iter().map(|component| component.kind);
    if !kinds.chain([parameter.kind]).any(|kind| kind == SearchParameterType::Reference) {
        return hash;
    }
    of_base(hash, base)
}

fn of_base(hash: u64, base: &str) -> u64 {
    let mut hasher = SipHasher24::new();
    (hash, base).hash(&mut hasher);
    hasher.finish()
}

impl ParameterTable {
    /// `base` is the base URL of the site's FHIR API, without a slash at its end: absolute references to it are
    /// references to its own resources.
    pub fn new(schema: &'static Schema, types: Vec<TypeEntry>, dictionary: Arc<Dictionary>, base: &str) -> Self {
        let names = types.iter().map(|entry| (entry.number, entry.name)).collect();
        let types = types
            .into_iter()
            .map(|entry| {
                let mut parameters = BTreeMap::new();
                for definition in &entry.parameters {
                    let id = dictionary.get(entry.number, definition.code).map_or(0, |known| known.id);
                    parameters.entry(definition.code).or_insert_with(|| Parameter::new(schema, definition, id));
                }
                (entry.name, (entry, parameters))
            })
            .collect();
        ParameterTable { schema, base: base.to_owned(), dictionary, types, names, limits: SearchLimits::default() }
    }

    pub fn with_limits(self, limits: SearchLimits) -> Self {
        let chain_steps = limits.chain_steps.min(MOST_STEPS);
        ParameterTable { limits: SearchLimits { chain_steps, ..limits }, ..self }
    }

    pub(super) fn limits(&self) -> SearchLimits {
        self.limits
    }

    pub fn entry(&self, resource_type: &str) -> Option<&TypeEntry> {
        self.types.get(resource_type).map(|(entry, _)| entry)
    }

    /// All types, in the order of their numbers.
    pub fn entries(&self) -> impl Iterator<Item = &TypeEntry> {
        self.names.values().filter_map(|name| self.entry(name))
    }

    pub fn type_name(&self, number: u16) -> Option<&'static str> {
        self.names.get(&number).copied()
    }

    pub fn parameter(&self, resource_type: &str, code: &str) -> Option<&Parameter> {
        self.types.get(resource_type)?.1.get(code)
    }

    pub fn parameters(&self, resource_type: &str) -> impl Iterator<Item = &Parameter> {
        self.types.get(resource_type).into_iter().flat_map(|(_, parameters)| parameters.values())
    }

    /// False while the rows of stored resources are still being made.
    pub fn is_indexed(&self, resource_type: &str, code: &str) -> bool {
        let Some(entry) = self.entry(resource_type) else { return false };
        self.dictionary.get(entry.number, code).is_none_or(|known| known.is_indexed())
    }

    pub(crate) fn hash_key(&self) -> HashKey {
        HashKey(self.dictionary.hash_key())
    }

    pub(crate) fn schema(&self) -> &'static Schema {
        self.schema
    }

    /// How many of a hundred resources have been looked at for those that are not indexed yet.
    pub(crate) fn share(&self) -> u8 {
        self.dictionary.share()
    }

    pub(crate) fn generation(&self) -> i64 {
        self.dictionary.generation()
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    /// The resource as a typed node.
    pub fn root<'a>(&self, resource: &'a Value) -> Option<(&TypeEntry, Node<'a>)> {
        let node = Node::resource(resource, self.schema)?;
        Some((self.entry(node.definition.name)?, node))
    }

    /// The row by which a chain knows a resource of the type: its parameter's id, and whether all are there.
    pub(crate) fn identity(&self, resource_type: &str) -> Option<(i32, bool)> {
        let entry = self.entry(resource_type)?;
        let known = self.dictionary.get(entry.number, &identity_code(entry.name))?;
        Some((known.id, known.is_indexed()))
    }

    /// Whether the texts of the codes and references of the type are all there.
    pub(super) fn has_texts(&self, resource_type: &str) -> bool {
        self.is_indexed(resource_type, &text_code(resource_type))
    }

    /// The bit by which compartment rows tell that this parameter names the patient.
    pub(crate) fn compartment_bit(&self, resource_type: &str, code: &str) -> Option<usize> {
        let contributing = &self.entry(resource_type)?.boundary.parameters;
        contributing.iter().position(|known| *known == code).or_else(|| {
            // `patient` is the `subject` that is a Patient: the same bit.
            let asked = self.parameter(resource_type, code)?.definition.expression;
            let of = asked.strip_suffix(".where(resolve() is Patient)")?;
            contributing.iter().position(|known| {
                self.parameter(resource_type, known).is_some_and(|known| known.definition.expression == of)
            })
        })
    }

    /// What a Provenance's target is joined by, since the boundary asks for it from the target's side: the number of
    /// the type, and the id.
    pub(crate) fn provenance_target(&self, parameter: &Parameter, reference: &Reference) -> Option<String> {
        if parameter.definition.base != "Provenance" || parameter.definition.code != "target" {
            return None;
        }
        self.local_target(reference)
    }

    /// The rows of an element that only the boundary follows: their id, and whether all are there.
    pub(crate) fn followed(&self, resource_type: &str) -> Option<(i32, bool)> {
        let (_, path) = FOLLOWED.into_iter().find(|(name, _)| *name == resource_type)?;
        let known = self.dictionary.get(self.entry(resource_type)?.number, path)?;
        Some((known.id, known.is_indexed()))
    }

    /// The id, where the reference is to a resource of this server and of the type.
    pub fn local_id<'a>(&self, reference: &'a Reference, of: &str) -> Option<&'a str> {
        let local = reference.base.as_deref().is_none_or(|base| base == self.base);
        let is_of_type = reference.target_type.as_deref() == Some(of);
        reference.target_id.as_deref().filter(|_| local && is_of_type)
    }

    /// A resource of this server, as rows of URIs name it: the number of its type, and its id.
    pub(crate) fn local_target(&self, reference: &Reference) -> Option<String> {
        let local = reference.base.as_deref().is_none_or(|of| of == self.base);
        let number = self.entry(reference.target_type.as_deref()?)?.number;
        local.then(|| format!("{number}/{}", reference.target_id.as_deref().unwrap_or_default()))
    }
}
