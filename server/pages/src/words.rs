//! Scopes in plain words. What is put into words is the scope as the engine has read it, not its text read a second
//! time: a person must be told what is granted, and nothing else.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>

mod table;

use std::fmt;

pub use table::Group;
use table::{OFFERED_TYPES, Of, PARTS, Rank, SPECIAL, TYPES};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Patient,
    User,
    System,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions {
    pub create: bool,
    pub read: bool,
    pub update: bool,
    pub delete: bool,
    pub search: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    Permissions(Permissions),
    /// An operation by its name, without the `$`: `export`.
    Operation(String),
}

/// A scope on records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// As it was asked for, which is how it is granted: SMART 1's `patient/Patient.read`, a value that is
    /// percent-encoded. None for one that nobody has asked for by itself.
    pub text: Option<String>,
    pub level: Level,
    /// None for `*`.
    pub resource_type: Option<String>,
    pub access: Access,
    /// The search parameters behind `?`, in their order.
    pub constraint: Vec<(String, String)>,
}

/// Who reads the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// A patient, about their own record.
    Patient,
    /// A member of the staff or an administrator.
    Staff,
}

impl fmt::Display for Scope {
    /// As it was asked for, else with the letters of SMART 2.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = &self.text {
            return formatter.write_str(text);
        }
        let level = match self.level {
            Level::Patient => "patient",
            Level::User => "user",
            Level::System => "system",
        };
        write!(formatter, "{level}/{}.", self.resource_type.as_deref().unwrap_or("*"))?;
        match &self.access {
            Access::Operation(name) => write!(formatter, "${name}")?,
            Access::Permissions(may) => {
                let letters =
                    [('c', may.create), ('r', may.read), ('u', may.update), ('d', may.delete), ('s', may.search)];
                letters
                    .iter()
                    .filter(|(_, granted)| *granted)
                    .try_for_each(|(letter, _)| write!(formatter, "{letter}"))?;
            }
        }
        for (number, (name, value)) in self.constraint.iter().enumerate() {
            write!(formatter, "{}{name}={value}", if number == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

impl Permissions {
    fn looks(self) -> bool {
        self.read || self.search
    }

    fn changes(self) -> bool {
        self.create || self.update || self.delete
    }

    /// What stays where nothing may be changed.
    fn looking(self) -> Self {
        Self { read: self.read, search: self.search, ..Self::default() }
    }

    /// `See, add and change`
    fn words(self) -> String {
        let verbs: Vec<&str> =
            [("see", self.looks()), ("add", self.create), ("change", self.update), ("delete", self.delete)]
                .into_iter()
                .filter(|(_, granted)| *granted)
                .map(|(verb, _)| verb)
                .collect();
        list(&verbs, "and")
    }
}

/// Behind what a scope would let do, where the server does not do it: the scope is taken, and has no effect.
const NOT_YET: &str = " (without effect: this server has no exports yet)";

impl Scope {
    /// The scope of an operation, as OpenEMR's clients ask for it: `system/Patient.$export`.
    pub fn operation(text: &str) -> Option<Self> {
        let (level, rest) = text.split_once('/')?;
        let (resource_type, name) = rest.split_once(".$")?;
        let level = match level {
            "patient" => Level::Patient,
            "user" => Level::User,
            "system" => Level::System,
            _ => return None,
        };
        Some(Self {
            text: Some(text.to_owned()),
            level,
            resource_type: (resource_type != "*").then(|| resource_type.to_owned()),
            access: Access::Operation(name.to_owned()),
            constraint: Vec::new(),
        })
    }

    /// The sentence: "See your lab results".
    pub fn words(&self, reader: Reader) -> String {
        let what = self.what(reader);
        let sentence = match &self.access {
            Access::Permissions(permissions) => format!("{} {what}", permissions.words()),
            Access::Operation(name) => match name.as_str() {
                "export" if self.resource_type.as_deref() == Some("Group") => {
                    format!("export the whole records of the patients of a list{NOT_YET}")
                }
                "export" => format!("export the whole records of all patients{NOT_YET}"),
                "bulkdata-status" => format!("follow and cancel exports{NOT_YET}"),
                "docref" => format!("ask for a summary document of {}", self.owner(reader, "record")),
                _ => format!("use ${name} on {what}"),
            },
        };
        capitalized(&sentence)
    }

    /// Under which heading it stands.
    pub fn group(&self) -> Group {
        match &self.resource_type {
            _ if matches!(&self.access, Access::Operation(name) if name == "export") => Group::Everything,
            None => Group::Everything,
            Some(name) => entry(name).map_or(Group::Other, |(_, group, _, _)| *group),
        }
    }

    /// Whether anything may be changed by it, rather than looked at.
    pub fn changes(&self) -> bool {
        matches!(&self.access, Access::Permissions(permissions) if permissions.changes())
    }

    /// What a person may narrow it to, each of which it covers: looking without changing, the types under `*`, the
    /// categories under a type.
    pub fn narrower(&self) -> Vec<Self> {
        let Access::Permissions(permissions) = &self.access else { return Vec::new() };
        let unasked = Self { text: None, ..self.clone() };
        let mut narrower = Vec::new();
        if permissions.changes() && permissions.looks() {
            narrower.push(Self { access: Access::Permissions(permissions.looking()), ..unasked.clone() });
        }
        if !self.constraint.is_empty() {
            return narrower;
        }
        match self.resource_type.as_deref() {
            None => narrower.extend(
                OFFERED_TYPES.iter().map(|name| Self { resource_type: Some((*name).to_owned()), ..unasked.clone() }),
            ),
            Some(name) => {
                let parts = PARTS.iter().filter(|part| part.resource_type == name && part.rank >= Rank::Offered);
                narrower.extend(parts.map(|part| {
                    let category = ("category".to_owned(), format!("{}|{}", part.system, part.code));
                    Self { constraint: vec![category], ..unasked.clone() }
                }));
            }
        }
        narrower
    }

    /// "your lab results, only those with date=ge2026"
    fn what(&self, reader: Reader) -> String {
        let Some(name) = self.resource_type.as_deref() else {
            return self.everything(reader) + &self.rest(&self.constraint);
        };
        let (noun, rest) = match self.part() {
            Some((noun, rest)) => (noun, rest),
            None => {
                let noun =
                    entry(name).map_or_else(|| format!("records of the kind {name}"), |entry| entry.3.to_owned());
                (noun, self.constraint.clone())
            }
        };
        let noun = match entry(name) {
            Some((_, _, Of::Nobody, _)) => noun,
            _ => self.owner(reader, &noun),
        };
        noun + &self.rest(&rest)
    }

    fn owner(&self, reader: Reader, noun: &str) -> String {
        let owner = match (self.level, reader) {
            (Level::System, _) => "all patients'",
            // A patient's token never leaves their own record, whatever its level.
            (_, Reader::Patient) => "your",
            (Level::Patient, Reader::Staff) => "this patient's",
            (Level::User, Reader::Staff) => "your patients'",
        };
        format!("{owner} {noun}")
    }

    fn everything(&self, reader: Reader) -> String {
        match (self.level, reader) {
            (Level::System, _) => "everything in all records".to_owned(),
            (_, Reader::Patient) => "everything in your record".to_owned(),
            (Level::Patient, Reader::Staff) => "everything in this patient's record".to_owned(),
            (Level::User, Reader::Staff) => "everything in your patients' records".to_owned(),
        }
    }

    /// Where the constraint is a known category, its name, and what else is asked.
    fn part(&self) -> Option<(String, Vec<(String, String)>)> {
        let name = self.resource_type.as_deref()?;
        let place = self.constraint.iter().position(|(parameter, _)| parameter == "category")?;
        let known = |token: &str| {
            let (system, code) = token.split_once('|').map_or((None, token), |(system, code)| (Some(system), code));
            PARTS
                .iter()
                .filter(|part| part.resource_type == name && part.code == code)
                .find(|part| system.is_none_or(|system| system == part.system))
                .map(|part| part.words)
        };
        let words: Option<Vec<&str>> = self.constraint[place].1.split(',').map(known).collect();
        let mut rest = self.constraint.clone();
        rest.remove(place);
        Some((list(&words?, "and"), rest))
    }

    /// What cannot be said in words is shown as it is, rather than not at all.
    fn rest(&self, constraint: &[(String, String)]) -> String {
        let texts: Vec<String> = constraint.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        if texts.is_empty() { String::new() } else { format!(", only those with {}", list(&texts, "and")) }
    }
}

/// The granular scopes that US Core requires, without their level: `Observation.rs?category=…|laboratory`.
pub fn granular() -> Vec<String> {
    let required = PARTS.iter().filter(|part| part.rank == Rank::Granular);
    required.map(|part| format!("{}.rs?category={}|{}", part.resource_type, part.system, part.code)).collect()
}

/// What a scope says that is not of records (`openid`, `profile`, `api:fhir` …); one that is unknown says what it is.
/// None for those that say where an app was started, or for how long it has access: a page says these in its own place.
pub fn other(scope: &str, reader: Reader) -> Option<String> {
    if matches!(scope, "launch" | "offline_access" | "online_access") || scope.starts_with("launch/") {
        return None;
    }
    if let Some(operation) = Scope::operation(scope) {
        return Some(operation.words(reader));
    }
    let known = SPECIAL.iter().find(|(known, _)| *known == scope);
    Some(known.map_or_else(|| scope.to_owned(), |(_, words)| (*words).to_owned()))
}

fn entry(name: &str) -> Option<&'static (&'static str, Group, Of, &'static str)> {
    TYPES.iter().find(|(known, ..)| *known == name)
}

/// `a, b and c`
fn list(parts: &[&str], last: &str) -> String {
    match parts {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
