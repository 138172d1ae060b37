//! What is known of a code. <https://hl7.org/fhir/R4/codesystem-operation-lookup.html>,
//! <https://hl7.org/fhir/R4/codesystem-operation-subsumes.html>

use serde_json::{Value, json};

use super::canonical::Canonical;
use super::code_system::{CodeSystem, Concept, Place};
use super::engine::{Engine, Member, member};
use super::error::TerminologyError;

#[derive(Debug)]
pub struct Looked<'a> {
    pub member: Member<'a>,
    pub system: &'a CodeSystem,
    pub properties: Vec<LookedProperty>,
}

#[derive(Debug, PartialEq)]
pub struct LookedProperty {
    pub code: String,
    /// `valueCode`, `valueString` …
    pub kind: String,
    pub value: Value,
    /// The display of a code.
    pub description: Option<String>,
}

/// <https://hl7.org/fhir/R4/valueset-concept-subsumption-outcome.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsumption {
    Equivalent,
    Subsumes,
    SubsumedBy,
    NotSubsumed,
}

impl Subsumption {
    pub fn as_str(self) -> &'static str {
        match self {
            Subsumption::Equivalent => "equivalent",
            Subsumption::Subsumes => "subsumes",
            Subsumption::SubsumedBy => "subsumed-by",
            Subsumption::NotSubsumed => "not-subsumed",
        }
    }
}

impl<'a> Engine<'a> {
    /// The concept of a code; none where the code system is whole and does not have it.
    pub fn find(&self, asked: &Canonical, code: &str) -> Result<Option<Member<'a>>, TerminologyError> {
        let system = self.code_system(asked)?;
        match system.place(code) {
            Some(place) => Ok(Some(member(system, place))),
            None if self.drew_on_fragment() => {
                Err(TerminologyError::NotCarried { system: system.canonical(), content: "a fragment" })
            }
            None => Ok(None),
        }
    }

    fn place(&self, asked: &Canonical, code: &str) -> Result<(&'a CodeSystem, Place), TerminologyError> {
        let found = self.find(asked, code)?.and_then(|member| member.defined);
        let unknown = |system: Canonical| TerminologyError::UnknownCode { system, code: code.to_owned() };
        found.ok_or_else(|| {
            unknown(self.library.code_system(asked).map_or_else(|_| asked.clone(), CodeSystem::canonical))
        })
    }

    pub fn lookup(&self, asked: &Canonical, code: &str) -> Result<Looked<'a>, TerminologyError> {
        let (system, place) = self.place(asked, code)?;
        let concept = &system.concepts[place];
        let mut properties = Vec::new();
        let mut add = |code: &str, kind: &str, value: Value, description: Option<String>| {
            let (code, kind) = (code.to_owned(), kind.to_owned());
            properties.push(LookedProperty { code, kind, value, description });
        };
        if let Some(definition) = &concept.definition {
            add("definition", "valueString", json!(definition), None);
        }
        for (name, places) in [("parent", &concept.parents), ("child", &concept.children)] {
            for related in places.iter().map(|place| &system.concepts[*place]) {
                add(name, "valueCode", json!(related.code), related.display.clone());
            }
        }
        let says_inactive = concept.properties.iter().any(|property| property.code == "inactive");
        if !says_inactive {
            add("inactive", "valueBoolean", json!(concept.is_inactive()), None);
        }
        for property in &concept.properties {
            let described = (property.kind == "valueCode").then(|| system.concept(&property.as_text())).flatten();
            let description = described.and_then(|concept: &Concept| concept.display.clone());
            add(&property.code, &property.kind, property.value.clone(), description);
        }
        Ok(Looked { member: member(system, place), system, properties })
    }

    /// How A stands to B.
    pub fn subsumes(&self, asked: &Canonical, a: &str, b: &str) -> Result<Subsumption, TerminologyError> {
        let ((system, a), (_, b)) = (self.place(asked, a)?, self.place(asked, b)?);
        if a == b {
            return Ok(Subsumption::Equivalent);
        }
        if !system.has_subsumption() {
            let meaning = system.hierarchy_meaning.clone().unwrap_or_default();
            return Err(TerminologyError::NoSubsumption { system: system.canonical(), meaning });
        }
        Ok(match (system.is_above(a, b), system.is_above(b, a)) {
            (true, true) => Subsumption::Equivalent,
            (true, false) => Subsumption::Subsumes,
            (false, true) => Subsumption::SubsumedBy,
            (false, false) => Subsumption::NotSubsumed,
        })
    }

    /// The codes that stand above or below a code, itself among them: what `:above` and `:below` of a token ask for.
    /// <https://hl7.org/fhir/R4/search.html#token>
    pub fn related(&self, asked: &Canonical, code: &str, below: bool) -> Result<Vec<Member<'a>>, TerminologyError> {
        let (system, place) = self.place(asked, code)?;
        if !system.has_subsumption() {
            let meaning = system.hierarchy_meaning.clone().unwrap_or_default();
            return Err(TerminologyError::NoSubsumption { system: system.canonical(), meaning });
        }
        let mut places: Vec<Place> =
            if below { system.descendants(place) } else { system.ancestors(place) }.into_iter().collect();
        places.push(place);
        places.sort_unstable();
        Ok(places.into_iter().map(|place| member(system, place)).collect())
    }
}
