//! Translations by concept maps. <https://hl7.org/fhir/R4/conceptmap-operation-translate.html>

use super::canonical::Canonical;
use super::concept_map::{ConceptMap, Dependency, Group, Target, Unmapped};
use super::error::TerminologyError;
use super::library::Library;

/// How many maps may hand a code on to each other.
const MOST_HANDED_ON: usize = 8;

/// What is to be translated, and to what.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub system: Option<String>,
    pub code: String,
    /// The value sets that a map is to be between, and the code system of the result.
    pub source: Option<Canonical>,
    pub target: Option<Canonical>,
    pub target_system: Option<Canonical>,
    /// Other elements that the mapping may depend on: the element, and a (system, code) of its value.
    pub dependencies: Vec<(String, Option<String>, String)>,
    /// From the maps' targets to their sources. "This parameter reverses the meaning of the source and target
    /// parameters."
    pub reverse: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// <https://hl7.org/fhir/R4/valueset-concept-map-equivalence.html>
    pub equivalence: String,
    /// None where the map says that there is none.
    pub concept: Option<Translated>,
    /// Elements that come out of the mapping too.
    pub products: Vec<(String, Translated)>,
    /// The canonical of the map.
    pub source: Option<Canonical>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    pub system: Option<Canonical>,
    pub code: String,
    pub display: Option<String>,
}

impl Match {
    /// Whether it is a translation: not what says that there is none.
    pub fn is_translation(&self) -> bool {
        self.concept.is_some() && !matches!(self.equivalence.as_str(), "unmatched" | "disjoint")
    }
}

/// All matches of these maps, in their order.
pub fn translate<'a>(
    library: &'a Library,
    maps: impl IntoIterator<Item = &'a ConceptMap>,
    asked: &Asked,
) -> Result<Vec<Match>, TerminologyError> {
    let mut matches = Vec::new();
    for map in maps {
        let (source, target) = if asked.reverse { (&map.target, &map.source) } else { (&map.source, &map.target) };
        if fits(asked.source.as_ref(), source.as_ref()) && fits(asked.target.as_ref(), target.as_ref()) {
            by_map(library, map, asked, &mut vec![map], &mut matches)?;
        }
    }
    Ok(matches)
}

/// Whether what a map names is what is asked for. What is not asked for, any serves.
fn fits(asked: Option<&Canonical>, named: Option<&Canonical>) -> bool {
    let Some(asked) = asked else { return true };
    named.is_some_and(|named| {
        named.url == asked.url && (asked.version.is_none() || named.version.is_none() || asked.version == named.version)
    })
}

fn by_map<'a>(
    library: &'a Library,
    map: &'a ConceptMap,
    asked: &Asked,
    open: &mut Vec<&'a ConceptMap>,
    matches: &mut Vec<Match>,
) -> Result<(), TerminologyError> {
    let source = map.url.as_deref().map(|url| Canonical::new(url, map.version.as_deref()));
    for group in &map.groups {
        let (from, to) = if asked.reverse { (&group.target, &group.source) } else { (&group.source, &group.target) };
        let is_from = match (&asked.system, from) {
            (Some(system), Some(from)) => from.url == *system,
            _ => true,
        };
        if !is_from || !fits(asked.target_system.as_ref(), to.as_ref()) {
            continue;
        }
        if asked.reverse {
            matches.extend(reversed(group, asked, source.as_ref()));
            continue;
        }
        let mut elements =
            group.elements.iter().filter(|element| element.code.as_ref() == Some(&asked.code)).peekable();
        let is_mapped = elements.peek().is_some();
        for target in elements.flat_map(|element| &element.targets) {
            if target.depends_on.iter().all(|dependency| is_met(dependency, asked)) {
                matches.push(forward(group, target, source.as_ref()));
            }
        }
        if is_mapped {
            continue;
        }
        let concept = |code: &str, display: &Option<String>| Match {
            equivalence: "inexact".to_owned(),
            concept: Some(Translated { system: group.target.clone(), code: code.to_owned(), display: display.clone() }),
            products: Vec::new(),
            source: source.clone(),
        };
        match &group.unmapped {
            None => {}
            Some(Unmapped::Provided) => {
                matches.push(Match { equivalence: "equal".to_owned(), ..concept(&asked.code, &None) });
            }
            Some(Unmapped::Fixed { code, display }) => matches.push(concept(code, display)),
            Some(Unmapped::OtherMap(other)) => {
                let other = library.concept_map(other)?;
                if open.iter().any(|open| std::ptr::eq(*open, other)) {
                    return Err(TerminologyError::Circle(other.shown()));
                }
                if open.len() >= MOST_HANDED_ON {
                    return Err(TerminologyError::TooCostly { most: MOST_HANDED_ON, things: "concept maps in a row" });
                }
                open.push(other);
                by_map(library, other, asked, open, matches)?;
                open.pop();
            }
        }
    }
    Ok(())
}

fn is_met(dependency: &Dependency, asked: &Asked) -> bool {
    asked.dependencies.iter().any(|(element, system, code)| {
        let same_system = match (&dependency.system, system) {
            (Some(wanted), Some(system)) => wanted == system,
            _ => true,
        };
        *element == dependency.property && *code == dependency.value && same_system
    })
}

fn forward(group: &Group, target: &Target, source: Option<&Canonical>) -> Match {
    let translated = |code: &String| Translated {
        system: group.target.clone(),
        code: code.clone(),
        display: target.display.clone(),
    };
    let product = |product: &Dependency| {
        let system = product.system.as_deref().map(Canonical::parse);
        let (code, display) = (product.value.clone(), product.display.clone());
        (product.property.clone(), Translated { system, code, display })
    };
    Match {
        equivalence: target.equivalence.clone(),
        concept: target.code.as_ref().map(translated),
        products: target.products.iter().map(product).collect(),
        source: source.cloned(),
    }
}

fn reversed<'a>(group: &'a Group, asked: &'a Asked, source: Option<&'a Canonical>) -> impl Iterator<Item = Match> + 'a {
    group.elements.iter().flat_map(move |element| {
        let targets = element.targets.iter().filter(|target| target.code.as_ref() == Some(&asked.code));
        targets.map(move |target| Match {
            equivalence: turned(&target.equivalence).to_owned(),
            concept: element.code.as_ref().map(|code| Translated {
                system: group.source.clone(),
                code: code.clone(),
                display: element.display.clone(),
            }),
            products: Vec::new(),
            source: source.cloned(),
        })
    })
}

/// How the source stands to the target, said from the other side.
fn turned(equivalence: &str) -> &str {
    match equivalence {
        "wider" => "narrower",
        "narrower" => "wider",
        "subsumes" => "specializes",
        "specializes" => "subsumes",
        same => same,
    }
}
