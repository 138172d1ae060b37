//! Whether a code is in a value set, as far as the packages reach.
//! <https://hl7.org/fhir/R4/valueset.html#compositions>

use vesta_codegen::digest::{CodeSystem, Concept, ConceptFilter, ConceptSet, ValueSet, without_version};

use super::Guide;

/// Three answers: what the packages do not hold is neither in nor out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    In,
    Out,
    Unknown,
}

impl Membership {
    pub(crate) fn of(is_in: bool) -> Membership {
        if is_in { Membership::In } else { Membership::Out }
    }

    /// In all of them.
    pub(crate) fn all(answers: impl IntoIterator<Item = Membership>) -> Membership {
        answers.into_iter().fold(Membership::In, |all, one| match (all, one) {
            (Membership::Out, _) | (_, Membership::Out) => Membership::Out,
            (Membership::Unknown, _) | (_, Membership::Unknown) => Membership::Unknown,
            _ => Membership::In,
        })
    }

    /// In one of them.
    pub(crate) fn any(answers: impl IntoIterator<Item = Membership>) -> Membership {
        Membership::all(answers.into_iter().map(Membership::not)).not()
    }

    pub(crate) fn not(self) -> Membership {
        match self {
            Membership::In => Membership::Out,
            Membership::Out => Membership::In,
            Membership::Unknown => Membership::Unknown,
        }
    }
}

/// Deeper than any value set or hierarchy of HL7's: a circle.
const DEEPEST: u32 = 64;

impl<'a> Guide<'a> {
    /// A value set by its canonical.
    pub fn value_set(&self, canonical: &str) -> Option<&'a ValueSet> {
        let url = without_version(canonical);
        self.visible().find_map(|package| {
            let id = self.guides.indexes[package].value_sets.get(url)?;
            self.guides.specification.packages[package].value_sets.get(id)
        })
    }

    /// A code system by its canonical.
    pub fn code_system(&self, canonical: &str) -> Option<&'a CodeSystem> {
        let url = without_version(canonical);
        self.visible().find_map(|package| {
            let id = self.guides.indexes[package].code_systems.get(url)?;
            self.guides.specification.packages[package].code_systems.get(id)
        })
    }

    /// Whether a code is in the value set. Without `ask_system` (the type `code`) the system is not looked at; with
    /// it, a code without a system is in no value set.
    pub fn membership(&self, value_set: &str, system: Option<&str>, code: &str, ask_system: bool) -> Membership {
        let wanted = Wanted { system, code, ask_system };
        self.in_value_set(value_set, &wanted, 0)
    }

    fn in_value_set(&self, canonical: &str, wanted: &Wanted<'_>, depth: u32) -> Membership {
        let Some(set) = self.value_set(canonical).filter(|set| !set.include.is_empty() && depth < DEEPEST) else {
            return Membership::Unknown;
        };
        let included = Membership::any(set.include.iter().map(|part| self.in_part(part, wanted, depth)));
        let excluded = Membership::any(set.exclude.iter().map(|part| self.in_part(part, wanted, depth)));
        Membership::all([included, excluded.not()])
    }

    /// One include or exclude: the codes of its system that are in all of its value sets.
    fn in_part(&self, part: &ConceptSet, wanted: &Wanted<'_>, depth: u32) -> Membership {
        let by_system = part.system.as_deref().map(|system| self.in_system(system, part, wanted));
        let by_sets = part.value_set.iter().map(|set| self.in_value_set(set, wanted, depth + 1));
        Membership::all(by_system.into_iter().chain(by_sets))
    }

    fn in_system(&self, system: &str, part: &ConceptSet, wanted: &Wanted<'_>) -> Membership {
        if wanted.ask_system && wanted.system != Some(system) {
            return Membership::Out;
        }
        if !part.concept.is_empty() {
            return Membership::of(part.concept.iter().any(|concept| concept.code == wanted.code));
        }
        let Some(definition) = self.code_system(system).filter(|definition| definition.content == "complete") else {
            return Membership::Unknown;
        };
        let Some(concept) = definition.concepts.iter().find(|concept| concept.code == wanted.code) else {
            return Membership::Out;
        };
        Membership::all(part.filter.iter().map(|filter| passes(definition, concept, filter)))
    }
}

struct Wanted<'a> {
    system: Option<&'a str>,
    code: &'a str,
    ask_system: bool,
}

/// <https://hl7.org/fhir/R4/valueset-filter-operator.html>
fn passes(system: &CodeSystem, concept: &Concept, filter: &ConceptFilter) -> Membership {
    let is_it = concept.code == filter.value;
    match (filter.property.as_str(), filter.op.as_str()) {
        ("concept", "is-a") => Membership::of(is_it || is_below(system, concept, &filter.value, 0)),
        ("concept", "descendent-of") => Membership::of(!is_it && is_below(system, concept, &filter.value, 0)),
        ("concept", "is-not-a") => Membership::of(!is_it && !is_below(system, concept, &filter.value, 0)),
        ("parent", "=") => Membership::of(concept.parent.contains(&filter.value)),
        ("code", "=") => Membership::of(is_it),
        _ => Membership::Unknown,
    }
}

fn is_below(system: &CodeSystem, concept: &Concept, ancestor: &str, depth: u32) -> bool {
    depth < DEEPEST
        && concept.parent.iter().any(|parent| {
            let above = system.concepts.iter().find(|concept| concept.code == *parent);
            parent == ancestor || above.is_some_and(|above| is_below(system, above, ancestor, depth + 1))
        })
}
