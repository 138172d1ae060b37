//! The language of SMART scopes: nothing of HTTP, SQL or searches. What stands behind `?` is kept as the names and values
//! of a query; what they mean is for who has the search parameters.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// A SMART scope for a resource type: `patient/Observation.rs`, or for a part of it:
/// `patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub level: Level,
    /// None stands for `*`.
    pub resource_type: Option<String>,
    pub permissions: Permissions,
    /// The names and values behind `?`, decoded: a resource must meet all of them. Empty where there are none.
    pub constraint: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Patient,
    User,
    System,
}

/// The letters of `cruds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions {
    pub create: bool,
    pub read: bool,
    pub update: bool,
    pub delete: bool,
    pub search: bool,
}

/// The letter that an interaction needs: `r` is read, vread and instance history; `s` is search and history of a
/// type or the system; `u` is update and patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    Create,
    Read,
    Update,
    Delete,
    Search,
}

impl Permissions {
    pub const ALL: Permissions = Permissions { create: true, read: true, update: true, delete: true, search: true };

    pub fn only(permission: Permission) -> Permissions {
        let mut permissions = Permissions::default();
        *permissions.letter(permission) = true;
        permissions
    }

    pub fn include(mut self, permission: Permission) -> bool {
        *self.letter(permission)
    }

    fn letter(&mut self, permission: Permission) -> &mut bool {
        match permission {
            Permission::Create => &mut self.create,
            Permission::Read => &mut self.read,
            Permission::Update => &mut self.update,
            Permission::Delete => &mut self.delete,
            Permission::Search => &mut self.search,
        }
    }
}

impl Scope {
    /// Whether whoever has this scope may be given the other, since it grants nothing more.
    pub fn covers(&self, other: &Scope) -> bool {
        let is_of_type = self.resource_type.is_none() || self.resource_type == other.resource_type;
        let has_letters =
            LETTERS.iter().all(|(_, letter)| !other.permissions.include(*letter) || self.permissions.include(*letter));
        // Each pair narrows: what meets more meets these.
        let is_narrower = self.constraint.iter().all(|pair| other.constraint.contains(pair));
        self.level == other.level && is_of_type && has_letters && is_narrower
    }
}

impl Level {
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Patient => "patient",
            Level::User => "user",
            Level::System => "system",
        }
    }
}

/// What cannot stand in a scope as it is: RFC 6749, 3.3 leaves out white space, `"` and `\`; the others part a query.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'\\').add(b'%').add(b'&').add(b'+').add(b'#').add(b'=');

/// In the form of SMART 2, letters in the order of `cruds`.
impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}.", self.level.as_str(), self.resource_type.as_deref().unwrap_or("*"))?;
        for (letter, permission) in LETTERS {
            if self.permissions.include(permission) {
                write!(formatter, "{letter}")?;
            }
        }
        for (at, (name, value)) in self.constraint.iter().enumerate() {
            let mark = if at == 0 { '?' } else { '&' };
            let encoded = |text| utf8_percent_encode(text, ENCODED);
            write!(formatter, "{mark}{}={}", encoded(name), encoded(value))?;
        }
        Ok(())
    }
}

/// The letters, in the only order in which a scope may have them.
const LETTERS: [(char, Permission); 5] = [
    ('c', Permission::Create),
    ('r', Permission::Read),
    ('u', Permission::Update),
    ('d', Permission::Delete),
    ('s', Permission::Search),
];

/// Scopes that say nothing of resources.
pub const OTHER_SCOPES: [&str; 15] = [
    "openid",
    "profile",
    "email",
    "phone",
    "address",
    "fhirUser",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
    "smart/orchestrate_launch",
    // OpenEMR's, one for each of its APIs.
    "api:oemr",
    "api:fhir",
    "api:port",
];

/// A scope that names an operation, as OpenEMR has them: `patient/DocumentReference.$docref`. It grants that operation and
/// nothing of the resources that the operation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationScope {
    pub level: Level,
    /// None stands for `*`.
    pub resource_type: Option<String>,
    /// Without `$`.
    pub name: String,
}

fn operation(scope: &str) -> Option<OperationScope> {
    let (level, rest) = scope.split_once('/')?;
    let level = [Level::Patient, Level::User, Level::System].into_iter().find(|known| known.as_str() == level)?;
    let (resource_type, name) = rest.split_once(".$")?;
    let resource_type = Some(resource_type.to_owned()).filter(|name| name != "*");
    Some(OperationScope { level, resource_type, name: name.to_owned() })
}

/// The scopes among these that name an operation.
pub fn parse_operations(text: &str) -> Vec<OperationScope> {
    text.split_ascii_whitespace().filter_map(operation).collect()
}

/// The form in which a scope may be written as a URI.
const URI_PREFIX: &str = "http://smarthealthit.org/fhir/scopes/";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("scope {scope}: {reason}")]
pub struct ScopeError {
    pub scope: String,
    pub reason: &'static str,
}

/// Reads scopes separated by spaces. Those that say nothing of resources (`openid`) are passed over, anything else
/// that is not understood is an error: a token must never mean less or more than its reader thinks.
pub fn parse_scopes(text: &str) -> Result<Vec<Scope>, ScopeError> {
    text.split_ascii_whitespace()
        .filter(|scope| !says_nothing_of_resources(scope))
        .map(|scope| parse(scope).map_err(|reason| ScopeError { scope: shown(scope), reason }))
        .collect()
}

/// Whether a scope is known and grants no resources: what it grants is said elsewhere.
pub fn says_nothing_of_resources(scope: &str) -> bool {
    OTHER_SCOPES.contains(&scope) || operation(scope).is_some()
}

/// Reads a single scope of resources.
pub fn parse_scope(scope: &str) -> Result<Scope, ScopeError> {
    parse(scope).map_err(|reason| ScopeError { scope: shown(scope), reason })
}

/// A scope's values may name a person.
fn shown(scope: &str) -> String {
    match scope.split_once('?') {
        Some((before, _)) => format!("{before}?…"),
        None => scope.to_owned(),
    }
}

fn parse(scope: &str) -> Result<Scope, &'static str> {
    let scope = scope.strip_prefix(URI_PREFIX).unwrap_or(scope);
    let (level, rest) = scope.split_once('/').ok_or("expected patient/, user/ or system/ before a resource type")?;
    let level = match level {
        "patient" => Level::Patient,
        "user" => Level::User,
        "system" => Level::System,
        _ => return Err("expected patient/, user/ or system/ before a resource type"),
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query)),
        None => (rest, None),
    };
    let (resource_type, permissions) = rest.split_once('.').ok_or("expected a dot and permissions behind the type")?;
    let resource_type = match resource_type {
        "*" => None,
        name if vesta_fhir::SCHEMA.resource(name).is_some() => Some(name.to_owned()),
        _ => return Err("expected * or a resource type of R4, such as Observation"),
    };
    let constraint = match query {
        None => Vec::new(),
        Some(_) if OF_SMART_1.contains(&permissions) => {
            return Err("a part of a type is granted by letters: write .rs?… for .read?…, .cud?… for .write?…");
        }
        Some(query) => query.split('&').map(pair).collect::<Result<_, _>>()?,
    };
    Ok(Scope { level, resource_type, permissions: permissions_of(permissions)?, constraint })
}

/// The forms of SMART 1, which knows no parts of types.
const OF_SMART_1: [&str; 3] = ["read", "write", "*"];

fn pair(text: &str) -> Result<(String, String), &'static str> {
    let expected = "expected name=value of a search behind ?, several with & between them";
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((decoded(name)?, decoded(value)?)),
        _ => Err(expected),
    }
}

/// As of a query: `+` is a space. What cannot be decoded is an error, where a query would put something in its place.
fn decoded(text: &str) -> Result<String, &'static str> {
    let wrong = "expected two hexadecimal digits behind %, and UTF-8";
    let is_byte = |rest: &str| rest.get(..2).is_some_and(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !text.split('%').skip(1).all(is_byte) {
        return Err(wrong);
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(std::borrow::Cow::into_owned).map_err(|_| wrong)
}

fn permissions_of(text: &str) -> Result<Permissions, &'static str> {
    match text {
        // The forms of SMART 1: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources
        "read" => return Ok(Permissions { read: true, search: true, ..Permissions::default() }),
        "write" => return Ok(Permissions { create: true, update: true, delete: true, ..Permissions::default() }),
        "*" => return Ok(Permissions::ALL),
        "" => return Err("expected letters of cruds behind the dot"),
        _ => {}
    }
    let mut permissions = Permissions::default();
    let mut rest = LETTERS.iter();
    for letter in text.chars() {
        // Going on where the last letter was found is what makes their order binding and a repetition an error.
        let (_, permission) = rest
            .find(|(known, _)| *known == letter)
            .ok_or("expected letters of cruds in that order, each once, or read, write or *")?;
        *permissions.letter(*permission) = true;
    }
    Ok(permissions)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scopes_are_read_as_smart_defines_them() {
        for (text, meaning) in [
            ("patient/Observation.rs", "patient/Observation.rs"),
            ("user/*.cruds", "user/*.cruds"),
            ("system/Patient.cd", "system/Patient.cd"),
            ("patient/*.read", "patient/*.rs"),
            ("patient/Condition.write", "patient/Condition.cud"),
            ("system/*.*", "system/*.cruds"),
            ("http://smarthealthit.org/fhir/scopes/patient/Patient.r", "patient/Patient.r"),
            // As US Core 8.0 names it: https://hl7.org/fhir/us/core/STU8/scopes.html
            (
                "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
                "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory",
            ),
            ("user/*.cruds?_tag=a%7Cb&status:not=x,y", "user/*.cruds?_tag=a|b&status:not=x,y"),
            ("user/Patient.r?name=a+b%20c%26%3D%25%c3%a9", "user/Patient.r?name=a%20b%20c%26%3D%25%C3%A9"),
            ("user/Observation.r?date=ge2024&date=lt2025", "user/Observation.r?date=ge2024&date=lt2025"),
        ] {
            let scopes = parse_scopes(text).unwrap();
            assert_eq!(scopes.iter().map(Scope::to_string).collect::<Vec<_>>(), [meaning], "{text}");
        }
        let several = parse_scopes("openid launch/patient  patient/Patient.r offline_access user/*.s").unwrap();
        assert_eq!(several.len(), 2);
        assert_eq!(parse_scopes("").unwrap(), []);
    }

    #[test]
    fn what_is_not_a_scope_is_refused_with_a_reason() {
        let mut reasons = String::new();
        for text in [
            "patient/Observation",
            "patient/Observation.",
            "patient/Observation.sr",
            "patient/Observation.rr",
            "patient/Observation.rx",
            "patient/Observation.Read",
            "practitioner/Observation.rs",
            "patient/observation.rs",
            "patient/Nothing.rs",
            "patient/DomainResource.rs",
            "patient/.rs",
            "Observation.rs",
            "patient/Observation.rs?",
            "patient/Observation.rs?category",
            "patient/Observation.rs?category=",
            "patient/Observation.rs?=laboratory",
            "patient/Observation.rs?category=laboratory&",
            "patient/Observation.rs?category=%zz",
            "patient/Observation.rs?category=%ff",
            "patient/Observation.rs?category=1%2",
            "patient/Observation.read?category=laboratory",
            "patient/Observation?category=laboratory.rs",
            "everything",
        ] {
            let error = parse_scopes(&format!("openid {text}")).expect_err(text);
            reasons.push_str(&format!("{error}\n"));
        }
        insta::assert_snapshot!(reasons);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_reads_the_same_when_written(text in "[a-z*/.?A-Z ]{0,40}|user/Patient\\.r\\?[a-z?=&%+|2-5é]{0,24}") {
            if let Ok(scopes) = parse_scopes(&text) {
                let written = scopes.iter().map(Scope::to_string).collect::<Vec<_>>().join(" ");
                prop_assert_eq!(parse_scopes(&written).unwrap(), scopes);
            }
        }

        #[test]
        fn every_subset_of_the_letters_in_order_is_a_scope(subset in 1u8..32) {
            let letters: String =
                LETTERS.iter().enumerate().filter(|(bit, _)| subset & (1 << bit) != 0).map(|(_, (letter, _))| letter).collect();
            let text = format!("user/Patient.{letters}");
            let scopes = parse_scopes(&text).unwrap();
            prop_assert_eq!(scopes[0].to_string(), text);
        }
    }
}
