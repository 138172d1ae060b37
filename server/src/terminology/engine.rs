//! Which codes a value set has: all of them, or whether one is among them.
//! <https://hl7.org/fhir/R4/valueset.html#compositions>

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashSet};

use super::canonical::Canonical;
use super::code_system::{CodeSystem, Concept, Content, Designation, Place, designation_in};
use super::error::TerminologyError;
use super::filter;
use super::library::Library;
use super::value_set::{ConceptSet, Listed, ValueSet};

/// How many codes one question may look at.
const MOST_LOOKED_AT: usize = 250_000;

/// Which versions of code systems are used. <https://hl7.org/fhir/R4/valueset-operation-expand.html>
#[derive(Debug, Clone, Default)]
pub struct Versions {
    /// `system-version`: where the definition names none.
    pub default: Vec<Canonical>,
    /// `check-system-version`: anything else is an error.
    pub check: Vec<Canonical>,
    /// `force-system-version`: whatever the definition says.
    pub force: Vec<Canonical>,
    /// `exclude-system`: left out.
    pub exclude: Vec<Canonical>,
}

impl Versions {
    fn resolve(&self, asked: &Canonical) -> Canonical {
        let version = |of: &[Canonical]| of.iter().find(|one| one.url == asked.url).and_then(|one| one.version.clone());
        let version = version(&self.force).or_else(|| asked.version.clone()).or_else(|| version(&self.default));
        Canonical { url: asked.url.clone(), version }
    }

    fn check(&self, system: &CodeSystem) -> Result<(), TerminologyError> {
        match self.check.iter().find(|one| one.url == system.url) {
            Some(checked) if checked.version != system.version => {
                Err(TerminologyError::VersionCheck { checked: checked.clone(), found: system.canonical() })
            }
            _ => Ok(()),
        }
    }

    fn excludes(&self, asked: &Canonical) -> bool {
        let same = |one: &Canonical| {
            one.url == asked.url && (one.version.is_none() || asked.version.is_none() || one.version == asked.version)
        };
        self.exclude.iter().any(same)
    }
}

/// A code of a value set.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    pub system: &'a str,
    pub version: Option<&'a str>,
    pub code: &'a str,
    /// Where the code system is at hand.
    pub defined: Option<(&'a CodeSystem, Place)>,
    /// What the value set says of it.
    pub listed: Option<&'a Listed>,
}

impl<'a> Member<'a> {
    pub fn concept(&self) -> Option<&'a Concept> {
        self.defined.map(|(system, place)| &system.concepts[place])
    }

    /// The value set's own name for it goes before the code system's.
    pub fn display(&self, language: Option<&str>) -> Option<&'a str> {
        let listed = self.listed;
        let of_system = self.defined.and_then(|(system, _)| system.language.as_deref());
        listed
            .and_then(|listed| designation_in(&listed.designations, language))
            .or_else(|| designation_in(&self.concept()?.designations, language))
            .or_else(|| listed?.display.as_deref())
            .or_else(|| self.concept()?.display_in(language, of_system))
    }

    /// Of the value set and the code system.
    pub fn designations(&self) -> impl Iterator<Item = &'a Designation> {
        let of_set = self.listed.map(|listed| listed.designations.as_slice()).unwrap_or_default();
        of_set.iter().chain(self.concept().map(|concept| concept.designations.as_slice()).unwrap_or_default())
    }

    pub fn is_abstract(&self) -> bool {
        self.listed.is_some_and(|listed| listed.is_abstract) || self.concept().is_some_and(Concept::is_abstract)
    }

    pub fn is_inactive(&self) -> bool {
        self.listed.is_some_and(|listed| listed.inactive) || self.concept().is_some_and(Concept::is_inactive)
    }
}

/// Answers questions on a library.
pub struct Engine<'a> {
    pub library: &'a Library,
    pub versions: &'a Versions,
    looked_at: Cell<usize>,
    /// The value sets that are being looked at, against circles.
    open: RefCell<Vec<*const ValueSet>>,
    /// The code systems that the answer draws on.
    used: RefCell<BTreeSet<Canonical>>,
    /// One of them is a part of its codes only.
    fragment: Cell<bool>,
}

impl<'a> Engine<'a> {
    pub fn new(library: &'a Library, versions: &'a Versions) -> Engine<'a> {
        Engine {
            library,
            versions,
            looked_at: Cell::new(0),
            open: RefCell::default(),
            used: RefCell::default(),
            fragment: Cell::new(false),
        }
    }

    /// The code systems that answers have drawn on, with their versions.
    pub fn used(&self) -> Vec<Canonical> {
        self.used.borrow().iter().cloned().collect()
    }

    /// Whether an answer has drawn on a code system that is a part only: there may be more codes.
    pub fn drew_on_fragment(&self) -> bool {
        self.fragment.get()
    }

    /// A code system under the versions that were asked for. One whose codes are not here is an error.
    pub fn code_system(&self, asked: &Canonical) -> Result<&'a CodeSystem, TerminologyError> {
        let system = self.library.code_system(&self.versions.resolve(asked))?;
        self.versions.check(system)?;
        match system.content {
            Content::Complete => {}
            Content::Fragment => self.fragment.set(true),
            Content::NotPresent | Content::Supplement => {
                let content =
                    if system.content == Content::NotPresent { "not-present" } else { "that of a supplement" };
                return Err(TerminologyError::NotCarried { system: system.canonical(), content });
            }
        }
        self.used.borrow_mut().insert(system.canonical());
        Ok(system)
    }

    fn look_at(&self, codes: usize) -> Result<(), TerminologyError> {
        self.looked_at.set(self.looked_at.get() + codes);
        if self.looked_at.get() > MOST_LOOKED_AT {
            return Err(TerminologyError::TooCostly { most: MOST_LOOKED_AT, things: "codes" });
        }
        Ok(())
    }

    /// Runs with a value set marked as being looked at.
    fn within<T>(
        &self,
        set: &'a ValueSet,
        run: impl FnOnce() -> Result<T, TerminologyError>,
    ) -> Result<T, TerminologyError> {
        if self.open.borrow().iter().any(|open| std::ptr::eq(*open, set)) {
            return Err(TerminologyError::Circle(set.shown()));
        }
        self.open.borrow_mut().push(set);
        let result = run();
        self.open.borrow_mut().pop();
        result
    }

    /// All codes, each once, in the order of the definition.
    pub fn members(&self, set: &'a ValueSet) -> Result<Vec<Member<'a>>, TerminologyError> {
        self.within(set, || {
            if set.include.is_empty() {
                let Some(listed) = &set.expansion else { return Err(TerminologyError::Empty(set.shown())) };
                self.look_at(listed.len())?;
                return Ok(listed.iter().map(|one| self.of_expansion(one)).collect());
            }
            let mut seen = HashSet::new();
            let mut members = Vec::new();
            for include in &set.include {
                for member in self.concept_set(include)? {
                    if seen.insert((member.system, member.code)) {
                        members.push(member);
                    }
                }
            }
            for exclude in &set.exclude {
                // What has none of the codes takes none away, and need not be known.
                if exclude.system.as_ref().is_some_and(|system| members.iter().all(|one| one.system != system.url)) {
                    continue;
                }
                let excluded: HashSet<_> =
                    self.concept_set(exclude)?.into_iter().map(|one| (one.system, one.code)).collect();
                members.retain(|member| !excluded.contains(&(member.system, member.code)));
            }
            if set.inactive == Some(false) {
                members.retain(|member| !member.is_inactive());
            }
            Ok(members)
        })
    }

    fn of_expansion(&self, listed: &'a Listed) -> Member<'a> {
        let system = listed.system.as_ref();
        let known = system.and_then(|system| self.library.code_system(system).ok());
        Member {
            system: system.map_or("", |system| &system.url),
            version: system.and_then(|system| system.version.as_deref()),
            code: &listed.code,
            defined: known.and_then(|known| Some((known, known.place(&listed.code)?))),
            listed: Some(listed),
        }
    }

    /// What one include or exclude says: the codes of its system that are in all of its value sets.
    fn concept_set(&self, set: &'a ConceptSet) -> Result<Vec<Member<'a>>, TerminologyError> {
        let mut members = match &set.system {
            Some(system) if self.versions.excludes(system) => return Ok(Vec::new()),
            Some(system) => Some(self.system_members(system, set)?),
            None => None,
        };
        for canonical in &set.value_sets {
            let imported = self.members(self.library.value_set(canonical)?)?;
            members = Some(match members {
                None => imported,
                Some(members) => {
                    let keys: HashSet<_> = imported.iter().map(|one| (one.system, one.code)).collect();
                    members.into_iter().filter(|member| keys.contains(&(member.system, member.code))).collect()
                }
            });
        }
        let mut members = members.unwrap_or_default();
        if !self.versions.exclude.is_empty() {
            members.retain(|member| !self.versions.excludes(&Canonical::new(member.system, member.version)));
        }
        Ok(members)
    }

    fn system_members(&self, asked: &'a Canonical, set: &'a ConceptSet) -> Result<Vec<Member<'a>>, TerminologyError> {
        let system = self.code_system(asked);
        if !set.concepts.is_empty() {
            let system = self.optional(system)?;
            self.look_at(set.concepts.len())?;
            return Ok(set.concepts.iter().filter_map(|listed| self.listed(asked, system, listed)).collect());
        }
        let system = system?;
        self.look_at(system.concepts.len())?;
        let passed = filter::select(system, &set.filters)?;
        let places = (0..system.concepts.len()).filter(|place| passed[*place]);
        Ok(places.map(|place| member(system, place)).collect())
    }

    /// Codes that are listed need no code system at hand.
    fn optional(
        &self,
        system: Result<&'a CodeSystem, TerminologyError>,
    ) -> Result<Option<&'a CodeSystem>, TerminologyError> {
        match system {
            Ok(system) => Ok(Some(system)),
            Err(error @ TerminologyError::VersionCheck { .. }) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// A listed code; none where the code system is whole and does not have it.
    fn listed(&self, asked: &'a Canonical, system: Option<&'a CodeSystem>, listed: &'a Listed) -> Option<Member<'a>> {
        let defined = system.and_then(|system| Some((system, system.place(&listed.code)?)));
        match defined {
            Some((system, place)) => Some(Member { listed: Some(listed), ..member(system, place) }),
            None if system.is_some_and(|system| system.content == Content::Complete) => None,
            None => Some(Member {
                system: &asked.url,
                version: asked.version.as_deref(),
                code: &listed.code,
                defined: None,
                listed: Some(listed),
            }),
        }
    }

    /// The member with this code, if there is one. What has no bearing on this code need not be known.
    pub fn contains(
        &self,
        set: &'a ValueSet,
        system: &str,
        code: &str,
    ) -> Result<Option<Member<'a>>, TerminologyError> {
        self.within(set, || {
            if set.include.is_empty() {
                let Some(listed) = &set.expansion else { return Err(TerminologyError::Empty(set.shown())) };
                let mut members = listed.iter().map(|one| self.of_expansion(one));
                return Ok(members.find(|member| member.system == system && member.code == code));
            }
            let Some(found) =
                first(set.include.iter().map(|include| self.concept_set_contains(include, system, code)))?
            else {
                return Ok(None);
            };
            if set.inactive == Some(false) && found.is_inactive() {
                return Ok(None);
            }
            let excluded = first(set.exclude.iter().map(|set| self.concept_set_contains(set, system, code)))?;
            Ok(excluded.is_none().then_some(found))
        })
    }

    fn concept_set_contains(
        &self,
        set: &'a ConceptSet,
        system: &str,
        code: &str,
    ) -> Result<Option<Member<'a>>, TerminologyError> {
        let mut found = None;
        if let Some(asked) = &set.system {
            if asked.url != system || self.versions.excludes(asked) {
                return Ok(None);
            }
            found = self.system_contains(asked, set, code)?;
            if found.is_none() {
                return Ok(None);
            }
        }
        for canonical in &set.value_sets {
            match self.contains(self.library.value_set(canonical)?, system, code)? {
                Some(member) => found = found.or(Some(member)),
                None => return Ok(None),
            }
        }
        Ok(found)
    }

    fn system_contains(
        &self,
        asked: &'a Canonical,
        set: &'a ConceptSet,
        code: &str,
    ) -> Result<Option<Member<'a>>, TerminologyError> {
        let system = self.code_system(asked);
        if !set.concepts.is_empty() {
            let system = self.optional(system)?;
            let same = |listed: &&Listed| match system {
                Some(system) if !system.case_sensitive => listed.code.to_lowercase() == code.to_lowercase(),
                _ => listed.code == code,
            };
            return Ok(set.concepts.iter().find(same).and_then(|listed| self.listed(asked, system, listed)));
        }
        let system = system?;
        match system.place(code) {
            Some(place) => Ok(filter::select(system, &set.filters)?[place].then(|| member(system, place))),
            None if system.content == Content::Complete => Ok(None),
            None => Err(TerminologyError::NotCarried { system: system.canonical(), content: "a fragment" }),
        }
    }
}

pub(super) fn member(system: &CodeSystem, place: Place) -> Member<'_> {
    Member {
        system: &system.url,
        version: system.version.as_deref(),
        code: &system.concepts[place].code,
        defined: Some((system, place)),
        listed: None,
    }
}

/// The first that is found; what cannot be decided counts only if nothing is.
fn first<'a>(
    all: impl Iterator<Item = Result<Option<Member<'a>>, TerminologyError>>,
) -> Result<Option<Member<'a>>, TerminologyError> {
    let mut undecided = None;
    for one in all {
        match one {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => {}
            Err(error) => undecided = undecided.or(Some(error)),
        }
    }
    undecided.map_or(Ok(None), Err)
}
