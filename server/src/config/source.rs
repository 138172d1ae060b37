//! Where settings come from: the file, the environment, the command line; each value with its place.

use std::fmt;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::{all, source_variable};
use super::sites::{SITE_SETTINGS, SiteSetting};
use super::{ConfigError, Problem};

/// The file that is read where none is named, if it is there.
const DEFAULT_FILE: &str = "vesta.toml";

/// What a start of the program is given.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// `--config`, else `VESTA_CONFIG`; then it must be there.
    pub file: Option<PathBuf>,
    /// The whole environment; what does not start with `VESTA_` is passed over.
    pub variables: Vec<(String, String)>,
    pub flags: Vec<Flag>,
}

/// A setting given on the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The setting's name: `listen`.
    pub name: &'static str,
    pub value: String,
}

impl Sources {
    /// The process's environment with the given flags.
    pub fn from_environment(file: Option<PathBuf>, flags: Vec<Flag>) -> Sources {
        let text = |value: std::ffi::OsString| value.to_string_lossy().into_owned();
        let variables = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        Sources { file, variables, flags }
    }
}

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Default,
    File { path: PathBuf, line: usize },
    Variable(String),
    Flag(String),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Default => formatter.write_str("the default"),
            Place::File { path, line } => write!(formatter, "{}:{line}", path.display()),
            Place::Variable(name) => formatter.write_str(name),
            Place::Flag(name) => formatter.write_str(name),
        }
    }
}

/// A value before it is understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Raw {
    Text(String),
    Boolean(bool),
    Integer(String),
    List(Vec<String>),
    /// A kind of value that no setting takes: a date, a float, a list of lists.
    Other(&'static str),
}

impl fmt::Display for Raw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Raw::Text(text) => write!(formatter, "{text:?}"),
            Raw::Boolean(value) => write!(formatter, "{value}"),
            Raw::Integer(text) => formatter.write_str(text),
            Raw::List(values) => write!(formatter, "{values:?}"),
            Raw::Other(kind) => write!(formatter, "({kind})"),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) raw: Raw,
    pub(super) place: Place,
}

/// Everything that was given, in the order in which it applies.
pub(super) fn collect(sources: &Sources, problems: &mut Vec<Problem>) -> Result<Vec<Given>, ConfigError> {
    let mut all = Vec::new();
    let named = sources.file.clone().or_else(|| {
        let (_, value) = sources.variables.iter().find(|(name, _)| name == "VESTA_CONFIG")?;
        Some(PathBuf::from(value))
    });
    let path = named.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    match std::fs::read_to_string(&path) {
        Ok(text) => from_file(&path, &text, &mut all, problems),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(ConfigError::File { path, source }),
    }
    for (variable, value) in &sources.variables {
        if let Some(name) = variable_setting(variable) {
            let raw = Raw::Text(value.clone());
            all.push(Given { name, raw, place: Place::Variable(variable.clone()) });
        }
    }
    for flag in &sources.flags {
        let place = Place::Flag(format!("--{}", flag.name));
        all.push(Given { name: flag.name.to_owned(), raw: Raw::Text(flag.value.clone()), place });
    }
    Ok(all)
}

/// The setting that a variable means; a `VESTA_` variable that means none keeps its own name, so that it is refused.
fn variable_setting(variable: &str) -> Option<String> {
    let rest = variable.strip_prefix("VESTA_").filter(|rest| *rest != "CONFIG")?;
    if let Some(setting) = all().find(|setting| source_variable(setting.name) == variable) {
        return Some(setting.name.to_owned());
    }
    if let Some(site) = rest.strip_prefix("SITES_") {
        let known = SITE_SETTINGS.iter().find_map(|SiteSetting { name, .. }| {
            let site = site.strip_suffix(&name.replace('.', "_").to_ascii_uppercase())?.strip_suffix('_')?;
            Some(format!("sites.{}.{name}", site.to_ascii_lowercase().replace('_', "-")))
        });
        if known.is_some() {
            return known;
        }
    }
    Some(rest.to_ascii_lowercase())
}

fn from_file(path: &Path, text: &str, all: &mut Vec<Given>, problems: &mut Vec<Problem>) {
    let line_of = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
    match DeTable::parse(text) {
        Ok(table) => {
            let mut flatten = Flatten { path, line_of: &line_of, all };
            flatten.table("", table.get_ref());
        }
        Err(error) => {
            let line = line_of(error.span().map_or(0, |span| span.start));
            problems.push(Problem {
                name: "the file is not TOML".to_owned(),
                place: Place::File { path: path.to_owned(), line },
                value: None,
                expected: error.message().to_owned(),
            });
        }
    }
}

struct Flatten<'a> {
    path: &'a Path,
    line_of: &'a dyn Fn(usize) -> usize,
    all: &'a mut Vec<Given>,
}

impl Flatten<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table.iter() {
            let name = match prefix {
                "" => key.get_ref().to_string(),
                prefix => format!("{prefix}.{}", key.get_ref()),
            };
            match value.get_ref() {
                DeValue::Table(inner) if !inner.is_empty() => self.table(&name, inner),
                _ => {
                    let place = Place::File { path: self.path.to_owned(), line: (self.line_of)(key.span().start) };
                    self.all.push(Given { name, raw: raw(value), place });
                }
            }
        }
    }
}

fn raw(value: &Spanned<DeValue<'_>>) -> Raw {
    match value.get_ref() {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Integer(integer) => Raw::Integer(integer.to_string()),
        DeValue::Float(_) => Raw::Other("a number with a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Table(_) => Raw::Other("a table"),
        DeValue::Array(values) => {
            let texts = values.iter().map(|value| match value.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            });
            texts.collect::<Option<_>>().map_or(Raw::Other("a list of other things than text"), Raw::List)
        }
    }
}
