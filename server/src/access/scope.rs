//! The language of SMART scopes.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html>

use super::{Level, Permission, Permissions, Scope};

/// The letters, in the only order in which a scope may have them.
pub(super) const LETTERS: [(char, Permission); 5] = [
    ('c', Permission::Create),
    ('r', Permission::Read),
    ('u', Permission::Update),
    ('d', Permission::Delete),
    ('s', Permission::Search),
];

/// Scopes that say nothing of resources.
const OTHER_SCOPES: [&str; 9] = [
    "openid",
    "profile",
    "fhirUser",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
    "smart/orchestrate_launch",
];

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
        .filter(|scope| !OTHER_SCOPES.contains(scope))
        .map(|scope| parse(scope).map_err(|reason| ScopeError { scope: scope.to_owned(), reason }))
        .collect()
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
    if rest.contains('?') {
        return Err("a part of a type (?category=…) cannot be granted yet: grant the type");
    }
    let (resource_type, permissions) = rest.split_once('.').ok_or("expected a dot and permissions behind the type")?;
    let resource_type = match resource_type {
        "*" => None,
        name if vesta_fhir::SCHEMA.resource(name).is_some() => Some(name.to_owned()),
        _ => return Err("expected * or a resource type of R4, such as Observation"),
    };
    Ok(Scope { level, resource_type, permissions: permissions_of(permissions)? })
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
            "patient/Observation.rs?category=laboratory",
            "everything",
        ] {
            let error = parse_scopes(&format!("openid {text}")).expect_err(text);
            reasons.push_str(&format!("{error}\n"));
        }
        insta::assert_snapshot!(reasons);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_read_reads_the_same_when_written(text in "[a-z*/.?A-Z ]{0,40}") {
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
