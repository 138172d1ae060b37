//! From a profile's definition to the list of what is wanted.

use std::fmt;

use vesta_codegen::digest::{ElementType, Expectation};

use super::search;
use crate::guide::{Guide, Place, Profile};

/// How firmly something is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Must-support: the element, the type or the target is flagged.
    MustSupport,
    /// An additional USCDI requirement, which certified systems treat as must-support.
    UscdiRequirement,
    /// The profile names it without asking for it: a slice, a type of a choice.
    Named,
    /// A search needs values, with the expectation of the guide.
    Search(Option<Expectation>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// There is such an element, slice or extension.
    Element,
    /// It has this type.
    Type(String),
    /// It refers to a resource of this profile.
    Target(String),
    /// There are values for all of these search parameters.
    Search(Vec<String>),
}

/// One thing that a profile wants to be seen.
#[derive(Clone)]
pub struct Wanted<'a> {
    pub profile: Profile<'a>,
    /// The element, with slice names and into extensions: `Patient.extension:race.extension:ombCategory`. Of a search,
    /// the resource type.
    pub element: String,
    pub what: What,
    pub need: Need,
    /// The way from the root to the element.
    pub(super) way: Vec<Step<'a>>,
}

#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Child(Place<'a>),
    Slice { sliced: Place<'a>, slice: Place<'a> },
}

impl fmt::Display for Wanted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Wanted { element, .. } = self;
        write!(formatter, "{}: ", self.profile.canonical())?;
        match &self.what {
            What::Element => write!(formatter, "{element}"),
            What::Type(type_name) => write!(formatter, "{element} as {type_name}"),
            What::Target(profile) => write!(formatter, "{element} to {profile}"),
            What::Search(parameters) => write!(formatter, "values for {element}?{}", parameters.join("&")),
        }?;
        match self.need {
            Need::MustSupport => write!(formatter, " (must-support)"),
            Need::UscdiRequirement => write!(formatter, " (additional USCDI requirement)"),
            Need::Named => write!(formatter, " (named by the profile)"),
            Need::Search(expectation) => write!(
                formatter,
                " (search{})",
                expectation.map_or("", |one| match one {
                    Expectation::Shall => ", SHALL",
                    Expectation::Should => ", SHOULD",
                    Expectation::May => ", MAY",
                    Expectation::ShouldNot => ", SHOULD NOT",
                })
            ),
        }
    }
}

impl fmt::Debug for Wanted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")
    }
}

/// Everything that a guide's profiles want to be seen.
pub fn wanted(guide: Guide<'_>) -> Vec<Wanted<'_>> {
    guide.profiles().into_iter().flat_map(of_profile).collect()
}

/// What one profile wants to be seen.
pub fn of_profile(profile: Profile<'_>) -> Vec<Wanted<'_>> {
    let mut list = List { profile, wanted: Vec::new() };
    let root = profile.root();
    list.below(root, root.id(), &mut Vec::new(), Within::default());
    list.wanted.extend(search::of_profile(profile));
    list.wanted
}

struct List<'a> {
    profile: Profile<'a>,
    wanted: Vec<Wanted<'a>>,
}

/// What the present element stands in.
#[derive(Clone, Copy, Default)]
struct Within {
    extensions: usize,
    /// A slice that the profile names and does not ask for: nor does it ask for what is flagged inside.
    named: bool,
}

/// An extension inside an extension inside an extension: no guide goes deeper.
const DEEPEST: usize = 4;

impl<'a> List<'a> {
    fn below(&mut self, place: Place<'a>, label: &str, way: &mut Vec<Step<'a>>, within: Within) {
        for child in place.children().filter(|child| child.max() != Some(0)) {
            let name = child.id().rsplit('.').next().unwrap_or_default();
            way.push(Step::Child(child));
            self.element(child, &format!("{label}.{name}"), way, within);
            way.pop();
        }
    }

    fn element(&mut self, place: Place<'a>, label: &str, way: &mut Vec<Step<'a>>, within: Within) {
        let element = place.element();
        let flag = match (element.must_support, element.uscdi_requirement) {
            (false, false) => None,
            _ if within.named => Some(Need::Named),
            (true, _) => Some(Need::MustSupport),
            (false, true) => Some(Need::UscdiRequirement),
        };
        // A part of an extension that its definition does not ask for is of no profile's making.
        let names = element.slice_name.is_some() && (within.extensions == 0 || element.min > 0) && may_stand(place);
        if let Some(need) = flag.or(names.then_some(Need::Named)) {
            self.add(label, What::Element, need, way);
        }
        if let Some(need) = flag {
            self.types(place, label, need, way);
            self.targets(place, label, need, way);
        }
        let within = Within { named: within.named || names && flag.is_none(), ..within };
        self.below(place, label, way, within);
        for slice in place.slices().filter(|slice| slice.max() != Some(0)) {
            let name = slice.id().rsplit(['.', ':']).next().unwrap_or_default();
            way.push(Step::Slice { sliced: place, slice });
            self.element(slice, &format!("{label}:{name}"), way, within);
            way.pop();
        }
        let is_extension = element.slice_name.is_some() && element.types.iter().any(|one| one.name() == "Extension");
        if let [ElementType { profile, .. }] = element.types.as_slice()
            && let ([canonical], true, true) = (profile.as_slice(), is_extension, within.extensions < DEEPEST)
            && let Some(definition) = place.guide().profile(canonical)
        {
            self.below(definition.root(), label, way, Within { extensions: within.extensions + 1, ..within });
        }
    }

    fn add(&mut self, label: &str, what: What, need: Need, way: &[Step<'a>]) {
        let element = label.to_owned();
        self.wanted.push(Wanted { profile: self.profile, element, what, need, way: way.to_vec() });
    }

    /// The flagged types; of a choice without flags each type that the profile leaves of several.
    fn types(&mut self, place: Place<'a>, label: &str, need: Need, way: &[Step<'a>]) {
        let types = place.types();
        for one in types.iter().filter(|one| one.must_support) {
            self.add(label, What::Type(one.name().to_owned()), need, way);
        }
        let is_flagged = types.iter().any(|one| one.must_support);
        if is_flagged || place.choice().is_none() || types.len() < 2 || place.slices().next().is_some() {
            return;
        }
        // `value[x]` as R4 has it, open to eleven types, is no wish for each of them; a choice of two is.
        let is_narrowed = self.types_in_base(&place.element().path()).is_some_and(|count| types.len() < count);
        if is_narrowed || types.len() == 2 {
            for one in types {
                self.add(label, What::Type(one.name().to_owned()), Need::Named, way);
            }
        }
    }

    /// How many types an element has in R4.
    fn types_in_base(&self, path: &str) -> Option<usize> {
        let base = self.profile.guide().type_definition(self.profile.type_name())?;
        let element = base.structure().elements.iter().find(|element| element.id == path)?;
        Some(element.types.len())
    }

    /// The flagged targets; without flags the only one.
    fn targets(&mut self, place: Place<'a>, label: &str, need: Need, way: &[Step<'a>]) {
        let references = place.types().iter().filter(|one| one.name() == "Reference");
        let targets: Vec<_> = references.flat_map(|one| &one.target_profile).collect();
        let flagged: Vec<_> = targets.iter().copied().filter(|target| target.must_support).collect();
        let wanted = match (flagged.as_slice(), targets.as_slice()) {
            ([], [only]) => vec![*only],
            _ => flagged,
        };
        for target in wanted {
            self.add(label, What::Target(target.profile.clone()), need, way);
        }
    }
}

/// Whether data can show a slice at all: of an extension the definition has to be there, and has to allow its place.
/// (A profile inherits slices for extensions of guides that are not here, and some that R4 does not allow there.)
fn may_stand(slice: Place<'_>) -> bool {
    let mut extensions = slice.element().types.iter().filter(|one| one.name() == "Extension");
    let Some(url) = extensions.find_map(|one| one.profile.first()) else { return true };
    let Some(definition) = slice.guide().profile(url) else { return false };
    let path = slice.element().path();
    let extended = path.rsplit_once('.').map_or(path.as_str(), |(extended, _)| extended);
    let mut names = vec![extended, "Element", "BackboneElement"];
    names.extend(slice.guide().type_and_bases(extended));
    let contexts = &definition.structure().context;
    contexts.is_empty() || contexts.iter().any(|one| one.kind != "element" || names.contains(&one.expression.as_str()))
}
