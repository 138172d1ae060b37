//! Suites: what is asked of a server, as data. Those of guides are written by `cargo xtask codegen`, others by hand.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::queries;
use crate::run::authorization::{self, Launch};

/// Where the suites stand that belong to the kit.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/suites");

/// One file, or several of one name in a folder: each has some of the groups then.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// What a reader of the file should know; not used.
    #[serde(default)]
    pub comment: String,
    pub name: String,
    /// Whether its tests make records, change them and delete them again: their own, and no others.
    #[serde(default)]
    pub writes: bool,
    /// The guide whose profiles the tests are about.
    #[serde(default)]
    pub guide: Option<Guide>,
    /// By type and code: the parameters that tests name.
    #[serde(default)]
    pub parameters: BTreeMap<String, BTreeMap<String, Parameter>>,
    /// The launches that tests name.
    #[serde(default)]
    pub launches: BTreeMap<String, Launch>,
    pub groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guide {
    pub name: String,
    pub version: String,
    pub canonical: String,
}

/// A search parameter, as its definition has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub expression: String,
    #[serde(default)]
    pub target: Vec<String>,
    /// The prefixes that a server is to know.
    #[serde(default)]
    pub comparators: Vec<String>,
    /// Whether a server is to take several values with commas.
    #[serde(default)]
    pub lists: bool,
}

/// Tests of one thing: a profile, a type, a page of guidance.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub id: String,
    #[serde(default, rename = "type")]
    pub resource_type: Option<String>,
    /// With its version.
    #[serde(default)]
    pub profile: Option<String>,
    /// The page that the requirements stand on, where a test names no other.
    pub link: String,
    /// Of a section of the specification: how many of its sentences say SHALL, SHOULD or MAY. Ids that end in a number
    /// are theirs; the others are rules that the section gives without these words.
    #[serde(default)]
    pub sentences: Option<usize>,
    pub tests: Vec<Definition>,
    #[serde(default)]
    pub accounted: Vec<Accounted>,
}

/// A sentence that no test of its own judges, and why.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounted {
    pub id: String,
    pub expectation: Expectation,
    pub requirement: String,
    pub because: Because,
    /// The id of the test, where another judges it.
    #[serde(default)]
    pub by: Option<String>,
    /// What makes it so.
    pub note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Because {
    /// It says what clients, or those between client and server, do.
    Client,
    /// Another test judges it.
    Elsewhere,
    /// It is the operator's.
    Deployment,
    /// It is for servers that lack what this one has.
    Condition,
    /// It is about something that a server may offer and this one does not.
    NotOffered,
    /// It cannot be seen from outside.
    Unobservable,
    /// This server does not do it: a shortcoming that is known.
    Shortcoming,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    pub id: String,
    pub expectation: Expectation,
    pub requirement: String,
    #[serde(default)]
    pub link: Option<String>,
    pub check: Check,
}

/// How firmly it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Expectation {
    Shall,
    #[serde(rename = "SHALL NOT")]
    ShallNot,
    Should,
    #[serde(rename = "SHOULD NOT")]
    ShouldNot,
    May,
}

impl Expectation {
    pub fn is_binding(self) -> bool {
        matches!(self, Self::Shall | Self::ShallNot)
    }
}

/// What is done; the modules of [`crate::run`] say how.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Check {
    CapabilityStatement {
        instantiates: Option<String>,
    },
    CapabilityType {
        #[serde(rename = "type")]
        resource_type: String,
        interactions: Vec<String>,
        parameters: Vec<String>,
        profiles: Vec<String>,
        includes: Vec<String>,
        revincludes: Vec<String>,
    },
    Read,
    Vread,
    HistoryInstance,
    Search {
        parameters: Vec<String>,
        variants: Vec<Variant>,
    },
    Chain {
        parameter: String,
        target: String,
        chained: String,
    },
    Include {
        include: String,
    },
    Revinclude {
        revinclude: String,
    },
    Conformance,
    MustSupport,
    References,
    ClinicalNote {
        #[serde(rename = "type")]
        resource_type: String,
        parameter: String,
        system: String,
        code: String,
    },
    NoteAttachments,
    NoteCustodians,
    MissingData {
        form: Missing,
    },
    /// Every resource that was loaded is read back as it was given.
    Held,
    UnknownId,
    UnknownType,
    UnknownVersion,
    MalformedValue,
    UnknownParameter,
    Formats,
    Paging,
    Total,
    Subsetted,
    /// What a relying party asks of the authorization server.
    Authorization(authorization::Case),
    /// Requests and what must come of them, all in the suite's file.
    Case(Case),
    /// No two search parameters of a type differ in case only.
    ParameterNames,
    /// Every search that the hand-written table of `queries` gives for the loaded files.
    Queries {
        #[serde(rename = "type")]
        resource_type: String,
    },
}

/// A form of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    Get,
    /// By POST to `_search`.
    Post,
    /// The patient as `Patient/id`.
    Reference,
    /// A code without its system, and with another system.
    Token,
    /// Two values with a comma.
    List,
    /// The prefixes of dates, at their boundaries.
    Comparator,
}

impl fmt::Display for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Reference => "reference",
            Self::Token => "token",
            Self::List => "list",
            Self::Comparator => "comparator",
        })
    }
}

/// How a value that is not known is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    Extension,
    Code,
}

/// What is run: a definition, in one of its variants.
#[derive(Debug, Clone)]
pub struct Test<'a> {
    /// `us-core-patient/search/birthdate+family/post`, unique in its suite.
    pub id: String,
    pub suite: &'a Suite,
    pub group: &'a Group,
    pub definition: &'a Definition,
    pub variant: Option<Variant>,
}

impl Test<'_> {
    pub fn link(&self) -> &str {
        self.definition.link.as_deref().unwrap_or(&self.group.link)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    #[error("{path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: not a suite: {source}")]
    Json { path: PathBuf, source: serde_json::Error },
}

/// All suites of a folder, by name.
pub fn load(folder: &Path) -> Result<Vec<Suite>, SuiteError> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    // The order of the groups is that of the files.
    files.sort();
    let mut suites: BTreeMap<String, Suite> = BTreeMap::new();
    for path in files {
        let text = std::fs::read(&path).map_err(|source| SuiteError::Read { path: path.clone(), source })?;
        let suite: Suite = serde_json::from_slice(&text).map_err(|source| SuiteError::Json { path, source })?;
        match suites.entry(suite.name.clone()) {
            Entry::Vacant(place) => {
                place.insert(suite);
            }
            Entry::Occupied(mut known) => known.get_mut().groups.extend(suite.groups),
        }
    }
    Ok(suites.into_values().collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), SuiteError> {
    let read = |source| SuiteError::Read { path: folder.to_path_buf(), source };
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    Ok(())
}

impl Suite {
    /// Everything that is run, in the order of the file.
    pub fn tests(&self) -> Vec<Test<'_>> {
        let mut tests = Vec::new();
        for group in &self.groups {
            for definition in &group.tests {
                let id = format!("{}/{}", group.id, definition.id);
                let test = |id, variant| Test { id, suite: self, group, definition, variant };
                match &definition.check {
                    Check::Search { variants, .. } => {
                        tests.extend(variants.iter().map(|variant| test(format!("{id}/{variant}"), Some(*variant))));
                    }
                    _ => tests.push(test(id, None)),
                }
            }
        }
        tests
    }

    /// A parameter as the kit reads it; an error says why it cannot.
    pub fn parameter(&self, resource_type: &str, code: &str) -> Result<queries::Parameter, String> {
        let known = self.parameters.get(resource_type).and_then(|parameters| parameters.get(code));
        if known.is_none() && code == "_id" {
            // Every resource is found by it. <https://hl7.org/fhir/R4/search.html#id>
            let paths = vec![queries::Path::members("id")];
            let (resource_type, code) = (resource_type.to_owned(), code.to_owned());
            return Ok(queries::Parameter { resource_type, code, kind: queries::Kind::Token, paths });
        }
        let known = known.ok_or_else(|| format!("the suite does not say what {code} finds in {resource_type}"))?;
        let kind = match known.kind.as_str() {
            "token" => queries::Kind::Token,
            "date" => queries::Kind::Date,
            "string" => queries::Kind::Text,
            "quantity" => queries::Kind::Quantity,
            "number" => queries::Kind::Number,
            "uri" => queries::Kind::Uri,
            "reference" => {
                let target = if let [only] = known.target.as_slice() { Some(only.clone().into()) } else { None };
                queries::Kind::Reference { target }
            }
            other => return Err(format!("{code} is of the type {other}, which the kit does not search by")),
        };
        let paths = queries::Path::read(&known.expression).map_err(|error| error.to_string())?;
        Ok(queries::Parameter { resource_type: resource_type.to_owned(), code: code.to_owned(), kind, paths })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_suite_of_the_kit_is_readable_and_its_ids_are_unique() {
        let suites = load(Path::new(FOLDER)).unwrap();
        assert!(suites.len() > 3);
        for suite in &suites {
            let tests = suite.tests();
            let ids: BTreeSet<&str> = tests.iter().map(|test| test.id.as_str()).collect();
            assert_eq!(ids.len(), tests.len(), "{}", suite.name);
            for (resource_type, parameters) in &suite.parameters {
                for code in parameters.keys() {
                    let read = suite.parameter(resource_type, code);
                    assert!(read.is_ok(), "{}: {resource_type}: {read:?}", suite.name);
                }
            }
        }
    }
}
