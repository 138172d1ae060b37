//! Expands value sets to their codes, as far as the packages in `spec/` reach.
//! <https://hl7.org/fhir/R4/valueset.html#compositions>

use std::collections::HashSet;

use crate::digest::{CodeSystem, Concept, ConceptFilter, ConceptSet, Package, Specification};

/// A code of an expansion.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Coded {
    pub system: String,
    pub code: String,
    pub display: Option<String>,
}

/// All codes of a value set in the order of its definition, each once; none if a part of it is not in `spec/`, or is
/// no closed list (SNOMED CT, MIME types, languages …).
pub fn expand(specification: &Specification, from: &Package, canonical: &str) -> Option<Vec<Coded>> {
    Expansion { specification, from, open: Vec::new() }.value_set(canonical)
}

struct Expansion<'a> {
    specification: &'a Specification,
    from: &'a Package,
    /// The value sets being expanded, against circles.
    open: Vec<String>,
}

impl Expansion<'_> {
    fn value_set(&mut self, canonical: &str) -> Option<Vec<Coded>> {
        if self.open.iter().any(|open| open == canonical) {
            return None;
        }
        let set = self.specification.value_set(self.from, canonical)?;
        if set.include.is_empty() {
            return None;
        }
        self.open.push(canonical.to_owned());
        let codes = self.compose(&set.include, &set.exclude);
        self.open.pop();
        codes
    }

    fn compose(&mut self, include: &[ConceptSet], exclude: &[ConceptSet]) -> Option<Vec<Coded>> {
        let mut excluded = HashSet::new();
        for set in exclude {
            excluded.extend(self.concept_set(set)?.into_iter().map(|coded| (coded.system, coded.code)));
        }
        let mut seen = HashSet::new();
        let mut codes = Vec::new();
        for set in include {
            for coded in self.concept_set(set)? {
                let key = (coded.system.clone(), coded.code.clone());
                if !excluded.contains(&key) && seen.insert(key) {
                    codes.push(coded);
                }
            }
        }
        Some(codes)
    }

    /// What one include or exclude says: the codes of its system that are in all of its value sets.
    fn concept_set(&mut self, set: &ConceptSet) -> Option<Vec<Coded>> {
        let mut codes = match &set.system {
            Some(system) => Some(self.system_codes(system, set)?),
            None => None,
        };
        for value_set in &set.value_set {
            let members = self.value_set(value_set)?;
            codes = Some(match codes {
                None => members,
                Some(codes) => {
                    let keys: HashSet<_> = members.iter().map(|coded| (&coded.system, &coded.code)).collect();
                    codes.into_iter().filter(|coded| keys.contains(&(&coded.system, &coded.code))).collect()
                }
            });
        }
        codes
    }

    fn system_codes(&self, system: &str, set: &ConceptSet) -> Option<Vec<Coded>> {
        let coded = |code: &str, display: &Option<String>| Coded {
            system: system.to_owned(),
            code: code.to_owned(),
            display: display.clone(),
        };
        let definition = self.specification.code_system(self.from, system);
        if !set.concept.is_empty() {
            let known = |code: &str| definition?.concepts.iter().find(|concept| concept.code == code);
            let listed = set.concept.iter().map(|concept| {
                let display = concept.display.clone().or_else(|| known(&concept.code)?.display.clone());
                coded(&concept.code, &display)
            });
            return Some(listed.collect());
        }
        let definition = definition.filter(|definition| definition.content == "complete")?;
        let mut codes = Vec::new();
        for concept in definition.concepts.iter().filter(|concept| !concept.not_selectable) {
            let mut fits = true;
            for filter in &set.filter {
                fits &= passes(definition, concept, filter)?;
            }
            if fits {
                codes.push(coded(&concept.code, &concept.display));
            }
        }
        Some(codes)
    }
}

/// Whether a concept passes a filter; none if the digest does not hold what the filter asks about.
/// <https://hl7.org/fhir/R4/valueset-filter-operator.html>
fn passes(system: &CodeSystem, concept: &Concept, filter: &ConceptFilter) -> Option<bool> {
    let is_root = concept.code == filter.value;
    match (filter.property.as_str(), filter.op.as_str()) {
        ("concept", "is-a") => Some(is_root || below(system, concept, &filter.value, 0)),
        ("concept", "descendent-of") => Some(!is_root && below(system, concept, &filter.value, 0)),
        ("concept", "is-not-a") => Some(!is_root && !below(system, concept, &filter.value, 0)),
        ("parent", "=") => Some(concept.parent.contains(&filter.value)),
        _ => None,
    }
}

fn below(system: &CodeSystem, concept: &Concept, ancestor: &str, depth: u32) -> bool {
    // Deeper than any hierarchy in HL7's code systems: a circle.
    depth < 64
        && concept.parent.iter().any(|parent| {
            let above = || system.concepts.iter().find(|concept| concept.code == *parent);
            parent == ancestor || above().is_some_and(|above| below(system, above, ancestor, depth + 1))
        })
}
